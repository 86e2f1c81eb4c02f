/* SPDX-License-Identifier: Apache-2.0 */
#include "cel/types.h"

static const struct cel_type simple[] = {
        [TYPE_DYN] = {.kind = TYPE_DYN},
        [TYPE_NULL] = {.kind = TYPE_NULL},
        [TYPE_BOOL] = {.kind = TYPE_BOOL},
        [TYPE_INT] = {.kind = TYPE_INT},
        [TYPE_UINT] = {.kind = TYPE_UINT},
        [TYPE_DOUBLE] = {.kind = TYPE_DOUBLE},
        [TYPE_STRING] = {.kind = TYPE_STRING},
        [TYPE_BYTES] = {.kind = TYPE_BYTES},
        [TYPE_TIMESTAMP] = {.kind = TYPE_TIMESTAMP},
        [TYPE_DURATION] = {.kind = TYPE_DURATION},
        [TYPE_TYPE] = {.kind = TYPE_TYPE},
};

static const struct cel_type *const two_dyns[] = {&simple[TYPE_DYN], &simple[TYPE_DYN]};
static const struct cel_type list_of_dyn = {.kind = TYPE_LIST, .count = 1, .params = two_dyns};
static const struct cel_type map_of_dyn = {.kind = TYPE_MAP, .count = 2, .params = two_dyns};

const struct cel_type *type_simple(enum type_kind kind)
{
        if (kind == TYPE_LIST)
                return &list_of_dyn;
        if (kind == TYPE_MAP)
                return &map_of_dyn;
        return &simple[kind];
}

const struct cel_type *type_make(struct arena *arena, enum type_kind kind, struct str name,
                                 const struct cel_type *const *params, uint32_t count)
{
        struct cel_type *type = ARENA_NEW(arena, struct cel_type);
        const struct cel_type **copy = ARENA_ARRAY(arena, const struct cel_type *, count);
        uint32_t size = count;

        if (!type || !copy)
                return NULL;
        for (uint32_t i = 0; i < count; i++) {
                if (!params[i])
                        return NULL;
                size += params[i]->size;
                copy[i] = params[i];
                type->generic |= params[i]->generic;
                type->open |= params[i]->open;
        }
        if (size > TYPE_SIZE_MAX)
                return type_simple(TYPE_DYN);
        type->size = (uint16_t)size;
        type->kind = (uint8_t)kind;
        type->name = name;
        type->params = copy;
        type->count = (uint8_t)count;
        return type;
}

const struct cel_type *type_list(struct arena *arena, const struct cel_type *item)
{
        return type_make(arena, TYPE_LIST, STR_NULL, &item, 1);
}

const struct cel_type *type_map(struct arena *arena, const struct cel_type *key,
                                const struct cel_type *value)
{
        const struct cel_type *params[] = {key, value};

        return type_make(arena, TYPE_MAP, STR_NULL, params, 2);
}

const struct cel_type *type_optional(struct arena *arena, const struct cel_type *inner)
{
        return type_make(arena, TYPE_OPAQUE, STR("optional_type"), &inner, 1);
}

const struct cel_type *type_of_type(struct arena *arena, const struct cel_type *type)
{
        return type_make(arena, TYPE_TYPE, STR_NULL, &type, 1);
}

const struct cel_type *type_indexed(struct arena *arena, enum type_kind kind, uint32_t index)
{
        struct cel_type *type = ARENA_NEW(arena, struct cel_type);

        if (!type)
                return NULL;
        type->kind = (uint8_t)kind;
        type->index = index;
        type->generic = kind == TYPE_PARAM;
        type->open = kind == TYPE_VAR;
        return type;
}

bool cel_type_equal(const struct cel_type *a, const struct cel_type *b)
{
        if (a == b)
                return true;
        if (a->kind != b->kind || a->index != b->index || a->count != b->count || !str_eq(a->name, b->name))
                return false;
        for (uint32_t i = 0; i < a->count; i++)
                if (!cel_type_equal(a->params[i], b->params[i]))
                        return false;
        return true;
}

