/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/approvals.h"

#include "api/notify.h"
#include "api/outbox.h"
#include "approvals/content.h"
#include "approvals/entry.h"
#include "approvals/move.h"
#include "base/json_write.h"
#include "log/log.h"

/* ---- rows -------------------------------------------------------------------------------------- */

static bool read_state(struct action *action, struct err *err)
{
        return action_state_from(action->row.state, &action->state) ||
               err_set(err, ERR_INTERNAL, "action %.*s is in the state \"%.*s\"", STR_ARG(action->row.id),
                       STR_ARG(action->row.state));
}

bool action_from_row(struct tx *tx, const struct sql_action_get_row *row, struct action *ret,
                     struct err *err)
{
        *ret = (struct action){.row = *row};
        return content_open_row(tx, &ret->row, err) && read_state(ret, err);
}

/* What it carries is still sealed. */
static bool read_row(struct tx *tx, struct str workspace, struct str id, struct sql_action_get_row *ret,
                     struct err *err)
{
        bool found;

        if (!sql_action_get(tx, workspace, id, ret, &found, err))
                return false;
        return found || err_set(err, ERR_NOT_FOUND, "there is nothing here");
}

bool approvals_get(struct tx *tx, struct str workspace, struct str id, struct action *ret, struct err *err)
{
        struct sql_action_get_row row;

        return read_row(tx, workspace, id, &row, err) && action_from_row(tx, &row, ret, err);
}

bool approvals_get_again(struct tx *tx, struct str workspace, const struct action *seen, struct action *ret,
                         struct err *err)
{
        const struct sql_action_get_row *was = &seen->row;
        struct sql_action_get_row row;

        if (!read_row(tx, workspace, was->id, &row, err))
                return false;
        if (!row.content_key.ptr || row.sealed_message.ptr || !str_eq(row.content_key, was->content_key))
                return action_from_row(tx, &row, ret, err);
        row.statement = was->statement;
        row.task_name = was->task_name;
        row.instruction = was->instruction;
        *ret = (struct action){.row = row};
        return read_state(ret, err);
}

bool approvals_get_lasting(struct tx *tx, struct str workspace, struct str id, struct action *ret,
                           struct err *err)
{
        struct sql_action_get_row row;

        if (!read_row(tx, workspace, id, &row, err))
                return false;
        if (row.keeps_content)
                return action_from_row(tx, &row, ret, err);
        row.statement = row.task_name = row.instruction = STR_NULL;
        *ret = (struct action){.row = row};
        return read_state(ret, err);
}

bool action_has_content(const struct action *action, struct err *err)
{
        return action->row.statement.ptr ||
               err_set(err, ERR_CONTENT_GONE,
                       "the workspace keeps metadata only: what the action %.*s carried was erased when it "
                       "closed",
                       STR_ARG(action->row.id));
}

bool action_is_due(const struct action *action, int64_t now_ms)
{
        return action_state_is_open(action->state) && action->row.expires_ms <= now_ms;
}

enum action_state action_state_now(const struct action *action, int64_t now_ms)
{
        enum action_state state;

        if (action_is_due(action, now_ms) && action_next(action->state, ACTION_EVENT_TIME_UP, &state))
                return state;
        return action->state;
}

struct str approvals_work_subject(struct arena *arena, struct str workspace, struct str environment)
{
        return arena_printf(arena, "work %.*s %.*s", STR_ARG(workspace), STR_ARG(environment));
}

struct str approvals_event_data(struct arena *arena, const struct action *action)
{
        BUF_SCOPED buf;
        struct json_writer w;

        buf_init(&buf, 4096);
        json_writer_init(&w, &buf);
        json_object_begin(&w);
        json_field_str(&w, "action", action->row.id);
        json_field_str(&w, "workspace", action->row.workspace_id);
        json_field_c(&w, "state", action_state_name(action->state));
        json_field_int(&w, "revision", action->row.revision);
        json_field_str(&w, "environment", action->row.environment);
        json_field_str(&w, "connector", action->row.connector);
        json_field_str(&w, "operation", action->row.operation);
        json_object_end(&w);
        if (buf.failed)
                arena->failed = true;
        return arena_str(arena, buf_str(&buf));
}

/* ---- steps ------------------------------------------------------------------------------------- */

