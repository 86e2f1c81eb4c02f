/* SPDX-License-Identifier: Apache-2.0 */
#include "server/rate.h"

#include "base/clock.h"
#include "base/heap.h"

#include <pthread.h>

enum { WAYS = 8, SETS = 4096, LOCKS = 64 };

/* Tokens are counted in millionths, so that a slow rate refills evenly. */
#define TOKEN ((int64_t)1000000)

struct bucket {
        uint64_t key; /* 0: free */
        int64_t tokens;
        int64_t at_us;
};

struct rate_table {
        uint64_t seed; /* so that nobody can aim at another's set */
        pthread_mutex_t locks[LOCKS];
        struct bucket sets[SETS][WAYS];
};

struct rate_table *rate_table_new(void)
{
        struct rate_table *table = heap_alloc_zeroed(1, sizeof(*table));

        if (!table)
                return NULL;
        random_bytes(&table->seed, sizeof(table->seed));
        for (int i = 0; i < LOCKS; i++)
                pthread_mutex_init(&table->locks[i], NULL);
        return table;
}

void rate_table_free(struct rate_table *table)
{
        if (!table)
                return;
        for (int i = 0; i < LOCKS; i++)
                pthread_mutex_destroy(&table->locks[i]);
        heap_free(table);
}

/* Mixes well enough with a secret seed (the finaliser of MurmurHash3 after each byte's product). */
static uint64_t key_hash(uint64_t seed, char kind, struct str name)
{
        uint64_t hash = seed ^ (unsigned char)kind;

        for (size_t i = 0; i < name.len; i++)
                hash = (hash ^ (unsigned char)name.ptr[i]) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 33;
        hash *= UINT64_C(0xFF51AFD7ED558CCD);
        hash ^= hash >> 33;
        return hash | 1;
}

static void refill(struct bucket *bucket, const struct rate_limit *limit, int64_t mono_us)
{
        int64_t full = limit->burst * TOKEN;
        int64_t passed_us = mono_us - bucket->at_us;
        int64_t full_after_us = (full - bucket->tokens) / limit->per_second + 1;

        if (passed_us <= 0)
                return;
        if (passed_us >= full_after_us)
                bucket->tokens = full;
        else
                bucket->tokens += passed_us * limit->per_second;
        bucket->at_us = mono_us;
}

static struct bucket *bucket_of(struct rate_table *table, uint64_t key, const struct rate_limit *limit,
                                int64_t mono_us)
{
        struct bucket *set = table->sets[(key >> 8) % SETS];
        struct bucket *victim = &set[0];

        for (int i = 0; i < WAYS; i++) {
                if (set[i].key == key)
                        return &set[i];
                if (set[i].key == 0 || (victim->key != 0 && set[i].at_us < victim->at_us))
                        victim = &set[i];
        }
        /* The bucket that was used longest ago has refilled most. */
        *victim = (struct bucket){key, limit->burst * TOKEN, mono_us};
        return victim;
}

bool rate_take(struct rate_table *table, char kind, struct str name, const struct rate_limit *limit,
               int64_t mono_us, struct rate_state *ret)
{
        uint64_t key = key_hash(table->seed, kind, name);
        pthread_mutex_t *lock = &table->locks[(key >> 8) % SETS % LOCKS];
        struct bucket *bucket;
        int64_t missing;
        bool taken;

        *ret = (struct rate_state){0};
        if (limit->per_second == 0)
                return true;
        pthread_mutex_lock(lock);
        bucket = bucket_of(table, key, limit, mono_us);
        refill(bucket, limit, mono_us);
        taken = bucket->tokens >= TOKEN;
        if (taken)
                bucket->tokens -= TOKEN;
        missing = (taken ? limit->burst * TOKEN : TOKEN) - bucket->tokens;
        ret->limited = true;
        ret->limit = limit->burst;
        ret->remaining = bucket->tokens / TOKEN;
        pthread_mutex_unlock(lock);
        /* Rounded up: who comes back then is served. */
        ret->reset_s = (missing / limit->per_second + 999999) / 1000000;
        return taken;
}
