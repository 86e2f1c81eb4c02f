/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/json_shim.h"
#include "base/json_write.h"

#include <stdio.h>
#include <stdlib.h>

static int member_by_key(const void *a, const void *b)
{
        const struct json_member *const *left = a;
        const struct json_member *const *right = b;

        return str_compare((*left)->key, (*right)->key);
}

/* The reference tokens down to the value at hand, outermost first. */
struct path {
        const struct path *outer;
        struct str key;
        size_t index;
};

static size_t path_format(const struct path *path, char *text, size_t size)
{
        size_t at;
        int len;

        if (!path)
                return 0;
        at = path_format(path->outer, text, size);
        if (at >= size)
                return at;
        if (path->key.ptr)
                len = snprintf(text + at, size - at, "/%.*s", STR_ARG(str_slice(path->key, 0, 40)));
        else
                len = snprintf(text + at, size - at, "/%zu", path->index);
        return at + (len > 0 ? (size_t)len : 0);
}

static bool duplicate_found(const struct path *outer, struct str key, struct err *err)
{
        struct path here = {outer, key, 0};
        char place[ERR_PLACE_MAX];

        (void)path_format(&here, place, sizeof(place));
        return err_set_at(err, ERR_BAD_JSON, place, "the key \"%.*s\" appears twice in one object",
                          STR_ARG(str_slice(key, 0, 100)));
}

static bool keys_are_unique(struct arena *arena, const struct json *object, const struct path *path,
                            struct err *err)
{
        enum { FEW = 8 };
        struct arena_mark mark;
        const struct json_member **sorted;

        if (object->count <= FEW) {
                for (uint32_t i = 1; i < object->count; i++)
                        for (uint32_t j = 0; j < i; j++)
                                if (str_eq(object->members[i].key, object->members[j].key))
                                        return duplicate_found(path, object->members[i].key, err);
                return true;
        }
        mark = arena_mark(arena);
        sorted = ARENA_ARRAY(arena, const struct json_member *, object->count);
        if (!sorted)
                return arena_check(arena, err);
        for (uint32_t i = 0; i < object->count; i++)
                sorted[i] = &object->members[i];
        qsort(sorted, object->count, sizeof(struct json_member *), member_by_key);
        for (uint32_t i = 1; i < object->count; i++)
                if (str_eq(sorted[i - 1]->key, sorted[i]->key))
                        return duplicate_found(path, sorted[i]->key, err);
        arena_rewind(arena, mark);
        return true;
}

static bool check_unique(struct arena *arena, const struct json *value, const struct path *path,
                         struct err *err)
{
        if (value->type == JSON_OBJECT && !keys_are_unique(arena, value, path, err))
                return false;
        for (uint32_t i = 0; i < value->count; i++) {
                bool object = value->type == JSON_OBJECT;
                struct path inner = {path, object ? value->members[i].key : STR_NULL, i};
                const struct json *child = object ? &value->members[i].value : &value->items[i];

                if (child->count > 0 && !check_unique(arena, child, &inner, err))
                        return false;
        }
        return true;
}

bool json_parse(struct arena *arena, struct str text, struct json *ret, struct err *err)
{
        return json_shim_parse(arena, text, ret, err) && check_unique(arena, ret, NULL, err);
}

const struct json *json_get_str(const struct json *object, struct str key)
{
        if (!object || object->type != JSON_OBJECT)
                return NULL;
        for (uint32_t i = 0; i < object->count; i++)
                if (str_eq(object->members[i].key, key))
                        return &object->members[i].value;
        return NULL;
}

const struct json *json_get(const struct json *object, const char *key)
{
        return json_get_str(object, str_from(key));
}

struct str json_get_string(const struct json *object, const char *key)
{
        const struct json *value = json_get(object, key);

        return value && value->type == JSON_STRING ? value->string : STR_NULL;
}

bool json_get_int(const struct json *object, const char *key, int64_t *ret)
{
        const struct json *value = json_get(object, key);

        if (!value || value->type != JSON_INT)
                return false;
        *ret = value->integer;
        return true;
}