bool action_move(struct tx *tx, struct action *action, enum action_event event, int64_t now_ms,
                 bool *ret_moved, struct err *err)
{
        bool decides = event == ACTION_EVENT_REQUIREMENT_MET || event == ACTION_EVENT_REJECT;
        enum action_state to;
        int64_t changes;
        bool closes;

        *ret_moved = false;
        if (!action_next(action->state, event, &to))
                return true;
        closes = action_state_is_closed(to);
        if (!sql_action_move(tx, action->row.id, str_from(action_state_name(action->state)),
                             str_from(action_state_name(to)), decides ? &now_ms : NULL,
                             closes ? &now_ms : NULL, &changes, err))
                return false;
        if (changes != 1)
                return true;
        if (closes && !content_close(tx, &action->row, err))
                return false;
        *ret_moved = true;
        action->state = to;
        action->row.state = str_from(action_state_name(to));
        action->row.revision++;
        if (decides) {
                action->row.has_decided_ms = true;
                action->row.decided_ms = now_ms;
        }
        if (closes) {
                action->row.has_closed_ms = true;
                action->row.closed_ms = now_ms;
        }
        if (to == ACTION_APPROVED)
                notify_on_commit(tx, approvals_work_subject(tx_arena(tx), action->row.workspace_id,
                                                            action->row.environment));
        return true;
}

bool action_not_pending(const struct action *action, struct err *err)
{
        return err_set(err, ERR_ACTION_NOT_PENDING, "the action %.*s is %s", STR_ARG(action->row.id),
                       action_state_name(action->state));
}

/* ---- submitting -------------------------------------------------------------------------------- */

static struct str join_roles(struct arena *arena, const struct statement *statement)
{
        BUF_SCOPED buf;

        buf_init(&buf, 1024);
        for (unsigned i = 0; i < statement->role_count; i++) {
                buf_append_c(&buf, i == 0 ? "" : " ");
                buf_append_str(&buf, statement->roles[i]);
        }
        if (buf.failed)
                arena->failed = true;
        return arena_str(arena, buf_str(&buf));
}

/* The row as it was just written: what the columns say, and what the action carries, unsealed. */
static void action_of_insert(const struct action_new *action, enum action_state state,
                             const struct sql_action_insert_in *in, struct action *ret)
{
        *ret = (struct action){.state = state, .has_decisions = true};
        ret->row = (struct sql_action_get_row){
                .id = in->id,
                .workspace_id = in->workspace_id,
                .state = in->state,
                .revision = 1,
                .environment = in->environment,
                .connector = in->connector,
                .operation = in->operation,
                .target = in->target,
                .effect = in->effect,
                .requester_id = in->requester_id,
                .rule = in->rule,
                .has_decisions = in->decisions != NULL,
                .decisions = in->decisions ? *in->decisions : 0,
                .roles = in->roles,
                .digest = in->digest,
                .created_ms = in->created_ms,
                .expires_ms = in->expires_ms,
                .has_closed_ms = in->closed_ms != NULL,
                .closed_ms = in->closed_ms ? *in->closed_ms : 0,
                .keeps_content = in->keeps_content != 0,
                .content_key = in->content_key,
        };
        if (!in->content_key.ptr)
                return;
        ret->row.statement = action->bytes;
        ret->row.task_name = action->task_name;
        ret->row.instruction = action->instruction;
}

/* What the action carries, sealed; nothing of it when it closes at once and nothing is kept. */
static bool seal_new(struct tx *tx, const struct action_new *action, struct sql_action_insert_in *in,
                     struct err *err)
{
        CONTENT_SCOPED content = {0};
        bool kept;

        if (!content_is_kept(tx, action->statement->workspace, &kept, err))
                return false;
        in->keeps_content = kept ? 1 : 0;
        return (action->denied && !kept) ||
               (content_new(tx, in->id, &content, &in->content_key, err) &&
                content_seal(tx, &content, STR("statement"), action->bytes, &in->statement, err) &&
                content_seal(tx, &content, STR("task_name"), action->task_name, &in->sealed_task_name,
                             err) &&
                content_seal(tx, &content, STR("instruction"), action->instruction, &in->sealed_instruction,
                             err));
}

