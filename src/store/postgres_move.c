/* SPDX-License-Identifier: Apache-2.0 */
/* Where a cell stands: its row in store_cell. An arriving one is `moved` and names its move. */
#include "store/postgres.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

bool pg_hold(struct pg_pool *pool, struct err *err)
{
        const char *values[] = {pool->schema, pool->hold};
        PGresult *result = NULL;
        uint64_t number;

        random_bytes(&number, sizeof(number));
        (void)snprintf(pool->hold, sizeof(pool->hold), "%" PRIu64, number >> 1);
        pool->holder = pg_connect(pool->url, err);
        if (pool->holder)
                result = pg_session(pool->holder, pool, err);
        if (!result)
                return false;
        PQclear(result);
        result = pg_query(pool->holder, pg_text_move_hold, 2, values, err);
        PQclear(result);
        return result || err_set(err, ERR_STORE_BUSY,
                                 "another command moves a tenant from or to the schema %s; wait until it "
                                 "has ended",
                                 pool->schema);
}

/* A mover changes where a cell stands on the connection that keeps the others away, or not at all. */
static PGresult *change_stand(struct driver_state *state, struct str region, const char *sql, int count,
                              const char *const *values, struct err *err)
{
        struct pg_pool *pool = pg_pool_of(state, region, err);

        if (!pool)
                return NULL;
        return pool->holder ? pg_query(pool->holder, sql, count, values, err)
                            : pg_ask(state, region, sql, count, values, err);
}

/* As store_cell has it. */
static const char *state_of(const struct cell_stand *stand)
{
        switch (stand->standing) {
        case CELL_ACTIVE:
                return "active";
        case CELL_MOVING:
                return "moving";
        case CELL_ABSENT:
        case CELL_ARRIVING:
        case CELL_MOVED:
                break;
        }
        return "moved";
}

bool pg_stand(struct driver_state *state, const struct cell_ref *cell, struct cell_stand *ret_stand,
              struct err *err)
{
        char tenant[TENANT_MAX + 1];
        const char *values[] = {tenant};
        PGresult *result;

        *ret_stand = (struct cell_stand){.standing = CELL_ABSENT};
        (void)snprintf(tenant, sizeof(tenant), "%.*s", STR_ARG(cell->tenant));
        result = pg_ask(state, cell->region, pg_text_cell_stand, 1, values, err);
        if (!result)
                return false;
        if (PQntuples(result) == 1) {
                const char *word = PQgetvalue(result, 0, 0);
                (void)snprintf(ret_stand->move, sizeof(ret_stand->move), "%s", PQgetvalue(result, 0, 1));
                if (strcmp(word, "active") == 0)
                        ret_stand->standing = CELL_ACTIVE;
                else if (strcmp(word, "moving") == 0)
                        ret_stand->standing = CELL_MOVING;
                else
                        ret_stand->standing = ret_stand->move[0] ? CELL_ARRIVING : CELL_MOVED;
        }
        PQclear(result);
        return true;
}

bool pg_set_stand(struct driver_state *state, const struct cell_ref *cell, const struct cell_stand *was,
                  const struct cell_stand *stand, struct err *err)
{
        char tenant[TENANT_MAX + 1], now[24];
        const char *add[] = {tenant, stand->move, now};
        const char *change[] = {tenant, state_of(stand), stand->move, state_of(was), was->move};
        PGresult *result;

        (void)snprintf(tenant, sizeof(tenant), "%.*s", STR_ARG(cell->tenant));
        (void)snprintf(now, sizeof(now), "%" PRId64, clock_now_ms());
        if (was->standing == CELL_ABSENT)
                result = change_stand(state, cell->region, pg_text_cell_arrive, 3, add, err);
        else
                result = change_stand(state, cell->region, pg_text_cell_set_stand, 5, change, err);
        if (!result)
                return false;
        bool done = strcmp(PQcmdTuples(result), "1") == 0;
        PQclear(result);
        return done || err_set(err, ERR_STORE_CONFLICT, "the cell was moved by somebody else meanwhile");
}
