/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/activation/control.h"

#include "api/services.h"
#include "policy/policies.h"
#include "policy/policies_sql.h"

/* What layer and tier of an action say, in the workspace where it was asked for. */
static bool take_place(const struct json *parameters, struct str workspace, struct policy_change *ret,
                       struct err *err)
{
        struct str tier = parameter_string(parameters, "tier");

        if (!policy_layer_from(parameter_string(parameters, "layer"), &ret->layer))
                return err_set_at(err, ERR_BAD_FIELD, "/parameters/layer", "there is no such layer");
        if ((ret->layer == POLICY_TIER) != (tier.len > 0))
                return err_set_at(err, ERR_BAD_FIELD, "/parameters/tier",
                                  "it goes with the layer tier, and only with that");
        ret->scope = ret->layer == POLICY_TIER ? tier : ret->layer == POLICY_WORKSPACE ? workspace : STR("");
        return true;
}

static bool resolve(struct tx *tx, struct str workspace, struct str target, const struct json *parameters,
                    struct json *facts, struct err *err)
{
        struct policy_change change = {.definition = target, .workspace = workspace};
        struct policy_document_row document;

        if (!take_place(parameters, workspace, &change, err))
                return false;
        if (!policy_change_check(tx, &change, &document, err)) {
                if (err->code == ERR_NOT_FOUND)
                        return err_set_at(err, ERR_TARGET_NOT_FOUND, "/target",
                                          "there is no definition %.*s", STR_ARG(target));
                return false;
        }
        control_fact(tx_arena(tx), facts, "id", document.id);
        control_fact(tx_arena(tx), facts, "known_as",
                     arena_printf(tx_arena(tx), "policy/%.*s", STR_ARG(document.name)));
        control_fact(tx_arena(tx), facts, "version", document.version);
        control_fact(tx_arena(tx), facts, "digest", document.digest);
        return arena_check(tx_arena(tx), err);
}

static bool change_of(const struct control_run *run, struct policy_change *ret, struct err *err)
{
        *ret = (struct policy_change){
                .services = run->services,
                .definition = run->target,
                .workspace = run->workspace,
                .digest = statement_fact(run->statement, "digest"),
                .action = run->action,
                .by = run->statement->requester_id,
                .now_ms = run->now_ms,
        };
        return take_place(&run->statement->parameters, run->workspace, ret, err);
}

static bool run_activate(struct tx *tx, struct control_run *run, struct err *err)
{
        struct policy_document_row document;
        struct policy_change change;

        run->message = STR("The policy is in force.");
        return change_of(run, &change, err) && policy_change_activate(tx, &change, &document, err);
}

static bool run_deactivate(struct tx *tx, struct control_run *run, struct err *err)
{
        struct policy_change change;

        run->message = STR("The policy is not in force any more.");
        return change_of(run, &change, err) && policy_change_deactivate(tx, &change, err);
}

/* The platform's policies are seen by every node once the directory has them. */
static bool finish(const struct control_run *run, struct err *err)
{
        enum policy_layer layer;

        if (!run->statement ||
            !policy_layer_from(parameter_string(&run->statement->parameters, "layer"), &layer) ||
            (layer != POLICY_PLATFORM && layer != POLICY_TIER))
                return true;
        return policies_publish_platform(run->services, &run->cell, err);
}

static bool resolve_unprotect(struct tx *tx, struct str workspace, struct str target,
                              const struct json *parameters, struct json *facts, struct err *err)
{
        struct sql_policy_tenant_self_row row;
        bool found;

        (void)parameters;
        (void)workspace;
        if (!str_eq(target, tx_tenant(tx)))
                return err_set_at(err, ERR_TARGET_NOT_FOUND, "/target",
                                  "it is asked for in the tenant itself");
        if (!sql_policy_tenant_self(tx, &row, &found, err))
                return false;
        if (!found || !str_eq(row.region, tx_region(tx)))
                return err_set_at(err, ERR_CONFLICT, "/target",
                                  "ask in a workspace of the tenant's home region, %.*s",
                                  STR_ARG(found ? row.region : STR("-")));
        control_fact(tx_arena(tx), facts, "id", target);
        control_fact(tx_arena(tx), facts, "known_as", row.name);
        control_fact(tx_arena(tx), facts, "region", row.region);
        return arena_check(tx_arena(tx), err);
}

static bool run_unprotect(struct tx *tx, struct control_run *run, struct err *err)
{
        struct json ignored = {.type = JSON_OBJECT};

        run->message = STR("Policies change without approval now.");
        return resolve_unprotect(tx, run->workspace, run->target, NULL, &ignored, err) &&
               policy_change_guard(tx, run->services, false, run->statement->requester_id, run->now_ms, err);
}

static const struct control_operation operations[] = {
        {.name = "policy.activate", .resolve = resolve, .run = run_activate, .finish = finish},
        {.name = "policy.deactivate", .resolve = resolve, .run = run_deactivate, .finish = finish},
        {.name = "policy.unprotect", .resolve = resolve_unprotect, .run = run_unprotect},
};

void policy_control_register(struct control *control)
{
        for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
                control_register(control, &operations[i]);
}
