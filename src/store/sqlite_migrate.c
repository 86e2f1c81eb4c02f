/* SPDX-License-Identifier: Apache-2.0 */
#include "store/internal.h"
#include "store/migrations.h"
#include "store/sqlite.h"
#include "store_sql.h"

#include "base/clock.h"
#include <stdio.h>

enum {
        BOOKS_BYTES = 1024 * 1024,
        /* Of the database header: https://www.sqlite.org/fileformat.html, section 1.3. */
        HEADER_WRITE_VERSION = 18,
        HEADER_READ_VERSION = 19,
        HEADER_WAL = 2,
};

static bool read_stamp(struct sqlite_conn *conn, int32_t *ret_stamp, struct err *err)
{
        sqlite3_stmt *statement = NULL;
        int status = sqlite3_prepare_v2(conn->db, "PRAGMA user_version", -1, &statement, NULL);

        if (status == SQLITE_OK)
                status = sqlite3_step(statement);
        if (status == SQLITE_ROW)
                *ret_stamp = sqlite3_column_int(statement, 0);
        sqlite3_finalize(statement);
        return status == SQLITE_ROW || sqlite_fail(conn->db, status, "opening", err);
}

/* How many migrations of the set the file has had, all checked. */
static bool count_applied(struct tx *tx, const struct migration_set *set, int *ret_count, struct err *err)
{
        SQL_SCOPED(store_migration_list) cursor = {0};
        struct sql_store_migration_list_row row;
        bool has = false;

        *ret_count = 0;
        if (!sql_store_migration_list_open(tx, &cursor, err))
                return false;
        for (;;) {
                if (!sql_store_migration_list_next(&cursor, &row, &has, err))
                        return false;
                if (!has)
                        return true;
                if (!migration_check(set, *ret_count, row.number, row.title, row.sha256, false, err))
                        return false;
                ++*ret_count;
        }
}

static bool apply(struct tx *tx, struct sqlite_conn *conn, const struct migration *migration,
                  struct err *err)
{
        if (!sqlite_execute(conn, migration->text, migration->title, err) ||
            !sql_store_migration_add(tx, migration->number, str_from(migration->title),
                                     str_from(migration->sha256), clock_now_ms(), err))
                return err_prefix(err, "migration %04d", migration->number);
        return true;
}

/* In a migration tables may be built anew; this shows whether all references still hold. */
static bool check_references(struct sqlite_conn *conn, struct err *err)
{
        sqlite3_stmt *statement = NULL;
        int status = sqlite3_prepare_v2(conn->db, "PRAGMA foreign_key_check", -1, &statement, NULL);

        if (status == SQLITE_OK)
                status = sqlite3_step(statement);
        sqlite3_finalize(statement);
        if (status == SQLITE_ROW)
                return err_set(err, ERR_STORE_FAILED, "the migrated data has a reference to nothing");
        return status == SQLITE_DONE || sqlite_fail(conn->db, status, "checking references", err);
}

static bool migrate_in_transaction(struct sqlite_conn *conn, const struct migration_set *set,
                                   struct arena *arena, struct err *err)
{
        struct tx tx = {.conn = &conn->base, .cell = &conn->cell, .arena = arena, .is_write = true};
        char stamp[64];
        int applied = 0;
        int32_t old = 0;

        if (!read_stamp(conn, &old, err) || (old != 0 && !count_applied(&tx, set, &applied, err)))
                return false;
        for (int i = applied; i < set->count; i++) {
                if (!apply(&tx, conn, &set->list[i], err))
                        return false;
        }
        snprintf(stamp, sizeof(stamp), "PRAGMA user_version = %d", set->stamp);
        return check_references(conn, err) && sqlite_execute(conn, stamp, "recording the version", err) &&
               sqlite_control(conn, CONTROL_COMMIT, err);
}

bool sqlite_migrate(struct sqlite_conn *conn, struct err *err)
{
        const struct migration_set *set =
                conn->cell.tenant.len > 0 ? &migrations_cell : &migrations_directory;
        ARENA_SCOPED arena;
        int32_t stamp = 0;
        bool ok;

        arena_init(&arena, BOOKS_BYTES);
        if (!read_stamp(conn, &stamp, err))
                return false;
        if (stamp == set->stamp)
                return true;
        /* References are checked as a whole at the end. */
        sqlite3_db_config(conn->db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
        ok = sqlite_control(conn, CONTROL_BEGIN_WRITE, err);
        if (ok && !migrate_in_transaction(conn, set, &arena, err)) {
                conn->base.driver->roll_back(&conn->base);
                ok = false;
        }
        sqlite3_db_config(conn->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
        return ok;
}

bool sqlite_template(struct driver_state *state, const struct cell_ref *cell, struct template *ret_template,
                     struct err *err)
{
        struct sqlite_conn *conn;
        sqlite3_int64 size = 0;
        unsigned char *bytes = NULL;

        if (!sqlite_conn_open(state, cell, ":memory:", SQLITE_OPEN_READWRITE, &conn, err))
                return false;
        if (sqlite_migrate(conn, err)) {
                bytes = sqlite3_serialize(conn->db, "main", &size, 0);
                if (!bytes)
                        err_set(err, ERR_NO_MEMORY, "no memory for a new cell's template");
        }
        sqlite_conn_close(&conn->base);
        if (!bytes)
                return false;
        bytes[HEADER_WRITE_VERSION] = HEADER_WAL;
        bytes[HEADER_READ_VERSION] = HEADER_WAL;
        *ret_template = (struct template){bytes, (size_t)size};
        return true;
}
