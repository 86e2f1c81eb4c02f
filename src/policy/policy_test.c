/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy_document.h"

#include "crypto/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#define HEAD "policy: '1.0'\ndocument: {name: a, version: 1.0.0}\nrules:\n"
#define ALL "  - {name: all, effect: permit}\n"

/* What is in force in a test: at most one document a layer. */
struct world {
        struct arena arena;
        struct policy_set set;
        struct policy_document *owned[POLICY_LAYERS];
        struct policy_input input;
        struct policy_explanation explanation;
        struct policy_decision decision;
};

static void begin(struct world *world, const char *operation, const char *environment)
{
        *world = (struct world){0};
        arena_init(&world->arena, 16 << 20);
        world->input = (struct policy_input){.environment = str_from(environment),
                                             .operation = catalogue_find(STR("docker"), str_from(operation)),
                                             .requester_kind = STR("agent")};
        assert_non_null(world->input.operation);
}

static void end(struct world *world)
{
        for (unsigned i = 0; i < POLICY_LAYERS; i++)
                policy_document_free(world->owned[i]);
        arena_done(&world->arena);
}

static void put(struct world *world, enum policy_layer layer, const char *rules)
{
        struct problems problems;
        struct str text = arena_printf(&world->arena, HEAD "%s", rules);

        problems_init(&problems, &world->arena);
        world->owned[layer] = policy_document_read(text, &problems);
        if (!world->owned[layer])
                fail_msg("%d:%d %.*s", problems.first->line, problems.first->column,
                         STR_ARG(problems.first->message));
        world->set.documents[layer][0] = world->owned[layer];
        world->set.counts[layer] = 1;
}

static void decide(struct world *world)
{
        policy_set_close(&world->set);
        policy_decide(&world->set, &world->input, &world->arena, &world->explanation, &world->decision);
}

/* Decides with these documents and compares; "require 2" and the like. */
static void expect(const char *operation, const char *const rules[POLICY_LAYERS], const char *wanted,
                   const char *rule)
{
        struct world world;
        char got[32];

        begin(&world, operation, "prd");
        for (unsigned i = 0; i < POLICY_LAYERS; i++)
                if (rules[i])
                        put(&world, (enum policy_layer)i, rules[i]);
        decide(&world);
        (void)snprintf(got, sizeof(got), "%s %u", policy_verdict_name(world.decision.verdict),
                       world.decision.decisions);
        assert_string_equal(got, wanted);
        if (!str_is(world.decision.rule, rule))
                fail_msg("%.*s decided, not %s", STR_ARG(world.decision.rule), rule);
        end(&world);
}

#define LAYERS(...) ((const char *const[POLICY_LAYERS]){__VA_ARGS__})

static void every_operation_gets_the_answer_of_the_built_in_document(void **state)
{
        static const char *const environments[] = {"test", "prd", "stage", "te", "testing", ""};

        (void)state;
        for (size_t i = 0; i < catalogue_count(); i++)
                for (size_t j = 0; j < sizeof(environments) / sizeof(environments[0]); j++) {
                        const struct catalogue_operation *operation = catalogue_at(i);
                        struct policy_input input = {.operation = operation,
                                                     .environment = str_from(environments[j])};
                        struct policy_decision decision;
                        ARENA_SCOPED arena;
                        unsigned wanted = operation->effect == EFFECT_READS     ? 0
                                          : operation->effect == EFFECT_CHANGES ? 1
                                          : j == 0                              ? 1
                                                                                : 2;

                        arena_init(&arena, 1 << 20);
                        policy_decide(policy_set_builtin(), &input, &arena, NULL, &decision);
                        assert_int_equal(decision.decisions, wanted);
                        assert_int_equal(decision.verdict, wanted ? POLICY_REQUIRE : POLICY_ALLOW);
                        assert_int_equal(decision.role_count, wanted ? 1 : 0);
                        assert_true(str_is(decision.rule,
                                           operation->effect == EFFECT_READS     ? "reads-run-at-once"
                                           : operation->effect == EFFECT_CHANGES ? "changes-need-one"
                                           : j == 0 ? "destroys-in-test-need-one"
                                                    : "destroys-need-two"));
                        assert_true(decision.reason.len > 0);
                }
}

