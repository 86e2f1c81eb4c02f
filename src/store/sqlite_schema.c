/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue, asked of a new database in memory that has had every migration. */
#include "store/schema.h"
#include "store/schema_texts.h"
#include "store/sqlite.h"

#include "base/buf.h"

#include <string.h>

enum { PARAMETERS_MAX = 2048, ROWS_AT_ONCE = 64, TABLES_MAX = 512 };

static void statement_finalizep(sqlite3_stmt **statement)
{
        sqlite3_finalize(*statement);
}
#define STATEMENT_SCOPED __attribute__((cleanup(statement_finalizep))) sqlite3_stmt

static bool ask(sqlite3 *db, const char *text, const char *first, const char *second,
                sqlite3_stmt **ret_statement, struct err *err)
{
        int status = sqlite3_prepare_v2(db, text, -1, ret_statement, NULL);

        if (status == SQLITE_OK && first)
                status = sqlite3_bind_text(*ret_statement, 1, first, -1, SQLITE_STATIC);
        if (status == SQLITE_OK && second)
                status = sqlite3_bind_text(*ret_statement, 2, second, -1, SQLITE_STATIC);
        return status == SQLITE_OK || sqlite_fail(db, status, "reading the schema", err);
}

/* False and no error at the end. */
static bool next(sqlite3 *db, sqlite3_stmt *statement, bool *ret_ok, struct err *err)
{
        int status = sqlite3_step(statement);

        *ret_ok = status == SQLITE_ROW || status == SQLITE_DONE;
        if (!*ret_ok)
                sqlite_fail(db, status, "reading the schema", err);
        return status == SQLITE_ROW;
}

static char *text_of(struct arena *arena, sqlite3_stmt *statement, int at)
{
        const char *text = (const char *)sqlite3_column_text(statement, at);

        return text ? arena_strdup(arena, text) : NULL;
}

static bool read_columns(sqlite3 *db, struct arena *arena, struct schema_table *table, struct err *err)
{
        STATEMENT_SCOPED *statement = NULL;
        char types[64] = "";
        bool ok;

        if (!ask(db, schema_text_columns, table->name, NULL, &statement, err))
                return false;
        while (next(db, statement, &ok, err)) {
                int place = sqlite3_column_int(statement, 1);
                if (table->column_count + 1 >= sizeof(types) || place > SCHEMA_KEY_MAX)
                        return err_set(err, ERR_INTERNAL, "table %s is too wide", table->name);
                types[table->column_count] = *(const char *)sqlite3_column_text(statement, 0);
                if (place > 0) {
                        table->key[place - 1] = table->column_count;
                        table->key_count++;
                }
                table->column_count++;
        }
        table->types = arena_strdup(arena, types);
        return ok;
}

/* SQLite numbers "?1"; "$1" would be a name to it. */
static void statement_fill(struct arena *arena, struct sql_statement *ret, const char *name,
                           const char *text, const char *types, bool writes)
{
        char *own = arena_strdup(arena, text);

        for (char *c = own; c && *c; c++)
                *c = *c == '$' ? '?' : *c;
        *ret = (struct sql_statement){.name = name,
                                      .text = own,
                                      .text_bytes = own ? (int)strlen(own) : 0,
                                      .postgres_text = text,
                                      .types = types,
                                      .scope = SQL_ANY,
                                      .writes = writes};
}

/* "INSERT INTO … VALUES " and as many rows of parameters. */
static void insert_fill(struct arena *arena, const struct schema_table *table, const char *head,
                        unsigned rows, struct sql_statement *ret)
{
        BUF_SCOPED text, types;

        buf_init(&text, 1 << 20);
        buf_init(&types, 1 << 16);
        buf_append_c(&text, head);
        for (unsigned row = 0, at = 1; row < rows; row++) {
                buf_append_c(&text, row > 0 ? ", (" : "(");
                for (unsigned i = 0; i < table->column_count; i++)
                        buf_printf(&text, "%s$%u", i > 0 ? ", " : "", at++);
                buf_append_c(&text, ")");
                buf_append_c(&types, table->types);
        }
        statement_fill(arena, ret, table->name, arena_str(arena, buf_str(&text)).ptr,
                       arena_str(arena, buf_str(&types)).ptr, true);
}

