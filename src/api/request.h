/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a handler sees of a request. A handler is typed in, typed out, error
 * last (the prototypes are generated from api/openapi.yaml: api_handlers.h):
 *
 *   bool action_decide(struct request *req, const struct api_action_decide_in *in,
 *                      struct api_action *out, struct err *err);
 *
 * Authentication, tenant, permission, limits, decoding, transaction, log entry
 * and encoding happen around it, in src/server/pipeline.c. By the operation's
 * `x-countersign.transaction`:
 *
 *   read   runs on a store thread in a snapshot of the tenant's cell; req->tx is set.
 *   write  runs on a store thread in a write transaction; req->tx is set. When it
 *          returns true, the log entry and the events are written in the same
 *          transaction; when it returns false, all is rolled back, and a denial is
 *          logged by itself.
 *   none   runs on the request's fiber (FIBER_FN) with req->tx NULL; it uses
 *          request_read and request_write, and may wait and stream.
 *
 * One owner at a time: while a store thread runs the handler the fiber waits,
 * so nothing here needs a lock. All memory given to the reply comes from
 * req->arena; no pointer into it may outlive the request.
 */
#pragma once

#include "api/principal.h"
#include "base/arena.h"
#include "base/id.h"
#include "io/fiber.h"

struct tx;
struct access_request;
struct request_ops;
struct services;
struct notify_waiter;

struct request_header {
        const char *name;
        struct str value;
};

struct request_detail {
        const char *key;
        struct str value;
};

/* What would be one more fails the request. */
enum { REQUEST_HEADERS_MAX = 16, REQUEST_DETAILS_MAX = 16, REQUEST_EVENTS_MAX = 64 };

/* A row for the outbox; written with the transaction. */
struct request_event_row {
        const char *type; /* "action.decided": the CloudEvents type is "dev.countersign." and this */
        struct str subject;
        struct str data_json;
};

struct request {
        struct arena *arena; /* bounded; dies after the reply */
        struct tx *tx;       /* NULL unless inside a transaction */

        /* Where: ids, checked. "" where the operation's scope has none. */
        struct str tenant;
        struct str workspace;
        struct str region;

        struct principal principal;

        struct id id;            /* req_…; the X-Request-Id of the reply */
        struct str trace_parent; /* W3C traceparent as received and valid, or {NULL, 0} */
        struct str peer;         /* the client's address, text */
        struct str idempotency_key;
        struct str if_match;      /* as received, or {NULL, 0} */
        int64_t now_ms;           /* wall time when the request came in */
        int64_t deadline_mono_us; /* after this nobody waits for the reply */
        const struct api_route *route;
        const struct services *services; /* api/services.h */
        bool deletion_only;              /* the tenant is archived: only its deletion can be asked for */

        /* Filled by the functions below. */
        int status; /* 0: the contract's first success status */
        unsigned header_count;
        struct request_header headers[REQUEST_HEADERS_MAX];
        struct str resource_type;
        struct str resource_id;
        unsigned detail_count;
        struct request_detail details[REQUEST_DETAILS_MAX];
        unsigned event_count;
        struct request_event_row *events;
        struct access_request *access; /* access/access.h */
        bool resource_open;            /* whether it is allowed depends on the resource */
        bool resource_asked;
        int64_t retry_after_s; /* with a refusal of the handler's own that will pass: RATE_LIMITED,
                                  OVERLOADED; 0: not said */
        /*
         * The refusal of an anonymous caller belongs into the log of the tenant that was entered: a log-in.
         * Only where attempts are bounded, or strangers could fill the log.
         */
        bool log_stranger;
        bool streaming; /* the reply's head is on the wire already */
        /* A JSON array for the member `problems` of a refusal: all mistakes of a document; {NULL, 0}: none.
         */
        struct str problems_json;
        /* With a refusal: the page that the handler has written itself (page_refuse); {NULL, 0}: the general
         * one.
         */
        struct str refusal_page;

        const struct request_ops *ops; /* the pipeline's */
};

/*
 * For operations of scope public or platform that work in a tenant's cell (an
 * enrolment, a new tenant): names the cell for request_read, request_write, the
 * log entry and the events. Both are copied.
 */
void request_enter(struct request *req, struct str tenant, struct str region);

/* ---- what the client sent besides ------------------------------------------------------------ */

/* A header field as received, trimmed, or {NULL, 0}; the first of that name. Lives as long as the request.
 */
