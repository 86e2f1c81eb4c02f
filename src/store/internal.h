/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the store. From the bottom up:
 *
 *   driver.h   what a database must be able to do; sqlite.c is one
 *   sql.c      statements of a transaction, and their cache
 *   cells.c    the cells in memory, and the LRU of their connections
 *   workers.c  the threads: group commit and snapshot reads
 *   store.c    the public functions
 */
#pragma once

#include "store/driver.h"
#include "store/schema.h"
#include "store/sql.h"

#include <pthread.h>

enum { TENANT_MAX = 64, REGION_MAX = 32 };

struct tx_hook {
        struct tx_hook *next;
        void (*fn)(void *arg);
        void *arg;
};

struct tx {
        struct conn *conn;
        const struct cell_ref *cell;
        struct arena *arena; /* for the strings of rows */
        struct tenant_keys *keys;
        struct arena *hooks_arena;
        struct tx_hook *hooks; /* newest first */
        bool is_write;
        bool failed; /* a hook or a message could not be kept */
};

/* Jobs waiting for one cell, oldest first. */
struct job_queue {
        struct store_job *head, *tail;
        size_t count;
};

/*
 * A cell that has work or open connections. All fields are guarded by
 * store->lock; the connections belong to a worker while it runs the cell.
 */
struct cell {
        struct cell_ref ref; /* its strings are the two arrays below */
        uint64_t hash;
        struct cell *hash_next;
        /* In the LRU while no worker runs it and it has connections; newest first. */
        struct cell *newer, *older;
        bool in_lru;
        bool trimmed; /* its connections have given back what they can */

        struct job_queue writes, reads;
        struct cell *write_next, *read_next; /* in the run queues */
        bool write_queued, read_queued;
        bool writing;
        unsigned reading; /* workers */

        struct conn *write_conn;
        struct conn *read_conns; /* idle ones */

        char tenant[TENANT_MAX + 1];
        char region[REGION_MAX + 1];
};

struct run_queue {
        struct cell *head, *tail;
        pthread_cond_t wake;
        unsigned idle; /* workers that wait */
        bool waking;   /* one of them was signalled and has not run yet */
};

struct worker {
        struct store *store;
        bool is_writer;
        pthread_t thread;
        struct arena rows;  /* for jobs without an arena */
        struct arena hooks; /* for tx_on_commit; lasts for a batch */
        /* Of the batch that runs; for the driver's pause call. */
        struct cell *cell;
        struct job_queue batch;
        struct job_queue finished;
        int64_t started_us;
        struct store_stats delta; /* added to the store's under its lock */
};

struct store {
        const struct driver *driver;
        struct driver_state *state;
        _Atomic(struct tenant_keys *) keys;
        unsigned handles_max, batch_max;

        pthread_mutex_t lock;
        bool closing;
        struct cell **table; /* open hashing, table_size is a power of two */
        size_t table_size, cell_count;
        struct cell *lru_newest, *lru_oldest;
        unsigned handles_open;
        uint64_t evictions;
        struct run_queue write_run, read_run;
        pthread_mutex_t stats_lock; /* taken alone or inside lock */
        struct store_stats stats;

        struct worker *workers;
        unsigned worker_count, started;

        /* For store_snapshot_rows; read when it is first needed. */
        pthread_mutex_t schema_lock;
        struct arena schema_arena; /* guarded by schema_lock */
        struct schema *schema;     /* guarded by schema_lock; never changes */
};

/* cells.c; the caller holds store->lock unless said otherwise. */

/* Checks the characters and lengths. Any thread, no lock. BAD_PARAMETER. */
bool cell_ref_check(const struct cell_ref *ref, struct err *err) MUST_USE;
struct cell *cell_get(struct store *store, const struct cell_ref *ref, struct err *err);
void lru_remove(struct store *store, struct cell *cell);
/* After a worker is through with the cell: into the LRU, or freed when nothing holds it. */
void cell_settle(struct store *store, struct cell *cell);
/* Opens a connection, and closes others when there are too many. Without the lock. */
struct conn *cell_connect(struct store *store, struct cell *cell, bool is_write, struct err *err);
/* Without the lock. */
void cell_disconnect(struct store *store, struct conn *conn);
/* Closes the connections of a cell that nothing runs on. Takes the lock. */
void cell_forget(struct store *store, const struct cell_ref *ref);
/* With no worker running. */
void cells_free(struct store *store);

/* sqlite_snapshot.c */

/* As store_cell_snapshot, from a store whose cells are no files. */
bool store_snapshot_rows(struct store *store, const struct cell_ref *cell, const char *path,
                         struct err *err) MUST_USE;

/* workers.c */
bool workers_start(struct store *store, unsigned writers, unsigned readers, struct err *err) MUST_USE;
/* Lets the queues run empty. */
void workers_stop(struct store *store);
void run_queue_write(struct store *store, struct cell *cell);
void run_queue_read(struct store *store, struct cell *cell);
/*
 * Gives the lock back, and then wakes a worker of the queue if cells wait and
 * one sleeps: a worker that was woken inside the lock would only wait for it.
 * Whoever put a cell into a queue and does not take one itself ends with this.
 */
void run_queue_unlock(struct store *store, struct run_queue *queue);
bool on_store_thread(void);
void job_push(struct job_queue *queue, struct store_job *job);
/* Without the lock. */
void job_fail(struct store_job *job, const struct err *err);
