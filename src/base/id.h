/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IDs: a typed prefix and a UUIDv7 (RFC 9562 section 5.7) in lower-case
 * Crockford base32: "act_" and 26 characters. Sortable by time of creation.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum { ID_SIZE = 32 /* with the NUL; prefix of at most 4 */ };

struct id {
        char text[ID_SIZE];
};

/* A new id: `prefix` without the underscore, two to four letters. */
struct id id_new(const char *prefix);

/* Whether the text is a canonical id with this prefix. */
bool id_is(struct str text, const char *prefix);
/* Whether the text is a canonical id of any kind. */
bool id_is_any(struct str text);

/* Copies a checked text; an id that is not well formed becomes "". */
struct id id_from(struct str text);

static inline struct str id_str(const struct id *id)
{
        return str_from(id->text);
}

/* The time within the id, milliseconds since 1970; 0 if the text is no id. */
int64_t id_time_ms(struct str text);
