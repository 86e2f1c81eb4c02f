/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cursors of pages: opaque to the client, the last row's key to us. They hold
 * nothing that the page did not show, and a key from elsewhere only starts the
 * page elsewhere in the same tenant's rows; so they are checked, not signed.
 */
#pragma once

#include "base/arena.h"

/* {NULL, 0} when the arena is full. */
struct str cursor_make(struct arena *arena, struct str last_key);
/*
 * An absent cursor ({NULL, 0}) gives an empty key. ERR_BAD_PARAMETER for what
 * cursor_make did not make.
 */
bool cursor_take(struct arena *arena, struct str cursor, struct str *ret_last_key, struct err *err) MUST_USE;
/* The same for keys that are numbers; *ret_has is false for an absent cursor. */
struct str cursor_make_int(struct arena *arena, int64_t last_key);
bool cursor_take_int(struct arena *arena, struct str cursor, bool *ret_has, int64_t *ret_last_key,
                     struct err *err) MUST_USE;
