/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One budget for all nodes. The bucket of a tenant or principal is a row in the
 * directory; each node takes from it in small batches, beforehand, and spends
 * what it took by itself. What is taken is gone from the row, so that all nodes
 * together never start more than the bucket allows; what a node took and did
 * not spend yet is the only thing that can come late, and a batch is 1 % of the
 * burst, one request at least.
 *
 * A node that cannot reach the directory lets requests through and counts them
 * by itself: a limit is no reason to stand still.
 */
#pragma once

#include "io/fiber.h"
#include "server/rate.h"

struct services;

/* As rate_take, with a table of its own; waits when a batch must be fetched. */
FIBER_FN bool rate_take_shared(const struct services *services, struct rate_table *table, char kind,
                               struct str name, const struct rate_limit *limit, int64_t mono_us,
                               struct rate_state *ret);
/* At the start: forgets rows that would be full by now. Blocks. */
BLOCKING_FN bool rate_shared_start(const struct services *services, struct err *err) MUST_USE;
