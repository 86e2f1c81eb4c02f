/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/connectors/docker.h"

#include "base/clock.h"
#include "base/heap.h"
#include "executor/connectors/docker_private.h"
#include "executor/connectors/docker_stream.h"

enum {
        READ_TIMEOUT_MS = 10 * 1000,
        CHANGE_TIMEOUT_MS = 60 * 1000,
        SETTLE_MS = 5 * 1000,
        READ_BYTES = 16 * 1024,
};

/* ---- operations that read --------------------------------------------------------------------------- */

typedef bool (*docker_print)(const struct json *answer, struct output *output, struct err *err);

static void read_and_print(struct docker *docker, struct arena *arena, struct str path, docker_print print,
                           struct output *output, struct connector_result *ret)
{
        struct docker_answer answer;
        struct err err;

        if (!docker_ask(docker, arena, path, &answer, &err))
                connector_result_set(ret, OUTCOME_FAILED, "%s", err.message);
        else if (answer.status == 404)
                connector_result_set(ret, OUTCOME_FAILED, "it is gone: %s", answer.said);
        else if (!print(&answer.json, output, &err))
                connector_result_set(ret, OUTCOME_FAILED, "%s", err.message);
        else
                connector_result_set(ret, OUTCOME_SUCCEEDED, "done");
}

static void run_container_list(struct docker *docker, struct arena *arena, const struct statement *statement,
                               struct output *output, struct connector_result *ret)
{
        bool all = parameter_bool(&statement->parameters, "all");

        read_and_print(docker, arena,
                       all ? STR(DOCKER_API "/containers/json?all=true")
                           : STR(DOCKER_API "/containers/json"),
                       docker_print_containers, output, ret);
}

static void run_image_list(struct docker *docker, struct arena *arena, const struct statement *statement,
                           struct output *output, struct connector_result *ret)
{
        (void)statement;
        read_and_print(docker, arena, STR(DOCKER_API "/images/json"), docker_print_images, output, ret);
}

static void run_container_inspect(struct docker *docker, struct arena *arena,
                                  const struct statement *statement, struct output *output,
                                  struct connector_result *ret)
{
        read_and_print(docker, arena,
                       docker_path(arena, TARGET_CONTAINER, statement_fact(statement, "id"), "/json"),
                       docker_print_container, output, ret);
}

static void print_piece(void *arg, struct str bytes)
{
        output_write(arg, bytes);
}

static bool has_terminal(const struct json *container)
{
        const struct json *tty = json_get(json_get(container, "Config"), "Tty");

        return tty && tty->type == JSON_BOOL && tty->boolean;
}

static bool copy_logs(struct docker *docker, struct arena *arena, struct str path, bool raw,
                      struct output *output, struct err *err)
{
        struct docker_stream stream = {.raw = raw};
        char *bytes = arena_alloc_bytes(arena, READ_BYTES);
        struct docker_body body;
        size_t len = 1;
        bool ok = true;

        if (!arena_check(arena, err) ||
            !docker_open(docker, "GET", path, docker->read_timeout_ms, &body, err))
                return false;
        while (ok && len > 0)
                ok = http_stream_read(body.stream, bytes, READ_BYTES, &len, err) &&
                     docker_stream_feed(&stream, str_make(bytes, len), print_piece, output, err);
        docker_body_close(&body);
        return ok && docker_stream_end(&stream, err);
}

static void run_container_logs(struct docker *docker, struct arena *arena, const struct statement *statement,
                               struct output *output, struct connector_result *ret)
{
        struct str id = statement_fact(statement, "id");
        bool timestamps = parameter_bool(&statement->parameters, "timestamps");
        struct str path =
                arena_printf(arena, DOCKER_API "/containers/%.*s/logs?stdout=true&stderr=true&tail=%lld%s",
                             STR_ARG(id), (long long)parameter_int(&statement->parameters, "tail"),
                             timestamps ? "&timestamps=true" : "");
        struct docker_answer container;
        struct err err;

