/* SPDX-License-Identifier: Apache-2.0 */
/* Asking for an action: checked, resolved, judged by the policy, frozen, recorded. */
#include "api/api_handlers.h"
#include "api/services.h"
#include "approvals/actions_api.h"
#include "approvals/control.h"
#include "approvals/submit_agent.h"
#include "approvals/work.h"
#include "base/base64.h"
#include "base/clock.h"
#include "policy/policies.h"

#define EXPIRES_DEFAULT_MS (INT64_C(3600) * 1000)
#define EXPIRES_MAX_MS (INT64_C(24) * 3600 * 1000)

struct submit {
        const struct api_action_submit *body;
        const struct catalogue_operation *operation;
        struct json parameters;
        struct json facts; /* an object; no members where there is no target */
        int64_t lasts_ms;
        struct agent_ask agent;
        struct policy_decision decision;
        struct statement statement;
        struct action_new action;
        struct api_action *out;
};

static bool check_lasts(struct submit *submit, struct err *err)
{
        submit->lasts_ms = EXPIRES_DEFAULT_MS;
        if (!submit->body->expires_in.ptr)
                return true;
        if (!duration_parse(submit->body->expires_in, &submit->lasts_ms) || submit->lasts_ms < 1000 ||
            submit->lasts_ms > EXPIRES_MAX_MS)
                return err_set_at(err, ERR_BAD_FIELD, "/expires_in", "it must be 1s to 24h");
        return true;
}

static bool check_body(struct request *req, struct submit *submit, struct err *err)
{
        const struct api_action_submit *body = submit->body;

        submit->operation = catalogue_find(body->connector, body->operation);
        if (!submit->operation)
                return err_set_at(err, ERR_BAD_FIELD, "/operation",
                                  "the connector \"%.*s\" has no operation \"%.*s\"; `catalogue` lists all",
                                  STR_ARG(body->connector), STR_ARG(body->operation));
        return control_check_place(body->connector, body->environment, err) &&
               target_check(submit->operation->target, body->target, err) &&
               catalogue_parameters_fill(req->arena, submit->operation, body->parameters.value,
                                         &submit->parameters, err) &&
               check_lasts(submit, err);
}

static FIBER_FN bool judge(struct request *req, struct submit *submit, struct err *err)
{
        struct policy_force *force;
        struct policy_input input;

        if (!policies_of_request(req, &force, err))
                return false;
        if (!policies_input(req, force, &input, err)) {
                policy_force_release(force);
                return false;
        }
        input.environment = submit->body->environment;
        input.operation = submit->operation;
        input.target = submit->body->target;
        input.parameters = &submit->parameters;
        if (req->principal.kind == PRINCIPAL_AGENT) {
                input.requester_scope = str_from(agent_scope_name(submit->agent.reach.scope));
                input.requester_risk = str_from(agent_risk_name(submit->agent.reach.risk));
        }
        policy_decide(&force->set, &input, req->arena, NULL, &submit->decision);
        policy_decision_keep(req->arena, &submit->decision);
        policy_force_release(force);
        return arena_check(req->arena, err);
}

/* What the target stands for now, so that it cannot stand for something else later. */
static FIBER_FN bool resolve(struct request *req, struct submit *submit, struct err *err)
{
        struct work_question question = {
                .place = {.workspace = req->workspace, .environment = submit->body->environment},
                .operation = submit->operation,
                .target = submit->body->target,
                .parameters = &submit->parameters,
        };
        struct json_member *member;
        struct str id;

        submit->facts = (struct json){.type = JSON_OBJECT};
        if (submit->operation->target == TARGET_NONE || submit->decision.verdict == POLICY_DENY)
                return true;
        if (str_is(submit->body->connector, CONTROL_CONNECTOR))
                return control_resolve(req, submit->operation, submit->body->target, &submit->parameters,
                                       &submit->facts, err);
        if (!target_is_full_id(req->arena, submit->operation->target, submit->body->target, &id))
                return work_resolve(req, &question, &submit->facts, err);
        member = ARENA_NEW(req->arena, struct json_member);
        if (!member)
                return arena_check(req->arena, err);
        *member = (struct json_member){.key = STR("id"), .value = {.type = JSON_STRING, .string = id}};
        submit->facts.count = 1;
        submit->facts.members = member;
        return true;
}

/* What decided, and where it stands: "three-agree (tenant house@1.0.0)". */
static struct str full_rule(struct arena *arena, const struct policy_decision *decision)
{
        return decision->where.len == 0 ? decision->rule
                                        : arena_printf(arena, "%.*s (%.*s)", STR_ARG(decision->rule),
                                                       STR_ARG(decision->where));
}

