/* SPDX-License-Identifier: Apache-2.0 */
/* What executors call: work, claims, output, reports. */
#include "api/api_handlers.h"
#include "api/notify.h"
#include "api/services.h"
#include "approvals/actions_api.h"
#include "approvals/executors_sql.h"
#include "approvals/work.h"
#include "base/clock.h"

enum { ITEMS_MAX = 16 };

#define LOOK_AGAIN_US INT64_C(1000000)

/* The caller's own row; FORBIDDEN unless it is an executor of this workspace that may work. */
static bool self_get(struct request *req, struct sql_executor_get_row *ret, struct err *err)
{
        bool found;

        if (req->principal.kind != PRINCIPAL_EXECUTOR)
                return err_set(err, ERR_FORBIDDEN, "only executors take work");
        if (!sql_executor_get(req->tx, id_str(&req->principal.id), ret, &found, err))
                return false;
        if (!found || !ret->has_enrolled_ms || ret->has_revoked_ms || !ret->public_key.ptr)
                return err_set(err, ERR_UNAUTHENTICATED, "this executor is not enrolled, or was revoked");
        if (!str_eq(ret->workspace_id, req->workspace))
                return err_set(err, ERR_NOT_FOUND, "there is nothing here");
        return true;
}

/* ---- what waits -------------------------------------------------------------------------------- */

struct waiting {
        struct sql_executor_get_row self;
        struct str actions[ITEMS_MAX];
        size_t count;
};

static bool self_work(struct request *req, void *arg, struct err *err)
{
        return self_get(req, arg, err);
}

