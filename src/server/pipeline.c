/* SPDX-License-Identifier: Apache-2.0 */
#include "server/pipeline.h"

#include "api/problem.h"
#include "base/clock.h"
#include "base/log_line.h"
#include "crypto/jose.h"
#include "identity/authenticate.h"
#include "identity/oidc.h"
#include "identity/pages.h"
#include "identity/sessions.h"
#include "server/call.h"
#include "server/rate_shared.h"
#include "server/trace.h"

static struct str call_header(void *data, const char *name)
{
        return http_exchange_header(data, str_from(name));
}

static void call_begin(struct call *call, struct pipeline *pipeline, struct http_exchange *x)
{
        struct str trace = http_exchange_header(x, STR("traceparent"));
        struct request *req = &call->req;

        call->pipeline = pipeline;
        call->x = x;
        call->api.header = call_header;
        call->api.header_data = x;
        req->ops = &call_ops;
        req->arena = http_exchange_arena(x);
        req->services = pipeline->services;
        req->id = id_new("req");
        req->now_ms = clock_now_ms();
        req->deadline_mono_us = http_exchange_start_us(x) + pipeline->request_timeout_ms * 1000;
        req->peer = http_exchange_peer(x);
        req->tenant = req->workspace = req->region = STR("");
        if (trace.ptr && trace_parent_is_valid(trace))
                req->trace_parent = trace;
}

/* ---- parse: the route -------------------------------------------------------------------------- */

static bool method_of(struct http_exchange *x, enum api_method *ret)
{
        switch (http_exchange_method(x)) {
        case HTTP_METHOD_GET:
        case HTTP_METHOD_HEAD: /* the reply's headers only (RFC 9110 section 9.3.2); src/io sees to it */
                *ret = API_GET;
                return true;
        case HTTP_METHOD_POST:
                *ret = API_POST;
                return true;
        case HTTP_METHOD_PUT:
                *ret = API_PUT;
                return true;
        case HTTP_METHOD_PATCH:
                *ret = API_PATCH;
                return true;
        case HTTP_METHOD_DELETE:
                *ret = API_DELETE;
                return true;
        default:
                return false;
        }
}

static bool find_route(struct call *call, struct err *err)
{
        struct str path = http_exchange_path(call->x);
        enum api_method method = API_GET;
        bool known = method_of(call->x, &method);
        int index;

        switch (api_route_find(&api_root, method, path, call->req.arena, &call->api, &index, &call->allow)) {
        case API_FOUND:
                if (known)
                        break;
                return err_set(err, ERR_METHOD_NOT_ALLOWED, "this path has other methods");
        case API_FOUND_NO_METHOD:
                return err_set(err, ERR_METHOD_NOT_ALLOWED, "this path has other methods");
        case API_FOUND_NO_PATH:
                return call_nothing_here(err);
        }
        call->route = &api_routes[index];
        call->req.route = call->route;
        return true;
}

/* ---- authenticate ------------------------------------------------------------------------------ */

static bool rate_refuse(struct call *call, const char *whose, struct err *err)
{
        return err_set(err, ERR_RATE_LIMITED, "too many requests by this %s; try again in %lld s", whose,
                       (long long)call->rate.reset_s);
}

/* Guesses cost the guesser's address. */
static bool limit_address(struct call *call, struct err *err)
{
        struct pipeline *pipeline = call->pipeline;

        return rate_take(pipeline->rates_addresses, 'a', call->req.peer, &pipeline->rate_address,
                         clock_mono_us(), &call->rate) ||
               rate_refuse(call, "address", err);
}

static bool unauthenticated(struct call *call, const char *message, struct err *err)
{
        metrics_count_unauthenticated(call->pipeline->metrics);
        return err_set(err, ERR_UNAUTHENTICATED, "%s", message);
}

/* RFC 6750 section 2.1: "Bearer" SP token; the scheme's case does not matter (RFC 9110 section 11.1). */
static bool take_bearer(struct call *call, struct str value, struct err *err)
{
        struct str scheme;

        if (!str_cut(&value, ' ', &scheme) || !str_eq_nocase(scheme, STR("Bearer")))
                return unauthenticated(call, "send one credential: Authorization: Bearer cs_…", err);
        call->token = str_trim(value);
        return true;
}

