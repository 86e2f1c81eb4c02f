/* SPDX-License-Identifier: Apache-2.0 */
#include "cel/eval.h"

#include <math.h>

/* ---- Numbers, across types (langdef "Equality", "Ordering") ---- */

bool value_is_number(struct cel_value value)
{
        return value.kind == CEL_INT || value.kind == CEL_UINT || value.kind == CEL_DOUBLE;
}

static int order_double(double a, double b)
{
        if (isnan(a) || isnan(b))
                return ORDER_NAN;
        return (a > b) - (a < b);
}

static int order_int_uint(int64_t a, uint64_t b)
{
        if (a < 0 || b > INT64_MAX)
                return -1;
        return (a > (int64_t)b) - (a < (int64_t)b);
}

static int reversed(int order)
{
        return order == ORDER_NAN ? order : -order;
}

/* As the reference implementations do it: an integer beside a double becomes a double. */
static int order_numbers(struct cel_value a, struct cel_value b)
{
        if (a.kind == b.kind) {
                if (a.kind == CEL_INT)
                        return (a.integer > b.integer) - (a.integer < b.integer);
                if (a.kind == CEL_UINT)
                        return (a.uinteger > b.uinteger) - (a.uinteger < b.uinteger);
                return order_double(a.number, b.number);
        }
        if (a.kind == CEL_INT)
                return b.kind == CEL_UINT ? order_int_uint(a.integer, b.uinteger)
                                          : order_double((double)a.integer, b.number);
        if (a.kind == CEL_UINT)
                return b.kind == CEL_INT ? reversed(order_int_uint(b.integer, a.uinteger))
                                         : order_double((double)a.uinteger, b.number);
        return b.kind == CEL_INT ? order_double(a.number, (double)b.integer)
                                 : order_double(a.number, (double)b.uinteger);
}

int value_compare(struct cel_value a, struct cel_value b)
{
        if (value_is_number(a) && value_is_number(b))
                return order_numbers(a, b);
        if (a.kind != b.kind)
                return ORDER_NONE;
        switch ((enum cel_kind)a.kind) {
        case CEL_BOOL:
                return (int)a.boolean - (int)b.boolean;
        case CEL_STRING:
        case CEL_BYTES: {
                int order = str_compare(cel_text(a), cel_text(b));

                return (order > 0) - (order < 0);
        }
        case CEL_TIMESTAMP:
                if (a.integer == b.integer)
                        return (a.len > b.len) - (a.len < b.len);
                return a.integer > b.integer ? 1 : -1;
        case CEL_DURATION:
                return (a.integer > b.integer) - (a.integer < b.integer);
        default:
                return ORDER_NONE;
        }
}

/* ---- Maps ---- */

enum { MAP_FEW = 8 };

static uint64_t mix(uint64_t hash)
{
        hash ^= hash >> 32;
        hash *= UINT64_C(0x9E3779B97F4A7C15);
        return hash ^ hash >> 29;
}

static uint64_t key_hash(struct cel_value key)
{
        uint64_t hash = 0;
        uint32_t i = 0;

        if (key.kind != CEL_STRING) /* equal int and uint have the same bits, unless negative */
                return mix(key.kind == CEL_BOOL ? ~(uint64_t)key.boolean : key.uinteger);
        for (; i + 8 <= key.len; i += 8) {
                uint64_t word;

                memcpy(&word, key.bytes + i, 8);
                hash = mix(hash + word);
        }
        for (; i < key.len; i++)
                hash = hash * 257 + (unsigned char)key.bytes[i];
        return mix(hash + key.len);
}

static bool key_equal(struct cel_value a, struct cel_value b)
{
        if (a.kind == b.kind) {
                if (a.kind == CEL_STRING)
                        return str_eq(cel_text(a), cel_text(b));
                return a.kind == CEL_BOOL ? a.boolean == b.boolean : a.uinteger == b.uinteger;
        }
        if (a.kind + b.kind != CEL_INT + CEL_UINT || a.kind == CEL_BOOL || b.kind == CEL_BOOL)
                return false;
        return a.uinteger == b.uinteger && a.integer >= 0;
}

uint32_t map_bucket_count(uint32_t count)
{
        uint32_t buckets = 16;

        if (count <= MAP_FEW)
                return 0;
        while (buckets < count * 2 && buckets < UINT32_C(1) << 31)
                buckets *= 2;
        return buckets;
}

static const struct cel_entry *map_find(const struct cel_map *map, struct cel_value key)
{
        if (map->mask == 0) {
                for (uint32_t i = 0; i < map->count; i++)
                        if (key_equal(map->entries[i].key, key))
                                return &map->entries[i];
                return NULL;
        }
        for (uint32_t at = (uint32_t)key_hash(key) & map->mask; map->buckets[at]; at = (at + 1) & map->mask)
                if (key_equal(map->entries[map->buckets[at] - 1].key, key))
                        return &map->entries[map->buckets[at] - 1];
        return NULL;
}

