/* SPDX-License-Identifier: Apache-2.0 */
#include "store/internal.h"

#include "base/clock.h"
#include "base/heap.h"

#include <semaphore.h>
#include <sys/resource.h>

enum {
        HANDLES_DEFAULT = 256,
        HANDLES_LEAST = 8,
        DESCRIPTORS_PER_HANDLE = 3,
        DESCRIPTORS_ELSEWHERE = 128, /* logs, loops, a few connections */
        THREADS_DEFAULT = 2,
        THREADS_MAX = 64,
        BATCH_DEFAULT = 512,
};

/* At most half of what the process may open is for the store; connections need the rest. */
static unsigned handles_possible(unsigned wanted)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
                return wanted;
        rlim_t room = limit.rlim_cur > DESCRIPTORS_ELSEWHERE ? limit.rlim_cur - DESCRIPTORS_ELSEWHERE : 0;
        rlim_t possible = room / 2 / DESCRIPTORS_PER_HANDLE;
        if (possible < HANDLES_LEAST)
                possible = HANDLES_LEAST;
        return possible < wanted ? (unsigned)possible : wanted;
}

static unsigned threads(const struct store_options *options, unsigned wanted)
{
        if (wanted == 0) /* with PostgreSQL they mostly wait for the network */
                return options->url ? 2 * THREADS_DEFAULT : THREADS_DEFAULT;
        return wanted < THREADS_MAX ? wanted : THREADS_MAX;
}

static bool directory_touch(struct tx *tx, void *arg, struct err *err)
{
        (void)tx;
        (void)arg;
        (void)err;
        return true;
}

bool store_open(const struct store_options *options, struct store **ret_store, struct err *err)
{
        struct store_options given = *options;
        unsigned writers = given.writers = threads(options, options->writers);
        unsigned readers = given.readers = threads(options, options->readers);
        struct store *store = heap_alloc_zeroed(1, sizeof(*store));

        if (!store)
                return err_set(err, ERR_NO_MEMORY, "no memory for the store");
        pthread_mutex_init(&store->lock, NULL);
        pthread_mutex_init(&store->stats_lock, NULL);
        pthread_mutex_init(&store->schema_lock, NULL);
        pthread_cond_init(&store->write_run.wake, NULL);
        pthread_cond_init(&store->read_run.wake, NULL);
        store->driver = options->url ? &driver_postgres : &driver_sqlite;
        store->handles_max = handles_possible(options->handles_max ? options->handles_max : HANDLES_DEFAULT);
        store->batch_max = options->batch_max ? options->batch_max : BATCH_DEFAULT;
        store->worker_count = writers + readers;
        store->workers = heap_alloc_zeroed(store->worker_count, sizeof(*store->workers));
        if (!store->workers)
                err_set(err, ERR_NO_MEMORY, "no memory for the store's threads");
        /* Opening the directory shows at once whether the folder can be used. */
        if (!store->workers || !store->driver->start(&given, &store->state, err) ||
            !workers_start(store, writers, readers, err) ||
            !store_write(store, &CELL_DIRECTORY, NULL, directory_touch, NULL, err)) {
                store_close(store);
                return false;
        }
        *ret_store = store;
        return true;
}

void store_close(struct store *store)
{
        if (!store)
                return;
        workers_stop(store);
        cells_free(store);
        if (store->state)
                store->driver->stop(store->state);
        heap_free(store->workers);
        pthread_cond_destroy(&store->write_run.wake);
        pthread_cond_destroy(&store->read_run.wake);
        pthread_mutex_destroy(&store->stats_lock);
        pthread_mutex_destroy(&store->schema_lock);
        arena_done(&store->schema_arena);
        pthread_mutex_destroy(&store->lock);
        heap_free(store);
}

/* With the lock. False when the job cannot be queued; it is not done then. */
static bool enqueue(struct store *store, const struct cell_ref *ref, struct store_job *job, bool is_write,
                    struct err *err)
{
        struct cell *cell;

        if (store->closing)
                return err_set(err, ERR_SHUTTING_DOWN, "the store is closing");
        cell = cell_get(store, ref, err);
        if (!cell)
                return false;
        if (is_write) {
                job_push(&cell->writes, job);
                run_queue_write(store, cell);
                return true;
        }
        job_push(&cell->reads, job);
        /* While one worker reads this cell, jobs gather for its next batch. */
        if (cell->reading == 0)
                run_queue_read(store, cell);
        return true;
}

static void submit(struct store *store, const struct cell_ref *ref, struct store_job *job, bool is_write)
{
        struct err err;
        bool queued;

        job->hooks = NULL;
        job->uncertain = false;
        job->submitted_us = clock_mono_us();
        pthread_mutex_lock(&store->lock);
        queued = enqueue(store, ref, job, is_write, &err);
        run_queue_unlock(store, is_write ? &store->write_run : &store->read_run);
        if (!queued)
                job_fail(job, &err);
}

