/* SPDX-License-Identifier: Apache-2.0 */
#include "store/internal.h"
#include "store/sqlite.h"
#include "store_sql.h"

#include "base/heap.h"

#include <errno.h>
#include <stdio.h>

enum {
        CHECKPOINT_FRAMES = 1000,   /* 4 MB of log: then it is taken in */
        RESTART_FRAMES = 16 * 1000, /* readers have kept it from being reused: wait for them */
        JOURNAL_LIMIT_BYTES = 16 * 1024 * 1024,
        PAUSE_STEPS = 20000, /* of the virtual machine; about a millisecond */
};

static const char *const control_text[CONTROL_COUNT] = {
        [CONTROL_BEGIN_WRITE] = "BEGIN IMMEDIATE", [CONTROL_BEGIN_READ] = "BEGIN",
        [CONTROL_SAVEPOINT] = "SAVEPOINT job",     [CONTROL_RELEASE] = "RELEASE job",
        [CONTROL_TAKE_BACK] = "ROLLBACK TO job",   [CONTROL_COMMIT] = "COMMIT",
        [CONTROL_ROLL_BACK] = "ROLLBACK",
};

/* What a person should do about the failures that have their cause outside. */
static const char *advice(int status)
{
        switch (status & 0xff) {
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return "restore this file from a backup";
        case SQLITE_CANTOPEN:
                return "check the data folder's permissions and the limit of open files";
        case SQLITE_READONLY:
        case SQLITE_PERM:
                return "check that the server may write to the data folder";
        default:
                return "check the disk and the system's log";
        }
}

static bool fail_constraint(sqlite3 *db, int status, const char *what, struct err *err)
{
        switch (status) {
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY:
        case SQLITE_CONSTRAINT_ROWID:
                return err_set(err, ERR_STORE_CONFLICT, "%s: such a row exists already", what);
        case SQLITE_CONSTRAINT_FOREIGNKEY:
                return err_set(err, ERR_STORE_CONFLICT,
                               "%s: it refers to what is not there, or something refers to it", what);
        default:
                /* A CHECK, NOT NULL or type that the code above should have kept. */
                return err_set(err, ERR_STORE_FAILED, "%s: %s", what, sqlite3_errmsg(db));
        }
}

bool sqlite_fail(sqlite3 *db, int status, const char *what, struct err *err)
{
        int number = db ? sqlite3_system_errno(db) : 0;

        switch (status & 0xff) {
        case SQLITE_FULL:
                return err_set(err, ERR_STORE_FULL,
                               "%s: no space left for the store; free some or enlarge the volume", what);
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return err_set(err, ERR_STORE_BUSY, "%s: another process holds this file; try again", what);
        case SQLITE_CONSTRAINT:
                return fail_constraint(db, status, what, err);
        case SQLITE_NOMEM:
                return err_set(err, ERR_NO_MEMORY, "%s: not enough memory", what);
        case SQLITE_IOERR:
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
        case SQLITE_PERM:
                /* Quota and disk-full come as I/O errors from some calls. */
                if (number == ENOSPC || number == EDQUOT)
                        return err_set(err, ERR_STORE_FULL,
                                       "%s: no space left for the store; free some or enlarge the volume",
                                       what);
                return err_set(err, ERR_STORE_FAILED, "%s: %s (%d%s%s); %s", what, sqlite3_errstr(status),
                               status, number ? ", " : "", number ? strerror(number) : "", advice(status));
        default:
                return err_set(err, ERR_STORE_FAILED, "%s: %s (%d)", what,
                               db ? sqlite3_errmsg(db) : sqlite3_errstr(status), status);
        }
}

static int remember_frames(void *arg, sqlite3 *db, const char *name, int frames)
{
        struct sqlite_conn *conn = arg;

        (void)db;
        (void)name;
        if (frames < conn->wal_frames)
                conn->checkpoint_at = CHECKPOINT_FRAMES; /* the log began anew */
        conn->wal_frames = frames;
        return SQLITE_OK;
}

