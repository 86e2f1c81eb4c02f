/* SPDX-License-Identifier: Apache-2.0 */
#include "store/internal.h"

#include "base/clock.h"

enum {
        STACK_BYTES = 2 * 1024 * 1024, /* SQLite's parser alone can want 400 KiB */
        ROWS_BYTES = 16 * 1024 * 1024, /* what a job without an arena may read */
        HOOKS_BYTES = 16 * 1024 * 1024,
        ANSWER_US = 250, /* finished reads are answered together, but not later than this */
};

static _Thread_local bool is_store_thread;

bool on_store_thread(void)
{
        return is_store_thread;
}

void job_push(struct job_queue *queue, struct store_job *job)
{
        job->next = NULL;
        if (queue->tail)
                queue->tail->next = job;
        else
                queue->head = job;
        queue->tail = job;
        queue->count++;
}

static struct store_job *job_pop(struct job_queue *queue)
{
        struct store_job *job = queue->head;

        if (!job)
                return NULL;
        queue->head = job->next;
        if (!queue->head)
                queue->tail = NULL;
        queue->count--;
        return job;
}

/* Moves up to `most` jobs from the front of one queue to the end of another. */
static void jobs_take(struct job_queue *from, size_t most, struct job_queue *to)
{
        while (most-- > 0 && from->head)
                job_push(to, job_pop(from));
}

/* Puts jobs back before all others. */
static void jobs_return(struct job_queue *to, struct job_queue *from)
{
        if (!from->head)
                return;
        from->tail->next = to->head;
        if (!to->tail)
                to->tail = from->tail;
        to->head = from->head;
        to->count += from->count;
        *from = (struct job_queue){0};
}

void job_fail(struct store_job *job, const struct err *err)
{
        job->ok = false;
        job->err = *err;
        job->done(job);
}

static void queue_push(struct run_queue *queue, struct cell *cell, bool is_write)
{
        if (is_write)
                cell->write_next = NULL;
        else
                cell->read_next = NULL;
        if (!queue->tail)
                queue->head = cell;
        else if (is_write)
                queue->tail->write_next = cell;
        else
                queue->tail->read_next = cell;
        queue->tail = cell;
}

void run_queue_unlock(struct store *store, struct run_queue *queue)
{
        bool wake = queue->head && queue->idle > 0 && !queue->waking;

        queue->waking |= wake;
        pthread_mutex_unlock(&store->lock);
        if (wake)
                pthread_cond_signal(&queue->wake);
}

static struct cell *queue_pop(struct run_queue *queue, bool is_write)
{
        struct cell *cell = queue->head;

        if (!cell)
                return NULL;
        queue->head = is_write ? cell->write_next : cell->read_next;
        if (!queue->head)
                queue->tail = NULL;
        return cell;
}

void run_queue_write(struct store *store, struct cell *cell)
{
        if (cell->write_queued || cell->writing || cell->writes.count == 0)
                return;
        cell->write_queued = true;
        queue_push(&store->write_run, cell, true);
}

void run_queue_read(struct store *store, struct cell *cell)
{
        if (cell->read_queued || cell->reads.count == 0)
                return;
        cell->read_queued = true;
        queue_push(&store->read_run, cell, false);
}

static unsigned bucket_of(uint64_t value)
{
        unsigned bits = value ? 64 - (unsigned)__builtin_clzll(value) : 0;

        return bits < STORE_HISTOGRAM ? bits : STORE_HISTOGRAM - 1;
}

static uint64_t since_us(int64_t start_us)
{
        int64_t spent = clock_mono_us() - start_us;

        return spent > 0 ? (uint64_t)spent : 0;
}

static void hooks_run(struct store_job *job)
{
        struct tx_hook *ordered = NULL;

        while (job->hooks) {
                struct tx_hook *hook = job->hooks;
                job->hooks = hook->next;
                hook->next = ordered;
                ordered = hook;
        }
        for (; ordered; ordered = ordered->next)
                ordered->fn(ordered->arg);
}

