/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arenas: memory that lives and dies together. One bounded arena for each
 * request, reset at the reply; nothing in it is freed by itself.
 *
 * An arena grows in blocks from the heap up to its cap. When the cap or the
 * heap is reached, allocation returns NULL and arena_failed() stays true until
 * the reset, so that a builder may check once at its end. A zeroing arena
 * wipes what it gives back: for secrets.
 *
 * Not thread-safe: one owner at a time.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct arena_block;

struct arena {
        struct arena_block *blocks; /* newest first */
        char *at;                   /* free space in the newest block */
        char *end;
        size_t used_bytes; /* of all blocks */
        size_t cap_bytes;
        bool zeroing;
        bool failed;
};

void arena_init(struct arena *arena, size_t cap_bytes);
void arena_init_zeroing(struct arena *arena, size_t cap_bytes);

/* Frees every block but one ordinary-sized block, which is kept for reuse. */
void arena_reset(struct arena *arena);
/* Frees all. NULL is fine. The arena may be used again as after arena_init. */
void arena_done(struct arena *arena);

static inline bool arena_failed(const struct arena *arena)
{
        return arena->failed;
}

/* Zeroed, aligned for any type; NULL at the cap. Size 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size_bytes) MUST_USE;
/* count * size with overflow checked. */
void *arena_alloc_array(struct arena *arena, size_t count, size_t size_bytes) MUST_USE;
/* Unaligned bytes, not zeroed. */
char *arena_alloc_bytes(struct arena *arena, size_t size_bytes) MUST_USE;

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_alloc_array((arena), (count), sizeof(type)))

/* Copies; the result is NUL-terminated beyond its length. At the cap: {NULL, 0} and failed. */
struct str arena_str(struct arena *arena, struct str s);
char *arena_strdup(struct arena *arena, const char *s);
struct str arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
struct str arena_vprintf(struct arena *arena, const char *format, va_list args) PRINTF_LIKE(2, 0);

/* Marks a point and goes back to it: what was allocated in between is gone. */
struct arena_mark {
        struct arena_block *block;
        char *at;
};
struct arena_mark arena_mark(const struct arena *arena);
void arena_rewind(struct arena *arena, struct arena_mark mark);

/* For the end of a builder: false and ERR_NO_MEMORY when the arena failed. */
bool arena_check(const struct arena *arena, struct err *err) MUST_USE;

void arena_cleanup(struct arena *arena);
#define ARENA_SCOPED __attribute__((cleanup(arena_cleanup))) struct arena
