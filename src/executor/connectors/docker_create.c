/* SPDX-License-Identifier: Apache-2.0 */
/* New containers: the body that asks for one, container.create and container.run. */
#include "executor/connectors/docker_private.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/test_hooks.h"
#include "executor/connectors/docker_stream.h"

enum {
        CREATE_BODY_MAX_BYTES = 512 * 1024,
        READ_BYTES = 16 * 1024,
        LOOK_MS = 500, /* how often a silent container is asked whether we still want to wait */
        STATUS_WAIT_MS = 30 * 1000,
};

/* ---- the body ------------------------------------------------------------------------------------ */

static void write_command(struct json_writer *w, const struct json *command)
{
        if (!command)
                return;
        json_key(w, "Cmd");
        json_array_begin(w);
        for (uint32_t i = 0; i < command->count; i++)
                json_str(w, command->items[i].string);
        json_array_end(w);
}

static bool write_env(struct arena *arena, struct json_writer *w, const struct json *env)
{
        json_key(w, "Env");
        json_array_begin(w);
        for (uint32_t i = 0; env && i < env->count; i++)
                json_str(w, arena_printf(arena, "%.*s=%.*s", STR_ARG(env->members[i].key),
                                         STR_ARG(env->members[i].value.string)));
        json_array_end(w);
        return !arena_failed(arena);
}

static bool write_labels(struct json_writer *w, const struct json *labels, struct str action,
                         struct err *err)
{
        json_key(w, "Labels");
        json_object_begin(w);
        for (uint32_t i = 0; labels && i < labels->count; i++) {
                /* By ours we find the container again; nobody may forge them. */
                if (str_starts(labels->members[i].key, STR(DOCKER_LABEL_PREFIX)))
                        return err_set_at(err, ERR_BAD_FIELD, "/parameters/labels",
                                          "labels that begin with \"%s\" are reserved", DOCKER_LABEL_PREFIX);
                json_key_str(w, labels->members[i].key);
                json_str(w, labels->members[i].value.string);
        }
        json_field_str(w, DOCKER_ACTION_LABEL, action);
        json_object_end(w);
        return true;
}

static void write_exposed_ports(struct json_writer *w, const struct json *ports)
{
        json_key(w, "ExposedPorts");
        json_object_begin(w);
        for (uint32_t i = 0; ports && i < ports->count; i++) {
                json_key_str(w, ports->members[i].key);
                json_object_begin(w);
                json_object_end(w);
        }
        json_object_end(w);
}

static void write_port_bindings(struct json_writer *w, const struct json *ports)
{
        json_key(w, "PortBindings");
        json_object_begin(w);
        for (uint32_t i = 0; ports && i < ports->count; i++) {
                struct str port = ports->members[i].value.string, address = STR("");

                (void)str_cut(&port, ':', &address);
                json_key_str(w, ports->members[i].key);
                json_array_begin(w);
                json_object_begin(w);
                json_field_str(w, "HostIp", address);
                json_field_str(w, "HostPort", port);
                json_object_end(w);
                json_array_end(w);
        }
        json_object_end(w);
}

static void write_empty_list(struct json_writer *w, const char *key)
{
        json_key(w, key);
        json_array_begin(w);
        json_array_end(w);
}

/* All that reaches out of a container is said no to, not left to the engine's defaults. */
static void write_host(struct json_writer *w, const struct json *parameters)
{
        int64_t memory_bytes = parameter_int(parameters, "memory_bytes");

        json_key(w, "HostConfig");
        json_object_begin(w);
        json_field_str(w, "NetworkMode", parameter_string(parameters, "network"));
        write_port_bindings(w, parameter_json(parameters, "ports"));
        if (memory_bytes > 0)
                json_field_int(w, "Memory", memory_bytes);
        json_field_bool(w, "AutoRemove", parameter_bool(parameters, "auto_remove"));
        json_field_bool(w, "Privileged", false);
        json_field_bool(w, "PublishAllPorts", false);
        json_field_c(w, "IpcMode", "private");
        json_field_c(w, "PidMode", "");
        json_field_c(w, "UTSMode", "");
        write_empty_list(w, "Binds");
        write_empty_list(w, "Mounts");
        write_empty_list(w, "VolumesFrom");
        write_empty_list(w, "Devices");
        write_empty_list(w, "CapAdd");
        json_key(w, "SecurityOpt");
        json_array_begin(w);
        json_c(w, "no-new-privileges");
        json_array_end(w);
        json_object_end(w);
}

