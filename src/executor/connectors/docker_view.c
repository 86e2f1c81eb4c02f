/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the reading operations print: our own JSON, made of the members that we
 * know, so that nothing slips through that a reader should not see.
 */
#include "executor/connectors/docker_private.h"

#include "base/json_write.h"

enum { VIEW_MAX_BYTES = 2 * DOCKER_ANSWER_MAX_BYTES };

static bool not_a(const char *what, struct err *err)
{
        return err_set(err, ERR_CONNECTOR_FAILED, "the Docker Engine answers with what is not %s", what);
}

static void copy_string(struct json_writer *w, const char *key, const struct json *from, const char *member)
{
        const struct json *value = json_get(from, member);

        if (value && value->type == JSON_STRING && value->string.len > 0)
                json_field_str(w, key, value->string);
}

static void copy_int(struct json_writer *w, const char *key, const struct json *from, const char *member)
{
        int64_t value;

        if (json_get_int(from, member, &value))
                json_field_int(w, key, value);
}

static void copy_bool(struct json_writer *w, const char *key, const struct json *from, const char *member)
{
        const struct json *value = json_get(from, member);

        if (value && value->type == JSON_BOOL)
                json_field_bool(w, key, value->boolean);
}

static void copy_strings(struct json_writer *w, const char *key, const struct json *from, const char *member)
{
        const struct json *list = json_get(from, member);

        if (!list || list->type != JSON_ARRAY)
                return;
        json_key(w, key);
        json_array_begin(w);
        for (uint32_t i = 0; i < list->count; i++) {
                if (list->items[i].type == JSON_STRING)
                        json_str(w, list->items[i].string);
        }
        json_array_end(w);
}

/* An object whose values are strings. */
static void copy_map(struct json_writer *w, const char *key, const struct json *from, const char *member)
{
        const struct json *map = json_get(from, member);

        if (!map || map->type != JSON_OBJECT)
                return;
        json_key(w, key);
        json_object_begin(w);
        for (uint32_t i = 0; i < map->count; i++) {
                if (map->members[i].value.type == JSON_STRING) {
                        json_key_str(w, map->members[i].key);
                        json_str(w, map->members[i].value.string);
                }
        }
        json_object_end(w);
}

/* Only an object's keys: the names of networks, of ports. */
static void copy_keys(struct json_writer *w, const char *key, const struct json *from, const char *member)
{
        const struct json *map = json_get(from, member);

        if (!map || map->type != JSON_OBJECT)
                return;
        json_key(w, key);
        json_array_begin(w);
        for (uint32_t i = 0; i < map->count; i++)
                json_str(w, map->members[i].key);
        json_array_end(w);
}

/* "NAME=value" without the value. */
static void env_names(struct json_writer *w, const struct json *config)
{
        const struct json *list = json_get(config, "Env");

        if (!list || list->type != JSON_ARRAY)
                return;
        json_key(w, "env_names");
        json_array_begin(w);
        for (uint32_t i = 0; i < list->count; i++) {
                struct str rest = list->items[i].type == JSON_STRING ? list->items[i].string : STR_NULL;
                struct str name;

                if (str_cut(&rest, '=', &name) || name.len > 0)
                        json_str(w, name);
        }
        json_array_end(w);
}

static void mounts(struct json_writer *w, const struct json *container)
{
        const struct json *list = json_get(container, "Mounts");

        if (!list || list->type != JSON_ARRAY)
                return;
        json_key(w, "mounts");
        json_array_begin(w);
        for (uint32_t i = 0; i < list->count; i++) {
                json_object_begin(w);
                copy_string(w, "type", &list->items[i], "Type");
                copy_string(w, "name", &list->items[i], "Name");
                copy_string(w, "source", &list->items[i], "Source");
                copy_string(w, "destination", &list->items[i], "Destination");
                copy_bool(w, "writable", &list->items[i], "RW");
                json_object_end(w);
        }
        json_array_end(w);
}

static bool print(struct buf *buf, struct output *output, struct err *err)
{
        buf_append_char(buf, '\n');
        if (!buf_check(buf, "what the engine answers", err))
                return false;
        output_write(output, buf_str(buf));
        return true;
}

