/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the generated decoders (tools/apigen.py) are made of: each takes one
 * value, checks it against the contract, and names the place of a mistake as a
 * JSON pointer (RFC 6901) or as a parameter's name.
 *
 * Strings are not copied: they point into the parsed tree or into the request.
 */
#pragma once

#include "base/arena.h"
#include "base/json.h"

/* A free JSON value (`x-json: raw`): a tree when it was read; text, if given, when it is written. */
struct api_json {
        const struct json *value;
        struct str text;
};

/* A property of an object whose names are free (`additionalProperties`). */
struct api_pair {
        struct str key;
        struct str value;
};

/* The way down to the value at hand, innermost first; each frame lives on the stack. */
struct decode_place {
        const struct decode_place *outer;
        struct str key; /* ptr NULL: an index */
        size_t index;
};

struct decoder {
        struct arena *arena;
        struct err *err;
        const struct decode_place *place;
        bool in_path;          /* a bad value in the path names nothing: ERR_NOT_FOUND */
        const char *parameter; /* set while a parameter is decoded: the place is its name */
        bool tolerant;         /* unknown members are skipped: a client reads a newer server */
};

enum decode_format {
        FORMAT_NONE,
        FORMAT_ID,    /* `prefix` names the kind; "" takes any */
        FORMAT_TEXT,  /* no control characters but tab and newline */
        FORMAT_TOKEN, /* no control characters and no white space at all */
};

struct string_rule {
        uint32_t min_length; /* in code points */
        uint32_t max_length;
        enum decode_format format;
        const char *prefix;
        bool (*pattern)(struct str text); /* generated; linear time */
        const char *pattern_text;         /* for the message */
};

struct integer_rule {
        int64_t minimum;
        int64_t maximum;
};

/* ---- values from a JSON body: false and *d->err when the value breaks the rule ------------------ */

bool decode_string(struct decoder *d, const struct json *value, const struct string_rule *rule,
                   struct str *ret);
bool decode_integer(struct decoder *d, const struct json *value, const struct integer_rule *rule,
                    int64_t *ret);
bool decode_number(struct decoder *d, const struct json *value, double *ret);
bool decode_bool(struct decoder *d, const struct json *value, bool *ret);
bool decode_time(struct decoder *d, const struct json *value, int64_t *ret_ms);
/* Base64 of at most max_bytes bytes. */
bool decode_base64(struct decoder *d, const struct json *value, uint64_t max_bytes, struct str *ret_bytes);
bool decode_enum(struct decoder *d, const struct json *value, int (*from)(struct str), const char *allowed,
                 int *ret);
bool decode_raw(struct decoder *d, const struct json *value, struct api_json *ret);
bool decode_pairs(struct decoder *d, const struct json *value, const struct string_rule *rule,
                  uint64_t max_count, const struct api_pair **ret_pairs, size_t *ret_count);

bool decode_is_object(struct decoder *d, const struct json *value);
/* The array's length against the limits, and zeroed room for its items. */
bool decode_array(struct decoder *d, const struct json *value, uint64_t min_items, uint64_t max_items,
                  size_t item_size, void **ret_items, size_t *ret_count);
/* Zeroed room for one struct. */
bool decode_room(struct decoder *d, size_t size, void **ret);

/* For a member that the contract does not know: true when it may be skipped. */
bool decode_unknown(struct decoder *d, struct str key);
/* `missing` has a bit for each name that is required and was not there. */
bool decode_missing(struct decoder *d, const char *const *names, uint64_t missing);

/* ---- values from a parameter: text --------------------------------------------------------------- */

bool decode_parameter_string(struct decoder *d, struct str text, const struct string_rule *rule,
                             struct str *ret);
bool decode_parameter_integer(struct decoder *d, struct str text, const struct integer_rule *rule,
                              int64_t *ret);
bool decode_parameter_bool(struct decoder *d, struct str text, bool *ret);
bool decode_parameter_time(struct decoder *d, struct str text, int64_t *ret_ms);
/* "30s", "2m": milliseconds, from 0 to maximum_ms. */
bool decode_parameter_duration(struct decoder *d, struct str text, int64_t maximum_ms, int64_t *ret_ms);
bool decode_parameter_enum(struct decoder *d, struct str text, int (*from)(struct str), const char *allowed,
                           int *ret);
bool parameter_missing(struct decoder *d);

/* Fails at the place at hand; returns false. */
bool decode_fail(struct decoder *d, enum err_code code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Number of code points of valid UTF-8. */
size_t utf8_count(struct str text);

/* A query parameter that the operation does not have, or has once only. */
bool parameter_unknown(struct decoder *d, struct str name);
bool parameter_repeated(struct decoder *d, struct str name);
