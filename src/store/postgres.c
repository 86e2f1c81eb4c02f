/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres.h"

#include "base/heap.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
        BINARY = 1,
        /* https://www.postgresql.org/docs/15/protocol-overview.html, formats; pg_type.dat for the numbers.
         */
        OID_BYTEA = 17,
        OID_INT8 = 20,
        OID_TEXT = 25,
        OUTCOME_TRIES = 50,
        OUTCOME_PAUSE_US = 20000,
};

static struct pg_conn *of(struct conn *base)
{
        return (struct pg_conn *)base;
}

static bool conn_open(struct driver_state *state, const struct cell_ref *cell, bool is_write,
                      struct conn **ret_conn, struct err *err)
{
        struct pg_pool *pool = pg_pool_of(state, cell->region, err);
        struct pg_conn *conn;

        (void)is_write;
        if (!pool || !pg_take(pool, &conn, err))
                return false;
        (void)snprintf(conn->tenant, sizeof(conn->tenant), "%.*s", STR_ARG(cell->tenant));
        *ret_conn = &conn->base;
        return true;
}

static void conn_trim(struct conn *base)
{
        (void)base;
}

static bool conn_begin(struct conn *base, bool is_write, struct err *err)
{
        struct pg_conn *conn = of(base);

        (void)err;
        conn->in_tx = true;
        conn->is_write = is_write;
        conn->begun = conn->seen = conn->kept = conn->in_job = conn->savepoint = false;
        conn->xid[0] = '\0';
        return true;
}

static bool conn_in_transaction(struct conn *base)
{
        return of(base)->in_tx;
}

/* Nothing is sent for it until the job's first statement. */
static bool conn_savepoint(struct conn *base, struct err *err)
{
        (void)err;
        of(base)->in_job = true;
        of(base)->savepoint = false;
        return true;
}

static bool conn_release(struct conn *base, struct err *err)
{
        struct pg_conn *conn = of(base);
        PGresult *none = NULL;

        /* The job has succeeded if what it left has. */
        if (conn->left > 0 && !pg_collect(conn, "transaction", &none, err))
                return false;
        bool ok = !conn->savepoint || pg_queue_control(conn, PG_CONTROL, "RELEASE SAVEPOINT job", err);

        conn->kept |= conn->begun;
        conn->in_job = conn->savepoint = false;
        return ok;
}

/*
 * Ends the transaction without waiting for the answer, which is read with the
 * next one's. It is sent now: a rollback that waited in this process for the
 * connection's next use would keep the cell's lock from everybody else.
 */
static bool send_rollback(struct pg_conn *conn, struct err *err)
{
        if (!pg_queue_control(conn, PG_CONTROL, "ROLLBACK", err))
                return false;
        if (!PQpipelineSync(conn->pq))
                return pg_fail_conn(conn, "transaction", err);
        conn->queue[conn->queued++] = (struct pg_queued){.command = PG_SYNC};
        conn->unsynced = false;
        return true;
}

static bool conn_take_back(struct conn *base, struct err *err)
{
        struct pg_conn *conn = of(base);
        PGresult *none = NULL;
        struct err ignored;
        bool ok = true;

        /* A failure among what was left would make the database skip what follows; the job has failed
         * anyway. */
        if (conn->left > 0)
                (void)!pg_collect(conn, "transaction", &none, &ignored);
        if (conn->savepoint) {
                ok = pg_queue_control(conn, PG_CONTROL, "ROLLBACK TO SAVEPOINT job", err) &&
                     pg_queue_control(conn, PG_CONTROL, "RELEASE SAVEPOINT job", err);
        } else if (conn->begun && !conn->kept) {
                ok = send_rollback(conn, err);
                conn->begun = conn->seen = false;
        }
        conn->in_job = conn->savepoint = false;
        return ok;
}

static void conn_roll_back(struct conn *base)
{
        struct pg_conn *conn = of(base);
        struct err err;

        conn->in_tx = false;
        if (!conn->begun || base->broken)
                return;
        conn->begun = false;
        if (conn->left > 0) {
                base->broken = true; /* in the middle of a job: the connection's end is a rollback too */
                return;
        }
        if (!send_rollback(conn, &err))
                base->broken = true;
}

/* The status of a transaction on this very start of this very server; NULL if that cannot be known. */
static PGresult *ask_outcome(struct pg_conn *conn, const char *xid, const char *instance)
{
        const char *values[] = {xid};
        struct err err;

        /* Another server may have given the same number to another transaction. */
        if (!pg_reconnect(conn, &err) || strcmp(conn->instance, instance) != 0 ||
            !PQexitPipelineMode(conn->pq))
                return NULL;
        return pg_query(conn->pq, pg_text_outcome, 1, values, &err);
}

