/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/actions_api.h"

#include "approvals/renderings.h"
#include "base/clock.h"

static bool rendering_to_api(struct arena *arena, const struct sql_action_get_row *row,
                             struct api_action *out, struct err *err)
{
        struct rendering rendering;
        struct api_rendering_line *lines;

        if (!renderings_make(arena, row->digest, row->statement, &rendering, err))
                return false;
        lines = ARENA_ARRAY(arena, struct api_rendering_line, rendering.count);
        if (!lines)
                return arena_check(arena, err);
        for (unsigned i = 0; i < rendering.count; i++)
                lines[i] = (struct api_rendering_line){
                        .label = rendering.lines[i].label,
                        .value = rendering.lines[i].value,
                        .has_uninspectable = rendering.lines[i].uninspectable,
                        .uninspectable = rendering.lines[i].uninspectable,
                };
        out->rendering = lines;
        out->rendering_count = rendering.count;
        return true;
}

static bool decisions_to_api(struct request *req, struct action *action, struct api_action *out,
                             struct err *err)
{
        struct api_decision *items;

        if (!approvals_decisions(req->tx, action, err))
                return false;
        items = ARENA_ARRAY(req->arena, struct api_decision, action->decision_count);
        if (!items)
                return arena_check(req->arena, err);
        for (size_t i = 0; i < action->decision_count; i++) {
                const struct action_decision *decision = &action->decisions[i];

                items[i] = (struct api_decision){
                        .principal = decision->principal,
                        .verdict = decision->verdict == VERDICT_APPROVE ? API_VERDICT_APPROVE
                                                                        : API_VERDICT_REJECT,
                        .keyid = decision->signature.key_id,
                        .decided_at_ms = decision->decided_ms,
                };
        }
        out->decisions = items;
        out->decisions_count = action->decision_count;
        return true;
}

static bool requirement_to_api(struct arena *arena, const struct sql_action_get_row *row,
                               struct api_action *out, struct err *err)
{
        struct api_requirement *requirement = ARENA_NEW(arena, struct api_requirement);
        struct str *roles = ARENA_ARRAY(arena, struct str, STATEMENT_ROLES_MAX);
        struct str rest = row->roles, role;
        bool more = true;

        if (!requirement || !roles)
                return arena_check(arena, err);
        *requirement =
                (struct api_requirement){.rule = row->rule, .decisions = row->decisions, .roles = roles};
        while (more && rest.len > 0 && requirement->roles_count < STATEMENT_ROLES_MAX) {
                more = str_cut(&rest, ' ', &role);
                roles[requirement->roles_count++] = role;
        }
        out->requirement = requirement;
        return true;
}

static bool outcome_to_api(struct arena *arena, const struct sql_action_get_row *row, struct api_action *out,
                           struct err *err)
{
        struct api_outcome *outcome = ARENA_NEW(arena, struct api_outcome);

        if (!outcome)
                return arena_check(arena, err);
        *outcome = (struct api_outcome){
                .message = row->message,
                .has_started_at = row->has_started_ms,
                .started_at_ms = row->started_ms,
                .has_ended_at = row->has_ended_ms,
                .ended_at_ms = row->ended_ms,
                .has_output_bytes = row->has_output_bytes,
                .output_bytes = row->output_bytes,
                .output_sha256 = row->output_sha256,
                .has_output_truncated = row->has_output_truncated,
                .output_truncated = row->output_truncated != 0,
                .settled_by = row->settled_by,
        };
        out->outcome = outcome;
        return true;
}

/* Open, and therefore there; closed and kept; closed and gone. */
static enum api_action_content content_state(const struct action *action)
{
        if (!action->row.statement.ptr)
                return API_ACTION_CONTENT_GONE;
        return action_state_is_closed(action->state) ? API_ACTION_CONTENT_KEPT : API_ACTION_CONTENT_OPEN;
}

