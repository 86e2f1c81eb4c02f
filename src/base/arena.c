/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/heap.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>

enum { BLOCK_ORDINARY_BYTES = 4096 };

struct arena_block {
        struct arena_block *older;
        size_t size_bytes; /* of data */
        alignas(max_align_t) char data[];
};

void arena_init(struct arena *arena, size_t cap_bytes)
{
        *arena = (struct arena){.cap_bytes = cap_bytes};
}

void arena_init_zeroing(struct arena *arena, size_t cap_bytes)
{
        arena_init(arena, cap_bytes);
        arena->zeroing = true;
}

static void block_free(struct arena *arena, struct arena_block *block)
{
        arena->used_bytes -= block->size_bytes;
        if (arena->zeroing)
                explicit_bzero(block->data, block->size_bytes);
        heap_free(block);
}

static void arena_use(struct arena *arena, struct arena_block *block, char *at)
{
        arena->blocks = block;
        arena->at = at;
        arena->end = block ? block->data + block->size_bytes : NULL;
}

void arena_reset(struct arena *arena)
{
        struct arena_block *keep = NULL;

        for (struct arena_block *block = arena->blocks, *older; block; block = older) {
                older = block->older;
                if (!older && block->size_bytes == BLOCK_ORDINARY_BYTES)
                        keep = block;
                else
                        block_free(arena, block);
        }
        if (keep && arena->zeroing)
                explicit_bzero(keep->data, keep->size_bytes);
        arena_use(arena, keep, keep ? keep->data : NULL);
        arena->failed = false;
}

void arena_done(struct arena *arena)
{
        if (!arena)
                return;
        while (arena->blocks) {
                struct arena_block *older = arena->blocks->older;

                block_free(arena, arena->blocks);
                arena->blocks = older;
        }
        arena_use(arena, NULL, NULL);
        arena->failed = false;
}

void arena_cleanup(struct arena *arena)
{
        arena_done(arena);
}

static bool arena_grow(struct arena *arena, size_t need_bytes)
{
        size_t size = need_bytes > BLOCK_ORDINARY_BYTES ? need_bytes : BLOCK_ORDINARY_BYTES;
        struct arena_block *block;

        /* Blocks double with the arena, so that a large one has few. */
        if (size < arena->used_bytes && arena->used_bytes <= arena->cap_bytes - arena->used_bytes)
                size = arena->used_bytes;
        if (size > arena->cap_bytes - arena->used_bytes)
                size = need_bytes;
        if (size > arena->cap_bytes - arena->used_bytes)
                return false;
        block = heap_alloc(sizeof(*block) + size);
        if (!block)
                return false;
        block->older = arena->blocks;
        block->size_bytes = size;
        arena->used_bytes += size;
        arena_use(arena, block, block->data);
        return true;
}

static char *arena_take(struct arena *arena, size_t size_bytes, size_t align)
{
        size_t pad = (align - ((uintptr_t)arena->at & (align - 1))) & (align - 1);
        char *taken;

        if (size_bytes > PTRDIFF_MAX / 2 || !arena->at ||
            (size_t)(arena->end - arena->at) < size_bytes + pad) {
                if (size_bytes > PTRDIFF_MAX / 2 || !arena_grow(arena, size_bytes)) {
                        arena->failed = true;
                        return NULL;
                }
                pad = 0;
        }
        taken = arena->at + pad;
        arena->at = taken + size_bytes;
        return taken;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
        char *taken = arena_take(arena, size_bytes, alignof(max_align_t));

        return taken ? memset(taken, 0, size_bytes) : NULL;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size_bytes)
{
        size_t total;

        if (__builtin_mul_overflow(count, size_bytes, &total)) {
                arena->failed = true;
                return NULL;
        }
        return arena_alloc(arena, total);
}

char *arena_alloc_bytes(struct arena *arena, size_t size_bytes)
{
        return arena_take(arena, size_bytes, 1);
}

struct str arena_str(struct arena *arena, struct str s)
{
        char *copy = arena_alloc_bytes(arena, s.len + 1);

        if (!copy)
                return STR_NULL;
        if (s.len > 0)
                memcpy(copy, s.ptr, s.len);
        copy[s.len] = '\0';
        return str_make(copy, s.len);
}

char *arena_strdup(struct arena *arena, const char *s)
{
        size_t size = strlen(s) + 1;
        char *copy = arena_alloc_bytes(arena, size);

        return copy ? memcpy(copy, s, size) : NULL;
}

struct str arena_vprintf(struct arena *arena, const char *format, va_list args)
{
        va_list again;
        char *text;
        int len;

        va_copy(again, args);
        len = vsnprintf(NULL, 0, format, again);
        va_end(again);
        if (len < 0 || !(text = arena_alloc_bytes(arena, (size_t)len + 1))) {
                arena->failed = true;
                return STR_NULL;
        }
        (void)vsnprintf(text, (size_t)len + 1, format, args);
        return str_make(text, (size_t)len);
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
        struct str text;
        va_list args;

        va_start(args, format);
        text = arena_vprintf(arena, format, args);
        va_end(args);
        return text;
}

struct arena_mark arena_mark(const struct arena *arena)
{
        return (struct arena_mark){arena->blocks, arena->at};
}

void arena_rewind(struct arena *arena, struct arena_mark mark)
{
        while (arena->blocks != mark.block) {
                struct arena_block *older = arena->blocks->older;

                block_free(arena, arena->blocks);
                arena->blocks = older;
        }
        if (arena->zeroing && mark.block)
                explicit_bzero(mark.at, (size_t)(mark.block->data + mark.block->size_bytes - mark.at));
        arena_use(arena, mark.block, mark.at);
}

bool arena_check(const struct arena *arena, struct err *err)
{
        if (!arena->failed)
                return true;
        return err_set(err, ERR_NO_MEMORY, "the request needs more than the %zu bytes that it may use",
                       arena->cap_bytes);
}