/* What was committed is told to nobody before it is where it has to be: the wait for that may have been cut.
 */
static bool is_replicated(struct pg_conn *conn)
{
        struct err err;

        conn->warned = false;
        PGresult *result = pg_query(conn->pq, pg_text_outcome_replicated, 0, NULL, &err);
        bool done = result && !conn->warned;
        PQclear(result);
        return done;
}

/*
 * The answer to COMMIT was lost. Where the server that had the transaction
 * still runs, it knows what became of it; else nobody can say.
 */
static enum commit_result find_outcome(struct pg_conn *conn)
{
        char instance[sizeof(conn->instance)], xid[sizeof(conn->xid)];
        enum commit_result found = COMMIT_UNCERTAIN;

        memcpy(instance, conn->instance, sizeof(instance));
        memcpy(xid, conn->xid, sizeof(xid));
        for (int i = 0; i < OUTCOME_TRIES && found == COMMIT_UNCERTAIN; i++) {
                PGresult *result = ask_outcome(conn, xid, instance);
                bool waits = false;
                if (result && PQntuples(result) == 1) {
                        const char *status = PQgetvalue(result, 0, 0);
                        waits = strcmp(status, "in progress") == 0;
                        if (strcmp(status, "committed") == 0 && is_replicated(conn))
                                found = COMMIT_DONE;
                        else if (strcmp(status, "aborted") == 0)
                                found = COMMIT_TAKEN_BACK;
                }
                PQclear(result);
                if (!waits)
                        break;
                /* It is still about to end; the server notices the lost line soon. */
                usleep(OUTCOME_PAUSE_US);
        }
        conn->base.broken = true; /* left pipeline mode */
        return found;
}

static enum commit_result commit_lost(struct pg_conn *conn, struct err *err)
{
        enum commit_result result = conn->xid[0] ? find_outcome(conn) : COMMIT_UNCERTAIN;

        conn->base.broken = true;
        if (result == COMMIT_TAKEN_BACK)
                pg_fail("08006", NULL, "commit", err);
        if (result == COMMIT_UNCERTAIN)
                err_set(err, ERR_WRITE_UNCERTAIN,
                        "the connection to the database was lost during the commit; read again before you "
                        "repeat it, or repeat it with the same Idempotency-Key");
        return result;
}

static enum commit_result conn_commit(struct conn *base, struct err *err)
{
        struct pg_conn *conn = of(base);
        PGresult *result = NULL;

        conn->in_tx = false;
        if (!conn->begun)
                return COMMIT_DONE; /* nothing was asked of the database */
        conn->begun = false;
        if (base->broken || !pg_queue_control(conn, PG_CONTROL, "COMMIT", err)) {
                pg_fail_conn(conn, "commit", err);
                return COMMIT_TAKEN_BACK; /* COMMIT was not sent */
        }
        conn->queue[conn->queued - 1].command = PG_EXECUTE;
        conn->warned = false;
        if (!pg_collect(conn, "commit", &result, err)) {
                if (base->broken)
                        return commit_lost(conn, err);
                base->broken = true; /* COMMIT failed, or was skipped after another command that did */
                return COMMIT_TAKEN_BACK;
        }
        /* A transaction that had failed answers COMMIT with ROLLBACK. */
        bool done = result && strcmp(PQcmdStatus(result), "COMMIT") == 0;
        PQclear(result);
        if (done && conn->warned) {
                err_set(err, ERR_WRITE_UNCERTAIN,
                        "the database did not wait until a standby had it; read again before you repeat it, "
                        "or repeat it with the same Idempotency-Key");
                return COMMIT_UNCERTAIN;
        }
        if (done)
                return COMMIT_DONE;
        err_set(err, ERR_STORE_FAILED, "the database rolled the transaction back");
        return COMMIT_TAKEN_BACK;
}

static bool conn_tidy(struct conn *base)
{
        (void)base;
        return false;
}

static void conn_set_pause(struct conn *base, void (*pause)(void *arg), void *arg)
{
        of(base)->pause = pause;
        of(base)->pause_arg = arg;
}

static bool statement_prepare(struct conn *base, struct sql_statement *named, void **ret_handle,
                              struct err *err)
{
        size_t count = strlen(named->types);
        struct pg_statement *statement = heap_alloc_zeroed(1, sizeof(*statement) + 1);
        /* One block for the arrays, the widest first. */
        uint64_t *numbers = heap_alloc_zeroed(count + 1, sizeof(uint64_t) + sizeof(char *) +
                                                                 2 * sizeof(int) + sizeof(Oid));

