/* SPDX-License-Identifier: Apache-2.0 */
/* Lists in one text, with one blank between: methods, names of permissions (RFC 6749 section 3.3). */
#pragma once

#include "api/permission_set.h"
#include "base/arena.h"

/* The words; *ret is not NULL for an empty text. False without memory, which the arena remembers. */
bool words_split(struct arena *arena, struct str text, const struct str **ret, size_t *ret_count) MUST_USE;
bool words_have(struct str text, struct str word);

/* Names of permissions. A name that is none any more gives nothing. */
struct permission_set words_permissions(struct str text);
/* The names of a set, in the order of the alphabet. */
struct str words_of_permissions(struct arena *arena, const struct permission_set *set);
/*
 * Names that a caller sent, checked: BAD_FIELD at `place` for one that is none. The result is in the
 * arena, each name once.
 */
bool words_check_permissions(struct arena *arena, const struct str *names, size_t count, const char *place,
                             struct str *ret, struct err *err) MUST_USE;
