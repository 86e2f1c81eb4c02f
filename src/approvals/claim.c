/* SPDX-License-Identifier: Apache-2.0 */
/* The claim, and what a running action prints. */
#include "approvals/approvals.h"

#include "api/notify.h"
#include "approvals/control.h"
#include "approvals/content.h"
#include "base/id.h"

/* Enough of the right people, by the roster that stands now. */
static bool check_approvals(struct tx *tx, struct action *action, const struct roster *roster,
                            struct dsse_envelope *ret_envelope, struct err *err)
{
        unsigned people;

        if (action->row.has_decisions && !roster)
                return err_set(err, ERR_NOT_ON_ROSTER, "the tenant has no roster");
        if (!approvals_envelope(tx, action, roster, ret_envelope, &people, err))
                return false;
        if (action->row.has_decisions && (int64_t)people < action->row.decisions)
                return err_set(err, ERR_NOT_ON_ROSTER,
                               "by roster version %lld only %u of %lld approvals still count",
                               (long long)roster->version, people, (long long)action->row.decisions);
        return true;
}

static bool not_approved(const struct action *action, struct err *err)
{
        return err_set(err, ERR_ACTION_NOT_APPROVED, "the action %.*s is %s", STR_ARG(action->row.id),
                       action_state_name(action->state));
}

bool approvals_claim(struct tx *tx, const struct action_claim *claim, int64_t now_ms, struct action *action,
                     struct dsse_envelope *ret_envelope, struct err *err)
{
        struct id id = id_new("clm");
        enum action_state to;
        int64_t changes;

        /* To an executor, another environment's actions are not there, and the server's own neither. */
        if (!str_eq(action->row.environment, claim->environment) ||
            str_is(action->row.connector, CONTROL_CONNECTOR))
                return err_set(err, ERR_NOT_FOUND, "there is nothing here");
        if (!action_next(action->state, ACTION_EVENT_CLAIM, &to))
                return not_approved(action, err);
        if (action_is_due(action, now_ms))
                return err_set(err, ERR_ACTION_EXPIRED, "the action %.*s has expired",
                               STR_ARG(action->row.id));
        if (!check_approvals(tx, action, claim->roster, ret_envelope, err) ||
            !sql_action_claim(tx, action->row.id, claim->environment, id_str(&id), claim->executor, now_ms,
                              &changes, err))
                return false;
        if (changes != 1)
                return not_approved(action, err);
        action->state = to;
        action->row.state = str_from(action_state_name(to));
        action->row.revision++;
        action->row.claim_id = arena_str(tx_arena(tx), id_str(&id));
        action->row.executor_id = claim->executor;
        return arena_check(tx_arena(tx), err);
}

/* ---- output ------------------------------------------------------------------------------------ */

static bool put_piece(struct tx *tx, const struct action *action, struct str data, struct err *err)
{
        int64_t starts_at = action->row.output_kept;
        CONTENT_SCOPED content = {0};
        struct str sealed;

        return content_of(tx, &action->row, &content, err) &&
               content_seal(tx, &content, content_output_part(tx, starts_at), data, &sealed, err) &&
               sql_output_insert(tx, action->row.id, starts_at, sealed, err);
}

bool approvals_output_append(struct tx *tx, struct str workspace, struct str id, struct str executor,
                             int64_t offset, struct str data, struct err *err)
{
        int64_t sent, kept, room, changes;
        struct action action;

        if (!approvals_get(tx, workspace, id, &action, err))
                return false;
        if (!action.row.executor_id.ptr || !str_eq(action.row.executor_id, executor))
                return err_set(err, ERR_NOT_FOUND, "there is nothing here");
        if (action.state != ACTION_CLAIMED)
                return err_set(err, ERR_CONFLICT, "the action %.*s is %s and prints no more", STR_ARG(id),
                               action_state_name(action.state));
        sent = action.row.output_sent;
        kept = action.row.output_kept;
        if (offset > sent)
                return err_set_at(err, ERR_BAD_FIELD, "/offset", "bytes %lld to %lld are missing",
                                  (long long)sent, (long long)offset - 1);
        /* What came before is ignored, so that an executor may send again. */
        data = str_slice(data, (size_t)(sent - offset), data.len);
        if (data.len == 0)
                return true;
        room = OUTPUT_KEEP_BYTES - kept;
        if (room > (int64_t)data.len)
                room = (int64_t)data.len;
        if (room > 0 && !put_piece(tx, &action, str_slice(data, 0, (size_t)room), err))
                return false;
        if (!sql_output_count(tx, id, executor, sent + (int64_t)data.len, kept + (room > 0 ? room : 0),
                              &changes, err))
                return false;
        if (changes != 1)
                return err_set(err, ERR_CONFLICT, "the action %.*s prints no more", STR_ARG(id));
        notify_on_commit(tx, id);
        return true;
}

bool approvals_output_read(struct tx *tx, const struct action *action, int64_t offset, size_t most_bytes,
                           struct str *ret_data, struct err *err)
{
        SQL_SCOPED(output_list) c = {0};
        struct sql_output_list_row row;
        CONTENT_SCOPED content = {0};
        BUF_SCOPED buf;
        bool has = true;

        buf_init(&buf, most_bytes);
        *ret_data = STR("");
        if (offset >= action->row.output_kept || most_bytes == 0)
                return true;
        if (!content_of(tx, &action->row, &content, err) ||
            !sql_output_list_open(tx, action->row.id, offset, &c, err))
                return false;
        while (buf.len < most_bytes) {
                struct str piece;

                if (!sql_output_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                if (!content_open(tx, &content, content_output_part(tx, row.starts_at), row.data, &piece,
                                  err))
                        return false;
                if (row.starts_at < offset)
                        piece = str_slice(piece, (size_t)(offset - row.starts_at), piece.len);
                buf_append_str(&buf, str_slice(piece, 0, most_bytes - buf.len));
        }
        if (!buf_check(&buf, "the output", err))
                return false;
        *ret_data = arena_str(tx_arena(tx), buf_str(&buf));
        return arena_check(tx_arena(tx), err);
}
