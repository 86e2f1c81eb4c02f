/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include "crypto/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct policy_decision decide(const struct catalogue_operation *operation, const char *environment)
{
        struct policy_input input = {.environment = str_from(environment),
                                     .operation = operation,
                                     .requester_kind = STR("agent")};
        struct policy_decision decision;

        policy_decide(&input, &decision);
        return decision;
}

static void every_operation_gets_the_answer_of_the_table(void **state)
{
        static const char *const environments[] = {"test", "prd", "stage", "te", "testing", ""};

        (void)state;
        for (size_t i = 0; i < catalogue_count(); i++)
                for (size_t j = 0; j < sizeof(environments) / sizeof(environments[0]); j++) {
                        const struct catalogue_operation *operation = catalogue_at(i);
                        struct policy_decision decision = decide(operation, environments[j]);
                        unsigned wanted = operation->effect == EFFECT_READS     ? 0
                                          : operation->effect == EFFECT_CHANGES ? 1
                                          : j == 0                              ? 1
                                                                                : 2;

                        assert_int_equal(decision.decisions, wanted);
                        assert_int_equal(decision.verdict, wanted ? POLICY_REQUIRE : POLICY_ALLOW);
                        assert_int_equal(decision.role_count, wanted ? 1 : 0);
                        assert_true(decision.rule.len > 0 && decision.reason.len > 0);
                }
}

static void a_requirement_always_names_somebody(void **state)
{
        size_t count;
        const struct policy_rule *rules = policy_rules(&count);

        (void)state;
        for (size_t i = 0; i < count; i++) {
                if (rules[i].verdict == POLICY_REQUIRE)
                        assert_in_range(rules[i].decisions, 1, POLICY_DECISIONS_MAX);
                else
                        assert_int_equal(rules[i].decisions, 0);
                if (rules[i].verdict == POLICY_ALLOW)
                        assert_int_equal(rules[i].effect, EFFECT_READS);
        }
}

static void what_no_rule_speaks_of_is_denied(void **state)
{
        struct catalogue_operation strange = {.connector = "x", .name = "y", .effect = (enum effect)9};

        (void)state;
        assert_int_equal(decide(&strange, "test").verdict, POLICY_DENY);
        assert_true(str_is(decide(&strange, "test").rule, "default-deny"));
}

static void the_digest_is_of_the_text(void **state)
{
        struct sha256 hash;
        char hex[SHA256_HEX_SIZE];
        ARENA_SCOPED arena;
        struct json tree;
        struct err err;
        BUF_SCOPED canonical;

        (void)state;
        arena_init(&arena, 1 << 16);
        buf_init(&canonical, 1 << 16);
        sha256_of(policy_text(), &hash);
        sha256_format(&hash, hex);
        assert_true(str_is(decide(catalogue_at(0), "test").digest, hex));
        assert_true(json_parse(&arena, policy_text(), &tree, &err));
        json_append_canonical(&canonical, &tree);
        assert_true(str_eq(buf_str(&canonical), policy_text()));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_operation_gets_the_answer_of_the_table),
                cmocka_unit_test(a_requirement_always_names_somebody),
                cmocka_unit_test(what_no_rule_speaks_of_is_denied),
                cmocka_unit_test(the_digest_is_of_the_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
