/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of targets, and the facts that executors find out about them. */
#include "catalogue/catalogue.h"
#include "catalogue/checks.h"

enum { FACT_MAX_BYTES = 1024 };

static const struct target_fact container_facts[] = {
        {"id", "Container id", true},
        {"known_as", "Container name", false},
        {"image", "Image", false},
        {"image_id", "Image id", false},
};
static const struct target_fact image_facts[] = {
        {"id", "Image id", true},
        {"known_as", "Image tags", false},
};
static const struct target_fact network_facts[] = {
        {"id", "Network id", true},
        {"known_as", "Network name", false},
        {"driver", "Network driver", false},
};
static const struct target_fact volume_facts[] = {
        {"id", "Volume", true},
        {"created", "Volume created", false},
        {"driver", "Volume driver", false},
};
static const struct target_fact tenant_facts[] = {
        {"id", "Tenant id", true},
        {"known_as", "Tenant name", true},
        {"region", "Home region", false},
};
static const struct target_fact workspace_facts[] = {
        {"id", "Workspace id", true},
        {"known_as", "Workspace name", true},
        {"region", "Region", false},
};
static const struct target_fact document_facts[] = {
        {"id", "Id", true},
        {"known_as", "Name", false},
        {"version", "Version", false},
        {"digest", "SHA-256", false},
};

static const struct kind {
        const char *name;
        const struct target_fact *facts;
        unsigned fact_count;
        bool (*name_check)(struct str text);
        bool (*id_check)(struct str text);
        const char *form;
} kinds[] = {
#define FACTS(array) (array), sizeof(array) / sizeof((array)[0])
        [TARGET_NONE] = {"none", NULL, 0, NULL, NULL, NULL},
        [TARGET_CONTAINER] = {"container", FACTS(container_facts), check_docker_name, check_hex_id,
                              "a container's name or id"},
        [TARGET_IMAGE] = {"image", FACTS(image_facts), check_image_reference, check_sha256_id,
                          "an image's reference or id"},
        [TARGET_NETWORK] = {"network", FACTS(network_facts), check_docker_name, check_hex_id,
                            "a network's name or id"},
        [TARGET_VOLUME] = {"volume", FACTS(volume_facts), check_docker_name, check_docker_name,
                           "a volume's name"},
        [TARGET_TENANT] = {"tenant", FACTS(tenant_facts), check_tenant_id, check_tenant_id, "a tenant's id"},
        [TARGET_WORKSPACE] = {"workspace", FACTS(workspace_facts), check_workspace_id, check_workspace_id,
                              "a workspace's id"},
        [TARGET_DOCUMENT] = {"document", FACTS(document_facts), check_any_id, check_any_id, "an id"},
#undef FACTS
};

const char *target_kind_name(enum target_kind kind)
{
        return kinds[kind].name;
}

const struct target_fact *target_kind_facts(enum target_kind kind, unsigned *ret_count)
{
        *ret_count = kinds[kind].fact_count;
        return kinds[kind].facts;
}

bool target_fact_check(enum target_kind kind, struct str fact, struct str value, struct err *err)
{
        const struct target_fact *known = NULL;

        for (unsigned i = 0; i < kinds[kind].fact_count; i++)
                if (str_is(fact, kinds[kind].facts[i].name))
                        known = &kinds[kind].facts[i];
        if (!known)
                return err_set(err, ERR_UNKNOWN_FIELD, "\"%.*s\" is no fact about a target of kind %s",
                               STR_ARG(str_slice(fact, 0, 64)), kinds[kind].name);
        if (value.len == 0 || value.len > FACT_MAX_BYTES)
                return err_set(err, ERR_BAD_FIELD, "the fact \"%s\" must have 1 to %d bytes", known->name,
                               FACT_MAX_BYTES);
        if (memchr(value.ptr, 0, value.len))
                return err_set(err, ERR_BAD_FIELD, "the fact \"%s\" holds a zero byte", known->name);
        if (str_is(fact, "id") && !kinds[kind].id_check(value))
                return err_set(err, ERR_BAD_FIELD, "\"%.*s\" is not the full id of a target of kind %s",
                               STR_ARG(str_slice(value, 0, 100)), kinds[kind].name);
        if (str_is(fact, "image_id") && !check_sha256_id(value))
                return err_set(err, ERR_BAD_FIELD, "\"%.*s\" is not an image's full id",
                               STR_ARG(str_slice(value, 0, 100)));
        return true;
}

bool target_check(enum target_kind kind, struct str target, struct err *err)
{
        if (kind == TARGET_NONE) {
                if (target.len > 0)
                        return err_set_at(err, ERR_BAD_FIELD, "/target", "this operation acts on no target");
                return true;
        }
        if (target.len == 0)
                return err_set_at(err, ERR_MISSING_FIELD, "/target", "this operation needs a target: %s",
                                  kinds[kind].form);
        if (target.len > 512 || !kinds[kind].name_check(target))
                return err_set_at(err, ERR_BAD_FIELD, "/target", "\"%.*s\" cannot be %s",
                                  STR_ARG(str_slice(target, 0, 100)), kinds[kind].form);
        return true;
}

bool target_is_full_id(struct arena *arena, enum target_kind kind, struct str target, struct str *ret_id)
{
        switch (kind) {
        case TARGET_CONTAINER:
        case TARGET_NETWORK:
                *ret_id = target;
                return check_hex_id(target);
        case TARGET_IMAGE:
                *ret_id = target;
                if (check_sha256_id(target))
                        return true;
                if (!check_hex_id(target))
                        return false;
                *ret_id = arena_printf(arena, "sha256:%.*s", STR_ARG(target));
                return ret_id->len > 0;
        case TARGET_NONE:
        case TARGET_VOLUME:
        case TARGET_TENANT:
        case TARGET_WORKSPACE:
        case TARGET_DOCUMENT:
                break;
        }
        return false;
}
