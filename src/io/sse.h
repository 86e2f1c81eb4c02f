/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading server-sent events (WHATWG HTML, section 9.2.6): bytes in, events
 * out. Writing them is in http_server.h.
 */
#pragma once

#include "base/buf.h"

struct sse_event {
        struct str name; /* "message" unless the stream says otherwise */
        struct str id;   /* the last id seen, which stays until changed */
        struct str data;
};

struct sse_parser {
        struct buf input;
        struct buf data;
        struct buf name;
        struct buf id;
        int64_t retry_ms; /* -1 until the stream says so */
        size_t at;        /* input before this is consumed */
        bool started;
        bool has_data;
        bool is_given; /* the last event was given out and is not yet forgotten */
};

/* cap_bytes bounds one event and what is buffered. */
void sse_parser_init(struct sse_parser *parser, size_t cap_bytes);
void sse_parser_done(struct sse_parser *parser);

/* Appends bytes as they came. ERR_BODY_TOO_LARGE when an event is larger than
 * the cap. */
bool sse_parser_feed(struct sse_parser *parser, struct str bytes, struct err *err) MUST_USE;

/* The next whole event; *ret_found is false when more bytes are needed. Views
 * live until the next call. */
bool sse_parser_next(struct sse_parser *parser, struct sse_event *ret_event, bool *ret_found,
                     struct err *err) MUST_USE;
