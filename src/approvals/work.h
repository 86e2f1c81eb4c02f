/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is between a server and its executors: which executors are connected,
 * what they are asked to resolve, and which cells have actions whose time will
 * be up.
 *
 * A process that has its store to itself keeps the first two in memory: losing
 * them loses nothing, executors come again and a question is asked again. Where
 * several nodes share a database they are rows (work_rows.h), so that an
 * executor at one node answers what was asked at another.
 *
 * Functions may be called from any thread unless marked.
 */
#pragma once

#include "api/request.h"
#include "base/json.h"
#include "catalogue/catalogue.h"
#include "store/store.h"

struct services;
struct work; /* services.work */

/* Starts the thread that lets time pass. `services` outlives it; services->store must be open. */
bool work_start(const struct services *services, struct work **ret, struct err *err) MUST_USE;
/* Ends the thread. NULL is fine. */
void work_stop(struct work *work);

/* ---- who is connected -------------------------------------------------------------------------- */

struct work_place {
        struct str workspace;
        struct str environment;
};

/*
 * Around each request of an executor for work, which may last until
 * `until_mono_us`. It counts as connected between them for a while.
 */
FIBER_FN bool work_enter(struct request *req, struct str executor, const struct work_place *place,
                         int64_t until_mono_us, struct err *err) MUST_USE;
FIBER_FN void work_leave(struct request *req, struct str executor, const struct work_place *place);
/* It was revoked. */
void work_forget(struct work *work, struct str executor, const struct work_place *place);
/* To this node. */
bool work_is_connected(struct work *work, struct str executor, const struct work_place *place);

/*
 * Whether to show this executor an approved action: each is shown again only
 * after some seconds, so that an executor that cannot claim it does not spin.
 */
bool work_offer(struct work *work, struct str executor, const struct work_place *place, struct str action);

/* ---- what targets stand for -------------------------------------------------------------------- */

struct work_question {
        struct work_place place;
        const struct catalogue_operation *operation;
        struct str target;
        const struct json *parameters; /* an object */
};

/*
 * Asks a connected executor of the place what the target stands for; the facts
 * (an object, checked against the catalogue) live in the request's arena.
 * NO_EXECUTOR when none is connected, UPSTREAM_TIMEOUT after 20 seconds,
 * TARGET_NOT_FOUND, CONNECTOR_FAILED.
 */
FIBER_FN bool work_resolve(struct request *req, const struct work_question *question, struct json *ret_facts,
                           struct err *err) MUST_USE;

/* A question as an executor gets it; in the request's arena. */
struct work_asked {
        struct str resolution;
        struct str connector, operation, target;
        struct str parameters; /* JSON */
};
/* Questions of the place that nobody was given lately; marks them as given. */
FIBER_FN bool work_take_questions(struct request *req, const struct work_place *place,
                                  struct work_asked *ret_asked, size_t room, size_t *ret_count,
                                  struct err *err) MUST_USE;

enum { WORK_FACTS_MAX_BYTES = 8192, WORK_MESSAGE_MAX = 512 };

struct work_answer {
        struct str facts;   /* JSON object; {NULL, 0}: it failed */
        enum err_code code; /* then TARGET_NOT_FOUND or CONNECTOR_FAILED */
        struct str message;
};
/* NOT_FOUND when no such question of the place is open any more. */
FIBER_FN bool work_asks(struct request *req, struct str resolution, const struct work_place *place,
                        struct err *err) MUST_USE;
/* The same, and gives the answer. */
FIBER_FN bool work_answer(struct request *req, struct str resolution, const struct work_place *place,
                          const struct work_answer *answer, struct err *err) MUST_USE;

/* ---- time -------------------------------------------------------------------------------------- */

/*
 * An action of this cell will be due then. The first of a cell is written to
 * the directory before this returns, so that a restarted server knows.
 */
FIBER_FN bool work_expect(struct work *work, const struct cell_ref *cell, int64_t due_ms,
                          struct err *err) MUST_USE;
/* Once more when its transaction is durable: a look at the cell between the two has not seen it. */
void work_expect_again(struct work *work, const struct cell_ref *cell, int64_t due_ms);
