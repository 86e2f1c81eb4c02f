/* SPDX-License-Identifier: Apache-2.0 */
/* Why somebody may or may not: the rules that matched, what they saw, what would have to change. */
#include "access/ask.h"
#include "access/bindings.h"
#include "access/rules_private.h"
#include "api/api_handlers.h"
#include "api/route.h"
#include "api/services.h"

enum { SCRATCH_BYTES = 1 << 20, VALUES_BYTES = 16 * 1024, CHANGES_MAX = 64, RULES_SHOWN_MAX = 200 };

struct explaining {
        struct request *req;
        struct access_ask *ask;
        struct api_access_rule_explained *rules;
        size_t rule_count;
        struct str *changes;
        size_t change_count;
};

static void change(struct explaining *x, struct str text)
{
        if (x->change_count < CHANGES_MAX)
                x->changes[x->change_count++] = text;
}

/* ---- one rule -------------------------------------------------------------------------------------- */

static enum api_access_rule_explained_outcome run(struct explaining *x, const struct access_rule *rule,
                                                  struct str *ret_values)
{
        struct arena *arena = x->req->arena;
        ARENA_SCOPED scratch;
        BUF_SCOPED buf;
        struct cel_trace *trace;
        enum condition_outcome outcome;
        struct err why;

        arena_init(&scratch, SCRATCH_BYTES);
        buf_init(&buf, VALUES_BYTES);
        trace = cel_trace_new(&scratch, rule->condition);
        err_clear(&why);
        outcome = condition_evaluate(access_env(x->req->services->access), rule->condition, rule->late,
                                     &x->ask->facts, &scratch, trace, &why);
        if (trace)
                cel_trace_append(&buf, trace);
        if (outcome == CONDITION_FAILED)
                buf_printf(&buf, "%s", why.message);
        *ret_values = arena_str(arena, buf_str(&buf));
        switch (outcome) {
        case CONDITION_TRUE:
                return API_ACCESS_RULE_EXPLAINED_OUTCOME_HOLDS;
        case CONDITION_FALSE:
                return API_ACCESS_RULE_EXPLAINED_OUTCOME_DOES_NOT_HOLD;
        case CONDITION_FAILED:
        case CONDITION_UNKNOWN:
                break;
        }
        return API_ACCESS_RULE_EXPLAINED_OUTCOME_FAILED;
}

static bool is_owner(const struct access_ask *ask)
{
        return ask->facts.resource_owner.len > 0 &&
               str_eq(ask->facts.resource_owner, access_rules_principal(ask->rules));
}

/* What would have to be otherwise for this rule to count, or not to. */
static void rule_changes(struct explaining *x, const struct access_rule *rule,
                         const struct api_access_rule_explained *row)
{
        struct arena *arena = x->req->arena;
        bool allowed = x->ask->answer.verdict == ACCESS_ALLOW;
        bool counts = row->outcome == API_ACCESS_RULE_EXPLAINED_OUTCOME_ALWAYS ||
                      row->outcome == API_ACCESS_RULE_EXPLAINED_OUTCOME_HOLDS;
        const char *id = rule->binding.text;

        if (rule->forbid && row->decided)
                change(x, row->condition.ptr
                                  ? arena_printf(arena,
                                                 "the condition of the ban %s would have to be false: %.*s",
                                                 id, STR_ARG(row->condition))
                                  : arena_printf(arena, "the ban %s would have to be taken away", id));
        else if (!rule->forbid && allowed && counts)
                change(x, arena_printf(arena, "the binding %s would have to be taken away", id));
        else if (!rule->forbid && !allowed && row->outcome == API_ACCESS_RULE_EXPLAINED_OUTCOME_NOT_OWNER)
                change(x,
                       arena_printf(arena, "the resource would have to be the principal's own (binding %s)",
                                    id));
        else if (!rule->forbid && !allowed && !counts)
                change(x, arena_printf(arena, "the condition of the binding %s would have to be true: %.*s",
                                       id, STR_ARG(row->condition)));
}

