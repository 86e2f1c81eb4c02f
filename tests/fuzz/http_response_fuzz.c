/* SPDX-License-Identifier: Apache-2.0 */
/* Responses, as the client reads them from servers that it does not trust. */
#include "http_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        ARENA_SCOPED arena = {0};
        struct http_fuzz_parser parser = {.is_request = false, .arena = &arena};
        struct http_fuzz_result result;

        if (size < 2)
                return 0;
        arena_init(&arena, 1 << 20);
        parser.is_head_request = data[0] >= 128;
        http_fuzz_both_ways(&parser, data, size, &result);
        if (result.head_ok && result.head_len > 0) {
                FUZZ_CHECK(parser.response.status >= 100 && parser.response.status <= 599);
                http_fuzz_headers(&parser.response.head);
        }
        buf_done(&result.body);
        return 0;
}