static void stats_add(struct store_stats *to, struct store_stats *from)
{
        /* Every field up to the gauges is a count. */
        uint64_t *sums = (uint64_t *)to;
        uint64_t *added = (uint64_t *)from;

        for (size_t i = 0; i < offsetof(struct store_stats, writes_waiting) / sizeof(uint64_t); i++)
                sums[i] += added[i];
        memset(from, 0, sizeof(*from));
}

static void stats_flush(struct worker *worker)
{
        pthread_mutex_lock(&worker->store->stats_lock);
        stats_add(&worker->store->stats, &worker->delta);
        pthread_mutex_unlock(&worker->store->stats_lock);
}

static void answer(struct worker *worker)
{
        struct store_job *job;

        for (job = worker->finished.head; job; job = job->next) {
                uint64_t failed = job->ok ? 0 : 1;
                if (worker->is_writer)
                        worker->delta.writes_failed += failed;
                else
                        worker->delta.reads_failed += failed;
        }
        /* Whoever has an answer finds it counted. */
        stats_flush(worker);
        while ((job = job_pop(&worker->finished))) {
                if (job->ok || job->uncertain)
                        hooks_run(job);
                job->done(job); /* the job may be gone now */
        }
}

/* Runs the work of one job; ok and err of the job say how it went. */
static void job_run(struct worker *worker, struct conn *conn, struct store_job *job)
{
        struct tx tx = {
                .conn = conn,
                .cell = &worker->cell->ref,
                .arena = job->arena ? job->arena : &worker->rows,
                .keys = atomic_load_explicit(&worker->store->keys, memory_order_acquire),
                .hooks_arena = &worker->hooks,
                .is_write = worker->is_writer,
        };

        err_clear(&job->err);
        job->ok = job->work(&tx, job->arg, &job->err);
        job->hooks = tx.hooks;
        if (job->ok && tx.failed)
                job->ok = err_set(&job->err, ERR_STORE_BUSY, "what is to follow the commit cannot be kept");
        if (conn->runs_open > 0) {
                statements_end(conn);
                if (job->ok)
                        job->ok = err_set(&job->err, ERR_INTERNAL, "a cursor was left open");
        }
        if (!job->arena)
                arena_reset(&worker->rows);
}

static void finish_failed(struct worker *worker, struct store_job *job, const struct err *err)
{
        job->ok = false;
        job->err = *err;
        job_push(&worker->finished, job);
}

/* The group's transaction is gone or will not come to be: whoever had succeeded in it hears why. */
static void fail_succeeded(struct worker *worker, bool uncertain, const struct err *err)
{
        for (struct store_job *job = worker->finished.head; job; job = job->next) {
                if (job->ok) {
                        job->ok = false;
                        job->uncertain = uncertain;
                        job->err = *err;
                }
        }
}

/*
 * Runs a job under its savepoint. False if the transaction of the whole group
 * is lost with it: SQLite, for one, may roll all of it back when the disk is
 * full (https://www.sqlite.org/lang_transaction.html, section 3).
 */
static bool job_run_in_savepoint(struct worker *worker, struct conn *conn, struct store_job *job,
                                 struct err *ret_err)
{
        const struct driver *driver = conn->driver;

        if (!driver->savepoint(conn, ret_err)) {
                finish_failed(worker, job, ret_err);
                return driver->in_transaction(conn);
        }
        job_run(worker, conn, job);
        job_push(&worker->finished, job);
        if (!driver->in_transaction(conn)) {
                if (job->ok)
                        job->ok = err_set(&job->err, ERR_STORE_FAILED, "the transaction was rolled back");
                *ret_err = job->err;
                return false;
        }
        if (job->ok && !driver->release(conn, &job->err))
                job->ok = false;
        return job->ok || driver->take_back(conn, ret_err);
}

