/* SPDX-License-Identifier: Apache-2.0 */
#include "api/notify.h"

#include "store/store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

enum { BUCKETS = 256 };

struct bucket {
        pthread_mutex_t lock;
        struct notify_waiter *first;
};

static struct bucket buckets[BUCKETS] = {[0 ... BUCKETS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

/* FNV-1a. Both parts are ids that the server made, or literals: nobody chooses collisions. */
static uint64_t hash_more(uint64_t hash, struct str text)
{
        for (size_t i = 0; i < text.len; i++)
                hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
        return (hash ^ 0xFF) * UINT64_C(0x100000001b3);
}

static uint64_t key_make(struct str tenant, struct str subject)
{
        return hash_more(hash_more(UINT64_C(0xcbf29ce484222325), tenant), subject);
}

static struct bucket *bucket_of(uint64_t key)
{
        return &buckets[(key >> 32 ^ key) % BUCKETS];
}

void notify_begin(struct notify_waiter *waiter, struct str tenant, struct str subject)
{
        struct bucket *bucket;

        fiber_event_init(&waiter->event);
        waiter->key = key_make(tenant, subject);
        bucket = bucket_of(waiter->key);
        pthread_mutex_lock(&bucket->lock);
        waiter->next = bucket->first;
        waiter->link = &bucket->first;
        if (waiter->next)
                waiter->next->link = &waiter->next;
        bucket->first = waiter;
        pthread_mutex_unlock(&bucket->lock);
}

FIBER_FN bool notify_wait(struct notify_waiter *waiter, int64_t deadline_mono_us)
{
        if (!fiber_event_wait(&waiter->event, deadline_mono_us))
                return false;
        /* What is published from here on fires again; what was published before, the caller sees. */
        fiber_event_reset(&waiter->event);
        return true;
}

void notify_end(struct notify_waiter *waiter)
{
        struct bucket *bucket = bucket_of(waiter->key);

        pthread_mutex_lock(&bucket->lock);
        *waiter->link = waiter->next;
        if (waiter->next)
                waiter->next->link = waiter->link;
        pthread_mutex_unlock(&bucket->lock);
}

static void publish_key(uint64_t key)
{
        struct bucket *bucket = bucket_of(key);

        /* The lock also keeps a woken waiter from leaving before its event was fired. */
        pthread_mutex_lock(&bucket->lock);
        for (struct notify_waiter *waiter = bucket->first; waiter; waiter = waiter->next)
                if (waiter->key == key)
                        fiber_event_fire(&waiter->event);
        pthread_mutex_unlock(&bucket->lock);
}

void notify_publish(struct str tenant, struct str subject)
{
        publish_key(key_make(tenant, subject));
        if (subject.len > 0)
                publish_key(key_make(tenant, STR("")));
}

static void publish_all(void)
{
        for (size_t i = 0; i < BUCKETS; i++) {
                pthread_mutex_lock(&buckets[i].lock);
                for (struct notify_waiter *waiter = buckets[i].first; waiter; waiter = waiter->next)
                        fiber_event_fire(&waiter->event);
                pthread_mutex_unlock(&buckets[i].lock);
        }
}

void notify_hear(struct str message)
{
        uint64_t subject, tenant;
        struct str word;

        if (!message.ptr) {
                publish_all();
                return;
        }
        if (!str_cut(&message, ' ', &word) || !str_is(word, "w") || !str_cut(&message, ' ', &word) ||
            !str_to_u64_hex(word, &subject) || !str_to_u64_hex(message, &tenant))
                return;
        publish_key(subject);
        if (tenant != subject)
                publish_key(tenant);
}

/* The key itself is the argument: a hook then owns no memory that a rollback would have to free. */
static void publish_hook(void *key)
{
        publish_key((uint64_t)(uintptr_t)key);
}

void notify_on_commit(struct tx *tx, struct str subject)
{
        _Static_assert(sizeof(uintptr_t) == sizeof(uint64_t), "a key fits a pointer");
        uint64_t key = key_make(tx_tenant(tx), subject), all = key_make(tx_tenant(tx), STR(""));
        char message[40];

        tx_on_commit(tx, publish_hook, (void *)(uintptr_t)key);
        if (tx_tells(tx)) {
                (void)snprintf(message, sizeof(message), "w %016" PRIx64 " %016" PRIx64, key, all);
                tx_tell(tx, str_from(message));
        }
        if (subject.len > 0)
                tx_on_commit(tx, publish_hook, (void *)(uintptr_t)all);
}