void store_submit_reads(struct store *store, struct store_pending *list)
{
        int64_t now_us = clock_mono_us();
        struct store_job *refused = NULL;

        pthread_mutex_lock(&store->lock);
        while (list) {
                struct store_pending *next = list->next; /* the job may be done once it is queued */
                struct store_job *job = list->job;

                job->hooks = NULL;
                job->uncertain = false;
                job->submitted_us = now_us;
                if (!enqueue(store, list->cell, job, false, &job->err)) {
                        job->next = refused;
                        refused = job;
                }
                list = next;
        }
        run_queue_unlock(store, &store->read_run);
        while (refused) {
                struct store_job *job = refused;
                struct err err = job->err;

                refused = job->next;
                job_fail(job, &err);
        }
}

void store_submit_write(struct store *store, const struct cell_ref *cell, struct store_job *job)
{
        submit(store, cell, job, true);
}

void store_submit_read(struct store *store, const struct cell_ref *cell, struct store_job *job)
{
        submit(store, cell, job, false);
}

static void blocking_done(struct store_job *job)
{
        sem_post(job->data);
}

static bool blocking(struct store *store, const struct cell_ref *cell, struct arena *arena, store_work work,
                     void *arg, bool is_write, struct err *err)
{
        sem_t done;
        struct store_job job = {
                .work = work, .arg = arg, .arena = arena, .done = blocking_done, .data = &done};

        if (on_store_thread())
                return err_set(err, ERR_INTERNAL, "a store thread cannot wait for the store");
        sem_init(&done, 0, 0);
        submit(store, cell, &job, is_write);
        while (sem_wait(&done) != 0)
                ; /* a signal */
        sem_destroy(&done);
        if (!job.ok)
                *err = job.err;
        return job.ok;
}

bool store_write(struct store *store, const struct cell_ref *cell, struct arena *arena, store_work work,
                 void *arg, struct err *err)
{
        return blocking(store, cell, arena, work, arg, true, err);
}

bool store_read(struct store *store, const struct cell_ref *cell, struct arena *arena, store_work work,
                void *arg, struct err *err)
{
        return blocking(store, cell, arena, work, arg, false, err);
}

void store_set_keys(struct store *store, struct tenant_keys *keys)
{
        atomic_store_explicit(&store->keys, keys, memory_order_release);
}

bool store_is_shared(const struct store *store)
{
        return store->driver->pooled;
}

bool store_listen(struct store *store, void (*fn)(struct str message, void *arg), void *arg, struct err *err)
{
        return !store->driver->listen || store->driver->listen(store->state, fn, arg, err);
}

void store_listen_stop(struct store *store)
{
        if (store->driver->listen_stop)
                store->driver->listen_stop(store->state);
}

bool store_hears(struct store *store)
{
        return !store->driver->hears || store->driver->hears(store->state);
}

static bool check_cell(const struct cell_ref *cell, struct err *err)
{
        if (cell->tenant.len == 0)
                return err_set(err, ERR_BAD_PARAMETER, "a cell needs a tenant");
        return cell_ref_check(cell, err);
}

bool store_cell_create(struct store *store, const struct cell_ref *cell, struct err *err)
{
        return check_cell(cell, err) && store->driver->cell_create(store->state, cell, err);
}

bool store_cell_exists(struct store *store, const struct cell_ref *cell, bool *ret_exists, struct err *err)
{
        struct cell_stand stand;

        if (!store_cell_stand(store, cell, &stand, err))
                return false;
        *ret_exists = stand.standing == CELL_ACTIVE || stand.standing == CELL_MOVING;
        return true;
}

bool store_cell_list(struct store *store, struct str region,
                     bool (*fn)(const struct cell_ref *cell, void *arg, struct err *err), void *arg,
                     struct err *err)
{
        /* Any tenant will do: it is the region that is checked. */
        const struct cell_ref probe = {STR("t"), region};

        return cell_ref_check(&probe, err) && store->driver->cell_list(store->state, region, fn, arg, err);
}

bool store_cell_snapshot(struct store *store, const struct cell_ref *cell, const char *path, struct err *err)
{
        if (!cell_ref_check(cell, err))
                return false;
        return store->driver->snapshot ? store->driver->snapshot(store->state, cell, path, err)
                                       : store_snapshot_rows(store, cell, path, err);
}

bool store_cell_stand(struct store *store, const struct cell_ref *cell, struct cell_stand *ret_stand,
                      struct err *err)
{
        return check_cell(cell, err) && store->driver->stand(store->state, cell, ret_stand, err);
}

bool store_cell_set_stand(struct store *store, const struct cell_ref *cell, const struct cell_stand *was,
                          const struct cell_stand *stand, struct err *err)
{
        if (!check_cell(cell, err))
                return false;
        cell_forget(store, cell);
        return store->driver->set_stand(store->state, cell, was, stand, err);
}

void store_stats(struct store *store, struct store_stats *ret_stats)
{
        pthread_mutex_lock(&store->lock);
        pthread_mutex_lock(&store->stats_lock);
        *ret_stats = store->stats;
        pthread_mutex_unlock(&store->stats_lock);
        for (size_t i = 0; i < store->table_size; i++) {
                for (const struct cell *cell = store->table[i]; cell; cell = cell->hash_next) {
                        ret_stats->writes_waiting += cell->writes.count;
                        ret_stats->reads_waiting += cell->reads.count;
                }
        }
        ret_stats->handles_open = store->handles_open;
        pthread_mutex_unlock(&store->lock);
}
