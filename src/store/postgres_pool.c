/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres.h"

#include "base/clock.h"
#include "base/heap.h"
#include "base/log_line.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

enum { TAKE_TIMEOUT_S = 5, OID_TEXT = 25 };

/*
 * What the URL does not say: to find the server that writes, and to notice
 * within seconds that one is gone. The URL's own words come later and win.
 */
static const char *const default_names[] = {"target_session_attrs",
                                            "connect_timeout",
                                            "keepalives_idle",
                                            "keepalives_interval",
                                            "keepalives_count",
                                            "tcp_user_timeout",
                                            "fallback_application_name",
                                            "client_encoding",
                                            "dbname",
                                            NULL};

/* libpq would print them. */
static void ignore_notice(void *arg, const PGresult *notice)
{
        (void)arg;
        (void)notice;
}

/*
 * COMMIT is answered with a warning, of no class of its own, when a transaction is
 * durable here but not where a standby was to have it: somebody ended the waiting.
 */
static void take_notice(void *arg, const PGresult *notice)
{
        const char *sqlstate = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
        struct pg_conn *conn = arg;

        if (sqlstate && strcmp(sqlstate, "01000") == 0)
                conn->warned = true;
}

PGconn *pg_connect(const char *url, struct err *err)
{
        const char *values[] = {"read-write", "5", "5", "2", "3", "10000", "countersign", "UTF8", url, NULL};
        PGconn *pq = PQconnectdbParams(default_names, values, 1);
        char line[256];

        if (pq && PQstatus(pq) == CONNECTION_OK) {
                PQsetNoticeReceiver(pq, ignore_notice, NULL);
                return pq;
        }
        (void)snprintf(line, sizeof(line), "%s", pq ? PQerrorMessage(pq) : "no memory");
        line[strcspn(line, "\n")] = '\0';
        err_set(err, ERR_STORE_BUSY, "the database cannot be reached: %s", line);
        PQfinish(pq);
        return NULL;
}

PGresult *pg_query(PGconn *pq, const char *sql, int count, const char *const *values, struct err *err)
{
        static const Oid text_types[] = {OID_TEXT, OID_TEXT, OID_TEXT, OID_TEXT, OID_TEXT};
        PGresult *result = PQexecParams(pq, sql, count, text_types, values, NULL, NULL, 0);
        ExecStatusType status = PQresultStatus(result);

        if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
                return result;
        const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        pg_fail(sqlstate ? sqlstate : "08006", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
                "database", err);
        PQclear(result);
        return NULL;
}

PGresult *pg_session(PGconn *pq, const struct pg_pool *pool, struct err *err)
{
        const struct driver_state *state = pool->state;
        char path[PG_SCHEMA_MAX + 8], statement_ms[16], lock_ms[16];
        const char *values[] = {path, statement_ms, lock_ms};

        (void)snprintf(path, sizeof(path), "\"%s\"", pool->schema);
        (void)snprintf(statement_ms, sizeof(statement_ms), "%u", state->statement_timeout_ms);
        (void)snprintf(lock_ms, sizeof(lock_ms), "%u", state->lock_timeout_ms);
        return pg_query(pq, pg_text_session, 3, values, err);
}

static bool session_start(struct pg_conn *conn, struct err *err)
{
        PGresult *result = pg_session(conn->pq, conn->pool, err);

        if (!result)
                return false;
        PQsetNoticeReceiver(conn->pq, take_notice, conn);
        (void)snprintf(conn->instance, sizeof(conn->instance), "%s", PQgetvalue(result, 0, 5));
        PQclear(result);
        return PQenterPipelineMode(conn->pq) || pg_fail_conn(conn, "opening", err);
}

/* Hosts and their troubles are for the operator's log, once a second; a client needs to know what to do. */
static void hide_reason(struct pg_pool *pool, struct err *err)
{
        int64_t now_us = clock_mono_us(), before_us = atomic_load(&pool->warned_us);

        if (!pool->checked)
                return;
        if (now_us - before_us > 1000000 &&
            atomic_compare_exchange_strong(&pool->warned_us, &before_us, now_us))
                log_line(LOG_WARN, "no connection to the database", LOG_C("schema", pool->schema),
                         LOG_C("error", err->message));
        err_set(err, err->code, "the database cannot be reached just now; nothing was changed, try again");
}

bool pg_reconnect(struct pg_conn *conn, struct err *err)
{
        PQfinish(conn->pq);
        conn->queued = conn->left = 0;
        conn->unsynced = false;
        if (conn->prepared_count > 0)
                memset(conn->prepared, 0, conn->prepared_count * sizeof(bool));
        conn->pq = pg_connect(conn->pool->url, err);
        conn->base.broken = !conn->pq || !session_start(conn, err);
        if (conn->base.broken)
                hide_reason(conn->pool, err);
        return !conn->base.broken;
}

static void conn_free(struct pg_conn *conn)
{
        statements_drop(&conn->base);
        PQfinish(conn->pq);
        heap_free(conn->prepared);
        heap_free(conn);
}

