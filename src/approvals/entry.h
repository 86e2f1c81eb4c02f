/* SPDX-License-Identifier: Apache-2.0 */
/* Where the log speaks of an action, so that the action can have a receipt. */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct log_position;
struct tx;

/* In the transaction that appends the entry. An id that is no action of this cell is ignored. */
bool approvals_note_entry(struct tx *tx, struct str action, const struct log_position *position,
                          struct err *err) MUST_USE;
