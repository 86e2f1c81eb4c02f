/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands are queued and go out together, with one sync and one wait for the
 * answers: BEGIN, the tenant, the savepoint and the first statement are one
 * round trip. Results come back in the order of the queue. A statement of which
 * nobody wants to know more than whether it failed (an :exec) goes out at once
 * and is answered with the next one, at the latest when its job ends.
 *
 * https://www.postgresql.org/docs/15/libpq-pipeline-mode.html
 */
#include "store/postgres.h"

#include "base/heap.h"

#include <poll.h>
#include <stdio.h>

enum { BINARY = 1, OID_TEXT = 25, SLOT_NAME_MAX = 16, PAUSE_MS = 2 };

struct state_code {
        const char *prefix; /* of an SQLSTATE */
        enum err_code code;
        const char *message; /* NULL: the database's own */
};

/* https://www.postgresql.org/docs/15/errcodes-appendix.html; the first match counts. */
static const struct state_code state_codes[] = {
        {"23505", ERR_STORE_CONFLICT, "such a row exists already"},
        {"23503", ERR_STORE_CONFLICT, "it refers to what is not there, or something refers to it"},
        {"22021", ERR_BAD_PARAMETER, "a text has a NUL or is not UTF-8"},
        {"53100", ERR_STORE_FULL, "no space left for the database; free some or enlarge its volume"},
        {"53", ERR_STORE_BUSY, "the database has no room for more; try again"},
        {"55P03", ERR_STORE_BUSY, "others hold what it needs; try again"},
        {"57014", ERR_STORE_BUSY, "it took too long; try again"},
        {"40", ERR_STORE_BUSY, "it ran into another transaction; try again"},
        {"25006", ERR_STORE_BUSY, "the database only reads, as after a switch to another server; try again"},
        {"57P", ERR_STORE_BUSY, "the database is shutting down or starting; try again"},
        {"25P03", ERR_STORE_BUSY, "the transaction stood still too long; try again"},
        {"08", ERR_STORE_BUSY, "the connection to the database was lost; try again"},
        {"42501", ERR_STORE_FAILED, "row-level security or a missing right refused it"},
};

bool pg_fail(const char *sqlstate, const char *message, const char *what, struct err *err)
{
        char line[256] = "";

        for (size_t i = 0; sqlstate && i < sizeof(state_codes) / sizeof(state_codes[0]); i++) {
                const struct state_code *known = &state_codes[i];
                if (strncmp(sqlstate, known->prefix, strlen(known->prefix)) == 0)
                        return err_set(err, known->code, "%s: %s (%s)", what, known->message, sqlstate);
        }
        if (message)
                (void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(message, "\n"), message);
        return err_set(err, ERR_STORE_FAILED, "%s: %s (%s)", what, line[0] ? line : "the database failed",
                       sqlstate ? sqlstate : "no SQLSTATE");
}

bool pg_fail_conn(struct pg_conn *conn, const char *what, struct err *err)
{
        conn->base.broken = true;
        return pg_fail("08006", NULL, what, err);
}

static bool queue_add(struct pg_conn *conn, enum pg_command command, uint32_t slot, bool sent,
                      const char *what, struct err *err)
{
        if (!sent)
                return pg_fail_conn(conn, what, err);
        conn->queue[conn->queued++] = (struct pg_queued){command, what, slot};
        conn->left += command == PG_LEFT;
        conn->unsynced = true;
        return true;
}

/* Room for one more command and the sync after it. */
static bool queue_room(struct pg_conn *conn, struct err *err)
{
        PGresult *none = NULL;

        return conn->queued + 8 < PG_QUEUE_MAX || pg_collect(conn, "transaction", &none, err);
}

bool pg_queue_control(struct pg_conn *conn, enum pg_command command, const char *sql, struct err *err)
{
        return queue_room(conn, err) &&
               queue_add(conn, command, 0, PQsendQueryParams(conn->pq, sql, 0, NULL, NULL, NULL, NULL, 0),
                         "transaction", err);
}

