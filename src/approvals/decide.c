/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions: checked outside the transaction, counted inside it. */
#include "approvals/approvals.h"
#include "approvals/move.h"

bool approvals_check_decision(struct arena *arena, const struct action *action,
                              const struct action_decide *decide, struct err *err)
{
        const struct roster_member *member;
        struct statement statement;

        /* By the credential first, so that who asks is told so whatever key they use. */
        if (str_eq(decide->principal, action->row.requester_id))
                return err_set(err, ERR_SELF_APPROVAL,
                               "you asked for this action, and who asks cannot decide");
        /* Closed, and its content gone with that. */
        if (!action->row.statement.ptr)
                return action_not_pending(action, err);
        if (!statement_parse(arena, action->row.statement, &statement, err)) {
                err->code = ERR_INTERNAL;
                return err_prefix(err, "the stored statement of %.*s", STR_ARG(action->row.id));
        }
        if (!quorum_check_one(decide->roster, &statement, action->row.statement, decide->verdict,
                              &decide->signature, &member, err))
                return false;
        if (!str_eq(member->principal, decide->principal))
                return err_set(err, ERR_NOT_ON_ROSTER,
                               "the key %.*s… is another person's on roster version %lld",
                               STR_ARG(str_slice(decide->signature.key_id, 0, 16)),
                               (long long)decide->roster->version);
        return true;
}

static bool put_decision(struct tx *tx, const struct action_decide *decide, int64_t now_ms, struct err *err)
{
        int64_t changes;

        if (!sql_decision_insert(tx,
                                 &(struct sql_decision_insert_in){
                                         .action_id = decide->action,
                                         .principal_id = decide->principal,
                                         .verdict = str_from(verdict_name(decide->verdict)),
                                         .keyid = decide->signature.key_id,
                                         .signature = decide->signature.signature,
                                         .authenticator_data = decide->signature.authenticator_data,
                                         .client_data = decide->signature.client_data,
                                         .roster_version = decide->roster->version,
                                         .now = now_ms,
                                 },
                                 &changes, err))
                return false;
        return changes == 1 || err_set(err, ERR_ALREADY_DECIDED, "you have decided on this action already");
}

/* What a yes leads to, now that it is stored. */
static bool event_of_yes(struct tx *tx, struct action *action, const struct roster *roster,
                         enum action_event *ret_event, struct err *err)
{
        struct dsse_envelope envelope;
        unsigned people;

        if (!approvals_envelope(tx, action, roster, &envelope, &people, err))
                return false;
        /* An action that waits requires at least one: zero is no number of people. */
        if (!action->row.has_decisions || action->row.decisions < 1)
                return err_set(err, ERR_INTERNAL, "action %.*s waits for no decision",
                               STR_ARG(action->row.id));
        *ret_event = (int64_t)people >= action->row.decisions ? ACTION_EVENT_REQUIREMENT_MET
                                                              : ACTION_EVENT_DECIDE;
        return true;
}

bool approvals_decide(struct tx *tx, const struct action_decide *decide, int64_t now_ms, struct action *ret,
                      struct err *err)
{
        enum action_event event = ACTION_EVENT_REJECT;
        struct sql_roster_version_standing_row last;
        bool found, moved;

        if (!approvals_get_again(tx, decide->workspace, decide->seen, ret, err) ||
            !sql_roster_version_standing(tx, &last, &found, err))
                return false;
        if (!found || last.version != decide->roster->version)
                return err_set(err, ERR_ROSTER_CONFLICT, "the roster has changed meanwhile");
        if (action_is_due(ret, now_ms))
                return err_set(err, ERR_ACTION_EXPIRED, "the action %.*s has expired",
                               STR_ARG(decide->action));
        if (ret->state != ACTION_PENDING)
                return action_not_pending(ret, err);
        if (!put_decision(tx, decide, now_ms, err))
                return false;
        if (decide->verdict == VERDICT_APPROVE && !event_of_yes(tx, ret, decide->roster, &event, err))
                return false;
        if (!action_move(tx, ret, event, now_ms, &moved, err))
                return false;
        return moved || action_not_pending(ret, err);
}
