/* SPDX-License-Identifier: Apache-2.0 */
/* A request as its handler sees it, and its body. On the exchange's fiber. */
#include "io/http_server_private.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>

enum http_method http_exchange_method(const struct http_exchange *x)
{
        return x->request.method;
}

struct str http_exchange_path(const struct http_exchange *x)
{
        return x->request.path;
}

struct str http_exchange_query(const struct http_exchange *x)
{
        return x->request.query;
}

struct str http_exchange_host(const struct http_exchange *x)
{
        return x->request.host;
}

size_t http_exchange_headers(const struct http_exchange *x, const struct http_header **ret_headers)
{
        *ret_headers = x->request.head.headers;
        return x->request.head.n_headers;
}

struct str http_exchange_header(const struct http_exchange *x, struct str name)
{
        struct str value;

        http_headers_find(x->request.head.headers, x->request.head.n_headers, name, &value);
        return value;
}

void peer_format(const struct in6_addr *peer, char ret_text[INET6_ADDRSTRLEN])
{
        if (IN6_IS_ADDR_V4MAPPED(peer))
                inet_ntop(AF_INET, &peer->s6_addr[12], ret_text, INET6_ADDRSTRLEN);
        else
                inet_ntop(AF_INET6, peer, ret_text, INET6_ADDRSTRLEN);
}

struct str http_exchange_peer(const struct http_exchange *x)
{
        char text[INET6_ADDRSTRLEN];

        peer_format(&x->conn->peer, text);
        /* The arena belongs to the exchange; that it notes an allocation changes nothing to be seen. */
        return arena_str((struct arena *)&x->arena, str_from(text));
}

bool http_exchange_is_tls(const struct http_exchange *x)
{
        return x->conn->net.ssl != NULL;
}

struct arena *http_exchange_arena(struct http_exchange *x)
{
        return &x->arena;
}

int64_t http_exchange_start_us(const struct http_exchange *x)
{
        return x->start_us;
}

void http_exchange_set_data(struct http_exchange *x, void *data)
{
        x->data = data;
}

void *http_exchange_data(const struct http_exchange *x)
{
        return x->data;
}

int64_t http_exchange_content_length(const struct http_exchange *x)
{
        if (x->request.head.framing == HTTP_FRAMING_CHUNKED)
                return -1;
        return (int64_t)x->request.head.content_length;
}

bool http_exchange_has_body(const struct http_exchange *x)
{
        return x->request.head.framing == HTTP_FRAMING_CHUNKED || x->request.head.content_length > 0;
}

bool http_exchange_has_replied(const struct http_exchange *x)
{
        return x->reply != REPLY_NONE;
}

int http_exchange_status(const struct http_exchange *x)
{
        return x->status;
}

uint64_t http_exchange_bytes_out(const struct http_exchange *x)
{
        return x->bytes_out;
}

bool http_exchange_gone(const struct http_exchange *x)
{
        return x->conn->gone;
}

bool http_exchange_draining(const struct http_exchange *x)
{
        return x->conn->listener->draining;
}

void http_exchange_notify(struct http_exchange *x, struct fiber_event *event)
{
        x->notify = event;
        if (event && (x->conn->gone || x->conn->listener->draining))
                fiber_event_fire(event);
}

static bool body_fail(struct http_exchange *x, struct err *err)
{
        x->body_failed = true;
        x->close_after = true;
        if (err->code == ERR_CANCELLED)
                x->conn->gone = true;
        return false;
}

/* RFC 9110 section 10.1.1: the client waits for this before it sends the body. */
static FIBER_FN bool body_send_continue(struct http_exchange *x, struct err *err)
{
        static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
        struct iovec piece = {(void *)text, sizeof(text) - 1};

        x->continue_due = false;
        if (net_write_all(&x->conn->net, &piece, 1, x->conn->listener->server->config.write_timeout_ms) == 0)
                return true;
        err_set(err, ERR_CANCELLED, "the client went away before it sent the body");
        return body_fail(x, err);
}

/*
 * One read from the socket. A body may take body_timeout_ms and the time that
 * its bytes need at the least rate; only time that we wait for the client counts.
 */
static FIBER_FN bool body_receive(struct http_exchange *x, void *bytes, size_t size_bytes, size_t *ret_len,
                                  struct err *err)
{
        const struct http_server_config *config = &x->conn->listener->server->config;
        uint64_t rate = config->body_min_bytes_per_s ? config->body_min_bytes_per_s : 1;
        int64_t allowed_us = config->body_timeout_ms * 1000 + (int64_t)(x->body_bytes * 1000000 / rate);
        int64_t begin_us = clock_mono_us();
        int rc;

        if (x->continue_due && !body_send_continue(x, err))
                return false;
        rc = net_read(&x->conn->net, bytes, size_bytes, begin_us + allowed_us - x->body_waited_us, ret_len);
        x->body_waited_us += clock_mono_us() - begin_us;
        if (rc == 0 && *ret_len > 0) {
                count(&x->conn->listener->counters.bytes_in, *ret_len);
                return true;
        }
        if (rc == -ETIMEDOUT)
                err_set(err, ERR_REQUEST_TIMEOUT, "the body did not arrive in time: %llu bytes came",
                        (unsigned long long)x->body_bytes);
        else
                err_set(err, ERR_CANCELLED, "the client went away in the middle of the body");
        return body_fail(x, err);
}