static bool configure(struct driver_state *state, struct sqlite_conn *conn, struct err *err)
{
        char pragmas[256];

        sqlite3_extended_result_codes(conn->db, 1);
        sqlite3_busy_timeout(conn->db, (int)state->busy_timeout_ms);
        sqlite3_db_config(conn->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
        sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(conn->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
        sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
        sqlite3_limit(conn->db, SQLITE_LIMIT_ATTACHED, 0);
        /* Replaces the automatic checkpoint, which would make somebody's commit wait. */
        sqlite3_wal_hook(conn->db, remember_frames, conn);
        conn->checkpoint_at = CHECKPOINT_FRAMES;
        snprintf(pragmas, sizeof(pragmas),
                 "PRAGMA synchronous = FULL; PRAGMA cache_size = -%u; PRAGMA mmap_size = 0;"
                 "PRAGMA temp_store = MEMORY; PRAGMA secure_delete = ON; PRAGMA journal_size_limit = %d",
                 state->cache_kib, JOURNAL_LIMIT_BYTES);
        return sqlite_execute(conn, pragmas, "opening", err);
}

bool sqlite_conn_open(struct driver_state *state, const struct cell_ref *cell, const char *path, int flags,
                      struct sqlite_conn **ret_conn, struct err *err)
{
        struct sqlite_conn *conn = heap_alloc_zeroed(1, sizeof(*conn));
        int status;

        if (!conn) {
                err_set(err, ERR_NO_MEMORY, "no memory for a connection");
                return false;
        }
        conn->base.driver = &driver_sqlite;
        if (cell->tenant.len > 0) {
                memcpy(conn->tenant, cell->tenant.ptr, cell->tenant.len);
                memcpy(conn->region, cell->region.ptr, cell->region.len);
        }
        conn->cell = (struct cell_ref){str_make(conn->tenant, cell->tenant.len),
                                       str_make(conn->region, cell->region.len)};
        status = sqlite3_open_v2(path, &conn->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                                 sqlite_fault_vfs());
        if (status != SQLITE_OK) {
                if (conn->db && sqlite3_system_errno(conn->db) == ENOENT)
                        err_set(err, ERR_NOT_FOUND, "this tenant has no data in this region");
                else
                        sqlite_fail(conn->db, status, "opening", err);
        }
        if (status != SQLITE_OK || !configure(state, conn, err)) {
                sqlite_conn_close(&conn->base);
                return false;
        }
        *ret_conn = conn;
        return true;
}

void sqlite_conn_close(struct conn *base)
{
        struct sqlite_conn *conn = (struct sqlite_conn *)base;

        statements_drop(base);
        for (int i = 0; i < CONTROL_COUNT; i++)
                sqlite3_finalize(conn->controls[i]);
        sqlite3_close(conn->db);
        heap_free(conn);
}

static bool conn_open(struct driver_state *state, const struct cell_ref *cell, bool is_write,
                      struct conn **ret_conn, struct err *err)
{
        _cleanup_(heap_freep) char *path = sqlite_path(state, cell, err);
        struct sqlite_conn *conn = NULL;

        /* The mark comes and goes while the folder's lock is held: asking at the opening is enough. */
        if (path && is_write && !state->moves_cells && sqlite_is_moving(path))
                return err_set(err, ERR_TENANT_MOVING,
                               "this tenant is on its way to another store; nothing was changed, try again "
                               "when the move has ended");
        if (!path || !sqlite_conn_open(state, cell, path, SQLITE_OPEN_READWRITE, &conn, err))
                return false;
        if (!sqlite_migrate(conn, err) ||
            (!is_write && !sqlite_execute(conn, "PRAGMA query_only = 1", "opening", err))) {
                sqlite_conn_close(&conn->base);
                return false;
        }
        *ret_conn = &conn->base;
        return true;
}

bool sqlite_execute(struct sqlite_conn *conn, const char *sql, const char *what, struct err *err)
{
        int status = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);

        return status == SQLITE_OK || sqlite_fail(conn->db, status, what, err);
}

static int control_step(struct sqlite_conn *conn, enum sqlite_control which)
{
        sqlite3_stmt **statement = &conn->controls[which];
        int status;

        if (!*statement) {
                status = sqlite3_prepare_v3(conn->db, control_text[which], -1, SQLITE_PREPARE_PERSISTENT,
                                            statement, NULL);
                if (status != SQLITE_OK)
                        return status;
        }
        status = sqlite3_step(*statement);
        sqlite3_reset(*statement);
        return status == SQLITE_DONE ? SQLITE_OK : status;
}

bool sqlite_control(struct sqlite_conn *conn, enum sqlite_control which, struct err *err)
{
        int status = control_step(conn, which);

        return status == SQLITE_OK || sqlite_fail(conn->db, status, control_text[which], err);
}

static void conn_trim(struct conn *base)
{
        struct sqlite_conn *conn = (struct sqlite_conn *)base;

        statements_drop(base);
        sqlite3_db_release_memory(conn->db);
}

static bool conn_begin(struct conn *base, bool is_write, struct err *err)
{
        return sqlite_control((struct sqlite_conn *)base,
                              is_write ? CONTROL_BEGIN_WRITE : CONTROL_BEGIN_READ, err);
}

static bool conn_in_transaction(struct conn *base)
{
        return sqlite3_get_autocommit(((struct sqlite_conn *)base)->db) == 0;
}

static bool conn_savepoint(struct conn *base, struct err *err)
{
        return sqlite_control((struct sqlite_conn *)base, CONTROL_SAVEPOINT, err);
}

static bool conn_release(struct conn *base, struct err *err)
{
        return sqlite_control((struct sqlite_conn *)base, CONTROL_RELEASE, err);
}

static bool conn_take_back(struct conn *base, struct err *err)
{
        struct sqlite_conn *conn = (struct sqlite_conn *)base;

        return sqlite_control(conn, CONTROL_TAKE_BACK, err) && sqlite_control(conn, CONTROL_RELEASE, err);
}

static void conn_roll_back(struct conn *base)
{
        struct sqlite_conn *conn = (struct sqlite_conn *)base;

        if (conn_in_transaction(base) && control_step(conn, CONTROL_ROLL_BACK) != SQLITE_OK)
                base->broken = true;
}

/*
 * Writes a small durable commit in the place of the one that failed. A failed
 * commit's frames may stand in the write-ahead log, complete, with only their
 * sync or the index missing; if the process ended now, recovery would find
 * them and the change would be there after all. The next commit begins at the
 * same frame, so its checksums end the chain that led to them.
 */
static bool overwrite_failed(struct sqlite_conn *conn)
{
        struct tx tx = {.conn = &conn->base, .cell = &conn->cell, .is_write = true};
        struct err err;

        if (!sqlite_control(conn, CONTROL_BEGIN_WRITE, &err))
                return false;
        if (sql_store_commit_taken_back(&tx, &err) && control_step(conn, CONTROL_COMMIT) == SQLITE_OK)
                return true;
        conn_roll_back(&conn->base);
        return false;
}

static enum commit_result conn_commit(struct conn *base, struct err *err)
{
        struct sqlite_conn *conn = (struct sqlite_conn *)base;
        int status = control_step(conn, CONTROL_COMMIT);

        if (status == SQLITE_OK)
                return COMMIT_DONE;
        sqlite_fail(conn->db, status, "commit", err);
        conn_roll_back(base);
        /*
         * "Full" comes from a write only, and the frame that makes a commit is
         * written last: there is nothing that recovery could find.
         */
        if ((status & 0xff) == SQLITE_FULL || overwrite_failed(conn))
                return COMMIT_TAKEN_BACK;
        base->broken = true;
        err->code = ERR_WRITE_UNCERTAIN;
        err_prefix(err, "read again before you repeat it: the change may appear after a restart");
        return COMMIT_UNCERTAIN;
}

static bool conn_tidy(struct conn *base)
{
        struct sqlite_conn *conn = (struct sqlite_conn *)base;
        bool restart = conn->wal_frames >= RESTART_FRAMES;
        int in_log = 0, taken = 0;

        if (conn->wal_frames < conn->checkpoint_at)
                return false;
        /* A failure shows in the next commit, if it matters; the log keeps everything. */
        sqlite3_wal_checkpoint_v2(conn->db, NULL,
                                  restart ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, &in_log,
                                  &taken);
        conn->checkpoint_at = conn->wal_frames + CHECKPOINT_FRAMES;
        return true;
}

static int on_progress(void *arg)
{
        struct sqlite_conn *conn = arg;

        conn->pause(conn->pause_arg);
        return 0;
}

static void conn_set_pause(struct conn *base, void (*pause)(void *arg), void *arg)
{
        struct sqlite_conn *conn = (struct sqlite_conn *)base;

        conn->pause = pause;
        conn->pause_arg = arg;
        sqlite3_progress_handler(conn->db, pause ? PAUSE_STEPS : 0, pause ? on_progress : NULL, conn);
}

static bool statement_prepare(struct conn *base, struct sql_statement *named, void **ret_handle,
                              struct err *err)
{
        struct sqlite_conn *conn = (struct sqlite_conn *)base;
        sqlite3_stmt *statement = NULL;
        int status = sqlite3_prepare_v3(conn->db, named->text, named->text_bytes, SQLITE_PREPARE_PERSISTENT,
                                        &statement, NULL);

        *ret_handle = statement;
        return status == SQLITE_OK || sqlite_fail(conn->db, status, "preparing", err);
}

static void statement_finalize(void *handle)
{
        sqlite3_finalize(handle);
}

static void statement_reset(void *handle)
{
        sqlite3_reset(handle);
}

static int statement_bind_text(void *handle, int at, struct str value)
{
        return sqlite3_bind_text64(handle, at, value.ptr, value.len, SQLITE_STATIC, SQLITE_UTF8);
}

static int statement_bind_blob(void *handle, int at, struct str value)
{
        return sqlite3_bind_blob64(handle, at, value.ptr, value.len, SQLITE_STATIC);
}

static int statement_bind_int(void *handle, int at, int64_t value)
{
        return sqlite3_bind_int64(handle, at, value);
}

static bool statement_step(struct conn *base, void *handle, const char *name, int bind_status, bool *ret_row,
                           struct err *err)
{
        struct sqlite_conn *conn = (struct sqlite_conn *)base;
        int status = bind_status != SQLITE_OK ? bind_status : sqlite3_step(handle);

        *ret_row = status == SQLITE_ROW;
        return status == SQLITE_ROW || status == SQLITE_DONE || sqlite_fail(conn->db, status, name, err);
}

static int64_t conn_changes(struct conn *base)
{
        return sqlite3_changes64(((struct sqlite_conn *)base)->db);
}

static struct str column(void *handle, int at, const void *bytes)
{
        if (!bytes && sqlite3_column_type(handle, at) == SQLITE_NULL)
                return STR_NULL;
        return str_make(bytes ? bytes : "", (size_t)sqlite3_column_bytes(handle, at));
}

static struct str statement_column_text(void *handle, int at)
{
        return column(handle, at, sqlite3_column_text(handle, at));
}

static struct str statement_column_blob(void *handle, int at)
{
        return column(handle, at, sqlite3_column_blob(handle, at));
}

static bool statement_column_int(void *handle, int at, int64_t *ret_value)
{
        *ret_value = sqlite3_column_int64(handle, at);
        return sqlite3_column_type(handle, at) != SQLITE_NULL;
}

const struct driver driver_sqlite = {
        .name = "sqlite",
        .start = sqlite_start,
        .stop = sqlite_stop,
        .open = conn_open,
        .trim = conn_trim,
        .close = sqlite_conn_close,
        .begin = conn_begin,
        .in_transaction = conn_in_transaction,
        .savepoint = conn_savepoint,
        .release = conn_release,
        .take_back = conn_take_back,
        .commit = conn_commit,
        .roll_back = conn_roll_back,
        .tidy = conn_tidy,
        .set_pause = conn_set_pause,
        .prepare = statement_prepare,
        .finalize = statement_finalize,
        .reset = statement_reset,
        .bind_text = statement_bind_text,
        .bind_blob = statement_bind_blob,
        .bind_int = statement_bind_int,
        .step = statement_step,
        .changes = conn_changes,
        .column_text = statement_column_text,
        .column_blob = statement_column_blob,
        .column_int = statement_column_int,
        .cell_create = sqlite_cell_create,
        .cell_list = sqlite_cell_list,
        .snapshot = sqlite_snapshot,
        .stand = sqlite_stand,
        .set_stand = sqlite_set_stand,
};
