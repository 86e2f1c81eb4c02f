/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/nodes.h"

#include "api/services.h"
#include "approvals/nodes_sql.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/id.h"
#include "base/log_line.h"

#include <pthread.h>

enum { OTHERS_MAX = 256 };

/* Another node, as it was last seen. */
struct other {
        struct id id;
        int64_t beats;
        unsigned missed; /* looks in a row at which the count stood still */
        bool seen;       /* at this look */
};

struct nodes {
        const struct services *services;
        struct nodes_owner owner;
        struct id id;
        pthread_t thread;
        pthread_mutex_t lock; /* of `stopping` */
        pthread_cond_t changed;
        bool stopping;
        /* The thread's own. */
        struct other others[OTHERS_MAX];
        size_t other_count;
};

static void tell_registered(void *arg)
{
        const struct nodes *nodes = arg;

        nodes->owner.registered(nodes->owner.arg);
}

static bool register_self(struct nodes *nodes, struct tx *tx, struct err *err)
{
        int64_t made;

        if (!sql_node_insert(tx, id_str(&nodes->id), clock_now_ms(), &made, err))
                return false;
        if (made == 1)
                tx_on_commit(tx, tell_registered, nodes);
        return true;
}

bool nodes_watch(struct nodes *nodes, struct tx *tx, const struct cell_ref *cell, struct err *err)
{
        return register_self(nodes, tx, err) &&
               sql_node_cell_insert(tx, id_str(&nodes->id), cell->tenant, cell->region, err);
}

/* ---- the others -------------------------------------------------------------------------------- */

static void note_other(struct nodes *nodes, struct str id, int64_t beats)
{
        struct other *other = NULL;

        for (size_t i = 0; i < nodes->other_count && !other; i++)
                if (str_is(id, nodes->others[i].id.text))
                        other = &nodes->others[i];
        if (!other) {
                /* More than fit are watched when some of these are gone. */
                if (nodes->other_count == OTHERS_MAX)
                        return;
                other = &nodes->others[nodes->other_count++];
                *other = (struct other){.id = id_from(id), .beats = beats - 1};
        }
        other->missed = other->beats == beats ? other->missed + 1 : 0;
        other->beats = beats;
        other->seen = true;
}