/* A place for what comes raw: the rest of the head's buffer, or a piece of the arena. */
static bool raw_prepare(struct http_exchange *x, struct err *err)
{
        if (x->raw_size_bytes >= 1024)
                return true;
        x->raw = arena_alloc_bytes(&x->arena, INPUT_BYTES);
        if (!x->raw) {
                err_set(err, ERR_NO_MEMORY, "no memory for the body");
                return body_fail(x, err);
        }
        x->raw_size_bytes = INPUT_BYTES;
        return true;
}

FIBER_FN bool http_body_read(struct http_exchange *x, void *bytes, size_t size_bytes, size_t *ret_len,
                             struct err *err)
{
        uint64_t max_bytes = x->conn->listener->server->config.body_max_bytes;
        size_t consumed;

        *ret_len = 0;
        if (size_bytes == 0)
                return err_set(err, ERR_INTERNAL, "a body is read into no memory");
        if (x->body_failed)
                return err_set(err, ERR_BAD_REQUEST, "reading the body failed before");
        while (!x->body.done && *ret_len == 0) {
                if (x->raw_at == x->raw_len && x->body.framing == HTTP_FRAMING_LENGTH) {
                        /* Straight to where it is wanted, and no byte of the next request. */
                        size_t want = x->body.left < size_bytes ? (size_t)x->body.left : size_bytes;

                        if (!body_receive(x, bytes, want, ret_len, err))
                                return false;
                        x->body.left -= *ret_len;
                        x->body.done = x->body.left == 0;
                        break;
                }
                if (x->raw_at == x->raw_len) {
                        x->raw_at = x->raw_len = 0;
                        if (!raw_prepare(x, err) ||
                            !body_receive(x, x->raw, x->raw_size_bytes, &x->raw_len, err))
                                return false;
                }
                if (!http_body_decode(&x->body, str_make(x->raw + x->raw_at, x->raw_len - x->raw_at), bytes,
                                      size_bytes, &consumed, ret_len, err))
                        return body_fail(x, err);
                x->raw_at += consumed;
        }
        x->body_bytes += *ret_len;
        if (x->body_bytes <= max_bytes)
                return true;
        err_set(err, ERR_BODY_TOO_LARGE, "the body is larger than %llu bytes",
                (unsigned long long)max_bytes);
        return body_fail(x, err);
}

static bool body_too_large(struct http_exchange *x, size_t cap_bytes, struct err *err)
{
        err_set(err, ERR_BODY_TOO_LARGE, "the body is larger than %zu bytes", cap_bytes);
        return body_fail(x, err);
}

static FIBER_FN bool body_read_known(struct http_exchange *x, size_t len, struct str *ret_body,
                                     struct err *err)
{
        char *bytes = arena_alloc_bytes(&x->arena, len + 1);
        size_t at = 0;

        if (!bytes) {
                err_set(err, ERR_NO_MEMORY, "no memory for a body of %zu bytes", len);
                return body_fail(x, err);
        }
        while (at < len) {
                size_t got;

                if (!http_body_read(x, bytes + at, len - at, &got, err))
                        return false;
                if (got == 0)
                        break;
                at += got;
        }
        bytes[at] = '\0';
        *ret_body = str_make(bytes, at);
        return true;
}

FIBER_FN bool http_body_read_all(struct http_exchange *x, size_t cap_bytes, struct str *ret_body,
                                 struct err *err)
{
        BUF_SCOPED body = {0};

        *ret_body = STR("");
        if (x->body.framing == HTTP_FRAMING_LENGTH && x->body.left > cap_bytes)
                return body_too_large(x, cap_bytes, err);
        if (x->body.framing != HTTP_FRAMING_CHUNKED)
                return body_read_known(x, (size_t)x->body.left, ret_body, err);
        buf_init(&body, cap_bytes);
        for (;;) {
                char piece[4096];
                size_t got;

                if (!http_body_read(x, piece, sizeof(piece), &got, err))
                        return false;
                if (got == 0)
                        break;
                buf_append(&body, piece, got);
                if (body.capped)
                        return body_too_large(x, cap_bytes, err);
        }
        if (!buf_check(&body, "the body", err))
                return body_fail(x, err);
        *ret_body = arena_str(&x->arena, buf_str(&body));
        if (ret_body->ptr)
                return true;
        err_set(err, ERR_NO_MEMORY, "no memory for a body of %zu bytes", body.len);
        return body_fail(x, err);
}

/*
 * What the handler has left of the body stands before the next request. Not
 * inlined: most requests have none, and need not touch this stack.
 */
static __attribute__((noinline)) FIBER_FN void body_discard(struct http_exchange *x)
{
        struct err ignored;
        char waste[4096];
        size_t got;
        size_t sum = 0;

        while (!x->body.done) {
                if (sum > BODY_DISCARD_MAX || x->body_waited_us > DISCARD_TIMEOUT_MS * 1000 ||
                    !http_body_read(x, waste, sizeof(waste), &got, &ignored)) {
                        x->close_after = true;
                        return;
                }
                sum += got;
        }
}

FIBER_ENTRY void exchange_main(void *arg)
{
        struct http_exchange *x = arg;
        struct http_server *server = x->conn->listener->server;

        server->config.handler(x, server->config.handler_arg);
        x->notify = NULL;
        exchange_finish_reply(x);
        if (!x->body.done && !x->close_after)
                body_discard(x);
        loop_defer(x->conn->net.loop, &x->conn->task);
}
