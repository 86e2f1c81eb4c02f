/* SPDX-License-Identifier: Apache-2.0 */
/* Settling: a person says how an action ended whose executor does not. */
#include "approvals/approvals.h"
#include "approvals/content.h"
#include "approvals/executors_sql.h"

/* Who may still say it itself is not spoken for: it is revoked first, and then cannot come back. */
static bool check_executor(struct tx *tx, const struct action *action, struct err *err)
{
        struct sql_executor_get_row row;
        bool found;

        if (action->state != ACTION_CLAIMED || !action->row.executor_id.ptr)
                return true;
        if (!sql_executor_get(tx, action->row.executor_id, &row, &found, err))
                return false;
        return !found || row.has_revoked_ms ||
               err_set(err, ERR_CONFLICT,
                       "the executor %.*s holds the claim and may still report; revoke it first",
                       STR_ARG(action->row.executor_id));
}

bool approvals_settle(struct tx *tx, const struct action_settlement *settlement, int64_t now_ms,
                      struct action *ret, struct err *err)
{
        enum action_event event =
                settlement->succeeded ? ACTION_EVENT_SETTLE_SUCCEEDED : ACTION_EVENT_SETTLE_FAILED;
        struct sql_action_settle_in in = {
                .id = settlement->action, .settled_by = settlement->by, .now = now_ms};
        CONTENT_SCOPED content = {0};
        enum action_state to;
        int64_t changes;

        if (!approvals_get(tx, settlement->workspace, settlement->action, ret, err))
                return false;
        if (str_eq(ret->row.requester_id, settlement->by))
                return err_set(err, ERR_FORBIDDEN, "who asked for it does not say how it ended");
        if (!action_next(ret->state, event, &to))
                return err_set(err, ERR_CONFLICT, "the action %.*s is %s, and there is nothing to settle",
                               STR_ARG(settlement->action), action_state_name(ret->state));
        if (!check_executor(tx, ret, err))
                return false;
        in.from_state = str_from(action_state_name(ret->state));
        in.to_state = str_from(action_state_name(to));
        /* The note is content as the executor's words are: it stays where content does. */
        if (ret->row.keeps_content &&
            (!content_of(tx, &ret->row, &content, err) ||
             !content_seal(tx, &content, STR("message"), settlement->note, &in.sealed_message, err)))
                return false;
        if (!sql_action_settle(tx, &in, &changes, err))
                return false;
        if (changes != 1)
                return err_set(err, ERR_CONFLICT, "a report came first");
        return content_close(tx, &ret->row, err) &&
               approvals_get(tx, settlement->workspace, settlement->action, ret, err);
}
