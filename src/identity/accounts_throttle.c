/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/accounts_throttle.h"

#include "base/clock.h"
#include "base/heap.h"
#include "crypto/sha256.h"

#include <arpa/inet.h>
#include <pthread.h>

enum { SETS = 4096, WAYS = 4, BUCKETS_MAX = 3, SALT_SIZE = 16 };

/*
 * A leaky bucket in one number (GCRA): when it will be empty. It is full when
 * that is more than size * drain_ms ahead.
 */
struct bucket {
        uint64_t key;
        int64_t empty_ms;
};

struct throttle {
        uint8_t salt[SALT_SIZE]; /* constant: nobody can aim at a set */
        pthread_mutex_t lock;    /* of all below */
        struct bucket sets[SETS][WAYS];
};

struct kind {
        const char *name;
        int64_t size;
        int64_t drain_ms;
};

/* A person mistypes a few times; a guesser needs thousands of tries. */
static const struct kind known_device = {"device", 10, 15000};
static const struct kind stranger_from = {"stranger", 5, 30000};
static const struct kind strangers = {"strangers", 30, 5000};
static const struct kind source = {"source", 50, 2000};

struct throttle *throttle_new(void)
{
        struct throttle *throttle = heap_alloc_zeroed(1, sizeof(*throttle));

        if (!throttle)
                return NULL;
        random_bytes(throttle->salt, sizeof(throttle->salt));
        (void)pthread_mutex_init(&throttle->lock, NULL);
        return throttle;
}

void throttle_free(struct throttle *throttle)
{
        if (!throttle)
                return;
        (void)pthread_mutex_destroy(&throttle->lock);
        heap_free(throttle);
}

/* An IPv6 client has a /64 to itself; whatever is no address counts as it is. */
static struct str source_of(struct str address, char ret_text[INET6_ADDRSTRLEN])
{
        uint8_t bytes[16];

        if (address.len >= INET6_ADDRSTRLEN)
                return address;
        memcpy(ret_text, address.ptr ? address.ptr : "", address.len);
        ret_text[address.len] = '\0';
        if (inet_pton(AF_INET6, ret_text, bytes) != 1)
                return address;
        memset(bytes + 8, 0, 8);
        if (!inet_ntop(AF_INET6, bytes, ret_text, INET6_ADDRSTRLEN))
                return address;
        return str_from(ret_text);
}

static uint64_t key_of(const struct throttle *throttle, const struct kind *kind, struct str tenant,
                       struct str one, struct str two)
{
        const uint64_t lens[] = {tenant.len, one.len, two.len};
        const struct str parts[] = {str_make(throttle->salt, SALT_SIZE),
                                    str_from(kind->name),
                                    str_make(lens, sizeof(lens)),
                                    tenant,
                                    one,
                                    two};
        struct sha256 hash;
        uint64_t key;

        sha256_of_parts(parts, sizeof(parts) / sizeof(parts[0]), &hash);
        memcpy(&key, hash.bytes, sizeof(key));
        return key ? key : 1;
}

struct place {
        const struct kind *kind;
        uint64_t key;
};

static unsigned places_of(const struct throttle *throttle, const struct throttle_try *try,
                          struct place ret[BUCKETS_MAX])
{
        char text[INET6_ADDRSTRLEN];
        struct str from = source_of(try->source, text);

        if (try->device.len > 0) {
                ret[0] = (struct place){&known_device, key_of(throttle, &known_device, try->tenant,
                                                              try->account, try->device)};
                return 1;
        }
        ret[0] = (struct place){&source, key_of(throttle, &source, STR(""), STR(""), from)};
        if (try->account.len == 0)
                return 1;
        ret[1] = (struct place){&stranger_from,
                                key_of(throttle, &stranger_from, try->tenant, try->account, from)};
        ret[2] =
                (struct place){&strangers, key_of(throttle, &strangers, try->tenant, try->account, STR(""))};
        return 3;
}

/* Its bucket; else one that is empty, or will be first. With the lock held. */
static struct bucket *bucket_of(struct throttle *throttle, uint64_t key)
{
        struct bucket *set = throttle->sets[key % SETS];
        struct bucket *soonest = &set[0];

        for (unsigned i = 0; i < WAYS; i++)
                if (set[i].key == key)
                        return &set[i];
        for (unsigned i = 1; i < WAYS; i++)
                if (set[i].empty_ms < soonest->empty_ms)
                        soonest = &set[i];
        *soonest = (struct bucket){.key = key};
        return soonest;
}

bool throttle_take(struct throttle *throttle, const struct throttle_try *try, int64_t now_mono_ms,
                   int64_t *ret_retry_ms, struct err *err)
{
        struct place places[BUCKETS_MAX];
        unsigned count = places_of(throttle, try, places);

        *ret_retry_ms = 0;
        (void)pthread_mutex_lock(&throttle->lock);
        for (unsigned i = 0; i < count; i++) {
                const struct bucket *bucket = bucket_of(throttle, places[i].key);
                int64_t room_ms = now_mono_ms + (places[i].kind->size - 1) * places[i].kind->drain_ms;

                if (bucket->empty_ms > room_ms && bucket->empty_ms - room_ms > *ret_retry_ms)
                        *ret_retry_ms = bucket->empty_ms - room_ms;
        }
        for (unsigned i = 0; i < count && *ret_retry_ms == 0; i++) {
                struct bucket *bucket = bucket_of(throttle, places[i].key);

                if (bucket->empty_ms < now_mono_ms)
                        bucket->empty_ms = now_mono_ms;
                bucket->empty_ms += places[i].kind->drain_ms;
        }
        (void)pthread_mutex_unlock(&throttle->lock);
        return *ret_retry_ms == 0 ||
               err_set(err, ERR_RATE_LIMITED,
                       "too many attempts that failed; the next one counts in %lld seconds",
                       (long long)((*ret_retry_ms + 999) / 1000));
}

void throttle_return(struct throttle *throttle, const struct throttle_try *try, int64_t now_mono_ms)
{
        struct place places[BUCKETS_MAX];
        unsigned count = places_of(throttle, try, places);

        (void)pthread_mutex_lock(&throttle->lock);
        for (unsigned i = 0; i < count; i++) {
                struct bucket *bucket = bucket_of(throttle, places[i].key);

                bucket->empty_ms -= places[i].kind->drain_ms;
                if (bucket->empty_ms < now_mono_ms)
                        bucket->empty_ms = now_mono_ms;
        }
        (void)pthread_mutex_unlock(&throttle->lock);
}
