/* SPDX-License-Identifier: Apache-2.0 */
#include "server/rate_shared.h"

#include "api/cell.h"
#include "api/services.h"
#include "base/clock.h"
#include "base/log_line.h"
#include "server/server_sql.h"

#include <stdio.h>

enum { NAME_MAX_BYTES = 64, BATCHES_IN_BURST = 100 };

/* As long as any bucket may take to fill. */
#define FULL_AFTER_MS ((int64_t)24 * 3600 * 1000)

struct lease {
        char name[NAME_MAX_BYTES];
        const struct rate_limit *limit;
        int64_t wanted; /* requests */
        int64_t granted;
        int64_t left;     /* in the row, requests */
        int64_t again_us; /* until the row has one more, when nothing was granted */
};

static bool lease_work(struct tx *tx, void *arg, struct err *err)
{
        struct lease *lease = arg;
        struct str name = str_from(lease->name);
        int64_t full = lease->limit->burst * RATE_TOKEN;
        int64_t now_ms = clock_now_ms();
        struct sql_rate_bucket_get_row row;
        int64_t tokens, passed_ms;
        bool found;

        if (!sql_rate_bucket_insert(tx, name, full, now_ms, err) || !sql_rate_bucket_lock(tx, name, err) ||
            !sql_rate_bucket_get(tx, name, &row, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_INTERNAL, "a shared budget is not there");
        /* Nodes' clocks differ a little: time that another node has counted is not counted again. */
        passed_ms = now_ms > row.at_ms ? now_ms - row.at_ms : 0;
        tokens = row.tokens;
        if (passed_ms >= (full - tokens) / (lease->limit->per_second * 1000) + 1)
                tokens = full;
        else
                tokens += passed_ms * lease->limit->per_second * 1000;
        lease->granted = tokens / RATE_TOKEN < lease->wanted ? tokens / RATE_TOKEN : lease->wanted;
        tokens -= lease->granted * RATE_TOKEN;
        lease->left = tokens / RATE_TOKEN;
        lease->again_us = (RATE_TOKEN - tokens % RATE_TOKEN) / lease->limit->per_second + 1;
        return sql_rate_bucket_put(tx, name, tokens, row.at_ms + passed_ms, err);
}

FIBER_FN bool rate_take_shared(const struct services *services, struct rate_table *table, char kind,
                               struct str name, const struct rate_limit *limit, int64_t mono_us,
                               struct rate_state *ret)
{
        struct lease lease = {.limit = limit, .wanted = limit->burst / BATCHES_IN_BURST};
        struct err err;

        *ret = (struct rate_state){0};
        if (limit->per_second == 0)
                return true;
        switch (rate_spend_leased(table, kind, name, limit, mono_us, ret)) {
        case RATE_SPENT:
                return true;
        case RATE_REFUSED:
                return false;
        case RATE_EMPTY:
                break;
        }
        if (lease.wanted < 1)
                lease.wanted = 1;
        (void)snprintf(lease.name, sizeof(lease.name), "%c %.*s", kind, STR_ARG(name));
        if (!cell_write(services->store, &CELL_DIRECTORY, NULL, lease_work, &lease, &err)) {
                log_line(LOG_WARN, "a budget that nodes share cannot be read; this node counts by itself",
                         LOG_C("error", err.message));
                return rate_take(table, (char)(kind - 'a' + 'A'), name, limit, mono_us, ret);
        }
        rate_add_leased(table, kind, name, limit, lease.granted, lease.left, mono_us + lease.again_us);
        return rate_spend_leased(table, kind, name, limit, mono_us, ret) == RATE_SPENT;
}

static bool prune_work(struct tx *tx, void *arg, struct err *err)
{
        const int64_t *before_ms = arg;

        return sql_rate_bucket_prune(tx, *before_ms, err);
}

BLOCKING_FN bool rate_shared_start(const struct services *services, struct err *err)
{
        int64_t before_ms = clock_now_ms() - FULL_AFTER_MS;

        return store_write(services->store, &CELL_DIRECTORY, NULL, prune_work, &before_ms, err);
}