bool map_build(struct cel_map *map, const struct cel_entry *entries, uint32_t count, uint32_t *buckets)
{
        uint32_t size = map_bucket_count(count);

        *map = (struct cel_map){.mask = size > 0 ? size - 1 : 0, .entries = entries, .buckets = buckets};
        for (uint32_t i = 0; i < count; i++) {
                if (map_find(map, entries[i].key))
                        return false;
                map->count = i + 1;
                if (size > 0) {
                        uint32_t at = (uint32_t)key_hash(entries[i].key) & map->mask;

                        while (buckets[at])
                                at = (at + 1) & map->mask;
                        buckets[at] = i + 1;
                }
        }
        return true;
}

bool cel_map_make(struct arena *arena, const struct cel_entry *entries, uint32_t count,
                  struct cel_value *ret, struct err *err)
{
        struct cel_map *map = ARENA_NEW(arena, struct cel_map);
        uint32_t *buckets = ARENA_ARRAY(arena, uint32_t, map_bucket_count(count));

        if (!map || !buckets)
                return arena_check(arena, err);
        for (uint32_t i = 0; i < count; i++)
                if (!map_key_allowed(entries[i].key))
                        return err_set(err, ERR_EVALUATION, "a map's key is a bool, int, uint or string");
        if (!map_build(map, entries, count, buckets))
                return err_set(err, ERR_EVALUATION, "a map's key is repeated");
        *ret = map_value(map);
        return true;
}

struct cel_value map_from_entries(struct cel_call *call, const struct cel_entry *entries, uint32_t count)
{
        uint32_t size = map_bucket_count(count);
        struct cel_map *map = eval_alloc(call, 1, sizeof(*map));
        uint32_t *buckets = eval_alloc(call, size, sizeof(*buckets));

        if (!map || !buckets)
                return eval_stopped();
        for (uint32_t i = 0; i < count; i++)
                if (!map_key_allowed(entries[i].key))
                        return cel_fail(call,
                                        "unsupported key type: a map's key is a bool, int, uint or string");
        if (!map_build(map, entries, count, buckets))
                return cel_fail(call, "repeated key in a map");
        return map_value(map);
}

/* ---- Any form ---- */

struct cel_value cel_json(const struct json *json)
{
        switch (json->type) {
        case JSON_NULL:
                return cel_null();
        case JSON_BOOL:
                return cel_bool(json->boolean);
        case JSON_INT:
                return cel_int(json->integer);
        case JSON_UINT:
                return cel_uint(json->uinteger);
        case JSON_DOUBLE:
                return cel_double(json->number);
        case JSON_STRING:
                return cel_string(json->string);
        case JSON_ARRAY:
                return (struct cel_value){
                        .kind = CEL_LIST, .form = CEL_FORM_JSON, .len = json->count, .json = json};
        case JSON_OBJECT:
                return (struct cel_value){
                        .kind = CEL_MAP, .form = CEL_FORM_JSON, .len = json->count, .json = json};
        }
        return cel_null();
}

uint32_t cel_count(struct cel_value value)
{
        if (value.form == CEL_FORM_HOST)
                return value.kind == CEL_LIST ? value.host_list->count(value.host_list)
                                              : value.host_map->count(value.host_map);
        return value.len;
}

struct cel_value cel_at(struct cel_call *call, struct cel_value list, uint32_t index)
{
        switch ((enum cel_form)list.form) {
        case CEL_FORM_NATIVE:
                return list.items[index];
        case CEL_FORM_JSON:
                return cel_json(&list.json->items[index]);
        case CEL_FORM_HOST:
                break;
        }
        return list.host_list->at(list.host_list, call, index);
}

/* A double that is a whole number finds the int or uint key that equals it. */
static struct cel_value normal_key(struct cel_value key)
{
        if (key.kind != CEL_DOUBLE)
                return key;
        if (key.number >= -0x1p63 && key.number < 0x1p63 && key.number == (double)(int64_t)key.number)
                return cel_int((int64_t)key.number);
        if (key.number >= 0 && key.number < 0x1p64 && key.number == (double)(uint64_t)key.number)
                return cel_uint((uint64_t)key.number);
        return key;
}

struct cel_value cel_get_str(struct cel_call *call, struct cel_value map, struct str key)
{
        switch ((enum cel_form)map.form) {
        case CEL_FORM_NATIVE: {
                const struct cel_entry *entry = map_find(map.map, cel_string(key));

                return entry ? entry->value : (struct cel_value){0};
        }
        case CEL_FORM_JSON: {
                const struct json *value;

                /* It is searched from the front: what is large has to be paid for. */
                if (call && map.len > 16 && !cel_charge(call, map.len / 16))
                        return (struct cel_value){0};
                value = json_get_str(map.json, key);
                return value ? cel_json(value) : (struct cel_value){0};
        }
        case CEL_FORM_HOST:
                break;
        }
        return map.host_map->get(map.host_map, call, key);
}

struct cel_value cel_get(struct cel_call *call, struct cel_value map, struct cel_value key)
{
        const struct cel_entry *entry;

        if (key.kind == CEL_STRING)
                return cel_get_str(call, map, cel_text(key));
        if (map.form != CEL_FORM_NATIVE)
                return (struct cel_value){0};
        key = normal_key(key);
        if (!map_key_allowed(key))
                return (struct cel_value){0};
        entry = map_find(map.map, key);
        return entry ? entry->value : (struct cel_value){0};
}

