/* SPDX-License-Identifier: Apache-2.0 */
#include "catalogue/catalogue.h"
#include "catalogue/operations.h"

#include <stdio.h>

static const char *const effect_names[] = {
        [EFFECT_READS] = "reads",
        [EFFECT_CHANGES] = "changes",
        [EFFECT_DESTROYS] = "destroys",
};

const char *effect_name(enum effect effect)
{
        return effect_names[effect];
}

bool effect_from(struct str name, enum effect *ret)
{
        for (unsigned i = 0; i < sizeof(effect_names) / sizeof(effect_names[0]); i++)
                if (str_is(name, effect_names[i])) {
                        *ret = (enum effect)i;
                        return true;
                }
        return false;
}

const char *parameter_type_name(enum parameter_type type)
{
        static const char *const names[] = {
                [PARAMETER_BOOLEAN] = "boolean",       [PARAMETER_INTEGER] = "integer",
                [PARAMETER_STRING] = "string",         [PARAMETER_STRING_LIST] = "string_list",
                [PARAMETER_STRING_MAP] = "string_map",
        };

        return names[type];
}

size_t catalogue_count(void)
{
        return operation_count;
}

const struct catalogue_operation *catalogue_at(size_t index)
{
        return index < operation_count ? &operations[index] : NULL;
}

const struct catalogue_operation *catalogue_find(struct str connector, struct str operation)
{
        for (size_t i = 0; i < operation_count; i++)
                if (str_is(connector, operations[i].connector) && str_is(operation, operations[i].name))
                        return &operations[i];
        return NULL;
}

const struct catalogue_parameter *catalogue_parameter_find(const struct catalogue_operation *operation,
                                                           struct str name)
{
        for (unsigned i = 0; i < operation->parameter_count; i++)
                if (str_is(name, operation->parameters[i].name))
                        return &operation->parameters[i];
        return NULL;
}

/* ---- checking values --------------------------------------------------------------------------- */

struct place {
        char text[ERR_PLACE_MAX];
};

static struct place place_of(const struct catalogue_parameter *parameter)
{
        struct place place;

        (void)snprintf(place.text, sizeof(place.text), "/parameters/%s", parameter->name);
        return place;
}

/* `type` in words: "a list of strings". */
static const char *type_words(enum parameter_type type)
{
        static const char *const words[] = {
                [PARAMETER_BOOLEAN] = "true or false",
                [PARAMETER_INTEGER] = "an integer",
                [PARAMETER_STRING] = "a string",
                [PARAMETER_STRING_LIST] = "an array of strings",
                [PARAMETER_STRING_MAP] = "an object whose values are strings",
        };

        return words[type];
}

static bool wrong_type(const struct catalogue_parameter *parameter, const struct json *value,
                       struct err *err)
{
        return err_set_at(err, ERR_BAD_FIELD, place_of(parameter).text, "%s must be %s, not %s",
                          parameter->name, type_words(parameter->type), json_type_name(value->type));
}

static bool range_check(const struct catalogue_parameter *parameter, int64_t value, const char *of,
                        struct err *err)
{
        if (value < parameter->min || value > parameter->max)
                return err_set_at(err, ERR_BAD_FIELD, place_of(parameter).text,
                                  "%s must be %lld to %lld%s, not %lld", parameter->name,
                                  (long long)parameter->min, (long long)parameter->max, of,
                                  (long long)value);
        return true;
}

static bool text_check(const struct catalogue_parameter *parameter, bool (*check)(struct str), int64_t max,
                       struct str text, struct err *err)
{
        /* The engine's side is made of C strings; a zero byte would cut what was approved. */
        if (text.len > 0 && memchr(text.ptr, 0, text.len))
                return err_set_at(err, ERR_BAD_FIELD, place_of(parameter).text, "%s holds a zero byte",
                                  parameter->name);
        if ((int64_t)text.len > max)
                return err_set_at(err, ERR_BAD_FIELD, place_of(parameter).text,
                                  "%s holds a text of %zu bytes, above %lld", parameter->name, text.len,
                                  (long long)max);
        if (check && !check(text))
                return err_set_at(err, ERR_BAD_FIELD, place_of(parameter).text,
                                  "%s: \"%.*s\" is not allowed; it must be %s", parameter->name,
                                  STR_ARG(str_slice(text, 0, 100)), parameter->form);
        return true;
}

static bool list_check(const struct catalogue_parameter *parameter, const struct json *value,
                       struct err *err)
{
        if (value->type != JSON_ARRAY)
                return wrong_type(parameter, value, err);
        if (!range_check(parameter, value->count, " items", err))
                return false;
        for (uint32_t i = 0; i < value->count; i++) {
                if (value->items[i].type != JSON_STRING)
                        return wrong_type(parameter, &value->items[i], err);
                if (!text_check(parameter, parameter->value_check, parameter->item_max_bytes,
                                value->items[i].string, err))
                        return false;
        }
        return true;
}

