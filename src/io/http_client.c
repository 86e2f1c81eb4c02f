/* SPDX-License-Identifier: Apache-2.0 */
/* Calls and streams, on a fiber or on a plain thread: only the waiting differs (net_wait). */
#include "io/http_client_private.h"

#include "base/clock.h"
#include "base/heap.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
        DEFAULT_TIMEOUT_MS = 30000,
        DEFAULT_CAP_BYTES = 1024 * 1024,
        INPUT_BYTES = 16 * 1024,
        HEAD_ARENA_BYTES = 256 * 1024,
        INTERIM_MAX = 8, /* 1xx responses before the final one */
};

struct http_stream {
        struct http_client *client;
        struct http_client_conn *conn;
        struct http_response response;
        struct http_body body;
        struct arena arena; /* the head */
        struct buf in;      /* what came and is not read yet, from in_at on */
        size_t in_at;
        int64_t read_timeout_ms;
        int64_t deadline_us; /* of the whole call, or FIBER_FOREVER */
        bool keep_alive;
        bool is_safe; /* the method changes nothing */
        bool got_bytes;
        _Atomic(bool) cancelled;
        int cancel_fd; /* the call's */
};

struct str http_response_header(const struct http_response *response, struct str name)
{
        struct str value;

        http_headers_find(response->headers, response->n_headers, name, &value);
        return value;
}

static bool header_is_ours(struct str name)
{
        return str_eq_nocase(name, STR("host")) || str_eq_nocase(name, STR("content-length")) ||
               str_eq_nocase(name, STR("connection")) || str_eq_nocase(name, STR("transfer-encoding"));
}

static bool method_is_idempotent(struct str method)
{
        return str_is(method, "GET") || str_is(method, "HEAD") || str_is(method, "PUT") ||
               str_is(method, "DELETE") || str_is(method, "OPTIONS");
}

static bool method_is_safe(struct str method)
{
        return str_is(method, "GET") || str_is(method, "HEAD") || str_is(method, "OPTIONS");
}

static bool request_build(struct http_client *client, const struct http_client_call *call,
                          const struct http_origin *origin, struct buf *ret_head, struct err *err)
{
        if (!http_token_is_valid(call->method))
                return err_set(err, ERR_BAD_PARAMETER, "\"%.*s\" is no method", STR_ARG(call->method));
        buf_printf(ret_head, "%.*s %.*s HTTP/1.1\r\nHost: %.*s\r\n", STR_ARG(call->method),
                   STR_ARG(origin->target), STR_ARG(origin->authority));
        if (client->config.user_agent.len > 0)
                buf_printf(ret_head, "User-Agent: %.*s\r\n", STR_ARG(client->config.user_agent));
        for (size_t i = 0; i < call->n_headers; i++) {
                const struct http_header *header = &call->headers[i];

                if (!http_token_is_valid(header->name) || !http_value_is_safe(header->value) ||
                    header_is_ours(header->name))
                        return err_set(err, ERR_BAD_PARAMETER, "the header \"%.*s\" cannot be sent",
                                       STR_ARG(str_slice(header->name, 0, 64)));
                buf_append_str(ret_head, header->name);
                buf_append_c(ret_head, ": ");
                buf_append_str(ret_head, header->value);
                buf_append_c(ret_head, "\r\n");
        }
        /* RFC 9110 section 8.6: a user agent SHOULD send 0 when the method anticipates content. */
        if (call->body.ptr || str_is(call->method, "POST") || str_is(call->method, "PUT") ||
            str_is(call->method, "PATCH"))
                buf_printf(ret_head, "Content-Length: %zu\r\n", call->body.len);
        buf_append_c(ret_head, "\r\n");
        return buf_check(ret_head, "the head of the request", err);
}

static bool was_cancelled(const struct http_stream *stream)
{
        struct pollfd cancel = {.fd = stream->cancel_fd, .events = POLLIN};

        return atomic_load(&stream->cancelled) || (stream->cancel_fd > 0 && poll(&cancel, 1, 0) > 0);
}

static bool stream_broken(struct http_stream *stream, int rc, struct err *err)
{
        stream->keep_alive = false;
        if (was_cancelled(stream))
                return err_set(err, ERR_CANCELLED, "the call was cancelled");
        if (rc == -ETIMEDOUT)
                return err_set(err, ERR_UPSTREAM_TIMEOUT, "the other side did not answer in time");
        if (stream->got_bytes)
                return err_set(err, ERR_UPSTREAM_PROTOCOL, "the response broke off");
        /* Whether the request had an effect is not known, unless it was of a kind that has none. */
        return err_set(err, stream->is_safe ? ERR_UPSTREAM_UNREACHABLE : ERR_OUTCOME_UNKNOWN,
                       "the connection broke off before the response: %s",
                       rc == 0 ? "closed by the other side" : strerror(-rc));
}

