/* SPDX-License-Identifier: Apache-2.0 */
/* What targets stand for: asking executors, and their answers. */
#include "approvals/work_private.h"

#include "api/notify.h"
#include "api/services.h"
#include "approvals/approvals.h"
#include "approvals/work_rows.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/log_line.h"

#include <stdio.h>

/* How soon a question is shown again. */
#define AGAIN_US INT64_C(2000000)
#define RESOLVE_US INT64_C(20000000)

/* ---- questions in memory ----------------------------------------------------------------------- */

static bool no_executor(const struct work_question *asked, struct err *err)
{
        return err_set(err, ERR_NO_EXECUTOR,
                       "no executor of the environment \"%.*s\" is connected to find out what "
                       "\"%.*s\" stands for; start one and ask again",
                       STR_ARG(asked->place.environment), STR_ARG(str_slice(asked->target, 0, 100)));
}

static bool ask(struct work *work, struct question *question, struct err *err)
{
        struct bucket *bucket = work_lock(work, &question->asked->place);
        struct place *place = work_find_place(bucket, &question->asked->place);
        bool asked = work_somebody_is_at(place);

        if (asked) {
                question->next = place->questions;
                place->questions = question;
        }
        work_unlock(bucket);
        return asked || no_executor(question->asked, err);
}

static void unask(struct work *work, struct question *question)
{
        struct bucket *bucket = work_lock(work, &question->asked->place);
        /* A place with a question stays. */
        struct place *place = work_find_place(bucket, &question->asked->place);

        for (struct question **link = &place->questions; *link; link = &(*link)->next)
                if (*link == question) {
                        *link = question->next;
                        break;
                }
        work_unlock(bucket);
}

static bool is_answered(struct work *work, const struct question *question)
{
        struct bucket *bucket = work_lock(work, &question->asked->place);
        bool answered = question->answered;

        work_unlock(bucket);
        return answered;
}

static int64_t resolve_deadline(const struct request *req)
{
        int64_t deadline_us = clock_mono_us() + RESOLVE_US;

        return req->deadline_mono_us < deadline_us ? req->deadline_mono_us : deadline_us;
}

static FIBER_FN void wait_for_answer(struct request *req, struct question *question)
{
        struct work *work = req->services->work;
        int64_t deadline_us = resolve_deadline(req);
        struct notify_waiter waiter;

        notify_begin(&waiter, req->tenant, id_str(&question->id));
        notify_publish(req->tenant, approvals_work_subject(req->arena, question->asked->place.workspace,
                                                           question->asked->place.environment));
        while (!is_answered(work, question) && request_wait(req, &waiter, deadline_us))
                ;
        notify_end(&waiter);
}

/* Asks within this process; the answer, if there is one, in the request's arena. */
static FIBER_FN bool resolve_here(struct request *req, const struct work_question *asked,
                                  struct str parameters, bool *ret_answered, struct work_answer *ret_answer,
                                  struct err *err)
{
        struct work *work = req->services->work;
        struct question question = {.id = id_new("res"),
                                    .tenant = id_from(req->tenant),
                                    .asked = asked,
                                    .parameters = parameters};

        if (!ask(work, &question, err))
                return false;
        wait_for_answer(req, &question);
        unask(work, &question);
        *ret_answered = question.answered;
        *ret_answer = (struct work_answer){.code = question.code,
                                           .message = arena_str(req->arena, str_from(question.message))};
        if (question.facts.ptr)
                ret_answer->facts = arena_str(req->arena, question.facts);
        heap_free((void *)(uintptr_t)question.facts.ptr);
        return arena_check(req->arena, err);
}

/* ---- questions among nodes --------------------------------------------------------------------- */

/* Until it is answered or nobody waits any more. */
static FIBER_FN bool wait_for_row(struct request *req, struct str id, bool *ret_answered,
                                  struct work_answer *ret_answer, struct notify_waiter *waiter,
                                  struct err *err)
{
        int64_t deadline_us = resolve_deadline(req);

