/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cell of PostgreSQL as a file of the embedded store: every row that one
 * snapshot of the database shows.
 */
#include "store/internal.h"
#include "store/sqlite.h"

enum { SCHEMA_BYTES = 16 << 20, PAGE_BYTES = 512 << 20, ROWS_AT_ONCE = 500 };

struct copying {
        const struct schema *schema;
        struct tx *from;
        const struct cell_ref *cell;
        const char *path;
        struct arena pages[2]; /* this page, and the one before, which has the last key */
};

static bool copy_table(struct copying *copying, struct tx *to, struct schema_table *table, struct err *err)
{
        const struct schema_value *last = NULL;
        struct schema_page page;

        for (unsigned turn = 0;; turn++) {
                copying->from->arena = &copying->pages[turn % 2];
                arena_reset(copying->from->arena);
                if (!schema_rows_read(copying->from, table, copying->cell->tenant, last, ROWS_AT_ONCE, &page,
                                      err))
                        return false;
                if (page.row_count == 0)
                        return true;
                if (!schema_rows_write(to, table, &page, err))
                        return false;
                last = page.values + (size_t)(page.row_count - 1) * table->column_count;
        }
}

static bool copy_tables(struct copying *copying, struct sqlite_conn *to, struct err *err)
{
        struct tx tx = {.conn = &to->base, .cell = copying->cell, .is_write = true};

        for (unsigned i = 0; i < copying->schema->count; i++) {
                if (!copy_table(copying, &tx, &copying->schema->tables[i], err))
                        return false;
        }
        return sqlite_control(to, CONTROL_COMMIT, err);
}

static bool fill(struct sqlite_conn *to, void *arg, struct err *err)
{
        struct copying *copying = arg;

        if (!sqlite_execute(to, "PRAGMA journal_mode = WAL", "copying", err) || !sqlite_migrate(to, err) ||
            !sqlite_control(to, CONTROL_BEGIN_WRITE, err))
                return false;
        if (copy_tables(copying, to, err))
                return true;
        to->base.driver->roll_back(&to->base);
        return false;
}

/* On a store thread, in a transaction that sees one state of the cell. */
static bool snapshot_work(struct tx *tx, void *arg, struct err *err)
{
        struct driver_state limits = {.busy_timeout_ms = 1, .cache_kib = 1024};
        struct copying *copying = arg;
        struct arena *arena = tx->arena;
        bool ok;

        copying->from = tx;
        arena_init(&copying->pages[0], PAGE_BYTES);
        arena_init(&copying->pages[1], PAGE_BYTES);
        ok = sqlite_file_make(&limits, copying->cell, copying->path, fill, copying, err);
        tx->arena = arena;
        arena_done(&copying->pages[0]);
        arena_done(&copying->pages[1]);
        return ok;
}

static bool schema_of(struct store *store, const struct schema **ret_schema, struct err *err)
{
        bool ok = true;

        pthread_mutex_lock(&store->schema_lock);
        if (!store->schema) {
                arena_init(&store->schema_arena, SCHEMA_BYTES);
                struct schema *schema = ARENA_NEW(&store->schema_arena, struct schema);
                ok = arena_check(&store->schema_arena, err) &&
                     schema_read(false, &store->schema_arena, schema, err);
                store->schema = ok ? schema : NULL;
                if (!ok)
                        arena_done(&store->schema_arena);
        }
        *ret_schema = store->schema;
        pthread_mutex_unlock(&store->schema_lock);
        return ok;
}

bool store_snapshot_rows(struct store *store, const struct cell_ref *cell, const char *path, struct err *err)
{
        struct copying copying = {.cell = cell, .path = path};

        if (cell->tenant.len == 0)
                return err_set(
                        err, ERR_BAD_PARAMETER,
                        "the directory on PostgreSQL is no file; back it up with pg_dump, or with the "
                        "database's own archive");
        return schema_of(store, &copying.schema, err) &&
               store_read(store, cell, NULL, snapshot_work, &copying, err);
}
