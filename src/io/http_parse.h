/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing of HTTP/1.1 messages (RFC 9112), strictly, for src/io and its fuzzers.
 *
 * A head is first collected, by lines that end in CR LF and nothing else, and
 * then parsed at once, by our own rules and by llhttp, which must agree on how
 * the message is framed. Chunked bodies go through a check of our own before
 * llhttp decodes them, and again both must agree on where the message ends.
 */
#pragma once

#include "base/arena.h"
#include "io/http.h"

#include <llhttp.h>

struct http_limits {
        size_t head_max_bytes;
        size_t target_max_bytes; /* requests */
        unsigned headers_max;
};

/* Collecting a head: state between two looks at a growing buffer. */
struct http_head_scan {
        size_t scanned;
        size_t line_start;
        unsigned n_lines; /* whole ones, the empty line not counted */
        bool skipped_empty_line;
};

/*
 * Looks at the bytes after scan->scanned. *ret_head_len is the length of the
 * head with its empty line, or 0 while it is not complete. Errors:
 * ERR_BAD_REQUEST, ERR_URI_TOO_LONG, ERR_HEADERS_TOO_LARGE.
 */
bool http_head_scan(struct http_head_scan *scan, const char *bytes, size_t len,
                    const struct http_limits *limits, bool is_request, size_t *ret_head_len,
                    struct err *err) MUST_USE;

enum http_framing {
        HTTP_FRAMING_NONE,
        HTTP_FRAMING_LENGTH,
        HTTP_FRAMING_CHUNKED,
        HTTP_FRAMING_CLOSE, /* responses only: until the end of the connection */
};

struct http_head {
        int version_minor; /* of HTTP/1 */
        const struct http_header *headers;
        size_t n_headers;
        enum http_framing framing;
        uint64_t content_length; /* with HTTP_FRAMING_LENGTH */
        bool keep_alive;
};

/* Views into the head's bytes, which the caller keeps. */
struct http_request_head {
        struct http_head head;
        enum http_method method;
        struct str target;
        struct str path;
        struct str query; /* ptr NULL without '?' */
        struct str host;
        bool expect_continue;
};

struct http_response_head {
        struct http_head head;
        int status;
};

/* Decoding of one message's body; also holds llhttp's state from the head on. */
struct http_body {
        llhttp_t llhttp;
        enum http_framing framing;
        uint64_t left; /* of the body or of the chunk */
        int state;     /* of the chunk check */
        unsigned digits;
        size_t extra_bytes; /* chunk extensions and trailers so far */
        char *out;
        size_t out_len;
        bool llhttp_head_done;
        bool llhttp_done;
        bool done;
};

/*
 * Parses a complete head. Errors: ERR_BAD_REQUEST, ERR_NOT_IMPLEMENTED (method,
 * transfer coding), ERR_VERSION_UNSUPPORTED, ERR_EXPECTATION_FAILED,
 * ERR_HEADERS_TOO_LARGE (number), ERR_URI_TOO_LONG, ERR_NO_MEMORY.
 */
bool http_request_parse(struct str bytes, const struct http_limits *limits, struct arena *arena,
                        struct http_request_head *ret_head, struct http_body *ret_body,
                        struct err *err) MUST_USE;

/* The same for a response to a request with `method`; every error is ERR_UPSTREAM_PROTOCOL. */
bool http_response_parse(struct str bytes, const struct http_limits *limits, bool is_head_request,
                         struct arena *arena, struct http_response_head *ret_head,
                         struct http_body *ret_body, struct err *err) MUST_USE;

/*
 * Decodes from `in` to `out`; takes at most size_bytes of input, so that the
 * output always fits (they may be the same memory). body->done tells the end.
 * ERR_BAD_REQUEST when the framing is broken.
 */
bool http_body_decode(struct http_body *body, struct str in, char *out, size_t size_bytes,
                      size_t *ret_consumed, size_t *ret_produced, struct err *err) MUST_USE;