static const struct {
        const char *name;
        enum type_kind kind;
        uint8_t parameters;
} names[] = {
        {"dyn", TYPE_DYN, 0},
        {"null_type", TYPE_NULL, 0},
        {"bool", TYPE_BOOL, 0},
        {"int", TYPE_INT, 0},
        {"uint", TYPE_UINT, 0},
        {"double", TYPE_DOUBLE, 0},
        {"string", TYPE_STRING, 0},
        {"bytes", TYPE_BYTES, 0},
        {"timestamp", TYPE_TIMESTAMP, 0},
        {"duration", TYPE_DURATION, 0},
        {"google.protobuf.Timestamp", TYPE_TIMESTAMP, 0},
        {"google.protobuf.Duration", TYPE_DURATION, 0},
        {"google.protobuf.Any", TYPE_DYN, 0},
        {"google.protobuf.Value", TYPE_DYN, 0},
        {"list", TYPE_LIST, 1},
        {"google.protobuf.ListValue", TYPE_LIST, 0},
        {"map", TYPE_MAP, 2},
        {"google.protobuf.Struct", TYPE_MAP, 0},
        {"type", TYPE_TYPE, 1},
        {"wrapper", TYPE_WRAPPER, 1},
};

static const struct {
        const char *name;
        enum type_kind kind;
} wrappers[] = {
        {"google.protobuf.BoolValue", TYPE_BOOL},     {"google.protobuf.BytesValue", TYPE_BYTES},
        {"google.protobuf.DoubleValue", TYPE_DOUBLE}, {"google.protobuf.FloatValue", TYPE_DOUBLE},
        {"google.protobuf.Int32Value", TYPE_INT},     {"google.protobuf.Int64Value", TYPE_INT},
        {"google.protobuf.StringValue", TYPE_STRING}, {"google.protobuf.UInt32Value", TYPE_UINT},
        {"google.protobuf.UInt64Value", TYPE_UINT},
};

struct str type_value_name(const struct cel_type *type)
{
        if (type->kind == TYPE_TIMESTAMP)
                return STR("google.protobuf.Timestamp");
        if (type->kind == TYPE_DURATION)
                return STR("google.protobuf.Duration");
        if (type->kind == TYPE_OPAQUE)
                return type->name;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (names[i].kind == (enum type_kind)type->kind)
                        return str_from(names[i].name);
        return STR("dyn");
}

static void append_params(struct buf *buf, const struct cel_type *type)
{
        for (uint32_t i = 0; i < type->count; i++) {
                buf_append_c(buf, i == 0 ? "(" : ", ");
                cel_type_append(buf, type->params[i]);
        }
        if (type->count > 0)
                buf_append_char(buf, ')');
}

void cel_type_append(struct buf *buf, const struct cel_type *type)
{
        if (type->kind == TYPE_PARAM || type->kind == TYPE_VAR) {
                buf_append_char(buf, type->index < 26 ? (char)('A' + type->index) : '?');
                return;
        }
        if (type->kind == TYPE_OPAQUE) {
                buf_append_str(buf, type->name);
        } else {
                for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                        if (names[i].kind == (enum type_kind)type->kind) {
                                buf_append_c(buf, names[i].name);
                                break;
                        }
                }
        }
        append_params(buf, type);
}

/* ---- Reading ---- */

static void skip_blanks(struct str *text)
{
        while (text->len > 0 && text->ptr[0] == ' ')
                *text = str_slice(*text, 1, SIZE_MAX);
}

static struct str read_name(struct str *text)
{
        size_t len = 0;
        struct str name;

        skip_blanks(text);
        while (len < text->len && !strchr(" ,()", text->ptr[len]))
                len++;
        name = str_slice(*text, 0, len);
        *text = str_slice(*text, len, SIZE_MAX);
        return name;
}

