/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tables there are and how they hang together, by the migrations that
 * this binary knows; and rows of any of them, as values. For what has to know
 * every table without naming any: moving a tenant. Everything else uses the
 * generated functions of its .sql file.
 */
#pragma once

#include "store/sql.h"

enum { SCHEMA_KEY_MAX = 8 };

struct schema_table {
        const char *name;
        const char *tenant_column; /* NULL: its rows are no tenant's */
        bool of_node;              /* its rows mean something to the nodes of this store only */
        const char *types;         /* a letter for each column, as in sql.h */
        unsigned column_count;
        unsigned key[SCHEMA_KEY_MAX]; /* the columns of the primary key */
        unsigned key_count;
        unsigned rows_at_once; /* that one `insert_many` takes */
        /* Private to the functions below. */
        struct sql_statement first, next, count, remove, insert_one, insert_many;
};

struct schema {
        struct schema_table *tables; /* those that others refer to come first */
        unsigned count;
};

/* Of the cells, or of the directory. Lives in the arena, which must outlive every store that it is used on.
 */
bool schema_read(bool directory, struct arena *arena, struct schema *ret, struct err *err) MUST_USE;

struct schema_value {
        struct str bytes; /* of a text or a blob */
        int64_t number;
        bool is_null;
};

/* Rows, one after the other, each of the table's column_count values. */
struct schema_page {
        struct schema_value *values;
        unsigned row_count;
};

/*
 * Inside work, on tables that have a tenant_column. Rows come in the order of
 * the primary key; `after` is the last row of the page before, or NULL. In the
 * arena of the transaction. A page is shorter than `most` only at the end, or
 * when its bytes have become many: only an empty one is the end.
 */
bool schema_rows_read(struct tx *tx, struct schema_table *table, struct str tenant,
                      const struct schema_value *after, unsigned most, struct schema_page *ret_page,
                      struct err *err) MUST_USE;
bool schema_rows_write(struct tx *tx, struct schema_table *table, const struct schema_page *page,
                       struct err *err) MUST_USE;
bool schema_rows_count(struct tx *tx, struct schema_table *table, struct str tenant, int64_t *ret_count,
                       struct err *err) MUST_USE;
bool schema_rows_remove(struct tx *tx, struct schema_table *table, struct str tenant,
                        struct err *err) MUST_USE;
