/* SPDX-License-Identifier: Apache-2.0 */
#include "store/internal.h"

#include "base/heap.h"

struct str tx_tenant(const struct tx *tx)
{
        return tx->cell->tenant;
}

struct str tx_region(const struct tx *tx)
{
        return tx->cell->region;
}

struct tenant_keys *tx_keys(const struct tx *tx)
{
        return tx->keys;
}

struct arena *tx_arena(struct tx *tx)
{
        return tx->arena;
}

bool tx_is_write(const struct tx *tx)
{
        return tx->is_write;
}

void tx_on_commit(struct tx *tx, void (*fn)(void *arg), void *arg)
{
        struct tx_hook *hook = ARENA_NEW(tx->hooks_arena, struct tx_hook);

        if (!hook) {
                tx->failed = true; /* the job is taken back: a wake-up may not be lost */
                return;
        }
        *hook = (struct tx_hook){.next = tx->hooks, .fn = fn, .arg = arg};
        tx->hooks = hook;
}

bool tx_tells(const struct tx *tx)
{
        return tx->conn->driver->tell != NULL;
}

void tx_tell(struct tx *tx, struct str message)
{
        const struct driver *driver = tx->conn->driver;
        struct err err;

        if (driver->tell && !driver->tell(tx->conn, message, &err))
                tx->failed = true;
}

/* Statements are numbered as they are first used; the number is the place in every cache. */
static uint32_t statement_slot(struct sql_statement *statement)
{
        static _Atomic uint32_t last;
        uint32_t slot = atomic_load_explicit(&statement->slot, memory_order_relaxed);

        if (slot == 0) {
                uint32_t mine = atomic_fetch_add(&last, 1) + 1;
                if (atomic_compare_exchange_strong(&statement->slot, &slot, mine))
                        slot = mine;
        }
        return slot;
}

static struct cached_statement *cache_place(struct conn *conn, uint32_t slot)
{
        if (slot >= conn->statement_count) {
                uint32_t count = (slot + 32) & ~31u;
                struct cached_statement *grown = heap_realloc(conn->statements, count * sizeof(*grown));
                if (!grown)
                        return NULL;
                memset(grown + conn->statement_count, 0, (count - conn->statement_count) * sizeof(*grown));
                conn->statements = grown;
                conn->statement_count = count;
        }
        return &conn->statements[slot];
}

static bool check_place(const struct tx *tx, const struct sql_statement *statement, struct err *err)
{
        bool in_directory = tx->cell->tenant.len == 0;

        if (statement->scope != SQL_ANY && in_directory != (statement->scope == SQL_DIRECTORY))
                return err_set(err, ERR_INTERNAL, "statement %s does not belong to %s", statement->name,
                               in_directory ? "the directory" : "a cell");
        if (statement->writes && !tx->is_write)
                return err_set(err, ERR_INTERNAL, "statement %s writes, but the transaction only reads",
                               statement->name);
        return true;
}

bool sql_run_open(struct tx *tx, struct sql_statement *statement, struct sql_run *ret_run, struct err *err)
{
        const struct driver *driver = tx->conn->driver;
        struct cached_statement *place;
        void *handle;

        *ret_run = (struct sql_run){.tx = tx, .statement = statement};
        if (!check_place(tx, statement, err))
                return false;
        place = cache_place(tx->conn, statement_slot(statement));
        if (!place)
                return err_set(err, ERR_NO_MEMORY, "no memory for statement %s", statement->name);
        if (place->handle && !place->busy) {
                handle = place->handle;
        } else {
                if (!driver->prepare(tx->conn, statement, &handle, err))
                        return err_prefix(err, "statement %s", statement->name);
        }
        /* A second run of a statement whose first is still open gets one of its own. */
        if (!place->busy) {
                place->handle = handle;
                place->busy = true;
                ret_run->cached = true;
        }
        ret_run->handle = handle;
        tx->conn->runs_open++;
        if (statement->scope == SQL_TENANT)
                sql_bind_text(ret_run, 1, tx->cell->tenant);
        return true;
}

void sql_run_close(struct sql_run *run)
{
        if (!run->handle)
                return;
        const struct driver *driver = run->tx->conn->driver;
        if (run->cached) {
                driver->reset(run->handle);
                run->tx->conn->statements[run->statement->slot].busy = false;
        } else {
                driver->finalize(run->handle);
        }
        run->handle = NULL;
        run->tx->conn->runs_open--;
}