static void the_built_in_document_has_no_mistake(void **state)
{
        struct problems problems;
        ARENA_SCOPED arena;

        (void)state;
        arena_init(&arena, 4 << 20);
        problems_init(&problems, &arena);
        policy_document_check(document_read(policy_builtin_text(), &problems), &problems);
        assert_int_equal(problems.errors, 0);
}

static void what_nothing_permits_is_denied_and_a_forbid_wins(void **state)
{
        (void)state;
        expect("container.list", LAYERS("  - {name: x, effect: permit, environments: [test]}\n"), "deny 0",
               "default-deny");
        expect("container.list",
               LAYERS(ALL "  - {name: no, effect: forbid, operations: ['docker/*.list']}\n"), "deny 0",
               "no");
        expect("container.list",
               LAYERS("  - {name: no, effect: forbid, operations: ['docker/*.list']}\n" ALL), "deny 0",
               "no");
        expect("container.list",
               LAYERS(ALL "  - {name: no, effect: forbid, when: 'environment != \"prd\"'}\n"), "allow 0",
               "all");
}

static void what_changes_never_runs_at_once(void **state)
{
        (void)state;
        expect("container.stop", LAYERS(ALL), "require 1", "changes-never-run-at-once");
        expect("container.remove", LAYERS(ALL, ALL, ALL, ALL), "require 1", "changes-never-run-at-once");
}

static void requirements_merge_to_the_strictest_of_all_layers(void **state)
{
        (void)state;
        expect("container.stop",
               LAYERS("  - {name: one, effect: require, decisions: 1}\n",
                      "  - {name: three, effect: require, decisions: 3}\n",
                      "  - {name: two, effect: require, decisions: 2}\n"),
               "require 3", "three");
        /* A lower layer that asks for fewer changes nothing. */
        expect("container.remove", LAYERS(NULL, NULL, "  - {name: one, effect: require, decisions: 1}\n"),
               "require 2", "destroys-need-two");
        /* A read can need somebody too. */
        expect("container.list",
               LAYERS(NULL, NULL, NULL, "  - {name: one, effect: require, decisions: 1}\n"), "require 1",
               "one");
        /* Of equals the first by name, wherever it stands. */
        expect("container.stop",
               LAYERS("  - {name: b, effect: require, decisions: 2}\n  - {name: a, effect: require, "
                      "decisions: 2}\n"),
               "require 2", "a");
}

static void a_layer_can_only_tighten(void **state)
{
        (void)state;
        for (unsigned lower = POLICY_TIER; lower < POLICY_LAYERS; lower++) {
                const char *rules[POLICY_LAYERS] = {"  - {name: no, effect: forbid}\n"};

                rules[lower] = ALL;
                expect("container.list", rules, "deny 0", "no");
                rules[POLICY_PLATFORM] = "  - {name: others, effect: permit, environments: [test]}\n";
                expect("container.list", rules, "deny 0", "default-deny");
                rules[POLICY_PLATFORM] = NULL;
                rules[lower] = "  - {name: others, effect: permit, environments: [test]}\n";
                expect("container.list", rules, "deny 0", "default-deny");
        }
}

static void a_condition_without_a_value_is_read_strictly(void **state)
{
        static const char *const broken = "'parameters.absent == 1'";
        char rules[256];

        (void)state;
        (void)snprintf(rules, sizeof(rules), ALL "  - {name: no, effect: forbid, when: %s}\n", broken);
        expect("container.list", LAYERS(rules), "deny 0", "no");
        (void)snprintf(rules, sizeof(rules), "  - {name: yes, effect: permit, when: %s}\n", broken);
        expect("container.list", LAYERS(rules), "deny 0", "default-deny");
        (void)snprintf(rules, sizeof(rules),
                       ALL "  - {name: four, effect: require, decisions: 4, when: %s}\n", broken);
        expect("container.list", LAYERS(rules), "require 4", "four");
        /* It asks for people, and permits nothing. */
        (void)snprintf(rules, sizeof(rules), "  - {name: four, effect: require, decisions: 4, when: %s}\n",
                       broken);
        expect("container.list", LAYERS(rules), "deny 0", "default-deny");
}

