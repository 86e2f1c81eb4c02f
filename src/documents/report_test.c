/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/report.h"
#include "documents/samples.h"

static struct report sample(void)
{
        return (struct report){
                .action = STR("act_01jd3q4r5s6t7v8w9x0y1z2a3b"),
                .claim = STR("clm_01jd3q4r5s6t7v8w9x0y1z2a3b"),
                .executor = STR("exe_01jd3q4r5s6t7v8w9x0y1z2a3b"),
                .digest = STR("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
                .outcome = OUTCOME_SUCCEEDED,
                .message = STR("the container is gone"),
                .started_ms = SAMPLE_NOW_MS,
                .ended_ms = SAMPLE_NOW_MS + 5,
                .output_bytes = 7,
                .output_sha256 = STR("fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"),
        };
}

static void what_is_built_is_read_back(void **state)
{
        ARENA_SCOPED arena;
        struct report report = sample(), again;
        struct err err = {0};
        struct str bytes;

        (void)state;
        arena_init(&arena, 1 << 18);
        for (int outcome = OUTCOME_SUCCEEDED; outcome <= OUTCOME_REFUSED; outcome++) {
                report.outcome = (enum outcome)outcome;
                if (!report_build(&arena, &report, &bytes, &err))
                        fail_msg("%s", err.message);
                assert_true(report_parse(&arena, bytes, &again, &err));
                assert_int_equal(again.outcome, outcome);
                assert_true(str_eq(again.message, report.message));
                assert_int_equal(again.ended_ms, report.ended_ms);
        }
}

static void a_long_message_is_cut_at_a_character(void **state)
{
        ARENA_SCOPED arena;
        struct report report = sample(), again;
        struct err err = {0};
        char text[4001];
        struct str bytes;

        (void)state;
        arena_init(&arena, 1 << 18);
        for (size_t i = 0; i < 4000; i += 2)
                memcpy(text + i, "\xC3\xA9", 2);
        report.message = str_make(text, 4000);
        assert_true(report_build(&arena, &report, &bytes, &err));
        assert_true(report_parse(&arena, bytes, &again, &err));
        assert_int_equal(again.message.len, 2 * REPORT_MESSAGE_MAX);
        assert_true(str_is_utf8(again.message));
}

static void what_does_not_fit_is_refused(void **state)
{
        static const struct {
                const char *piece, *by;
        } cases[] = {
                {"\"succeeded\"", "\"fine\""},
                {"\"output_truncated\":false", "\"output_truncated\":0"},
                {"\"output_bytes\":7", "\"output_bytes\":-1"},
                {"\"output_bytes\":7,", ""},
                {"report/v1", "statement/v1"},
                {"clm_", "act_"},
                {"{", "{\"a\":1,"},
                {"fedcba", "FEDCBA"},
        };
        ARENA_SCOPED arena;
        struct report report = sample(), again;
        struct err err = {0};
        struct str bytes;

        (void)state;
        arena_init(&arena, 1 << 18);
        assert_true(report_build(&arena, &report, &bytes, &err));
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                if (report_parse(&arena, sample_replace(&arena, bytes, cases[i].piece, cases[i].by), &again,
                                 &err))
                        fail_msg("taken: %s", cases[i].by);
                assert_int_equal(err.code, ERR_BAD_ENVELOPE);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_built_is_read_back),
                cmocka_unit_test(a_long_message_is_cut_at_a_character),
                cmocka_unit_test(what_does_not_fit_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
