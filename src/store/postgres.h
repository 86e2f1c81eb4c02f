/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the PostgreSQL driver.
 *
 * A region's cells are the rows of one schema, `countersign_REGION`; the
 * directory is the schema `countersign`. Each has a pool of connections, and
 * every transaction on a cell begins with the cell's row in store_cell: taken
 * for writing it makes a tenant's writes run one after another on all nodes,
 * and only with it is the tenant set that row-level security asks for.
 *
 *   postgres.c            the seam: transactions and statements
 *   postgres_pipeline.c   what goes over the wire, and the errors that come back
 *   postgres_pool.c       connections: opening, keeping, giving out
 *   postgres_start.c      start, the check of the catalogue, cells
 *   postgres_listen.c     what nodes tell each other
 *   postgres_migrate.c    the schema, as its owner
 *   postgres_move.c       where a cell stands on its way to another store
 */
#pragma once

#include "store/internal.h"

#include <libpq-fe.h>
#include <stdatomic.h>

enum {
        PG_SCHEMA_MAX = 64,
        PG_QUEUE_MAX = 64, /* commands in flight on a connection */
        PG_MESSAGE_MAX = 200,
};

/* One command whose result is still to be read. */
enum pg_command { PG_CONTROL, PG_BEGUN, PG_PREPARE, PG_EXECUTE, PG_LEFT, PG_SYNC };
struct pg_queued {
        enum pg_command command;
        const char *name; /* of the statement, for PG_LEFT: a failure is reported when its result is read */
        uint32_t slot;    /* of the statement, for PG_PREPARE */
};

struct pg_pool {
        struct pg_pool *next;
        struct driver_state *state;
        char region[REGION_MAX + 1]; /* "" for the directory */
        char schema[PG_SCHEMA_MAX];
        const char *url;
        pthread_mutex_t lock;
        pthread_cond_t returned;
        struct conn *idle;         /* newest first; guarded by lock */
        unsigned open;             /* given out and idle; guarded by lock */
        bool checked;              /* it has served: who asks now is a client, not who starts the server */
        _Atomic int64_t warned_us; /* when the log was last told that there is no connection */
        /* Listening for other nodes. */
        pthread_t listener;
        bool listens;
        int stop_fd;              /* readable: end */
        _Atomic int64_t heard_us; /* all that was said until then was heard; monotonic */
        /* Of a store that moves cells: the connection that holds the schema, and its number there. */
        PGconn *holder;
        char hold[24];
};

struct pg_conn {
        struct conn base;
        struct pg_pool *pool;
        PGconn *pq;
        char tenant[TENANT_MAX + 1];
        char instance[48]; /* which start of which server this is; see pg_outcome */

        struct pg_queued queue[PG_QUEUE_MAX];
        unsigned queued;
        unsigned left; /* PG_LEFT among them */
        bool unsynced; /* commands after the last sync */

        bool in_tx, is_write;
        bool begun; /* BEGIN was sent */
        bool seen;  /* work has had a result of this transaction */
        bool kept;  /* an earlier job of the group has changed something */
        bool in_job, savepoint;
        char xid[24];
        bool warned; /* by the database, since COMMIT was sent */

        bool *prepared; /* by statement slot */
        uint32_t prepared_count;
        int64_t changes;
        void (*pause)(void *arg);
        void *pause_arg;
};

struct driver_state {
        char *url;
        unsigned pool_max, lock_timeout_ms, statement_timeout_ms;
        bool moves_cells;
        const struct store_region *regions;
        size_t region_count;
        pthread_mutex_t lock;
        struct pg_pool *pools; /* guarded by lock; never removed before stop */
        char node[20];         /* which of the nodes this is */
        void (*heard)(struct str message, void *arg);
        void *heard_arg;
};

/* A statement on the client's side: parameters, and the rows of its last execution. */
struct pg_statement {
        struct pg_conn *conn;
        struct sql_statement *named;
        PGresult *result; /* NULL: not executed since the last reset */
        int row;
        int count; /* parameters */
        const char **values;
        int *lengths;
        int *formats;
        Oid *types;
        uint64_t *numbers; /* in network order */
};

/* postgres_pipeline.c */

/* Maps an SQLSTATE to an error. Returns false. */
bool pg_fail(const char *sqlstate, const char *message, const char *what, struct err *err);
/* Of the connection itself. Returns false, and marks it broken. */
bool pg_fail_conn(struct pg_conn *conn, const char *what, struct err *err);
/* Queues a command without parameters. */
bool pg_queue_control(struct pg_conn *conn, enum pg_command command, const char *sql,
                      struct err *err) MUST_USE;