struct str request_header(const struct request *req, const char *name);
/* The value of a cookie (RFC 6265 section 5.4), or {NULL, 0}; one that comes twice counts as none. */
struct str request_cookie(const struct request *req, struct str name);

/* ---- the reply ------------------------------------------------------------------------------- */

/* Another success status than the contract's first, for instance 200 instead of 201. */
void request_set_status(struct request *req, int status);
/* The name is a literal; the value is copied into the arena. */
void request_set_header(struct request *req, const char *name, struct str value);
/* The same, beside others of that name: Set-Cookie. */
void request_add_header(struct request *req, const char *name, struct str value);
/* A strong ETag made from a row's version number. */
void request_set_etag(struct request *req, int64_t version);
/*
 * If-Match (RFC 9110 section 13.1.1) against a row's version: ERR_PRECONDITION_FAILED
 * when it names another, ERR_PRECONDITION_REQUIRED when it is absent but required.
 */
bool request_check_version(const struct request *req, int64_t version, bool required,
                           struct err *err) MUST_USE;

/* ---- what goes into the log and the outbox ----------------------------------------------------- */

/* What the request was about: ("action", "act_…"). The id is copied. The last call wins. */
void request_log_resource(struct request *req, const char *type, struct str id);
/* Facts for the log entry, opaque ids and codes only, never personal data. Copied. */
void request_log_detail(struct request *req, const char *key, struct str value);
/* An event, published with the transaction. `type` is a literal; the others are copied. */
void request_event(struct request *req, const char *type, struct str subject, struct str data_json);

/* ---- only in handlers whose transaction is `none` ------------------------------------------------ */

/* On a store thread; req->tx is set while it runs. */
typedef bool (*request_work)(struct request *req, void *arg, struct err *err);

/* A snapshot read of the request's cell. The fiber waits. */
FIBER_FN bool request_read(struct request *req, request_work work, void *arg, struct err *err) MUST_USE;
/*
 * A write to the request's cell, durable when it returns true; the log entry and
 * the events noted so far are part of it. The fiber waits.
 */
FIBER_FN bool request_write(struct request *req, request_work work, void *arg, struct err *err) MUST_USE;
/*
 * A write that only prepares, such as a question to an executor: no log entry.
 * Each request_write makes one entry; an operation that is logged always and
 * writes nothing gets its entry after the handler.
 *
 * With an Idempotency-Key the reply is kept in the transaction of request_write:
 * the handler's `out` must then be complete when its work returns.
 */
FIBER_FN bool request_prepare(struct request *req, request_work work, void *arg, struct err *err) MUST_USE;

/*
 * Waits until the waiter's subject is published, the deadline (monotonic
 * microseconds) passes, the client goes away, or the server drains. True only
 * for the first. See api/notify.h.
 */
FIBER_FN bool request_wait(struct request *req, struct notify_waiter *waiter, int64_t deadline_mono_us);
/*
 * The parameter `wait` ("30s"; {NULL, 0}: do not wait) as a deadline in
 * monotonic microseconds, 0 for none. Longer than the server allows is shortened.
 */
bool request_wait_until(const struct request *req, struct str wait, int64_t *ret_deadline_mono_us,
                        struct err *err) MUST_USE;
/* Whether the client has gone or the server drains, so that waiting further is pointless. */
bool request_is_over(struct request *req);

/* The request's body in pieces, for operations whose body is binary. *ret_len 0 at its end. */
FIBER_FN bool request_body_read(struct request *req, void *bytes, size_t size, size_t *ret_len,
                                struct err *err) MUST_USE;

/*
 * A streamed reply: begin, write any number of times (each waits while the
 * client is slow), return true. After begin, an error only ends the connection.
 */
FIBER_FN bool request_stream_begin(struct request *req, const char *content_type, struct err *err) MUST_USE;
FIBER_FN bool request_stream_write(struct request *req, struct str bytes, struct err *err) MUST_USE;

/* Server-sent events (HTML, section 9.2). `id` may be empty; data may have many lines. */
FIBER_FN bool request_sse_begin(struct request *req, struct err *err) MUST_USE;
FIBER_FN bool request_sse_event(struct request *req, struct str id, const char *event, struct str data,
                                struct err *err) MUST_USE;
/* A comment line, so that proxies keep the stream open. */
FIBER_FN bool request_sse_ping(struct request *req, struct err *err) MUST_USE;