static bool read_params(struct arena *arena, const struct type_names *known, struct str *text,
                        const struct cel_type **params, uint32_t *ret_count, struct err *err)
{
        enum { MOST = 8 };

        *ret_count = 0;
        skip_blanks(text);
        if (text->len == 0 || text->ptr[0] != '(')
                return true;
        do {
                *text = str_slice(*text, 1, SIZE_MAX);
                if (*ret_count == MOST)
                        return err_set(err, ERR_EXPRESSION, "a type has more than %d parameters", MOST);
                if (!type_read(arena, known, text, &params[(*ret_count)++], err))
                        return false;
                skip_blanks(text);
        } while (text->len > 0 && text->ptr[0] == ',');
        if (text->len == 0 || text->ptr[0] != ')')
                return err_set(err, ERR_EXPRESSION, "a type's parameters do not end with ')'");
        *text = str_slice(*text, 1, SIZE_MAX);
        return true;
}

static const struct cel_type *find_wrapper(struct arena *arena, struct str name)
{
        const struct cel_type *inner;

        for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++) {
                if (str_is(name, wrappers[i].name)) {
                        inner = type_simple(wrappers[i].kind);
                        return type_make(arena, TYPE_WRAPPER, STR_NULL, &inner, 1);
                }
        }
        return NULL;
}

/* The type of a name and its parameters; *ret NULL when there is none or the arena is full. */
static bool build(struct arena *arena, const struct type_names *known, struct str name,
                  const struct cel_type *const *params, uint32_t count, const struct cel_type **ret)
{
        *ret = NULL;
        if (name.len == 1 && name.ptr[0] >= 'A' && name.ptr[0] <= 'Z' && count == 0) {
                *ret = type_indexed(arena, TYPE_PARAM, (uint32_t)(name.ptr[0] - 'A'));
                return true;
        }
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                if (!str_is(name, names[i].name))
                        continue;
                if (count == 0)
                        *ret = type_simple(names[i].kind == TYPE_WRAPPER ? TYPE_DYN : names[i].kind);
                else if (count == names[i].parameters)
                        *ret = type_make(arena, names[i].kind, STR_NULL, params, count);
                return *ret != NULL;
        }
        if (count == 0 && (*ret = find_wrapper(arena, name)))
                return true;
        for (uint32_t i = 0; i < known->count; i++) {
                if (str_eq(known->names[i].name, name) && known->names[i].parameters == count) {
                        *ret = type_make(arena, TYPE_OPAQUE, known->names[i].name, params, count);
                        return true;
                }
        }
        return false;
}

bool type_read(struct arena *arena, const struct type_names *known, struct str *text,
               const struct cel_type **ret, struct err *err)
{
        struct str name = read_name(text);
        const struct cel_type *params[8];
        uint32_t count;

        if (!read_params(arena, known, text, params, &count, err))
                return false;
        if (!build(arena, known, name, params, count, ret) || !*ret) {
                if (!arena_check(arena, err))
                        return false;
                return err_set(err, ERR_EXPRESSION, "there is no type \"%.*s\" with %u parameters",
                               STR_ARG(str_slice(name, 0, 80)), count);
        }
        return true;
}

bool type_takes(const struct cel_type *type, struct cel_value value)
{
        static const uint8_t kinds[] = {
                [TYPE_NULL] = CEL_NULL,           [TYPE_BOOL] = CEL_BOOL,         [TYPE_INT] = CEL_INT,
                [TYPE_UINT] = CEL_UINT,           [TYPE_DOUBLE] = CEL_DOUBLE,     [TYPE_STRING] = CEL_STRING,
                [TYPE_BYTES] = CEL_BYTES,         [TYPE_TYPE] = CEL_TYPE,         [TYPE_LIST] = CEL_LIST,
                [TYPE_TIMESTAMP] = CEL_TIMESTAMP, [TYPE_DURATION] = CEL_DURATION, [TYPE_MAP] = CEL_MAP,
        };

        switch ((enum type_kind)type->kind) {
        case TYPE_DYN:
        case TYPE_PARAM:
        case TYPE_VAR:
                return true;
        case TYPE_WRAPPER:
                return value.kind == CEL_NULL || type_takes(type->params[0], value);
        case TYPE_OPAQUE:
                return str_eq(cel_type_name(value), type->name);
        default:
                return kinds[type->kind] == value.kind;
        }
}