/* One group: every job of worker->batch ends in worker->finished, or stays because the group was lost. */
static void run_group(struct worker *worker, struct conn *conn)
{
        const struct driver *driver = conn->driver;
        bool any_ok = false;
        struct store_job *job;
        struct err err;

        if (!driver->begin(conn, true, &err)) {
                while ((job = job_pop(&worker->batch)))
                        finish_failed(worker, job, &err);
                return;
        }
        while ((job = job_pop(&worker->batch))) {
                if (!job_run_in_savepoint(worker, conn, job, &err)) {
                        err_prefix(&err, "another change in the same commit failed, try again");
                        fail_succeeded(worker, false, &err);
                        driver->roll_back(conn);
                        return;
                }
                any_ok |= job->ok;
        }
        if (!any_ok) {
                driver->roll_back(conn);
                return;
        }
        int64_t start_us = clock_mono_us();
        enum commit_result result = driver->commit(conn, &err);
        uint64_t spent_us = since_us(start_us);
        worker->delta.commits++;
        worker->delta.commit_us += spent_us;
        worker->delta.commit_us_histogram[bucket_of(spent_us)]++;
        if (result != COMMIT_DONE) {
                worker->delta.commits_failed++;
                worker->delta.uncertain += result == COMMIT_UNCERTAIN;
                fail_succeeded(worker, result == COMMIT_UNCERTAIN, &err);
        }
}

static void count_batch(struct worker *worker)
{
        uint64_t waited = 0;

        for (const struct store_job *job = worker->batch.head; job; job = job->next) {
                int64_t us = worker->started_us - job->submitted_us;
                waited += us > 0 ? (uint64_t)us : 0;
        }
        worker->delta.batch_histogram[bucket_of(worker->batch.count)]++;
        if (worker->is_writer) {
                worker->delta.writes += worker->batch.count;
                worker->delta.write_wait_us += waited;
        } else {
                worker->delta.reads += worker->batch.count;
                worker->delta.read_wait_us += waited;
                worker->delta.read_batches++;
        }
}

/* Runs the batch on a connection that is opened if there is none; returns it, or NULL. */
static struct conn *write_batch(struct worker *worker, struct conn *conn)
{
        struct store *store = worker->store;
        struct store_job *job;
        struct err err;

        worker->started_us = clock_mono_us();
        count_batch(worker);
        if (!conn)
                conn = cell_connect(store, worker->cell, true, &err);
        if (!conn) {
                while ((job = job_pop(&worker->batch)))
                        finish_failed(worker, job, &err);
                answer(worker);
                return NULL;
        }
        run_group(worker, conn);
        answer(worker);
        if (!conn->broken) {
                int64_t start_us = clock_mono_us();
                if (conn->driver->tidy(conn)) {
                        worker->delta.checkpoints++;
                        worker->delta.checkpoint_us += since_us(start_us);
                }
        }
        if (conn->broken || conn->driver->pooled) {
                cell_disconnect(store, conn);
                conn = NULL;
        }
        return conn;
}

/*
 * A statement runs long: answer what is finished, and let another worker have
 * the rest of the batch and whatever else waits for this cell.
 */
static void read_pause(void *arg)
{
        struct worker *worker = arg;
        struct store *store = worker->store;

        answer(worker);
        pthread_mutex_lock(&store->lock);
        jobs_return(&worker->cell->reads, &worker->batch);
        run_queue_read(store, worker->cell);
        run_queue_unlock(store, &store->read_run);
}

static struct conn *read_batch(struct worker *worker, struct conn *conn)
{
        struct store *store = worker->store;
        struct store_job *job;
        struct err err;
        bool ok;

        worker->started_us = clock_mono_us();
        count_batch(worker);
        if (!conn)
                conn = cell_connect(store, worker->cell, false, &err);
        ok = conn && conn->driver->begin(conn, false, &err);
        if (ok)
                conn->driver->set_pause(conn, read_pause, worker);
        int64_t answered_us = worker->started_us;
        while ((job = job_pop(&worker->batch))) {
                if (ok) {
                        job_run(worker, conn, job);
                        job_push(&worker->finished, job);
                } else {
                        finish_failed(worker, job, &err);
                }
                int64_t now_us = worker->batch.head ? clock_mono_us() : answered_us;
                if (now_us - answered_us > ANSWER_US) {
                        answer(worker);
                        answered_us = now_us;
                }
        }
        answer(worker);
        if (ok) {
                conn->driver->set_pause(conn, NULL, NULL);
                conn->driver->roll_back(conn);
        }
        if (conn && (conn->broken || conn->driver->pooled)) {
                cell_disconnect(store, conn);
                conn = NULL;
        }
        return conn;
}