const char *json_type_name(enum json_type type)
{
        static const char *const names[] = {
                [JSON_NULL] = "null",       [JSON_BOOL] = "a boolean",   [JSON_INT] = "an integer",
                [JSON_UINT] = "an integer", [JSON_DOUBLE] = "a number",  [JSON_STRING] = "a string",
                [JSON_ARRAY] = "an array",  [JSON_OBJECT] = "an object",
        };

        return names[type];
}

/* The UTF-16 code unit order of RFC 8785 section 3.2.3, on UTF-8. */
static int compare_utf16(struct str a, struct str b)
{
        size_t len = a.len < b.len ? a.len : b.len;

        for (size_t i = 0; i < len; i++) {
                unsigned char left = (unsigned char)a.ptr[i];
                unsigned char right = (unsigned char)b.ptr[i];

                if (left == right)
                        continue;
                /* Supplementary characters (lead F0–F4) are surrogates there: below U+E000–U+FFFF (EE, EF).
                 */
                if (left >= 0xEE && right >= 0xEE && (left >= 0xF0) != (right >= 0xF0))
                        return left >= 0xF0 ? -1 : 1;
                return left < right ? -1 : 1;
        }
        return (a.len > b.len) - (a.len < b.len);
}

static const struct json_member *next_member(const struct json *object, const struct json_member *last)
{
        const struct json_member *next = NULL;

        for (uint32_t i = 0; i < object->count; i++) {
                const struct json_member *m = &object->members[i];

                if ((!last || compare_utf16(m->key, last->key) > 0) &&
                    (!next || compare_utf16(m->key, next->key) < 0))
                        next = m;
        }
        return next;
}

static int member_by_utf16(const void *a, const void *b)
{
        return compare_utf16((*(const struct json_member *const *)a)->key,
                             (*(const struct json_member *const *)b)->key);
}

#define DOUBLE_EXACT (INT64_C(1) << 53)

static void canonical_object(struct json_writer *w, const struct json *value);

static void canonical_value(struct json_writer *w, const struct json *value)
{
        switch (value->type) {
        case JSON_NULL:
                json_null(w);
                break;
        case JSON_BOOL:
                json_bool(w, value->boolean);
                break;
        case JSON_INT:
                /* RFC 8785 section 3.2.2.3: numbers are doubles. Up to 2^53 an integer's digits are the
                 * same. */
                if (value->integer > -DOUBLE_EXACT && value->integer < DOUBLE_EXACT)
                        json_int(w, value->integer);
                else
                        json_double(w, (double)value->integer);
                break;
        case JSON_UINT:
                json_double(w, (double)value->uinteger);
                break;
        case JSON_DOUBLE:
                json_double(w, value->number);
                break;
        case JSON_STRING:
                json_str(w, value->string);
                break;
        case JSON_ARRAY:
                json_array_begin(w);
                for (uint32_t i = 0; i < value->count; i++)
                        canonical_value(w, &value->items[i]);
                json_array_end(w);
                break;
        case JSON_OBJECT:
                json_object_begin(w);
                canonical_object(w, value);
                json_object_end(w);
                break;
        }
}

static void canonical_object(struct json_writer *w, const struct json *value)
{
        enum { FEW = 32 };
        const struct json_member *sorted[FEW];
        bool in_order = true;

        if (value->count > FEW) {
                /* Rare: quadratic, but without an allocation that could fail. */
                for (const struct json_member *m = NULL; (m = next_member(value, m));) {
                        json_key_str(w, m->key);
                        canonical_value(w, &m->value);
                }
                return;
        }
        for (uint32_t i = 0; i < value->count; i++) {
                sorted[i] = &value->members[i];
                in_order = in_order && (i == 0 || compare_utf16(sorted[i - 1]->key, sorted[i]->key) <= 0);
        }
        if (!in_order)
                qsort(sorted, value->count, sizeof(sorted[0]), member_by_utf16);
        for (uint32_t i = 0; i < value->count; i++) {
                json_key_str(w, sorted[i]->key);
                canonical_value(w, &sorted[i]->value);
        }
}

void json_append_canonical(struct buf *buf, const struct json *value)
{
        struct json_writer w;

        json_writer_init(&w, buf);
        canonical_value(&w, value);
}