static void fill_insert(struct tx *tx, const struct action_new *action, enum action_state state,
                        const int64_t *decisions, struct sql_action_insert_in *ret)
{
        const struct statement *s = action->statement;

        *ret = (struct sql_action_insert_in){
                .id = s->action,
                .workspace_id = s->workspace,
                .state = str_from(action_state_name(state)),
                .environment = s->environment,
                .connector = s->connector,
                .operation = s->operation,
                .target = s->has_target ? s->target_name : STR_NULL,
                .effect = str_from(effect_name(s->effect)),
                .requester_id = s->requester_id,
                .rule = s->rule,
                .decisions = *decisions > 0 ? decisions : NULL,
                .roles = join_roles(tx_arena(tx), s),
                .digest = action->digest,
                .created_ms = s->created_ms,
                .expires_ms = s->expires_ms,
                .closed_ms = action->denied ? &s->created_ms : NULL,
        };
}

bool approvals_submit(struct tx *tx, const struct action_new *action, struct action *ret, struct err *err)
{
        const struct statement *s = action->statement;
        enum action_event event = action->denied ? ACTION_EVENT_DENY : ACTION_EVENT_SUBMIT;
        int64_t decisions = s->decisions;
        struct sql_action_insert_in in;
        enum action_state state;
        bool moved;

        if (!action_next(ACTION_NEW, event, &state))
                return err_set(err, ERR_INTERNAL, "an action cannot begin with \"%s\"",
                               action_event_name(event));
        fill_insert(tx, action, state, &decisions, &in);
        if (!seal_new(tx, action, &in, err) || !sql_action_insert(tx, &in, err))
                return false;
        action_of_insert(action, state, &in, ret);
        if (action->denied || decisions > 0)
                return true;
        /* No quorum is no approval, but for what leaves everything as it is. */
        if (s->effect != EFFECT_READS)
                return err_set(err, ERR_INTERNAL, "%.*s %s and requires no decision", STR_ARG(s->operation),
                               effect_name(s->effect));
        if (!action_move(tx, ret, ACTION_EVENT_REQUIREMENT_MET, s->created_ms, &moved, err))
                return false;
        return moved || err_set(err, ERR_INTERNAL, "a new action was not pending");
}

/* ---- decisions that stand ------------------------------------------------------------------------ */

