/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/work.h"

#include "api/notify.h"
#include "api/services.h"
#include "approvals/approvals.h"
#include "approvals/deadlines.h"
#include "base/clock.h"
#include "base/heap.h"

#include <pthread.h>
#include <stdio.h>

enum { ENVIRONMENT_SIZE = 33, OFFERS = 32, ANSWER_MAX_BYTES = 8192, ANSWER_TEXT_MAX = 512 };

/* How long after its last request an executor counts as connected. */
#define CONNECTED_US INT64_C(15000000)
/* How soon a question or an action is shown again. */
#define AGAIN_US INT64_C(2000000)
#define RESOLVE_US INT64_C(20000000)

struct offer {
        struct id action;
        int64_t at_us;
};

struct presence {
        struct presence *next;
        struct id executor;
        struct id workspace;
        char environment[ENVIRONMENT_SIZE];
        unsigned waiting; /* requests under way */
        int64_t seen_us;
        unsigned next_offer;
        struct offer offers[OFFERS];
};

/* On the stack of the fiber that asks; reached by others under the lock only. */
struct question {
        struct question *next;
        struct id id;
        struct id tenant;
        const struct work_question *asked;
        struct str parameters; /* JSON */
        int64_t given_us;      /* 0: to nobody yet */
        bool answered;
        enum err_code code; /* ERR_NONE: facts */
        struct str facts;   /* on the heap */
        char message[ANSWER_TEXT_MAX];
};

struct work {
        struct deadlines *deadlines;
        pthread_mutex_t lock; /* of all below */
        struct presence *presences;
        struct question *questions;
};

bool work_start(const struct services *services, struct work **ret, struct err *err)
{
        struct work *work = heap_alloc_zeroed(1, sizeof(*work));

        *ret = NULL;
        if (!work)
                return err_set(err, ERR_NO_MEMORY, "no memory for the executors' work");
        (void)pthread_mutex_init(&work->lock, NULL);
        if (!deadlines_start(services, &work->deadlines, err)) {
                work_stop(work);
                return false;
        }
        *ret = work;
        return true;
}

void work_stop(struct work *work)
{
        if (!work)
                return;
        deadlines_stop(work->deadlines);
        while (work->presences) {
                struct presence *next = work->presences->next;

                heap_free(work->presences);
                work->presences = next;
        }
        (void)pthread_mutex_destroy(&work->lock);
        heap_free(work);
}

FIBER_FN bool work_expect(struct work *work, const struct cell_ref *cell, int64_t due_ms, struct err *err)
{
        return deadlines_expect(work->deadlines, cell, due_ms, err);
}

/* ---- who is connected -------------------------------------------------------------------------- */

/* With the lock. */
static struct presence *find_presence(struct work *work, struct str executor)
{
        for (struct presence *p = work->presences; p; p = p->next)
                if (str_is(executor, p->executor.text))
                        return p;
        return NULL;
}

static bool is_connected(const struct presence *presence)
{
        return presence->waiting > 0 || clock_mono_us() - presence->seen_us < CONNECTED_US;
}

static bool is_at(const struct presence *presence, const struct work_place *place)
{
        return str_is(place->workspace, presence->workspace.text) &&
               str_is(place->environment, presence->environment);
}

bool work_enter(struct work *work, struct str executor, const struct work_place *place, struct err *err)
{
        struct presence *presence;

        (void)pthread_mutex_lock(&work->lock);
        presence = find_presence(work, executor);
        if (!presence) {
                presence = heap_alloc_zeroed(1, sizeof(*presence));
                if (presence) {
                        presence->executor = id_from(executor);
                        presence->workspace = id_from(place->workspace);
                        (void)snprintf(presence->environment, sizeof(presence->environment), "%.*s",
                                       STR_ARG(place->environment));
                        presence->next = work->presences;
                        work->presences = presence;
                }
        }
        if (presence) {
                presence->waiting++;
                presence->seen_us = clock_mono_us();
        }
        (void)pthread_mutex_unlock(&work->lock);
        return presence || err_set(err, ERR_NO_MEMORY, "no memory for the executor");
}

void work_leave(struct work *work, struct str executor)
{
        struct presence *presence;

        (void)pthread_mutex_lock(&work->lock);
        presence = find_presence(work, executor);
        if (presence) {
                presence->waiting -= presence->waiting > 0 ? 1 : 0;
                presence->seen_us = clock_mono_us();
        }
        (void)pthread_mutex_unlock(&work->lock);
}

