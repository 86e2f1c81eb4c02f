/* SPDX-License-Identifier: Apache-2.0 */
/* Reports: what the executor that holds the claim says happened. */
#include "approvals/approvals.h"
#include "approvals/content.h"

static bool refuse(struct err *err, const char *place, const char *what)
{
        return err_set_at(err, ERR_BAD_ENVELOPE, place, "the report is about another %s", what);
}

bool approvals_check_report(struct arena *arena, const struct action *action,
                            const struct dsse_envelope *envelope, struct str executor,
                            const struct ed25519_public *key, struct report *ret, struct err *err)
{
        char keyid[ED25519_KEY_ID_SIZE];

        ed25519_key_id(key, keyid);
        if (!action->row.executor_id.ptr || !str_eq(action->row.executor_id, executor))
                return err_set(err, ERR_NOT_FOUND, "there is nothing here");
        if (!str_is(envelope->payload_type, REPORT_PAYLOAD_TYPE))
                return err_set_at(err, ERR_BAD_ENVELOPE, "/payloadType",
                                  "the payload type is not a report's");
        if (envelope->count != 1)
                return err_set_at(err, ERR_BAD_ENVELOPE, "/signatures",
                                  "a report has one signature, its executor's");
        if (!str_is(envelope->signatures[0].key_id, keyid))
                return err_set_at(err, ERR_BAD_SIGNATURE, "/signatures/0/keyid",
                                  "the report is not signed with the key that the executor enrolled");
        if (!dsse_verify(envelope, &envelope->signatures[0], key, err) ||
            !report_parse(arena, envelope->payload, ret, err))
                return false;
        if (!str_eq(ret->action, action->row.id))
                return refuse(err, "/action", "action");
        if (!str_eq(ret->claim, action->row.claim_id))
                return refuse(err, "/claim", "claim");
        if (!str_eq(ret->executor, executor))
                return refuse(err, "/executor", "executor");
        if (!str_eq(ret->digest, action->row.digest))
                return refuse(err, "/digest", "statement");
        return true;
}

static enum action_event event_of(enum outcome outcome)
{
        switch (outcome) {
        case OUTCOME_SUCCEEDED:
                return ACTION_EVENT_SUCCEED;
        case OUTCOME_INDETERMINATE:
                return ACTION_EVENT_LOSE_TRACK;
        case OUTCOME_FAILED:
        case OUTCOME_REFUSED:
                break;
        }
        return ACTION_EVENT_FAIL;
}

/* The digest stays, so that the same report is known again; its words only where content is kept. */
static bool seal_report(struct tx *tx, const struct action *action, const struct report *report,
                        struct str envelope_json, struct sql_action_report_in *in, struct err *err)
{
        CONTENT_SCOPED content = {0};

        /* A refusal is in the executor's own words: nothing was sent, so nothing came back. */
        if (report->outcome == OUTCOME_REFUSED)
                in->message = report->message;
        return !action->row.keeps_content ||
               (content_of(tx, &action->row, &content, err) &&
                content_seal(tx, &content, STR("report"), envelope_json, &in->sealed_report, err) &&
                content_seal(tx, &content, STR("message"), report->message, &in->sealed_message, err));
}

/* What the columns say from now on. */
static void action_of_report(struct action *action, enum action_state to, const struct report *report,
                             const struct sql_action_report_in *in)
{
        struct sql_action_get_row *row = &action->row;

        action->state = to;
        row->state = in->to_state;
        row->revision++;
        row->report_sha256 = in->report_sha256;
        row->outcome = in->outcome;
        row->message = in->sealed_message.ptr ? report->message : in->message;
        row->sealed_message = in->sealed_message;
        row->has_started_ms = row->has_ended_ms = row->has_output_bytes = row->has_output_truncated = true;
        row->started_ms = in->started_ms;
        row->ended_ms = in->ended_ms;
        row->output_bytes = in->output_bytes;
        row->output_sha256 = in->output_sha256;
        row->output_truncated = in->output_truncated;
        row->has_closed_ms = true;
        row->closed_ms = in->now;
}

static bool put_report(struct tx *tx, struct action *action, enum action_state to,
                       const struct report *report, struct str envelope_json, int64_t now_ms,
                       int64_t *ret_changes, struct err *err)
{
        struct sql_action_report_in in = {
                .id = action->row.id,
                .from_state = str_from(action_state_name(action->state)),
                .to_state = str_from(action_state_name(to)),
                .claim_id = report->claim,
                .executor_id = report->executor,
                .report_sha256 = statement_digest(tx_arena(tx), envelope_json),
                .outcome = str_from(outcome_name(report->outcome)),
                .started_ms = report->started_ms,
                .ended_ms = report->ended_ms,
                .output_bytes = report->output_bytes,
                .output_sha256 = report->output_sha256,
                .output_truncated = report->output_truncated ? 1 : 0,
                .now = now_ms,
                .nothing = STR(""),
        };

        if (!seal_report(tx, action, report, envelope_json, &in, err) ||
            !sql_action_report(tx, &in, ret_changes, err))
                return false;
        action_of_report(action, to, report, &in);
        return content_close_rest(tx, &action->row, err);
}

bool approvals_report(struct tx *tx, struct str workspace, const struct report *report,
                      struct str envelope_json, int64_t now_ms, struct action *ret, bool *ret_again,
                      struct err *err)
{
        enum action_state to;
        int64_t changes;

        *ret_again = false;
        if (!approvals_get_lasting(tx, workspace, report->action, ret, err))
                return false;
        if (ret->row.report_sha256.ptr &&
            str_eq(ret->row.report_sha256, statement_digest(tx_arena(tx), envelope_json))) {
                *ret_again = true;
                return true;
        }
        /* `refused` means that nothing was sent: it cannot follow "perhaps something was". */
        if (!action_next(ret->state, event_of(report->outcome), &to) ||
            (ret->state == ACTION_INDETERMINATE && report->outcome == OUTCOME_REFUSED))
                return err_set(err, ERR_CONFLICT,
                               "the action %.*s is %s, and a report of \"%s\" cannot follow",
                               STR_ARG(report->action), action_state_name(ret->state),
                               outcome_name(report->outcome));
        if (!put_report(tx, ret, to, report, envelope_json, now_ms, &changes, err))
                return false;
        return changes == 1 || err_set(err, ERR_CONFLICT, "another report came first");
}
