/* SPDX-License-Identifier: Apache-2.0 */
#include "agents/agents.h"

#include "agents/agents_sql.h"
#include "base/id.h"

static const char *const scope_names[] = {
        [AGENT_READ_ONLY] = "read_only",
        [AGENT_CODE_GEN] = "code_gen",
        [AGENT_READ_WRITE] = "read_write",
};
static const char *const risk_names[] = {
        [AGENT_LOW] = "low",
        [AGENT_MEDIUM] = "medium",
        [AGENT_HIGH] = "high",
        [AGENT_CRITICAL] = "critical",
};
static const struct agent_tool everything = {{"*", 1}, {"*", 1}, {"", 0}};

/* ---- words --------------------------------------------------------------------------------------- */

const char *agent_scope_name(enum agent_scope scope)
{
        return scope_names[scope];
}

bool agent_scope_from(struct str name, enum agent_scope *ret)
{
        for (unsigned i = AGENT_READ_ONLY; i <= AGENT_READ_WRITE; i++)
                if (str_is(name, scope_names[i])) {
                        *ret = (enum agent_scope)i;
                        return true;
                }
        return false;
}

const char *agent_risk_name(enum agent_risk risk)
{
        return risk_names[risk];
}

bool agent_risk_from(struct str name, enum agent_risk *ret)
{
        for (unsigned i = AGENT_LOW; i <= AGENT_CRITICAL; i++)
                if (str_is(name, risk_names[i])) {
                        *ret = (enum agent_risk)i;
                        return true;
                }
        return false;
}

/* ---- asking -------------------------------------------------------------------------------------- */

bool agent_scope_reaches(enum agent_scope scope, enum effect effect, struct str environment)
{
        switch (scope) {
        case AGENT_READ_ONLY:
                return effect == EFFECT_READS;
        case AGENT_CODE_GEN:
                return effect == EFFECT_READS || (effect == EFFECT_CHANGES && (str_is(environment, "test") ||
                                                                               str_is(environment, "dev")));
        case AGENT_READ_WRITE:
                return true;
        }
        return false;
}

struct agent_reach agent_reach_of(const struct agent_limits *limits, struct str credential_scope,
                                  struct str credential_risk)
{
        struct agent_reach reach = {limits->scope, limits->risk};
        enum agent_scope scope = AGENT_READ_ONLY;
        enum agent_risk risk = AGENT_CRITICAL;

        if (credential_scope.ptr && (!agent_scope_from(credential_scope, &scope) || scope < reach.scope))
                reach.scope = scope;
        if (credential_risk.ptr && (!agent_risk_from(credential_risk, &risk) || risk > reach.risk))
                reach.risk = risk;
        return reach;
}

static bool covers(const struct agent_tool *tool, const struct catalogue_operation *operation,
                   struct str environment)
{
        return (str_is(tool->connector, "*") || str_is(tool->connector, operation->connector)) &&
               (str_is(tool->operation, "*") || str_is(tool->operation, operation->name)) &&
               (tool->environment.len == 0 || str_eq(tool->environment, environment));
}

bool agent_check_reach(const struct agent_limits *limits, struct agent_reach reach,
                       const struct catalogue_operation *operation, struct str environment, struct err *err)
{
        bool granted = false;

        for (size_t i = 0; i < limits->tool_count && !granted; i++)
                granted = covers(&limits->tools[i], operation, environment);
        if (!granted)
                return err_set(err, ERR_NOT_GRANTED, "the agent has no grant of %s %s in %.*s",
                               operation->connector, operation->name, STR_ARG(environment));
        if (agent_scope_reaches(reach.scope, operation->effect, environment))
                return true;
        return err_set(
                err, ERR_BEYOND_SCOPE, "%s %s %s, and the agent's scope is %s%s", operation->connector,
                operation->name, effect_name(operation->effect), agent_scope_name(reach.scope),
                reach.scope == AGENT_CODE_GEN ? ": changes in test and dev only, and nothing that destroys"
                                              : "");
}

/* ---- reading ------------------------------------------------------------------------------------- */

static bool read_tools(struct tx *tx, struct str principal, struct arena *arena, struct agent_limits *limits,
                       struct err *err)
{
        struct sql_agent_grant_count_row count;
        struct agent_tool *tools;
        SQL_SCOPED(agent_grant_standing) c = {0};
        struct sql_agent_grant_standing_row row;
        size_t room;
        bool has;