void statements_end(struct conn *conn)
{
        for (uint32_t i = 0; i < conn->statement_count; i++) {
                if (conn->statements[i].busy)
                        conn->driver->reset(conn->statements[i].handle);
                conn->statements[i].busy = false;
        }
        conn->runs_open = 0;
}

void statements_drop(struct conn *conn)
{
        for (uint32_t i = 0; i < conn->statement_count; i++) {
                if (conn->statements[i].handle)
                        conn->driver->finalize(conn->statements[i].handle);
        }
        heap_free(conn->statements);
        conn->statements = NULL;
        conn->statement_count = 0;
}

static void keep_status(struct sql_run *run, int status)
{
        if (run->bind_status == 0)
                run->bind_status = status;
}

static struct str not_null(struct str value)
{
        return value.ptr ? value : STR("");
}

void sql_bind_text(struct sql_run *run, int at, struct str value)
{
        run->has_nul |= value.len > 0 && memchr(value.ptr, '\0', value.len) != NULL;
        keep_status(run, run->tx->conn->driver->bind_text(run->handle, at, not_null(value)));
}

void sql_bind_blob(struct sql_run *run, int at, struct str value)
{
        keep_status(run, run->tx->conn->driver->bind_blob(run->handle, at, not_null(value)));
}

void sql_bind_int(struct sql_run *run, int at, int64_t value)
{
        keep_status(run, run->tx->conn->driver->bind_int(run->handle, at, value));
}

void sql_bind_null(struct sql_run *run, int at)
{
        keep_status(run, run->tx->conn->driver->bind_text(run->handle, at, STR_NULL));
}

bool sql_step(struct sql_run *run, bool *ret_row, struct err *err)
{
        struct conn *conn = run->tx->conn;

        *ret_row = false;
        if (run->has_nul)
                return err_set(err, ERR_BAD_PARAMETER, "%s: a text has a NUL", run->statement->name);
        return conn->driver->step(conn, run->handle, run->statement->name, run->bind_status, ret_row, err);
}

bool sql_expect_end(struct sql_run *run, struct err *err)
{
        bool row;

        if (!sql_step(run, &row, err))
                return false;
        if (row)
                return err_set(err, ERR_INTERNAL, "statement %s gave more rows than it may",
                               run->statement->name);
        return true;
}

bool sql_execute(struct sql_run *run, int64_t *ret_changes, struct err *err)
{
        if (!sql_expect_end(run, err))
                return false;
        *ret_changes = run->tx->conn->driver->changes(run->tx->conn);
        return true;
}

bool sql_execute_blindly(struct sql_run *run, struct err *err)
{
        struct conn *conn = run->tx->conn;
        bool left = false;
        int64_t changes;

        if (conn->driver->leave && !run->has_nul &&
            !conn->driver->leave(conn, run->handle, run->statement->name, run->bind_status, &left, err))
                return false;
        return left || sql_execute(run, &changes, err);
}

static bool fail_null(struct sql_run *run, int at, struct err *err)
{
        return err_set(err, ERR_INTERNAL, "column %d of statement %s is null", at + 1, run->statement->name);
}

static bool copy_column(struct sql_run *run, int at, bool nullable, struct str value, struct str *ret_value,
                        struct err *err)
{
        if (!value.ptr) {
                *ret_value = STR_NULL;
                return nullable || fail_null(run, at, err);
        }
        *ret_value = arena_str(run->tx->arena, value);
        if (!ret_value->ptr)
                return err_set(err, ERR_NO_MEMORY, "a row of statement %s does not fit into the arena",
                               run->statement->name);
        return true;
}

bool sql_column_text(struct sql_run *run, int at, bool nullable, struct str *ret_value, struct err *err)
{
        return copy_column(run, at, nullable, run->tx->conn->driver->column_text(run->handle, at), ret_value,
                           err);
}

bool sql_column_blob(struct sql_run *run, int at, bool nullable, struct str *ret_value, struct err *err)
{
        return copy_column(run, at, nullable, run->tx->conn->driver->column_blob(run->handle, at), ret_value,
                           err);
}

bool sql_column_int(struct sql_run *run, int at, bool *ret_has, int64_t *ret_value, struct err *err)
{
        bool has = run->tx->conn->driver->column_int(run->handle, at, ret_value);

        if (ret_has)
                *ret_has = has;
        return has || ret_has || fail_null(run, at, err);
}
