/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What generated statement functions call (tools/sqlgen.py). Nothing else
 * should: the typed functions are the interface of a statement.
 */
#pragma once

#include "store/store.h"

#include <stdatomic.h>

enum sql_scope {
        SQL_TENANT,    /* on a cell; parameter 1 is the tenant */
        SQL_DIRECTORY, /* on the directory */
        SQL_ANY,       /* the store's own books, on either */
};

struct sql_statement {
        const char *name;
        const char *text;
        int text_bytes;
        const char *postgres_text;
        const char *types; /* of the parameters, one letter each: t text, b blob, i int */
        enum sql_scope scope;
        bool writes;
        /* Place in every connection's cache of prepared statements; 0 until the first use. */
        _Atomic uint32_t slot;
};

/* One execution of a statement. */
struct sql_run {
        struct tx *tx;
        struct sql_statement *statement;
        void *handle; /* the driver's; NULL when closed */
        bool cached;
        int bind_status; /* the driver's first failure in binding, 0 if none */
        bool has_nul;    /* a text that PostgreSQL could not keep: refused on every store */
};

/* A cursor that closes itself: SQL_SCOPED(action_list) c = {0}; */
#define SQL_SCOPED(name) __attribute__((cleanup(sql_##name##_close))) struct sql_##name##_cursor

/* Prepares, or takes from the cache, and binds the tenant. A failed run needs no close. */
bool sql_run_open(struct tx *tx, struct sql_statement *statement, struct sql_run *ret_run,
                  struct err *err) MUST_USE;
/* Returns the statement. A closed or zeroed run is fine. */
void sql_run_close(struct sql_run *run);

/* Bytes are borrowed until the run is closed. A NULL pointer binds an empty value. */
void sql_bind_text(struct sql_run *run, int at, struct str value);
void sql_bind_blob(struct sql_run *run, int at, struct str value);
void sql_bind_int(struct sql_run *run, int at, int64_t value);
void sql_bind_null(struct sql_run *run, int at);

bool sql_step(struct sql_run *run, bool *ret_row, struct err *err) MUST_USE;
/* Steps to the end; rows are an error (of ours). */
bool sql_execute(struct sql_run *run, int64_t *ret_changes, struct err *err) MUST_USE;
/*
 * The same for an :exec, of which nobody wants to know the count: it may be sent
 * without waiting for its answer. Its failure is then that of a later statement
 * of the job, or of the job itself.
 */
bool sql_execute_blindly(struct sql_run *run, struct err *err) MUST_USE;
/* After the only row of a :one. A second row is an error (of ours). */
bool sql_expect_end(struct sql_run *run, struct err *err) MUST_USE;

/* Columns of the row that stands. Strings are copied to the arena. Null is an error unless nullable. */
bool sql_column_text(struct sql_run *run, int at, bool nullable, struct str *ret_value,
                     struct err *err) MUST_USE;
bool sql_column_blob(struct sql_run *run, int at, bool nullable, struct str *ret_value,
                     struct err *err) MUST_USE;
/* ret_has may be NULL: then null is an error. */
bool sql_column_int(struct sql_run *run, int at, bool *ret_has, int64_t *ret_value,
                    struct err *err) MUST_USE;
