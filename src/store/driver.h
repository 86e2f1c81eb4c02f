/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam below the store: what a database must be able to do. A driver maps
 * its own failures to the codes that store.h names, with messages that name no
 * path.
 *
 * A connection is used by one thread at a time. A transaction is one of:
 *
 *   begin(write) { savepoint … release | take_back }* (commit | roll_back)
 *   begin(read)  … roll_back
 */
#pragma once

#include "store/sql.h"
#include "store/store.h"

struct driver_state;

/* One prepared statement in a connection's cache. */
struct cached_statement {
        void *handle;
        bool busy;
};

/* The part of a connection that is the same for all drivers; a driver's own struct begins with it. */
struct conn {
        const struct driver *driver;
        struct conn *next; /* in a cell's list of idle ones */
        struct cached_statement *statements;
        uint32_t statement_count;
        unsigned runs_open;
        bool broken; /* close it, do not keep it */
};

/* sql.c: ends what work left open; finalizes all. */
void statements_end(struct conn *conn);
void statements_drop(struct conn *conn);

/* What is known after a commit failed. */
enum commit_result { COMMIT_DONE, COMMIT_TAKEN_BACK, COMMIT_UNCERTAIN };

struct driver {
        const char *name;
        /* Connections serve any cell: open takes one for a batch, close gives it back. */
        bool pooled;

        bool (*start)(const struct store_options *options, struct driver_state **ret_state, struct err *err);
        void (*stop)(struct driver_state *state);

        /* Opens and, if need be, migrates. NOT_FOUND if there is no such cell. */
        bool (*open)(struct driver_state *state, const struct cell_ref *cell, bool is_write,
                     struct conn **ret_conn, struct err *err);
        /* Gives back memory that only makes the next use faster. With no transaction. */
        void (*trim)(struct conn *conn);
        /* With no transaction. Drops the cached statements. */
        void (*close)(struct conn *conn);

        bool (*begin)(struct conn *conn, bool is_write, struct err *err);
        /* False once the database has rolled back by itself, as it may after a failure. */
        bool (*in_transaction)(struct conn *conn);
        bool (*savepoint)(struct conn *conn, struct err *err);
        bool (*release)(struct conn *conn, struct err *err);
        bool (*take_back)(struct conn *conn, struct err *err);
        enum commit_result (*commit)(struct conn *conn, struct err *err);
        void (*roll_back)(struct conn *conn);
        /* Housekeeping between batches, after everybody was answered. True if there was any. */
        bool (*tidy)(struct conn *conn);
        /* Calls pause(arg) now and then while a statement runs long; NULL ends that. */
        void (*set_pause)(struct conn *conn, void (*pause)(void *arg), void *arg);

        bool (*prepare)(struct conn *conn, struct sql_statement *statement, void **ret_handle,
                        struct err *err);
        void (*finalize)(void *handle);
        /* Makes the statement ready for its next execution. */
        void (*reset)(void *handle);
        /* 0, or a status for step to report. A NULL pointer binds NULL. */
        int (*bind_text)(void *handle, int at, struct str value);
        int (*bind_blob)(void *handle, int at, struct str value);
        int (*bind_int)(void *handle, int at, int64_t value);
        bool (*step)(struct conn *conn, void *handle, const char *name, int bind_status, bool *ret_row,
                     struct err *err);
        /*
         * For a statement of which nothing is to be known but whether it failed: *ret_left is true when it
         * was left for later, at the latest for release, which then fails; else it is to be stepped. May be
         * NULL.
         */
        bool (*leave)(struct conn *conn, void *handle, const char *name, int bind_status, bool *ret_left,
                      struct err *err);
        int64_t (*changes)(struct conn *conn);
        /* Valid until the next step. A NULL pointer is NULL. */
        struct str (*column_text)(void *handle, int at);
        struct str (*column_blob)(void *handle, int at);
        bool (*column_int)(void *handle, int at, int64_t *ret_value);

        /* Plain blocking calls, any thread. */
        bool (*cell_create)(struct driver_state *state, const struct cell_ref *cell, struct err *err);
        bool (*cell_list)(struct driver_state *state, struct str region,
                          bool (*fn)(const struct cell_ref *cell, void *arg, struct err *err), void *arg,
                          struct err *err);
        /* NULL: store_snapshot_rows does it, row by row. */
        bool (*snapshot)(struct driver_state *state, const struct cell_ref *cell, const char *path,
                         struct err *err);

        bool (*stand)(struct driver_state *state, const struct cell_ref *cell, struct cell_stand *ret_stand,
                      struct err *err);
        bool (*set_stand)(struct driver_state *state, const struct cell_ref *cell,
                          const struct cell_stand *was, const struct cell_stand *stand, struct err *err);

        /* Between nodes; all NULL where one process has the data to itself. See store_listen. */
        bool (*tell)(struct conn *conn, struct str message, struct err *err);
        bool (*listen)(struct driver_state *state, void (*fn)(struct str message, void *arg), void *arg,
                       struct err *err);
        void (*listen_stop)(struct driver_state *state);
        bool (*hears)(struct driver_state *state);
};

extern const struct driver driver_sqlite;
extern const struct driver driver_postgres;