/* Queues the beginning of the transaction if that is still to be done, and the savepoint of the job. */
bool pg_queue_begin(struct pg_conn *conn, struct err *err) MUST_USE;
/* Sends all with one sync and reads all results; that of PG_EXECUTE, if any, goes to *ret_result. */
bool pg_collect(struct pg_conn *conn, const char *what, PGresult **ret_result, struct err *err) MUST_USE;
/* Executes within the transaction; once more if nothing of it was seen and that is safe. */
bool pg_execute(struct pg_conn *conn, struct pg_statement *statement, const char *name,
                struct err *err) MUST_USE;
/*
 * Sends it and waits for nothing, where that is safe: in a job of a write, when
 * something of the transaction has been seen, so that it is not repeated.
 */
bool pg_leave(struct pg_conn *conn, struct pg_statement *statement, const char *name, bool *ret_left,
              struct err *err) MUST_USE;
/* Says it on the schema's channel when the transaction commits. */
bool pg_notify(struct pg_conn *conn, const char *payload, struct err *err) MUST_USE;

/* postgres_pool.c */

/* A plain connection, not in pipeline mode; NULL and err filled if there is none. */
PGconn *pg_connect(const char *url, struct err *err);
/* Sets what a connection of the pool has set; its result, of which column 5 is the server's instance. */
PGresult *pg_session(PGconn *pq, const struct pg_pool *pool, struct err *err);
/* Opens again what was lost; no transaction, nothing prepared. */
bool pg_reconnect(struct pg_conn *conn, struct err *err) MUST_USE;
struct pg_pool *pg_pool_of(struct driver_state *state, struct str region, struct err *err);
void pg_pool_free(struct pg_pool *pool);
bool pg_take(struct pg_pool *pool, struct pg_conn **ret_conn, struct err *err) MUST_USE;
void pg_give_back(struct conn *conn);

/* One statement on a plain connection, up to five texts in, text out; NULL and err filled on failure. */
PGresult *pg_query(PGconn *pq, const char *sql, int count, const char *const *values, struct err *err);

/* postgres_listen.c */
bool pg_listen(struct driver_state *state, void (*fn)(struct str message, void *arg), void *arg,
               struct err *err) MUST_USE;
void pg_listen_stop(struct driver_state *state);
bool pg_listen_pool(struct pg_pool *pool, struct err *err) MUST_USE;
void pg_listen_end(struct pg_pool *pool);
bool pg_hears(struct driver_state *state);
bool pg_tell(struct conn *base, struct str message, struct err *err) MUST_USE;

/* postgres_start.c */
bool pg_start(const struct store_options *options, struct driver_state **ret_state,
              struct err *err) MUST_USE;
void pg_stop(struct driver_state *state);
bool pg_check_pool(struct pg_pool *pool, struct err *err) MUST_USE;
/* One statement on a connection of the region, in a transaction of its own; NULL and err filled on failure.
 */
PGresult *pg_ask(struct driver_state *state, struct str region, const char *sql, int count,
                 const char *const *values, struct err *err);
bool pg_cell_create(struct driver_state *state, const struct cell_ref *cell, struct err *err) MUST_USE;
bool pg_cell_list(struct driver_state *state, struct str region,
                  bool (*fn)(const struct cell_ref *cell, void *arg, struct err *err), void *arg,
                  struct err *err) MUST_USE;

/* postgres_move.c */

/* Keeps every other mover away from the pool's schema, until the pool is freed. Waits a little for one. */
bool pg_hold(struct pg_pool *pool, struct err *err) MUST_USE;
bool pg_stand(struct driver_state *state, const struct cell_ref *cell, struct cell_stand *ret_stand,
              struct err *err) MUST_USE;
bool pg_set_stand(struct driver_state *state, const struct cell_ref *cell, const struct cell_stand *was,
                  const struct cell_stand *stand, struct err *err) MUST_USE;

/* postgres.sql, embedded */
extern const char pg_text_session[], pg_text_begun_read[], pg_text_begun_write[], pg_text_begun_directory[],
        pg_text_begun_read_moving[], pg_text_begun_write_moving[], pg_text_begun_directory_moving[],
        pg_text_move_hold[], pg_text_outcome_replicated[], pg_text_cell_stand[], pg_text_cell_arrive[],
        pg_text_cell_set_stand[], pg_text_notify[], pg_text_outcome[], pg_text_role_faults[],
        pg_text_table_faults[], pg_text_policies[], pg_text_grants[], pg_text_migrations[],
        pg_text_migration_add[], pg_text_has_books[], pg_text_cell_create[], pg_text_cell_list[];
