/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: what is accepted is well-formed, framed one way only, and the same however it is cut. */
#include "http_fuzz.h"

static void check_request(const struct http_request_head *request)
{
        struct str value;
        const struct http_head *head = &request->head;
        bool has_length =
                http_headers_find(head->headers, head->n_headers, STR("content-length"), &value) > 0;
        bool has_coding =
                http_headers_find(head->headers, head->n_headers, STR("transfer-encoding"), &value) > 0;

        FUZZ_CHECK(request->path.len > 0 && (request->path.ptr[0] == '/' || str_is(request->path, "*")));
        FUZZ_CHECK(!(has_length && has_coding));
        FUZZ_CHECK(has_coding == (head->framing == HTTP_FRAMING_CHUNKED));
        FUZZ_CHECK(has_length == (head->framing == HTTP_FRAMING_LENGTH));
        FUZZ_CHECK(head->version_minor == 0 || request->host.len > 0);
        http_fuzz_headers(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        ARENA_SCOPED arena = {0};
        struct http_fuzz_parser parser = {.is_request = true, .arena = &arena};
        struct http_fuzz_result result;

        if (size < 2)
                return 0;
        arena_init(&arena, 1 << 20);
        http_fuzz_both_ways(&parser, data, size, &result);
        if (result.head_ok && result.head_len > 0)
                check_request(&parser.request);
        buf_done(&result.body);
        return 0;
}