bool docker_print_containers(const struct json *list, struct output *output, struct err *err)
{
        BUF_SCOPED buf;
        struct json_writer w;

        buf_init(&buf, VIEW_MAX_BYTES);
        json_writer_init(&w, &buf);
        if (list->type != JSON_ARRAY)
                return not_a("a list of containers", err);
        json_array_begin(&w);
        for (uint32_t i = 0; i < list->count; i++) {
                const struct json *one = &list->items[i];

                if (json_get_string(one, "Id").len == 0)
                        return not_a("a list of containers", err);
                json_object_begin(&w);
                copy_string(&w, "id", one, "Id");
                copy_strings(&w, "names", one, "Names");
                copy_string(&w, "image", one, "Image");
                copy_string(&w, "image_id", one, "ImageID");
                copy_string(&w, "state", one, "State");
                copy_string(&w, "status", one, "Status");
                copy_int(&w, "created_s", one, "Created");
                copy_map(&w, "labels", one, "Labels");
                json_object_end(&w);
        }
        json_array_end(&w);
        return print(&buf, output, err);
}

bool docker_print_images(const struct json *list, struct output *output, struct err *err)
{
        BUF_SCOPED buf;
        struct json_writer w;

        buf_init(&buf, VIEW_MAX_BYTES);
        json_writer_init(&w, &buf);
        if (list->type != JSON_ARRAY)
                return not_a("a list of images", err);
        json_array_begin(&w);
        for (uint32_t i = 0; i < list->count; i++) {
                const struct json *one = &list->items[i];

                if (json_get_string(one, "Id").len == 0)
                        return not_a("a list of images", err);
                json_object_begin(&w);
                copy_string(&w, "id", one, "Id");
                copy_strings(&w, "tags", one, "RepoTags");
                copy_strings(&w, "digests", one, "RepoDigests");
                copy_int(&w, "created_s", one, "Created");
                copy_int(&w, "size_bytes", one, "Size");
                json_object_end(&w);
        }
        json_array_end(&w);
        return print(&buf, output, err);
}

static void print_state(struct json_writer *w, const struct json *container)
{
        const struct json *state = json_get(container, "State");

        json_key(w, "state");
        json_object_begin(w);
        copy_string(w, "status", state, "Status");
        copy_bool(w, "running", state, "Running");
        copy_int(w, "exit_code", state, "ExitCode");
        copy_string(w, "error", state, "Error");
        copy_bool(w, "oom_killed", state, "OOMKilled");
        copy_string(w, "started_at", state, "StartedAt");
        copy_string(w, "finished_at", state, "FinishedAt");
        json_object_end(w);
}

bool docker_print_container(const struct json *container, struct output *output, struct err *err)
{
        const struct json *config = json_get(container, "Config");
        const struct json *host = json_get(container, "HostConfig");
        BUF_SCOPED buf;
        struct json_writer w;

        buf_init(&buf, VIEW_MAX_BYTES);
        json_writer_init(&w, &buf);
        if (json_get_string(container, "Id").len == 0)
                return not_a("a container", err);
        json_object_begin(&w);
        copy_string(&w, "id", container, "Id");
        copy_string(&w, "name", container, "Name");
        copy_string(&w, "created_at", container, "Created");
        copy_string(&w, "image", config, "Image");
        copy_string(&w, "image_id", container, "Image");
        copy_string(&w, "path", container, "Path");
        copy_strings(&w, "arguments", container, "Args");
        copy_string(&w, "user", config, "User");
        env_names(&w, config);
        copy_map(&w, "labels", config, "Labels");
        print_state(&w, container);
        copy_int(&w, "restart_count", container, "RestartCount");
        copy_bool(&w, "privileged", host, "Privileged");
        copy_string(&w, "network_mode", host, "NetworkMode");
        copy_string(&w, "restart_policy", json_get(host, "RestartPolicy"), "Name");
        copy_int(&w, "memory_bytes", host, "Memory");
        copy_keys(&w, "networks", json_get(container, "NetworkSettings"), "Networks");
        copy_keys(&w, "ports", json_get(container, "NetworkSettings"), "Ports");
        mounts(&w, container);
        json_object_end(&w);
        return print(&buf, output, err);
}