/* One text and perhaps a second, or neither. */
static bool queue_text(struct pg_conn *conn, enum pg_command command, const char *sql, const char *value,
                       const char *second, struct err *err)
{
        const Oid types[] = {OID_TEXT, OID_TEXT};
        const char *values[] = {value, second};

        return queue_add(conn, command, 0,
                         PQsendQueryParams(conn->pq, sql,
                                           !value    ? 0
                                           : !second ? 1
                                                     : 2,
                                           types, values, NULL, NULL, 0),
                         "transaction", err);
}

static bool queue_beginning(struct pg_conn *conn, struct err *err)
{
        bool in_directory = conn->tenant[0] == '\0';

        if (!pg_queue_control(conn, PG_CONTROL,
                              conn->is_write ? "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
                                             : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                              err))
                return false;
        conn->begun = true;
        conn->xid[0] = '\0';
        if (in_directory && !conn->is_write)
                return true;
        if (in_directory && conn->pool->state->moves_cells)
                return queue_text(conn, PG_BEGUN, pg_text_begun_directory_moving, conn->pool->hold, NULL,
                                  err);
        if (in_directory)
                return queue_text(conn, PG_BEGUN, pg_text_begun_directory, NULL, NULL, err);
        if (conn->pool->state->moves_cells)
                return queue_text(conn, PG_BEGUN,
                                  conn->is_write ? pg_text_begun_write_moving : pg_text_begun_read_moving,
                                  conn->tenant, conn->is_write ? conn->pool->hold : NULL, err);
        return queue_text(conn, PG_BEGUN, conn->is_write ? pg_text_begun_write : pg_text_begun_read,
                          conn->tenant, NULL, err);
}

bool pg_queue_begin(struct pg_conn *conn, struct err *err)
{
        if (!conn->begun && !queue_beginning(conn, err))
                return false;
        /* The first job that changes anything needs none: taking it back is taking back all. */
        if (conn->in_job && conn->kept && !conn->savepoint) {
                if (!pg_queue_control(conn, PG_CONTROL, "SAVEPOINT job", err))
                        return false;
                conn->savepoint = true;
        }
        return true;
}

/* What a failed collect has to remember: the first failure, and whether the line itself is lost. */
struct failure {
        bool any, lost, no_cell, moving;
        const char
                *name; /* of a statement whose result was left for later; NULL: the one that is waited for */
        char sqlstate[6];
        char message[256];
};

static void failure_keep(struct failure *failure, const struct pg_queued *queued, const PGresult *result)
{
        const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

        if (failure->any)
                return;
        failure->any = true;
        failure->name = queued->command == PG_LEFT ? queued->name : NULL;
        /* libpq makes a result without an SQLSTATE when the connection is lost. */
        if (!sqlstate)
                failure->lost = true;
        (void)snprintf(failure->sqlstate, sizeof(failure->sqlstate), "%s", sqlstate ? sqlstate : "08006");
        (void)snprintf(failure->message, sizeof(failure->message), "%s", message ? message : "");
}

static void take_begun(struct pg_conn *conn, const PGresult *result, struct failure *failure)
{
        if (PQntuples(result) == 0) {
                failure->no_cell = true;
        } else if (PQgetisnull(result, 0, 0)) {
                failure->no_cell = failure->moving = true;
        } else if (conn->is_write) {
                (void)snprintf(conn->xid, sizeof(conn->xid), "%s", PQgetvalue(result, 0, 1));
        }
}

/* While a result is long in coming, the others of the batch are handed on. */
static void wait_with_pause(struct pg_conn *conn)
{
        struct pollfd fd = {.fd = PQsocket(conn->pq), .events = POLLIN};

        while (conn->pause && PQisBusy(conn->pq)) {
                if (poll(&fd, 1, PAUSE_MS) == 0)
                        conn->pause(conn->pause_arg);
                else if (!PQconsumeInput(conn->pq))
                        return;
        }
}

