/* SPDX-License-Identifier: Apache-2.0 */
#include "server/rate.h"

#include "base/clock.h"
#include "base/heap.h"

#include <pthread.h>

enum { WAYS = 8, SETS = 4096, LOCKS = 64 };

struct bucket {
        uint64_t key; /* 0: free */
        int64_t tokens;
        int64_t at_us;
        bool leased;        /* the rest is for these alone: tokens count requests, */
        int64_t left;       /* what the shared bucket had besides, */
        int64_t again_us;   /* when to ask it again, */
        int64_t per_second; /* and by which limit: another one begins anew */
};

struct rate_table {
        uint64_t seed; /* so that nobody can aim at another's set */
        pthread_mutex_t locks[LOCKS];
        struct bucket sets[SETS][WAYS];
};

bool rate_limit_parse(struct str text, struct rate_limit *ret, struct err *err)
{
        struct str rest = text, number, words;

        *ret = (struct rate_limit){0};
        if (str_is(text, "none"))
                return true;
        if (str_cut(&rest, '/', &number) && str_to_i64(number, &ret->per_second) &&
            str_cut(&rest, ' ', &words) && str_is(words, "s") && str_cut(&rest, ' ', &words) &&
            str_is(words, "burst") && str_to_i64(rest, &ret->burst) && ret->per_second >= 1 &&
            ret->per_second <= 1000000 && ret->burst >= 1 && ret->burst <= 1000000)
                return true;
        return err_set(err, ERR_CONFIG, "\"%.*s\" is neither like \"100/s burst 400\" nor none",
                       STR_ARG(text));
}

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
        int64_t full = limit->burst * RATE_TOKEN;
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
                if (set[i].key == key) {
                        if (set[i].leased)
                                set[i].at_us = mono_us;
                        return &set[i];
                }
                if (set[i].key == 0 || (victim->key != 0 && set[i].at_us < victim->at_us))
                        victim = &set[i];
        }
        /* The bucket that was used longest ago has refilled most. */
        *victim = (struct bucket){.key = key, .tokens = limit->burst * RATE_TOKEN, .at_us = mono_us};
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
        taken = bucket->tokens >= RATE_TOKEN;
        if (taken)
                bucket->tokens -= RATE_TOKEN;
        missing = (taken ? limit->burst * RATE_TOKEN : RATE_TOKEN) - bucket->tokens;
        ret->limited = true;
        ret->limit = limit->burst;
        ret->per_second = limit->per_second;
        ret->remaining = bucket->tokens / RATE_TOKEN;
        pthread_mutex_unlock(lock);
        /* Rounded up: who comes back then is served. */
        ret->reset_s = (missing / limit->per_second + 999999) / 1000000;
        return taken;
}

/* ---- leased from a bucket that nodes share ----------------------------------------------------- */

/*
 * Of such a bucket `tokens` is what is left of the leases, and `at_us` until
 * when nobody needs to ask for more. It begins empty.
 */
static struct bucket *leased_bucket(struct rate_table *table, uint64_t key, const struct rate_limit *limit,
                                    int64_t mono_us)
{
        struct bucket *bucket = bucket_of(table, key, limit, mono_us);

        if (!bucket->leased || bucket->per_second != limit->per_second)
                *bucket = (struct bucket){
                        .key = key, .at_us = mono_us, .leased = true, .per_second = limit->per_second};
        return bucket;
}

enum rate_spend rate_spend_leased(struct rate_table *table, char kind, struct str name,
                                  const struct rate_limit *limit, int64_t mono_us, struct rate_state *ret)
{
        uint64_t key = key_hash(table->seed, kind, name);
        pthread_mutex_t *lock = &table->locks[(key >> 8) % SETS % LOCKS];
        enum rate_spend result = RATE_EMPTY;
        struct bucket *bucket;

        pthread_mutex_lock(lock);
        bucket = leased_bucket(table, key, limit, mono_us);
        if (bucket->tokens > 0) {
                bucket->tokens--;
                result = RATE_SPENT;
        } else if (mono_us < bucket->again_us) {
                result = RATE_REFUSED;
        }
        *ret = (struct rate_state){.limited = true,
                                   .limit = limit->burst,
                                   .per_second = limit->per_second,
                                   .remaining = bucket->tokens + bucket->left};
        ret->reset_s = result == RATE_SPENT
                               ? (limit->burst - ret->remaining + limit->per_second - 1) / limit->per_second
                               : (bucket->again_us - mono_us + 999999) / 1000000;
        pthread_mutex_unlock(lock);
        if (ret->reset_s < 1)
                ret->reset_s = 1;
        return result;
}

void rate_add_leased(struct rate_table *table, char kind, struct str name, const struct rate_limit *limit,
                     int64_t granted, int64_t left, int64_t again_us)
{
        uint64_t key = key_hash(table->seed, kind, name);
        pthread_mutex_t *lock = &table->locks[(key >> 8) % SETS % LOCKS];
        struct bucket *bucket;

        pthread_mutex_lock(lock);
        bucket = leased_bucket(table, key, limit, again_us);
        bucket->tokens += granted;
        bucket->left = left;
        bucket->again_us = granted > 0 ? 0 : again_us;
        pthread_mutex_unlock(lock);
}
