/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/rosters_known.h"

#include "base/heap.h"

#include <pthread.h>

enum {
        PLACES = 64,
        ENVELOPE_MAX_BYTES = 32 * 1024, /* some fifty people; a larger one is parsed each time */
        KNOWN_MAX_BYTES = 256 * 1024,
};

struct known {
        struct arena arena; /* of everything below */
        struct str envelope;
        struct roster roster;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the places and what they point to */
static struct known *places[PLACES];

static void known_free(struct known *known)
{
        if (!known)
                return;
        arena_done(&known->arena);
        heap_free(known);
}

/* FNV-1a over the last bytes, which are a signature's. */
static unsigned place_of(struct str envelope)
{
        struct str last = str_slice(envelope, envelope.len > 64 ? envelope.len - 64 : 0, envelope.len);
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < last.len; i++)
                hash = (hash ^ (unsigned char)last.ptr[i]) * 16777619u;
        return (hash ^ hash >> 16) % PLACES;
}

/* ---- copies ------------------------------------------------------------------------------------- */

/* NULL stays NULL. */
static struct str copy_text(struct arena *arena, struct str text)
{
        return text.ptr ? arena_str(arena, text) : STR_NULL;
}

static void copy_key(struct arena *arena, const struct roster_key *key, struct roster_key *ret)
{
        *ret = *key;
        ret->cose = copy_text(arena, key->cose);
        ret->rp_id = copy_text(arena, key->rp_id);
        for (unsigned i = 0; i < key->origin_count; i++)
                ret->origins[i] = copy_text(arena, key->origins[i]);
}

static bool copy_member(struct arena *arena, const struct roster_member *member, struct roster_member *ret)
{
        *ret = *member;
        ret->principal = copy_text(arena, member->principal);
        ret->name = copy_text(arena, member->name);
        ret->keys = ARENA_ARRAY(arena, struct roster_key, member->key_count);
        for (unsigned i = 0; ret->keys && i < member->key_count; i++)
                copy_key(arena, &member->keys[i], &ret->keys[i]);
        return ret->keys != NULL;
}

static bool copy_roster(struct arena *arena, const struct roster *roster, struct roster *ret)
{
        bool ok;

        *ret = *roster;
        ret->tenant = copy_text(arena, roster->tenant);
        ret->previous = copy_text(arena, roster->previous);
        ret->digest = copy_text(arena, roster->digest);
        ret->members = ARENA_ARRAY(arena, struct roster_member, roster->member_count);
        ok = ret->members != NULL;
        for (unsigned i = 0; ok && i < roster->member_count; i++)
                ok = copy_member(arena, &roster->members[i], &ret->members[i]);
        return ok && !arena->failed;
}

/* ---- what is kept ------------------------------------------------------------------------------- */

bool rosters_recall(struct arena *arena, struct str envelope, struct roster *ret)
{
        unsigned place = place_of(envelope);
        bool found;

        (void)pthread_mutex_lock(&lock);
        found = places[place] && str_eq(places[place]->envelope, envelope) &&
                copy_roster(arena, &places[place]->roster, ret);
        (void)pthread_mutex_unlock(&lock);
        return found;
}

void rosters_keep(struct str envelope, const struct roster *roster)
{
        unsigned place = place_of(envelope);
        struct known *known, *old;

        if (envelope.len > ENVELOPE_MAX_BYTES)
                return;
        known = heap_alloc_zeroed(1, sizeof(*known));
        if (!known)
                return;
        arena_init(&known->arena, KNOWN_MAX_BYTES);
        known->envelope = arena_str(&known->arena, envelope);
        if (!copy_roster(&known->arena, roster, &known->roster)) {
                known_free(known);
                return;
        }
        (void)pthread_mutex_lock(&lock);
        old = places[place];
        places[place] = known;
        (void)pthread_mutex_unlock(&lock);
        known_free(old);
}