void work_forget(struct work *work, struct str executor)
{
        (void)pthread_mutex_lock(&work->lock);
        for (struct presence **link = &work->presences; *link; link = &(*link)->next)
                if (str_is(executor, (*link)->executor.text)) {
                        struct presence *gone = *link;

                        *link = gone->next;
                        heap_free(gone);
                        break;
                }
        (void)pthread_mutex_unlock(&work->lock);
}

bool work_is_connected(struct work *work, struct str executor)
{
        struct presence *presence;
        bool connected;

        (void)pthread_mutex_lock(&work->lock);
        presence = find_presence(work, executor);
        connected = presence && is_connected(presence);
        (void)pthread_mutex_unlock(&work->lock);
        return connected;
}

bool work_offer(struct work *work, struct str executor, struct str action)
{
        int64_t now_us = clock_mono_us();
        struct presence *presence;
        bool offers = true;

        (void)pthread_mutex_lock(&work->lock);
        presence = find_presence(work, executor);
        if (presence) {
                struct offer *place = &presence->offers[presence->next_offer % OFFERS];

                for (unsigned i = 0; i < OFFERS; i++)
                        if (str_is(action, presence->offers[i].action.text)) {
                                place = &presence->offers[i];
                                offers = now_us - place->at_us >= AGAIN_US;
                        }
                if (offers) {
                        if (!str_is(action, place->action.text))
                                presence->next_offer++;
                        *place = (struct offer){id_from(action), now_us};
                }
        }
        (void)pthread_mutex_unlock(&work->lock);
        return offers;
}

/* ---- questions --------------------------------------------------------------------------------- */

/* With the lock. */
static bool somebody_is_at(struct work *work, const struct work_place *place)
{
        for (struct presence *p = work->presences; p; p = p->next)
                if (is_at(p, place) && is_connected(p))
                        return true;
        return false;
}

static bool ask(struct work *work, struct question *question, struct err *err)
{
        const struct work_place *place = &question->asked->place;
        bool asked;

        (void)pthread_mutex_lock(&work->lock);
        asked = somebody_is_at(work, place);
        if (asked) {
                question->next = work->questions;
                work->questions = question;
        }
        (void)pthread_mutex_unlock(&work->lock);
        return asked ||
               err_set(err, ERR_NO_EXECUTOR,
                       "no executor of the environment \"%.*s\" is connected to find out what "
                       "\"%.*s\" stands for; start one and ask again",
                       STR_ARG(place->environment), STR_ARG(str_slice(question->asked->target, 0, 100)));
}

static void unask(struct work *work, struct question *question)
{
        (void)pthread_mutex_lock(&work->lock);
        for (struct question **link = &work->questions; *link; link = &(*link)->next)
                if (*link == question) {
                        *link = question->next;
                        break;
                }
        (void)pthread_mutex_unlock(&work->lock);
}

static bool is_answered(struct work *work, const struct question *question)
{
        bool answered;

        (void)pthread_mutex_lock(&work->lock);
        answered = question->answered;
        (void)pthread_mutex_unlock(&work->lock);
        return answered;
}

static FIBER_FN void wait_for_answer(struct request *req, struct question *question)
{
        struct work *work = req->services->work;
        int64_t deadline_us = clock_mono_us() + RESOLVE_US;
        struct notify_waiter waiter;

        if (req->deadline_mono_us < deadline_us)
                deadline_us = req->deadline_mono_us;
        notify_begin(&waiter, req->tenant, id_str(&question->id));
        notify_publish(req->tenant, approvals_work_subject(req->arena, question->asked->place.workspace,
                                                           question->asked->place.environment));
        while (!is_answered(work, question) && request_wait(req, &waiter, deadline_us))
                ;
        notify_end(&waiter);
}

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

static bool take_answer(struct request *req, const struct question *question, struct json *ret_facts,
                        struct err *err)
{
        if (!question->answered)
                return err_set(err, ERR_UPSTREAM_TIMEOUT,
                               "no executor has said within 20 seconds what \"%.*s\" stands for",
                               STR_ARG(str_slice(question->asked->target, 0, 100)));
        if (question->code != ERR_NONE)
                return err_set_at(err, question->code, "/target", "%s", question->message);
        if (!json_parse(req->arena, question->facts, ret_facts, err)) {
                err->code = ERR_CONNECTOR_FAILED;
                return err_prefix(err, "the executor's answer");
        }
        return facts_check(question->asked, ret_facts, err);
}

