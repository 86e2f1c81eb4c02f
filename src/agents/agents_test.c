/* SPDX-License-Identifier: Apache-2.0 */
#include "agents/agents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TOOL(connector, operation, environment)                                                             \
        (struct agent_tool)                                                                                 \
        {                                                                                                   \
                STR(connector), STR(operation), STR(environment)                                            \
        }

static const struct catalogue_operation *operation(const char *name)
{
        const struct catalogue_operation *found = catalogue_find(STR("docker"), str_from(name));

        assert_non_null(found);
        return found;
}

/* ---- the scope --------------------------------------------------------------------------------------- */

static void a_scope_reaches_what_the_table_says(void **state)
{
        static const struct {
                enum agent_scope scope;
                const char *environment;
                bool reads, changes, destroys;
        } table[] = {
                {AGENT_READ_ONLY, "test", true, false, false},
                {AGENT_READ_ONLY, "prd", true, false, false},
                {AGENT_CODE_GEN, "test", true, true, false},
                {AGENT_CODE_GEN, "dev", true, true, false},
                {AGENT_CODE_GEN, "prd", true, false, false},
                {AGENT_CODE_GEN, "testing", true, false, false},
                {AGENT_READ_WRITE, "test", true, true, true},
                {AGENT_READ_WRITE, "prd", true, true, true},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                struct str environment = str_from(table[i].environment);

                assert_int_equal(agent_scope_reaches(table[i].scope, EFFECT_READS, environment),
                                 table[i].reads);
                assert_int_equal(agent_scope_reaches(table[i].scope, EFFECT_CHANGES, environment),
                                 table[i].changes);
                assert_int_equal(agent_scope_reaches(table[i].scope, EFFECT_DESTROYS, environment),
                                 table[i].destroys);
        }
}

static void the_stricter_of_profile_and_credential_holds(void **state)
{
        static const struct {
                enum agent_scope profile;
                const char *credential;
                enum agent_scope holds;
        } scopes[] = {
                {AGENT_READ_WRITE, NULL, AGENT_READ_WRITE},
                {AGENT_READ_WRITE, "read_only", AGENT_READ_ONLY},
                {AGENT_READ_WRITE, "code_gen", AGENT_CODE_GEN},
                {AGENT_READ_ONLY, "read_write", AGENT_READ_ONLY},
                {AGENT_CODE_GEN, "read_write", AGENT_CODE_GEN},
                {AGENT_CODE_GEN, "read_only", AGENT_READ_ONLY},
                {AGENT_READ_WRITE, "everything", AGENT_READ_ONLY},
        };
        static const struct {
                enum agent_risk profile;
                const char *credential;
                enum agent_risk holds;
        } risks[] = {
                {AGENT_MEDIUM, NULL, AGENT_MEDIUM},        {AGENT_MEDIUM, "low", AGENT_MEDIUM},
                {AGENT_MEDIUM, "high", AGENT_HIGH},        {AGENT_CRITICAL, "low", AGENT_CRITICAL},
                {AGENT_LOW, "unheard-of", AGENT_CRITICAL},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
                struct agent_limits limits = {.scope = scopes[i].profile};
                struct str said = scopes[i].credential ? str_from(scopes[i].credential) : STR_NULL;

                assert_int_equal(agent_reach_of(&limits, said, STR_NULL).scope, scopes[i].holds);
        }
        for (size_t i = 0; i < sizeof(risks) / sizeof(risks[0]); i++) {
                struct agent_limits limits = {.risk = risks[i].profile};
                struct str said = risks[i].credential ? str_from(risks[i].credential) : STR_NULL;

                assert_int_equal(agent_reach_of(&limits, STR_NULL, said).risk, risks[i].holds);
        }
}

/* ---- grants ------------------------------------------------------------------------------------------ */