/* Reads the result of one command. False when there is none, since the connection is lost. */
static bool take_result(struct pg_conn *conn, const struct pg_queued *queued, PGresult **ret_result,
                        struct failure *failure)
{
        wait_with_pause(conn);
        PGresult *result = PQgetResult(conn->pq);
        ExecStatusType status = PQresultStatus(result);
        bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

        if (!result)
                return false;
        if (queued->command == PG_SYNC) {
                PQclear(result);
                return status == PGRES_PIPELINE_SYNC;
        }
        if (status == PGRES_FATAL_ERROR)
                failure_keep(failure, queued, result);
        else if (!good && status != PGRES_PIPELINE_ABORTED)
                failure->lost = true; /* COPY and the like: not our protocol */
        if (good && queued->command == PG_PREPARE)
                conn->prepared[queued->slot] = true;
        if (good && queued->command == PG_BEGUN)
                take_begun(conn, result, failure);
        if (queued->command == PG_EXECUTE && ret_result && good)
                *ret_result = result;
        else
                PQclear(result);
        /* After each command's results comes a NULL. */
        PQclear(PQgetResult(conn->pq));
        return PQstatus(conn->pq) == CONNECTION_OK;
}

static bool collect(struct pg_conn *conn, PGresult **ret_result, struct failure *failure)
{
        bool ok = true;

        if (conn->unsynced)
                ok = queue_add(conn, PG_SYNC, 0, PQpipelineSync(conn->pq), "", &(struct err){0});
        conn->unsynced = false;
        for (unsigned i = 0; i < conn->queued && ok; i++)
                ok = take_result(conn, &conn->queue[i], ret_result, failure);
        conn->queued = conn->left = 0;
        if (!ok || PQstatus(conn->pq) != CONNECTION_OK) {
                failure->any = failure->lost = true;
                conn->base.broken = true;
        }
        if (failure->any || failure->no_cell) {
                PQclear(*ret_result);
                *ret_result = NULL;
        }
        return !failure->any && !failure->no_cell;
}

static bool failure_report(struct pg_conn *conn, const struct failure *failure, const char *what,
                           struct err *err)
{
        if (failure->no_cell) {
                conn->in_tx = false;
                if (failure->moving && conn->pool->state->moves_cells)
                        return err_set(err, ERR_STORE_CONFLICT,
                                       "the connection that kept other movers away was lost; repeat the "
                                       "command");
                if (failure->moving)
                        return err_set(err, ERR_TENANT_MOVING,
                                       "this tenant is on its way to another store; nothing was changed, "
                                       "try again when the move has ended");
                return err_set(err, ERR_NOT_FOUND, "this tenant has no data in this region");
        }
        if (failure->lost) {
                conn->in_tx = false;
                return pg_fail_conn(conn, what, err);
        }
        /* After a switch of servers the next connection may find the one that writes. */
        if (strcmp(failure->sqlstate, "25006") == 0 || strncmp(failure->sqlstate, "57P", 3) == 0)
                conn->base.broken = true;
        return pg_fail(failure->sqlstate, failure->message, failure->name ? failure->name : what, err);
}

bool pg_collect(struct pg_conn *conn, const char *what, PGresult **ret_result, struct err *err)
{
        struct failure failure = {0};

        return collect(conn, ret_result, &failure) || failure_report(conn, &failure, what, err);
}

static bool prepared_room(struct pg_conn *conn, uint32_t slot, struct err *err)
{
        uint32_t count = (slot + 64) & ~63u;
        bool *grown;

        if (slot < conn->prepared_count)
                return true;
        grown = heap_realloc(conn->prepared, count * sizeof(bool));
        if (!grown)
                return err_set(err, ERR_NO_MEMORY, "no memory for the database's statements");
        memset(grown + conn->prepared_count, 0, (count - conn->prepared_count) * sizeof(bool));
        conn->prepared = grown;
        conn->prepared_count = count;
        return true;
}

