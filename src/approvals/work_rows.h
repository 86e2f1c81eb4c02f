/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Presence and questions as rows of the tenant's cell, for nodes that share a
 * database (work.h is what the rest of the program sees). A row is written, and
 * the other nodes are told with it; a node that may have missed what it was
 * told wakes all its waiters, so that no question and no answer is lost.
 *
 * Times are wall-clock: nodes whose clocks differ by more than some seconds show
 * a question later or twice, and nothing worse.
 */
#pragma once

#include "approvals/work.h"

/* The executor is connected until then, whichever node looks. */
FIBER_FN bool rows_lease(struct request *req, struct str executor, const struct work_place *place,
                         int64_t until_ms, struct err *err) MUST_USE;
/* Gives back what is left of a lease, unless another node has renewed it. */
FIBER_FN bool rows_lease_shorten(struct request *req, struct str executor, int64_t was_ms, int64_t until_ms,
                                 struct err *err) MUST_USE;

/*
 * Writes the question down and tells all nodes; *ret_asked is false, and nothing
 * is written, when no executor is connected, unless one is connected here.
 */
FIBER_FN bool rows_ask(struct request *req, struct str id, const struct work_question *question,
                       struct str parameters, bool is_connected_here, bool *ret_asked,
                       struct err *err) MUST_USE;
/* What has been answered so far; the answer lives in the request's arena. */
FIBER_FN bool rows_look(struct request *req, struct str id, bool *ret_answered,
                        struct work_answer *ret_answer, struct err *err) MUST_USE;
FIBER_FN bool rows_unask(struct request *req, struct str id, struct err *err) MUST_USE;

FIBER_FN bool rows_take_questions(struct request *req, const struct work_place *place,
                                  struct work_asked *ret_asked, size_t room, size_t *ret_count,
                                  struct err *err) MUST_USE;
FIBER_FN bool rows_asks(struct request *req, struct str id, const struct work_place *place, bool *ret_asks,
                        struct err *err) MUST_USE;
/* *ret_asks is false, and nothing is written, when the question is not open any more. */
FIBER_FN bool rows_answer(struct request *req, struct str id, const struct work_place *place,
                          const struct work_answer *answer, bool *ret_asks, struct err *err) MUST_USE;
