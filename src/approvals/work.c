/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/work_private.h"

#include "api/services.h"
#include "approvals/deadlines.h"
#include "approvals/work_rows.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/log_line.h"

#include <stdio.h>

/* How long after its last request an executor counts as connected. */
#define CONNECTED_US INT64_C(15000000)
#define CONNECTED_MS (CONNECTED_US / 1000)
/* A lease is written for longer than is needed, so that it need not be written for each request. */
#define LEASE_MORE_MS INT64_C(30000)
/* How soon an action is shown again. */
#define AGAIN_US INT64_C(2000000)

bool work_start(const struct services *services, struct work **ret, struct err *err)
{
        struct work *work = heap_alloc_zeroed(1, sizeof(*work));

        *ret = NULL;
        if (!work)
                return err_set(err, ERR_NO_MEMORY, "no memory for the executors' work");
        work->is_shared = store_is_shared(services->store);
        for (size_t i = 0; i < WORK_BUCKETS; i++)
                (void)pthread_mutex_init(&work->buckets[i].lock, NULL);
        if (!deadlines_start(services, &work->deadlines, err)) {
                work_stop(work);
                return false;
        }
        *ret = work;
        return true;
}

static void place_free(struct place *place)
{
        while (place->presences) {
                struct presence *next = place->presences->next;

                heap_free(place->presences);
                place->presences = next;
        }
        heap_free(place);
}

void work_stop(struct work *work)
{
        if (!work)
                return;
        deadlines_stop(work->deadlines);
        for (size_t i = 0; i < WORK_BUCKETS; i++) {
                while (work->buckets[i].places) {
                        struct place *place = work->buckets[i].places;

                        work->buckets[i].places = place->next;
                        place_free(place);
                }
                (void)pthread_mutex_destroy(&work->buckets[i].lock);
        }
        heap_free(work);
}

FIBER_FN bool work_expect(struct work *work, const struct cell_ref *cell, int64_t due_ms, struct err *err)
{
        return deadlines_expect(work->deadlines, cell, due_ms, err);
}

void work_expect_again(struct work *work, const struct cell_ref *cell, int64_t due_ms)
{
        deadlines_again(work->deadlines, cell, due_ms);
}

/* ---- places ------------------------------------------------------------------------------------ */

/* FNV-1a. The workspace's id is the server's, and the tenant's environments are few. */
static struct bucket *bucket_of(struct work *work, const struct work_place *at)
{
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < at->workspace.len; i++)
                hash = (hash ^ (unsigned char)at->workspace.ptr[i]) * 16777619u;
        for (size_t i = 0; i < at->environment.len; i++)
                hash = (hash ^ (unsigned char)at->environment.ptr[i]) * 16777619u;
        return &work->buckets[(hash >> 16 ^ hash) % WORK_BUCKETS];
}

struct bucket *work_lock(struct work *work, const struct work_place *at)
{
        struct bucket *bucket = bucket_of(work, at);

        (void)pthread_mutex_lock(&bucket->lock);
        return bucket;
}

void work_unlock(struct bucket *bucket)
{
        (void)pthread_mutex_unlock(&bucket->lock);
}

struct place *work_find_place(const struct bucket *bucket, const struct work_place *at)
{
        struct place *place = bucket->places;

        while (place && !(str_is(at->workspace, place->workspace.text) &&
                          str_is(at->environment, place->environment)))
                place = place->next;
        return place;
}

static bool is_connected(const struct presence *presence)
{
        return presence->waiting > 0 || clock_mono_us() - presence->seen_us < CONNECTED_US;
}

/* With the lock. Who went away is forgotten, and places where nobody is. */
static void prune(struct bucket *bucket)
{
        for (struct place **link = &bucket->places; *link;) {
                struct place *place = *link;

                for (struct presence **one = &place->presences; *one;) {
                        struct presence *presence = *one;

                        if (is_connected(presence)) {
                                one = &presence->next;
                                continue;
                        }
                        *one = presence->next;
                        heap_free(presence);
                }
                if (place->presences || place->questions) {
                        link = &place->next;
                        continue;
                }
                *link = place->next;
                place_free(place);
        }
}

/* With the lock. NULL without memory. */
static struct place *place_at(struct bucket *bucket, const struct work_place *at)
{
        struct place *place = work_find_place(bucket, at);

        if (place)
                return place;
        prune(bucket);
        place = heap_alloc_zeroed(1, sizeof(*place));
        if (!place)
                return NULL;
        place->workspace = id_from(at->workspace);
        (void)snprintf(place->environment, sizeof(place->environment), "%.*s", STR_ARG(at->environment));
        place->next = bucket->places;
        bucket->places = place;
        return place;
}

bool work_somebody_is_at(const struct place *place)
{
        for (const struct presence *p = place ? place->presences : NULL; p; p = p->next)
                if (is_connected(p))
                        return true;
        return false;
}

/* ---- who is connected -------------------------------------------------------------------------- */

/* With the lock. */
static struct presence *find_presence(const struct bucket *bucket, const struct work_place *at,
                                      struct str executor)
{
        struct place *place = work_find_place(bucket, at);
        struct presence *presence = place ? place->presences : NULL;

        while (presence && !str_is(executor, presence->executor.text))
                presence = presence->next;
        return presence;
}

