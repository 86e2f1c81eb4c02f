/* SPDX-License-Identifier: Apache-2.0 */
#include "api/cursor.h"

#include "base/base64.h"

#include <stdio.h>

static const struct str mark = {"c1:", 3};

struct str cursor_make(struct arena *arena, struct str last_key)
{
        struct str plain = arena_printf(arena, "%.*s%.*s", STR_ARG(mark), STR_ARG(last_key));

        return plain.ptr ? base64url_encode(arena, plain) : STR_NULL;
}

static bool cursor_refuse(struct err *err)
{
        return err_set_at(err, ERR_BAD_PARAMETER, "cursor",
                          "not a cursor of this server; take `next` of the page before");
}

bool cursor_take(struct arena *arena, struct str cursor, struct str *ret_last_key, struct err *err)
{
        struct str plain;

        *ret_last_key = STR("");
        if (!cursor.ptr)
                return true;
        if (!base64url_decode(arena, cursor, &plain))
                return arena_check(arena, err) && cursor_refuse(err);
        if (!str_starts(plain, mark) || plain.len == mark.len || !str_is_utf8(plain) ||
            str_find(plain, '\0') >= 0)
                return cursor_refuse(err);
        *ret_last_key = str_slice(plain, mark.len, plain.len);
        return true;
}

struct str cursor_make_int(struct arena *arena, int64_t last_key)
{
        char text[24];
        int len = snprintf(text, sizeof(text), "%lld", (long long)last_key);

        return cursor_make(arena, str_make(text, (size_t)len));
}

bool cursor_take_int(struct arena *arena, struct str cursor, bool *ret_has, int64_t *ret_last_key,
                     struct err *err)
{
        struct str text;

        *ret_has = cursor.ptr != NULL;
        *ret_last_key = 0;
        if (!cursor_take(arena, cursor, &text, err))
                return false;
        return !*ret_has || str_to_i64(text, ret_last_key) || cursor_refuse(err);
}
