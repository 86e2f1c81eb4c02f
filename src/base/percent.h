/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding (RFC 3986 section 2.1), and what forms make of it. */
#pragma once

#include "base/arena.h"

/* False on a bad escape or when the result holds a NUL. `plus_is_space`: in queries and forms. */
bool percent_decode(struct arena *arena, struct str text, bool plus_is_space, struct str *ret) MUST_USE;
/* All but letters, digits and "-._~" is escaped. {NULL, 0} when the arena is full. */
struct str percent_encode(struct arena *arena, struct str text);
