/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/work_rows.h"

#include "api/notify.h"
#include "approvals/approvals.h"
#include "approvals/work_sql.h"
#include "base/base64.h"
#include "base/clock.h"
#include "keys/tenant_keys.h"

/* How soon a question is shown again. */
#define AGAIN_MS INT64_C(2000)
/* No request waits so long for an answer. */
#define OLD_MS INT64_C(60000)

/* ---- leases ------------------------------------------------------------------------------------ */

struct lease {
        struct str executor;
        const struct work_place *place;
        int64_t was_ms, until_ms;
};

static bool lease_work(struct request *req, void *arg, struct err *err)
{
        const struct lease *lease = arg;

        return sql_presence_put(req->tx, lease->executor, lease->place->workspace, lease->place->environment,
                                lease->until_ms, err);
}

FIBER_FN bool rows_lease(struct request *req, struct str executor, const struct work_place *place,
                         int64_t until_ms, struct err *err)
{
        struct lease lease = {.executor = executor, .place = place, .until_ms = until_ms};

        return request_prepare(req, lease_work, &lease, err);
}

static bool shorten_work(struct request *req, void *arg, struct err *err)
{
        const struct lease *lease = arg;

        return sql_presence_shorten(req->tx, lease->executor, lease->was_ms, lease->until_ms, err);
}

FIBER_FN bool rows_lease_shorten(struct request *req, struct str executor, int64_t was_ms, int64_t until_ms,
                                 struct err *err)
{
        struct lease lease = {.executor = executor, .was_ms = was_ms, .until_ms = until_ms};

        return request_prepare(req, shorten_work, &lease, err);
}

/* ---- the side that asks ------------------------------------------------------------------------ */

struct asking {
        struct str id;
        const struct work_question *question;
        struct str parameters;
        bool is_connected_here;
        bool asked;
};

/*
 * Parameters are content, and a row of PostgreSQL outlives its deletion on disk: they lie here sealed
 * under the tenant's key, as base64.
 */
enum { PARAMETERS_ROW = 3 };
static void parameters_row(struct str id, struct str row[PARAMETERS_ROW])
{
        row[0] = STR("resolution");
        row[1] = id;
        row[2] = STR("parameters");
}

static bool parameters_seal(struct tx *tx, struct str id, struct str plain, struct str *ret_text,
                            struct err *err)
{
        struct str row[PARAMETERS_ROW], sealed;

        parameters_row(id, row);
        if (!tenant_key_seal(tx, row, PARAMETERS_ROW, plain, &sealed, err))
                return false;
        *ret_text = base64_encode(tx_arena(tx), sealed);
        return arena_check(tx_arena(tx), err);
}

static bool parameters_open(struct tx *tx, struct str id, struct str text, struct str *ret_plain,
                            struct err *err)
{
        struct str row[PARAMETERS_ROW], sealed;

        parameters_row(id, row);
        if (!base64_decode(tx_arena(tx), text, &sealed))
                return err_set(err, ERR_STORE_FAILED, "a stored question cannot be read");
        return tenant_key_open(tx, tx_arena(tx), row, PARAMETERS_ROW, sealed, ret_plain, err);
}

static bool ask_work(struct request *req, void *arg, struct err *err)
{
        struct str parameters;
        struct asking *asking = arg;
        const struct work_question *question = asking->question;
        const struct work_place *place = &question->place;
        int64_t now_ms = clock_now_ms();
        struct sql_presence_any_row row;

        asking->asked = asking->is_connected_here;
        if (!asking->asked && !sql_presence_any(req->tx, place->workspace, place->environment, now_ms, &row,
                                                &asking->asked, err))
                return false;
        if (!asking->asked)
                return true;
        notify_on_commit(req->tx, approvals_work_subject(req->arena, place->workspace, place->environment));
        return parameters_seal(req->tx, asking->id, asking->parameters, &parameters, err) &&
               sql_resolution_delete_old(req->tx, now_ms - OLD_MS, err) &&
               sql_resolution_insert(req->tx,
                                     &(struct sql_resolution_insert_in){
                                             .id = asking->id,
                                             .workspace_id = place->workspace,
                                             .environment = place->environment,
                                             .connector = str_from(question->operation->connector),
                                             .operation = str_from(question->operation->name),
                                             .target = question->target,
                                             .parameters = parameters,
                                             .now = now_ms,
                                     },
                                     err);
}

FIBER_FN bool rows_ask(struct request *req, struct str id, const struct work_question *question,
                       struct str parameters, bool is_connected_here, bool *ret_asked, struct err *err)
{
        struct asking asking = {.id = id,
                                .question = question,
                                .parameters = parameters,
                                .is_connected_here = is_connected_here};
        bool ok = request_prepare(req, ask_work, &asking, err);

        *ret_asked = asking.asked;
        return ok;
}

struct looking {
        struct str id;
        bool found;
        struct sql_resolution_get_row row;
};

static bool look_work(struct request *req, void *arg, struct err *err)
{
        struct looking *looking = arg;

        return sql_resolution_get(req->tx, looking->id, &looking->row, &looking->found, err);
}

