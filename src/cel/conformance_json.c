/* SPDX-License-Identifier: Apache-2.0 */
#include "cel/conformance.h"

#include "base/base64.h"
#include "cel/ast.h"
#include "cel/eval.h"
#include "cel/text.h"
#include "cel/timestamp.h"

#include <math.h>
#include <stdlib.h>

const struct json *suite_get(const struct json *object, const char *name)
{
        const struct json *found = json_get(object, name);
        char camel[64];
        size_t to = 0;

        if (found)
                return found;
        for (size_t i = 0; name[i] && to < sizeof(camel) - 1; i++) {
                if (name[i] == '_' && name[i + 1])
                        camel[to++] = (char)(name[++i] - 'a' + 'A');
                else
                        camel[to++] = name[i];
        }
        camel[to] = '\0';
        return json_get(object, camel);
}

static struct str short_name(struct str type_url)
{
        ptrdiff_t slash = str_find(type_url, '/');

        return slash >= 0 ? str_slice(type_url, (size_t)slash + 1, SIZE_MAX) : type_url;
}

/* A number, or a number in a string. */
static double read_double(const struct json *json)
{
        switch (json->type) {
        case JSON_INT:
                return (double)json->integer;
        case JSON_UINT:
                return (double)json->uinteger;
        case JSON_DOUBLE:
                return json->number;
        case JSON_STRING:
                return strtod(json->string.ptr, NULL);
        default:
                return NAN;
        }
}

static int64_t read_int(const struct json *json)
{
        int64_t value = 0;

        if (json->type == JSON_STRING)
                return str_to_i64(json->string, &value) ? value : 0;
        return json->type == JSON_INT ? json->integer : (int64_t)read_double(json);
}

static uint64_t read_uint(const struct json *json)
{
        uint64_t value = 0;

        if (json->type == JSON_STRING)
                return str_to_u64(json->string, &value) ? value : 0;
        return json->type == JSON_DOUBLE ? (uint64_t)json->number : json->uinteger;
}

/* google.protobuf.Value as JSON: every number is a double. */
static bool json_value(struct arena *arena, const struct json *json, struct cel_value *ret)
{
        struct cel_value *items;
        struct cel_entry *entries;
        struct err ignored;

        *ret = cel_json(json);
        if (json->type == JSON_INT || json->type == JSON_UINT) {
                *ret = cel_double(read_double(json));
        } else if (json->type == JSON_ARRAY) {
                items = ARENA_ARRAY(arena, struct cel_value, json->count);
                for (uint32_t i = 0; items && i < json->count; i++)
                        if (!json_value(arena, &json->items[i], &items[i]))
                                return false;
                *ret = cel_list(items, json->count);
        } else if (json->type == JSON_OBJECT) {
                entries = ARENA_ARRAY(arena, struct cel_entry, json->count);
                for (uint32_t i = 0; entries && i < json->count; i++) {
                        entries[i].key = cel_string(json->members[i].key);
                        if (!json_value(arena, &json->members[i].value, &entries[i].value))
                                return false;
                }
                return cel_map_make(arena, entries, json->count, ret, &ignored);
        }
        return true;
}

/* A well-known type in an Any: the others are messages. */
static bool object_value(struct arena *arena, const struct json *object, struct cel_value *ret)
{
        struct str name = short_name(json_get_string(object, "@type"));
        const struct json *value = json_get(object, "value");
        uint32_t nanos;
        int64_t number;
        bool range;

        if (!wellknown_name(name) || !value)
                return false;
        name = str_slice(name, strlen("google.protobuf."), SIZE_MAX);
        if (str_is(name, "BoolValue"))
                *ret = cel_bool(value->type == JSON_BOOL && value->boolean);
        else if (str_is(name, "StringValue"))
                *ret = cel_string(value->string);
        else if (str_is(name, "DoubleValue"))
                *ret = cel_double(read_double(value));
        else if (str_is(name, "FloatValue"))
                *ret = cel_double((double)(float)read_double(value));
        else if (str_starts(name, STR("Int")))
                *ret = cel_int(read_int(value));
        else if (str_starts(name, STR("UInt")))
                *ret = cel_uint(read_uint(value));
        else if (str_is(name, "Timestamp") && time_parse(value->string, &number, &nanos))
                *ret = cel_timestamp(number, nanos);
        else if (str_is(name, "Duration") && duration_read(value->string, &number, &range))
                *ret = cel_duration(number);
        else if (str_is(name, "BytesValue")) {
                struct str bytes;

                if (!base64_decode(arena, value->string, &bytes))
                        return false;
                *ret = cel_bytes(bytes);
        } else
                return json_value(arena, value, ret);
        return true;
}

static bool map_value_of(struct arena *arena, const struct json *json, struct cel_value *ret)
{
        const struct json *list = suite_get(json, "entries");
        uint32_t count = list ? list->count : 0;
        struct cel_entry *entries = ARENA_ARRAY(arena, struct cel_entry, count);
        struct err ignored;

        for (uint32_t i = 0; i < count; i++)
                if (!entries || !suite_value(arena, suite_get(&list->items[i], "key"), &entries[i].key) ||
                    !suite_value(arena, suite_get(&list->items[i], "value"), &entries[i].value))
                        return false;
        return cel_map_make(arena, entries, count, ret, &ignored);
}