bool docker_create_body(struct arena *arena, const struct statement *statement, struct str *ret,
                        struct err *err)
{
        const struct json *parameters = &statement->parameters;
        BUF_SCOPED buf;
        struct json_writer w;
        struct str user = parameter_string(parameters, "user");

        buf_init(&buf, CREATE_BODY_MAX_BYTES);
        json_writer_init(&w, &buf);
        json_object_begin(&w);
        json_field_str(&w, "Image", statement_fact(statement, "id"));
        json_field_bool(&w, "AttachStdin", false);
        json_field_bool(&w, "OpenStdin", false);
        json_field_bool(&w, "Tty", false);
        write_command(&w, parameter_json(parameters, "command"));
        if (user.len > 0)
                json_field_str(&w, "User", user);
        if (!write_env(arena, &w, parameter_json(parameters, "env")))
                return arena_check(arena, err);
        if (!write_labels(&w, parameter_json(parameters, "labels"), statement->action, err))
                return false;
        write_exposed_ports(&w, parameter_json(parameters, "ports"));
        write_host(&w, parameters);
        json_object_end(&w);
        if (!buf_check(&buf, "a new container's description", err))
                return false;
        *ret = arena_str(arena, buf_str(&buf));
        return arena_check(arena, err);
}

/* ---- create ----------------------------------------------------------------------------------------- */

/* Makes the container; false: the result says why not. */
static bool make(struct docker *docker, struct arena *arena, const struct statement *statement,
                 struct str *ret_id, struct connector_result *ret)
{
        static const int created[] = {201, 0};
        struct str name = parameter_string(&statement->parameters, "name");
        struct str path = STR(DOCKER_API "/containers/create");
        struct docker_answer answer;
        struct str body = STR_NULL;
        int64_t begun_ms = clock_now_ms();
        enum docker_fate fate;
        struct err err;

        if (name.len > 0)
                path = arena_printf(arena, "%.*s?name=%.*s", STR_ARG(path), STR_ARG(name));
        if (!arena_check(arena, &err) || !docker_create_body(arena, statement, &body, &err)) {
                connector_result_set(ret, OUTCOME_FAILED, "%s", err.message);
                return false;
        }
        fate = docker_change(docker, arena, "POST", path, body, docker->change_timeout_ms, created, &answer,
                             &err);
        *ret_id = json_get_string(&answer.json, "Id");
        if (fate == DOCKER_DONE && !target_fact_check(TARGET_CONTAINER, STR("id"), *ret_id, &err))
                fate = DOCKER_UNKNOWN;
        if (fate == DOCKER_DONE)
                return true;
        docker_find_out(docker, arena, statement, begun_ms, fate, &err, ret);
        return false;
}

static void print_id(struct output *output, struct str id)
{
        output_write(output, id);
        output_write(output, STR("\n"));
}

void docker_create(struct docker *docker, struct arena *arena, const struct statement *statement,
                   struct output *output, struct connector_result *ret)
{
        struct str id = STR_NULL;

        if (!make(docker, arena, statement, &id, ret))
                return;
        print_id(output, id);
        connector_result_set(ret, OUTCOME_SUCCEEDED, "created the container %.12s", id.ptr);
}

/* ---- run ---------------------------------------------------------------------------------------------- */

/* One container's run, watched from before its start so that nothing is missed. */
struct run {
        struct docker *docker;
        struct arena *arena;
        struct str id;
        int64_t wait_ms;
        bool auto_remove;
        struct docker_body attached; /* what it prints */
        struct docker_body end;      /* answers when it has ended */
};

static bool run_watch(struct run *run, struct err *err)
{
        struct str attach = docker_path(run->arena, TARGET_CONTAINER, run->id,
                                        "/attach?stream=true&stdout=true&stderr=true");
        struct str wait =
                docker_path(run->arena, TARGET_CONTAINER, run->id,
                            run->auto_remove ? "/wait?condition=removed" : "/wait?condition=next-exit");

        return arena_check(run->arena, err) &&
               docker_open(run->docker, "POST", attach, LOOK_MS, &run->attached, err) &&
               docker_open(run->docker, "POST", wait, STATUS_WAIT_MS, &run->end, err);
}

static void print_piece(void *arg, struct str bytes)
{
        output_write(arg, bytes);
}

/* Until it ends, or the time is up, or we stop; false with an error otherwise. */
static bool run_read(struct run *run, struct output *output, int64_t until_us, bool *ret_ended,
                     struct err *err)
{
        struct docker_stream stream = {0};
        char *bytes = arena_alloc_bytes(run->arena, READ_BYTES);
        size_t len;