static void conditions_see_what_is_asked(void **state)
{
        static const char *const conditions[] = {
                "operation.connector == 'docker' && operation.name == 'container.stop'",
                "operation.effect == 'changes'",
                "environment == 'prd' && target == 'web'",
                "parameters.timeout_seconds == 10",
                "requester.id == 'agt_1' && requester.kind == 'agent' && requester.risk == 'high' && "
                "requester.scope == 'read_write'",
                "tenant.id == 'ten_1' && tenant.tier == 'basic'",
                "workspace.id == 'wsp_1' && workspace.labels['team'] == 'web' && workspace.data_mode == "
                "'full'",
                "time == timestamp('1970-01-01T00:00:01.5Z')",
        };
        const struct json_member team = {STR("team"), {.type = JSON_STRING, .string = STR("web")}};
        const struct json labels = {.type = JSON_OBJECT, .count = 1, .members = &team};
        const struct json_member timeout = {STR("timeout_seconds"), {.type = JSON_INT, .integer = 10}};
        const struct json parameters = {.type = JSON_OBJECT, .count = 1, .members = &timeout};

        (void)state;
        for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
                struct world world;
                char rules[512];

                begin(&world, "container.stop", "prd");
                (void)snprintf(
                        rules, sizeof(rules),
                        "  - {name: no, effect: forbid}\n  - name: seen\n    effect: permit\n    when: %s\n",
                        conditions[i]);
                put(&world, POLICY_PLATFORM, rules);
                world.input.target = STR("web");
                world.input.parameters = &parameters;
                world.input.requester_id = STR("agt_1");
                world.input.requester_risk = STR("high");
                world.input.requester_scope = STR("read_write");
                world.input.tenant = STR("ten_1");
                world.input.tier = STR("basic");
                world.input.workspace = STR("wsp_1");
                world.input.data_mode = STR("full");
                world.input.labels = &labels;
                world.input.time_ms = 1500;
                decide(&world);
                if (world.explanation.steps[1].outcome != POLICY_MATCHED)
                        fail_msg("%s: %.*s %.*s", conditions[i], STR_ARG(world.explanation.steps[1].error),
                                 STR_ARG(world.explanation.steps[1].values));
                end(&world);
        }
}

static void an_explanation_says_which_rules_and_values(void **state)
{
        struct world world;
        struct str advice;

        (void)state;
        begin(&world, "container.list", "prd");
        put(&world, POLICY_TENANT, ALL "  - {name: no, effect: forbid, when: environment == 'prd'}\n");
        decide(&world);
        assert_int_equal(world.explanation.count, policy_builtin()->rule_count + 2);
        assert_int_equal(world.explanation.verdicts[POLICY_PLATFORM], POLICY_ALLOW);
        assert_int_equal(world.explanation.verdicts[POLICY_TENANT], POLICY_DENY);
        assert_true(world.explanation.silent[POLICY_WORKSPACE]);
        assert_true(str_find_str(world.explanation.steps[world.explanation.count - 1].values,
                                 STR("environment")) >= 0);
        advice = policy_advice(&world.arena, &world.explanation, &world.decision);
        assert_true(str_find_str(advice, STR("no (tenant, a) must not apply: environment == 'prd'")) >= 0);
        end(&world);
}

static void the_digest_is_of_all_that_is_in_force(void **state)
{
        struct world one;
        char before[POLICY_DIGEST_SIZE];

        (void)state;
        begin(&one, "container.list", "prd");
        decide(&one);
        assert_string_equal(one.set.digest, policy_set_builtin()->digest);
        memcpy(before, one.set.digest, sizeof(before));
        put(&one, POLICY_WORKSPACE, ALL);
        decide(&one);
        assert_string_not_equal(one.set.digest, before);
        assert_true(str_is(one.decision.digest, one.set.digest));
        memcpy(before, one.set.digest, sizeof(before));
        /* The same document elsewhere is another policy. */
        one.set.counts[POLICY_WORKSPACE] = 0;
        one.set.documents[POLICY_TENANT][0] = one.owned[POLICY_WORKSPACE];
        one.set.counts[POLICY_TENANT] = 1;
        decide(&one);
        assert_string_not_equal(one.set.digest, before);
        end(&one);
}

