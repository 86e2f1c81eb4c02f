/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline's transactions: the handler's change, its log entry, its events
 * and the reply that an Idempotency-Key keeps are one, or nothing.
 */
#include "api/cell.h"
#include "api/notify.h"
#include "api/outbox.h"
#include "api/request_ops.h"
#include "approvals/entry.h"
#include "base/log_line.h"
#include "base/test_hooks.h"
#include "log/log.h"
#include "server/call.h"
#include "server/trace.h"
#include "tenancy/regions.h"

/* What one transaction of a request does. */
struct job {
        struct call *call;
        request_work work; /* NULL: only the entry */
        void *arg;
        bool logs;
        const struct err *refused; /* an entry of a refusal, and nothing else */
};

static FIBER_FN bool job_run(struct job *job, store_work work, bool write, struct str tenant,
                             struct str region, struct err *err)
{
        struct request *req = &job->call->req;
        struct store *store = req->services->store;
        struct cell_ref cell = {tenant, region};

        if (tenant.len == 0)
                return err_set(err, ERR_INTERNAL, "the operation %s has no cell",
                               job->call->route->operation);
        if (write)
                return cell_write(store, &cell, req->arena, work, job, err);
        return cell_read(store, &cell, req->arena, work, job, err);
}

/* ---- the log entry ----------------------------------------------------------------------------- */

static enum log_activity activity_of(const struct api_route *route)
{
        switch (route->method) {
        case API_GET:
                return LOG_READ;
        case API_POST:
                return route->status == 201 ? LOG_CREATE : LOG_UPDATE;
        case API_PUT:
        case API_PATCH:
                return LOG_UPDATE;
        case API_DELETE:
                return LOG_DELETE;
        default:
                return LOG_OTHER;
        }
}

static enum log_actor actor_of(const struct principal *principal)
{
        switch (principal->kind) {
        case PRINCIPAL_USER:
                return LOG_USER;
        case PRINCIPAL_SERVICE:
                return LOG_SERVICE;
        case PRINCIPAL_AGENT:
                return LOG_AGENT;
        case PRINCIPAL_EXECUTOR:
                return LOG_EXECUTOR;
        case PRINCIPAL_NOBODY:
                break;
        }
        return LOG_ANONYMOUS;
}

/* `why` is NULL for what was allowed. */
static bool append_entry(struct call *call, struct tx *tx, const struct err *why, struct err *err)
{
        const struct request *req = &call->req;
        struct log_resource resource;
        struct log_position position;
        struct log_detail details[REQUEST_DETAILS_MAX];
        struct log_event event = {
                .time_ms = req->now_ms,
                .activity = activity_of(call->route),
                .denied = why != NULL,
                .operation = str_from(call->route->log_action),
                .code = why ? str_from(err_name(why->code)) : STR(""),
                .actor = actor_of(&req->principal),
                .actor_id = id_str(&req->principal.id),
                .credential_id = id_str(&req->principal.credential),
                .workspace = req->workspace,
                .source = STR("api"),
                .request_id = id_str(&req->id),
                .trace_id = req->trace_parent.ptr ? trace_id(req->trace_parent) : STR(""),
                .details = details,
                .detail_count = req->detail_count,
        };

        resource = (struct log_resource){req->resource_type.ptr, req->resource_id};
        if (req->resource_type.ptr) {
                event.resources = &resource;
                event.resource_count = 1;
        }
        for (unsigned i = 0; i < req->detail_count; i++)
                details[i] = (struct log_detail){req->details[i].key, req->details[i].value};
        if (!log_append(tx, &event, &position, err))
                return false;
        return !resource.type || strcmp(resource.type, "action") != 0 ||
               approvals_note_entry(tx, resource.id, &position, err);
}

/* ---- transactions ------------------------------------------------------------------------------ */

static bool append_events(struct call *call, struct tx *tx, struct err *err)
{
        struct request *req = &call->req;

        for (unsigned i = 0; i < req->event_count; i++) {
                const struct request_event_row *event = &req->events[i];

                if (!outbox_append(tx, event->type, event->subject, event->data_json, req->now_ms, err))
                        return false;
        }
        return true;
}

/* A handler that did not ask whether the caller may do it to this resource changes nothing and shows
 * nothing. */
static bool resource_asked(const struct call *call, struct err *err)
{
        if (!call->req.resource_open || call->req.resource_asked)
                return true;
        return err_set(err, ERR_INTERNAL, "the operation %s did not ask about the resource",
                       call->route->operation);
}

