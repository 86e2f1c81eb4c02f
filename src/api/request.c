/* SPDX-License-Identifier: Apache-2.0 */
#include "api/request.h"

#include "api/notify.h"
#include "api/request_ops.h"
#include "api/services.h"
#include "base/clock.h"

#include <stdio.h>

const char *principal_kind_name(enum principal_kind kind)
{
        static const char *const names[] = {
                [PRINCIPAL_NOBODY] = "nobody",     [PRINCIPAL_USER] = "user",
                [PRINCIPAL_SERVICE] = "service",   [PRINCIPAL_AGENT] = "agent",
                [PRINCIPAL_EXECUTOR] = "executor",
        };

        return names[kind];
}

/* A header, a fact or an event that is lost in silence would be a lie: the request fails instead. */
static void lose(struct request *req)
{
        req->arena->failed = true;
}

/* Copies share the arena's failure mark: the pipeline checks it once, before the reply. */
void request_enter(struct request *req, struct str tenant, struct str region)
{
        req->tenant = arena_str(req->arena, tenant);
        req->region = arena_str(req->arena, region);
}

void request_set_status(struct request *req, int status)
{
        req->status = status;
}

void request_set_header(struct request *req, const char *name, struct str value)
{
        unsigned i = 0;

        while (i < req->header_count && strcmp(req->headers[i].name, name) != 0)
                i++;
        if (i == REQUEST_HEADERS_MAX) {
                lose(req);
                return;
        }
        req->headers[i] = (struct request_header){name, arena_str(req->arena, value)};
        if (i == req->header_count)
                req->header_count++;
}

void request_add_header(struct request *req, const char *name, struct str value)
{
        if (req->header_count == REQUEST_HEADERS_MAX) {
                lose(req);
                return;
        }
        req->headers[req->header_count++] = (struct request_header){name, arena_str(req->arena, value)};
}

struct str request_header(const struct request *req, const char *name)
{
        return req->ops->header(req, name);
}

struct str request_cookie(const struct request *req, struct str name)
{
        struct str rest = request_header(req, "Cookie");
        struct str found = STR_NULL;
        struct str pair;
        struct str key;

        while (rest.len > 0) {
                (void)str_cut(&rest, ';', &pair);
                pair = str_trim(pair);
                if (!str_cut(&pair, '=', &key) || !str_eq(key, name))
                        continue;
                if (found.ptr)
                        return STR_NULL;
                found = pair;
        }
        return found;
}

void request_set_etag(struct request *req, int64_t version)
{
        char text[32];
        int len = snprintf(text, sizeof(text), "\"%lld\"", (long long)version);

        request_set_header(req, "ETag", str_make(text, (size_t)len));
}

/* One of the entity tags of the list is the version's, compared strongly (RFC 9110 section 8.8.3.2). */
static bool list_has_version(struct str list, int64_t version)
{
        char wanted[32];

        (void)snprintf(wanted, sizeof(wanted), "\"%lld\"", (long long)version);
        while (list.len > 0) {
                struct str tag;

                (void)str_cut(&list, ',', &tag);
                tag = str_trim(tag);
                if (str_is(tag, wanted) || str_is(tag, "*"))
                        return true;
        }
        return false;
}

bool request_check_version(const struct request *req, int64_t version, bool required, struct err *err)
{
        if (!req->if_match.ptr) {
                if (!required)
                        return true;
                return err_set_at(err, ERR_PRECONDITION_REQUIRED, "If-Match",
                                  "send If-Match with the ETag of the version that you have seen");
        }
        if (list_has_version(req->if_match, version))
                return true;
        return err_set_at(err, ERR_PRECONDITION_FAILED, "If-Match",
                          "the version is now \"%lld\"; read it again before you change it",
                          (long long)version);
}

void request_log_resource(struct request *req, const char *type, struct str id)
{
        req->resource_type = str_from(type);
        req->resource_id = arena_str(req->arena, id);
}

void request_log_detail(struct request *req, const char *key, struct str value)
{
        if (req->detail_count == REQUEST_DETAILS_MAX) {
                lose(req);
                return;
        }
        req->details[req->detail_count++] = (struct request_detail){key, arena_str(req->arena, value)};
}

void request_event(struct request *req, const char *type, struct str subject, struct str data_json)
{
        if (!req->events)
                req->events = ARENA_ARRAY(req->arena, struct request_event_row, REQUEST_EVENTS_MAX);
        if (!req->events)
                return; /* the arena says so at the end */
        if (req->event_count == REQUEST_EVENTS_MAX) {
                lose(req);
                return;
        }
        req->events[req->event_count++] = (struct request_event_row){type, arena_str(req->arena, subject),
                                                                     arena_str(req->arena, data_json)};
}

FIBER_FN bool request_read(struct request *req, request_work work, void *arg, struct err *err)
{
        return req->ops->read(req, work, arg, err);
}

FIBER_FN bool request_write(struct request *req, request_work work, void *arg, struct err *err)
{
        return req->ops->write(req, work, arg, err);
}

FIBER_FN bool request_prepare(struct request *req, request_work work, void *arg, struct err *err)
{
        return req->ops->prepare(req, work, arg, err);
}

FIBER_FN bool request_wait(struct request *req, struct notify_waiter *waiter, int64_t deadline_mono_us)
{
        return req->ops->wait(req, waiter, deadline_mono_us);
}

bool request_wait_until(const struct request *req, struct str wait, int64_t *ret_deadline_mono_us,
                        struct err *err)
{
        int64_t ms;

        *ret_deadline_mono_us = 0;
        if (!wait.ptr)
                return true;
        if (!duration_parse(wait, &ms))
                return err_set_at(err, ERR_BAD_PARAMETER, "wait", "not a duration such as 30s or 2m");
        if (ms > req->services->wait_max_ms)
                ms = req->services->wait_max_ms;
        if (ms > 0)
                *ret_deadline_mono_us = clock_mono_us() + ms * 1000;
        return true;
}

bool request_is_over(struct request *req)
{
        return req->ops->is_over(req);
}

FIBER_FN bool request_body_read(struct request *req, void *bytes, size_t size, size_t *ret_len,
                                struct err *err)
{
        return req->ops->body_read(req, bytes, size, ret_len, err);
}

FIBER_FN bool request_stream_begin(struct request *req, const char *content_type, struct err *err)
{
        return req->ops->stream_begin(req, content_type, err);
}

FIBER_FN bool request_stream_write(struct request *req, struct str bytes, struct err *err)
{
        return req->ops->stream_write(req, bytes, err);
}

FIBER_FN bool request_sse_begin(struct request *req, struct err *err)
{
        return req->ops->stream_begin(req, "text/event-stream", err);
}

FIBER_FN bool request_sse_event(struct request *req, struct str id, const char *event, struct str data,
                                struct err *err)
{
        return req->ops->sse_event(req, id, event, data, err);
}

FIBER_FN bool request_sse_ping(struct request *req, struct err *err)
{
        return req->ops->sse_ping(req, err);
}
