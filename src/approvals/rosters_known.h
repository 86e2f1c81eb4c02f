/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rosters that were read before. A decision and a claim each need the roster
 * that stands, and it changes seldom: what was parsed of an envelope is kept,
 * and counts only for the very bytes that a transaction has just read. So there
 * is nothing to forget when a roster changes. Bounded; any thread.
 *
 * Private to src/approvals.
 */
#pragma once

#include "documents/roster.h"

/* A copy in the arena; false when these bytes are not known, or the arena is full (arena_check). */
bool rosters_recall(struct arena *arena, struct str envelope, struct roster *ret);
/* Keeps a copy, if there is memory for it. */
void rosters_keep(struct str envelope, const struct roster *roster);
