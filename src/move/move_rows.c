/* SPDX-License-Identifier: Apache-2.0 */
#include "move/move_private.h"

#include "base/test_hooks.h"
#include "crypto/sha256.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SCRATCH_BYTES = 512 * 1024 * 1024, ROWS_AT_ONCE = 500, PAGES_MAX = 65536 };

/* In the directory this is what stays behind, so that an older copy of the log is told apart. */
static bool stays(const struct cell_ref *cell, const struct schema_table *table)
{
        return cell->tenant.len == 0 && strcmp(table->name, "log_high_water") == 0;
}

/* A table with rows of the tenant that are to be in the copy. */
static bool moves(const struct schema_table *table)
{
        return table->tenant_column && !table->of_node;
}

/* ---- counting ------------------------------------------------------------------------------------ */

struct counting {
        struct move *move;
        const struct schema *schema;
        struct move_table *tables;
        unsigned count;
};

static bool count_all(struct tx *tx, void *arg, struct err *err)
{
        struct counting *counting = arg;

        for (unsigned i = 0; i < counting->schema->count; i++) {
                struct schema_table *table = &counting->schema->tables[i];
                if (!moves(table))
                        continue;
                struct move_table *into = &counting->tables[counting->count++];
                into->name = table->name;
                if (!schema_rows_count(tx, table, counting->move->options->tenant, &into->rows, err))
                        return false;
        }
        return true;
}

bool move_count(struct move *move, struct store *store, const struct cell_ref *cell,
                const struct schema *schema, struct move_table **ret_tables, unsigned *ret_count,
                struct err *err)
{
        struct counting counting = {.move = move,
                                    .schema = schema,
                                    .tables = ARENA_ARRAY(move->arena, struct move_table, schema->count)};

        if (!arena_check(move->arena, err) || !store_read(store, cell, NULL, count_all, &counting, err))
                return false;
        *ret_tables = counting.tables;
        *ret_count = counting.count;
        return true;
}

/* ---- pages ---------------------------------------------------------------------------------------- */

struct paging {
        struct move *move;
        struct schema_table *table;
        const struct schema_value *after;
        struct schema_page page;
};

static bool read_page(struct tx *tx, void *arg, struct err *err)
{
        struct paging *paging = arg;

        return schema_rows_read(tx, paging->table, paging->move->options->tenant, paging->after,
                                ROWS_AT_ONCE, &paging->page, err);
}

static bool write_page(struct tx *tx, void *arg, struct err *err)
{
        struct paging *paging = arg;

        return schema_rows_write(tx, paging->table, &paging->page, err);
}

/* Each value with its length or its absence before it, so that no two rows look alike. */
static void digest_page(struct sha256_stream *stream, const struct schema_table *table,
                        const struct schema_page *page)
{
        for (size_t i = 0; i < (size_t)page->row_count * table->column_count; i++) {
                const struct schema_value *value = &page->values[i];
                bool is_number = table->types[i % table->column_count] == 'i';
                int64_t head = value->is_null ? -1 : is_number ? value->number : (int64_t)value->bytes.len;

                sha256_add(stream, str_make(value->is_null ? "0" : "1", 1));
                sha256_add(stream, str_make(&head, sizeof(head)));
                if (!value->is_null && !is_number)
                        sha256_add(stream, value->bytes);
        }
}

/*
 * Every row of the table in a cell, a page at a time: into `into` (NULL: only
 * looked at). *ret_rows and *ret_digest are of what was read.
 */
static bool walk(struct move *move, struct store *from, struct store *into, const struct cell_ref *cell,
                 struct schema_table *table, int64_t *ret_rows, struct sha256 *ret_digest, struct err *err)
{
        struct arena arenas[2]; /* this page's, and that of the one before, which has the last key */
        struct sha256_stream stream;
        bool ok = true, more = true;

        arena_init(&arenas[0], SCRATCH_BYTES);
        arena_init(&arenas[1], SCRATCH_BYTES);
        sha256_begin(&stream);
        *ret_rows = 0;
        struct paging paging = {.move = move, .table = table};
        for (unsigned turn = 0; ok && more; turn++) {
                struct arena *arena = &arenas[turn % 2];
                arena_reset(arena);
                ok = store_read(from, cell, arena, read_page, &paging, err);
                more = ok && paging.page.row_count > 0;
                if (!more)
                        break;
                digest_page(&stream, table, &paging.page);
                *ret_rows += paging.page.row_count;
                if (into)
                        ok = store_write(into, cell, NULL, write_page, &paging, err);
                paging.after =
                        paging.page.values + (size_t)(paging.page.row_count - 1) * table->column_count;
        }
        sha256_end(&stream, ret_digest);
        arena_done(&arenas[0]);
        arena_done(&arenas[1]);
        return ok;
}

/* ---- removing -------------------------------------------------------------------------------------- */

struct removing {
        struct move *move;
        const struct cell_ref *cell;
        const struct schema *schema;
};

/* Those that refer come before what they refer to. */
static bool remove_all(struct tx *tx, void *arg, struct err *err)
{
        const struct removing *removing = arg;

        for (unsigned i = removing->schema->count; i-- > 0;) {
                struct schema_table *table = &removing->schema->tables[i];
                if (table->tenant_column && !stays(removing->cell, table) &&
                    !schema_rows_remove(tx, table, removing->move->options->tenant, err))
                        return false;
        }
        return true;
}

