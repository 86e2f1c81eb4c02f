/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of operations. What is not here cannot be done: containers get no
 * privileged mode, no mounts of the host, no devices, no capabilities and no
 * host network, since no parameter can ask for them.
 */
#include "catalogue/catalogue.h"
#include "catalogue/checks.h"
#include "catalogue/operations.h"

#define MIB (INT64_C(1) << 20)
#define TIB (INT64_C(1) << 40)

#define BOOLEAN(n, l, s)                                                                                    \
        {                                                                                                   \
                .name = (n), .type = PARAMETER_BOOLEAN, .label = (l), .summary = (s),                       \
                .default_json = "false"                                                                     \
        }
#define TIMEOUT                                                                                             \
        {                                                                                                   \
                .name = "timeout_seconds", .type = PARAMETER_INTEGER,                                       \
                .label = "Seconds before it is killed",                                                     \
                .summary = "How long the container may take to stop by itself", .min = 0, .max = 600,       \
                .default_json = "10"                                                                        \
        }

static const struct catalogue_parameter list_containers[] = {
        BOOLEAN("all", "Stopped ones too", "List stopped containers as well"),
};
static const struct catalogue_parameter logs[] = {
        {.name = "tail",
         .type = PARAMETER_INTEGER,
         .label = "Lines",
         .summary = "How many of the last lines to read",
         .min = 1,
         .max = 10000,
         .default_json = "200"},
        BOOLEAN("timestamps", "With times", "Put the time before each line"),
};
static const struct catalogue_parameter stop[] = {TIMEOUT};
static const struct catalogue_parameter kill_container[] = {
        {.name = "signal",
         .type = PARAMETER_STRING,
         .label = "Signal",
         .summary = "The signal's name",
         .min = 1,
         .max = 10,
         .default_json = "\"SIGKILL\"",
         .value_check = check_signal,
         .form = "a signal's name, such as SIGTERM"},
};
static const struct catalogue_parameter remove_container[] = {
        BOOLEAN("force", "Force: even while it runs", "Kill the container first if it runs"),
        BOOLEAN("volumes", "Its anonymous volumes too", "Remove the anonymous volumes that belong to it"),
};
static const struct catalogue_parameter remove_image[] = {
        BOOLEAN("force", "Force: even if tagged or used",
                "Remove the image although tags or stopped containers refer to it"),
};
static const struct catalogue_parameter remove_volume[] = {
        BOOLEAN("force", "Force: even if its driver fails",
                "Forget the volume although its driver cannot remove it"),
};

/* What container.create takes; container.run takes it too and adds two of its own. */
#define COMMAND                                                                                             \
        {                                                                                                   \
                .name = "command", .type = PARAMETER_STRING_LIST, .opaque = true,                           \
                .label = "Command inside the container",                                                    \
                .summary = "Program and arguments, each by itself; the image's own unless told", .min = 1,  \
                .max = 256, .item_max_bytes = 16384                                                         \
        }
#define ENV                                                                                                 \
        {                                                                                                   \
                .name = "env", .type = PARAMETER_STRING_MAP, .label = "Environment variables",              \
                .summary = "Environment variables by name; not for secrets, since approvers see them",      \
                .min = 0, .max = 128, .item_max_bytes = 8192, .default_json = "{}",                         \
                .key_check = check_env_name, .form = "letters, digits and underscores, no digit first"      \
        }
#define LABELS                                                                                              \
        {                                                                                                   \
                .name = "labels", .type = PARAMETER_STRING_MAP, .label = "Labels",                          \
                .summary = "Labels by name", .min = 0, .max = 64, .item_max_bytes = 1024,                   \
                .default_json = "{}", .key_check = check_label_name,                                        \
                .form = "printable characters without spaces"                                               \
        }
#define MEMORY                                                                                              \
        {                                                                                                   \
                .name = "memory_bytes", .type = PARAMETER_INTEGER, .label = "Memory limit (bytes)",         \
                .summary = "The most memory that the container may use", .min = 6 * MIB, .max = TIB         \
        }
#define NAME                                                                                                \
        {                                                                                                   \
                .name = "name", .type = PARAMETER_STRING, .label = "Container name",                        \
                .summary = "The new container's name; the engine makes one up unless told", .min = 2,       \
                .max = 128, .value_check = check_docker_name,                                               \
                .form = "letters, digits, '_', '.' and '-', two at least"                                   \
        }
#define NETWORK                                                                                             \
        {                                                                                                   \
                .name = "network", .type = PARAMETER_STRING, .label = "Network",                            \
                .summary = "The network to join: bridge, none, or one of your own; never the host's",       \
                .min = 2, .max = 128, .default_json = "\"bridge\"", .value_check = check_network_mode,      \
                .form = "a network's name other than host"                                                  \
        }
#define PORTS                                                                                               \
        {                                                                                                   \
                .name = "ports", .type = PARAMETER_STRING_MAP, .label = "Published ports",                  \
                .summary = "Container port to host address: {\"80/tcp\": \"127.0.0.1:8080\"}", .min = 0,    \
                .max = 64, .item_max_bytes = 32, .default_json = "{}", .key_check = check_container_port,   \
                .value_check = check_host_address,                                                          \
                .form = "like 80/tcp, published at an address like 127.0.0.1:8080"                          \
        }
#define USER                                                                                                \
        {                                                                                                   \
                .name = "user", .type = PARAMETER_STRING, .label = "User inside the container",             \
                .summary = "User, or user:group; the image's own unless told", .min = 1, .max = 64,         \
                .value_check = check_user, .form = "a user, or user:group"                                  \
        }