/* With the lock. NULL without memory. */
static struct presence *add_presence(struct bucket *bucket, const struct work_place *at, struct str executor)
{
        struct place *place = place_at(bucket, at);
        struct presence *presence = place ? heap_alloc_zeroed(1, sizeof(*presence)) : NULL;

        if (!presence)
                return NULL;
        presence->executor = id_from(executor);
        presence->next = place->presences;
        place->presences = presence;
        return presence;
}

/* Until when the lease must last; 0 when the one that was written does. */
static int64_t lease_wanted(const struct presence *presence, int64_t until_mono_us)
{
        int64_t left_ms = (until_mono_us - clock_mono_us()) / 1000;
        int64_t needed_ms = clock_now_ms() + (left_ms > 0 ? left_ms : 0) + CONNECTED_MS;

        return presence->lease_ms < needed_ms ? needed_ms + LEASE_MORE_MS : 0;
}

/* Notes what was written, where the executor has not been forgotten meanwhile. */
static void note_lease(struct work *work, struct str executor, const struct work_place *at, int64_t lease_ms)
{
        struct bucket *bucket = work_lock(work, at);
        struct presence *presence = find_presence(bucket, at, executor);

        if (presence)
                presence->lease_ms = lease_ms;
        work_unlock(bucket);
}

FIBER_FN bool work_enter(struct request *req, struct str executor, const struct work_place *at,
                         int64_t until_mono_us, struct err *err)
{
        struct work *work = req->services->work;
        struct bucket *bucket = work_lock(work, at);
        struct presence *presence = find_presence(bucket, at, executor);
        int64_t lease_ms = 0;
        bool added;

        if (!presence)
                presence = add_presence(bucket, at, executor);
        added = presence != NULL;
        if (presence) {
                presence->waiting++;
                presence->seen_us = clock_mono_us();
                lease_ms = work->is_shared ? lease_wanted(presence, until_mono_us) : 0;
        }
        work_unlock(bucket);
        if (!added)
                return err_set(err, ERR_NO_MEMORY, "no memory for the executor");
        if (lease_ms == 0)
                return true;
        if (!rows_lease(req, executor, at, lease_ms, err)) {
                work_leave(req, executor, at);
                return false;
        }
        note_lease(work, executor, at, lease_ms);
        return true;
}

/* When a client went away in the middle of a wait, its lease ends as soon as it would have without one. */
static FIBER_FN void give_lease_back(struct request *req, struct str executor, const struct work_place *at,
                                     int64_t lease_ms)
{
        int64_t until_ms = clock_now_ms() + CONNECTED_MS;
        struct err err;

        if (until_ms >= lease_ms)
                return;
        if (rows_lease_shorten(req, executor, lease_ms, until_ms, &err))
                note_lease(req->services->work, executor, at, until_ms);
        else
                log_line(LOG_WARN, "an executor's lease could not be given back; it ends by itself",
                         LOG_STR("executor", executor), LOG_C("error", err.message));
}

FIBER_FN void work_leave(struct request *req, struct str executor, const struct work_place *at)
{
        struct bucket *bucket = work_lock(req->services->work, at);
        struct presence *presence = find_presence(bucket, at, executor);
        int64_t lease_ms = 0;

        if (presence) {
                presence->waiting -= presence->waiting > 0 ? 1 : 0;
                presence->seen_us = clock_mono_us();
                lease_ms = presence->waiting == 0 ? presence->lease_ms : 0;
        }
        work_unlock(bucket);
        if (lease_ms > 0 && request_is_over(req))
                give_lease_back(req, executor, at, lease_ms);
}

void work_forget(struct work *work, struct str executor, const struct work_place *at)
{
        struct bucket *bucket = work_lock(work, at);
        struct place *place = work_find_place(bucket, at);

        for (struct presence **link = place ? &place->presences : NULL; link && *link; link = &(*link)->next)
                if (str_is(executor, (*link)->executor.text)) {
                        struct presence *gone = *link;

                        *link = gone->next;
                        heap_free(gone);
                        break;
                }
        work_unlock(bucket);
}

bool work_is_connected(struct work *work, struct str executor, const struct work_place *at)
{
        struct bucket *bucket = work_lock(work, at);
        struct presence *presence = find_presence(bucket, at, executor);
        bool connected = presence && is_connected(presence);

        work_unlock(bucket);
        return connected;
}

bool work_offer(struct work *work, struct str executor, const struct work_place *at, struct str action)
{
        int64_t now_us = clock_mono_us();
        struct bucket *bucket = work_lock(work, at);
        struct presence *presence = find_presence(bucket, at, executor);
        bool offers = true;

        if (presence) {
                struct offer *place = &presence->offers[presence->next_offer % WORK_OFFERS];

                for (unsigned i = 0; i < WORK_OFFERS; i++)
                        if (str_is(action, presence->offers[i].action.text)) {
                                place = &presence->offers[i];
                                offers = now_us - place->at_us >= AGAIN_US;
                        }
                if (offers) {
                        if (!str_is(action, place->action.text))
                                presence->next_offer++;
                        *place = (struct offer){id_from(action), now_us};
                }
        }
        work_unlock(bucket);
        return offers;
}
