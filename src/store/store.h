/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: transactions on cells. A cell is everything of one tenant in one
 * region; besides the cells there is one directory, for what must be known
 * before a tenant is.
 *
 * A caller hands in a job; its work function runs on a store thread inside a
 * transaction on exactly one cell and cannot name another. Writes of one cell
 * run one after another and are committed in groups: each job has its own
 * savepoint, one commit makes all of them durable, and only then does any of
 * them hear of it. Acknowledged means durable. Reads run beside the writes, on
 * a snapshot that holds every write that was acknowledged before the read was
 * submitted.
 *
 * Statements are named SQL in `.sql` files, turned into typed functions by
 * tools/sqlgen.py, whose head comment says how.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct store;
struct tenant_keys;
struct tx;

/* Lower-case letters, digits, '_' and '-'; tenant up to 64 bytes, region up to 32. */
struct cell_ref {
        struct str tenant;
        struct str region;
};
/* Use as `&CELL_DIRECTORY`. */
#define CELL_DIRECTORY ((struct cell_ref){STR_NULL, STR_NULL})

/* Where a region's cells are, when they are on PostgreSQL. */
struct store_region {
        const char *region;
        const char *url; /* NULL: the store's own */
};

struct store_options {
        const char *folder; /* made if it is missing, mode 0700 */
        /*
         * "postgres://…", for the directory and for each region that has no URL of its own; NULL: SQLite
         * files in the folder. The regions listed are checked at the start, others when they are first
         * used. `regions` and its strings must outlive the store.
         */
        const char *url;
        const struct store_region *regions;
        size_t region_count;
        unsigned pool_max;        /* connections to one region's database; 0: one for each thread, and two */
        unsigned lock_timeout_ms; /* 0: 10000 */
        unsigned statement_timeout_ms; /* 0: 30000 */
        unsigned handles_max;     /* open database handles; 0: 256; less if few descriptors may be opened */
        unsigned writers;         /* threads; 0: 2, with PostgreSQL 4 */
        unsigned readers;         /* threads; 0: 2, with PostgreSQL 4 */
        unsigned batch_max;       /* jobs in one commit or one snapshot; 0: 512 */
        unsigned busy_timeout_ms; /* how long to wait for another process; 0: 2000 */
        unsigned cache_kib;       /* page cache of one handle, at most; 0: 1024 */
        bool moves_cells; /* reads and writes cells wherever they stand; for store_cell_stand's caller only
                           */
};

/*
 * Opens the store: takes the folder's lock (STORE_BUSY when another process
 * has it), migrates the directory, starts the threads. Cells are opened and
 * migrated when they are first used.
 */
bool store_open(const struct store_options *options, struct store **ret_store, struct err *err) MUST_USE;
/* Runs what waits, then stops and frees. Jobs submitted meanwhile get SHUTTING_DOWN. NULL is fine. */
void store_close(struct store *store);

/*
 * The work of a job, on a store thread. False, with err filled, takes back
 * everything that this job changed and nothing else. It runs once. It must not
 * wait for another job, and must not keep `tx`.
 */
typedef bool (*store_work)(struct tx *tx, void *arg, struct err *err);

/*
 * A job belongs to its submitter and must stay where it is until done(). Zero
 * it, then fill the first block.
 *
 * `done` is called exactly once, when `ok` and `err` are final; on a store
 * thread, or within the submitting call if the job could not even be queued.
 * It must be quick and must not wait; it may free the job.
 *
 * `arena` takes the strings of rows that are read. It is used by the store
 * thread until done(). NULL: such strings are gone when work returns.
 */
struct store_job {
        store_work work;
        void *arg;
        void (*done)(struct store_job *job);
        void *data; /* for the submitter */
        struct arena *arena;

        bool ok;
        struct err err;

        /* Private to the store from here on. */
        struct store_job *next;
        struct tx_hook *hooks;
        bool uncertain; /* nobody knows whether it is durable */
        int64_t submitted_us;
};

/*
 * Submit from any thread. The ref's strings are copied. Errors that the store
 * itself adds to those of the work:
 *
 *   NOT_FOUND        the cell does not exist, or has moved to another store
 *   TENANT_MOVING    the cell is on its way to another store: it is only read; nothing was written
 *   STORE_FULL       no space left; nothing was written
 *   STORE_BUSY       another process holds the cell; nothing was written
 *   STORE_CONFLICT   a uniqueness or reference rule was violated
 *   STORE_FAILED     reading or writing failed; nothing was written
 *   WRITE_UNCERTAIN  the commit failed and could not be taken back for certain
 */
void store_submit_write(struct store *store, const struct cell_ref *cell, struct store_job *job);
void store_submit_read(struct store *store, const struct cell_ref *cell, struct store_job *job);

/*
 * Several reads, with one lock and one wake-up for all of them: for a loop that
 * hands in at once what its fibers asked for in one turn. The list may be gone
 * as soon as its last job is done.
 */
struct store_pending {
        struct store_job *job;
        const struct cell_ref *cell;
        struct store_pending *next;
};
void store_submit_reads(struct store *store, struct store_pending *list);

/*
 * The same for plain threads: they block until done. `arena` as in store_job.
 * Not on a store thread (INTERNAL) and not on a loop.
 */
bool store_write(struct store *store, const struct cell_ref *cell, struct arena *arena, store_work work,
                 void *arg, struct err *err) MUST_USE;
bool store_read(struct store *store, const struct cell_ref *cell, struct arena *arena, store_work work,
                void *arg, struct err *err) MUST_USE;

/* Inside work. */

