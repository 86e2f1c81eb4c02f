/* SPDX-License-Identifier: Apache-2.0 */
#include "store/migrations.h"
#include "store/libpq_lazy.h"
#include "store/postgres.h"

#include "base/clock.h"
#include "base/heap.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The first row of a query that should have none is what is wrong. */
static bool expect_none(PGconn *pq, const char *sql, const struct pg_pool *pool, struct err *err)
{
        const char *values[] = {pool->schema};
        PGresult *result = pg_query(pq, sql, 1, values, err);
        int count = PQntuples(result);

        if (!result)
                return false;
        if (count > 0)
                err_set(err, ERR_CONFIG,
                        "the database does not keep tenants apart: %s%s; run `countersign migrate` as the "
                        "schema's "
                        "owner, and the server as a plain role",
                        PQgetvalue(result, 0, 0), count > 1 ? ", and more" : "");
        PQclear(result);
        return count == 0;
}

/* The schema must be the one that this binary knows, no older and no newer. */
static bool check_migrations(PGconn *pq, const struct pg_pool *pool, struct err *err)
{
        const struct migration_set *set = pool->region[0] ? &migrations_cell : &migrations_directory;
        const char *schema[] = {pool->schema};
        PGresult *result = pg_query(pq, pg_text_has_books, 1, schema, err);
        bool there = result && PQgetvalue(result, 0, 0)[0] == 't';
        bool ok = true;

        if (!result)
                return false;
        PQclear(result);
        if (!there)
                return err_set(err, ERR_NOT_FOUND,
                               "the database has no schema %s; run `countersign migrate`", pool->schema);
        result = pg_query(pq, pg_text_migrations, 0, NULL, err);
        if (!result)
                return false;
        int count = PQntuples(result);
        for (int i = 0; i < count && ok; i++)
                ok = migration_check(set, i, strtoll(PQgetvalue(result, i, 0), NULL, 10),
                                     str_from(PQgetvalue(result, i, 1)), str_from(PQgetvalue(result, i, 2)),
                                     true, err);
        if (ok && count < set->count)
                ok = err_set(err, ERR_CONFIG,
                             "the schema %s lacks migration %04d %s; run `countersign migrate`",
                             pool->schema, set->list[count].number, set->list[count].title);
        PQclear(result);
        return ok;
}

static bool check_connection(struct pg_conn *conn, struct err *err)
{
        const struct pg_pool *pool = conn->pool;
        PGconn *pq = conn->pq;

        return (PQexitPipelineMode(pq) || pg_fail_conn(conn, "opening", err)) &&
               check_migrations(pq, pool, err) && expect_none(pq, pg_text_role_faults, pool, err) &&
               (!pool->region[0] || expect_none(pq, pg_text_table_faults, pool, err)) &&
               (PQenterPipelineMode(pq) || pg_fail_conn(conn, "opening", err));
}

bool pg_check_pool(struct pg_pool *pool, struct err *err)
{
        struct pg_conn *conn;
        bool ok;

        if (!pg_take(pool, &conn, err))
                return false;
        ok = check_connection(conn, err);
        conn->base.broken |= !ok;
        pool->checked |= ok;
        pg_give_back(&conn->base);
        return ok;
}

static bool state_make(const struct store_options *options, struct driver_state **ret_state, struct err *err)
{
        struct driver_state *state = heap_alloc_zeroed(1, sizeof(*state));
        size_t bytes = strlen(options->url) + 1;

        if (!state)
                return err_set(err, ERR_NO_MEMORY, "no memory for the store");
        pthread_mutex_init(&state->lock, NULL);
        state->url = heap_alloc(bytes);
        if (!state->url) {
                pg_stop(state);
                return err_set(err, ERR_NO_MEMORY, "no memory for the store");
        }
        memcpy(state->url, options->url, bytes);
        state->pool_max = options->pool_max ? options->pool_max : options->writers + options->readers + 2;
        state->lock_timeout_ms = options->lock_timeout_ms ? options->lock_timeout_ms : 10000;
        state->statement_timeout_ms = options->statement_timeout_ms ? options->statement_timeout_ms : 30000;
        state->moves_cells = options->moves_cells;
        uint64_t number;
        random_bytes(&number, sizeof(number));
        (void)snprintf(state->node, sizeof(state->node), "%016" PRIx64, number);
        state->regions = options->regions;
        state->region_count = options->region_count;
        *ret_state = state;
        return true;
}

