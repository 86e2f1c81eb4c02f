/* SPDX-License-Identifier: Apache-2.0 */
/* The extension encoders: base64 (RFC 4648 section 4), padding optional when decoding. */
#include "cel/fn.h"

#include "base/base64.h"

FUNCTION(encode)
{
        struct str text;

        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_BYTES)
                return no_overload();
        if (!charge_bytes(call, (size_t)args[0].len * 2))
                return eval_stopped();
        text = base64_encode(call->arena, cel_text(args[0]));
        return text.ptr ? cel_string(text) : eval_stop(call, ERR_NO_MEMORY);
}

FUNCTION(decode)
{
        struct str text = cel_text(args[0]);
        struct str bytes;
        size_t padding = text.len % 4 == 0 ? 0 : 4 - text.len % 4;
        char *padded;

        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_STRING)
                return no_overload();
        padded = eval_alloc_bytes(call, text.len + padding);
        if (!padded)
                return eval_stopped();
        if (text.len > 0)
                memcpy(padded, text.ptr, text.len);
        memset(padded + text.len, '=', padding);
        if (!charge_bytes(call, text.len))
                return eval_stopped();
        if (!base64_decode(call->arena, str_make(padded, text.len + padding), &bytes))
                return arena_failed(call->arena) ? eval_stop(call, ERR_NO_MEMORY)
                                                 : cel_fail(call, "the text is not base64");
        return cel_bytes(bytes);
}

static const struct builtin rows[] = {
        {"base64.encode", "(bytes) string", encode},
        {"base64.decode", "(string) bytes", decode},
};

LIBRARY(library_encoders, rows);
