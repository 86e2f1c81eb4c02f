/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 server (RFC 9110, RFC 9112).
 *
 * One listening socket per loop (SO_REUSEPORT). Each request runs the handler
 * on a fiber of its own; a connection that waits for its next request holds
 * neither fiber nor buffer. Pipelined requests run one after the other.
 *
 * Framing is strict, because a request that two parsers understand differently
 * is an attack: Content-Length with Transfer-Encoding, more than one of either,
 * any transfer coding but exactly "chunked", folded lines, spaces around header
 * names, bare CR or LF, control characters, HTTP/1.0 with Transfer-Encoding,
 * missing, repeated or malformed Host: all are answered with an error, and the
 * connection is closed.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "io/fiber.h"
#include "io/http.h"
#include "io/loop.h"

struct http_server;
struct http_exchange;
struct tls_server;

/* Runs on a fiber, once per request. Returning without a reply answers 500. */
typedef void (*http_handler)(struct http_exchange *x, void *arg);

/* An error that the server itself answers: bad framing, too large, too slow, no
 * room. */
struct http_protocol_error {
        enum err_code code; /* err_status(code) is the status of the reply */
        const char *message;
        struct str peer; /* "192.0.2.1", as http_exchange_peer */
};

/*
 * Renders the body of such a reply into `ret_body` (cap 4 KiB) and names its
 * content type (static text). May add one header, static or in `ret_body`'s
 * lifetime, e.g. a request id. Runs on the loop's stack: it must not wait.
 */
struct buf;
typedef void (*http_protocol_error_fn)(const struct http_protocol_error *error, struct buf *ret_body,
                                       struct str *ret_content_type, void *arg);

struct http_server_config {
        struct str host;        /* numeric address or a name for this host; "" = all addresses */
        uint16_t port;          /* 0 = any free port, see http_server_port */
        struct tls_server *tls; /* NULL = plain HTTP; borrowed, must outlive the server */

        http_handler handler;
        void *handler_arg;
        http_protocol_error_fn on_protocol_error; /* NULL = plain text */
        void *protocol_error_arg;

        /* Limits. http_server_config_init sets them as noted. */
        size_t head_max_bytes;           /* 32 KiB: request line and headers */
        size_t target_max_bytes;         /* 8 KiB */
        unsigned headers_max;            /* 100 */
        uint64_t body_max_bytes;         /* 16 MiB: no handler gets more */
        size_t arena_max_bytes;          /* 4 MiB: the request's arena */
        unsigned connections_max;        /* 65536, in total */
        unsigned connections_per_ip_max; /* 0 = no limit */

        /* Time-outs in milliseconds. */
        int64_t head_timeout_ms;       /* 10 s: from a request's first byte (or the accept)
                                          to the end of its head */
        int64_t body_timeout_ms;       /* 20 s: for the body, plus the time that
                                          body_min_rate gives */
        uint64_t body_min_bytes_per_s; /* 1024 */
        int64_t write_timeout_ms;      /* 20 s without progress */
        int64_t idle_timeout_ms;       /* 75 s between requests */
        int64_t tls_timeout_ms;        /* 10 s: handshake */
};

void http_server_config_init(struct http_server_config *config);

/*
 * Listens: the port is known and clients can connect, but no handler runs before
 * http_server_serve. What handlers read may still be written in between. The
 * config is copied, its strings too. From a plain thread.
 */
bool http_server_open(struct loops *loops, const struct http_server_config *config,
                      struct http_server **ret_server, struct err *err) MUST_USE;
/* Serves until the drain; once. From the thread that opened it; blocks it for a moment. */
BLOCKING_FN void http_server_serve(struct http_server *server);

uint16_t http_server_port(const struct http_server *server);

/*
 * Stops accepting, closes idle connections, tells running exchanges (see
 * http_exchange_notify), closes each connection after its reply, and waits for
 * them. After grace_ms what still runs is cut off. Returns whether all ended in
 * time. From a plain thread; blocks it.
 */
BLOCKING_FN bool http_server_drain(struct http_server *server, int64_t grace_ms);

/* Drains with no grace if that was not done yet. NULL is fine. From a plain
 * thread. */
BLOCKING_FN void http_server_free(struct http_server *server);

struct http_server_stats {
        uint64_t connections_open;
        uint64_t connections_accepted;
        uint64_t connections_refused; /* over a limit */
        uint64_t requests;
        uint64_t requests_active;
        uint64_t protocol_errors;
        uint64_t bytes_in;
        uint64_t bytes_out;
        uint64_t tls_handshakes_failed;
};
void http_server_stats(const struct http_server *server, struct http_server_stats *ret_stats);

/*
 * The request. Views live until the handler returns. Everything below is for
 * the exchange's own fiber.
 */
