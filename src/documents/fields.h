/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict reading of a signed document's members. Private to this folder.
 *
 * Everything that does not fit is BAD_ENVELOPE with the place: a document is
 * taken as it must be, or not at all.
 */
#pragma once

#include "base/json.h"

#define FIELDS_INTEGER_MAX ((INT64_C(1) << 53) - 1)

/* An object within a document, and where it stands: "" or "/target". */
struct fields {
        const struct json *object;
        const char *path;
};

/* Parses the bytes: at most max_bytes, one JSON object, in RFC 8785 form exactly. */
bool fields_parse(struct arena *arena, struct str bytes, size_t max_bytes, const char *what,
                  struct json *ret, struct err *err) MUST_USE;

/*
 * All members are among `names` (NULL at its end), and all of them are there
 * but those written with a '?' in front.
 */
bool fields_exact(const struct fields *fields, const char *const *names, struct err *err) MUST_USE;

bool fields_has(const struct fields *fields, const char *name);
bool fields_text(const struct fields *fields, const char *name, size_t min, size_t max, struct str *ret,
                 struct err *err) MUST_USE;
/* `format` itself. */
bool fields_format(const struct fields *fields, const char *format, struct err *err) MUST_USE;
/* `prefix` NULL: an id of any kind. */
bool fields_id(const struct fields *fields, const char *name, const char *prefix, struct str *ret,
               struct err *err) MUST_USE;
/* 64 lower-case hexadecimal digits. */
bool fields_sha256(const struct fields *fields, const char *name, struct str *ret, struct err *err) MUST_USE;
bool fields_int(const struct fields *fields, const char *name, int64_t min, int64_t max, int64_t *ret,
                struct err *err) MUST_USE;
bool fields_bool(const struct fields *fields, const char *name, bool *ret, struct err *err) MUST_USE;
bool fields_of_type(const struct fields *fields, const char *name, enum json_type type,
                    const struct json **ret, struct err *err) MUST_USE;

/* BAD_ENVELOPE at path/name. Returns false. */
bool fields_refuse(const struct fields *fields, const char *name, struct err *err, const char *format, ...)
        PRINTF_LIKE(4, 5);
