/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the SQLite driver: one file per cell, one for the directory. */
#pragma once

#include "store/driver.h"

#include <pthread.h>
#include <sqlite3.h>

/* Transaction control, prepared once for each connection. */
enum sqlite_control {
        CONTROL_BEGIN_WRITE,
        CONTROL_BEGIN_READ,
        CONTROL_SAVEPOINT,
        CONTROL_RELEASE,
        CONTROL_TAKE_BACK,
        CONTROL_COMMIT,
        CONTROL_ROLL_BACK,
        CONTROL_COUNT,
};

struct sqlite_conn {
        struct conn base;
        sqlite3 *db;
        sqlite3_stmt *controls[CONTROL_COUNT];
        struct cell_ref cell; /* its strings are the two arrays below */
        char tenant[72], region[40];
        int wal_frames;    /* in the write-ahead log after the last commit */
        int checkpoint_at; /* frames */
        void (*pause)(void *arg);
        void *pause_arg;
};

struct template
{
        unsigned char *bytes;
        size_t size_bytes;
};

struct driver_state {
        char *folder;
        int lock_fd;
        unsigned busy_timeout_ms, cache_kib;
        bool moves_cells;
        pthread_mutex_t template_lock;
        struct template cell_template; /* guarded by template_lock; built at the first use */
};

/* sqlite.c */

/* Maps a result code to an error; `what` is what failed. Returns false. */
bool sqlite_fail(sqlite3 *db, int status, const char *what, struct err *err);
/* A connection on a file, by path, not yet migrated. `flags` go to sqlite3_open_v2. */
bool sqlite_conn_open(struct driver_state *state, const struct cell_ref *cell, const char *path, int flags,
                      struct sqlite_conn **ret_conn, struct err *err) MUST_USE;
void sqlite_conn_close(struct conn *conn);
bool sqlite_control(struct sqlite_conn *conn, enum sqlite_control which, struct err *err) MUST_USE;
bool sqlite_execute(struct sqlite_conn *conn, const char *sql, const char *what, struct err *err) MUST_USE;

/* sqlite_files.c */

/*
 * A new database at `path`, filled by fill(to, arg), whole and durable or not there. ALREADY_EXISTS.
 * Of the state only its limits are used.
 */
typedef bool (*sqlite_fill)(struct sqlite_conn *to, void *arg, struct err *err);
bool sqlite_file_make(struct driver_state *state, const struct cell_ref *cell, const char *path,
                      sqlite_fill fill, void *arg, struct err *err) MUST_USE;
/* Settings of the whole process; any number of times. */
bool sqlite_process_start(struct err *err) MUST_USE;
/* So that what was named or removed in it stays so. */
bool sqlite_sync_folder(const char *path, struct err *err) MUST_USE;
/* An empty, migrated cell in a new file. */
bool sqlite_cell_write(struct driver_state *state, const struct cell_ref *cell, const char *path,
                       struct err *err) MUST_USE;
bool sqlite_start(const struct store_options *options, struct driver_state **ret_state, struct err *err);
void sqlite_stop(struct driver_state *state);
/* The path of a cell's or the directory's file; free with heap_free. */
char *sqlite_path(const struct driver_state *state, const struct cell_ref *cell, struct err *err);
bool sqlite_cell_create(struct driver_state *state, const struct cell_ref *cell, struct err *err);
bool sqlite_cell_list(struct driver_state *state, struct str region,
                      bool (*fn)(const struct cell_ref *cell, void *arg, struct err *err), void *arg,
                      struct err *err);
bool sqlite_snapshot(struct driver_state *state, const struct cell_ref *cell, const char *path,
                     struct err *err);

/* sqlite_move.c */

/* Whether the cell whose file this is, is on its way to another store. */
bool sqlite_is_moving(const char *path);
/* In a store that moves cells: an arriving cell's file, where that is what there is. */
void sqlite_path_arriving(char *path, size_t path_size_bytes);
bool sqlite_stand(struct driver_state *state, const struct cell_ref *cell, struct cell_stand *ret_stand,
                  struct err *err);
bool sqlite_set_stand(struct driver_state *state, const struct cell_ref *cell, const struct cell_stand *was,
                      const struct cell_stand *stand, struct err *err);

/* sqlite_migrate.c */

/* Brings the schema up to what this binary knows. STORE_FAILED if the file is from another history. */
bool sqlite_migrate(struct sqlite_conn *conn, struct err *err) MUST_USE;
/* A migrated empty database's bytes, for new files. */
bool sqlite_template(struct driver_state *state, const struct cell_ref *cell, struct template *ret_template,
                     struct err *err) MUST_USE;

/* sqlite_fault.c, test hooks only: the name of the VFS to use; NULL is the default one. */
const char *sqlite_fault_vfs(void);