/* More bytes into stream->in; at least one, or 0 at the end of the connection. */
static FIBER_FN bool stream_fill(struct http_stream *stream, int64_t deadline_us, size_t *ret_len,
                                 struct err *err)
{
        char *place;
        int rc;

        if (stream->in_at == stream->in.len) {
                buf_reset(&stream->in);
                stream->in_at = 0;
        }
        place = buf_reserve(&stream->in,
                            stream->in.len < INPUT_BYTES / 2 ? INPUT_BYTES - stream->in.len : INPUT_BYTES);
        if (!place && !stream->in.capped)
                return err_set(err, ERR_NO_MEMORY, "no memory for the response");
        if (!place)
                return err_set(err, ERR_UPSTREAM_PROTOCOL, "the head of the response is too large");
        rc = net_read(&stream->conn->net, place, INPUT_BYTES / 2, deadline_us, ret_len);
        if (rc != 0)
                return stream_broken(stream, rc, err);
        buf_advance(&stream->in, *ret_len);
        stream->got_bytes = stream->got_bytes || *ret_len > 0;
        return true;
}

/* Reads up to the end of the final response's head. */
static FIBER_FN bool stream_read_head(struct http_stream *stream, bool is_head_request, int64_t deadline_us,
                                      struct err *err)
{
        const struct http_limits limits = {.head_max_bytes = stream->client->config.head_max_bytes,
                                           .headers_max = stream->client->config.headers_max};
        struct http_response_head head;
        struct http_head_scan scan = {0};
        int n_interim = 0;

        for (;;) {
                size_t head_len = 0;
                size_t got;
                struct str bytes;

                if (stream->in.len > stream->in_at &&
                    !http_head_scan(&scan, stream->in.ptr + stream->in_at, stream->in.len - stream->in_at,
                                    &limits, false, &head_len, err)) {
                        err->code = ERR_UPSTREAM_PROTOCOL;
                        return err_prefix(err, "the response is refused");
                }
                if (head_len == 0) {
                        if (!stream_fill(stream, deadline_us, &got, err))
                                return false;
                        if (got == 0)
                                return stream_broken(stream, 0, err);
                        continue;
                }
                /* Copied: the buffer moves when the body comes. */
                bytes = arena_str(&stream->arena, str_make(stream->in.ptr + stream->in_at, head_len));
                if (!arena_check(&stream->arena, err) ||
                    !http_response_parse(bytes, &limits, is_head_request, &stream->arena, &head,
                                         &stream->body, err))
                        return false;
                stream->in_at += head_len;
                if (head.status >= 200)
                        break;
                /* RFC 9110 section 15.2: interim responses may come unasked; 101 only if asked for. */
                if (head.status == 101 || ++n_interim > INTERIM_MAX)
                        return err_set(err, ERR_UPSTREAM_PROTOCOL, "unexpected interim responses");
                scan = (struct http_head_scan){0};
        }
        stream->keep_alive = head.head.keep_alive;
        stream->response =
                (struct http_response){head.status, head.head.headers, head.head.n_headers, STR("")};
        return true;
}

static FIBER_FN bool stream_send(struct http_stream *stream, const struct buf *head, struct str body,
                                 int64_t deadline_us, struct err *err)
{
        struct iovec pieces[2] = {{head->ptr, head->len}, {(void *)body.ptr, body.len}};
        int64_t left_ms = (deadline_us - clock_mono_us()) / 1000;
        int rc;

        if (left_ms <= 0)
                return stream_broken(stream, -ETIMEDOUT, err);
        rc = net_write_all(&stream->conn->net, pieces, body.len > 0 ? 2 : 1, left_ms);
        /* A server may refuse a body before it has read it all: its answer says why. */
        if (rc == 0 || rc == -EPIPE || rc == -ECONNRESET)
                return true;
        return stream_broken(stream, rc, err);
}

static struct http_stream *stream_new(struct http_client *client, const struct http_client_call *call)
{
        struct http_stream *stream = heap_alloc_zeroed(1, sizeof(*stream));

