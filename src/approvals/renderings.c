/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/renderings.h"

#include "base/heap.h"

#include <pthread.h>

enum { PLACES = 256, KEEP_MAX_BYTES = 16 * 1024 };

struct kept_line {
        uint32_t label_len, value_len;
        bool uninspectable;
};

struct kept {
        size_t statement_len, text_len;
        unsigned count;
        struct kept_line lines[]; /* then the statement, then every label and value */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the places and what they point to */
static struct kept *places[PLACES];

static char *kept_statement(struct kept *kept)
{
        return (char *)(kept->lines + kept->count);
}

/* FNV-1a over a part of the digest, which is random already. */
static unsigned place_of(struct str digest)
{
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < digest.len && i < 8; i++)
                hash = (hash ^ (unsigned char)digest.ptr[i]) * 16777619u;
        return (hash ^ hash >> 16) % PLACES;
}

/* A copy in the arena, or false: not found, or no memory (then the arena says so). */
static bool recall(struct arena *arena, unsigned place, struct str statement, struct rendering *ret)
{
        struct kept *kept;
        char *text = NULL;

        (void)pthread_mutex_lock(&lock);
        kept = places[place];
        if (kept && str_eq(str_make(kept_statement(kept), kept->statement_len), statement)) {
                ret->count = kept->count;
                ret->lines = ARENA_ARRAY(arena, struct rendering_line, kept->count);
                text = arena_alloc_bytes(arena, kept->text_len + 1);
                if (ret->lines && text)
                        memcpy(text, kept_statement(kept) + kept->statement_len, kept->text_len);
                else
                        text = NULL;
                for (unsigned i = 0, at = 0; text && i < kept->count; i++) {
                        const struct kept_line *line = &kept->lines[i];

                        ret->lines[i].label = str_make(text + at, line->label_len);
                        at += line->label_len;
                        ret->lines[i].value = str_make(text + at, line->value_len);
                        at += line->value_len;
                        ret->lines[i].uninspectable = line->uninspectable;
                }
        }
        (void)pthread_mutex_unlock(&lock);
        return text != NULL;
}

static struct kept *keep(struct str statement, const struct rendering *rendering)
{
        size_t text_len = 0, lines_bytes = rendering->count * sizeof(struct kept_line);
        struct kept *kept;
        char *at;

        for (unsigned i = 0; i < rendering->count; i++)
                text_len += rendering->lines[i].label.len + rendering->lines[i].value.len;
        if (statement.len + text_len + lines_bytes > KEEP_MAX_BYTES)
                return NULL;
        kept = heap_alloc(sizeof(*kept) + lines_bytes + statement.len + text_len);
        if (!kept)
                return NULL;
        *kept = (struct kept){
                .statement_len = statement.len, .text_len = text_len, .count = rendering->count};
        at = kept_statement(kept);
        memcpy(at, statement.ptr, statement.len);
        at += statement.len;
        for (unsigned i = 0; i < rendering->count; i++) {
                const struct rendering_line *line = &rendering->lines[i];

                kept->lines[i] = (struct kept_line){(uint32_t)line->label.len, (uint32_t)line->value.len,
                                                    line->uninspectable};
                memcpy(at, line->label.ptr, line->label.len);
                at += line->label.len;
                memcpy(at, line->value.ptr, line->value.len);
                at += line->value.len;
        }
        return kept;
}

bool renderings_make(struct arena *arena, struct str digest, struct str statement, struct rendering *ret,
                     struct err *err)
{
        unsigned place = place_of(digest);
        struct kept *kept, *old;

        *ret = (struct rendering){0};
        if (recall(arena, place, statement, ret))
                return true;
        if (!rendering_make(arena, statement, ret, err))
                return false;
        kept = keep(statement, ret);
        if (!kept)
                return true;
        (void)pthread_mutex_lock(&lock);
        old = places[place];
        places[place] = kept;
        (void)pthread_mutex_unlock(&lock);
        heap_free(old);
        return true;
}
