/* SPDX-License-Identifier: Apache-2.0 */
/* One step along transitions.def; private to this folder. */
#pragma once

#include "approvals/approvals.h"

/*
 * Moves the row and `action` to where the event leads. *ret_moved is false when
 * the table has no such row, or when somebody else was first.
 */
bool action_move(struct tx *tx, struct action *action, enum action_event event, int64_t now_ms,
                 bool *ret_moved, struct err *err) MUST_USE;

/* The error for an event that comes in a state where it cannot. Returns false. */
bool action_not_pending(const struct action *action, struct err *err);
