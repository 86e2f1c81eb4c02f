/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nodes tell each other: NOTIFY within the transaction, so that it is
 * said exactly if the change is durable, and a thread for each pool that
 * listens.
 *
 * A connection can be dead long before anybody notices. So the listener asks
 * something small all the time: an answer shows that everything committed
 * before the question has been heard, since PostgreSQL hands out what is
 * pending before it is ready for the next command. Who trusts a cache asks
 * pg_hears first.
 */
#include "store/postgres.h"

#include "base/clock.h"
#include "base/log_line.h"

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { PING_EVERY_MS = 30, ANSWER_WITHIN_MS = 2000, AGAIN_AFTER_MS = 100, TRUSTED_US = 80 * 1000 };

/* False when it is time to stop. */
static bool wait_readable(struct pg_pool *pool, int fd, int timeout_ms, bool *ret_ready)
{
        struct pollfd fds[] = {{.fd = pool->stop_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

        *ret_ready = poll(fds, fd >= 0 ? 2 : 1, timeout_ms) > 0 && fds[0].revents == 0;
        return fds[0].revents == 0;
}

static void hear(struct pg_pool *pool, PGconn *pq)
{
        struct driver_state *state = pool->state;
        PGnotify *said;

        while ((said = PQnotifies(pq))) {
                struct str rest = str_from(said->extra), node;
                /* What this node said itself its own hooks have done already. */
                if (str_cut(&rest, ' ', &node) && !str_is(node, state->node))
                        state->heard(rest, state->heard_arg);
                PQfreemem(said);
        }
}

/* One question and its answer; false when the connection is lost or it is time to stop. */
static bool ping(struct pg_pool *pool, PGconn *pq)
{
        int64_t asked_us = clock_mono_us();
        bool ready;

        if (!PQsendQuery(pq, "SELECT 1"))
                return false;
        for (;;) {
                while (!PQisBusy(pq)) {
                        PGresult *result = PQgetResult(pq);
                        if (!result) {
                                hear(pool, pq);
                                atomic_store(&pool->heard_us, asked_us);
                                return PQstatus(pq) == CONNECTION_OK;
                        }
                        PQclear(result);
                }
                if (!wait_readable(pool, PQsocket(pq), ANSWER_WITHIN_MS, &ready) || !ready ||
                    !PQconsumeInput(pq))
                        return false;
        }
}

static PGconn *start_listening(struct pg_pool *pool)
{
        struct err err;
        char text[PG_SCHEMA_MAX + 16];
        PGconn *pq = pg_connect(pool->url, &err);

        if (!pq)
                return NULL;
        (void)snprintf(text, sizeof(text), "LISTEN \"%s\"", pool->schema);
        PGresult *result = PQexec(pq, text);
        bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
        if (ok)
                return pq;
        PQfinish(pq);
        return NULL;
}

/* Until the connection is lost. */
static void listen_on(struct pg_pool *pool, PGconn *pq)
{
        bool ready;

        /* What was said while nobody listened is not known: let everybody look again. */
        pool->state->heard(STR_NULL, pool->state->heard_arg);
        while (ping(pool, pq)) {
                int64_t until_us = clock_mono_us() + PING_EVERY_MS * 1000;
                for (;;) {
                        int64_t left_ms = (until_us - clock_mono_us()) / 1000;
                        if (left_ms <= 0)
                                break;
                        if (!wait_readable(pool, PQsocket(pq), (int)left_ms, &ready) ||
                            (ready && !PQconsumeInput(pq)))
                                return;
                        hear(pool, pq);
                }
        }
}

static void *listener_main(void *arg)
{
        struct pg_pool *pool = arg;
        bool ready, lost = false;

        do {
                PGconn *pq = start_listening(pool);
                if (pq && lost)
                        log_line(LOG_WARN, "the nodes hear each other again", LOG_C("schema", pool->schema));
                if (pq)
                        listen_on(pool, pq);
                atomic_store(&pool->heard_us, INT64_MIN / 2);
                PQfinish(pq);
                if (!wait_readable(pool, -1, 0, &ready))
                        break;
                if (!lost)
                        log_line(LOG_WARN,
                                 "what other nodes say is not heard; caches are not trusted until it is",
                                 LOG_C("schema", pool->schema));
                lost = true;
        } while (wait_readable(pool, -1, AGAIN_AFTER_MS, &ready));
        return NULL;
}

bool pg_listen_pool(struct pg_pool *pool, struct err *err)
{
        atomic_store(&pool->heard_us, INT64_MIN / 2);
        pool->stop_fd = eventfd(0, EFD_CLOEXEC);
        if (pool->stop_fd < 0)
                return err_set(err, ERR_SYSTEM, "an eventfd cannot be made");
        pool->listens = pthread_create(&pool->listener, NULL, listener_main, pool) == 0;
        if (!pool->listens)
                return err_set(err, ERR_SYSTEM, "the thread that listens cannot be started");
        pthread_setname_np(pool->listener, "store-listen");
        return true;
}

void pg_listen_end(struct pg_pool *pool)
{
        if (pool->listens) {
                (void)eventfd_write(pool->stop_fd, 1);
                pthread_join(pool->listener, NULL);
                pool->listens = false;
        }
        if (pool->stop_fd >= 0)
                close(pool->stop_fd);
        pool->stop_fd = -1;
}

bool pg_listen(struct driver_state *state, void (*fn)(struct str message, void *arg), void *arg,
               struct err *err)
{
        bool ok = true;

        pthread_mutex_lock(&state->lock);
        state->heard = fn;
        state->heard_arg = arg;
        for (struct pg_pool *pool = state->pools; pool && ok; pool = pool->next)
                ok = pg_listen_pool(pool, err);
        pthread_mutex_unlock(&state->lock);
        return ok;
}

void pg_listen_stop(struct driver_state *state)
{
        pthread_mutex_lock(&state->lock);
        for (struct pg_pool *pool = state->pools; pool; pool = pool->next)
                pg_listen_end(pool);
        state->heard = NULL;
        pthread_mutex_unlock(&state->lock);
}

bool pg_hears(struct driver_state *state)
{
        int64_t least_us = clock_mono_us() - TRUSTED_US;
        bool hears = true;

        /* A region's first use holds the lock for long, and loops do not wait. */
        if (pthread_mutex_trylock(&state->lock) != 0)
                return false;
        for (const struct pg_pool *pool = state->pools; pool && hears; pool = pool->next)
                hears = atomic_load(&pool->heard_us) >= least_us;
        pthread_mutex_unlock(&state->lock);
        return hears;
}

bool pg_tell(struct conn *base, struct str message, struct err *err)
{
        struct pg_conn *conn = (struct pg_conn *)base;
        char payload[PG_MESSAGE_MAX + 32];

        if (message.len > PG_MESSAGE_MAX)
                return err_set(err, ERR_INTERNAL, "a message to other nodes is too long");
        (void)snprintf(payload, sizeof(payload), "%s %.*s", conn->pool->state->node, STR_ARG(message));
        return pg_notify(conn, payload, err);
}