static bool map_check(const struct catalogue_parameter *parameter, const struct json *value, struct err *err)
{
        if (value->type != JSON_OBJECT)
                return wrong_type(parameter, value, err);
        if (!range_check(parameter, value->count, " entries", err))
                return false;
        for (uint32_t i = 0; i < value->count; i++) {
                const struct json_member *member = &value->members[i];

                if (member->value.type != JSON_STRING)
                        return wrong_type(parameter, &member->value, err);
                if (!text_check(parameter, parameter->key_check, parameter->item_max_bytes, member->key,
                                err) ||
                    !text_check(parameter, parameter->value_check, parameter->item_max_bytes,
                                member->value.string, err))
                        return false;
        }
        return true;
}

static bool value_check(const struct catalogue_parameter *parameter, const struct json *value,
                        struct err *err)
{
        switch (parameter->type) {
        case PARAMETER_BOOLEAN:
                return value->type == JSON_BOOL || wrong_type(parameter, value, err);
        case PARAMETER_INTEGER:
                if (value->type == JSON_UINT)
                        return range_check(parameter, INT64_MAX, "", err);
                if (value->type != JSON_INT)
                        return wrong_type(parameter, value, err);
                return range_check(parameter, value->integer, "", err);
        case PARAMETER_STRING:
                if (value->type != JSON_STRING)
                        return wrong_type(parameter, value, err);
                return range_check(parameter, (int64_t)value->string.len, " bytes long", err) &&
                       text_check(parameter, parameter->value_check, parameter->max, value->string, err);
        case PARAMETER_STRING_LIST:
                return list_check(parameter, value, err);
        case PARAMETER_STRING_MAP:
                return map_check(parameter, value, err);
        }
        return err_set(err, ERR_INTERNAL, "parameter %s has no type", parameter->name);
}

/* Everything that was given is known and fits. */
static bool given_check(const struct catalogue_operation *operation, const struct json *given,
                        struct err *err)
{
        if (given->type != JSON_OBJECT)
                return err_set_at(err, ERR_BAD_FIELD, "/parameters", "parameters must be an object, not %s",
                                  json_type_name(given->type));
        for (uint32_t i = 0; i < given->count; i++) {
                const struct json_member *member = &given->members[i];
                const struct catalogue_parameter *parameter =
                        catalogue_parameter_find(operation, member->key);
                char place[ERR_PLACE_MAX];

                if (!parameter) {
                        (void)snprintf(place, sizeof(place), "/parameters/%.*s",
                                       STR_ARG(str_slice(member->key, 0, 64)));
                        return err_set_at(err, ERR_UNKNOWN_FIELD, place, "%s has no parameter \"%.*s\"",
                                          operation->name, STR_ARG(str_slice(member->key, 0, 64)));
                }
                if (!value_check(parameter, &member->value, err))
                        return false;
        }
        return true;
}

static bool missing(const struct catalogue_operation *operation, const struct catalogue_parameter *parameter,
                    struct err *err)
{
        return err_set_at(err, ERR_MISSING_FIELD, place_of(parameter).text, "%s needs the parameter %s",
                          operation->name, parameter->name);
}

bool catalogue_parameters_fill(struct arena *arena, const struct catalogue_operation *operation,
                               const struct json *given, struct json *ret, struct err *err)
{
        struct json_member *members = ARENA_ARRAY(arena, struct json_member, operation->parameter_count);
        uint32_t count = 0;

        if (!members)
                return arena_check(arena, err);
        if (given && !given_check(operation, given, err))
                return false;
        for (unsigned i = 0; i < operation->parameter_count; i++) {
                const struct catalogue_parameter *parameter = &operation->parameters[i];
                const struct json *value = json_get(given, parameter->name);

                if (!value && parameter->required)
                        return missing(operation, parameter, err);
                if (!value && !parameter->default_json)
                        continue;
                members[count].key = str_from(parameter->name);
                if (value)
                        members[count].value = *value;
                else if (!json_parse(arena, str_from(parameter->default_json), &members[count].value, err))
                        return false;
                count++;
        }
        *ret = (struct json){.type = JSON_OBJECT, .count = count, .members = members};
        return true;
}

bool catalogue_parameters_check(const struct catalogue_operation *operation, const struct json *parameters,
                                struct err *err)
{
        if (!given_check(operation, parameters, err))
                return false;
        for (unsigned i = 0; i < operation->parameter_count; i++) {
                const struct catalogue_parameter *parameter = &operation->parameters[i];

                if ((parameter->required || parameter->default_json) &&
                    !json_get(parameters, parameter->name))
                        return missing(operation, parameter, err);
        }
        return true;
}

/* ---- reading ----------------------------------------------------------------------------------- */

bool parameter_bool(const struct json *parameters, const char *name)
{
        const struct json *value = json_get(parameters, name);

        return value && value->type == JSON_BOOL && value->boolean;
}

int64_t parameter_int(const struct json *parameters, const char *name)
{
        int64_t value;

        return json_get_int(parameters, name, &value) ? value : 0;
}

struct str parameter_string(const struct json *parameters, const char *name)
{
        return json_get_string(parameters, name);
}

const struct json *parameter_json(const struct json *parameters, const char *name)
{
        return json_get(parameters, name);
}