struct cel_entry cel_entry_at(struct cel_call *call, struct cel_value map, uint32_t index)
{
        struct cel_entry entry;

        switch ((enum cel_form)map.form) {
        case CEL_FORM_NATIVE:
                return map.map->entries[index];
        case CEL_FORM_JSON:
                return (struct cel_entry){cel_string(map.json->members[index].key),
                                          cel_json(&map.json->members[index].value)};
        case CEL_FORM_HOST:
                break;
        }
        entry.key = cel_string(map.host_map->key_at(map.host_map, index));
        entry.value = map.host_map->get(map.host_map, call, cel_text(entry.key));
        return entry;
}

const struct cel_value *list_items(struct cel_call *call, struct cel_value list)
{
        uint32_t count = cel_count(list);
        struct cel_value *items;

        if (list.form == CEL_FORM_NATIVE)
                return list.items;
        items = eval_alloc(call, count, sizeof(*items));
        for (uint32_t i = 0; items && i < count; i++)
                items[i] = cel_at(call, list, i);
        return items;
}

/* ---- Equality ---- */

static bool list_equal(struct cel_call *call, struct cel_value a, struct cel_value b)
{
        uint32_t count = cel_count(a);

        if (count != cel_count(b))
                return false;
        for (uint32_t i = 0; i < count; i++)
                if (!value_equal(call, cel_at(call, a, i), cel_at(call, b, i)))
                        return false;
        return true;
}

static bool map_equal(struct cel_call *call, struct cel_value a, struct cel_value b)
{
        uint32_t count = cel_count(a);

        if (count != cel_count(b))
                return false;
        for (uint32_t i = 0; i < count; i++) {
                struct cel_entry entry = cel_entry_at(call, a, i);
                struct cel_value other = cel_get(call, b, entry.key);

                if (other.kind == CEL_UNSET || !value_equal(call, entry.value, other))
                        return false;
        }
        return true;
}

static bool optional_equal(struct cel_call *call, struct cel_value a, struct cel_value b)
{
        if (!a.optional || !b.optional)
                return a.optional == b.optional;
        return value_equal(call, *a.optional, *b.optional);
}

bool value_equal(struct cel_call *call, struct cel_value a, struct cel_value b)
{
        if (value_is_number(a) && value_is_number(b))
                return (!call || cel_charge(call, 1)) && order_numbers(a, b) == 0;
        if (a.kind != b.kind)
                return false;
        if (call && !cel_charge(call, 1))
                return false;
        switch ((enum cel_kind)a.kind) {
        case CEL_NULL:
                return true;
        case CEL_STRING:
        case CEL_BYTES:
                return a.len == b.len && (!call || charge_bytes(call, a.len)) &&
                       str_eq(cel_text(a), cel_text(b));
        case CEL_TYPE:
                return str_eq(cel_text(a), cel_text(b));
        case CEL_LIST:
                return list_equal(call, a, b);
        case CEL_MAP:
                return map_equal(call, a, b);
        case CEL_OPTIONAL:
                return optional_equal(call, a, b);
        case CEL_OPAQUE:
                return a.opaque->type == b.opaque->type && a.opaque->type->equal(a.opaque, b.opaque);
        default:
                return value_compare(a, b) == 0;
        }
}

bool cel_equal(struct cel_value a, struct cel_value b)
{
        return value_equal(NULL, a, b);
}

bool value_is_zero(struct cel_value value)
{
        switch ((enum cel_kind)value.kind) {
        case CEL_NULL:
                return true;
        case CEL_BOOL:
                return !value.boolean;
        case CEL_INT:
        case CEL_UINT:
        case CEL_DURATION:
                return value.integer == 0;
        case CEL_DOUBLE:
                return value.number == 0.0;
        case CEL_STRING:
        case CEL_BYTES:
                return value.len == 0;
        case CEL_LIST:
        case CEL_MAP:
                return cel_count(value) == 0;
        case CEL_OPTIONAL:
                return value.optional == NULL;
        case CEL_TIMESTAMP:
                return value.integer == 0 && value.len == 0;
        default:
                return false;
        }
}

struct str cel_type_name(struct cel_value value)
{
        static const char *const names[] = {
                [CEL_UNSET] = "unset",
                [CEL_ERROR] = "error",
                [CEL_NULL] = "null_type",
                [CEL_BOOL] = "bool",
                [CEL_INT] = "int",
                [CEL_UINT] = "uint",
                [CEL_DOUBLE] = "double",
                [CEL_STRING] = "string",
                [CEL_BYTES] = "bytes",
                [CEL_LIST] = "list",
                [CEL_MAP] = "map",
                [CEL_TIMESTAMP] = "google.protobuf.Timestamp",
                [CEL_DURATION] = "google.protobuf.Duration",
                [CEL_TYPE] = "type",
                [CEL_OPTIONAL] = "optional_type",
        };

        return str_from(value.kind == CEL_OPAQUE ? value.opaque->type->name : names[value.kind]);
}
