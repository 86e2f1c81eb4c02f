/* SPDX-License-Identifier: Apache-2.0 */
/* What work.c (who is connected) and resolve.c (what executors are asked) keep together in memory. */
#pragma once

#include "approvals/work.h"

#include <pthread.h>

enum { WORK_ENVIRONMENT_SIZE = 33, WORK_OFFERS = 32, WORK_BUCKETS = 256 };

struct offer {
        struct id action;
        int64_t at_us;
};

struct presence {
        struct presence *next;
        struct id executor;
        unsigned waiting; /* requests under way */
        int64_t seen_us;
        int64_t lease_ms; /* the lease that this node wrote last; wall time */
        unsigned next_offer;
        struct offer offers[WORK_OFFERS];
};

/* On the stack of the fiber that asks; reached by others under the lock of its place's bucket only. */
struct question {
        struct question *next;
        struct id id;
        struct id tenant;
        const struct work_question *asked;
        struct str parameters; /* JSON */
        int64_t given_us;      /* 0: to nobody yet */
        bool answered;
        enum err_code code; /* ERR_NONE: facts */
        struct str facts;   /* on the heap */
        char message[WORK_MESSAGE_MAX];
};

/* A workspace's environment, while executors or questions of it are remembered. */
struct place {
        struct place *next;
        struct id workspace;
        char environment[WORK_ENVIRONMENT_SIZE];
        struct presence *presences;
        struct question *questions;
};

struct bucket {
        pthread_mutex_t lock; /* of its places and all that hangs on them */
        struct place *places;
};

struct work {
        struct deadlines *deadlines;
        bool is_shared; /* constant: other nodes work on the same store */
        struct bucket buckets[WORK_BUCKETS];
};

/* The bucket of a place, locked. */
struct bucket *work_lock(struct work *work, const struct work_place *at);
void work_unlock(struct bucket *bucket);
/* With the lock. NULL where there is none. */
struct place *work_find_place(const struct bucket *bucket, const struct work_place *at);
/* With the lock. */
bool work_somebody_is_at(const struct place *place);