static const struct catalogue_parameter create[] = {COMMAND, ENV,     LABELS, MEMORY,
                                                    NAME,    NETWORK, PORTS,  USER};
static const struct catalogue_parameter run[] = {
        BOOLEAN("auto_remove", "Removed when it ends", "Remove the container when it ends"),
        COMMAND,
        ENV,
        LABELS,
        MEMORY,
        NAME,
        NETWORK,
        PORTS,
        USER,
        {.name = "wait_seconds",
         .type = PARAMETER_INTEGER,
         .label = "Seconds to wait for its end",
         .summary = "How long to wait for the container to end and to read what it prints; 0: not at all",
         .min = 0,
         .max = 3600,
         .default_json = "0"},
};

static bool check_policy_layer(struct str text)
{
        return str_is(text, "workspace") || str_is(text, "tenant") || str_is(text, "tier") ||
               str_is(text, "platform");
}

static bool check_tier(struct str text)
{
        return str_is(text, "basic") || str_is(text, "standard") || str_is(text, "enterprise");
}

static const struct catalogue_parameter policy_place[] = {
        {.name = "layer",
         .type = PARAMETER_STRING,
         .required = true,
         .label = "Layer",
         .summary = "Where it decides: workspace, tenant, tier, platform",
         .min = 1,
         .max = 16,
         .value_check = check_policy_layer,
         .form = "workspace, tenant, tier or platform"},
        {.name = "tier",
         .type = PARAMETER_STRING,
         .label = "Tier",
         .summary = "Of the layer tier: basic, standard, enterprise",
         .min = 1,
         .max = 16,
         .value_check = check_tier,
         .form = "basic, standard or enterprise"},
};

static const struct catalogue_parameter promote[] = {
        {.name = "environment",
         .type = PARAMETER_STRING,
         .required = true,
         .label = "Environment",
         .summary = "The environment that gets this version",
         .min = 1,
         .max = 63,
         .value_check = check_label_name,
         .form = "the name of an environment"},
};

#define PARAMETERS(array) .parameters = (array), .parameter_count = sizeof(array) / sizeof((array)[0])

const struct catalogue_operation operations[] = {
        {"docker", "container.list", "List containers", EFFECT_READS, true, TARGET_NONE,
         PARAMETERS(list_containers)},
        {"docker", "container.inspect", "Read a container's details", EFFECT_READS, true, TARGET_CONTAINER,
         NULL, 0},
        {"docker", "container.logs", "Read what a container has printed", EFFECT_READS, true,
         TARGET_CONTAINER, PARAMETERS(logs)},
        {"docker", "container.start", "Start a container", EFFECT_CHANGES, true, TARGET_CONTAINER, NULL, 0},
        {"docker", "container.stop", "Stop a container", EFFECT_CHANGES, true, TARGET_CONTAINER,
         PARAMETERS(stop)},
        {"docker", "container.restart", "Restart a container", EFFECT_CHANGES, false, TARGET_CONTAINER,
         PARAMETERS(stop)},
        {"docker", "container.kill", "Send a signal to a container", EFFECT_CHANGES, false, TARGET_CONTAINER,
         PARAMETERS(kill_container)},
        {"docker", "container.remove", "Remove a container", EFFECT_DESTROYS, true, TARGET_CONTAINER,
         PARAMETERS(remove_container)},
        {"docker", "container.create", "Create a container from an image", EFFECT_CHANGES, false,
         TARGET_IMAGE, PARAMETERS(create)},
        {"docker", "container.run", "Create and start a container from an image", EFFECT_CHANGES, false,
         TARGET_IMAGE, PARAMETERS(run)},
        {"docker", "image.list", "List images", EFFECT_READS, true, TARGET_NONE, NULL, 0},
        {"docker", "image.remove", "Remove an image", EFFECT_DESTROYS, true, TARGET_IMAGE,
         PARAMETERS(remove_image)},
        {"docker", "network.remove", "Remove a network", EFFECT_DESTROYS, true, TARGET_NETWORK, NULL, 0},
        {"docker", "volume.remove", "Remove a volume and all that is in it", EFFECT_DESTROYS, false,
         TARGET_VOLUME, PARAMETERS(remove_volume)},
        /* Run by the server itself (src/approvals/control.h). */
        {"countersign", "tenant.delete", "Delete a tenant and all that it has, for good", EFFECT_DESTROYS,
         true, TARGET_TENANT, NULL, 0},
        {"countersign", "workspace.delete", "Delete a workspace and all that is in it, for good",
         EFFECT_DESTROYS, true, TARGET_WORKSPACE, NULL, 0},
        {"countersign", "definition.promote", "Make a version what an environment has", EFFECT_CHANGES, true,
         TARGET_DOCUMENT, PARAMETERS(promote)},
        {"countersign", "policy.activate", "Put a policy into force", EFFECT_CHANGES, true, TARGET_DOCUMENT,
         PARAMETERS(policy_place)},
        {"countersign", "policy.deactivate", "Put a policy out of force", EFFECT_CHANGES, true,
         TARGET_DOCUMENT, PARAMETERS(policy_place)},
        {"countersign", "policy.unprotect", "Let policies change without approval", EFFECT_CHANGES, true,
         TARGET_TENANT, NULL, 0},
};

const size_t operation_count = sizeof(operations) / sizeof(operations[0]);
