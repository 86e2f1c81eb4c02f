/* SPDX-License-Identifier: Apache-2.0 */
#include "store/schema.h"

#include "base/heap.h"

enum { PAGE_BYTES = 4 * 1024 * 1024 };

static void bind(struct sql_run *run, int at, char type, const struct schema_value *value)
{
        if (value->is_null)
                sql_bind_null(run, at);
        else if (type == 'i')
                sql_bind_int(run, at, value->number);
        else if (type == 'b')
                sql_bind_blob(run, at, value->bytes);
        else
                sql_bind_text(run, at, value->bytes);
}

static bool read_value(struct sql_run *run, int at, char type, struct schema_value *ret, struct err *err)
{
        bool has = true, ok;

        if (type == 'i')
                ok = sql_column_int(run, at, &has, &ret->number, err);
        else if (type == 'b')
                ok = sql_column_blob(run, at, true, &ret->bytes, err);
        else
                ok = sql_column_text(run, at, true, &ret->bytes, err);
        ret->is_null = type == 'i' ? !has : !ret->bytes.ptr;
        return ok;
}

static bool read_row(struct sql_run *run, const struct schema_table *table, struct schema_value *ret_row,
                     size_t *bytes, struct err *err)
{
        for (unsigned i = 0; i < table->column_count; i++) {
                if (!read_value(run, (int)i, table->types[i], &ret_row[i], err))
                        return false;
                *bytes += ret_row[i].bytes.len;
        }
        return true;
}

bool schema_rows_read(struct tx *tx, struct schema_table *table, struct str tenant,
                      const struct schema_value *after, unsigned most, struct schema_page *ret_page,
                      struct err *err)
{
        struct sql_run run __attribute__((cleanup(sql_run_close))) = {0};
        size_t bytes = 0;
        bool row;

        *ret_page = (struct schema_page){.values = ARENA_ARRAY(tx_arena(tx), struct schema_value,
                                                               (size_t)most * table->column_count)};
        if (!arena_check(tx_arena(tx), err) ||
            !sql_run_open(tx, after ? &table->next : &table->first, &run, err))
                return false;
        sql_bind_text(&run, 1, tenant);
        sql_bind_int(&run, 2, most);
        for (unsigned i = 0; after && i < table->key_count; i++)
                bind(&run, 3 + (int)i, table->types[table->key[i]], &after[table->key[i]]);
        while (ret_page->row_count < most && bytes < PAGE_BYTES) {
                if (!sql_step(&run, &row, err))
                        return false;
                if (!row)
                        return true;
                if (!read_row(&run, table,
                              ret_page->values + (size_t)ret_page->row_count * table->column_count, &bytes,
                              err))
                        return false;
                ret_page->row_count++;
        }
        return true;
}

static bool write_rows(struct tx *tx, struct schema_table *table, const struct schema_value *values,
                       unsigned row_count, struct err *err)
{
        struct sql_statement *statement = row_count == 1 ? &table->insert_one : &table->insert_many;
        struct sql_run run __attribute__((cleanup(sql_run_close))) = {0};
        unsigned value_count = row_count * table->column_count;
        int64_t changes;

        if (!sql_run_open(tx, statement, &run, err))
                return false;
        for (unsigned i = 0; i < value_count; i++)
                bind(&run, 1 + (int)i, table->types[i % table->column_count], &values[i]);
        return sql_execute(&run, &changes, err);
}

bool schema_rows_write(struct tx *tx, struct schema_table *table, const struct schema_page *page,
                       struct err *err)
{
        for (unsigned done = 0; done < page->row_count;) {
                unsigned count = page->row_count - done >= table->rows_at_once ? table->rows_at_once : 1;
                if (!write_rows(tx, table, page->values + (size_t)done * table->column_count, count, err))
                        return err_prefix(err, "table %s", table->name);
                done += count;
        }
        return true;
}

bool schema_rows_count(struct tx *tx, struct schema_table *table, struct str tenant, int64_t *ret_count,
                       struct err *err)
{
        struct sql_run run __attribute__((cleanup(sql_run_close))) = {0};
        bool row;

        if (!sql_run_open(tx, &table->count, &run, err))
                return false;
        sql_bind_text(&run, 1, tenant);
        return sql_step(&run, &row, err) && sql_column_int(&run, 0, NULL, ret_count, err) &&
               sql_expect_end(&run, err);
}

bool schema_rows_remove(struct tx *tx, struct schema_table *table, struct str tenant, struct err *err)
{
        struct sql_run run __attribute__((cleanup(sql_run_close))) = {0};
        int64_t changes;

        if (!sql_run_open(tx, &table->remove, &run, err))
                return false;
        sql_bind_text(&run, 1, tenant);
        return sql_execute(&run, &changes, err);
}
