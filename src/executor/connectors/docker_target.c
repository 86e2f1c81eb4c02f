/* SPDX-License-Identifier: Apache-2.0 */
/* What a name stands for in the engine, and whether it still does. */
#include "executor/connectors/docker_private.h"

struct str docker_path(struct arena *arena, enum target_kind kind, struct str id, const char *tail)
{
        static const char *const folders[] = {
                [TARGET_NONE] = "",          [TARGET_CONTAINER] = "containers",
                [TARGET_IMAGE] = "images",   [TARGET_NETWORK] = "networks",
                [TARGET_VOLUME] = "volumes",
        };

        return arena_printf(arena, DOCKER_API "/%s/%.*s%s", folders[kind], STR_ARG(id), tail);
}

bool docker_inspect(struct docker *docker, struct arena *arena, enum target_kind kind, struct str id,
                    struct docker_answer *ret, struct err *err)
{
        bool has_tail = kind == TARGET_CONTAINER || kind == TARGET_IMAGE;
        struct str path = docker_path(arena, kind, id, has_tail ? "/json" : "");

        return arena_check(arena, err) && docker_ask(docker, arena, path, ret, err);
}

/* Names come with a slash before them; networks and images have none. */
static struct str bare_name(struct str name)
{
        return str_starts(name, STR("/")) ? str_slice(name, 1, name.len) : name;
}

/* "repository:tag, repository:other"; the engine's order, which is sorted. */
static struct str join_tags(struct arena *arena, const struct json *tags)
{
        struct str all = STR("");

        if (!tags || tags->type != JSON_ARRAY)
                return all;
        for (uint32_t i = 0; i < tags->count; i++) {
                if (tags->items[i].type == JSON_STRING)
                        all = arena_printf(arena, "%.*s%s%.*s", STR_ARG(all), all.len > 0 ? ", " : "",
                                           STR_ARG(tags->items[i].string));
        }
        return all;
}

/* The engine's value for one of the catalogue's facts; empty when it has none. */
static struct str fact_value(struct arena *arena, enum target_kind kind, const struct json *thing,
                             const char *fact)
{
        struct str name = str_from(fact);

        if (str_is(name, "driver"))
                return json_get_string(thing, "Driver");
        if (str_is(name, "created"))
                return json_get_string(thing, "CreatedAt");
        if (str_is(name, "image"))
                return json_get_string(json_get(thing, "Config"), "Image");
        if (str_is(name, "image_id"))
                return json_get_string(thing, "Image");
        if (str_is(name, "known_as"))
                return kind == TARGET_IMAGE ? join_tags(arena, json_get(thing, "RepoTags"))
                                            : bare_name(json_get_string(thing, "Name"));
        if (str_is(name, "id"))
                return json_get_string(thing, kind == TARGET_VOLUME ? "Name" : "Id");
        return STR_NULL;
}

static bool read_facts(struct arena *arena, enum target_kind kind, const struct json *thing,
                       struct connector_facts *ret, struct err *err)
{
        unsigned count;
        const struct target_fact *facts = target_kind_facts(kind, &count);

        ret->count = 0;
        for (unsigned i = 0; i < count; i++) {
                struct str value = fact_value(arena, kind, thing, facts[i].name);

                if (value.len == 0 && !facts[i].required)
                        continue;
                if (!target_fact_check(kind, str_from(facts[i].name), value, err)) {
                        err->code = ERR_CONNECTOR_FAILED;
                        return err_prefix(err, "the Docker Engine describes the %s strangely",
                                          target_kind_name(kind));
                }
                ret->facts[ret->count++] = (struct statement_fact){str_from(facts[i].name), value};
        }
        return arena_check(arena, err);
}

/* The one thing that the text names, as the engine understands names. */
static bool look_up(struct docker *docker, struct arena *arena, enum target_kind kind, struct str target,
                    struct connector_facts *ret, struct err *err)
{
        struct docker_answer answer;

