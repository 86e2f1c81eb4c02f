/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a request, in one place (pipeline.c):
 *
 *   accept → parse → authenticate → tenant and region → rate limit → authorize → step-up → decode
 *   → follow home → transaction { handler + log entry + outbox } → commit → encode
 *
 * src/io accepts and parses; the rest is here, so that no handler can forget it.
 */
#pragma once

#include "api/route.h"
#include "api/services.h"
#include "io/http_server.h"
#include "server/metrics.h"
#include "server/rate.h"
#include "tenancy/places.h"

/* One for the process; constant while requests run. */
struct pipeline {
        const struct services *services;
        struct metrics *metrics;
        struct rate_table *rates;           /* of tenants and principals */
        struct rate_table *rates_addresses; /* a flood of addresses pushes nobody else out */
        struct {
                struct rate_limit tenant, principal;
        } tiers[TIER_COUNT];
        struct rate_limit rate_address;
        int64_t request_timeout_ms;
        bool log_requests;
        int exchanges_fd; /* test builds: where exchanges are recorded; -1: nowhere */
};

/* An http_handler; `arg` is the struct pipeline. */
FIBER_ENTRY void pipeline_handle(struct http_exchange *x, void *arg);

/* An http_protocol_error_fn: what never became a request is answered in the same form. */
void pipeline_protocol_error(const struct http_protocol_error *error, struct buf *ret_body,
                             struct str *ret_content_type, void *arg);
