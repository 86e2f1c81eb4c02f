/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/deadlines.h"

#include "api/cell.h"
#include "api/services.h"
#include "approvals/approvals.h"
#include "approvals/nodes.h"
#include "approvals/control.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/id.h"
#include "base/log_line.h"
#include "keys/provider_keys.h"
#include "tenancy/regions.h"

#include <pthread.h>

enum {
        REGION_SIZE = 33,
        BATCH = 64,
        /* Wall time may jump: look at it again at least so often. */
        LONGEST_SLEEP_MS = 5000,
        RETRY_MS = 1000,
};

struct cell_due {
        struct id tenant;
        char region[REGION_SIZE];
        int64_t due_ms; /* INT64_MAX: nothing waits */
        bool durable;   /* the directory knows of it, and that this node watches it */
};

struct deadlines {
        const struct services *services;
        struct nodes *nodes; /* NULL: no other node works on this store */
        pthread_t thread;
        pthread_mutex_t lock; /* of all below */
        pthread_cond_t changed;
        bool stopping;
        bool must_remember; /* some of `cells` are to be written down again */
        struct cell_due *cells;
        size_t count, room;
        /* Places in `cells`, plus one, by the tenant's hash; open addressing, twice as large as `room`. */
        uint32_t *index;
};

static struct cell_ref ref_of(const struct cell_due *cell)
{
        return (struct cell_ref){.tenant = id_str(&cell->tenant), .region = str_from(cell->region)};
}

/* FNV-1a; ids are random at their end. */
static size_t hash_of(struct str tenant)
{
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < tenant.len; i++)
                hash = (hash ^ (unsigned char)tenant.ptr[i]) * 16777619u;
        return hash;
}

/* With the lock. The slot of the cell, or the free one where it belongs. */
static uint32_t *slot_of(const struct deadlines *deadlines, const struct cell_ref *ref)
{
        size_t slots = 2 * deadlines->room;

        for (size_t at = hash_of(ref->tenant) % slots;; at = (at + 1) % slots) {
                uint32_t *slot = &deadlines->index[at];
                const struct cell_due *cell = *slot ? &deadlines->cells[*slot - 1] : NULL;

                if (!cell || (str_is(ref->tenant, cell->tenant.text) && str_is(ref->region, cell->region)))
                        return slot;
        }
}

/* With the lock. */
static bool grow(struct deadlines *deadlines)
{
        size_t room = deadlines->room ? 2 * deadlines->room : 16;
        uint32_t *index = heap_alloc_zeroed(2 * room, sizeof(*index));
        struct cell_due *cells = heap_realloc(deadlines->cells, room * sizeof(*cells));

        if (cells)
                deadlines->cells = cells;
        if (!index || !cells) {
                heap_free(index);
                return false;
        }
        heap_free(deadlines->index);
        deadlines->index = index;
        deadlines->room = room;
        for (size_t i = 0; i < deadlines->count; i++) {
                struct cell_ref ref = ref_of(&cells[i]);

                *slot_of(deadlines, &ref) = (uint32_t)i + 1;
        }
        return true;
}

/* With the lock. NULL without memory. */
static struct cell_due *find_or_add(struct deadlines *deadlines, const struct cell_ref *ref)
{
        struct cell_due *cell;
        uint32_t *slot;

        if (ref->region.len >= REGION_SIZE || (deadlines->count == deadlines->room && !grow(deadlines)))
                return NULL;
        slot = slot_of(deadlines, ref);
        if (*slot)
                return &deadlines->cells[*slot - 1];
        cell = &deadlines->cells[deadlines->count++];
        *slot = (uint32_t)deadlines->count;
        *cell = (struct cell_due){.tenant = id_from(ref->tenant), .due_ms = INT64_MAX};
        memcpy(cell->region, ref->region.ptr, ref->region.len);
        return cell;
}

