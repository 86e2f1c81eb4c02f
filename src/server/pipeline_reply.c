/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline's last step: replies, refusals, and in test builds the record that the contract is held
 * against. */
#include "api/problem.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "identity/pages.h"
#include "server/call.h"

#include <stdio.h>
#include <unistd.h>

enum { REPLY_MOST_BYTES = 8 << 20, REFUSAL_MOST_BYTES = 512 * 1024 };

int call_status(const struct call *call)
{
        return call->req.status != 0 ? call->req.status : call->route->status;
}

static struct str number_text(struct call *call, int64_t number)
{
        return arena_printf(call->req.arena, "%lld", (long long)number);
}

static size_t rate_headers(struct call *call, struct http_header *headers)
{
        size_t count = 0;

        if (!call->rate.limited)
                return 0;
        headers[count++] = (struct http_header){STR("RateLimit-Limit"), number_text(call, call->rate.limit)};
        headers[count++] =
                (struct http_header){STR("RateLimit-Remaining"), number_text(call, call->rate.remaining)};
        headers[count++] =
                (struct http_header){STR("RateLimit-Reset"), number_text(call, call->rate.reset_s)};
        /* The window is how long an empty bucket takes to fill. */
        headers[count++] = (struct http_header){
                STR("RateLimit-Policy"),
                arena_printf(call->req.arena, "\"%s\";q=%lld;w=%lld",
                             call->rate_whose ? call->rate_whose : "address", (long long)call->rate.limit,
                             (long long)((call->rate.limit + call->rate.per_second - 1) /
                                         (call->rate.per_second > 0 ? call->rate.per_second : 1)))};
        headers[count++] = (struct http_header){STR("RateLimit"),
                                                arena_printf(call->req.arena, "\"%s\";r=%lld;t=%lld",
                                                             call->rate_whose ? call->rate_whose : "address",
                                                             (long long)call->rate.remaining,
                                                             (long long)call->rate.reset_s)};
        return count;
}

/* A handler may answer with the id that the client sent (AuthZEN). */
static bool says_request_id(const struct request *req)
{
        for (unsigned i = 0; i < req->header_count; i++)
                if (strcmp(req->headers[i].name, "X-Request-Id") == 0)
                        return true;
        return false;
}

size_t call_headers(struct call *call, const char *content_type, struct http_header *headers)
{
        struct request *req = &call->req;
        size_t count = 0;

        if (content_type && strcmp(content_type, "text/html") == 0)
                headers[count++] =
                        (struct http_header){STR("Content-Type"), STR("text/html; charset=utf-8")};
        else if (content_type)
                headers[count++] = (struct http_header){STR("Content-Type"), str_from(content_type)};
        if (!says_request_id(req))
                headers[count++] = (struct http_header){STR("X-Request-Id"), id_str(&req->id)};
        headers[count++] = (struct http_header){STR("Cache-Control"), STR("no-store")};
        if (call->replayed)
                headers[count++] = (struct http_header){STR("Idempotent-Replayed"), STR("true")};
        count += rate_headers(call, headers + count);
        for (unsigned i = 0; i < req->header_count; i++)
                headers[count++] =
                        (struct http_header){str_from(req->headers[i].name), req->headers[i].value};
        return count;
}

bool call_encode(struct call *call, struct buf *buf, struct err *err)
{
        const struct api_route *route = call->route;

        if (route->encode)
                route->encode(buf, call->out);
        else if (route->out_size > 0)
                buf_append_str(buf, ((const struct api_text *)call->out)->text);
        return arena_check(call->req.arena, err) && buf_check(buf, "the reply", err);
}

void call_record(struct call *call, int status, const char *media, struct str body)
{
#ifdef COUNTERSIGN_TEST_HOOKS
        struct json_writer w;
        BUF_SCOPED line = {0};
        ssize_t written;

        if (call->pipeline->exchanges_fd < 0)
                return;
        buf_init(&line, REPLY_MOST_BYTES * 2);
        line.zeroing = call->route && call->route->secrets;
        json_writer_init(&w, &line);
        json_object_begin(&w);
        json_field_c(&w, "operation", call->route ? call->route->operation : "");
        json_field_int(&w, "status", status);
        json_field_c(&w, "content_type", media ? media : "");
        json_field_bool(&w, "cli",
                        str_eq(http_exchange_header(call->x, STR("User-Agent")), STR("countersign-cli")));
        json_key(&w, "body");
        json_base64(&w, body);
        json_object_end(&w);
        buf_append_char(&line, '\n');
        written = write(call->pipeline->exchanges_fd, line.ptr, line.len);
        (void)written;
#else
        (void)call;
        (void)status;
        (void)media;
        (void)body;
#endif
}

FIBER_FN bool call_reply(struct call *call, struct err *err)
{
        const struct api_route *route = call->route;
        struct http_header headers[REPLY_HEADERS_MAX];
        const char *media;
        BUF_SCOPED body;
        size_t count;

        buf_init(&body, REPLY_MOST_BYTES);
        body.zeroing = route->secrets;
        if (call->req.streaming)
                return http_stream_end(call->x, err);
        if (call->replayed)
                buf_append_str(&body, call->kept);
        else if (!call_encode(call, &body, err))
                return false;
        if (!buf_check(&body, "the reply", err))
                return false;
        /* A redirect has a place to go to, and no content. */
        media = call_status(call) / 100 == 3 ? NULL : route->reply_media;
        count = call_headers(call, media, headers);
        call_record(call, call_status(call), media, buf_str(&body));
        return http_reply(call->x, call_status(call), headers, count, buf_str(&body), err);
}

