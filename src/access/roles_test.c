/* SPDX-License-Identifier: Apache-2.0 */
#include "access/roles.h"

#include "api/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct err err;

/* ---- roles ------------------------------------------------------------------------------------- */

static void kinds_and_roles_go_together(void **state)
{
        static const struct {
                enum principal_kind kind;
                uint32_t roles;
                bool allowed;
        } cases[] = {
                {PRINCIPAL_USER, ROLE_BIT(ROLE_ADMINISTRATOR) | ROLE_BIT(ROLE_APPROVER), true},
                {PRINCIPAL_USER, 0, true},
                {PRINCIPAL_USER, ROLE_BIT(ROLE_AGENT), false},
                {PRINCIPAL_USER, ROLE_BIT(ROLE_EXECUTOR), false},
                {PRINCIPAL_AGENT, ROLE_BIT(ROLE_AGENT), true},
                {PRINCIPAL_AGENT, ROLE_BIT(ROLE_AGENT) | ROLE_BIT(ROLE_APPROVER), false},
                {PRINCIPAL_SERVICE, ROLE_BIT(ROLE_OPERATOR), true},
                {PRINCIPAL_SERVICE, ROLE_BIT(ROLE_APPROVER), false},
                {PRINCIPAL_EXECUTOR, ROLE_BIT(ROLE_EXECUTOR), true},
                {PRINCIPAL_EXECUTOR, ROLE_BIT(ROLE_EXECUTOR) | ROLE_BIT(ROLE_OPERATOR), false},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_int_equal(identity_roles_check(cases[i].kind, cases[i].roles, &err),
                                 cases[i].allowed);
}

static void nobody_may_nothing(void **state)
{
        struct principal nobody = {.kind = PRINCIPAL_NOBODY};
        struct principal agent = {.kind = PRINCIPAL_AGENT,
                                  .permissions = roles_permissions(ROLE_BIT(ROLE_AGENT), false)};

        (void)state;
        assert_true(identity_authorize(&nobody, API_PERMISSION_NONE, &err));
        assert_false(identity_authorize(&nobody, API_PERMISSION_AUTHENTICATED, &err));
        assert_int_equal(err.code, ERR_UNAUTHENTICATED);
        assert_false(identity_authorize(&nobody, PERMISSION_ACTION_READ, &err));
        assert_int_equal(err.code, ERR_UNAUTHENTICATED);
        assert_true(identity_authorize(&agent, API_PERMISSION_AUTHENTICATED, &err));
        assert_true(identity_authorize(&agent, PERMISSION_ACTION_SUBMIT, &err));
        assert_false(identity_authorize(&agent, PERMISSION_ACTION_DECIDE, &err));
        assert_int_equal(err.code, ERR_FORBIDDEN);
        assert_non_null(strstr(err.message, "action.decide"));
}

static void a_role_has_one_name_in_any_spelling(void **state)
{
        static const struct {
                const char *text;
                enum role role;
        } table[] = {
                {"workspace-admin", ROLE_WORKSPACE_ADMIN},
                {"WorkspaceAdmin", ROLE_WORKSPACE_ADMIN},
                {"workspaceadmin", ROLE_WORKSPACE_ADMIN},
                {"Operator", ROLE_OPERATOR},
                {"IntegrationAdmin", ROLE_INTEGRATION_ADMIN},
                {"admin", ROLE_ADMIN},
                {"administrator", ROLE_ADMINISTRATOR},
                {"AUDITOR", ROLE_AUDITOR},
                {"workspace-admin ", ROLE_COUNT},
                {"admi", ROLE_COUNT},
                {"adminn", ROLE_COUNT},
                {"", ROLE_COUNT},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                enum role role = ROLE_COUNT;
                bool found = role_from(str_from(table[i].text), &role);

                assert_int_equal(found, table[i].role != ROLE_COUNT);
                if (found)
                        assert_int_equal(role, table[i].role);
        }
        for (unsigned i = 0; i < ROLE_COUNT; i++) {
                enum role role;

                assert_true(role_from(str_from(role_name((enum role)i)), &role));
                assert_int_equal(role, i);
        }
}

static void an_auditor_never_writes(void **state)
{
        struct permission_set may = roles_permissions(ROLE_BIT(ROLE_AUDITOR), true);

        (void)state;
        for (unsigned p = 0; p < PERMISSION_COUNT; p++)
                if (permission_set_has(&may, p))
                        assert_false(permission_writes((enum permission)p));
}

static void what_an_agent_may_do_to_its_own(void **state)
{
        struct permission_set own = roles_owner_permissions(ROLE_BIT(ROLE_AGENT));

        (void)state;
        assert_true(permission_set_has(&own, PERMISSION_ACTION_CANCEL));
        assert_false(permission_set_has(&own, PERMISSION_ACTION_DECIDE));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(kinds_and_roles_go_together),
                cmocka_unit_test(nobody_may_nothing),
                cmocka_unit_test(a_role_has_one_name_in_any_spelling),
                cmocka_unit_test(an_auditor_never_writes),
                cmocka_unit_test(what_an_agent_may_do_to_its_own),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