static enum err_code ask(const struct agent_tool *tools, size_t count, enum agent_scope scope,
                         const char *name, const char *environment)
{
        struct agent_limits limits = {.scope = scope, .tools = tools, .tool_count = count};
        struct err err;

        if (agent_check_reach(&limits, agent_reach_of(&limits, STR_NULL, STR_NULL), operation(name),
                              str_from(environment), &err))
                return 0;
        return err.code;
}

static void a_grant_covers_what_it_names(void **state)
{
        const struct agent_tool one[] = {TOOL("docker", "container.stop", "test")};
        const struct agent_tool connector[] = {TOOL("docker", "*", "")};
        const struct agent_tool all[] = {TOOL("*", "*", "dev")};
        const struct agent_tool other[] = {TOOL("countersign", "*", ""),
                                           TOOL("docker", "container.list", "")};

        (void)state;
        assert_int_equal(ask(one, 1, AGENT_READ_WRITE, "container.stop", "test"), 0);
        assert_int_equal(ask(one, 1, AGENT_READ_WRITE, "container.stop", "prd"), ERR_NOT_GRANTED);
        assert_int_equal(ask(one, 1, AGENT_READ_WRITE, "container.remove", "test"), ERR_NOT_GRANTED);
        assert_int_equal(ask(connector, 1, AGENT_READ_WRITE, "container.remove", "prd"), 0);
        assert_int_equal(ask(all, 1, AGENT_READ_WRITE, "container.remove", "dev"), 0);
        assert_int_equal(ask(all, 1, AGENT_READ_WRITE, "container.remove", "test"), ERR_NOT_GRANTED);
        assert_int_equal(ask(other, 2, AGENT_READ_WRITE, "container.list", "test"), 0);
        assert_int_equal(ask(other, 2, AGENT_READ_WRITE, "container.remove", "test"), ERR_NOT_GRANTED);
        assert_int_equal(ask(NULL, 0, AGENT_READ_WRITE, "container.list", "test"), ERR_NOT_GRANTED);
}

static void a_grant_does_not_widen_the_scope(void **state)
{
        const struct agent_tool all[] = {TOOL("*", "*", "")};

        (void)state;
        assert_int_equal(ask(all, 1, AGENT_READ_ONLY, "container.list", "prd"), 0);
        assert_int_equal(ask(all, 1, AGENT_READ_ONLY, "container.stop", "test"), ERR_BEYOND_SCOPE);
        assert_int_equal(ask(all, 1, AGENT_CODE_GEN, "container.stop", "test"), 0);
        assert_int_equal(ask(all, 1, AGENT_CODE_GEN, "container.stop", "prd"), ERR_BEYOND_SCOPE);
        assert_int_equal(ask(all, 1, AGENT_CODE_GEN, "container.remove", "test"), ERR_BEYOND_SCOPE);
        /* Who has no grant is not told of the scope. */
        assert_int_equal(ask(NULL, 0, AGENT_READ_ONLY, "container.remove", "test"), ERR_NOT_GRANTED);
}

static void a_tool_is_held_against_the_catalogue(void **state)
{
        static const struct {
                const char *connector, *operation, *place; /* NULL: it is fine */
        } cases[] = {
                {"*", "*", NULL},
                {"docker", "*", NULL},
                {"docker", "container.list", NULL},
                {"*", "container.list", "/operation"},
                {"docker", "container.fly", "/operation"},
                {"dockers", "*", "/connector"},
                {"", "*", "/connector"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct agent_tool tool = {str_from(cases[i].connector), str_from(cases[i].operation),
                                          STR("")};
                struct err err;

                assert_int_equal(agent_tool_check(&tool, &err), cases[i].place == NULL);
                if (cases[i].place)
                        assert_string_equal(err.place, cases[i].place);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_scope_reaches_what_the_table_says),
                cmocka_unit_test(the_stricter_of_profile_and_credential_holds),
                cmocka_unit_test(a_grant_covers_what_it_names),
                cmocka_unit_test(a_grant_does_not_widen_the_scope),
                cmocka_unit_test(a_tool_is_held_against_the_catalogue),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