bool approvals_decisions(struct tx *tx, struct action *action, struct err *err)
{
        /* As many as there can be members of a roster. */
        struct action_decision *decisions = NULL;
        size_t count = 0, room = 0;
        SQL_SCOPED(decision_list) c = {0};
        struct sql_decision_list_row row;
        bool has;

        if (action->has_decisions)
                return true;
        if (!sql_decision_list_open(tx, action->row.id, &c, err))
                return false;
        for (;;) {
                if (!sql_decision_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                if (count == room) {
                        struct action_decision *more;

                        room = room ? 2 * room : 8;
                        more = ARENA_ARRAY(tx_arena(tx), struct action_decision, room);
                        if (!more)
                                return arena_check(tx_arena(tx), err);
                        if (count > 0)
                                memcpy(more, decisions, count * sizeof(*more));
                        decisions = more;
                }
                decisions[count] =
                        (struct action_decision){.principal = row.principal_id,
                                                 .signature = {.key_id = row.keyid,
                                                               .signature = row.signature,
                                                               .authenticator_data = row.authenticator_data,
                                                               .client_data = row.client_data},
                                                 .decided_ms = row.decided_ms};
                if (!verdict_from(row.verdict, &decisions[count].verdict))
                        return err_set(err, ERR_INTERNAL, "a decision says \"%.*s\"", STR_ARG(row.verdict));
                count++;
        }
        action->has_decisions = true;
        action->decisions = decisions;
        action->decision_count = count;
        return true;
}

/* Whether a stored yes still counts: the person's key is on the roster as an approver's. */
static bool still_counts(const struct roster *roster, const struct action *action,
                         const struct action_decision *decision)
{
        const struct roster_key *key;
        const struct roster_member *member = roster_find_key(roster, decision->signature.key_id, &key);

        return member && member->approver && str_eq(member->principal, decision->principal) &&
               !str_eq(member->principal, action->row.requester_id);
}

bool approvals_envelope(struct tx *tx, struct action *action, const struct roster *roster,
                        struct dsse_envelope *ret, unsigned *ret_people, struct err *err)
{
        struct dsse_signature *signatures;
        size_t kept = 0;

        if (!action_has_content(action, err) || !approvals_decisions(tx, action, err))
                return false;
        signatures = ARENA_ARRAY(tx_arena(tx), struct dsse_signature, action->decision_count);
        if (!signatures)
                return arena_check(tx_arena(tx), err);
        for (size_t i = 0; i < action->decision_count && kept < DSSE_SIGNATURES_MAX; i++) {
                const struct action_decision *decision = &action->decisions[i];

                if (decision->verdict != VERDICT_APPROVE ||
                    (roster && !still_counts(roster, action, decision)))
                        continue;
                signatures[kept++] = decision->signature;
        }
        *ret = (struct dsse_envelope){.payload_type = STR(STATEMENT_PAYLOAD_TYPE),
                                      .payload = action->row.statement,
                                      .signatures = signatures,
                                      .count = kept};
        /* A row for each person: their key, and therefore the count of rows, is theirs alone. */
        *ret_people = (unsigned)kept;
        return true;
}

/* ---- cancelling, and time ------------------------------------------------------------------------ */

bool approvals_cancel(struct tx *tx, struct str workspace, struct str id, int64_t now_ms, struct action *ret,
                      struct err *err)
{
        bool moved;

        if (!approvals_get(tx, workspace, id, ret, err))
                return false;
        if (action_is_due(ret, now_ms))
                return err_set(err, ERR_ACTION_EXPIRED, "the action %.*s has expired", STR_ARG(id));
        if (!action_move(tx, ret, ACTION_EVENT_CANCEL, now_ms, &moved, err))
                return false;
        return moved || err_set(err, ERR_CONFLICT, "the action %.*s is %s and cannot be withdrawn any more",
                                STR_ARG(id), action_state_name(ret->state));
}

bool approvals_note_entry(struct tx *tx, struct str action, const struct log_position *position,
                          struct err *err)
{
        return sql_action_entry_insert(tx, action, position->epoch, position->seq, err);
}

bool approvals_time_up(struct tx *tx, struct str workspace, struct str id, int64_t now_ms, bool *ret_moved,
                       struct err *err)
{
        struct log_resource resource = {.type = "action", .id = id};
        struct log_event event = {.time_ms = now_ms,
                                  .activity = LOG_UPDATE,
                                  .actor = LOG_SYSTEM,
                                  .source = STR("server"),
                                  .workspace = workspace,
                                  .resources = &resource,
                                  .resource_count = 1};
        struct log_position position;
        struct action action;

        *ret_moved = false;
        if (!approvals_get(tx, workspace, id, &action, err))
                return false;
        if (!action_is_due(&action, now_ms))
                return true;
        if (!action_move(tx, &action, ACTION_EVENT_TIME_UP, now_ms, ret_moved, err))
                return false;
        if (!*ret_moved)
                return true;
        event.operation = action.state == ACTION_LAPSED ? STR("action.lapse") : STR("action.expire");
        return log_append(tx, &event, &position, err) && approvals_note_entry(tx, id, &position, err) &&
               outbox_append(tx, action.state == ACTION_LAPSED ? "action.lapsed" : "action.expired", id,
                             approvals_event_data(tx_arena(tx), &action), now_ms, err);
}

bool approvals_sweep(struct tx *tx, int64_t now_ms, int64_t most, int64_t *ret_moved, struct err *err)
{
        enum { BATCH = 64 };
        struct sql_action_due_list_row due[BATCH];
        size_t count = 0;
        bool has = true;

        *ret_moved = 0;
        {
                /* Closed before the rows are changed that it stands on. */
                SQL_SCOPED(action_due_list) c = {0};

                if (!sql_action_due_list_open(tx, now_ms, most < BATCH ? most : BATCH, &c, err))
                        return false;
                while (count < BATCH) {
                        if (!sql_action_due_list_next(&c, &due[count], &has, err))
                                return false;
                        if (!has)
                                break;
                        count++;
                }
        }
        for (size_t i = 0; i < count; i++) {
                bool moved;

                if (!approvals_time_up(tx, due[i].workspace_id, due[i].id, now_ms, &moved, err))
                        return false;
                *ret_moved += moved ? 1 : 0;
        }
        return true;
}
