/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads one message as the server and the client do, in pieces of any size.
 * However the bytes are cut, the message must be the same.
 */
#pragma once

#include "fuzz.h"

#include "base/buf.h"
#include "io/http_parse.h"

struct http_fuzz_result {
        bool head_ok;
        size_t head_len; /* 0 = incomplete */
        bool body_ok;
        bool body_done;
        size_t body_consumed;
        struct buf body;
};

struct http_fuzz_parser {
        bool is_request;
        bool is_head_request;
        struct arena *arena;
        struct http_request_head request;
        struct http_response_head response;
        struct http_body body;
};

static const struct http_limits http_fuzz_limits = {
        .head_max_bytes = 4096, .target_max_bytes = 512, .headers_max = 32};

static inline void http_fuzz_body(struct http_fuzz_parser *parser, struct str rest, size_t step,
                                  struct http_fuzz_result *ret)
{
        char out[64];
        struct err err;

        ret->body_ok = true;
        while (!parser->body.done && ret->body_consumed < rest.len) {
                size_t consumed;
                size_t produced;

                ret->body_ok = http_body_decode(&parser->body, str_slice(rest, ret->body_consumed, step),
                                                out, sizeof(out), &consumed, &produced, &err);
                if (!ret->body_ok)
                        return;
                FUZZ_CHECK(consumed > 0 && produced <= consumed && produced <= sizeof(out));
                ret->body_consumed += consumed;
                buf_append(&ret->body, out, produced);
        }
        ret->body_done = parser->body.done;
}

static inline void http_fuzz_message(struct http_fuzz_parser *parser, struct str bytes, size_t step,
                                     struct http_fuzz_result *ret)
{
        struct http_head_scan scan = {0};
        struct err err;
        bool ok = true;

        *ret = (struct http_fuzz_result){0};
        buf_init(&ret->body, 1 << 20);
        for (size_t len = 0; ok && ret->head_len == 0 && len < bytes.len;) {
                len = len + step < bytes.len ? len + step : bytes.len;
                ok = http_head_scan(&scan, bytes.ptr, len, &http_fuzz_limits, parser->is_request,
                                    &ret->head_len, &err);
        }
        if (ok && ret->head_len > 0) {
                struct str head = arena_str(parser->arena, str_slice(bytes, 0, ret->head_len));

                if (parser->is_request)
                        ok = http_request_parse(head, &http_fuzz_limits, parser->arena, &parser->request,
                                                &parser->body, &err);
                else
                        ok = http_response_parse(head, &http_fuzz_limits, parser->is_head_request,
                                                 parser->arena, &parser->response, &parser->body, &err);
        }
        FUZZ_CHECK(ok || (err.code != ERR_NONE && err.message[0]));
        ret->head_ok = ok;
        if (ok && ret->head_len > 0)
                http_fuzz_body(parser, str_slice(bytes, ret->head_len, bytes.len), step, ret);
}

static inline void http_fuzz_headers(const struct http_head *head)
{
        for (size_t i = 0; i < head->n_headers; i++) {
                FUZZ_CHECK(http_token_is_valid(head->headers[i].name));
                FUZZ_CHECK(http_value_is_safe(head->headers[i].value));
        }
}

/* The first byte says how the rest is cut. */
static inline void http_fuzz_both_ways(struct http_fuzz_parser *parser, const uint8_t *data, size_t size,
                                       struct http_fuzz_result *ret_whole)
{
        struct str bytes = str_make(data + 1, size - 1);
        struct http_fuzz_result pieces;

        http_fuzz_message(parser, bytes, 1 + data[0] % 64, &pieces);
        http_fuzz_message(parser, bytes, bytes.len + 1, ret_whole);
        FUZZ_CHECK(pieces.head_ok == ret_whole->head_ok && pieces.head_len == ret_whole->head_len);
        FUZZ_CHECK(pieces.body_ok == ret_whole->body_ok && pieces.body_done == ret_whole->body_done);
        if (pieces.body_ok) {
                FUZZ_CHECK(pieces.body_consumed == ret_whole->body_consumed);
                FUZZ_CHECK(str_eq(buf_str(&pieces.body), buf_str(&ret_whole->body)));
        }
        buf_done(&pieces.body);
}
