/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads JSON (RFC 8259) into a tree in an arena. simdjson's DOM does the
 * parsing, behind a C shim (json_parse.cc); on top of it duplicate keys are an
 * error, as RFC 8259 section 4 lets us rule. Depth is bounded.
 *
 * Strings are UTF-8, unescaped, in the arena, NUL-terminated beyond their
 * length (and may hold U+0000). The tree lives as long as the arena.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

enum json_type {
        JSON_NULL,
        JSON_BOOL,
        JSON_INT,    /* fits int64 */
        JSON_UINT,   /* above INT64_MAX, fits uint64 */
        JSON_DOUBLE, /* written with a fraction or exponent */
        JSON_STRING,
        JSON_ARRAY,
        JSON_OBJECT,
};

struct json_member;

struct json {
        enum json_type type;
        uint32_t count; /* of items or members */
        union {
                bool boolean;
                int64_t integer;
                uint64_t uinteger;
                double number;
                struct str string;
                const struct json *items;          /* JSON_ARRAY */
                const struct json_member *members; /* JSON_OBJECT, in the order of the text */
        };
};

struct json_member {
        struct str key;
        struct json value;
};

enum { JSON_DEPTH_MAX = 64 };

/*
 * Parses one document, all of it. On failure ERR_BAD_JSON with the place: a
 * JSON pointer (RFC 6901) for a duplicate key.
 */
bool json_parse(struct arena *arena, struct str text, struct json *ret, struct err *err) MUST_USE;

/* The member, or NULL (also when `object` is no object). */
const struct json *json_get(const struct json *object, const char *key);
const struct json *json_get_str(const struct json *object, struct str key);

/* The member's string, or {NULL,0} when absent or of another type. */
struct str json_get_string(const struct json *object, const char *key);
/* False when absent, of another type, or out of range. */
bool json_get_int(const struct json *object, const char *key, int64_t *ret);

/* "an object", "a string", …: for messages. */
const char *json_type_name(enum json_type type);

/* Writes the tree in RFC 8785 (JCS) form: sorted keys (by UTF-16), shortest numbers. */
void json_append_canonical(struct buf *buf, const struct json *value);