static bool read_statements(sqlite3 *db, struct arena *arena, struct schema_table *table, struct err *err)
{
        STATEMENT_SCOPED *statement = NULL;
        char types[SCHEMA_KEY_MAX + 3] = "ti";
        bool ok;

        if (!ask(db, schema_text_statements, table->name, table->tenant_column, &statement, err) ||
            !next(db, statement, &ok, err))
                return false;
        for (unsigned i = 0; i < table->key_count; i++)
                types[2 + i] = table->types[table->key[i]];
        table->rows_at_once = PARAMETERS_MAX / table->column_count;
        if (table->rows_at_once > ROWS_AT_ONCE)
                table->rows_at_once = ROWS_AT_ONCE;
        statement_fill(arena, &table->first, table->name, text_of(arena, statement, 0), "ti", false);
        statement_fill(arena, &table->next, table->name, text_of(arena, statement, 1),
                       arena_strdup(arena, types), false);
        statement_fill(arena, &table->count, table->name, text_of(arena, statement, 2), "t", false);
        statement_fill(arena, &table->remove, table->name, text_of(arena, statement, 3), "t", true);
        const char *insert = text_of(arena, statement, 4);
        insert_fill(arena, table, insert, 1, &table->insert_one);
        insert_fill(arena, table, insert, table->rows_at_once, &table->insert_many);
        return arena_check(arena, err);
}

static bool read_tables(sqlite3 *db, struct arena *arena, struct schema *schema, struct err *err)
{
        STATEMENT_SCOPED *statement = NULL;
        bool ok;

        if (!ask(db, schema_text_tables, NULL, NULL, &statement, err))
                return false;
        while (next(db, statement, &ok, err)) {
                if (schema->count == TABLES_MAX)
                        return err_set(err, ERR_INTERNAL, "there are too many tables");
                struct schema_table *table = &schema->tables[schema->count++];
                table->name = text_of(arena, statement, 0);
                table->tenant_column = text_of(arena, statement, 1);
                table->of_node = sqlite3_column_int(statement, 2) != 0;
                if (!arena_check(arena, err) || !read_columns(db, arena, table, err) ||
                    (table->tenant_column && !read_statements(db, arena, table, err)))
                        return false;
        }
        return ok;
}

/* Whether all that the table refers to is among the first `placed`. */
static bool is_ready(sqlite3 *db, const struct schema *schema, unsigned placed,
                     const struct schema_table *table, bool *ret_ready, struct err *err)
{
        STATEMENT_SCOPED *statement = NULL;
        bool ok;

        *ret_ready = true;
        if (!ask(db, schema_text_references, table->name, NULL, &statement, err))
                return false;
        while (next(db, statement, &ok, err)) {
                bool found = false;
                for (unsigned i = 0; i < placed; i++)
                        found |= strcmp(schema->tables[i].name,
                                        (const char *)sqlite3_column_text(statement, 0)) == 0;
                *ret_ready &= found;
        }
        return ok;
}

static bool order_tables(sqlite3 *db, struct schema *schema, struct err *err)
{
        for (unsigned placed = 0; placed < schema->count; placed++) {
                unsigned at = placed;
                bool ready = false;
                for (; at < schema->count && !ready; at++) {
                        if (!is_ready(db, schema, placed, &schema->tables[at], &ready, err))
                                return false;
                }
                if (!ready)
                        return err_set(err, ERR_INTERNAL,
                                       "table %s and others refer to each other in a ring: a tenant's rows "
                                       "have no order to be moved in",
                                       schema->tables[placed].name);
                const struct schema_table found = schema->tables[at - 1];
                memmove(&schema->tables[placed + 1], &schema->tables[placed],
                        (at - 1 - placed) * sizeof(found));
                memcpy(&schema->tables[placed], &found, sizeof(found));
        }
        return true;
}

bool schema_read(bool directory, struct arena *arena, struct schema *ret, struct err *err)
{
        const struct cell_ref cell = directory ? CELL_DIRECTORY : (struct cell_ref){STR("t"), STR("r")};
        struct driver_state state = {.busy_timeout_ms = 1, .cache_kib = 1024};
        struct sqlite_conn *conn;

        *ret = (struct schema){.tables = ARENA_ARRAY(arena, struct schema_table, TABLES_MAX)};
        if (!arena_check(arena, err) || !sqlite_process_start(err) ||
            !sqlite_conn_open(&state, &cell, ":memory:", SQLITE_OPEN_READWRITE, &conn, err))
                return false;
        bool ok = sqlite_migrate(conn, err) && read_tables(conn->db, arena, ret, err) &&
                  order_tables(conn->db, ret, err);
        sqlite_conn_close(&conn->base);
        return ok;
}