        if (!docker_inspect(docker, arena, TARGET_CONTAINER, id, &container, &err))
                connector_result_set(ret, OUTCOME_FAILED, "%s", err.message);
        else if (container.status == 404)
                connector_result_set(ret, OUTCOME_FAILED, "the container is gone");
        else if (!copy_logs(docker, arena, path, has_terminal(&container.json), output, &err))
                connector_result_set(ret, OUTCOME_FAILED, "the logs could not be read to their end: %s",
                                     err.message);
        else
                connector_result_set(ret, OUTCOME_SUCCEEDED, "done");
}

/* ---- operations that change -------------------------------------------------------------------------- */

static void change(struct docker *docker, struct arena *arena, const struct statement *statement,
                   const char *method, struct str path, const int *success, const char *done,
                   const char *was_so, struct connector_result *ret)
{
        int64_t own_ms = parameter_int(&statement->parameters, "timeout_seconds") * 1000;
        int64_t begun_ms = clock_now_ms();
        struct docker_answer answer;
        enum docker_fate fate;
        struct err err;

        if (!arena_check(arena, &err)) {
                connector_result_set(ret, OUTCOME_FAILED, "%s", err.message);
                return;
        }
        fate = docker_change(docker, arena, method, path, STR_NULL, docker->change_timeout_ms + own_ms,
                             success, &answer, &err);
        if (fate == DOCKER_DONE)
                connector_result_set(ret, OUTCOME_SUCCEEDED, "%s", answer.status == 304 ? was_so : done);
        else
                docker_find_out(docker, arena, statement, begun_ms, fate, &err, ret);
}

static struct str own_path(struct arena *arena, enum target_kind kind, const struct statement *statement,
                           const char *tail)
{
        return docker_path(arena, kind, statement_fact(statement, "id"), tail);
}

static const int no_content[] = {204, 0};
static const int no_content_or_so[] = {204, 304, 0};
static const int with_list[] = {200, 0};

static void run_container_start(struct docker *docker, struct arena *arena,
                                const struct statement *statement, struct output *output,
                                struct connector_result *ret)
{
        (void)output;
        change(docker, arena, statement, "POST", own_path(arena, TARGET_CONTAINER, statement, "/start"),
               no_content_or_so, "started the container", "the container ran already", ret);
}

static struct str with_timeout(struct arena *arena, const struct statement *statement, const char *tail)
{
        struct str path = own_path(arena, TARGET_CONTAINER, statement, tail);

        return arena_printf(arena, "%.*s?t=%lld", STR_ARG(path),
                            (long long)parameter_int(&statement->parameters, "timeout_seconds"));
}

static void run_container_stop(struct docker *docker, struct arena *arena, const struct statement *statement,
                               struct output *output, struct connector_result *ret)
{
        (void)output;
        change(docker, arena, statement, "POST", with_timeout(arena, statement, "/stop"), no_content_or_so,
               "stopped the container", "the container was stopped already", ret);
}

static void run_container_restart(struct docker *docker, struct arena *arena,
                                  const struct statement *statement, struct output *output,
                                  struct connector_result *ret)
{
        (void)output;
        change(docker, arena, statement, "POST", with_timeout(arena, statement, "/restart"), no_content,
               "restarted the container", "", ret);
}

static void run_container_kill(struct docker *docker, struct arena *arena, const struct statement *statement,
                               struct output *output, struct connector_result *ret)
{
        struct str path = own_path(arena, TARGET_CONTAINER, statement, "/kill?signal=");
        struct str signal = parameter_string(&statement->parameters, "signal");

        (void)output;
        change(docker, arena, statement, "POST",
               arena_printf(arena, "%.*s%.*s", STR_ARG(path), STR_ARG(signal)), no_content,
               "sent the signal to the container", "", ret);
}

static void run_container_remove(struct docker *docker, struct arena *arena,
                                 const struct statement *statement, struct output *output,
                                 struct connector_result *ret)
{
        bool force = parameter_bool(&statement->parameters, "force");
        bool volumes = parameter_bool(&statement->parameters, "volumes");
        struct str path = own_path(arena, TARGET_CONTAINER, statement, "");

        (void)output;
        change(docker, arena, statement, "DELETE",
               arena_printf(arena, "%.*s?force=%s&v=%s", STR_ARG(path), force ? "true" : "false",
                            volumes ? "true" : "false"),
               no_content, "removed the container", "", ret);
}