        if (!sql_agent_grant_count(tx, principal, &count, &has, err))
                return false;
        room = has && count.standing <= AGENT_GRANTS_MAX ? (size_t)count.standing : AGENT_GRANTS_MAX;
        tools = ARENA_ARRAY(arena, struct agent_tool, room > 0 ? room : 1);
        if (!tools)
                return arena_check(arena, err);
        if (!sql_agent_grant_standing_open(tx, principal, AGENT_GRANTS_MAX, &c, err))
                return false;
        while (limits->tool_count < room) {
                if (!sql_agent_grant_standing_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                tools[limits->tool_count++] =
                        (struct agent_tool){arena_str(arena, row.connector), arena_str(arena, row.operation),
                                            arena_str(arena, row.environment)};
        }
        limits->tools = tools;
        return arena_check(arena, err);
}

bool agent_limits_load(struct tx *tx, struct str principal, struct arena *arena,
                       const struct agent_limits **ret, struct err *err)
{
        struct agent_limits *limits = ARENA_NEW(arena, struct agent_limits);
        struct sql_agent_profile_get_row row;
        bool found;

        *ret = NULL;
        if (!limits)
                return arena_check(arena, err);
        if (!sql_agent_profile_get(tx, principal, &row, &found, err))
                return false;
        if (!found)
                return true;
        if (!agent_scope_from(row.scope, &limits->scope) || !agent_risk_from(row.risk, &limits->risk))
                return err_set(err, ERR_INTERNAL, "agent %.*s has the scope \"%.*s\" and the risk \"%.*s\"",
                               STR_ARG(principal), STR_ARG(row.scope), STR_ARG(row.risk));
        if (!read_tools(tx, principal, arena, limits, err))
                return false;
        *ret = limits;
        return true;
}

/* ---- writing ------------------------------------------------------------------------------------- */

bool agent_tool_check(const struct agent_tool *tool, struct err *err)
{
        bool any = str_is(tool->connector, "*");
        bool all = str_is(tool->operation, "*");
        bool known = any;

        if (any && !all)
                return err_set_at(err, ERR_BAD_FIELD, "/operation",
                                  "of all connectors everything is granted: the operation must be \"*\"");
        for (size_t i = 0; i < catalogue_count() && !known; i++)
                known = str_is(tool->connector, catalogue_at(i)->connector);
        if (!known)
                return err_set_at(err, ERR_BAD_FIELD, "/connector",
                                  "there is no connector \"%.*s\"; `catalogue` lists all",
                                  STR_ARG(tool->connector));
        return all || catalogue_find(tool->connector, tool->operation) ||
               err_set_at(err, ERR_BAD_FIELD, "/operation",
                          "the connector \"%.*s\" has no operation \"%.*s\"; `catalogue` lists all",
                          STR_ARG(tool->connector), STR_ARG(tool->operation));
}

bool agent_tool_list_add(struct arena *arena, struct agent_tool_list *list, struct str connector,
                         struct str operation, const struct str *environments, size_t environment_count,
                         struct err *err)
{
        size_t count = environment_count > 0 ? environment_count : 1;

        if (!list->items)
                list->items = ARENA_ARRAY(arena, struct agent_tool, AGENT_GRANTS_MAX);
        if (!list->items)
                return arena_check(arena, err);
        if (list->count + count > AGENT_GRANTS_MAX)
                return err_set(err, ERR_LIMIT_REACHED, "an agent has at most %d grants", AGENT_GRANTS_MAX);
        for (size_t i = 0; i < count; i++) {
                struct agent_tool *tool = &list->items[list->count++];

                *tool = (struct agent_tool){connector, operation,
                                            environment_count > 0 ? environments[i] : STR("")};
                if (!agent_tool_check(tool, err))
                        return false;
        }
        return true;
}

bool agent_grant(struct tx *tx, struct str principal, const struct agent_tool *tool, struct str granted_by,
                 int64_t now_ms, struct str *ret_id, struct err *err)
{
        struct sql_agent_grant_count_row count;
        struct id id = id_new("gnt");
        bool found;

        if (!agent_tool_check(tool, err) || !sql_agent_grant_count(tx, principal, &count, &found, err))
                return false;
        if (found && count.standing >= AGENT_GRANTS_MAX)
                return err_set(err, ERR_LIMIT_REACHED, "an agent has at most %d grants", AGENT_GRANTS_MAX);
        *ret_id = arena_str(tx_arena(tx), id_str(&id));
        return sql_agent_grant_insert(tx,
                                      &(struct sql_agent_grant_insert_in){.id = id_str(&id),
                                                                          .principal_id = principal,
                                                                          .connector = tool->connector,
                                                                          .operation = tool->operation,
                                                                          .environment = tool->environment,
                                                                          .granted_by = granted_by,
                                                                          .now = now_ms},
                                      err) &&
               arena_check(tx_arena(tx), err);
}

bool agent_profile_create(struct tx *tx, struct str principal, const struct agent_limits *limits,
                          struct str granted_by, int64_t now_ms, struct err *err)
{
        static const struct agent_limits usual = {AGENT_READ_WRITE, AGENT_MEDIUM, &everything, 1};
        const struct agent_limits *made = limits ? limits : &usual;
        struct str id;

        if (!sql_agent_profile_insert(tx, principal, str_from(agent_scope_name(made->scope)),
                                      str_from(agent_risk_name(made->risk)), now_ms, err))
                return false;
        for (size_t i = 0; i < made->tool_count; i++)
                if (!agent_grant(tx, principal, &made->tools[i], granted_by, now_ms, &id, err))
                        return false;
        return true;
}