        if (!stream)
                return NULL;
        stream->client = client;
        stream->read_timeout_ms = call->read_timeout_ms;
        stream->deadline_us = FIBER_FOREVER;
        stream->is_safe = method_is_safe(call->method);
        stream->cancel_fd = call->cancel_fd;
        arena_init(&stream->arena, HEAD_ARENA_BYTES);
        buf_init(&stream->in, client->config.head_max_bytes + INPUT_BYTES);
        return stream;
}

/* One attempt, on a kept connection or on a new one. */
static FIBER_FN bool stream_try(struct http_stream *stream, const struct http_client_call *call,
                                const struct http_origin *origin, const struct buf *head, const char *key,
                                int64_t deadline_us, struct err *err)
{
        stream->conn = key ? http_pool_take(stream->client, key) : NULL;
        if (!stream->conn && !http_connect(stream->client, origin, deadline_us, &stream->conn, err))
                return false;
        stream->conn->net.cancel_fd = call->cancel_fd;
        return stream_send(stream, head, call->body, deadline_us, err) &&
               stream_read_head(stream, str_is(call->method, "HEAD"), deadline_us, err);
}

static FIBER_FN bool stream_open(struct http_client *client, const struct http_client_call *call,
                                 int64_t deadline_us, struct http_stream **ret_stream, struct err *err)
{
        struct http_origin origin;
        struct http_stream *stream;
        /* It may carry a credential: wiped, and with room at once, so that growing leaves no copy behind. */
        __attribute__((cleanup(buf_done_zeroing))) struct buf head = {0};
        BUF_SCOPED key = {0};
        bool is_open;

        buf_init(&head, 256 * 1024);
        (void)buf_reserve(&head, 4096);
        buf_init(&key, 1024);
        if (!http_origin_parse(call, &origin, err) || !request_build(client, call, &origin, &head, err))
                return false;
        http_origin_key(&origin, &key);
        if (!buf_check(&key, "the origin", err))
                return false;
        stream = stream_new(client, call);
        if (!stream)
                return err_set(err, ERR_NO_MEMORY, "no memory for a call");
        is_open = stream_try(stream, call, &origin, &head, key.ptr, deadline_us, err);
        /* The other side may have closed the kept connection in this moment. */
        if (!is_open && err->code != ERR_CANCELLED && stream->conn && stream->conn->was_used &&
            !stream->got_bytes && method_is_idempotent(call->method) && err->code != ERR_UPSTREAM_TIMEOUT) {
                http_conn_close(stream->conn);
                is_open = stream_try(stream, call, &origin, &head, NULL, deadline_us, err);
        }
        if (!is_open) {
                stream->keep_alive = false;
                http_stream_close(stream);
                return false;
        }
        *ret_stream = stream;
        return true;
}

static FIBER_FN bool stream_read(struct http_stream *stream, void *bytes, size_t size_bytes, size_t *ret_len,
                                 struct err *err)
{
        int64_t deadline_us = stream->deadline_us;
        size_t consumed;
        size_t got;

        *ret_len = 0;
        if (size_bytes == 0)
                return err_set(err, ERR_INTERNAL, "a response is read into no memory");
        if (stream->read_timeout_ms > 0 && deadline_us == FIBER_FOREVER)
                deadline_us = clock_mono_us() + stream->read_timeout_ms * 1000;
        while (!stream->body.done) {
                if (stream->in_at == stream->in.len) {
                        if (!stream_fill(stream, deadline_us, &got, err))
                                return false;
                        if (got == 0) {
                                if (stream->body.framing != HTTP_FRAMING_CLOSE ||
                                    atomic_load(&stream->cancelled))
                                        return stream_broken(stream, 0, err);
                                stream->body.done = true;
                                break;
                        }
                }
                if (!http_body_decode(
                            &stream->body,
                            str_make(stream->in.ptr + stream->in_at, stream->in.len - stream->in_at), bytes,
                            size_bytes, &consumed, ret_len, err)) {
                        stream->keep_alive = false;
                        err->code = ERR_UPSTREAM_PROTOCOL;
                        return false;
                }
                stream->in_at += consumed;
                if (*ret_len > 0)
                        return true;
        }
        return true;
}

static FIBER_FN bool read_body(struct http_stream *stream, size_t cap_bytes, struct arena *arena,
                               struct str *ret_body, struct err *err)
{
        BUF_SCOPED body = {0};