static void explain_rule(struct explaining *x, const struct access_scope *scope,
                         const struct access_rule *rule)
{
        struct api_access_rule_explained *row = &x->rules[x->rule_count];
        bool plainly = access_set_has(&rule->allows, x->ask->asked);
        bool as_owner = !plainly && access_set_has(&rule->owner, x->ask->asked);
        struct str at = id_str(&scope->at);
        bool counts;

        if ((!plainly && !as_owner) || x->rule_count == RULES_SHOWN_MAX)
                return;
        *row = (struct api_access_rule_explained){
                .binding = id_str(&rule->binding),
                .group = rule->group.text[0] ? id_str(&rule->group) : STR_NULL,
                .role = rule->role,
                .effect = rule->forbid ? API_BINDING_EFFECT_FORBID : API_BINDING_EFFECT_ALLOW,
                .level = str_starts(at, STR("wsp_"))   ? API_BINDING_LEVEL_WORKSPACE
                         : str_starts(at, STR("org_")) ? API_BINDING_LEVEL_ORGANIZATION
                                                       : API_BINDING_LEVEL_TENANT,
                .has_owner_only = as_owner,
                .owner_only = as_owner,
                .outcome = API_ACCESS_RULE_EXPLAINED_OUTCOME_ALWAYS,
        };
        if (row->level != API_BINDING_LEVEL_TENANT)
                row->scope = at;
        if (rule->condition) {
                row->condition = cel_program_source(rule->condition);
                row->outcome = run(x, rule, &row->values);
        }
        counts = row->outcome == API_ACCESS_RULE_EXPLAINED_OUTCOME_ALWAYS ||
                 row->outcome == API_ACCESS_RULE_EXPLAINED_OUTCOME_HOLDS;
        if (counts && as_owner && !is_owner(x->ask)) {
                row->outcome = API_ACCESS_RULE_EXPLAINED_OUTCOME_NOT_OWNER;
                counts = false;
        }
        /* A ban that fails bans; allows decide only where nothing is banned. */
        row->decided = rule->forbid ? counts || row->outcome == API_ACCESS_RULE_EXPLAINED_OUTCOME_FAILED
                                    : counts && x->ask->answer.verdict == ACCESS_ALLOW;
        x->rule_count++;
        rule_changes(x, rule, row);
}

/* ---- all of it -------------------------------------------------------------------------------------- */

static void say_which_roles(struct explaining *x)
{
        struct arena *arena = x->req->arena;
        const struct access_ask *ask = x->ask;
        struct str names = STR("");

        if (ask->asked.permission >= 0)
                for (unsigned i = 0; i < ROLE_COUNT; i++) {
                        struct permission_set set = roles_permissions(ROLE_BIT(i), false);

                        if (permission_set_has(&set, (unsigned)ask->asked.permission) &&
                            role_fits(ask->rules->kind, (enum role)i))
                                names = arena_printf(arena, "%.*s%s%s", STR_ARG(names),
                                                     names.len > 0 ? ", " : "", role_name((enum role)i));
                }
        change(x,
               arena_printf(arena, "a role with %.*s would have to be bound to it at the tenant%s%s%.*s%s",
                            STR_ARG(ask->permission),
                            ask->facts.workspace.len > 0 ? ", its organization or the workspace" : "",
                            names.len > 0 ? ": one of " : "", STR_ARG(names),
                            names.len > 0 ? ", or one of the tenant's own" : ""));
}

static struct str reason(struct explaining *x)
{
        const struct access_ask *ask = x->ask;

        if (!ask->known)
                return STR("there is no such principal, or it is disabled");
        if (ask->answer.verdict == ACCESS_ALLOW)
                return STR("a binding allows it, and none forbids it");
        if (ask->answer.forbidden)
                return STR("a binding forbids it, and that wins");
        return x->rule_count > 0 ? STR("bindings speak of it, and none of them holds")
                                 : STR("no binding speaks of it: what nothing allows is denied");
}