/* Exactly one: who sends two may be somebody else than they believe. */
static bool take_token(struct call *call, struct err *err)
{
        const struct http_header *headers;
        size_t count = http_exchange_headers(call->x, &headers);
        struct str cookie = page_cookie(&call->req, SESSION_COOKIE);
        struct str value;
        size_t found = http_headers_find(headers, count, STR("Authorization"), &value);

        if (found > 1)
                return unauthenticated(call, "send one credential, not several", err);
        if (found == 1 && cookie.len > 0)
                return err_set(err, ERR_BAD_REQUEST,
                               "send one credential: a session's cookie, or Authorization, not both");
        if (found == 1)
                return take_bearer(call, value, err);
        if (cookie.len == 0)
                return unauthenticated(call, "send a credential: Authorization: Bearer cs_…, or log in",
                                       err);
        call->token = cookie;
        call->by_cookie = true;
        return true;
}

/*
 * A browser adds the cookie whoever makes it send the request. What says who did are Fetch Metadata and
 * Origin (RFC 6454 section 7), which pages cannot write; a request that has neither is not from a browser
 * of today, and programs use bearer tokens.
 */
static bool check_origin(const struct call *call, struct err *err)
{
        struct str site = http_exchange_header(call->x, STR("Sec-Fetch-Site"));
        struct str origin = http_exchange_header(call->x, STR("Origin"));

        if (!call->by_cookie || call->route->method == API_GET)
                return true;
        if (site.ptr ? str_is(site, "same-origin") || str_is(site, "none")
                     : str_eq(origin, call->req.services->url))
                return true;
        return err_set(err, ERR_FORBIDDEN,
                       "a request with a session's cookie must come from a page of this server");
}

struct lookup_work {
        struct call *call;
        struct str subject;
        bool ok;
        struct err *err;
};

/* On a thread. */
static void authenticate_blocking(void *arg)
{
        struct lookup_work *work = arg;
        struct request *req = &work->call->req;

        work->ok = identity_authenticate(req->services->identity, req->arena, work->subject, req->now_ms,
                                         &req->principal, work->err);
}

static bool known_caller(struct call *call, struct err *err)
{
        /* A browser's session lets a command line in and adds passkeys: what may less does not pass for one.
         */
        if (call->by_cookie && !call->req.principal.browser)
                return unauthenticated(call, "this cookie holds no browser's session: log in", err);
        call->req.principal.by_cookie = call->by_cookie;
        return check_origin(call, err);
}

static FIBER_FN bool authenticate(struct call *call, struct err *err)
{
        struct request *req = &call->req;
        struct lookup_work work = {.call = call, .err = err};

        if (call->route->permission == API_PERMISSION_NONE)
                return (call->route->method == API_GET && call->route->log != API_LOG_ALWAYS) ||
                       limit_address(call, err);
        if (!take_token(call, err)) {
                (void)limit_address(call, err);
                return false;
        }
        switch (identity_authenticate_quick(req->services->identity, req->arena, call->token, req->now_ms,
                                            &req->principal, err)) {
        case LOOKUP_FOUND:
                return known_caller(call, err);
        case LOOKUP_UNKNOWN:
                if (!limit_address(call, err))
                        return false;
                work.subject = call->token;
                /* A token of an issuer's own: its keys are fetched here, where waiting holds no thread. */
                if (jose_looks_like_token(call->token) &&
                    !oidc_token_prepare(req->services->oidc, req->arena, call->token, err))
                        break;
                fiber_offload(authenticate_blocking, &work);
                if (work.ok)
                        return known_caller(call, err);
                break;
        case LOOKUP_REFUSED:
                (void)limit_address(call, err);
                break;
        }
        if (err->code == ERR_UNAUTHENTICATED)
                metrics_count_unauthenticated(call->pipeline->metrics);
        return false;
}

/* ---- rate limit -------------------------------------------------------------------------------- */

static FIBER_FN bool take(struct call *call, char kind, struct str name, const struct rate_limit *limit,
                          struct rate_state *ret)
{
        const struct services *services = call->req.services;
        struct rate_table *table = call->pipeline->rates;

        if (store_is_shared(services->store))
                return rate_take_shared(services, table, kind, name, limit, clock_mono_us(), ret);
        return rate_take(table, kind, name, limit, clock_mono_us(), ret);
}