static bool list_value_of(struct arena *arena, const struct json *json, struct cel_value *ret)
{
        const struct json *list = suite_get(json, "values");
        uint32_t count = list ? list->count : 0;
        struct cel_value *items = ARENA_ARRAY(arena, struct cel_value, count);

        for (uint32_t i = 0; i < count; i++)
                if (!items || !suite_value(arena, &list->items[i], &items[i]))
                        return false;
        *ret = cel_list(items, count);
        return true;
}

bool suite_value(struct arena *arena, const struct json *json, struct cel_value *ret)
{
        const struct json *v;
        struct str bytes;

        *ret = cel_null();
        if (suite_get(json, "null_value"))
                return true;
        if ((v = suite_get(json, "bool_value")))
                *ret = cel_bool(v->boolean);
        else if ((v = suite_get(json, "int64_value")))
                *ret = cel_int(read_int(v));
        else if ((v = suite_get(json, "uint64_value")))
                *ret = cel_uint(read_uint(v));
        else if ((v = suite_get(json, "double_value")))
                *ret = cel_double(read_double(v));
        else if ((v = suite_get(json, "string_value")))
                *ret = cel_string(v->string);
        else if ((v = suite_get(json, "type_value")))
                *ret = (struct cel_value){
                        .kind = CEL_TYPE, .len = (uint32_t)v->string.len, .bytes = v->string.ptr};
        else if ((v = suite_get(json, "bytes_value"))) {
                if (!base64_decode(arena, v->string, &bytes))
                        return false;
                *ret = cel_bytes(bytes);
        } else if ((v = suite_get(json, "list_value")))
                return list_value_of(arena, v, ret);
        else if ((v = suite_get(json, "map_value")))
                return map_value_of(arena, v, ret);
        else if ((v = suite_get(json, "object_value")))
                return object_value(arena, v, ret);
        else
                return false;
        return true;
}

/* ---- Types ---- */

static const char *primitive_name(struct str name)
{
        static const char *const names[][2] = {
                {"BOOL", "bool"},     {"INT64", "int"},     {"UINT64", "uint"},
                {"DOUBLE", "double"}, {"STRING", "string"}, {"BYTES", "bytes"},
        };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (str_is(name, names[i][0]))
                        return names[i][1];
        return "dyn";
}

static bool abstract_type(struct cel_env *env, struct buf *buf, const struct json *json)
{
        struct str name = json_get_string(json, "name");
        const struct json *params = suite_get(json, "parameter_types");
        uint32_t count = params ? params->count : 0;
        struct err ignored;

        buf_append_str(buf, name);
        for (uint32_t i = 0; i < count; i++) {
                buf_append_c(buf, i == 0 ? "(" : ", ");
                if (!suite_type(env, buf, &params->items[i]))
                        return false;
        }
        if (count > 0)
                buf_append_c(buf, ")");
        return cel_env_add_type(env, name.ptr, count, &ignored);
}

bool suite_type(struct cel_env *env, struct buf *buf, const struct json *json)
{
        const struct json *t;

        if ((t = suite_get(json, "primitive"))) {
                buf_append_c(buf, primitive_name(t->string));
        } else if ((t = suite_get(json, "wrapper"))) {
                buf_printf(buf, "wrapper(%s)", primitive_name(t->string));
        } else if ((t = suite_get(json, "well_known"))) {
                buf_append_c(buf, str_is(t->string, "TIMESTAMP")  ? "timestamp"
                                  : str_is(t->string, "DURATION") ? "duration"
                                                                  : "dyn");
        } else if ((t = suite_get(json, "list_type"))) {
                buf_append_c(buf, "list(");
                if (!suite_type(env, buf, suite_get(t, "elem_type")))
                        return false;
                buf_append_c(buf, ")");
        } else if ((t = suite_get(json, "map_type"))) {
                buf_append_c(buf, "map(");
                if (!suite_type(env, buf, suite_get(t, "key_type")))
                        return false;
                buf_append_c(buf, ", ");
                if (!suite_type(env, buf, suite_get(t, "value_type")))
                        return false;
                buf_append_c(buf, ")");
        } else if ((t = suite_get(json, "type_param"))) {
                buf_append_str(buf, t->string);
        } else if ((t = suite_get(json, "abstract_type"))) {
                return abstract_type(env, buf, t);
        } else if ((t = suite_get(json, "message_type"))) {
                buf_append_str(buf, t->string);
                return wellknown_name(t->string) || str_is(t->string, "google.protobuf.Any");
        } else if (suite_get(json, "type")) {
                buf_append_c(buf, "type");
        } else if (suite_get(json, "null")) {
                buf_append_c(buf, "null_type");
        } else {
                buf_append_c(buf, "dyn");
        }
        return true;
}

/* ---- Comparing ---- */

