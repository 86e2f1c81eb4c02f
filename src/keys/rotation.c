/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/rotation.h"

#include "base/heap.h"
#include "base/log_line.h"
#include "base/test_hooks.h"
#include "crypto/envelope.h"
#include "keys/keys_sql.h"
#include "keys/rotation_nodes.h"
#include "keys/tenant_keys.h"
#include "log/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { BATCH = 256, PAGE = 256, RETRY_MS = 1000, SCRATCH_BYTES = 8 << 20 };

struct rotation {
        struct store *store;
        struct envelope *envelope;
        struct root_nodes *nodes; /* NULL: the store is this process's alone */
        pthread_t thread;
        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t changed;
        bool stopping, kicked;
        int64_t keys, cells, failures;
        /* The thread's own, during a round: where regions that were gone through are noted. */
        struct root_regions *regions;
        struct arena *regions_arena;
};

static bool is_stopping(struct rotation *rotation)
{
        pthread_mutex_lock(&rotation->lock);
        bool stopping = rotation->stopping;
        pthread_mutex_unlock(&rotation->lock);
        return stopping;
}

/* ---- one cell ---------------------------------------------------------------------------------- */

struct batch {
        const struct envelope *envelope;
        int64_t changed;
        bool more;
};

static bool batch_work(struct tx *tx, void *arg, struct err *err)
{
        struct batch *batch = arg;
        int64_t keys = 0, seeds = 0;

        if (!tenant_keys_rewrap(tx, batch->envelope, BATCH, &keys, err) ||
            !log_keys_rewrap(tx, batch->envelope, &seeds, err))
                return false;
        batch->more = keys == BATCH;
        batch->changed = keys + seeds;
        return true;
}

static bool visit(struct rotation *rotation, const struct cell_ref *cell, struct err *err)
{
        ARENA_SCOPED scratch;
        struct batch batch = {.envelope = rotation->envelope, .more = true};

        arena_init(&scratch, SCRATCH_BYTES);
        while (batch.more && !is_stopping(rotation)) {
                arena_reset(&scratch);
                if (!store_write(rotation->store, cell, &scratch, batch_work, &batch, err))
                        return false;
                test_step("keys rewrapped");
                pthread_mutex_lock(&rotation->lock);
                rotation->keys += batch.changed;
                pthread_mutex_unlock(&rotation->lock);
        }
        return true;
}

/* ---- all of them ------------------------------------------------------------------------------- */

struct page {
        struct str after_tenant, after_region;
        struct cell_ref cells[PAGE];
        size_t count;
};