static FIBER_FN bool limit_rate(struct call *call, struct err *err)
{
        struct pipeline *pipeline = call->pipeline;
        const struct principal *principal = &call->req.principal;
        struct rate_state tenant;

        if (principal->kind == PRINCIPAL_NOBODY)
                return true;
        call->rate_whose = "principal";
        if (!take(call, 'p', id_str(&principal->id), &pipeline->tiers[call->tenant.tier].principal,
                  &call->rate))
                return rate_refuse(call, "principal", err);
        if (!take(call, 't', id_str(&principal->tenant), &pipeline->tiers[call->tenant.tier].tenant,
                  &tenant)) {
                call->rate = tenant;
                call->rate_whose = "tenant";
                return rate_refuse(call, "tenant", err);
        }
        if (tenant.limited && (!call->rate.limited || tenant.remaining < call->rate.remaining)) {
                call->rate = tenant;
                call->rate_whose = "tenant";
        }
        return true;
}

/*
 * Step-up (RFC 9470): what the contract marks with `second-factor` asks people for one that is fresh. An API
 * key is not a person who could show one: making a key asks for it, using the key does not.
 */
static bool check_second_factor(struct call *call, struct err *err)
{
        const struct principal *principal = &call->req.principal;
        int64_t most_ms = (int64_t)call->route->second_factor_s * 1000;

        if (most_ms == 0 || principal->kind != PRINCIPAL_USER ||
            str_starts(id_str(&principal->credential), STR("key_")))
                return true;
        if (principal->second_factor_ms != 0 && call->req.now_ms - principal->second_factor_ms <= most_ms)
                return true;
        return err_set(err, ERR_SECOND_FACTOR_REQUIRED,
                       "this needs a second factor that is not older than %u s: log in again with it",
                       call->route->second_factor_s);
}

/* ---- decode ------------------------------------------------------------------------------------ */

/* RFC 9110 section 8.3.1. A parameter other than charset=utf-8 would change nothing that we support. */
static bool media_is(struct str value, const char *media)
{
        struct str name;

        (void)str_cut(&value, ';', &name);
        value = str_trim(value);
        return str_eq_nocase(str_trim(name), str_from(media)) &&
               (value.len == 0 || str_eq_nocase(value, STR("charset=utf-8")) ||
                str_eq_nocase(value, STR("charset=\"utf-8\"")));
}

static FIBER_FN bool read_body(struct call *call, struct err *err)
{
        const struct api_route *route = call->route;

        /* Before the first byte is read: what body and answer carry is wiped with the request. */
        if (route->secrets)
                http_exchange_arena(call->x)->zeroing = true;
        if (!http_exchange_has_body(call->x)) {
                if (route->body_required)
                        return err_set(err, ERR_BAD_REQUEST, "this operation needs a body of %s",
                                       route->body_media);
                return true;
        }
        if (!route->body_media)
                return err_set(err, ERR_BAD_REQUEST, "this operation takes no body");
        if (!media_is(http_exchange_header(call->x, STR("Content-Type")), route->body_media))
                return err_set_at(err, ERR_UNSUPPORTED_MEDIA, "Content-Type", "this operation takes %s",
                                  route->body_media);
        call->api.has_body = true;
        return http_body_read_all(call->x, route->body_limit, &call->api.body, err);
}

static bool take_idempotency_key(struct call *call, struct err *err)
{
        struct str key = http_exchange_header(call->x, STR("Idempotency-Key"));

        if (!call->route->idempotent || !key.ptr)
                return true;
        if (key.len == 0 || key.len > IDEMPOTENCY_KEY_MAX)
                return err_set_at(err, ERR_BAD_PARAMETER, "Idempotency-Key",
                                  "1 to %d characters are allowed", IDEMPOTENCY_KEY_MAX);
        for (size_t i = 0; i < key.len; i++)
                if (key.ptr[i] < '!' || key.ptr[i] > '~')
                        return err_set_at(err, ERR_BAD_PARAMETER, "Idempotency-Key",
                                          "only visible ASCII characters are allowed");
        call->req.idempotency_key = key;
        return true;
}

/* A request may wait for minutes, and there may be thousands: none keeps a credential that it needs no more.
 */
