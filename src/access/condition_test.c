/* SPDX-License-Identifier: Apache-2.0 */
#include "access/condition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct err err;

static int setup(void **state)
{
        *state = condition_env_new(&err);
        return *state ? 0 : -1;
}

static int teardown(void **state)
{
        condition_env_free(*state);
        return 0;
}

static enum condition_outcome outcome(struct condition_env *env, const char *text, bool partial)
{
        struct str groups[] = {STR("staff"), STR("night")};
        struct principal principal = {.kind = PRINCIPAL_USER, .name = STR("ann"), .methods = STR("pwd otp")};
        struct access_facts facts = {.now_ms = 1700000000000,
                                     .peer = STR("10.1.2.3"),
                                     .environment = STR("prd"),
                                     .workspace = STR("wsp_1"),
                                     .principal = &principal,
                                     .groups = groups,
                                     .group_count = 2,
                                     .partial = partial};
        struct cel_program *program = NULL;
        enum condition_outcome found;
        struct arena_mark mark;
        struct arena scratch;

        arena_init(&scratch, 64 * 1024);
        assert_true(condition_compile(env, str_from(text), &program, &err));
        assert_non_null(arena_alloc(&scratch, 16));
        mark = arena_mark(&scratch);
        found = condition_evaluate(env, program, condition_is_late(env, program), &facts, &scratch, NULL,
                                   NULL);
        assert_ptr_equal(arena_mark(&scratch).at, mark.at); /* nothing is left behind */
        cel_program_free(program);
        arena_done(&scratch);
        return found;
}

static void a_condition_sees_the_facts(void **state)
{
        static const char *const true_ones[] = {
                "principal.name == 'ann' && principal.kind == 'user'",
                "'night' in principal.groups",
                "cidr('10.0.0.0/8').containsIP(network.address)",
                "authentication.methods == ['pwd', 'otp']",
                "!authentication.second_factor",
                "time == timestamp('2023-11-14T22:13:20Z')",
                "resource.owner == '' && resource.labels == {} && context == {}",
        };

        for (size_t i = 0; i < sizeof(true_ones) / sizeof(true_ones[0]); i++)
                assert_int_equal(outcome(*state, true_ones[i], false), CONDITION_TRUE);
        assert_int_equal(outcome(*state, "resource.workspace == 'wsp_2'", false), CONDITION_FALSE);
}

static void what_is_missing_fails(void **state)
{
        assert_int_equal(outcome(*state, "authentication.second_factor_age < duration('5m')", false),
                         CONDITION_FAILED);
        assert_int_equal(outcome(*state, "resource.labels.stage == 'prd'", false), CONDITION_FAILED);
        assert_int_equal(outcome(*state, "resource.properties.n == 7", false), CONDITION_FAILED);
}

static void what_only_the_handler_knows_is_left_open(void **state)
{
        assert_int_equal(outcome(*state, "environment == 'prd'", true), CONDITION_UNKNOWN);
        assert_int_equal(outcome(*state, "environment == 'prd'", false), CONDITION_TRUE);
        assert_int_equal(outcome(*state, "resource.owner == 'x'", true), CONDITION_UNKNOWN);
        assert_int_equal(outcome(*state, "principal.name == 'ann'", true), CONDITION_TRUE);
}

static void what_is_no_condition_is_refused(void **state)
{
        static const char *const bad[] = {"1", "principal.nam == 'x'", "time < 7", "true &&", "", "x:y"};
        struct cel_program *program = NULL;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                assert_false(condition_compile(*state, str_from(bad[i]), &program, &err));
                assert_int_equal(err.code, ERR_EXPRESSION);
                assert_string_not_equal(err.place, "");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_condition_sees_the_facts),
                cmocka_unit_test(what_is_missing_fails),
                cmocka_unit_test(what_only_the_handler_knows_is_left_open),
                cmocka_unit_test(what_is_no_condition_is_refused),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
