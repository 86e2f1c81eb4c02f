/* SPDX-License-Identifier: Apache-2.0 */
/* The fixed roles, and what each allows. */
#include "identity/identity.h"

#include "api/route.h"
#include "api/api_permissions.h"

static const char *const names[] = {
        [ROLE_ADMINISTRATOR] = "administrator",
        [ROLE_OPERATOR] = "operator",
        [ROLE_APPROVER] = "approver",
        [ROLE_AUDITOR] = "auditor",
        [ROLE_AGENT] = "agent",
        [ROLE_EXECUTOR] = "executor",
};

#define BIT(name) PERMISSION_BIT(PERMISSION_##name)

/* What people need to find their way around. */
#define LOOK                                                                                                \
        (BIT(TENANT_READ) | BIT(PRINCIPAL_READ) | BIT(ROSTER_READ) | BIT(ACTION_READ) |                     \
         BIT(EXECUTOR_READ) | BIT(EVENT_READ))

static const uint64_t permissions[] = {
        [ROLE_ADMINISTRATOR] = LOOK | BIT(PRINCIPAL_MANAGE) | BIT(KEY_MANAGE) | BIT(ROSTER_CHANGE) |
                               BIT(ACTION_SUBMIT) | BIT(ACTION_CANCEL) | BIT(EXECUTOR_MANAGE) |
                               BIT(LOG_READ),
        [ROLE_OPERATOR] = LOOK | BIT(ACTION_SUBMIT) | BIT(ACTION_CANCEL),
        [ROLE_APPROVER] = LOOK | BIT(ACTION_DECIDE),
        [ROLE_AUDITOR] = LOOK | BIT(LOG_READ),
        /* An agent sees actions, and may withdraw its own. */
        [ROLE_AGENT] = BIT(ACTION_READ) | BIT(ACTION_SUBMIT) | BIT(ACTION_CANCEL) | BIT(EVENT_READ),
        /* The roster, since executors check signatures themselves. */
        [ROLE_EXECUTOR] = BIT(WORK_TAKE) | BIT(ROSTER_READ),
};

const char *role_name(enum role role)
{
        return names[role];
}

bool role_from(struct str name, enum role *ret)
{
        for (unsigned i = 0; i < ROLE_COUNT; i++)
                if (str_is(name, names[i])) {
                        *ret = (enum role)i;
                        return true;
                }
        return false;
}

uint64_t roles_permissions(uint32_t roles, bool platform)
{
        uint64_t all = 0;

        for (unsigned i = 0; i < ROLE_COUNT; i++)
                if (roles & ROLE_BIT(i))
                        all |= permissions[i];
        if (platform && (roles & ROLE_BIT(ROLE_ADMINISTRATOR)))
                all |= BIT(TENANT_LIST) | BIT(TENANT_CREATE);
        return all;
}

bool identity_authorize(const struct principal *principal, int permission, struct err *err)
{
        if (permission == API_PERMISSION_NONE)
                return true;
        if (principal->kind == PRINCIPAL_NOBODY)
                return err_set(err, ERR_UNAUTHENTICATED, "this needs a credential");
        if (permission < 0 || principal_may(principal, (unsigned)permission))
                return true;
        return err_set(err, ERR_FORBIDDEN, "this needs the permission %s",
                       permission_name((enum permission)permission));
}

bool identity_roles_check(enum principal_kind kind, uint32_t roles, struct err *err)
{
        uint32_t agent = ROLE_BIT(ROLE_AGENT);
        uint32_t executor = ROLE_BIT(ROLE_EXECUTOR);

        if (roles == 0)
                return err_set_at(err, ERR_BAD_FIELD, "/roles", "at least one role is needed");
        if (kind == PRINCIPAL_EXECUTOR ? roles != executor : (roles & executor) != 0)
                return err_set_at(err, ERR_BAD_FIELD, "/roles",
                                  "executors are made by enrolment and have the role executor only");
        if (kind == PRINCIPAL_AGENT ? roles != agent : (roles & agent) != 0)
                return err_set_at(err, ERR_BAD_FIELD, "/roles",
                                  "agents have the role agent, and nobody else has it");
        if (kind == PRINCIPAL_SERVICE && (roles & ROLE_BIT(ROLE_APPROVER)))
                return err_set_at(err, ERR_BAD_FIELD, "/roles", "only people approve");
        return true;
}