static void fill_policy(struct request *req, struct submit *submit, struct statement *statement)
{
        const struct policy_decision *decision = &submit->decision;

        statement->rule = full_rule(req->arena, decision);
        statement->policy = decision->digest;
        statement->decisions = decision->decisions;
        statement->role_count = decision->role_count;
        for (unsigned i = 0; i < decision->role_count; i++)
                statement->roles[i] = decision->roles[i];
}

static void fill_target(struct submit *submit, struct statement *statement)
{
        statement->has_target = submit->operation->target != TARGET_NONE;
        statement->target_name = submit->body->target;
        for (uint32_t i = 0; i < submit->facts.count && i < STATEMENT_FACTS_MAX; i++)
                statement->facts[statement->fact_count++] = (struct statement_fact){
                        submit->facts.members[i].key, submit->facts.members[i].value.string};
}

static bool freeze(struct request *req, struct submit *submit, struct err *err)
{
        uint8_t nonce[STATEMENT_NONCE_BYTES];
        struct id id = id_new("act");
        struct statement *statement = &submit->statement;
        const struct catalogue_operation *operation;

        random_bytes(nonce, sizeof(nonce));
        *statement = (struct statement){
                .action = arena_str(req->arena, id_str(&id)),
                .tenant = req->tenant,
                .workspace = req->workspace,
                .environment = submit->body->environment,
                .connector = submit->body->connector,
                .operation = submit->body->operation,
                .effect = submit->operation->effect,
                .parameters = submit->parameters,
                .requester_id = id_str(&req->principal.id),
                .requester_kind = str_from(principal_kind_name(req->principal.kind)),
                .requester_name = req->principal.name,
                .nonce = base64url_encode(req->arena, str_make(nonce, sizeof(nonce))),
                .created_ms = clock_now_ms(),
        };
        statement->expires_ms = statement->created_ms + submit->lasts_ms;
        fill_target(submit, statement);
        fill_policy(req, submit, statement);
        if (!statement_build(req->arena, statement, &submit->action.bytes, err))
                return false;
        /* What every executor would refuse is not put before anybody. */
        if (submit->decision.verdict != POLICY_DENY && !statement_check(statement, &operation, err)) {
                err->code = ERR_INTERNAL;
                return err_prefix(err, "the statement that was built");
        }
        submit->action.statement = statement;
        submit->action.digest = statement_digest(req->arena, submit->action.bytes);
        submit->action.denied = submit->decision.verdict == POLICY_DENY;
        submit->action.task_name = submit->body->task_name;
        submit->action.instruction = submit->body->instruction;
        return arena_check(req->arena, err);
}

static bool record(struct request *req, void *arg, struct err *err)
{
        struct submit *submit = arg;
        struct action action;

        if (!agent_ask_check_in_tx(req, &submit->agent, err) ||
            !approvals_submit(req->tx, &submit->action, &action, err) ||
            !agent_ask_log_intent(req, &submit->agent, &action, submit->action.denied, err))
                return false;
        if (req->principal.kind != PRINCIPAL_AGENT)
                request_log_detail(req, "operation", submit->statement.operation);
        request_log_detail(req, "rule", submit->statement.rule);
        request_log_detail(req, "reason", submit->decision.reason);
        action_changed(req, &action, "action.submitted");
        return action_to_api(req, &action, submit->out, err);
}

FIBER_FN bool action_submit(struct request *req, const struct api_action_submit_in *in,
                            struct api_action *out, struct err *err)
{
        struct cell_ref cell = {.tenant = req->tenant, .region = req->region};
        struct submit submit = {.body = &in->body, .out = out};

        if (!check_body(req, &submit, err))
                return false;
        if (req->deletion_only && !str_is(in->body.connector, CONTROL_CONNECTOR))
                return err_set(err, ERR_CONFLICT,
                               "the tenant is archived: it can be read, and its deletion asked for");
        submit.agent =
                (struct agent_ask){.operation = submit.operation, .environment = in->body.environment};
        if (!agent_ask_check(req, &submit.agent, err))
                return false;
        if (!judge(req, &submit, err))
                return false;
        if (!resolve(req, &submit, err) || !freeze(req, &submit, err))
                return false;
        if (!submit.action.denied &&
            !work_expect(req->services->work, &cell, submit.statement.expires_ms, err))
                return false;
        if (!agent_ask_check_again(req, &submit.agent, err) || !request_write(req, record, &submit, err))
                return false;
        if (!submit.action.denied)
                work_expect_again(req->services->work, &cell, submit.statement.expires_ms);
        return true;
}