static bool beat_work(struct tx *tx, void *arg, struct err *err)
{
        struct nodes *nodes = arg;
        SQL_SCOPED(node_list) c = {0};
        struct sql_node_list_row row;
        int64_t changes;
        bool has;

        if (!sql_node_beat(tx, id_str(&nodes->id), &changes, err) ||
            (changes == 0 && !register_self(nodes, tx, err)) ||
            !sql_node_list_open(tx, id_str(&nodes->id), &c, err))
                return false;
        for (;;) {
                if (!sql_node_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        return true;
                note_other(nodes, row.id, row.beats);
        }
}

struct burial {
        struct nodes *nodes;
        const struct other *dead;
        int64_t cells;
        bool buried;
};

/* With the dead node's row locked. */
static bool adopt_cells(struct burial *burial, struct tx *tx, struct err *err)
{
        const struct nodes_owner *owner = &burial->nodes->owner;
        SQL_SCOPED(node_cell_list) c = {0};
        struct sql_node_cell_list_row row;
        bool has;

        if (!sql_node_cell_list_open(tx, id_str(&burial->dead->id), &c, err))
                return false;
        for (;;) {
                if (!sql_node_cell_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        return true;
                if (!owner->adopt(owner->arg, &(struct cell_ref){row.tenant_id, row.region}, err))
                        return false;
                burial->cells++;
        }
}

static bool bury_work(struct tx *tx, void *arg, struct err *err)
{
        struct burial *burial = arg;
        struct str self = id_str(&burial->nodes->id), dead = id_str(&burial->dead->id);
        int64_t changes;

        if (!sql_node_lock(tx, dead, burial->dead->beats, &changes, err))
                return false;
        if (changes == 0)
                return true; /* another node was first, or it lives after all */
        burial->buried = true;
        return register_self(burial->nodes, tx, err) && adopt_cells(burial, tx, err) &&
               sql_node_cell_take(tx, self, dead, err) && sql_node_cell_delete_all(tx, dead, err) &&
               sql_node_delete(tx, dead, err);
}

static void bury(struct nodes *nodes, const struct other *dead)
{
        struct burial burial = {.nodes = nodes, .dead = dead};
        struct err err;

        if (!store_write(nodes->services->store, &CELL_DIRECTORY, NULL, bury_work, &burial, &err))
                log_line(LOG_WARN, "a dead node's work could not be taken over; it is tried again",
                         LOG_STR("node", id_str(&dead->id)), LOG_C("error", err.message));
        else if (burial.buried)
                log_line(LOG_WARN, "another node is gone; this one has taken over what it watched",
                         LOG_STR("node", id_str(&dead->id)), LOG_INT("cells", burial.cells));
}

/* One beat, and a look at the others' counts. */
static void beat(struct nodes *nodes)
{
        struct err err;
        size_t kept = 0;

        for (size_t i = 0; i < nodes->other_count; i++)
                nodes->others[i].seen = false;
        if (!store_write(nodes->services->store, &CELL_DIRECTORY, NULL, beat_work, nodes, &err)) {
                /* The others may have had the same trouble: all begin anew. */
                nodes->other_count = 0;
                return;
        }
        for (size_t i = 0; i < nodes->other_count; i++) {
                const struct other *other = &nodes->others[i];

                if (!other->seen)
                        continue;
                if (other->missed >= NODES_MISSED)
                        bury(nodes, other);
                nodes->others[kept++] = *other;
        }
        nodes->other_count = kept;
}

/* ---- the thread -------------------------------------------------------------------------------- */

/* With the lock. */
static void wait_for_beat(struct nodes *nodes, int64_t until_us)
{
        struct timespec at = {.tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000};

        while (!nodes->stopping && clock_mono_us() < until_us)
                (void)pthread_cond_timedwait(&nodes->changed, &nodes->lock, &at);
}

static void *run(void *arg)
{
        struct nodes *nodes = arg;

        (void)pthread_mutex_lock(&nodes->lock);
        while (!nodes->stopping) {
                int64_t next_us = clock_mono_us() + NODES_BEAT_MS * INT64_C(1000);

                (void)pthread_mutex_unlock(&nodes->lock);
                beat(nodes);
                (void)pthread_mutex_lock(&nodes->lock);
                wait_for_beat(nodes, next_us);
        }
        (void)pthread_mutex_unlock(&nodes->lock);
        return NULL;
}

static void nodes_free(struct nodes *nodes)
{
        (void)pthread_cond_destroy(&nodes->changed);
        (void)pthread_mutex_destroy(&nodes->lock);
        heap_free(nodes);
}

bool nodes_start(const struct services *services, const struct nodes_owner *owner, struct nodes **ret,
                 struct err *err)
{
        struct nodes *nodes = heap_alloc_zeroed(1, sizeof(*nodes));
        pthread_condattr_t monotonic;

        *ret = NULL;
        if (!nodes)
                return err_set(err, ERR_NO_MEMORY, "no memory to watch the other nodes");
        nodes->services = services;
        nodes->owner = *owner;
        nodes->id = id_new("nod");
        (void)pthread_mutex_init(&nodes->lock, NULL);
        (void)pthread_condattr_init(&monotonic);
        (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&nodes->changed, &monotonic);
        (void)pthread_condattr_destroy(&monotonic);
        if (pthread_create(&nodes->thread, NULL, run, nodes) != 0) {
                nodes_free(nodes);
                return err_set(err, ERR_SYSTEM, "cannot start the thread that watches the other nodes");
        }
        (void)pthread_setname_np(nodes->thread, "nodes");
        *ret = nodes;
        return true;
}

void nodes_stop(struct nodes *nodes)
{
        if (!nodes)
                return;
        (void)pthread_mutex_lock(&nodes->lock);
        nodes->stopping = true;
        (void)pthread_cond_signal(&nodes->changed);
        (void)pthread_mutex_unlock(&nodes->lock);
        (void)pthread_join(nodes->thread, NULL);
        nodes_free(nodes);
}
