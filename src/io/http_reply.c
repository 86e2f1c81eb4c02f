/* SPDX-License-Identifier: Apache-2.0 */
/* Replies: RFC 9110 section 15, RFC 9112 sections 6 and 7. */
#include "io/http_server_private.h"

#include "base/clock.h"
#include "base/heap.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

enum {
        /* Built on the stack; larger heads take heap memory. */
        REPLY_HEAD_STACK = 1536,
        /* Status line, Date, Connection, Content-Length. */
        REPLY_HEAD_FIXED = 256,
        /* A body this small is sent from the same memory as its head. */
        REPLY_BODY_JOINED = 1024,
};

const char *listener_date(struct http_listener *listener)
{
        int64_t second = clock_now_ms() / 1000;
        time_t time = (time_t)second;
        struct tm tm;

        if (second != listener->date_second) {
                /* The C locale's names, which are those of RFC 9110 section 5.6.7. */
                gmtime_r(&time, &tm);
                strftime(listener->date, sizeof(listener->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
                listener->date_second = second;
        }
        return listener->date;
}

bool protocol_error_render(struct http_listener *listener, const struct err *error, struct str peer,
                           bool is_head_request, struct buf *ret_reply)
{
        const struct http_server_config *config = &listener->server->config;
        struct http_protocol_error what = {.code = error->code, .message = error->message, .peer = peer};
        struct str content_type = STR("text/plain; charset=utf-8");
        int status = err_status(error->code);
        BUF_SCOPED body = {0};

        buf_init(&body, 4096);
        if (config->on_protocol_error)
                config->on_protocol_error(&what, &body, &content_type, config->protocol_error_arg);
        else
                buf_printf(&body, "%s: %s\n", err_title(error->code),
                           err_is_internal(error->code) ? "" : error->message);
        buf_printf(ret_reply,
                   "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\nContent-Type: %.*s\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   status, http_status_reason(status), listener_date(listener), STR_ARG(content_type),
                   body.len);
        if (!is_head_request)
                buf_append_str(ret_reply, buf_str(&body));
        return !ret_reply->failed && !body.failed;
}

static bool header_is_ours(struct str name)
{
        return str_eq_nocase(name, STR("content-length")) || str_eq_nocase(name, STR("connection")) ||
               str_eq_nocase(name, STR("transfer-encoding")) || str_eq_nocase(name, STR("date"));
}

static bool headers_check(const struct http_header *headers, size_t n_headers, size_t *ret_bytes,
                          struct err *err)
{
        *ret_bytes = 0;
        for (size_t i = 0; i < n_headers; i++) {
                if (!http_token_is_valid(headers[i].name) || !http_value_is_safe(headers[i].value) ||
                    header_is_ours(headers[i].name))
                        return err_set(err, ERR_INTERNAL, "the reply's header \"%.*s\" cannot be sent",
                                       STR_ARG(str_slice(headers[i].name, 0, 64)));
                *ret_bytes += headers[i].name.len + headers[i].value.len + 4;
        }
        return true;
}

static char *put(char *at, const char *bytes, size_t len)
{
        memcpy(at, bytes, len);
        return at + len;
}

#define PUT(at, literal) put((at), (literal), sizeof(literal) - 1)

static char *put_u64(char *at, uint64_t value)
{
        char digits[20];
        size_t n = 0;

        do {
                digits[n++] = (char)('0' + value % 10);
                value /= 10;
        } while (value > 0);
        while (n > 0)
                *at++ = digits[--n];
        return at;
}

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_TO_CLOSE };

static char *put_head(struct http_exchange *x, char *at, int status, const struct http_header *headers,
                      size_t n_headers, enum body_kind kind, uint64_t length)
{
        const char *reason = http_status_reason(status);

        if (status == 200) {
                at = PUT(at, "HTTP/1.1 200 OK\r\nDate: ");
        } else {
                at = PUT(at, "HTTP/1.1 ");
                at = put_u64(at, (uint64_t)status);
                *at++ = ' ';
                at = put(at, reason, strlen(reason));
                at = PUT(at, "\r\nDate: ");
        }
        at = put(at, listener_date(x->conn->listener), 29);
        at = PUT(at, "\r\n");
        for (size_t i = 0; i < n_headers; i++) {
                at = put(at, headers[i].name.ptr, headers[i].name.len);
                at = PUT(at, ": ");
                if (headers[i].value.len > 0)
                        at = put(at, headers[i].value.ptr, headers[i].value.len);
                at = PUT(at, "\r\n");
        }
        if (x->close_after)
                at = PUT(at, "Connection: close\r\n");
        if (kind == BODY_CHUNKED)
                at = PUT(at, "Transfer-Encoding: chunked\r\n");
        if (kind == BODY_LENGTH) {
                at = PUT(at, "Content-Length: ");
                at = put_u64(at, length);
                at = PUT(at, "\r\n");
        }
        return PUT(at, "\r\n");
}

static FIBER_FN bool send_pieces(struct http_exchange *x, struct iovec *pieces, int n_pieces,
                                 struct err *err)
{
        struct http_listener *listener = x->conn->listener;
        uint64_t len = 0;
        int rc;

        for (int i = 0; i < n_pieces; i++)
                len += pieces[i].iov_len;
        rc = x->conn->gone && listener->draining ? -EPIPE
                                                 : net_write_all(&x->conn->net, pieces, n_pieces,
                                                                 listener->server->config.write_timeout_ms);
        if (rc == 0) {
                x->bytes_out += len;
                count(&listener->counters.bytes_out, len);
                return true;
        }
        x->conn->gone = true;
        x->close_after = true;
        return err_set(err, ERR_CANCELLED,
                       rc == -ETIMEDOUT ? "the client does not read the reply" : "the client went away");
}

/* What is left of the request's body decides whether the connection can serve another request. */
static void decide_close(struct http_exchange *x)
{
        if (x->body.done)
                return;
        if (x->continue_due || x->body_failed ||
            (x->body.framing == HTTP_FRAMING_LENGTH && x->body.left > BODY_DISCARD_MAX))
                x->close_after = true;
}

static FIBER_FN bool send_head(struct http_exchange *x, int status, const struct http_header *headers,
                               size_t n_headers, enum body_kind kind, struct str body, struct err *err)
{
        char small[REPLY_HEAD_STACK];
        char *large = NULL;
        char *at = small;
        char *end;
        struct iovec pieces[2];
        size_t headers_bytes;
        bool is_sent;
        bool sends_body = kind == BODY_LENGTH && x->request.method != HTTP_METHOD_HEAD && body.len > 0;
        bool joins = sends_body && body.len <= REPLY_BODY_JOINED;

        if (!headers_check(headers, n_headers, &headers_bytes, err))
                return false;
        headers_bytes += REPLY_HEAD_FIXED + (joins ? body.len : 0);
        if (headers_bytes > sizeof(small)) {
                large = heap_alloc(headers_bytes);
                if (!large)
                        return err_set(err, ERR_NO_MEMORY, "no memory for the head of the reply");
                at = large;
        }
        decide_close(x);
        end = put_head(x, at, status, headers, n_headers, kind, body.len);
        if (joins)
                end = put(end, body.ptr, body.len);
        x->status = status;
        pieces[0] = (struct iovec){at, (size_t)(end - at)};
        pieces[1] = (struct iovec){(void *)body.ptr, body.len};
        is_sent = send_pieces(x, pieces, sends_body && !joins ? 2 : 1, err);
        if (x->arena.zeroing)
                explicit_bzero(at, (size_t)(end - at));
        heap_free(large);
        return is_sent;
}

static bool status_has_body(int status)
{
        return status >= 200 && status != 204 && status != 304;
}

FIBER_FN bool http_reply(struct http_exchange *x, int status, const struct http_header *headers,
                         size_t n_headers, struct str body, struct err *err)
{
        enum body_kind kind = status_has_body(status) ? BODY_LENGTH : BODY_NONE;

        if (x->reply != REPLY_NONE)
                return err_set(err, ERR_INTERNAL, "a second reply to one request");
        if (status < 200 || status > 599)
                return err_set(err, ERR_INTERNAL, "%d cannot be the status of a reply", status);
        if (!send_head(x, status, headers, n_headers, kind, body, err)) {
                if (err->code == ERR_CANCELLED)
                        x->reply = REPLY_DONE;
                return false;
        }
        x->reply = REPLY_DONE;
        return true;
}

FIBER_FN bool http_stream_begin(struct http_exchange *x, int status, const struct http_header *headers,
                                size_t n_headers, struct err *err)
{
        enum body_kind kind = BODY_NONE;

        if (x->reply != REPLY_NONE)
                return err_set(err, ERR_INTERNAL, "a second reply to one request");
        if (status_has_body(status)) {
                x->stream_chunked = x->request.head.version_minor > 0;
                kind = x->stream_chunked ? BODY_CHUNKED : BODY_TO_CLOSE;
        }
        if (kind == BODY_TO_CLOSE)
                x->close_after = true;
        if (!send_head(x, status, headers, n_headers, kind, STR_NULL, err)) {
                if (err->code == ERR_CANCELLED)
                        x->reply = REPLY_DONE;
                return false;
        }
        x->reply = REPLY_STREAM;
        return true;
}

FIBER_FN bool http_stream_write(struct http_exchange *x, struct str bytes, struct err *err)
{
        char size_line[24];
        struct iovec pieces[3];

        if (x->conn->gone)
                return err_set(err, ERR_CANCELLED, "the client went away");
        if (x->reply != REPLY_STREAM)
                return err_set(err, ERR_INTERNAL, "no stream was begun");
        /* A chunk of no bytes would be the end. */
        if (bytes.len == 0 || x->request.method == HTTP_METHOD_HEAD || !status_has_body(x->status))
                return true;
        pieces[1] = (struct iovec){(void *)bytes.ptr, bytes.len};
        if (!x->stream_chunked)
                return send_pieces(x, &pieces[1], 1, err);
        snprintf(size_line, sizeof(size_line), "%zx\r\n", bytes.len);
        pieces[0] = (struct iovec){size_line, strlen(size_line)};
        pieces[2] = (struct iovec){(void *)"\r\n", 2};
        return send_pieces(x, pieces, 3, err);
}

FIBER_FN bool http_stream_end(struct http_exchange *x, struct err *err)
{
        struct iovec piece = {(void *)"0\r\n\r\n", 5};

        if (x->conn->gone)
                return err_set(err, ERR_CANCELLED, "the client went away");
        if (x->reply != REPLY_STREAM)
                return err_set(err, ERR_INTERNAL, "no stream was begun");
        x->reply = REPLY_DONE;
        if (!x->stream_chunked || x->request.method == HTTP_METHOD_HEAD)
                return true;
        return send_pieces(x, &piece, 1, err);
}

FIBER_FN void exchange_finish_reply(struct http_exchange *x)
{
        struct err error;
        struct iovec piece;
        BUF_SCOPED reply = {0};

        if (x->reply == REPLY_DONE)
                return;
        x->close_after = true;
        if (x->reply == REPLY_STREAM) {
                /* Without its last chunk the client knows that the reply is not whole; an HTTP/1.0 client
                 * only from a reset. */
                x->conn->gone = true;
                if (!x->stream_chunked)
                        net_reset_at_close(&x->conn->net);
                return;
        }
        /* A client that ended its side in the middle of the body is not told that we failed. */
        if (x->conn->gone)
                return;
        err_set(&error, ERR_INTERNAL, "the handler gave no reply");
        buf_init(&reply, 16 * 1024);
        if (!protocol_error_render(x->conn->listener, &error, http_exchange_peer(x),
                                   x->request.method == HTTP_METHOD_HEAD, &reply))
                return;
        x->status = err_status(error.code);
        x->reply = REPLY_DONE;
        piece = (struct iovec){reply.ptr, reply.len};
        /* When the client is gone too there is nobody left to tell. */
        if (!send_pieces(x, &piece, 1, &error))
                x->close_after = true;
}

FIBER_FN bool sse_begin(struct http_exchange *x, const struct http_header *headers, size_t n_headers,
                        struct err *err)
{
        struct http_header all[16] = {
                {STR("Content-Type"), STR("text/event-stream")},
                {STR("Cache-Control"), STR("no-store")},
        };

        if (n_headers > 14)
                return err_set(err, ERR_INTERNAL, "too many headers for an event stream");
        for (size_t i = 0; i < n_headers; i++)
                all[2 + i] = headers[i];
        return http_stream_begin(x, 200, all, 2 + n_headers, err);
}

static bool is_one_line(struct str s)
{
        return str_find(s, '\n') < 0 && str_find(s, '\r') < 0 && str_find(s, '\0') < 0;
}

FIBER_FN bool sse_send(struct http_exchange *x, struct str name, struct str id, struct str data,
                       struct err *err)
{
        BUF_SCOPED event = {0};

        if (!is_one_line(name) || !is_one_line(id))
                return err_set(err, ERR_INTERNAL, "a line break in the name or id of an event");
        buf_init(&event, 2 * data.len + name.len + id.len + 64);
        if (name.len > 0)
                buf_printf(&event, "event: %.*s\n", STR_ARG(name));
        if (id.len > 0)
                buf_printf(&event, "id: %.*s\n", STR_ARG(id));
        buf_append_c(&event, "data: ");
        for (size_t i = 0; i < data.len; i++) {
                char c = data.ptr[i];

                /* CR, LF and CR LF each end a line there. */
                if (c == '\r' && i + 1 < data.len && data.ptr[i + 1] == '\n')
                        continue;
                if (c == '\n' || c == '\r')
                        buf_append_c(&event, "\ndata: ");
                else
                        buf_append_char(&event, c);
        }
        buf_append_c(&event, "\n\n");
        if (!buf_check(&event, "the event", err))
                return false;
        return http_stream_write(x, buf_str(&event), err);
}

FIBER_FN bool sse_comment(struct http_exchange *x, struct str text, struct err *err)
{
        BUF_SCOPED comment = {0};

        if (!is_one_line(text))
                return err_set(err, ERR_INTERNAL, "a line break in a comment");
        buf_init(&comment, text.len + 16);
        buf_printf(&comment, ": %.*s\n\n", STR_ARG(text));
        if (!buf_check(&comment, "the comment", err))
                return false;
        return http_stream_write(x, buf_str(&comment), err);
}
