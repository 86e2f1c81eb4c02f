/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 client over TCP, TLS or a Unix socket.
 *
 * Two forms of each call: for plain threads (the CLI, the executor), which
 * block, and for fibers, which wait. One client serves any number of threads
 * and fibers; it keeps idle connections (those of a loop for that loop's
 * fibers, those of plain threads for all plain threads).
 *
 * Responses are read as strictly as requests (see http_server.h). Redirects are
 * not followed. A call whose kept connection turns out to be dead before any
 * byte of the response came is sent once more on a new connection if its method
 * is idempotent (RFC 9110 section 9.2.2).
 *
 * Errors: ERR_UPSTREAM_UNREACHABLE (no connection; nothing was sent),
 * ERR_UPSTREAM_PROTOCOL, ERR_UPSTREAM_TIMEOUT, ERR_TLS, ERR_BODY_TOO_LARGE
 * (beyond the cap), ERR_CANCELLED (http_stream_cancel), ERR_BAD_PARAMETER (the
 * call itself), ERR_OUTCOME_UNKNOWN (the request was sent, in part or whole,
 * and the connection ended before a response).
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "io/fiber.h"
#include "io/http.h"

struct http_client;
struct sockaddr;
struct http_stream;
struct tls_client;

struct http_client_config {
        struct tls_client *tls; /* borrowed; NULL = https:// URLs are refused */
        struct str user_agent;  /* "" = none */
        /* Asked before each connection, on any thread; NULL = every address is good. See net_is_public. */
        bool (*address_is_good)(const struct sockaddr *address);
        unsigned idle_max;       /* 32: connections kept */
        int64_t idle_timeout_ms; /* 15 s: shorter than a server's, so that a POST
                                    rarely meets a dead one */
        size_t head_max_bytes;   /* 64 KiB */
        unsigned headers_max;    /* 200 */
};

void http_client_config_init(struct http_client_config *config);
/*
 * For address_is_good, where somebody else chose the URL: whether an address is on the public
 * internet, and not this machine's, a private network's or a cloud's own service (the special-purpose
 * registries of RFC 6890, as of 2026). It is the address that is asked, not the name, so that no name
 * can change its mind in between.
 */
bool http_address_is_public(const struct sockaddr *address);
bool http_client_new(const struct http_client_config *config, struct http_client **ret_client,
                     struct err *err) MUST_USE;
/* No call may be running. NULL is fine. With connections of loops: before
 * loops_free. */
BLOCKING_FN void http_client_free(struct http_client *client);

struct http_client_call {
        struct str method;                 /* "GET" */
        struct str url;                    /* "https://host:port/path?query"; or, with unix_path, STR_NULL */
        struct str unix_path;              /* connect here instead … */
        struct str target;                 /* … and ask for this: "/v1.41/containers/json?all=true" */
        const struct http_header *headers; /* without Host, Content-Length, Connection, Transfer-Encoding */
        size_t n_headers;
        struct str body;         /* ptr NULL = none */
        int64_t timeout_ms;      /* 0 = 30 s; the whole call, or for a stream: up to the
                                    end of the head */
        int64_t read_timeout_ms; /* streams: between two pieces of the body; 0 = none */
        size_t cap_bytes;        /* 0 = 1 MiB: of the response's body; not for streams */
        int cancel_fd;           /* on a plain thread, if above 0: when it is readable the call ends,
                                    with ERR_CANCELLED; borrowed, as long as the stream is open */
};

struct http_response {
        int status;
        const struct http_header *headers;
        size_t n_headers;
        struct str body;
};

/* First header of that name, or STR_NULL. */
struct str http_response_header(const struct http_response *response, struct str name);

/* The response, whatever its status, all of it in `arena`. For plain threads.
 */
BLOCKING_FN bool http_call(struct http_client *client, const struct http_client_call *call,
                           struct arena *arena, struct http_response *ret_response,
                           struct err *err) MUST_USE;
/* The same on a fiber. */
FIBER_FN bool http_fiber_call(struct http_client *client, const struct http_client_call *call,
                              struct arena *arena, struct http_response *ret_response,
                              struct err *err) MUST_USE;

/*
 * Streamed responses: opens, and returns when the response's head is here
 * (http_stream_response; its body is empty). The head lives in the stream.
 */
BLOCKING_FN bool http_stream_open(struct http_client *client, const struct http_client_call *call,
                                  struct http_stream **ret_stream, struct err *err) MUST_USE;
FIBER_FN bool http_fiber_stream_open(struct http_client *client, const struct http_client_call *call,
                                     struct http_stream **ret_stream, struct err *err) MUST_USE;
const struct http_response *http_stream_response(const struct http_stream *stream);

/* At least 1 byte, or 0 at the end. */
BLOCKING_FN bool http_stream_read(struct http_stream *stream, void *bytes, size_t size_bytes,
                                  size_t *ret_len, struct err *err) MUST_USE;
FIBER_FN bool http_fiber_stream_read(struct http_stream *stream, void *bytes, size_t size_bytes,
                                     size_t *ret_len, struct err *err) MUST_USE;

/* Wakes a read that waits, which then fails with ERR_CANCELLED. From any
 * thread, also a signal handler. */
void http_stream_cancel(struct http_stream *stream);

/* Keeps the connection if the body was read to its end, closes it otherwise.
 * NULL is fine. */
void http_stream_close(struct http_stream *stream);
void http_stream_closep(struct http_stream **stream);