/* One character that the suite's text wrote as an escape: \?, \uXXXX or \UXXXXXXXX. */
static size_t read_left_escape(struct str text, size_t at, uint32_t *ret_character)
{
        size_t digits = text.ptr[at + 1] == 'u' ? 4 : text.ptr[at + 1] == 'U' ? 8 : 0;

        *ret_character = '?';
        if (text.ptr[at + 1] == '?')
                return 2;
        if (digits == 0 || at + 2 + digits > text.len)
                return 0;
        *ret_character = 0;
        for (size_t i = 0; i < digits; i++) {
                int digit = str_hex_digit(text.ptr[at + 2 + i]);

                if (digit < 0)
                        return 0;
                *ret_character = *ret_character * 16 + (uint32_t)digit;
        }
        return 2 + digits;
}

/*
 * Whether `expected` is `text` once the escapes are decoded that the suite's
 * conversion from protobuf's text format to JSON has left as they were
 * written: \? \u \U.
 */
static bool same_after_unescaping(struct str text, struct str expected)
{
        size_t at = 0;

        for (size_t i = 0; i < expected.len;) {
                uint32_t character;
                size_t taken = expected.ptr[i] == '\\' && i + 1 < expected.len
                                       ? read_left_escape(expected, i, &character)
                                       : 0;
                char bytes[4];
                uint32_t len = 1;

                bytes[0] = expected.ptr[i];
                if (taken > 0)
                        len = text_encode(bytes, character);
                if (at + len > text.len || memcmp(text.ptr + at, bytes, len) != 0)
                        return false;
                at += len;
                i += taken > 0 ? taken : 1;
        }
        return at == text.len;
}

bool suite_same(struct cel_value a, struct cel_value b)
{
        if (a.kind != b.kind)
                return false;
        if ((a.kind == CEL_STRING || a.kind == CEL_BYTES) && !cel_equal(a, b))
                return same_after_unescaping(cel_text(a), cel_text(b));
        if (a.kind == CEL_DOUBLE && isnan(a.number))
                return isnan(b.number);
        if (a.kind != CEL_LIST && a.kind != CEL_MAP)
                return cel_equal(a, b);
        if (cel_count(a) != cel_count(b))
                return false;
        for (uint32_t i = 0; i < cel_count(a); i++) {
                struct cel_entry entry;

                if (a.kind == CEL_LIST) {
                        if (!suite_same(cel_at(NULL, a, i), cel_at(NULL, b, i)))
                                return false;
                        continue;
                }
                entry = cel_entry_at(NULL, a, i);
                if (!suite_same(entry.value, cel_get(NULL, b, entry.key)))
                        return false;
        }
        return true;
}

/* ---- The rule for skipping ---- */

static bool names_message(const struct json *json)
{
        const struct json *value = json_get(json, "@type");

        if (value && value->type == JSON_STRING && !wellknown_name(short_name(value->string)))
                return true;
        value = suite_get(json, "message_type");
        if (value && value->type == JSON_STRING && !wellknown_name(value->string) &&
            !str_is(value->string, "google.protobuf.Any"))
                return true;
        if (suite_get(json, "enum_value"))
                return true;
        for (uint32_t i = 0; i < json->count; i++) {
                if (json->type == JSON_OBJECT && names_message(&json->members[i].value))
                        return true;
                if (json->type == JSON_ARRAY && names_message(&json->items[i]))
                        return true;
        }
        return false;
}

static bool declares(const struct json *test, struct str name)
{
        const struct json *declared = suite_get(test, "type_env");

        for (uint32_t i = 0; declared && i < declared->count; i++)
                if (str_starts(json_get_string(&declared->items[i], "name"), name))
                        return true;
        return json_get_str(suite_get(test, "bindings"), name) != NULL;
}

/*
 * In the suite's packages of messages, what starts with a capital letter and is
 * not declared is a message or an enum; so is any name with the package in it.
 */
static bool node_needs_protobuf(const struct json *test, const struct node *node)
{
        struct str container = json_get_string(test, "container");
        bool in_package = str_find_str(container, STR("conformance.proto")) >= 0;

        if (node->kind == NODE_STRUCT && !wellknown_name(node->name) &&
            !(str_is(container, "google.protobuf") || str_starts(node->name, STR("google.protobuf."))))
                return true;
        if (node->kind == NODE_STRUCT && str_is(node->name, "google.protobuf.Any"))
                return true;
        if ((node->kind == NODE_IDENT || node->kind == NODE_CALL) && in_package && node->name.len > 0 &&
            node->name.ptr[0] >= 'A' && node->name.ptr[0] <= 'Z' && !declares(test, node->name))
                return true;
        if (node->kind == NODE_SELECT && str_is(node->name, "conformance") &&
            node->args[0]->kind == NODE_SELECT && str_is(node->args[0]->name, "expr"))
                return true;
        for (uint32_t i = 0; i < node->count; i++)
                if (node_needs_protobuf(test, node->args[i]))
                        return true;
        return false;
}

bool suite_needs_protobuf(struct arena *arena, const struct json *test)
{
        struct node *root;
        struct err ignored;

        if (names_message(test))
                return true;
        return cel_parse(arena, json_get_string(test, "expr"), true, &root, &ignored) &&
               node_needs_protobuf(test, root);
}
