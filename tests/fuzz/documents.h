/* SPDX-License-Identifier: Apache-2.0 */
/* For the signed documents: inputs as they come, and again in the form in which alone they are taken. */
#pragma once

#include "fuzz.h"

#include "base/json.h"

/* The input in RFC 8785 form, in the arena; false when it is no JSON. */
static inline bool fuzz_canonical(struct arena *arena, struct str text, struct str *ret)
{
        struct json tree;
        struct err err;
        BUF_SCOPED buf;

        buf_init(&buf, 8 << 20);
        if (!json_parse(arena, text, &tree, &err))
                return false;
        json_append_canonical(&buf, &tree);
        *ret = arena_str(arena, buf_str(&buf));
        return !buf.failed && !arena->failed;
}

/* Calls `look` with both. */
static inline void fuzz_document(const uint8_t *data, size_t size, void (*look)(struct arena *, struct str))
{
        ARENA_SCOPED arena;
        struct str canonical;

        arena_init(&arena, 256 << 20);
        look(&arena, str_make(data, size));
        if (fuzz_canonical(&arena, str_make(data, size), &canonical))
                look(&arena, canonical);
}