enum http_method http_exchange_method(const struct http_exchange *x);
/* As sent, percent-encoded: "/v1/actions/act_1", or "*" for OPTIONS *. Escapes
 * are well-formed. */
struct str http_exchange_path(const struct http_exchange *x);
/* After the '?', without it; STR_NULL when there is no '?'. */
struct str http_exchange_query(const struct http_exchange *x);
/* As Host or the absolute-form target says, with the port. */
struct str http_exchange_host(const struct http_exchange *x);
size_t http_exchange_headers(const struct http_exchange *x, const struct http_header **ret_headers);
/* First value or STR_NULL; http_headers_find tells about duplicates. Value
 * trimmed. */
struct str http_exchange_header(const struct http_exchange *x, struct str name);
/* "192.0.2.1" or "2001:db8::1" (an IPv4-mapped address as IPv4), without the
 * port. */
struct str http_exchange_peer(const struct http_exchange *x);
bool http_exchange_is_tls(const struct http_exchange *x);
/* Reset after the handler returned. */
struct arena *http_exchange_arena(struct http_exchange *x);
/* clock_mono_us when the request's head was complete. */
int64_t http_exchange_start_us(const struct http_exchange *x);
/* A pointer for whoever wrote the handler. */
void http_exchange_set_data(struct http_exchange *x, void *data);
void *http_exchange_data(const struct http_exchange *x);

/* -1 when chunked, 0 when the request has no body. */
int64_t http_exchange_content_length(const struct http_exchange *x);
bool http_exchange_has_body(const struct http_exchange *x);

/*
 * The request's body. The first read sends "100 Continue" if the client asked
 * for it. Errors: ERR_BODY_TOO_LARGE, ERR_REQUEST_TIMEOUT, ERR_BAD_REQUEST
 * (framing), ERR_CANCELLED (the peer went away). After an error the handler
 * can still reply; the connection is closed then. What a handler does not read
 * is read and thrown away if it is short; otherwise the connection is closed.
 */
/* At least 1 byte, or 0 at the end of the body. */
FIBER_FN bool http_body_read(struct http_exchange *x, void *bytes, size_t size_bytes, size_t *ret_len,
                             struct err *err) MUST_USE;
/* The whole body, in the exchange's arena, at most cap_bytes. */
FIBER_FN bool http_body_read_all(struct http_exchange *x, size_t cap_bytes, struct str *ret_body,
                                 struct err *err) MUST_USE;

/*
 * The reply, once per exchange. Content-Length, Date and Connection are the
 * server's; names and values given here are checked. A HEAD request gets the
 * headers only. False with ERR_CANCELLED when the peer is gone: nothing is left
 * to do then.
 */
FIBER_FN bool http_reply(struct http_exchange *x, int status, const struct http_header *headers,
                         size_t n_headers, struct str body, struct err *err);

/*
 * A streamed reply: chunked, or until the end of the connection for HTTP/1.0.
 * Writes wait while the peer's buffer is full. A handler that returns without
 * http_stream_end cuts the connection off, so that the client sees the failure.
 */
FIBER_FN bool http_stream_begin(struct http_exchange *x, int status, const struct http_header *headers,
                                size_t n_headers, struct err *err) MUST_USE;
FIBER_FN bool http_stream_write(struct http_exchange *x, struct str bytes, struct err *err) MUST_USE;
FIBER_FN bool http_stream_end(struct http_exchange *x, struct err *err) MUST_USE;

bool http_exchange_has_replied(const struct http_exchange *x);
/* What was sent: 0 before the reply. For the log line. */
int http_exchange_status(const struct http_exchange *x);
uint64_t http_exchange_bytes_out(const struct http_exchange *x);

/* The peer closed or reset the connection (or closed its sending side: we do
 * not tell these apart). */
bool http_exchange_gone(const struct http_exchange *x);
/* The server wants to end: a long wait should reply now, a stream should end.
 */
bool http_exchange_draining(const struct http_exchange *x);
/*
 * Fires `event` when the peer goes away or a drain begins; at once if that is
 * so already. One event per exchange; NULL takes it back. So a handler that
 * waits for something else waits on one event which both can fire.
 */
void http_exchange_notify(struct http_exchange *x, struct fiber_event *event);

/* Server-sent events (WHATWG HTML, section 9.2) on a streamed reply; see also
 * sse.h for reading. */
FIBER_FN bool sse_begin(struct http_exchange *x, const struct http_header *headers, size_t n_headers,
                        struct err *err) MUST_USE;
/* Any of name and id may be empty. Data with line breaks becomes several data
 * lines. */
FIBER_FN bool sse_send(struct http_exchange *x, struct str name, struct str id, struct str data,
                       struct err *err) MUST_USE;
/* ": text", which clients ignore: keeps proxies from closing the stream. */
FIBER_FN bool sse_comment(struct http_exchange *x, struct str text, struct err *err) MUST_USE;
