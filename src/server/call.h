/* SPDX-License-Identifier: Apache-2.0 */
/* A request on its way through the pipeline. Private to src/server/pipeline*.c. */
#pragma once

#include "access/access.h"
#include "api/request.h"
#include "server/pipeline.h"
#include "tenancy/places.h"

enum { IDEMPOTENCY_KEY_MAX = 128 };

struct call {
        struct request req; /* first, so that a request is its call */
        struct pipeline *pipeline;
        struct http_exchange *x;
        const struct api_route *route; /* NULL: none */
        struct api_call api;
        void *in;
        void *out;
        unsigned allow;               /* methods that the path has, for 405 */
        struct str token;             /* the credential; never logged */
        bool by_cookie;               /* the token came as a cookie */
        bool foreign;                 /* what was named is not the caller's tenant's */
        bool logged;                  /* the log has an entry of this request */
        struct access_request access; /* req.access */
        struct rate_state rate;       /* of the tightest bucket */
        const char *rate_whose;       /* "tenant", "principal"; NULL: an address's */

        struct tenant_place tenant;       /* of the caller; nothing for nobody */
        struct workspace_place workspace; /* in scope workspace */
        uint64_t generation;              /* of what is known of the two */
        bool stopped;                     /* while it waited: for `why_stopped` */
        struct err why_stopped;
        struct str elsewhere; /* the URL to ask instead; {NULL, 0}: none is known */

        bool remembered; /* the reply is kept under the Idempotency-Key */
        bool replayed;   /* `kept` is the reply of an earlier request */
        struct str kept;
        uint8_t request_sha256[32];
};

static inline struct call *call_of(struct request *req)
{
        return (struct call *)req;
}

/* One answer for whatever is not there, not the caller's or not to be seen: nothing tells them apart. */
static inline bool call_nothing_here(struct err *err)
{
        return err_set(err, ERR_NOT_FOUND, "there is nothing here for you");
}

extern const struct request_ops call_ops;

/* ---- pipeline_place.c: which cell, and whether it lets this happen ----------------------------- */

FIBER_FN bool call_find_place(struct call *call, struct err *err) MUST_USE;
/* Before something changes outside of the tenant's home region. */
FIBER_FN bool call_follow_home(struct call *call, struct err *err) MUST_USE;
/* For what waits: false, for `why_stopped`, once tenant or workspace was suspended. */
FIBER_FN bool call_still_stands(struct call *call);

/* ---- authorize.c -------------------------------------------------------------------------------------- */

/* Whether the caller may, at the level of the request's resource. */
FIBER_FN bool call_authorize(struct call *call, struct err *err) MUST_USE;
/* At the end of the request. */
void call_authorize_done(struct call *call);

/* ---- pipeline_tx.c: transactions --------------------------------------------------------------------- */

/* The handler of the route, in its kind of transaction. */
FIBER_FN bool call_run(struct call *call, struct err *err) MUST_USE;
/* Enters a refusal into the log of the caller's tenant, where the contract wants it. */
FIBER_FN void call_log_refusal(struct call *call, const struct err *why);

/* ---- idempotency.c, within a write transaction ------------------------------------------------- */

/* Sets call->replayed when this request was answered before. */
bool idempotency_begin(struct call *call, struct tx *tx, struct err *err) MUST_USE;
/* Keeps the reply. */
bool idempotency_finish(struct call *call, struct tx *tx, struct err *err) MUST_USE;

/* ---- pipeline_reply.c -------------------------------------------------------------------------- */

FIBER_FN bool call_reply(struct call *call, struct err *err) MUST_USE;
FIBER_FN void call_refuse(struct call *call, const struct err *why);
/* The reply's body as it goes out. */
bool call_encode(struct call *call, struct buf *buf, struct err *err) MUST_USE;
int call_status(const struct call *call);
/* Headers of every reply; at most as many as fit. */
enum { REPLY_HEADERS_MAX = REQUEST_HEADERS_MAX + 14 };
/*
 * For tools/check_exchanges.py, which holds every reply against the contract
 * and tells which operations no test has used, or none through the command line.
 * A stream is noted when it begins: who reads it may leave at any time.
 */
void call_record(struct call *call, int status, const char *media, struct str body);
size_t call_headers(struct call *call, const char *content_type, struct http_header *headers);