        /* Only what can be a name gets into a path. */
        if (!target_check(kind, target, err) || !docker_inspect(docker, arena, kind, target, &answer, err))
                return false;
        if (answer.status == 404)
                return err_set(err, ERR_TARGET_NOT_FOUND, "there is no %s \"%.*s\" here",
                               target_kind_name(kind), STR_ARG(target));
        return read_facts(arena, kind, &answer.json, ret, err);
}

bool docker_resolve(struct connector *connector, struct arena *arena,
                    const struct catalogue_operation *operation, struct str target,
                    struct connector_facts *ret, struct err *err)
{
        *ret = (struct connector_facts){0};
        if (operation->target == TARGET_NONE)
                return target_check(TARGET_NONE, target, err);
        return look_up((struct docker *)connector, arena, operation->target, target, ret, err);
}

static struct str find_fact(const struct connector_facts *facts, struct str name)
{
        for (unsigned i = 0; i < facts->count; i++) {
                if (str_eq(facts->facts[i].name, name))
                        return facts->facts[i].value;
        }
        return STR_NULL;
}

/* What was approved by name must still be what the name stands for. */
static bool check_name(struct docker *docker, struct arena *arena, enum target_kind kind,
                       const struct statement *statement, struct err *err)
{
        struct str id = statement_fact(statement, "id");
        struct connector_facts now = {0};

        if (str_eq(statement->target_name, id))
                return true;
        if (!look_up(docker, arena, kind, statement->target_name, &now, err)) {
                if (err->code == ERR_TARGET_NOT_FOUND)
                        err->code = ERR_TARGET_CHANGED;
                return false;
        }
        if (!str_eq(find_fact(&now, STR("id")), id))
                return err_set(err, ERR_TARGET_CHANGED,
                               "\"%.*s\" now stands for the %s %.*s; approved was %.*s",
                               STR_ARG(statement->target_name), target_kind_name(kind),
                               STR_ARG(find_fact(&now, STR("id"))), STR_ARG(id));
        return true;
}

static bool is_creating(const struct statement *statement)
{
        return str_is(statement->operation, "container.create") ||
               str_is(statement->operation, "container.run");
}

/*
 * Every fact that was approved is so now. Only to a new container it is all one
 * what else its image is called; who approved an image's removal saw its tags.
 */
static bool check_facts(enum target_kind kind, const struct statement *statement,
                        const struct connector_facts *now, struct err *err)
{
        for (unsigned i = 0; i < statement->fact_count; i++) {
                struct statement_fact was = statement->facts[i];
                struct str is = find_fact(now, was.name);

                if (is_creating(statement) && str_is(was.name, "known_as"))
                        continue;
                if (!str_eq(is, was.value))
                        return err_set(err, ERR_TARGET_CHANGED,
                                       "the %s has changed since it was approved: %.*s is now \"%.*s\", it "
                                       "was \"%.*s\"",
                                       target_kind_name(kind), STR_ARG(was.name),
                                       STR_ARG(str_slice(is, 0, 80)), STR_ARG(str_slice(was.value, 0, 80)));
        }
        return true;
}

bool docker_check(struct connector *connector, struct arena *arena, const struct statement *statement,
                  struct err *err)
{
        struct docker *docker = (struct docker *)connector;
        const struct catalogue_operation *operation =
                catalogue_find(statement->connector, statement->operation);
        struct connector_facts now = {0};
        struct str body;

        if (!operation)
                return err_set(err, ERR_BAD_ENVELOPE, "the operation is not in this executor's catalogue");
        if (operation->target == TARGET_NONE)
                return true;
        if (!look_up(docker, arena, operation->target, statement_fact(statement, "id"), &now, err)) {
                if (err->code == ERR_TARGET_NOT_FOUND)
                        return err_set(err, ERR_TARGET_CHANGED, "the %s that was approved is gone",
                                       target_kind_name(operation->target));
                return false;
        }
        return check_facts(operation->target, statement, &now, err) &&
               check_name(docker, arena, operation->target, statement, err) &&
               (!is_creating(statement) || docker_create_body(arena, statement, &body, err));
}