/* RFC 9110 section 10.2.1. */
static struct str allow_list(struct call *call, char *text, size_t size)
{
        size_t at = 0;

        for (int method = 0; method < API_METHOD_COUNT; method++) {
                int len;

                if (!(call->allow >> method & 1))
                        continue;
                len = snprintf(text + at, size - at, "%s%s", at > 0 ? ", " : "",
                               method == API_GET ? "GET, HEAD" : api_method_name((enum api_method)method));
                at += len > 0 ? (size_t)len : 0;
        }
        return str_make(text, at);
}

/* People get a page, programs a problem. */
static const char *write_refusal(struct call *call, const struct err *why, struct buf *body)
{
        if (call->req.refusal_page.ptr) {
                buf_append_str(body, call->req.refusal_page);
                return "text/html";
        }
        call->req.header_count = 0; /* of a success that did not come */
        if (call->route && strcmp(call->route->capability, "pages") == 0) {
                page_refusal(&call->req, why, body);
                return "text/html";
        }
        if (call->route && call->route->oauth_errors) {
                oauth_problem_write(body, why);
                return "application/json";
        }
        problem_write(body, why, id_str(&call->req.id),
                      &(struct problem_more){call->elsewhere, call->req.problems_json});
        return PROBLEM_MEDIA;
}

/*
 * A person who opens a page without being logged in goes to the log-in page, one without the second factor
 * that it asks for to the page that asks for it, and both come back from there; whether the way back is one
 * of ours is decided there.
 */
static bool send_to_login(struct call *call, const struct err *why)
{
        bool step_up = why->code == ERR_SECOND_FACTOR_REQUIRED && call->req.principal.by_cookie;
        struct request *req = &call->req;
        struct str query = http_exchange_query(call->x);
        struct str here;

        if (!call->route || strcmp(call->route->capability, "pages") != 0 ||
            call->route->method != API_GET || call->route->permission == API_PERMISSION_NONE ||
            (why->code != ERR_UNAUTHENTICATED && why->code != ERR_SECOND_FACTOR_REQUIRED))
                return false;
        here = arena_printf(req->arena, "%.*s%s%.*s", STR_ARG(http_exchange_path(call->x)),
                            query.len > 0 ? "?" : "", STR_ARG(query));
        req->header_count = 0;
        page_redirect(req, arena_printf(req->arena, "%s?return_to=%.*s", step_up ? STEP_UP_PATH : "/login",
                                        STR_ARG(percent_encode(req->arena, here))));
        return !arena_failed(req->arena);
}

FIBER_FN void call_refuse(struct call *call, const struct err *why)
{
        struct http_header headers[REPLY_HEADERS_MAX + 5];
        char retry_after[24];
        char allow[64];
        BUF_SCOPED body = {0};
        const char *media;
        struct err err;
        size_t count;

        if (http_exchange_has_replied(call->x))
                return; /* a stream that broke off: the client sees the missing end */
        if (send_to_login(call, why)) {
                count = call_headers(call, NULL, headers);
                call_record(call, 303, NULL, STR(""));
                (void)http_reply(call->x, 303, headers, count, STR(""), &err);
                return;
        }
        buf_init(&body, REFUSAL_MOST_BYTES);
        body.zeroing = call->route && call->route->secrets;
        media = write_refusal(call, why, &body);
        call->replayed = false;
        count = call_headers(call, media, headers);
        if (why->code == ERR_WRONG_REGION && call->elsewhere.ptr)
                headers[count++] = (struct http_header){STR("Location"), call->elsewhere};
        if (why->code == ERR_UNAUTHENTICATED) /* RFC 9110 section 11.6.1 */
                headers[count++] = (struct http_header){STR("WWW-Authenticate"), STR("Bearer")};
        if (why->code == ERR_INVALID_CLIENT) /* RFC 6749 section 5.2 */
                headers[count++] =
                        (struct http_header){STR("WWW-Authenticate"), STR("Basic realm=\"countersign\"")};
        if (why->code == ERR_SECOND_FACTOR_REQUIRED) /* RFC 9470 section 3 */
                headers[count++] = (struct http_header){
                        STR("WWW-Authenticate"),
                        arena_printf(
                                call->req.arena,
                                "Bearer error=\"insufficient_user_authentication\", "
                                "error_description=\"A fresh second factor is required\", max_age=\"%u\"",
                                call->route->second_factor_s)};
        if (why->code == ERR_METHOD_NOT_ALLOWED)
                headers[count++] =
                        (struct http_header){STR("Allow"), allow_list(call, allow, sizeof(allow))};
        if (why->code == ERR_RATE_LIMITED || err_status(why->code) == 503) {
                int64_t seconds = why->code == ERR_RATE_LIMITED ? call->rate.reset_s : 1;

                /* A handler that limits by itself knows better than the pipeline. */
                if (call->req.retry_after_s > 0)
                        seconds = call->req.retry_after_s;
                int len = snprintf(retry_after, sizeof(retry_after), "%lld", (long long)seconds);

                headers[count++] =
                        (struct http_header){STR("Retry-After"), str_make(retry_after, (size_t)len)};
        }
        call_record(call, err_status(why->code), media, buf_str(&body));
        (void)http_reply(call->x, err_status(why->code), headers, count, buf_str(&body), &err);
}