bool action_to_api(struct request *req, struct action *action, struct api_action *out, struct err *err)
{
        const struct sql_action_get_row *row = &action->row;
        int64_t now_ms = clock_now_ms();

        *out = (struct api_action){
                .id = row->id,
                .workspace = row->workspace_id,
                .state =
                        api_action_state_from(str_from(action_state_name(action_state_now(action, now_ms)))),
                .revision = row->revision,
                .environment = row->environment,
                .connector = row->connector,
                .operation = row->operation,
                .target = row->target,
                .requester = row->requester_id,
                .effect = api_effect_from(row->effect),
                .rule = row->rule,
                .digest = row->digest,
                .content = content_state(action),
                .statement = row->statement,
                .executor = row->executor_id,
                .task_name = row->task_name,
                .instruction = row->instruction,
                .created_at_ms = row->created_ms,
                .expires_at_ms = row->expires_ms,
                .has_decided_at = row->has_decided_ms,
                .decided_at_ms = row->decided_ms,
                .has_closed_at = row->has_closed_ms,
                .closed_at_ms = row->closed_ms,
        };
        return (!row->has_decisions || requirement_to_api(req->arena, row, out, err)) &&
               (!row->outcome.ptr || outcome_to_api(req->arena, row, out, err)) &&
               decisions_to_api(req, action, out, err) &&
               (!row->statement.ptr || rendering_to_api(req->arena, row, out, err)) &&
               arena_check(req->arena, err);
}

bool envelope_to_api(struct arena *arena, const struct dsse_envelope *envelope, struct api_envelope *out,
                     struct err *err)
{
        struct api_signature *signatures = ARENA_ARRAY(arena, struct api_signature, envelope->count);

        if (!signatures)
                return arena_check(arena, err);
        for (size_t i = 0; i < envelope->count; i++)
                signatures[i] = (struct api_signature){
                        .keyid = envelope->signatures[i].key_id,
                        .sig = envelope->signatures[i].signature,
                        .authenticator_data = envelope->signatures[i].authenticator_data,
                        .client_data_json = envelope->signatures[i].client_data};
        *out = (struct api_envelope){.payload_type = envelope->payload_type,
                                     .payload = envelope->payload,
                                     .signatures = signatures,
                                     .signatures_count = envelope->count};
        return true;
}

struct dsse_signature signature_from_api(const struct api_signature *in)
{
        return (struct dsse_signature){.key_id = in->keyid,
                                       .signature = in->sig,
                                       .authenticator_data = in->authenticator_data,
                                       .client_data = in->client_data_json};
}

bool signature_check(const struct dsse_signature *signature, struct err *err)
{
        if ((signature->authenticator_data.ptr == NULL) == (signature->client_data.ptr == NULL))
                return true;
        return err_set_at(err, ERR_BAD_ENVELOPE, "/signature",
                          "an assertion has both authenticatorData and clientDataJSON");
}

bool envelope_from_api(struct arena *arena, const struct api_envelope *in, struct dsse_envelope *ret,
                       struct err *err)
{
        struct dsse_signature *signatures = ARENA_ARRAY(arena, struct dsse_signature, in->signatures_count);

        if (!signatures)
                return arena_check(arena, err);
        for (size_t i = 0; i < in->signatures_count; i++) {
                signatures[i] = signature_from_api(&in->signatures[i]);
                if (!signature_check(&signatures[i], err))
                        return false;
                /* As dsse_parse: the same key twice is a mistake or a trick. */
                for (size_t j = 0; j < i; j++)
                        if (str_eq(signatures[i].key_id, signatures[j].key_id))
                                return err_set_at(err, ERR_BAD_ENVELOPE, "/signatures",
                                                  "two signatures are by the same key");
        }
        *ret = (struct dsse_envelope){.payload_type = in->payload_type,
                                      .payload = in->payload,
                                      .signatures = signatures,
                                      .count = in->signatures_count};
        return true;
}

bool action_find(struct request *req, struct str id, struct action *ret, struct err *err)
{
        if (!approvals_get(req->tx, req->workspace, id, ret, err))
                return false;
        request_log_resource(req, "action", id);
        return true;
}

void action_changed(struct request *req, const struct action *action, const char *event)
{
        request_log_resource(req, "action", action->row.id);
        request_log_detail(req, "state", str_from(action_state_name(action->state)));
        request_log_detail(req, "digest", action->row.digest);
        request_event(req, event, action->row.id, approvals_event_data(req->arena, action));
}

static bool time_up_work(struct request *req, void *arg, struct err *err)
{
        const struct str *id = arg;
        bool moved;

        return approvals_time_up(req->tx, req->workspace, *id, clock_now_ms(), &moved, err);
}

FIBER_FN bool action_close_if_due(struct request *req, struct str id, const struct action *action,
                                  bool *ret_due, struct err *err)
{
        *ret_due = action_is_due(action, clock_now_ms());
        return !*ret_due || request_prepare(req, time_up_work, &id, err);
}