static bool queue_execute(struct pg_conn *conn, struct pg_statement *statement, enum pg_command command,
                          const char *name, struct err *err)
{
        uint32_t slot = statement->named->slot;
        char server_name[SLOT_NAME_MAX];

        (void)snprintf(server_name, sizeof(server_name), "s%u", slot);
        if (!pg_queue_begin(conn, err) || !prepared_room(conn, slot, err))
                return false;
        if (!conn->prepared[slot] &&
            !queue_add(conn, PG_PREPARE, slot,
                       PQsendPrepare(conn->pq, server_name, statement->named->postgres_text,
                                     statement->count, statement->types),
                       name, err))
                return false;
        return queue_add(conn, command, slot,
                         PQsendQueryPrepared(conn->pq, server_name, statement->count, statement->values,
                                             statement->lengths, statement->formats, BINARY),
                         name, err);
}

/* As if the transaction had not begun; on the same connection or on a new one. */
static bool begin_again(struct pg_conn *conn, struct err *err)
{
        PGresult *none = NULL;

        if (conn->base.broken) {
                if (!pg_reconnect(conn, err))
                        return false;
        } else if (!pg_queue_control(conn, PG_CONTROL, "ROLLBACK", err) ||
                   !pg_collect(conn, "transaction", &none, err)) {
                return false;
        }
        conn->in_tx = true;
        conn->begun = conn->savepoint = false;
        return true;
}

/* Whether the same again may go well, where nothing was seen and so nothing can differ. */
static bool may_repeat(const struct pg_conn *conn, const struct failure *failure)
{
        return !conn->seen && !failure->no_cell &&
               (failure->lost || conn->base.broken || strncmp(failure->sqlstate, "40", 2) == 0 ||
                strcmp(failure->sqlstate, "25006") == 0 || strncmp(failure->sqlstate, "57P", 3) == 0);
}

/* A read that failed is its job's alone: the others of its batch go on, on a new snapshot. */
static bool execute_failed(struct pg_conn *conn, const struct failure *failure, const char *name,
                           struct err *err)
{
        struct err ignored;

        conn->seen = true;
        failure_report(conn, failure, name, err);
        if (!conn->is_write) {
                conn->in_tx = begin_again(conn, &ignored);
                conn->seen = false;
        }
        return false;
}

bool pg_execute(struct pg_conn *conn, struct pg_statement *statement, const char *name, struct err *err)
{
        for (int attempt = 0;; attempt++) {
                struct failure failure = {0};
                PGresult *result = NULL;

                if (!conn->in_tx)
                        return err_set(err, ERR_STORE_BUSY, "%s: the transaction was lost; try again", name);
                if (!queue_execute(conn, statement, PG_EXECUTE, name, err)) {
                        failure.any = failure.lost = true;
                } else if (collect(conn, &result, &failure)) {
                        conn->seen = true;
                        statement->result = result;
                        statement->row = -1;
                        return true;
                }
                if (attempt > 0 || !may_repeat(conn, &failure)) {
                        return execute_failed(conn, &failure, name, err);
                }
                if (!begin_again(conn, err)) {
                        conn->in_tx = false;
                        return false;
                }
        }
}

bool pg_leave(struct pg_conn *conn, struct pg_statement *statement, const char *name, bool *ret_left,
              struct err *err)
{
        uint32_t slot = statement->named->slot;

        /* Preparing it is waited for: until then nobody knows whether its name is taken. */
        *ret_left = conn->in_tx && conn->is_write && conn->in_job && conn->begun && conn->seen &&
                    slot < conn->prepared_count && conn->prepared[slot];
        return !*ret_left || (queue_room(conn, err) && queue_execute(conn, statement, PG_LEFT, name, err));
}

bool pg_notify(struct pg_conn *conn, const char *payload, struct err *err)
{
        return queue_room(conn, err) && pg_queue_begin(conn, err) &&
               queue_text(conn, PG_CONTROL, pg_text_notify, payload, NULL, err);
}