/* With the lock: waits for a cell that has work. NULL when the store closes and nothing is left. */
static struct cell *next_cell(struct store *store, struct run_queue *queue, bool is_writer)
{
        struct cell *cell;

        while (!(cell = queue_pop(queue, is_writer))) {
                if (store->closing)
                        return NULL;
                queue->idle++;
                pthread_cond_wait(&queue->wake, &store->lock);
                queue->idle--;
                queue->waking = false;
        }
        return cell;
}

static void run_writes(struct worker *worker, struct cell *cell)
{
        struct store *store = worker->store;
        struct conn *conn = cell->write_conn;

        cell->write_queued = false;
        cell->writing = true;
        cell->write_conn = NULL;
        lru_remove(store, cell);
        jobs_take(&cell->writes, store->batch_max, &worker->batch);
        run_queue_unlock(store, &store->write_run); /* for the other cells that wait */

        conn = write_batch(worker, conn);

        arena_reset(&worker->hooks);
        pthread_mutex_lock(&store->lock);
        jobs_return(&cell->writes, &worker->batch);
        cell->writing = false;
        cell->write_conn = conn;
        run_queue_write(store, cell);
}

static void run_reads(struct worker *worker, struct cell *cell)
{
        struct store *store = worker->store;
        struct conn *conn = cell->read_conns;

        cell->read_queued = false;
        cell->reading++;
        if (conn)
                cell->read_conns = conn->next;
        lru_remove(store, cell);
        jobs_take(&cell->reads, store->batch_max, &worker->batch);
        run_queue_unlock(store, &store->read_run); /* for the other cells that wait */

        conn = read_batch(worker, conn);

        arena_reset(&worker->hooks);
        pthread_mutex_lock(&store->lock);
        cell->reading--;
        if (conn) {
                conn->next = cell->read_conns;
                cell->read_conns = conn;
        }
        run_queue_read(store, cell);
}

static void *worker_main(void *arg)
{
        struct worker *worker = arg;
        struct store *store = worker->store;
        struct run_queue *queue = worker->is_writer ? &store->write_run : &store->read_run;
        struct cell *cell;

        is_store_thread = true;
        pthread_mutex_lock(&store->lock);
        while ((cell = next_cell(store, queue, worker->is_writer))) {
                worker->cell = cell;
                if (worker->is_writer)
                        run_writes(worker, cell);
                else
                        run_reads(worker, cell);
                worker->cell = NULL;
                cell_settle(store, cell);
                if (worker->is_writer) /* checkpoints, after the answers */
                        stats_flush(worker);
        }
        pthread_mutex_unlock(&store->lock);
        return NULL;
}

bool workers_start(struct store *store, unsigned writers, unsigned readers, struct err *err)
{
        pthread_attr_t attributes;
        int failed = 0;

        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
        for (unsigned i = 0; i < writers + readers; i++) {
                struct worker *worker = &store->workers[i];
                worker->store = store;
                worker->is_writer = i < writers;
                arena_init(&worker->rows, ROWS_BYTES);
                arena_init(&worker->hooks, HOOKS_BYTES);
                failed = pthread_create(&worker->thread, &attributes, worker_main, worker);
                if (failed)
                        break;
                pthread_setname_np(worker->thread, worker->is_writer ? "store-write" : "store-read");
                store->started++;
        }
        pthread_attr_destroy(&attributes);
        return failed == 0 || err_set_errno(err, ERR_SYSTEM, failed, "a store thread cannot be started");
}

void workers_stop(struct store *store)
{
        pthread_mutex_lock(&store->lock);
        store->closing = true;
        pthread_cond_broadcast(&store->write_run.wake);
        pthread_cond_broadcast(&store->read_run.wake);
        pthread_mutex_unlock(&store->lock);
        for (unsigned i = 0; i < store->started; i++) {
                pthread_join(store->workers[i].thread, NULL);
                arena_done(&store->workers[i].rows);
                arena_done(&store->workers[i].hooks);
        }
}