static bool waiting_work(struct request *req, void *arg, struct err *err)
{
        struct waiting *waiting = arg;
        SQL_SCOPED(action_wait_list) c = {0};
        struct sql_action_wait_list_row row;
        bool has;

        waiting->count = 0;
        if (!self_get(req, &waiting->self, err) ||
            !sql_action_wait_list_open(req->tx, req->workspace, waiting->self.environment, clock_now_ms(),
                                       ITEMS_MAX, &c, err))
                return false;
        while (waiting->count < ITEMS_MAX) {
                if (!sql_action_wait_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                waiting->actions[waiting->count++] = row.id;
        }
        return true;
}

/* One look. Items that were shown lately are left out; then *ret_withheld is true. */
static FIBER_FN bool look(struct request *req, struct api_work_item *items, size_t *ret_count,
                          bool *ret_withheld, struct err *err)
{
        struct str self = id_str(&req->principal.id);
        struct waiting waiting = {0};
        struct work_asked asked[ITEMS_MAX];
        struct work_place place;
        size_t count = 0, questions;

        if (!request_read(req, waiting_work, &waiting, err))
                return false;
        place = (struct work_place){req->workspace, waiting.self.environment};
        if (!work_take_questions(req, &place, asked, ITEMS_MAX, &questions, err))
                return false;
        for (size_t i = 0; i < questions; i++)
                items[count++] = (struct api_work_item){.kind = API_WORK_ITEM_KIND_RESOLVE,
                                                        .resolution = asked[i].resolution,
                                                        .connector = asked[i].connector,
                                                        .operation = asked[i].operation,
                                                        .target = asked[i].target,
                                                        .parameters = {.text = asked[i].parameters}};
        for (size_t i = 0; i < waiting.count; i++)
                if (work_offer(req->services->work, self, &place, waiting.actions[i]))
                        items[count++] = (struct api_work_item){.kind = API_WORK_ITEM_KIND_CLAIM,
                                                                .action = waiting.actions[i]};
        *ret_count = count;
        *ret_withheld = questions + waiting.count > count;
        return true;
}

/*
 * Waits until something may have changed; false when there is no more time. An
 * item that was withheld is worth another look by itself: whoever it was shown
 * to may have died with the answer on its way.
 */
static FIBER_FN bool wait_to_look(struct request *req, struct notify_waiter *waiter, bool withheld,
                                  int64_t deadline_us)
{
        int64_t again_us = clock_mono_us() + LOOK_AGAIN_US;

        if (!withheld || again_us >= deadline_us)
                return request_wait(req, waiter, deadline_us);
        return request_wait(req, waiter, again_us) || !request_is_over(req);
}

FIBER_FN bool work_next(struct request *req, const struct api_work_next_in *in, struct api_work_list *out,
                        struct err *err)
{
        struct str self = id_str(&req->principal.id);
        struct api_work_item *items = ARENA_ARRAY(req->arena, struct api_work_item, 2 * (size_t)ITEMS_MAX);
        struct sql_executor_get_row row;
        struct notify_waiter waiter;
        struct work_place place;
        struct arena_mark mark;
        int64_t deadline_us;
        bool withheld;
        bool ok;

        if (!items)
                return arena_check(req->arena, err);
        if (!request_wait_until(req, in->wait, &deadline_us, err) ||
            !request_read(req, self_work, &row, err))
                return false;
        place = (struct work_place){req->workspace, row.environment};
        if (!work_enter(req, self, &place, deadline_us, err))
                return false;
        notify_begin(&waiter, req->tenant,
                     approvals_work_subject(req->arena, req->workspace, row.environment));
        mark = arena_mark(req->arena);
        while ((ok = look(req, items, &out->items_count, &withheld, err)) && out->items_count == 0 &&
               wait_to_look(req, &waiter, withheld, deadline_us))
                /* A busy place wakes us often: what was looked at is looked at anew. */
                arena_rewind(req->arena, mark);
        notify_end(&waiter);
        work_leave(req, self, &place);
        out->items = items;
        return ok;
}

FIBER_FN bool resolution_answer(struct request *req, const struct api_resolution_answer_in *in,
                                struct err *err)
{
        const struct api_resolution_answer *body = &in->body;
        struct work_answer answer = {.message = body->error.ptr ? body->error : STR("the executor refused"),
                                     .code = ERR_CONNECTOR_FAILED};
        struct sql_executor_get_row row;
        struct work_place place;
        BUF_SCOPED facts = {0};

        if (!request_read(req, self_work, &row, err))
                return false;
        place = (struct work_place){req->workspace, row.environment};
        if (!work_asks(req, in->resolution, &place, err))
                return false;
        if ((body->resolved.value != NULL) == (body->error.ptr != NULL))
                return err_set_at(err, ERR_MISSING_FIELD, "/resolved",
                                  "either `resolved` or `error` is needed");
        buf_init(&facts, 1 << 16);
        if (body->resolved.value) {
                json_append_canonical(&facts, body->resolved.value);
                if (!buf_check(&facts, "the facts", err))
                        return false;
                answer.facts = buf_str(&facts);
        } else if (body->error_code == API_RESOLUTION_ANSWER_ERROR_CODE_TARGET_NOT_FOUND) {
                answer.code = ERR_TARGET_NOT_FOUND;
        }
        return work_answer(req, in->resolution, &place, &answer, err);
}

/* ---- claims and output ------------------------------------------------------------------------- */

bool action_claim(struct request *req, const struct api_action_claim_in *in, struct api_claim *out,
                  struct err *err)
{
        struct sql_executor_get_row self;
        struct dsse_envelope envelope;
        struct roster roster;
        struct action action;
        bool has_roster;

        if (!self_get(req, &self, err) || !action_find(req, in->action, &action, err) ||
            !approvals_roster(req->tx, &roster, &has_roster, err) ||
            !approvals_claim(req->tx,
                             &(struct action_claim){.executor = self.id,
                                                    .environment = self.environment,
                                                    .roster = has_roster ? &roster : NULL},
                             clock_now_ms(), &action, &envelope, err))
                return false;
        request_log_detail(req, "claim", action.row.claim_id);
        action_changed(req, &action, "action.claimed");
        *out = (struct api_claim){.claim = action.row.claim_id,
                                  .action = action.row.id,
                                  .roster_version = has_roster ? roster.version : 0};
        return envelope_to_api(req->arena, &envelope, &out->envelope, err);
}

bool action_output_append(struct request *req, const struct api_action_output_append_in *in, struct err *err)
{
        struct sql_executor_get_row self;
        struct action action;

        return self_get(req, &self, err) && action_find(req, in->action, &action, err) &&
               approvals_output_append(req->tx, req->workspace, in->action, self.id, in->body.offset,
                                       in->body.data, err);
}

/* ---- reports ----------------------------------------------------------------------------------- */

struct reporting {
        struct str id;
        struct sql_executor_get_row self;
        struct action action;
        struct report report;
        struct str envelope_json;
        struct api_action *out;
};

static bool load_work(struct request *req, void *arg, struct err *err)
{
        struct reporting *reporting = arg;

        if (!self_get(req, &reporting->self, err) ||
            !approvals_get_lasting(req->tx, req->workspace, reporting->id, &reporting->action, err))
                return false;
        request_log_resource(req, "action", reporting->id);
        return true;
}

static bool report_work(struct request *req, void *arg, struct err *err)
{
        struct reporting *reporting = arg;
        bool again;

        /* Before, so that a report that is refused, because somebody has settled it, says what it said. */
        request_log_detail(req, "claim", reporting->report.claim);
        request_log_detail(req, "outcome", str_from(outcome_name(reporting->report.outcome)));
        request_log_detail(req, "output_sha256", reporting->report.output_sha256);
        if (!approvals_report(req->tx, req->workspace, &reporting->report, reporting->envelope_json,
                              clock_now_ms(), &reporting->action, &again, err))
                return false;
        if (again)
                request_log_detail(req, "repeated", STR("true"));
        else
                action_changed(req, &reporting->action, "action.reported");
        return action_to_api(req, &reporting->action, reporting->out, err);
}

FIBER_FN bool action_report(struct request *req, const struct api_action_report_in *in,
                            struct api_action *out, struct err *err)
{
        struct reporting reporting = {.id = in->action, .out = out};
        struct dsse_envelope envelope;
        struct ed25519_public key;
        BUF_SCOPED text = {0};

        if (!envelope_from_api(req->arena, &in->body, &envelope, err) ||
            !request_read(req, load_work, &reporting, err))
                return false;
        if (!ed25519_public_from(reporting.self.public_key, &key))
                return err_set(err, ERR_INTERNAL, "the executor's key cannot be read");
        if (!approvals_check_report(req->arena, &reporting.action, &envelope, reporting.self.id, &key,
                                    &reporting.report, err))
                return false;
        buf_init(&text, 4 * REPORT_MAX_BYTES);
        dsse_append(&text, &envelope);
        if (!buf_check(&text, "the report", err))
                return false;
        reporting.envelope_json = buf_str(&text);
        return request_write(req, report_work, &reporting, err);
}