struct remembering {
        struct deadlines *deadlines;
        struct cell_ref cell;
};

static bool remember_work(struct tx *tx, void *arg, struct err *err)
{
        const struct remembering *remembering = arg;
        const struct cell_ref *cell = &remembering->cell;
        struct nodes *nodes = remembering->deadlines->nodes;

        return sql_deadline_cell_insert(tx, cell->tenant, cell->region, err) &&
               (!nodes || nodes_watch(nodes, tx, cell, err));
}

/* *ret_durable: whether the directory knew of the cell before. */
static bool note(struct deadlines *deadlines, const struct cell_ref *ref, int64_t due_ms, bool durable,
                 bool *ret_durable, struct err *err)
{
        struct cell_due *cell;

        (void)pthread_mutex_lock(&deadlines->lock);
        cell = find_or_add(deadlines, ref);
        if (cell) {
                *ret_durable = cell->durable;
                cell->durable = cell->durable || durable;
                if (due_ms < cell->due_ms) {
                        cell->due_ms = due_ms;
                        (void)pthread_cond_signal(&deadlines->changed);
                }
        }
        (void)pthread_mutex_unlock(&deadlines->lock);
        return cell || err_set(err, ERR_NO_MEMORY, "no memory to watch the time");
}

FIBER_FN bool deadlines_expect(struct deadlines *deadlines, const struct cell_ref *cell, int64_t due_ms,
                               struct err *err)
{
        struct remembering remembering = {deadlines, *cell};
        bool durable;

        if (!note(deadlines, cell, due_ms, false, &durable, err))
                return false;
        if (durable)
                return true;
        return cell_write(deadlines->services->store, &CELL_DIRECTORY, NULL, remember_work, &remembering,
                          err) &&
               note(deadlines, cell, due_ms, true, &durable, err);
}

void deadlines_again(struct deadlines *deadlines, const struct cell_ref *cell, int64_t due_ms)
{
        struct err err;
        bool durable;

        /* The cell is there since deadlines_expect: this needs no memory. */
        if (!note(deadlines, cell, due_ms, false, &durable, &err))
                log_line(LOG_ERROR, "an action expires when it is looked at", LOG_C("error", err.message));
}

/* ---- other nodes ------------------------------------------------------------------------------- */

/* A dead node knew when something is due there; this one looks. */
static bool adopt(void *arg, const struct cell_ref *cell, struct err *err)
{
        bool durable;

        return note(arg, cell, 0, true, &durable, err);
}

static void forget_durable(void *arg)
{
        struct deadlines *deadlines = arg;

        (void)pthread_mutex_lock(&deadlines->lock);
        for (size_t i = 0; i < deadlines->count; i++)
                deadlines->cells[i].durable = false;
        deadlines->must_remember = true;
        (void)pthread_cond_signal(&deadlines->changed);
        (void)pthread_mutex_unlock(&deadlines->lock);
}

/* With the lock; it is let go meanwhile. What waits somewhere is written down again. */
static void remember_all(struct deadlines *deadlines)
{
        deadlines->must_remember = false;
        for (size_t i = 0; i < deadlines->count && !deadlines->stopping; i++) {
                struct cell_due cell = deadlines->cells[i];
                struct remembering remembering = {deadlines, ref_of(&cell)};
                struct err err;
                bool ok;

                if (cell.durable || cell.due_ms == INT64_MAX)
                        continue;
                (void)pthread_mutex_unlock(&deadlines->lock);
                ok = store_write(deadlines->services->store, &CELL_DIRECTORY, NULL, remember_work,
                                 &remembering, &err);
                (void)pthread_mutex_lock(&deadlines->lock);
                deadlines->cells[i].durable = ok;
                if (!ok) {
                        log_line(LOG_WARN,
                                 "a cell with deadlines could not be written down; it is tried again",
                                 LOG_STR("tenant", remembering.cell.tenant), LOG_C("error", err.message));
                        deadlines->must_remember = true;
                        return;
                }
        }
}

