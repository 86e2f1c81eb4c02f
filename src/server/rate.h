/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rate limits: token buckets in a table of fixed size, so that no client can
 * make them grow. When a set of the table is full, the bucket that is nearest
 * to full is forgotten: its owner loses least by it.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct rate_table;

struct rate_limit {
        int64_t per_second; /* 0: no limit */
        int64_t burst;
};

/* Tokens are counted in millionths of a request, so that a slow rate refills evenly. */
#define RATE_TOKEN ((int64_t)1000000)

/* "100/s burst 400", or "none". CONFIG. */
bool rate_limit_parse(struct str text, struct rate_limit *ret, struct err *err) MUST_USE;

/*
 * What RateLimit-Limit, -Remaining and -Reset say (draft-ietf-httpapi-ratelimit-headers-07), and
 * RateLimit-Policy and RateLimit, which come after them (version 10 of the same draft).
 */
struct rate_state {
        bool limited; /* whether there is a limit at all */
        int64_t limit;
        int64_t per_second;
        int64_t remaining;
        int64_t reset_s; /* until the bucket is full again; for a refused request until one is allowed */
};

struct rate_table *rate_table_new(void);
void rate_table_free(struct rate_table *table);

/*
 * Takes one token of the bucket of (kind, name). False when there is none.
 * From any thread.
 */
bool rate_take(struct rate_table *table, char kind, struct str name, const struct rate_limit *limit,
               int64_t mono_us, struct rate_state *ret);

/*
 * For budgets that nodes share (rate_shared.h): a bucket that is filled by
 * rate_add_leased alone. RATE_EMPTY: fetch more; RATE_REFUSED: there was none
 * lately.
 */
enum rate_spend { RATE_SPENT, RATE_EMPTY, RATE_REFUSED };
enum rate_spend rate_spend_leased(struct rate_table *table, char kind, struct str name,
                                  const struct rate_limit *limit, int64_t mono_us, struct rate_state *ret);
/* `left`: what the shared bucket has besides; when nothing was granted, nobody asks before `again_us`. */
void rate_add_leased(struct rate_table *table, char kind, struct str name, const struct rate_limit *limit,
                     int64_t granted, int64_t left, int64_t again_us);
