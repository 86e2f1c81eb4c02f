/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of requests, for /metrics in the Prometheus text format (version
 * 0.0.4). Counting is one relaxed addition or two; labels come from the
 * contract, never from a client.
 */
#pragma once

#include "base/buf.h"

#include <stdint.h>

struct metrics;

struct metrics *metrics_new(size_t route_count);
void metrics_free(struct metrics *metrics);

/* A request whose route is unknown counts under the route -1. From any thread. */
void metrics_count(struct metrics *metrics, int route, int status, int64_t duration_us);
void metrics_enter(struct metrics *metrics);
void metrics_leave(struct metrics *metrics);
/* Requests with credentials that nobody has. */
void metrics_count_unauthenticated(struct metrics *metrics);

/* Appends the requests' metrics. */
void metrics_write(const struct metrics *metrics, struct buf *buf);

/* For others' metrics: "# HELP …", "# TYPE …", and one value. */
void metrics_value(struct buf *buf, const char *name, const char *type, const char *help, double value);