static bool write_steps(struct job *job, struct tx *tx, struct err *err)
{
        struct call *call = job->call;
        bool keeps = call->req.idempotency_key.ptr && job->logs && !call->remembered;

        if (call->req.idempotency_key.ptr && !call->remembered && !idempotency_begin(call, tx, err))
                return false;
        if (call->replayed)
                return true;
        if (job->work && !job->work(&call->req, job->arg, err))
                return false;
        if (job->logs && !resource_asked(call, err))
                return false;
        test_step("handler ran");
        if (!arena_check(call->req.arena, err) || !append_events(call, tx, err))
                return false;
        if (job->logs && call->route->log == API_LOG_ALWAYS && !append_entry(call, tx, NULL, err))
                return false;
        test_step("entry appended");
        return !keeps || idempotency_finish(call, tx, err);
}

/* On a store thread. */
static bool write_work(struct tx *tx, void *arg, struct err *err)
{
        struct job *job = arg;
        bool ok;

        job->call->req.tx = tx;
        ok = write_steps(job, tx, err);
        job->call->req.tx = NULL;
        return ok;
}

static bool read_work(struct tx *tx, void *arg, struct err *err)
{
        struct job *job = arg;
        bool ok;

        job->call->req.tx = tx;
        ok = job->work(&job->call->req, job->arg, err);
        job->call->req.tx = NULL;
        return ok;
}

static FIBER_FN bool write_in(struct call *call, struct str tenant, struct str region, request_work work,
                              void *arg, bool logs, struct err *err)
{
        struct job job = {.call = call, .work = work, .arg = arg, .logs = logs};
        bool ok = job_run(&job, write_work, true, tenant, region, err);

        test_step("committed");
        /* Published, or taken back with the change. */
        call->req.event_count = 0;
        if (!ok)
                return false;
        if (call->replayed)
                return err_set(err, ERR_CONFLICT, "this request was answered before");
        if (logs) {
                call->logged = true;
                call->remembered = call->req.idempotency_key.ptr != NULL;
        }
        return true;
}

static FIBER_FN bool op_read(struct request *req, request_work work, void *arg, struct err *err)
{
        struct job job = {.call = call_of(req), .work = work, .arg = arg};

        return job_run(&job, read_work, false, req->tenant, req->region, err);
}

static FIBER_FN bool op_write(struct request *req, request_work work, void *arg, struct err *err)
{
        return write_in(call_of(req), req->tenant, req->region, work, arg, true, err);
}

static FIBER_FN bool op_prepare(struct request *req, request_work work, void *arg, struct err *err)
{
        return write_in(call_of(req), req->tenant, req->region, work, arg, false, err);
}

/* ---- running the handler ----------------------------------------------------------------------- */

static bool run_handler(struct request *req, void *arg, struct err *err)
{
        struct call *call = arg;

        return call->route->handle(req, call->in, call->out, err);
}

/* What is logged always and has written nothing itself is entered on its own. */
static FIBER_FN bool log_alone(struct call *call, struct err *err)
{
        struct request *req = &call->req;
        bool wanted = call->route->log == API_LOG_ALWAYS && !call->logged;

        if (!wanted && (!req->idempotency_key.ptr || call->remembered))
                return true;
        return write_in(call, req->tenant, req->region, NULL, NULL, true, err);
}

FIBER_FN bool call_run(struct call *call, struct err *err)
{
        struct request *req = &call->req;
        bool ok = false;

        switch (call->route->transaction) {
        case API_TRANSACTION_READ:
                ok = op_read(req, run_handler, call, err);
                break;
        case API_TRANSACTION_WRITE:
                ok = op_write(req, run_handler, call, err);
                break;
        case API_TRANSACTION_NONE:
                ok = run_handler(req, call, err);
                if (ok && call->stopped && !req->streaming) {
                        *err = call->why_stopped;
                        return false;
                }
                ok = ok && (req->streaming || log_alone(call, err));
                break;
        }
        return call->replayed || (ok && resource_asked(call, err));
}

/*
 * Which refusals are entered (docs/decisions/0003): of reads, those for want of
 * a right; of changes, also those by the rules of the thing itself.
 */
