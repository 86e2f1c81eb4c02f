/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/submit_agent.h"

#include "access/access.h"
#include "api/services.h"
#include "approvals/entry.h"
#include "base/clock.h"
#include "base/heap.h"
#include "identity/identity.h"
#include "log/log.h"

static bool is_agent(const struct request *req)
{
        return req->principal.kind == PRINCIPAL_AGENT;
}

/* `limits` NULL: it is disabled, or gone. */
static bool check_limits(const struct request *req, struct agent_ask *ask, const struct agent_limits *limits,
                         struct err *err)
{
        if (!limits)
                return err_set(err, ERR_FORBIDDEN, "the agent is disabled");
        ask->reach = agent_reach_of(limits, req->principal.agent_scope, req->principal.risk_tier);
        return agent_check_reach(limits, ask->reach, ask->operation, ask->environment, err);
}

bool agent_ask_check(struct request *req, struct agent_ask *ask, struct err *err)
{
        if (!is_agent(req))
                return true;
        if (!req->access)
                return err_set(err, ERR_INTERNAL, "the request has no rules");
        request_log_detail(req, "connector", str_from(ask->operation->connector));
        request_log_detail(req, "operation", str_from(ask->operation->name));
        request_log_detail(req, "environment", ask->environment);
        if (!check_limits(req, ask, access_rules_agent(req->access->rules), err))
                return false;
        request_log_detail(req, "agent_scope", str_from(agent_scope_name(ask->reach.scope)));
        request_log_detail(req, "risk", str_from(agent_risk_name(ask->reach.risk)));
        return true;
}

struct again {
        struct request *req;
        struct agent_ask *ask;
        bool ok;
        struct err *err;
};

/* On a thread. */
static void again_blocking(void *arg)
{
        _cleanup_(access_rules_releasep) struct access_rules *rules = NULL;
        struct again *again = arg;
        struct request *req = again->req;
        struct cell_ref home = {.tenant = req->tenant, .region = req->principal.region};

        again->ok = access_rules_get(req->services->access, &home, id_str(&req->principal.id), &rules,
                                     again->err) &&
                    check_limits(req, again->ask, access_rules_agent(rules), again->err);
}

/* Whether agents' rules stand in the cell that is written to. */
static bool is_home(const struct request *req)
{
        return str_eq(req->region, req->principal.region);
}

FIBER_FN bool agent_ask_check_again(struct request *req, struct agent_ask *ask, struct err *err)
{
        _cleanup_(access_rules_releasep) struct access_rules *rules = NULL;
        struct again again = {.req = req, .ask = ask, .err = err};

        if (!is_agent(req) || is_home(req))
                return true;
        rules = access_rules_quick(req->services->access, id_str(&req->principal.id));
        if (rules)
                return check_limits(req, ask, access_rules_agent(rules), err);
        fiber_offload(again_blocking, &again);
        return again.ok;
}

bool agent_ask_check_in_tx(struct request *req, struct agent_ask *ask, struct err *err)
{
        const struct agent_limits *limits;
        bool stands;

        if (!is_agent(req) || !is_home(req))
                return true;
        if (!identity_still_stands(req->tx, &req->principal, clock_now_ms(), &stands, err))
                return false;
        if (!stands)
                return err_set(err, ERR_UNAUTHENTICATED, "the credential is not valid any more");
        return agent_limits_load(req->tx, id_str(&req->principal.id), req->arena, &limits, err) &&
               check_limits(req, ask, limits, err);
}

bool agent_ask_log_intent(struct request *req, const struct agent_ask *ask, const struct action *action,
                          bool denied, struct err *err)
{
        const struct log_resource resource = {"action", action->row.id};
        const struct log_detail details[] = {
                {"connector", action->row.connector},
                {"operation", action->row.operation},
                {"environment", action->row.environment},
                {"effect", str_from(effect_name(ask->operation->effect))},
                {"digest", action->row.digest},
                {"agent_scope", str_from(agent_scope_name(ask->reach.scope))},
                {"risk", str_from(agent_risk_name(ask->reach.risk))},
        };
        const struct log_event event = {
                .time_ms = req->now_ms,
                .activity = LOG_OTHER,
                .denied = denied,
                .operation = STR("agent.write_intent"),
                .code = denied ? str_from(err_name(ERR_POLICY_DENIED)) : STR(""),
                .actor = LOG_AGENT,
                .actor_id = id_str(&req->principal.id),
                .credential_id = id_str(&req->principal.credential),
                .workspace = req->workspace,
                .source = STR("api"),
                .request_id = id_str(&req->id),
                .resources = &resource,
                .resource_count = 1,
                .details = details,
                .detail_count = sizeof(details) / sizeof(details[0]),
        };
        struct log_position position;

        if (!is_agent(req) || ask->operation->effect == EFFECT_READS)
                return true;
        return log_append(req->tx, &event, &position, err) &&
               approvals_note_entry(req->tx, action->row.id, &position, err);
}