        *ret_handle = NULL;
        if (!statement || !numbers) {
                heap_free(statement);
                heap_free(numbers);
                return err_set(err, ERR_NO_MEMORY, "no memory for a statement");
        }
        statement->conn = of(base);
        statement->named = named;
        statement->count = (int)count;
        statement->numbers = numbers;
        statement->values = (const char **)(numbers + count);
        statement->lengths = (int *)(statement->values + count);
        statement->formats = statement->lengths + count;
        statement->types = (Oid *)(statement->formats + count);
        for (size_t i = 0; i < count; i++) {
                char type = named->types[i];
                statement->formats[i] = BINARY;
                statement->types[i] = type == 'i' ? OID_INT8 : type == 'b' ? OID_BYTEA : OID_TEXT;
        }
        *ret_handle = statement;
        return true;
}

static void statement_reset(void *handle)
{
        struct pg_statement *statement = handle;

        PQclear(statement->result);
        statement->result = NULL;
}

static void statement_finalize(void *handle)
{
        struct pg_statement *statement = handle;

        statement_reset(handle);
        heap_free(statement->numbers);
        heap_free(statement);
}

static int bind_bytes(void *handle, int at, struct str value)
{
        struct pg_statement *statement = handle;

        statement->values[at - 1] = value.ptr;
        statement->lengths[at - 1] = (int)value.len;
        return value.len > INT32_MAX ? -1 : 0;
}

static int bind_int(void *handle, int at, int64_t value)
{
        struct pg_statement *statement = handle;

        statement->numbers[at - 1] = htobe64((uint64_t)value);
        statement->values[at - 1] = (const char *)&statement->numbers[at - 1];
        statement->lengths[at - 1] = sizeof(uint64_t);
        return 0;
}

static bool statement_step(struct conn *base, void *handle, const char *name, int bind_status, bool *ret_row,
                           struct err *err)
{
        struct pg_statement *statement = handle;

        *ret_row = false;
        if (bind_status != 0)
                return err_set(err, ERR_STORE_FAILED, "%s: a value is too long", name);
        if (!statement->result) {
                if (!pg_execute(of(base), statement, name, err))
                        return false;
                of(base)->changes = strtoll(PQcmdTuples(statement->result), NULL, 10);
        }
        *ret_row = ++statement->row < PQntuples(statement->result);
        return true;
}

static bool statement_leave(struct conn *base, void *handle, const char *name, int bind_status,
                            bool *ret_left, struct err *err)
{
        struct pg_statement *statement = handle;

        *ret_left = false;
        return bind_status != 0 || pg_leave(of(base), statement, name, ret_left, err);
}

static int64_t conn_changes(struct conn *base)
{
        return of(base)->changes;
}

static struct str column(void *handle, int at)
{
        const struct pg_statement *statement = handle;

        if (PQgetisnull(statement->result, statement->row, at))
                return STR_NULL;
        return str_make(PQgetvalue(statement->result, statement->row, at),
                        (size_t)PQgetlength(statement->result, statement->row, at));
}

static bool column_int(void *handle, int at, int64_t *ret_value)
{
        struct str bytes = column(handle, at);
        uint64_t value = 0;

        *ret_value = 0;
        if (!bytes.ptr || bytes.len > sizeof(value))
                return false;
        /* Two's complement of 1, 2, 4 or 8 bytes, the first the highest. */
        if (bytes.len > 1 && (bytes.ptr[0] & 0x80))
                value = UINT64_MAX;
        for (size_t i = 0; i < bytes.len; i++)
                value = value << 8 | (unsigned char)bytes.ptr[i];
        *ret_value = (int64_t)value;
        return true;
}

const struct driver driver_postgres = {
        .name = "postgres",
        .pooled = true,
        .start = pg_start,
        .stop = pg_stop,
        .open = conn_open,
        .trim = conn_trim,
        .close = pg_give_back,
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
        .bind_text = bind_bytes,
        .bind_blob = bind_bytes,
        .bind_int = bind_int,
        .step = statement_step,
        .leave = statement_leave,
        .changes = conn_changes,
        .column_text = column,
        .column_blob = column,
        .column_int = column_int,
        .cell_create = pg_cell_create,
        .cell_list = pg_cell_list,
        .stand = pg_stand,
        .set_stand = pg_set_stand,
        .tell = pg_tell,
        .listen = pg_listen,
        .listen_stop = pg_listen_stop,
        .hears = pg_hears,
};