static void drop_token(struct call *call)
{
        /* What is kept for the key is sealed with it. Pages look at their cookie again. */
        if (call->req.idempotency_key.ptr || call->by_cookie || call->token.len == 0)
                return;
        /* A view of the head's bytes, which are the exchange's own. */
        explicit_bzero((char *)(uintptr_t)call->token.ptr, call->token.len);
        call->token = STR_NULL;
}

static FIBER_FN bool decode(struct call *call, struct err *err)
{
        const struct api_route *route = call->route;
        struct request *req = &call->req;
        struct decoder decoder = {.arena = req->arena, .err = err};

        req->if_match = http_exchange_header(call->x, STR("If-Match"));
        if (!take_idempotency_key(call, err))
                return false;
        drop_token(call);
        if (!read_body(call, err) ||
            !api_query_parse(req->arena, http_exchange_query(call->x), &call->api, err))
                return false;
        call->in = arena_alloc(req->arena, route->in_size);
        call->out = arena_alloc(req->arena, route->out_size);
        return arena_check(req->arena, err) && route->decode(&call->api, &decoder, call->in);
}

/* ---- the whole --------------------------------------------------------------------------------- */

static FIBER_FN bool serve(struct call *call, struct err *err)
{
        return find_route(call, err) && authenticate(call, err) && call_find_place(call, err) &&
               limit_rate(call, err) && call_authorize(call, err) && check_second_factor(call, err) &&
               decode(call, err) && call_follow_home(call, err) && call_run(call, err) &&
               call_reply(call, err);
}

static void log_request(struct call *call, const struct err *err, int64_t total_us)
{
        const struct request *req = &call->req;
        int64_t wait_us = fiber_waited_us();
        int status = http_exchange_status(call->x);
        enum log_level level = status >= 500 && status != 503 ? LOG_ERROR : LOG_INFO;

        log_line(
                level, "request", LOG_STR("request", id_str(&req->id)),
                LOG_STR("trace", req->trace_parent.ptr ? trace_id(req->trace_parent) : STR("-")),
                LOG_STR("tenant", req->principal.tenant.text[0] ? id_str(&req->principal.tenant) : STR("-")),
                LOG_STR("principal", req->principal.id.text[0] ? id_str(&req->principal.id) : STR("-")),
                LOG_C("route", call->route ? call->route->operation : "-"), LOG_INT("status", status),
                LOG_INT("wait_us", wait_us), LOG_INT("work_us", total_us > wait_us ? total_us - wait_us : 0),
                LOG_C("code", err->code != ERR_NONE ? err_name(err->code) : "-"),
                LOG_C("error", err->code != ERR_NONE ? err->message : "-"));
}

static void call_end(struct call *call, const struct err *err)
{
        struct pipeline *pipeline = call->pipeline;
        int64_t total_us = clock_mono_us() - http_exchange_start_us(call->x);
        int status = http_exchange_status(call->x);

        metrics_count(pipeline->metrics, call->route ? (int)call->route->index : -1, status, total_us);
        metrics_leave(pipeline->metrics);
        /* What the reply hides is nowhere else to be found. */
        if (pipeline->log_requests || (err->code != ERR_NONE && err_is_internal(err->code)))
                log_request(call, err, total_us);
}

FIBER_ENTRY void pipeline_handle(struct http_exchange *x, void *arg)
{
        struct pipeline *pipeline = arg;
        struct call call = {0};
        struct err err;

        err_clear(&err);
        metrics_enter(pipeline->metrics);
        call_begin(&call, pipeline, x);
        if (serve(&call, &err)) {
                err_clear(&err);
        } else {
                call_log_refusal(&call, &err);
                call_refuse(&call, &err);
        }
        call_authorize_done(&call);
        call_end(&call, &err);
}

void pipeline_protocol_error(const struct http_protocol_error *error, struct buf *ret_body,
                             struct str *ret_content_type, void *arg)
{
        struct pipeline *pipeline = arg;
        struct id id = id_new("req");
        struct err err;

        (void)err_set(&err, error->code, "%s", error->message);
        problem_write(ret_body, &err, id_str(&id), NULL);
        *ret_content_type = STR(PROBLEM_MEDIA);
        metrics_count(pipeline->metrics, -1, err_status(error->code), 0);
        if (pipeline->log_requests)
                log_line(LOG_INFO, "refused", LOG_STR("request", id_str(&id)), LOG_STR("peer", error->peer),
                         LOG_INT("status", err_status(error->code)), LOG_C("error", error->message));
}