FIBER_FN bool rows_look(struct request *req, struct str id, bool *ret_answered,
                        struct work_answer *ret_answer, struct err *err)
{
        struct looking looking = {.id = id};

        *ret_answered = false;
        if (!request_read(req, look_work, &looking, err))
                return false;
        *ret_answered = looking.found && looking.row.has_answered_ms;
        *ret_answer = (struct work_answer){
                .facts = looking.row.facts,
                .code = str_is(looking.row.failure, "target_not_found") ? ERR_TARGET_NOT_FOUND
                                                                        : ERR_CONNECTOR_FAILED,
                .message = looking.row.message,
        };
        return true;
}

static bool unask_work(struct request *req, void *arg, struct err *err)
{
        const struct str *id = arg;

        return sql_resolution_delete(req->tx, *id, err);
}

FIBER_FN bool rows_unask(struct request *req, struct str id, struct err *err)
{
        return request_prepare(req, unask_work, &id, err);
}

/* ---- the side that answers --------------------------------------------------------------------- */

struct taking {
        const struct work_place *place;
        struct work_asked *asked;
        size_t room, count;
};

static bool list_work(struct request *req, void *arg, struct err *err)
{
        struct taking *taking = arg;
        SQL_SCOPED(resolution_open_list) c = {0};
        struct sql_resolution_open_list_row row;
        int64_t now_ms = clock_now_ms();
        bool has;

        if (!sql_resolution_open_list_open(req->tx, taking->place->workspace, taking->place->environment,
                                           now_ms, now_ms - AGAIN_MS, (int64_t)taking->room, &c, err))
                return false;
        while (taking->count < taking->room) {
                if (!sql_resolution_open_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                if (!parameters_open(req->tx, row.id, row.parameters, &row.parameters, err))
                        return false;
                taking->asked[taking->count++] = (struct work_asked){row.id, row.connector, row.operation,
                                                                     row.target, row.parameters};
        }
        return true;
}

static bool give_work(struct request *req, void *arg, struct err *err)
{
        struct taking *taking = arg;
        int64_t now_ms = clock_now_ms();
        size_t kept = 0;

        for (size_t i = 0; i < taking->count; i++) {
                int64_t changes;

                if (!sql_resolution_give(req->tx, taking->asked[i].resolution, now_ms, now_ms - AGAIN_MS,
                                         &changes, err))
                        return false;
                if (changes == 1)
                        taking->asked[kept++] = taking->asked[i];
        }
        taking->count = kept;
        return true;
}

FIBER_FN bool rows_take_questions(struct request *req, const struct work_place *place,
                                  struct work_asked *ret_asked, size_t room, size_t *ret_count,
                                  struct err *err)
{
        struct taking taking = {.place = place, .asked = ret_asked, .room = room};
        bool ok = request_read(req, list_work, &taking, err) &&
                  (taking.count == 0 || request_prepare(req, give_work, &taking, err));

        *ret_count = taking.count;
        return ok;
}

struct answering {
        struct str id;
        const struct work_place *place;
        const struct work_answer *answer;
        bool asks;
};

static bool asks_work(struct request *req, void *arg, struct err *err)
{
        struct answering *answering = arg;
        struct sql_resolution_is_open_row row;

        return sql_resolution_is_open(req->tx, answering->id, answering->place->workspace,
                                      answering->place->environment, &row, &answering->asks, err);
}

FIBER_FN bool rows_asks(struct request *req, struct str id, const struct work_place *place, bool *ret_asks,
                        struct err *err)
{
        struct answering answering = {.id = id, .place = place};
        bool ok = request_read(req, asks_work, &answering, err);

        *ret_asks = answering.asks;
        return ok;
}

static bool answer_work(struct request *req, void *arg, struct err *err)
{
        struct answering *answering = arg;
        const struct work_answer *answer = answering->answer;
        struct str failure =
                answer->code == ERR_TARGET_NOT_FOUND ? STR("target_not_found") : STR("connector_failed");
        struct str message = str_slice(answer->message, 0, WORK_MESSAGE_MAX - 1);
        int64_t changes;

        message.len = str_utf8_prefix(message);

        if (!sql_resolution_answer_put(req->tx,
                                       &(struct sql_resolution_answer_put_in){
                                               .id = answering->id,
                                               .workspace_id = answering->place->workspace,
                                               .environment = answering->place->environment,
                                               .facts = answer->facts,
                                               .failure = answer->facts.ptr ? STR_NULL : failure,
                                               .message = message,
                                               .now = clock_now_ms(),
                                       },
                                       &changes, err))
                return false;
        answering->asks = changes == 1;
        if (answering->asks)
                notify_on_commit(req->tx, answering->id);
        return true;
}

FIBER_FN bool rows_answer(struct request *req, struct str id, const struct work_place *place,
                          const struct work_answer *answer, bool *ret_asks, struct err *err)
{
        struct answering answering = {.id = id, .place = place, .answer = answer};
        bool ok = request_prepare(req, answer_work, &answering, err);

        *ret_asks = answering.asks;
        return ok;
}