        *ret_ended = false;
        if (!bytes)
                return arena_check(run->arena, err);
        while (clock_mono_us() < until_us && !output_is_stopping(output)) {
                if (!http_stream_read(run->attached.stream, bytes, READ_BYTES, &len, err)) {
                        /* Silence: the stream goes on. */
                        if (err->code == ERR_UPSTREAM_TIMEOUT)
                                continue;
                        return false;
                }
                if (len == 0) {
                        *ret_ended = true;
                        return docker_stream_end(&stream, err);
                }
                if (!docker_stream_feed(&stream, str_make(bytes, len), print_piece, output, err))
                        return false;
        }
        return true;
}

/* {"StatusCode":n} */
static bool run_status(struct run *run, int64_t *ret_status, struct err *err)
{
        struct json answer;
        char bytes[4096];
        size_t len = 0, more = 1;

        while (more > 0 && len < sizeof(bytes)) {
                if (!http_stream_read(run->end.stream, bytes + len, sizeof(bytes) - len, &more, err))
                        return false;
                len += more;
        }
        if (!json_parse(run->arena, str_make(bytes, len), &answer, err))
                return false;
        if (!json_get_int(&answer, "StatusCode", ret_status))
                return err_set(err, ERR_UPSTREAM_PROTOCOL,
                               "the engine does not say how the container ended");
        return true;
}

static void run_follow(struct run *run, struct output *output, struct connector_result *ret)
{
        int64_t until_us = clock_mono_us() + run->wait_ms * 1000, status;
        bool ended;
        struct err err;

        if (!run_read(run, output, until_us, &ended, &err) || (ended && !run_status(run, &status, &err))) {
                /* It was started, and what came of it is for the reconciliation to find out. */
                connector_result_set(ret, OUTCOME_INDETERMINATE,
                                     "started the container %.12s, but lost sight of it: %s", run->id.ptr,
                                     err.message);
                ret->open = true;
                return;
        }
        if (!ended && output_is_stopping(output)) {
                connector_result_set(ret, OUTCOME_INDETERMINATE,
                                     "started the container %.12s; the executor was ended while it ran",
                                     run->id.ptr);
                ret->open = true;
                return;
        }
        if (!ended)
                connector_result_set(ret, OUTCOME_SUCCEEDED,
                                     "started the container %.12s; it still runs after %lld seconds",
                                     run->id.ptr, (long long)(run->wait_ms / 1000));
        else
                connector_result_set(ret, status == 0 ? OUTCOME_SUCCEEDED : OUTCOME_FAILED,
                                     "the container %.12s ran and ended with exit code %lld", run->id.ptr,
                                     (long long)status);
}

static void run_start(struct run *run, const struct statement *statement, struct output *output,
                      struct connector_result *ret)
{
        static const int started[] = {204, 304, 0};
        struct str path = docker_path(run->arena, TARGET_CONTAINER, run->id, "/start");
        struct docker_answer answer;
        int64_t begun_ms = clock_now_ms();
        enum docker_fate fate;
        struct err err;

        fate = docker_change(run->docker, run->arena, "POST", path, STR_NULL, run->docker->change_timeout_ms,
                             started, &answer, &err);
        if (fate == DOCKER_REFUSED) {
                connector_result_set(ret, OUTCOME_FAILED,
                                     "created the container %.12s, but it was not started: %s", run->id.ptr,
                                     err.message);
                return;
        }
        if (fate != DOCKER_DONE) {
                docker_find_out(run->docker, run->arena, statement, begun_ms, fate, &err, ret);
                return;
        }
        if (run->wait_ms > 0)
                run_follow(run, output, ret);
        else
                connector_result_set(ret, OUTCOME_SUCCEEDED, "started the container %.12s", run->id.ptr);
}

void docker_run_container(struct docker *docker, struct arena *arena, const struct statement *statement,
                          struct output *output, struct connector_result *ret)
{
        struct run run = {
                .docker = docker,
                .arena = arena,
                .wait_ms = parameter_int(&statement->parameters, "wait_seconds") * 1000,
                .auto_remove = parameter_bool(&statement->parameters, "auto_remove"),
        };
        struct err err;

        if (!make(docker, arena, statement, &run.id, ret))
                return;
        test_step("container created");
        if (run.wait_ms == 0)
                print_id(output, run.id);
        if (run.wait_ms > 0 && !run_watch(&run, &err))
                connector_result_set(ret, OUTCOME_FAILED,
                                     "created the container %.12s, but it was not started: %s", run.id.ptr,
                                     err.message);
        else
                run_start(&run, statement, output, ret);
        docker_body_close(&run.attached);
        docker_body_close(&run.end);
}