        do {
                if (!rows_look(req, id, ret_answered, ret_answer, err))
                        return false;
        } while (!*ret_answered && request_wait(req, waiter, deadline_us));
        return true;
}

static FIBER_FN bool resolve_among_nodes(struct request *req, const struct work_question *asked,
                                         struct str parameters, bool *ret_answered,
                                         struct work_answer *ret_answer, struct err *err)
{
        struct bucket *bucket = work_lock(req->services->work, &asked->place);
        bool is_here = work_somebody_is_at(work_find_place(bucket, &asked->place));
        struct id id = id_new("res");
        struct notify_waiter waiter;
        struct err left;
        bool is_asked, ok;

        work_unlock(bucket);
        notify_begin(&waiter, req->tenant, id_str(&id));
        ok = rows_ask(req, id_str(&id), asked, parameters, is_here, &is_asked, err);
        if (ok && is_asked) {
                ok = wait_for_row(req, id_str(&id), ret_answered, ret_answer, &waiter, err);
                if (!rows_unask(req, id_str(&id), &left))
                        log_line(LOG_WARN, "a question stays; the tenant's next one deletes it",
                                 LOG_STR("resolution", id_str(&id)), LOG_C("error", left.message));
        }
        notify_end(&waiter);
        return ok && (is_asked || no_executor(asked, err));
}

/* ---- resolving --------------------------------------------------------------------------------- */

/* What the executor says must be what the catalogue knows of such a target. */
static bool facts_check(const struct work_question *asked, const struct json *facts, struct err *err)
{
        unsigned count;
        const struct target_fact *known = target_kind_facts(asked->operation->target, &count);
        struct err why;

        if (facts->type != JSON_OBJECT)
                return err_set(err, ERR_CONNECTOR_FAILED, "the executor's answer is not an object");
        for (uint32_t i = 0; i < facts->count; i++) {
                const struct json_member *fact = &facts->members[i];

                if (fact->value.type != JSON_STRING ||
                    !target_fact_check(asked->operation->target, fact->key, fact->value.string, &why))
                        return err_set(err, ERR_CONNECTOR_FAILED,
                                       "the executor's fact \"%.*s\" cannot be used",
                                       STR_ARG(str_slice(fact->key, 0, 64)));
        }
        for (unsigned i = 0; i < count; i++)
                if (known[i].required && !json_get(facts, known[i].name))
                        return err_set(err, ERR_CONNECTOR_FAILED, "the executor did not say the target's %s",
                                       known[i].name);
        return true;
}

static bool take_answer(struct request *req, const struct work_question *asked, bool answered,
                        const struct work_answer *answer, struct json *ret_facts, struct err *err)
{
        if (!answered)
                return err_set(err, ERR_UPSTREAM_TIMEOUT,
                               "no executor has said within 20 seconds what \"%.*s\" stands for",
                               STR_ARG(str_slice(asked->target, 0, 100)));
        if (!answer->facts.ptr)
                return err_set_at(err, answer->code, "/target", "%.*s", STR_ARG(answer->message));
        if (!json_parse(req->arena, answer->facts, ret_facts, err)) {
                err->code = ERR_CONNECTOR_FAILED;
                return err_prefix(err, "the executor's answer");
        }
        return facts_check(asked, ret_facts, err);
}

FIBER_FN bool work_resolve(struct request *req, const struct work_question *asked, struct json *ret_facts,
                           struct err *err)
{
        struct work_answer answer = {0};
        BUF_SCOPED parameters;
        bool answered = false;
        bool ok;

        buf_init(&parameters, 1 << 17);
        json_append_canonical(&parameters, asked->parameters);
        if (!buf_check(&parameters, "the parameters", err))
                return false;
        if (req->services->work->is_shared)
                ok = resolve_among_nodes(req, asked, buf_str(&parameters), &answered, &answer, err);
        else
                ok = resolve_here(req, asked, buf_str(&parameters), &answered, &answer, err);
        return ok && take_answer(req, asked, answered, &answer, ret_facts, err);
}