/* ---- the thread -------------------------------------------------------------------------------- */

struct sweep {
        int64_t now_ms;
        int64_t moved;
        int64_t next_ms;         /* an action's */
        int64_t next_retires_ms; /* a provider key's older secret */
};

static bool next_work(struct tx *tx, void *arg, struct err *err)
{
        struct sweep *sweep = arg;
        struct sql_action_next_due_row row;
        bool found;

        if (!sql_action_next_due(tx, &row, &found, err))
                return false;
        sweep->next_ms = found && row.has_expires_ms ? row.expires_ms : INT64_MAX;
        return true;
}

static bool sweep_work(struct tx *tx, void *arg, struct err *err)
{
        struct sweep *sweep = arg;

        return approvals_sweep(tx, sweep->now_ms, BATCH, &sweep->moved, err) && next_work(tx, arg, err) &&
               provider_keys_erase_retired(tx, sweep->now_ms, &sweep->next_retires_ms, err);
}

/* Without the lock. The next time to look at the cell. */
static BLOCKING_FN int64_t sweep_cell(struct deadlines *deadlines, const struct cell_due *cell)
{
        struct sweep sweep = {.now_ms = clock_now_ms()};
        struct cell_ref ref = ref_of(cell);
        struct err err;

        if (!regions_serves(deadlines->services, ref.region))
                return INT64_MAX; /* the directory knows of all; other regions' cells are not ours to touch
                                   */
        if (store_write(deadlines->services->store, &ref, NULL, sweep_work, &sweep, &err)) {
                /* What the server was to run when it stopped. */
                if (sweep.next_ms != INT64_MAX)
                        control_sweep(deadlines->services, &ref);
                return sweep.next_ms < sweep.next_retires_ms ? sweep.next_ms : sweep.next_retires_ms;
        }
        if (err.code == ERR_NOT_FOUND)
                return INT64_MAX; /* the cell is gone, and its deadlines with it */
        log_line(LOG_WARN, "expired actions could not be closed; it is tried again",
                 LOG_STR("tenant", ref.tenant), LOG_C("error", err.message));
        return sweep.now_ms + RETRY_MS;
}

/* With the lock; it is let go meanwhile. The earliest time of all cells. */
static BLOCKING_FN int64_t sweep_all(struct deadlines *deadlines)
{
        int64_t earliest = INT64_MAX;

        for (size_t i = 0; i < deadlines->count && !deadlines->stopping; i++) {
                if (deadlines->cells[i].due_ms <= clock_now_ms()) {
                        struct cell_due cell = deadlines->cells[i];
                        int64_t next_ms;

                        /* What comes in meanwhile may be earlier than what the sweep sees. */
                        deadlines->cells[i].due_ms = INT64_MAX;
                        (void)pthread_mutex_unlock(&deadlines->lock);
                        next_ms = sweep_cell(deadlines, &cell);
                        (void)pthread_mutex_lock(&deadlines->lock);
                        if (next_ms < deadlines->cells[i].due_ms)
                                deadlines->cells[i].due_ms = next_ms;
                }
                if (deadlines->cells[i].due_ms < earliest)
                        earliest = deadlines->cells[i].due_ms;
        }
        return earliest;
}

static void sleep_until(struct deadlines *deadlines, int64_t until_ms)
{
        int64_t ms = until_ms == INT64_MAX ? INT64_MAX : until_ms - clock_now_ms();
        struct timespec at;

        if (until_ms == INT64_MAX) {
                (void)pthread_cond_wait(&deadlines->changed, &deadlines->lock);
                return;
        }
        if (ms <= 0)
                return;
        ms = ms < LONGEST_SLEEP_MS ? ms : LONGEST_SLEEP_MS;
        (void)clock_gettime(CLOCK_MONOTONIC, &at);
        at.tv_sec += ms / 1000;
        at.tv_nsec += ms % 1000 * 1000000;
        if (at.tv_nsec >= 1000000000) {
                at.tv_sec++;
                at.tv_nsec -= 1000000000;
        }
        (void)pthread_cond_timedwait(&deadlines->changed, &deadlines->lock, &at);
}

