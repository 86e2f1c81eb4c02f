/* SPDX-License-Identifier: Apache-2.0 */
/* Where a cell stands: its row in store_cell. An arriving one is `moved` and names its move. */
#include "store/postgres.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

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
                result = pg_ask(state, cell->region, pg_text_cell_arrive, 3, add, err);
        else
                result = pg_ask(state, cell->region, pg_text_cell_set_stand, 5, change, err);
        if (!result)
                return false;
        bool done = strcmp(PQcmdTuples(result), "1") == 0;
        PQclear(result);
        return done || err_set(err, ERR_STORE_CONFLICT, "the cell was moved by somebody else meanwhile");
}