        buf_init(&body, cap_bytes);
        if (stream->body.framing == HTTP_FRAMING_LENGTH && stream->body.left > cap_bytes)
                return err_set(err, ERR_BODY_TOO_LARGE, "the response is larger than %zu bytes", cap_bytes);
        for (;;) {
                char piece[4096];
                size_t got;

                if (!stream_read(stream, piece, sizeof(piece), &got, err))
                        return false;
                if (got == 0)
                        break;
                buf_append(&body, piece, got);
                if (body.capped)
                        return err_set(err, ERR_BODY_TOO_LARGE, "the response is larger than %zu bytes",
                                       cap_bytes);
                if (body.failed)
                        return buf_check(&body, "the response", err);
        }
        *ret_body = arena_str(arena, buf_str(&body));
        return arena_check(arena, err);
}

static bool response_copy(const struct http_response *from, struct arena *arena, struct http_response *to,
                          struct err *err)
{
        struct http_header *headers = ARENA_ARRAY(arena, struct http_header, from->n_headers);

        for (size_t i = 0; headers && i < from->n_headers; i++) {
                headers[i].name = arena_str(arena, from->headers[i].name);
                headers[i].value = arena_str(arena, from->headers[i].value);
        }
        *to = (struct http_response){from->status, headers, from->n_headers, STR("")};
        return arena_check(arena, err);
}

FIBER_FN bool http_fiber_call(struct http_client *client, const struct http_client_call *call,
                              struct arena *arena, struct http_response *ret_response, struct err *err)
{
        int64_t timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : DEFAULT_TIMEOUT_MS;
        int64_t deadline_us = clock_mono_us() + timeout_ms * 1000;
        size_t cap_bytes = call->cap_bytes > 0 ? call->cap_bytes : DEFAULT_CAP_BYTES;
        _cleanup_(http_stream_closep) struct http_stream *stream = NULL;

        if (!stream_open(client, call, deadline_us, &stream, err))
                return false;
        stream->deadline_us = deadline_us;
        return response_copy(&stream->response, arena, ret_response, err) &&
               read_body(stream, cap_bytes, arena, &ret_response->body, err);
}

FIBER_FN bool http_fiber_stream_open(struct http_client *client, const struct http_client_call *call,
                                     struct http_stream **ret_stream, struct err *err)
{
        int64_t timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : DEFAULT_TIMEOUT_MS;

        return stream_open(client, call, clock_mono_us() + timeout_ms * 1000, ret_stream, err);
}

FIBER_FN bool http_fiber_stream_read(struct http_stream *stream, void *bytes, size_t size_bytes,
                                     size_t *ret_len, struct err *err)
{
        return stream_read(stream, bytes, size_bytes, ret_len, err);
}

/* The same code blocks on a plain thread; on a loop's thread that would stop the loop. */
static void must_be_a_plain_thread(void)
{
        if (loop_current())
                abort();
}

BLOCKING_FN bool http_call(struct http_client *client, const struct http_client_call *call,
                           struct arena *arena, struct http_response *ret_response, struct err *err)
{
        must_be_a_plain_thread();
        return http_fiber_call(client, call, arena, ret_response, err);
}

BLOCKING_FN bool http_stream_open(struct http_client *client, const struct http_client_call *call,
                                  struct http_stream **ret_stream, struct err *err)
{
        must_be_a_plain_thread();
        return http_fiber_stream_open(client, call, ret_stream, err);
}

BLOCKING_FN bool http_stream_read(struct http_stream *stream, void *bytes, size_t size_bytes,
                                  size_t *ret_len, struct err *err)
{
        must_be_a_plain_thread();
        return http_fiber_stream_read(stream, bytes, size_bytes, ret_len, err);
}

const struct http_response *http_stream_response(const struct http_stream *stream)
{
        return &stream->response;
}

void http_stream_cancel(struct http_stream *stream)
{
        atomic_store(&stream->cancelled, true);
        shutdown(stream->conn->net.fd, SHUT_RDWR);
}

void http_stream_close(struct http_stream *stream)
{
        if (!stream)
                return;
        if (stream->conn) {
                /* Bytes after the end of the response are not ours to wait for. */
                if (stream->keep_alive && stream->body.done && stream->in_at == stream->in.len &&
                    !atomic_load(&stream->cancelled))
                        http_pool_keep(stream->conn);
                else
                        http_conn_close(stream->conn);
        }
        buf_done(&stream->in);
        arena_done(&stream->arena);
        heap_free(stream);
}

void http_stream_closep(struct http_stream **stream)
{
        http_stream_close(*stream);
}
