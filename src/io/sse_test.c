/* SPDX-License-Identifier: Apache-2.0 */
/* The parser of event streams. */
#include "io/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void event_stream_is_parsed_at_every_split(void **state)
{
        static const struct str bytes =
                STR("\xef\xbb\xbf: comment\r\nevent: a\rdata: 1\ndata:2\r\n\r\nid: 9\nretry: 250\ndata\n\n"
                    "event: forgotten\n\ndata:  x\n\nunknown: y\ndata: last");

        (void)state;
        for (size_t split = 0; split <= bytes.len; split++) {
                struct sse_parser parser;
                struct sse_event event;
                char seen[128] = "";
                bool found;
                struct err err;

                sse_parser_init(&parser, 1024);
                for (int half = 0; half < 2; half++) {
                        struct str part =
                                half == 0 ? str_slice(bytes, 0, split) : str_slice(bytes, split, bytes.len);

                        assert_true(sse_parser_feed(&parser, part, &err));
                        while (sse_parser_next(&parser, &event, &found, &err) && found)
                                snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s,%.*s,%.*s|",
                                         STR_ARG(event.name), STR_ARG(event.id), STR_ARG(event.data));
                }
                assert_string_equal(seen, "a,,1\n2|message,9,|message,9, x|");
                assert_int_equal(parser.retry_ms, 250);
                sse_parser_done(&parser);
        }
}

static void event_over_the_cap_is_refused(void **state)
{
        struct sse_parser parser;
        struct sse_event event;
        bool found;
        bool ok = true;
        struct err err;

        (void)state;
        sse_parser_init(&parser, 100);
        for (int i = 0; i < 100 && ok; i++)
                ok = sse_parser_feed(&parser, STR("data: 0123456789\n"), &err) &&
                     sse_parser_next(&parser, &event, &found, &err);
        assert_false(ok);
        assert_int_equal(err.code, ERR_BODY_TOO_LARGE);
        sse_parser_done(&parser);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(event_stream_is_parsed_at_every_split),
                cmocka_unit_test(event_over_the_cap_is_refused),
        };

        return cmocka_run_group_tests_name("sse", tests, NULL, NULL);
}