/* What an earlier process left: each such cell is looked at once, now. */
static bool load_work(struct tx *tx, void *arg, struct err *err)
{
        struct deadlines *deadlines = arg;
        SQL_SCOPED(deadline_cell_list) c = {0};
        struct sql_deadline_cell_list_row row;
        bool has, durable;

        if (!sql_deadline_cell_list_open(tx, STR(""), INT64_MAX, &c, err))
                return false;
        for (;;) {
                struct cell_ref ref;

                if (!sql_deadline_cell_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        return true;
                ref = (struct cell_ref){.tenant = row.tenant_id, .region = row.region};
                if (!note(deadlines, &ref, 0, !deadlines->nodes, &durable, err))
                        return false;
        }
}

static BLOCKING_FN void *run(void *arg)
{
        struct deadlines *deadlines = arg;
        struct err err;

        if (!store_read(deadlines->services->store, &CELL_DIRECTORY, NULL, load_work, deadlines, &err))
                log_line(LOG_ERROR,
                         "the cells with deadlines cannot be read; their actions expire when they are "
                         "looked at",
                         LOG_C("error", err.message));
        (void)pthread_mutex_lock(&deadlines->lock);
        while (!deadlines->stopping) {
                int64_t next_ms = sweep_all(deadlines);

                if (deadlines->must_remember) {
                        remember_all(deadlines);
                        next_ms = deadlines->must_remember ? clock_now_ms() + RETRY_MS : 0;
                }
                if (!deadlines->stopping)
                        sleep_until(deadlines, next_ms);
        }
        (void)pthread_mutex_unlock(&deadlines->lock);
        return NULL;
}

static void deadlines_free(struct deadlines *deadlines)
{
        (void)pthread_cond_destroy(&deadlines->changed);
        (void)pthread_mutex_destroy(&deadlines->lock);
        heap_free(deadlines->index);
        heap_free(deadlines->cells);
        heap_free(deadlines);
}

bool deadlines_start(const struct services *services, struct deadlines **ret, struct err *err)
{
        struct deadlines *deadlines = heap_alloc_zeroed(1, sizeof(*deadlines));
        struct nodes_owner owner = {.arg = deadlines, .adopt = adopt, .registered = forget_durable};
        pthread_condattr_t monotonic;

        *ret = NULL;
        if (!deadlines)
                return err_set(err, ERR_NO_MEMORY, "no memory to watch the time");
        deadlines->services = services;
        (void)pthread_mutex_init(&deadlines->lock, NULL);
        (void)pthread_condattr_init(&monotonic);
        (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&deadlines->changed, &monotonic);
        (void)pthread_condattr_destroy(&monotonic);
        if (store_is_shared(services->store) && !nodes_start(services, &owner, &deadlines->nodes, err)) {
                deadlines_free(deadlines);
                return false;
        }
        if (pthread_create(&deadlines->thread, NULL, run, deadlines) != 0) {
                nodes_stop(deadlines->nodes);
                deadlines_free(deadlines);
                return err_set(err, ERR_SYSTEM, "cannot start the thread that watches the time");
        }
        *ret = deadlines;
        return true;
}

void deadlines_stop(struct deadlines *deadlines)
{
        if (!deadlines)
                return;
        (void)pthread_mutex_lock(&deadlines->lock);
        deadlines->stopping = true;
        (void)pthread_cond_signal(&deadlines->changed);
        (void)pthread_mutex_unlock(&deadlines->lock);
        (void)pthread_join(deadlines->thread, NULL);
        nodes_stop(deadlines->nodes);
        deadlines_free(deadlines);
}
