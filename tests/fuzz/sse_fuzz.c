/* SPDX-License-Identifier: Apache-2.0 */
/* Event streams: the same events however the bytes are cut. */
#include "fuzz.h"

#include "io/sse.h"

static void events(struct str bytes, size_t step, struct buf *ret_seen)
{
        struct sse_parser parser;
        struct sse_event event;
        struct err err;
        bool found = true;
        bool ok = true;

        sse_parser_init(&parser, 1 << 16);
        for (size_t at = 0; at < bytes.len && ok; at += step) {
                ok = sse_parser_feed(&parser, str_slice(bytes, at, step), &err);
                while (ok && (ok = sse_parser_next(&parser, &event, &found, &err)) && found) {
                        FUZZ_CHECK(event.name.len > 0 && str_find(event.name, '\n') < 0);
                        buf_printf(ret_seen, "%zu,%zu,%zu:", event.name.len, event.id.len, event.data.len);
                        buf_append_str(ret_seen, event.name);
                        buf_append_str(ret_seen, event.id);
                        buf_append_str(ret_seen, event.data);
                }
        }
        FUZZ_CHECK(ok);
        sse_parser_done(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        BUF_SCOPED whole = {0};
        BUF_SCOPED pieces = {0};

        /* Below the cap, which is not what is asked here. */
        if (size < 2 || size > 1 << 15)
                return 0;
        buf_init(&whole, 1 << 22);
        buf_init(&pieces, 1 << 22);
        events(str_make(data + 1, size - 1), size, &whole);
        events(str_make(data + 1, size - 1), 1 + data[0] % 32, &pieces);
        FUZZ_CHECK(str_eq(buf_str(&whole), buf_str(&pieces)));
        return 0;
}