static void run_image_remove(struct docker *docker, struct arena *arena, const struct statement *statement,
                             struct output *output, struct connector_result *ret)
{
        bool force = parameter_bool(&statement->parameters, "force");

        (void)output;
        change(docker, arena, statement, "DELETE",
               own_path(arena, TARGET_IMAGE, statement, force ? "?force=true" : "?force=false"), with_list,
               "removed the image", "", ret);
}

static void run_network_remove(struct docker *docker, struct arena *arena, const struct statement *statement,
                               struct output *output, struct connector_result *ret)
{
        (void)output;
        change(docker, arena, statement, "DELETE", own_path(arena, TARGET_NETWORK, statement, ""),
               no_content, "removed the network", "", ret);
}

static void run_volume_remove(struct docker *docker, struct arena *arena, const struct statement *statement,
                              struct output *output, struct connector_result *ret)
{
        bool force = parameter_bool(&statement->parameters, "force");

        (void)output;
        change(docker, arena, statement, "DELETE",
               own_path(arena, TARGET_VOLUME, statement, force ? "?force=true" : "?force=false"), no_content,
               "removed the volume", "", ret);
}

/* ---- the connector -------------------------------------------------------------------------------------
 */

static const struct {
        const char *name;
        void (*run)(struct docker *docker, struct arena *arena, const struct statement *statement,
                    struct output *output, struct connector_result *ret);
} operations[] = {
        {"container.list", run_container_list}, {"container.inspect", run_container_inspect},
        {"container.logs", run_container_logs}, {"container.start", run_container_start},
        {"container.stop", run_container_stop}, {"container.restart", run_container_restart},
        {"container.kill", run_container_kill}, {"container.remove", run_container_remove},
        {"container.create", docker_create},    {"container.run", docker_run_container},
        {"image.list", run_image_list},         {"image.remove", run_image_remove},
        {"network.remove", run_network_remove}, {"volume.remove", run_volume_remove},
};

static void docker_run(struct connector *connector, struct arena *arena, const struct statement *statement,
                       struct output *output, struct connector_result *ret)
{
        for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
                if (str_is(statement->operation, operations[i].name)) {
                        operations[i].run((struct docker *)connector, arena, statement, output, ret);
                        return;
                }
        }
        connector_result_set(ret, OUTCOME_FAILED, "this executor cannot run %.*s; nothing was sent",
                             STR_ARG(statement->operation));
}

static void docker_free(struct connector *connector)
{
        struct docker *docker = (struct docker *)connector;

        if (docker->reader)
                http_client_free(docker->reader);
        heap_free((char *)docker->socket.ptr);
        heap_free(docker);
}

static const struct connector_ops docker_ops = {
        .name = "docker",
        .resolve = docker_resolve,
        .check = docker_check,
        .run = docker_run,
        .reconcile = docker_reconcile,
        .free = docker_free,
};

static int64_t or_default(int64_t value, int64_t fallback)
{
        return value > 0 ? value : fallback;
}

bool docker_connector_new(const struct docker_config *config, struct connector **ret, struct err *err)
{
        struct docker *docker = heap_alloc_zeroed(1, sizeof(*docker));
        struct str path = str_from(config->socket_path ? config->socket_path : DOCKER_SOCKET_DEFAULT);
        struct http_client_config client;
        char *copy;

        if (!docker)
                return err_set(err, ERR_NO_MEMORY, "no memory for the Docker connector");
        docker->connector.ops = &docker_ops;
        docker->read_timeout_ms = or_default(config->read_timeout_ms, READ_TIMEOUT_MS);
        docker->change_timeout_ms = or_default(config->change_timeout_ms, CHANGE_TIMEOUT_MS);
        docker->settle_ms = or_default(config->settle_ms, SETTLE_MS);
        copy = heap_alloc(path.len + 1);
        http_client_config_init(&client);
        client.user_agent = STR("countersign-executor");
        if (!copy || !http_client_new(&client, &docker->reader, err)) {
                heap_free(copy);
                docker_free(&docker->connector);
                return copy ? false : err_set(err, ERR_NO_MEMORY, "no memory for the Docker connector");
        }
        memcpy(copy, path.ptr, path.len + 1);
        docker->socket = str_make(copy, path.len);
        *ret = &docker->connector;
        return true;
}