/* The place and a piece of the message of the first mistake. */
static void mistake(const char *text, int line, int column, const char *wanted)
{
        struct problems problems;
        const struct node *root;
        ARENA_SCOPED arena;

        arena_init(&arena, 8 << 20);
        problems_init(&problems, &arena);
        root = document_read(str_from(text), &problems);
        assert_non_null(root);
        policy_document_check(root, &problems);
        assert_int_not_equal(problems.errors, 0);
        if (problems.first->line != line || problems.first->column != column ||
            str_find_str(problems.first->message, str_from(wanted)) < 0)
                fail_msg("%d:%d %.*s", problems.first->line, problems.first->column,
                         STR_ARG(problems.first->message));
}

static void mistakes_have_a_place_and_say_what_to_do(void **state)
{
        (void)state;
        mistake(HEAD "  - {name: a, effect: allow}\n", 4, 23, "permit forbid require");
        mistake(HEAD "  - {name: a, effect: require}\n", 4, 5, "decisions: 1");
        mistake(HEAD "  - {name: a, effect: require, decisions: 17}\n", 4, 43, "1 to 16");
        mistake(HEAD "  - {name: a, effect: require, decisions: 1, roles: [boss]}\n", 4, 54, "approver");
        mistake(HEAD "  - {name: a, effect: permit, decisions: 1}\n", 4, 31, "only a rule");
        mistake(HEAD "  - {name: a, effect: permit, operations: [docker/fly]}\n", 4, 44, "catalogue");
        mistake(HEAD ALL ALL, 5, 12, "already");
        mistake(HEAD "  - name: a\n    effect: permit\n    when: operation.efect == 'reads'\n", 6, 11,
                "the condition is wrong at 1:");
        mistake(HEAD "  - name: a\n    effect: permit\n    when: operation.effect\n", 6, 11, "bool");
        mistake(HEAD ALL
                "examples:\n  - {input: {operation: docker/nothing, environment: prd}, expect: allow}\n",
                6, 25, "catalogue");
        mistake(HEAD ALL "examples:\n  - {input: {operation: docker/container.list, environment: prd}, "
                         "expect: deny}\n",
                6, 5, "does not hold: the rule all decides, allow");
        mistake(HEAD ALL
                "examples:\n"
                "  - {input: {operation: docker/container.stop, environment: prd, target: web}, expect: "
                "require, decisions: 2}\n",
                6, 5, "require 1");
}

static void globs(void **state)
{
        (void)state;
        assert_true(policy_glob(STR("*"), STR("docker/x")));
        assert_true(policy_glob(STR("docker/*.list"), STR("docker/a.list.list")));
        assert_true(policy_glob(STR("docker/**"), STR("docker/")));
        assert_true(policy_glob(STR("prd"), STR("prd")));
        assert_false(policy_glob(STR("prd"), STR("prd2")));
        assert_false(policy_glob(STR("prd*x"), STR("prdxy")));
        assert_false(policy_glob(STR(""), STR("x")));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_operation_gets_the_answer_of_the_built_in_document),
                cmocka_unit_test(the_built_in_document_has_no_mistake),
                cmocka_unit_test(what_nothing_permits_is_denied_and_a_forbid_wins),
                cmocka_unit_test(what_changes_never_runs_at_once),
                cmocka_unit_test(requirements_merge_to_the_strictest_of_all_layers),
                cmocka_unit_test(a_layer_can_only_tighten),
                cmocka_unit_test(a_condition_without_a_value_is_read_strictly),
                cmocka_unit_test(conditions_see_what_is_asked),
                cmocka_unit_test(an_explanation_says_which_rules_and_values),
                cmocka_unit_test(the_digest_is_of_all_that_is_in_force),
                cmocka_unit_test(mistakes_have_a_place_and_say_what_to_do),
                cmocka_unit_test(globs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