static bool page_work(struct tx *tx, void *arg, struct err *err)
{
        struct page *page = arg;
        SQL_SCOPED(rotation_cell_list) c = {0};
        struct sql_rotation_cell_list_row row;
        bool has;

        page->count = 0;
        if (!sql_rotation_cell_list_open(tx, page->after_tenant, page->after_region, PAGE, &c, err))
                return false;
        while (page->count < PAGE) {
                if (!sql_rotation_cell_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                page->cells[page->count++] = (struct cell_ref){row.tenant_id, row.region};
        }
        return true;
}

static void note_region(struct rotation *rotation, struct str region)
{
        struct root_regions *regions = rotation->regions;

        if (!regions)
                return;
        for (size_t i = 0; i < regions->count; i++)
                if (str_eq(regions->names[i], region))
                        return;
        /* More than fit are done by the next round, which finds nothing else to do. */
        if (regions->count < sizeof(regions->names) / sizeof(regions->names[0]))
                regions->names[regions->count++] = arena_str(rotation->regions_arena, region);
}

static void count_visit(struct rotation *rotation, const struct cell_ref *cell, bool ok,
                        const struct err *err)
{
        /* A tenant that is being made, or a region that another node serves: nothing of ours is there. */
        bool failed = !ok && err->code != ERR_NOT_FOUND;

        if (ok)
                note_region(rotation, cell->region);
        if (failed)
                log_line(LOG_WARN, "keys could not be wrapped anew; it will be tried again",
                         LOG_STR("tenant", cell->tenant), LOG_C("why", err->message));
        pthread_mutex_lock(&rotation->lock);
        rotation->cells++;
        rotation->failures += failed;
        pthread_mutex_unlock(&rotation->lock);
}

/* False when something is left to do. */
static bool go_round(struct rotation *rotation, struct err *err)
{
        ARENA_SCOPED old, new;
        struct arena *arenas[] = {&old, &new};
        struct page page = {STR(""), STR(""), {{STR_NULL, STR_NULL}}, PAGE};

        arena_init(&old, SCRATCH_BYTES);
        arena_init(&new, SCRATCH_BYTES);
        pthread_mutex_lock(&rotation->lock);
        rotation->cells = rotation->failures = 0;
        pthread_mutex_unlock(&rotation->lock);
        for (unsigned turn = 0; page.count == PAGE; turn++) {
                struct arena *arena = arenas[turn % 2]; /* the page before holds where this one begins */

                arena_reset(arena);
                if (!store_read(rotation->store, &CELL_DIRECTORY, arena, page_work, &page, err))
                        return false;
                for (size_t i = 0; i < page.count && !is_stopping(rotation); i++) {
                        if (rotation->nodes && !root_nodes_beat(rotation->nodes, err))
                                return false;
                        count_visit(rotation, &page.cells[i], visit(rotation, &page.cells[i], err), err);
                }
                if (page.count > 0) {
                        page.after_tenant = page.cells[page.count - 1].tenant;
                        page.after_region = page.cells[page.count - 1].region;
                }
        }
        if (is_stopping(rotation) || rotation->failures > 0)
                return err_set(err, ERR_STORE_BUSY, "not all cells could be visited");
        return true;
}

static bool finish(struct rotation *rotation, struct err *err)
{
        uint32_t previous = envelope_previous_version(rotation->envelope);

        test_step("before the old root key is retired");
        if (!go_round(rotation, err) || !envelope_retire(rotation->envelope, err))
                return false;
        test_step("after the old root key is retired");
        log_line(LOG_INFO, "nothing is under the old root key any more; it is erased",
                 LOG_INT("version", (int64_t)previous));
        return true;
}

/* -1: until something is to be done. */
static void wait_for_work(struct rotation *rotation, int64_t pause_ms)
{
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += pause_ms / 1000;
        until.tv_nsec += pause_ms % 1000 * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_mutex_lock(&rotation->lock);
        while (!rotation->stopping && !rotation->kicked) {
                if (pause_ms < 0)
                        pthread_cond_wait(&rotation->changed, &rotation->lock);
                else if (pthread_cond_timedwait(&rotation->changed, &rotation->lock, &until) == ETIMEDOUT)
                        break;
        }
        rotation->kicked = false;
        pthread_mutex_unlock(&rotation->lock);
}

static void *rotation_main(void *arg)
{
        struct rotation *rotation = arg;
        struct err err;

        while (!is_stopping(rotation)) {
                bool again = false;

                if (envelope_previous_version(rotation->envelope) != 0)
                        again = !finish(rotation, &err);
                if (!is_stopping(rotation))
                        wait_for_work(rotation, again ? RETRY_MS : -1);
        }
        return NULL;
}

/* ---- with other nodes ---------------------------------------------------------------------------- */

static bool round_for_nodes(void *arg, struct arena *arena, struct root_regions *ret, struct err *err)
{
        struct rotation *rotation = arg;
        bool ok;

        rotation->regions = ret;
        rotation->regions_arena = arena;
        ok = go_round(rotation, err) && arena_check(arena, err);
        rotation->regions = NULL;
        return ok;
}

static void *rotation_main_shared(void *arg)
{
        struct rotation *rotation = arg;
        struct err err;

        while (!is_stopping(rotation)) {
                unsigned pause_ms = RETRY_MS;

                if (!root_nodes_step(rotation->nodes, &pause_ms, &err) && !is_stopping(rotation))
                        log_line(LOG_WARN, "the rotation of the root key could not go on; it is tried again",
                                 LOG_C("why", err.message));
                wait_for_work(rotation, pause_ms);
        }
        return NULL;
}

static bool join_others(struct rotation *rotation, struct err *err)
{
        const struct root_nodes_owner owner = {rotation, round_for_nodes};

        return root_nodes_join(rotation->store, rotation->envelope, &owner, &rotation->nodes, err);
}

/* ---- the doors --------------------------------------------------------------------------------- */

bool rotation_start(struct store *store, struct envelope *envelope, struct rotation **ret, struct err *err)
{
        struct rotation *rotation = heap_alloc_zeroed(1, sizeof(*rotation));

        *ret = NULL;
        if (!rotation)
                return err_set(err, ERR_NO_MEMORY, "no memory to start");
        rotation->store = store;
        rotation->envelope = envelope;
        pthread_mutex_init(&rotation->lock, NULL);
        pthread_cond_init(&rotation->changed, NULL);
        /* A next key is left where a store of several nodes became one's own: nothing is under it. */
        if (store_is_shared(store) ? !join_others(rotation, err) : !envelope_unstage(envelope, err)) {
                heap_free(rotation);
                return false;
        }
        if (pthread_create(&rotation->thread, NULL, rotation->nodes ? rotation_main_shared : rotation_main,
                           rotation) != 0) {
                root_nodes_leave(rotation->nodes);
                heap_free(rotation);
                return err_set(err, ERR_SYSTEM, "no thread for the rotation of keys");
        }
        *ret = rotation;
        return true;
}

void rotation_stop(struct rotation *rotation)
{
        if (!rotation)
                return;
        pthread_mutex_lock(&rotation->lock);
        rotation->stopping = true;
        pthread_cond_broadcast(&rotation->changed);
        pthread_mutex_unlock(&rotation->lock);
        pthread_join(rotation->thread, NULL);
        root_nodes_leave(rotation->nodes);
        pthread_cond_destroy(&rotation->changed);
        pthread_mutex_destroy(&rotation->lock);
        heap_free(rotation);
}

bool rotation_begin(struct rotation *rotation, bool alone, struct err *err)
{
        test_step("before the new root key is written");
        if (rotation->nodes ? !root_nodes_begin(rotation->nodes, alone, err)
                            : !envelope_rotate(rotation->envelope, err))
                return false;
        test_step("after the new root key is written");
        pthread_mutex_lock(&rotation->lock);
        rotation->kicked = true;
        pthread_cond_broadcast(&rotation->changed);
        pthread_mutex_unlock(&rotation->lock);
        return true;
}

void rotation_status(struct rotation *rotation, struct rotation_status *ret)
{
        pthread_mutex_lock(&rotation->lock);
        *ret = (struct rotation_status){
                .keys = rotation->keys, .cells = rotation->cells, .failures = rotation->failures};
        pthread_mutex_unlock(&rotation->lock);
        ret->current = envelope_current_version(rotation->envelope);
        ret->previous = envelope_previous_version(rotation->envelope);
        ret->next = envelope_next_version(rotation->envelope);
        ret->waiting = rotation->nodes ? root_nodes_waiting(rotation->nodes) : 0;
        ret->provider = envelope_provider(rotation->envelope);
}