bool pg_start(const struct store_options *options, struct driver_state **ret_state, struct err *err)
{
        struct driver_state *state;

        if (!libpq_load(err))
                return false;
        if (!PQisthreadsafe())
                return err_set(err, ERR_CONFIG, "this libpq is not safe with threads");
        if (!state_make(options, &state, err))
                return false;
        bool ok = pg_pool_of(state, STR(""), err) != NULL;
        for (size_t i = 0; ok && i < options->region_count; i++)
                ok = pg_pool_of(state, str_from(options->regions[i].region), err) != NULL;
        if (!ok) {
                pg_stop(state);
                return false;
        }
        *ret_state = state;
        return true;
}

void pg_stop(struct driver_state *state)
{
        if (!state)
                return;
        while (state->pools) {
                struct pg_pool *pool = state->pools;
                state->pools = pool->next;
                pg_pool_free(pool);
        }
        pthread_mutex_destroy(&state->lock);
        heap_free(state->url);
        heap_free(state);
}

PGresult *pg_ask(struct driver_state *state, struct str region, const char *sql, int count,
                 const char *const *values, struct err *err)
{
        struct pg_pool *pool = pg_pool_of(state, region, err);
        PGresult *result = NULL, *none = NULL;
        struct pg_conn *conn;

        if (!pool || !pg_take(pool, &conn, err))
                return NULL;
        if (pg_collect(conn, "cell", &none, err) && PQexitPipelineMode(conn->pq)) {
                result = pg_query(conn->pq, sql, count, values, err);
                conn->base.broken |= !PQenterPipelineMode(conn->pq) || !result;
        } else {
                pg_fail_conn(conn, "cell", err);
        }
        pg_give_back(&conn->base);
        return result;
}

bool pg_cell_create(struct driver_state *state, const struct cell_ref *cell, struct err *err)
{
        char tenant[TENANT_MAX + 1], now[24];
        const char *values[] = {tenant, now};
        PGresult *result;

        (void)snprintf(tenant, sizeof(tenant), "%.*s", STR_ARG(cell->tenant));
        (void)snprintf(now, sizeof(now), "%" PRId64, clock_now_ms());
        result = pg_ask(state, cell->region, pg_text_cell_create, 2, values, err);
        if (!result)
                return false;
        bool made = strcmp(PQcmdTuples(result), "1") == 0;
        PQclear(result);
        return made || err_set(err, ERR_ALREADY_EXISTS, "this cell exists already");
}

bool pg_cell_list(struct driver_state *state, struct str region,
                  bool (*fn)(const struct cell_ref *cell, void *arg, struct err *err), void *arg,
                  struct err *err)
{
        char last[TENANT_MAX + 1] = "";
        const char *values[] = {last};

        for (;;) {
                PGresult *result = pg_ask(state, region, pg_text_cell_list, 1, values, err);
                int count = PQntuples(result);
                bool ok = result != NULL || err->code == ERR_NOT_FOUND; /* no such region: no cells */
                for (int i = 0; i < count && ok; i++) {
                        const struct cell_ref cell = {str_from(PQgetvalue(result, i, 0)), region};
                        ok = fn(&cell, arg, err);
                        (void)snprintf(last, sizeof(last), "%.*s", STR_ARG(cell.tenant));
                }
                PQclear(result);
                if (!ok || count == 0)
                        return ok;
        }
}