FIBER_FN bool work_resolve(struct request *req, const struct work_question *asked, struct json *ret_facts,
                           struct err *err)
{
        struct work *work = req->services->work;
        struct question question = {.id = id_new("res"), .tenant = id_from(req->tenant), .asked = asked};
        BUF_SCOPED parameters;
        bool ok;

        buf_init(&parameters, 1 << 17);
        json_append_canonical(&parameters, asked->parameters);
        if (!buf_check(&parameters, "the parameters", err))
                return false;
        question.parameters = buf_str(&parameters);
        if (!ask(work, &question, err))
                return false;
        wait_for_answer(req, &question);
        unask(work, &question);
        ok = take_answer(req, &question, ret_facts, err);
        heap_free((void *)(uintptr_t)question.facts.ptr);
        return ok;
}

bool work_take_questions(struct work *work, struct arena *arena, const struct work_place *place,
                         struct work_asked *ret_asked, size_t room, size_t *ret_count, struct err *err)
{
        int64_t now_us = clock_mono_us();

        *ret_count = 0;
        (void)pthread_mutex_lock(&work->lock);
        for (struct question *q = work->questions; q && *ret_count < room; q = q->next) {
                if (q->answered || !str_eq(q->asked->place.workspace, place->workspace) ||
                    !str_eq(q->asked->place.environment, place->environment) ||
                    (q->given_us != 0 && now_us - q->given_us < AGAIN_US))
                        continue;
                q->given_us = now_us;
                ret_asked[(*ret_count)++] = (struct work_asked){
                        .resolution = arena_str(arena, id_str(&q->id)),
                        .connector = str_from(q->asked->operation->connector),
                        .operation = str_from(q->asked->operation->name),
                        .target = arena_str(arena, q->asked->target),
                        .parameters = arena_str(arena, q->parameters),
                };
        }
        (void)pthread_mutex_unlock(&work->lock);
        return arena_check(arena, err);
}

/* With the lock. An open question of the place where the executor is. */
static struct question *find_question(struct work *work, struct str id, struct str executor)
{
        struct presence *presence = find_presence(work, executor);

        for (struct question *q = work->questions; presence && q; q = q->next)
                if (str_is(id, q->id.text) && !q->answered && is_at(presence, &q->asked->place))
                        return q;
        return NULL;
}

static bool no_question(struct err *err)
{
        return err_set(err, ERR_NOT_FOUND, "there is no such question any more");
}

bool work_asks(struct work *work, struct str resolution, struct str executor, struct err *err)
{
        bool asks;

        (void)pthread_mutex_lock(&work->lock);
        asks = find_question(work, resolution, executor) != NULL;
        (void)pthread_mutex_unlock(&work->lock);
        return asks || no_question(err);
}

bool work_answer(struct work *work, struct str resolution, struct str executor,
                 const struct work_answer *answer, struct err *err)
{
        struct str facts = STR_NULL;
        struct question *question;
        struct id tenant = {""};

        if (answer->facts.ptr) {
                char *copy;

                if (answer->facts.len > ANSWER_MAX_BYTES)
                        return err_set_at(err, ERR_BAD_FIELD, "/resolved", "more than %d bytes of facts",
                                          ANSWER_MAX_BYTES);
                copy = heap_alloc(answer->facts.len + 1);
                if (!copy)
                        return err_set(err, ERR_NO_MEMORY, "no memory for the answer");
                memcpy(copy, answer->facts.ptr, answer->facts.len);
                facts = str_make(copy, answer->facts.len);
        }
        (void)pthread_mutex_lock(&work->lock);
        question = find_question(work, resolution, executor);
        if (question) {
                tenant = question->tenant;
                question->answered = true;
                question->facts = facts;
                question->code = facts.ptr ? ERR_NONE : answer->code;
                (void)snprintf(question->message, sizeof(question->message), "%.*s",
                               STR_ARG(answer->message));
                facts = STR_NULL; /* the question's now */
        }
        (void)pthread_mutex_unlock(&work->lock);
        heap_free((void *)(uintptr_t)facts.ptr);
        if (!tenant.text[0])
                return no_question(err);
        notify_publish(id_str(&tenant), resolution);
        return true;
}