bool move_remove_rows(struct move *move, struct store *store, const struct cell_ref *cell, struct err *err)
{
        struct removing removing = {move, cell,
                                    cell->tenant.len > 0 ? &move->cell_schema : &move->directory_schema};

        return store_write(store, cell, NULL, remove_all, &removing, err);
}

/* ---- a cell ---------------------------------------------------------------------------------------- */

static bool copy_table(struct move *move, struct move_cell *cell, struct schema_table *table,
                       struct err *err)
{
        struct store *source = move->options->source, *target = move->options->target;
        struct move_table *into = &cell->tables[cell->table_count++];
        struct sha256 sent, arrived;
        int64_t rows;

        into->name = table->name;
        if (!walk(move, source, target, &cell->ref, table, &into->rows, &sent, err) ||
            !walk(move, target, NULL, &cell->ref, table, &rows, &arrived, err))
                return err_prefix(err, "table %s", table->name);
        if (rows != into->rows)
                return err_set(err, ERR_PROOF_INVALID,
                               "table %s has %" PRId64 " rows at the source and %" PRId64 " in the copy",
                               table->name, into->rows, rows);
        return sha256_eq(&sent, &arrived) ||
               err_set(err, ERR_PROOF_INVALID, "the rows of table %s are not the same in the copy",
                       table->name);
}

bool move_copy_cell(struct move *move, struct move_cell *cell, struct err *err)
{
        const struct schema *schema = &move->cell_schema;

        cell->tables = ARENA_ARRAY(move->arena, struct move_table, schema->count);
        cell->table_count = 0;
        if (!arena_check(move->arena, err) ||
            !move_remove_rows(move, move->options->target, &cell->ref, err) ||
            !move_read_logs(move, move->options->source, cell, err))
                return false;
        for (unsigned i = 0; i < schema->count; i++) {
                if (!schema->tables[i].tenant_column)
                        return err_set(err, ERR_INTERNAL, "table %s does not say whose its rows are",
                                       schema->tables[i].name);
                if (!copy_table(move, cell, &schema->tables[i], err))
                        return false;
                test_step("move: a table was copied");
        }
        return move_check_logs(move, cell, err);
}

/* ---- the directory --------------------------------------------------------------------------------- */

struct directory {
        struct move *move;
        struct schema_page *pages; /* one for each table: all of its rows */
        struct log_mark marks[MOVE_CELLS_MAX];
};

static bool read_directory(struct tx *tx, void *arg, struct err *err)
{
        struct directory *directory = arg;
        const struct schema *schema = &directory->move->directory_schema;

        for (unsigned i = 0; i < schema->count; i++) {
                struct schema_table *table = &schema->tables[i];
                int64_t rows = 0;
                if (!moves(table))
                        continue;
                if (!schema_rows_count(tx, table, directory->move->options->tenant, &rows, err) ||
                    !schema_rows_read(tx, table, directory->move->options->tenant, NULL, (unsigned)rows + 1,
                                      &directory->pages[i], err))
                        return false;
                if (directory->pages[i].row_count != rows)
                        return err_set(err, ERR_LIMIT_REACHED,
                                       "the directory has too many rows of this tenant in table %s",
                                       table->name);
        }
        return true;
}

static bool write_directory(struct tx *tx, void *arg, struct err *err)
{
        struct directory *directory = arg;
        struct move *move = directory->move;
        const struct schema *schema = &move->directory_schema;
        struct removing removing = {move, &CELL_DIRECTORY, schema};
        int64_t rows;

        for (unsigned i = 0; i < move->report->cell_count; i++) {
                if (!log_mark_get(tx, &move->report->cells[i].ref, &directory->marks[i], err))
                        return false;
        }
        if (!remove_all(tx, &removing, err))
                return false;
        for (unsigned i = 0; i < schema->count; i++) {
                struct schema_table *table = &schema->tables[i];
                if (!moves(table))
                        continue;
                if ((stays(&CELL_DIRECTORY, table) &&
                     !schema_rows_remove(tx, table, move->options->tenant, err)) ||
                    !schema_rows_write(tx, table, &directory->pages[i], err) ||
                    !schema_rows_count(tx, table, move->options->tenant, &rows, err))
                        return false;
                if (rows != directory->pages[i].row_count)
                        return err_set(err, ERR_PROOF_INVALID,
                                       "directory table %s has %u rows at the source and %" PRId64
                                       " in the copy",
                                       table->name, directory->pages[i].row_count, rows);
        }
        for (unsigned i = 0; i < move->report->cell_count; i++) {
                if (!log_mark_raise(tx, &move->report->cells[i].ref, &directory->marks[i], err))
                        return false;
        }
        return true;
}

bool move_copy_directory(struct move *move, struct err *err)
{
        const struct schema *schema = &move->directory_schema;
        struct directory directory = {.move = move,
                                      .pages = ARENA_ARRAY(move->arena, struct schema_page, schema->count)};
        ARENA_SCOPED scratch;

        arena_init(&scratch, SCRATCH_BYTES);
        if (!arena_check(move->arena, err) ||
            !store_read(move->options->source, &CELL_DIRECTORY, &scratch, read_directory, &directory, err) ||
            !store_write(move->options->target, &CELL_DIRECTORY, NULL, write_directory, &directory, err))
                return err_prefix(err, "the directory's rows");
        return move_count(move, move->options->target, &CELL_DIRECTORY, schema, &move->report->directory,
                          &move->report->directory_count, err);
}