/* The tenant of the transaction's cell; empty in the directory. */
struct str tx_tenant(const struct tx *tx);
struct str tx_region(const struct tx *tx);
/*
 * The keys under which tenants' content is sealed (keys/tenant_keys.h), for work
 * that seals and opens; NULL when the store has none. The store only hands them
 * on. Set them before the first job that needs them; they must outlive the store.
 */
void store_set_keys(struct store *store, struct tenant_keys *keys);
struct tenant_keys *tx_keys(const struct tx *tx);
/* The job's arena, or one that lasts until work returns. */
struct arena *tx_arena(struct tx *tx);
bool tx_is_write(const struct tx *tx);
/*
 * Calls fn(arg) after the durable commit and before done(), in the order of
 * registration; never if the job is taken back. Also when nobody knows whether the
 * commit took effect (WRITE_UNCERTAIN): what it may have revoked must not be
 * trusted. So it must do no harm when nothing has changed. For wake-ups and for
 * caches that forget.
 */
void tx_on_commit(struct tx *tx, void (*fn)(void *arg), void *arg);

/* Whether other processes, on other machines too, may work on the same data. */
bool store_is_shared(const struct store *store);
/*
 * Tells the other nodes of the same database, when the transaction is durable
 * and only then: up to 200 bytes, no NUL. A store that one process has to
 * itself tells nobody; what this node has to do is for tx_on_commit.
 */
void tx_tell(struct tx *tx, struct str message);
/* Whether there is anybody to tell: for who would make a message in vain. */
bool tx_tells(const struct tx *tx);
/*
 * Calls fn on a thread of the store for each message of another node; and with
 * STR_NULL when some may have been missed: then everything must be looked at
 * again. At most once for a store; store_listen_stop ends it, and must come
 * before store_close and before what fn uses is gone.
 */
bool store_listen(struct store *store, void (*fn)(struct str message, void *arg), void *arg,
                  struct err *err) MUST_USE;
void store_listen_stop(struct store *store);
/*
 * Whether all that other nodes committed more than 80 ms ago has been heard. If
 * not, what is remembered of the data may be old. Any thread, does not wait.
 */
bool store_hears(struct store *store);

/* Cells. These block: for plain threads, or inside fiber_offload. */

/*
 * Durable when it returns true; whole or not there in any case. ALREADY_EXISTS if
 * there is such a cell, as there may be after an earlier call failed at its end.
 */
bool store_cell_create(struct store *store, const struct cell_ref *cell, struct err *err) MUST_USE;
/*
 * Whether there is a cell that is read: an active one, or one on its way elsewhere. A database that does not
 * answer is an error, never an answer: callers make, or erase, what they are told is not there.
 */
bool store_cell_exists(struct store *store, const struct cell_ref *cell, bool *ret_exists,
                       struct err *err) MUST_USE;
/* Calls fn for each cell of a region, in no order; stops and fails when fn does. */
bool store_cell_list(struct store *store, struct str region,
                     bool (*fn)(const struct cell_ref *cell, void *arg, struct err *err), void *arg,
                     struct err *err) MUST_USE;
/*
 * Copies a cell, as it is in one snapshot, into a new file at `path`, durably,
 * while the cell is in use: on any store a file that the embedded store can serve.
 * ALREADY_EXISTS if the file is there. The directory is copied from SQLite only;
 * that of PostgreSQL is the database's own tools' to back up.
 */
bool store_cell_snapshot(struct store *store, const struct cell_ref *cell, const char *path,
                         struct err *err) MUST_USE;

/*
 * Where a cell stands while it moves to another store (src/move). Only an
 * active one is written, an active or moving one is read; any other is as if it
 * were not there.
 */
enum cell_standing {
        CELL_ABSENT,
        CELL_ACTIVE,
        CELL_MOVING,   /* away: frozen, and still read */
        CELL_ARRIVING, /* being filled */
        CELL_MOVED,    /* away; what is left is out of date */
};
enum { CELL_MOVE_MAX = 39 };
struct cell_stand {
        enum cell_standing standing;
        /* Which move it is part of; "" for none. An active cell has one from its arrival to the end of the
         * move. */
        char move[CELL_MOVE_MAX + 1];
};
bool store_cell_stand(struct store *store, const struct cell_ref *cell, struct cell_stand *ret_stand,
                      struct err *err) MUST_USE;
/*
 * Durably, and only from where it is said to stand: STORE_CONFLICT otherwise.
 * To CELL_ARRIVING: what was left of an earlier stay may be in it. To
 * CELL_ABSENT: from CELL_ARRIVING or CELL_MOVED; it may then stand as CELL_MOVED.
 * Nothing may run on the cell in this store.
 */
bool store_cell_set_stand(struct store *store, const struct cell_ref *cell, const struct cell_stand *was,
                          const struct cell_stand *stand, struct err *err) MUST_USE;

/* Counters since the start, and gauges, for metrics. */
enum { STORE_HISTOGRAM = 20 };
struct store_stats {
        uint64_t writes, writes_failed; /* jobs */
        uint64_t reads, reads_failed;
        uint64_t commits, commits_failed;
        uint64_t read_batches;
        uint64_t commit_us;     /* spent in COMMIT, in total */
        uint64_t write_wait_us; /* from submission to the start of the batch, in total */
        uint64_t read_wait_us;
        uint64_t checkpoints, checkpoint_us;
        uint64_t opens, closes, uncertain;
        /* Bucket i counts values below 2^i (the last: all that is above). */
        uint64_t commit_us_histogram[STORE_HISTOGRAM];
        uint64_t batch_histogram[STORE_HISTOGRAM];
        /* Now */
        uint64_t writes_waiting, reads_waiting;
        uint64_t handles_open;
};
void store_stats(struct store *store, struct store_stats *ret_stats);