FIBER_FN bool work_take_questions(struct request *req, const struct work_place *at,
                                  struct work_asked *ret_asked, size_t room, size_t *ret_count,
                                  struct err *err)
{
        struct work *work = req->services->work;
        int64_t now_us = clock_mono_us();
        struct bucket *bucket;
        struct place *place;

        if (work->is_shared)
                return rows_take_questions(req, at, ret_asked, room, ret_count, err);
        *ret_count = 0;
        bucket = work_lock(work, at);
        place = work_find_place(bucket, at);
        for (struct question *q = place ? place->questions : NULL; q && *ret_count < room; q = q->next) {
                if (q->answered || (q->given_us != 0 && now_us - q->given_us < AGAIN_US))
                        continue;
                q->given_us = now_us;
                ret_asked[(*ret_count)++] = (struct work_asked){
                        .resolution = arena_str(req->arena, id_str(&q->id)),
                        .connector = str_from(q->asked->operation->connector),
                        .operation = str_from(q->asked->operation->name),
                        .target = arena_str(req->arena, q->asked->target),
                        .parameters = arena_str(req->arena, q->parameters),
                };
        }
        work_unlock(bucket);
        return arena_check(req->arena, err);
}

/* With the lock. */
static struct question *find_question(const struct bucket *bucket, const struct work_place *at,
                                      struct str id)
{
        struct place *place = work_find_place(bucket, at);

        for (struct question *q = place ? place->questions : NULL; q; q = q->next)
                if (str_is(id, q->id.text) && !q->answered)
                        return q;
        return NULL;
}

static bool no_question(struct err *err)
{
        return err_set(err, ERR_NOT_FOUND, "there is no such question any more");
}

FIBER_FN bool work_asks(struct request *req, struct str resolution, const struct work_place *at,
                        struct err *err)
{
        struct bucket *bucket;
        bool asks;

        if (req->services->work->is_shared)
                return rows_asks(req, resolution, at, &asks, err) && (asks || no_question(err));
        bucket = work_lock(req->services->work, at);
        asks = find_question(bucket, at, resolution) != NULL;
        work_unlock(bucket);
        return asks || no_question(err);
}

/* Gives the answer within this process. */
static bool answer_here(struct request *req, struct str resolution, const struct work_place *at,
                        const struct work_answer *answer, struct err *err)
{
        struct str facts = STR_NULL;
        struct question *question;
        struct id tenant = {""};
        struct bucket *bucket;

        if (answer->facts.ptr) {
                char *copy = heap_alloc(answer->facts.len + 1);

                if (!copy)
                        return err_set(err, ERR_NO_MEMORY, "no memory for the answer");
                memcpy(copy, answer->facts.ptr, answer->facts.len);
                facts = str_make(copy, answer->facts.len);
        }
        bucket = work_lock(req->services->work, at);
        question = find_question(bucket, at, resolution);
        if (question) {
                tenant = question->tenant;
                question->answered = true;
                question->facts = facts;
                question->code = facts.ptr ? ERR_NONE : answer->code;
                (void)snprintf(question->message, sizeof(question->message), "%.*s",
                               STR_ARG(answer->message));
                facts = STR_NULL; /* the question's now */
        }
        work_unlock(bucket);
        heap_free((void *)(uintptr_t)facts.ptr);
        if (!tenant.text[0])
                return no_question(err);
        notify_publish(id_str(&tenant), resolution);
        return true;
}

FIBER_FN bool work_answer(struct request *req, struct str resolution, const struct work_place *at,
                          const struct work_answer *answer, struct err *err)
{
        bool asks;

        if (answer->facts.len > WORK_FACTS_MAX_BYTES)
                return err_set_at(err, ERR_BAD_FIELD, "/resolved", "more than %d bytes of facts",
                                  WORK_FACTS_MAX_BYTES);
        if (req->services->work->is_shared)
                return rows_answer(req, resolution, at, answer, &asks, err) && (asks || no_question(err));
        return answer_here(req, resolution, at, answer, err);
}
