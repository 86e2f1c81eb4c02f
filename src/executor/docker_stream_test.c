/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/connectors/docker_stream.h"

#include "base/buf.h"

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

static void collect(void *arg, struct str bytes)
{
        buf_append_str(arg, bytes);
}

static const struct str MIXED =
        STR("\1\0\0\0\0\0\0\3out\2\0\0\0\0\0\0\3err\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\4more");

static void frames_are_joined_however_they_are_cut(void **state)
{
        for (size_t piece = 1; piece <= MIXED.len; piece++) {
                struct docker_stream stream = {0};
                BUF_SCOPED got;
                struct err err;

                buf_init(&got, 100);
                for (size_t at = 0; at < MIXED.len; at += piece)
                        assert_true(docker_stream_feed(&stream, str_slice(MIXED, at, piece), collect, &got,
                                                       &err));
                assert_true(docker_stream_end(&stream, &err));
                assert_true(str_is(buf_str(&got), "outerrmore"));
        }
        (void)state;
}

static void an_end_within_a_frame_is_noticed(void **state)
{
        static const size_t whole[] = {0, 11, 22, 30, 42};

        for (size_t len = 0; len <= MIXED.len; len++) {
                struct docker_stream stream = {0};
                BUF_SCOPED got;
                struct err err;
                bool is_whole = false;

                buf_init(&got, 100);
                for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
                        is_whole = is_whole || whole[i] == len;
                assert_true(docker_stream_feed(&stream, str_slice(MIXED, 0, len), collect, &got, &err));
                assert_int_equal(docker_stream_end(&stream, &err), is_whole);
        }
        (void)state;
}

static void what_is_not_framed_is_refused(void **state)
{
        static const struct str bad[] = {STR("hello wo"), STR("\3\0\0\0\0\0\0\1"), STR("\1\1\0\0\0\0\0\1"),
                                         STR("\1\0\0\0\xff\xff\xff\xff"), STR("HTTP/1.1")};

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct docker_stream stream = {0};
                BUF_SCOPED got;
                struct err err;

                buf_init(&got, 100);
                assert_false(docker_stream_feed(&stream, bad[i], collect, &got, &err));
                assert_int_equal(err.code, ERR_UPSTREAM_PROTOCOL);
        }
        (void)state;
}

static void a_terminal_has_no_frames(void **state)
{
        struct docker_stream stream = {.raw = true};
        BUF_SCOPED got;
        struct err err;

        buf_init(&got, 100);
        assert_true(docker_stream_feed(&stream, STR("hello"), collect, &got, &err));
        assert_true(docker_stream_end(&stream, &err));
        assert_true(str_is(buf_str(&got), "hello"));
        (void)state;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(frames_are_joined_however_they_are_cut),
                cmocka_unit_test(an_end_within_a_frame_is_noticed),
                cmocka_unit_test(what_is_not_framed_is_refused),
                cmocka_unit_test(a_terminal_has_no_frames),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