static bool explain(struct explaining *x, struct api_access_explanation *out, struct err *err)
{
        const struct access_scope *scopes[3];
        const struct access_ask *ask = x->ask;
        size_t count;

        x->rules = ARENA_ARRAY(x->req->arena, struct api_access_rule_explained, RULES_SHOWN_MAX);
        x->changes = ARENA_ARRAY(x->req->arena, struct str, CHANGES_MAX);
        if (!x->rules || !x->changes)
                return arena_check(x->req->arena, err);
        count = access_rules_scopes(ask->rules, ask->facts.organization, ask->facts.workspace, scopes);
        for (size_t i = 0; i < count; i++)
                for (size_t j = 0; j < scopes[i]->rule_count; j++)
                        explain_rule(x, scopes[i], &scopes[i]->rules[j]);
        if (ask->known && ask->answer.verdict != ACCESS_ALLOW && !ask->answer.forbidden)
                say_which_roles(x);
        *out = (struct api_access_explanation){
                .decision = ask->answer.verdict == ACCESS_ALLOW,
                .principal = ask->principal,
                .permission = ask->permission,
                .reason = reason(x),
                .rules = x->rules,
                .rules_count = x->rule_count,
                .changes = x->changes,
                .changes_count = x->change_count,
        };
        return arena_check(x->req->arena, err);
}

/* The permission that an operation of the contract asks for. */
static bool find_permission(const struct api_access_question *question, struct access_ask *ask,
                            struct err *err)
{
        enum permission permission;

        if (!question->operation.ptr == !question->permission.ptr)
                return err_set_at(err, ERR_BAD_FIELD, "/operation",
                                  "ask for an operation or a permission, one of the two");
        ask->permission = question->permission;
        ask->operation = question->operation.ptr ? question->operation : STR("");
        if (question->permission.ptr)
                return permission_from(question->permission, &permission) ||
                       permission_is_custom(question->permission) ||
                       err_set_at(err, ERR_BAD_FIELD, "/permission", "there is no permission \"%.*s\"",
                                  STR_ARG(question->permission));
        for (size_t i = 0; i < api_route_count; i++)
                if (str_is(question->operation, api_routes[i].operation)) {
                        if (api_routes[i].permission < 0)
                                return err_set_at(err, ERR_BAD_FIELD, "/operation",
                                                  "this operation needs no permission");
                        ask->permission =
                                str_from(permission_name((enum permission)api_routes[i].permission));
                        return true;
                }
        return err_set_at(err, ERR_BAD_FIELD, "/operation", "there is no operation \"%.*s\"",
                          STR_ARG(question->operation));
}

bool access_explain(struct request *req, const struct api_access_explain_in *in,
                    struct api_access_explanation *out, struct err *err)
{
        const struct api_access_question *question = &in->body;
        struct access_ask ask = {
                .principal = question->principal,
                .resource_type = question->resource_type.ptr ? question->resource_type : STR("tenant"),
                .resource_id = question->resource.ptr ? question->resource : req->tenant,
                .environment = question->environment,
                .network_address = question->network_address,
                .now_ms = question->has_time ? question->time_ms : req->now_ms,
                .second_factor_ms = question->has_second_factor_at ? question->second_factor_at_ms : 0,
                .properties = question->properties.value,
                .context = question->context.value,
        };
        struct explaining x = {.req = req, .ask = &ask};
        bool ok;

        if (!find_permission(question, &ask, err))
                return false;
        ok = access_ask_decide(req, &ask, err) && explain(&x, out, err);
        /* The strings of the answer are the request's, not the rules'. */
        for (size_t i = 0; ok && i < out->rules_count; i++) {
                x.rules[i].binding = arena_str(req->arena, x.rules[i].binding);
                x.rules[i].role = arena_str(req->arena, x.rules[i].role);
                if (x.rules[i].group.ptr)
                        x.rules[i].group = arena_str(req->arena, x.rules[i].group);
                if (x.rules[i].scope.ptr)
                        x.rules[i].scope = arena_str(req->arena, x.rules[i].scope);
                if (x.rules[i].condition.ptr)
                        x.rules[i].condition = arena_str(req->arena, x.rules[i].condition);
        }
        access_ask_done(&ask);
        return ok && arena_check(req->arena, err);
}