static bool refusal_counts(const struct call *call, enum err_code code)
{
        int status = err_status(code);

        if (call->route->log == API_LOG_NEVER)
                return false;
        if (status == 401 || status == 403 || status == 421 || call->foreign)
                return true;
        /* RFC 6749 section 5.2 has 400 where the thing's own rules refuse. */
        return call->route->log == API_LOG_ALWAYS &&
               (status == 404 || status == 409 || status == 412 || status == 422 ||
                code == ERR_INVALID_GRANT || code == ERR_INVALID_SCOPE);
}

static bool refusal_work(struct tx *tx, void *arg, struct err *err)
{
        struct job *job = arg;

        return append_entry(job->call, tx, job->refused, err);
}

FIBER_FN void call_log_refusal(struct call *call, const struct err *why)
{
        const struct principal *principal = &call->req.principal;
        struct job job = {.call = call, .refused = why};
        bool own = call->req.tenant.len > 0 && str_eq(call->req.tenant, id_str(&principal->tenant));
        struct str region = own ? call->req.region : principal->region;
        struct str tenant = id_str(&principal->tenant);
        struct err err;

        if (!call->route || !refusal_counts(call, why->code))
                return;
        if (principal->kind == PRINCIPAL_NOBODY) {
                if (!call->req.log_stranger)
                        return;
                tenant = call->req.tenant;
                region = call->req.region;
        }
        /* What is another node's is entered here: at home, if that is here, or in this node's own region. */
        if (!regions_serves(call->req.services, region))
                region = regions_serves(call->req.services, principal->region) ? principal->region
                                                                               : call->req.services->region;
        /* Never into the log of the tenant that was asked about. */
        if (!job_run(&job, refusal_work, true, tenant, region, &err))
                log_line(LOG_ERROR, "a refusal could not be entered into the log",
                         LOG_STR("request", id_str(&call->req.id)), LOG_STR("tenant", tenant),
                         LOG_C("error", err.message));
}

/* ---- waiting and streaming --------------------------------------------------------------------- */

static bool op_is_over(struct request *req)
{
        struct http_exchange *x = call_of(req)->x;

        return http_exchange_gone(x) || http_exchange_draining(x) || call_of(req)->stopped;
}

static FIBER_FN bool op_wait(struct request *req, struct notify_waiter *waiter, int64_t deadline_mono_us)
{
        struct http_exchange *x = call_of(req)->x;
        bool fired;

        if (!call_still_stands(call_of(req)))
                return false;
        /* One event for both: what is published, and the end of the client or the server. */
        http_exchange_notify(x, &waiter->event);
        fired = !op_is_over(req) && notify_wait(waiter, deadline_mono_us);
        http_exchange_notify(x, NULL);
        return fired && call_still_stands(call_of(req)) && !op_is_over(req);
}

static FIBER_FN bool op_body_read(struct request *req, void *bytes, size_t size, size_t *ret_len,
                                  struct err *err)
{
        return http_body_read(call_of(req)->x, bytes, size, ret_len, err);
}

static FIBER_FN bool op_stream_begin(struct request *req, const char *content_type, struct err *err)
{
        struct call *call = call_of(req);
        struct http_header headers[REPLY_HEADERS_MAX];
        size_t count;

        /* What must be logged is logged before its first byte goes out. */
        if (!log_alone(call, err))
                return false;
        count = call_headers(call, content_type, headers);
        req->streaming = http_stream_begin(call->x, call_status(call), headers, count, err);
        if (req->streaming)
                call_record(call, call_status(call), content_type, STR(""));
        return req->streaming;
}

static FIBER_FN bool op_stream_write(struct request *req, struct str bytes, struct err *err)
{
        return http_stream_write(call_of(req)->x, bytes, err);
}

static FIBER_FN bool op_sse_event(struct request *req, struct str id, const char *event, struct str data,
                                  struct err *err)
{
        return sse_send(call_of(req)->x, str_from(event), id, data, err);
}

static FIBER_FN bool op_sse_ping(struct request *req, struct err *err)
{
        return sse_comment(call_of(req)->x, STR("ping"), err);
}

static struct str op_header(const struct request *req, const char *name)
{
        return http_exchange_header(((const struct call *)req)->x, str_from(name));
}

const struct request_ops call_ops = {
        .header = op_header,
        .read = op_read,
        .write = op_write,
        .prepare = op_prepare,
        .wait = op_wait,
        .is_over = op_is_over,
        .body_read = op_body_read,
        .stream_begin = op_stream_begin,
        .stream_write = op_stream_write,
        .sse_event = op_sse_event,
        .sse_ping = op_sse_ping,
};