static bool conn_open(struct pg_pool *pool, struct pg_conn **ret_conn, struct err *err)
{
        struct pg_conn *conn = heap_alloc_zeroed(1, sizeof(*conn));

        if (!conn)
                return err_set(err, ERR_NO_MEMORY, "no memory for a connection");
        conn->base.driver = &driver_postgres;
        conn->pool = pool;
        if (!pg_reconnect(conn, err)) {
                conn_free(conn);
                return false;
        }
        *ret_conn = conn;
        return true;
}

/* An idle connection has nothing to say but the end of its last transaction: more is its own end. */
static bool is_alive(struct pg_conn *conn)
{
        struct pollfd fd = {.fd = PQsocket(conn->pq), .events = POLLIN};

        if (poll(&fd, 1, 0) == 0)
                return true;
        return (fd.revents & (POLLHUP | POLLERR)) == 0 && PQconsumeInput(conn->pq) == 1 &&
               PQstatus(conn->pq) == CONNECTION_OK;
}

/* With the pool's lock. */
static bool wait_for_room(struct pg_pool *pool, struct err *err)
{
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += TAKE_TIMEOUT_S;
        while (!pool->idle && pool->open >= pool->state->pool_max) {
                if (pthread_cond_timedwait(&pool->returned, &pool->lock, &until) == ETIMEDOUT)
                        return err_set(err, ERR_STORE_BUSY,
                                       "all connections to the database are in use; try again");
        }
        return true;
}

bool pg_take(struct pg_pool *pool, struct pg_conn **ret_conn, struct err *err)
{
        for (;;) {
                struct conn *conn = NULL;
                pthread_mutex_lock(&pool->lock);
                bool ok = wait_for_room(pool, err);
                if (ok && pool->idle) {
                        conn = pool->idle;
                        pool->idle = conn->next;
                } else if (ok) {
                        pool->open++;
                }
                pthread_mutex_unlock(&pool->lock);
                if (!ok)
                        return false;
                if (conn && !is_alive((struct pg_conn *)conn)) {
                        conn->broken = true;
                        pg_give_back(conn);
                        continue;
                }
                if (conn) {
                        conn->next = NULL;
                        *ret_conn = (struct pg_conn *)conn;
                        return true;
                }
                if (conn_open(pool, ret_conn, err))
                        return true;
                pthread_mutex_lock(&pool->lock);
                pool->open--;
                pthread_cond_signal(&pool->returned);
                pthread_mutex_unlock(&pool->lock);
                return false;
        }
}

void pg_give_back(struct conn *base)
{
        struct pg_conn *conn = (struct pg_conn *)base;
        struct pg_pool *pool = conn->pool;
        bool keep = !base->broken && !conn->in_tx;

        pthread_mutex_lock(&pool->lock);
        if (keep) {
                base->next = pool->idle;
                pool->idle = base;
        } else {
                pool->open--;
        }
        pthread_cond_signal(&pool->returned);
        pthread_mutex_unlock(&pool->lock);
        if (!keep)
                conn_free(conn);
}

static const char *url_of(const struct driver_state *state, struct str region)
{
        for (size_t i = 0; i < state->region_count; i++) {
                if (state->regions[i].url && str_is(region, state->regions[i].region))
                        return state->regions[i].url;
        }
        return state->url;
}

static struct pg_pool *pool_make(struct driver_state *state, struct str region, struct err *err)
{
        struct pg_pool *pool = heap_alloc_zeroed(1, sizeof(*pool));

        if (!pool) {
                err_set(err, ERR_NO_MEMORY, "no memory for a pool of connections");
                return NULL;
        }
        pool->state = state;
        pool->stop_fd = -1;
        pool->url = url_of(state, region);
        (void)snprintf(pool->region, sizeof(pool->region), "%.*s", STR_ARG(region));
        (void)snprintf(pool->schema, sizeof(pool->schema), "countersign%s%.*s", region.len ? "_" : "",
                       STR_ARG(region));
        pthread_mutex_init(&pool->lock, NULL);
        pthread_cond_init(&pool->returned, NULL);
        return pool;
}

void pg_pool_free(struct pg_pool *pool)
{
        pg_listen_end(pool);
        PQfinish(pool->holder);
        while (pool->idle) {
                struct conn *conn = pool->idle;
                pool->idle = conn->next;
                conn_free((struct pg_conn *)conn);
        }
        pthread_cond_destroy(&pool->returned);
        pthread_mutex_destroy(&pool->lock);
        heap_free(pool);
}

struct pg_pool *pg_pool_of(struct driver_state *state, struct str region, struct err *err)
{
        struct pg_pool *pool;

        pthread_mutex_lock(&state->lock);
        for (pool = state->pools; pool && !str_is(region, pool->region);)
                pool = pool->next;
        if (!pool) {
                /* Checked before anybody can use it; rare enough to hold the lock meanwhile. */
                pool = pool_make(state, region, err);
                if (pool && (!pg_check_pool(pool, err) || (state->heard && !pg_listen_pool(pool, err)) ||
                             (state->moves_cells && !pg_hold(pool, err)))) {
                        pg_pool_free(pool);
                        pool = NULL;
                }
                if (pool) {
                        pool->next = state->pools;
                        state->pools = pool;
                }
        }
        pthread_mutex_unlock(&state->lock);
        return pool;
}
