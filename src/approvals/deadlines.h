/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets time pass: a thread that sleeps until the next action of any cell is
 * due, and expires what is; so it erases secrets of provider keys that have
 * retired (keys/provider_keys.h). Cells that it knows of are in the directory too, so
 * that it finds them again after a restart, and so that another node takes them
 * over when this one dies (nodes.h).
 */
#pragma once

#include "io/fiber.h"
#include "store/store.h"

struct services;
struct deadlines;

bool deadlines_start(const struct services *services, struct deadlines **ret, struct err *err) MUST_USE;
void deadlines_stop(struct deadlines *deadlines);
/*
 * An action of this cell will be due then. Called before its transaction, so
 * that a crash right after it is covered.
 */
FIBER_FN bool deadlines_expect(struct deadlines *deadlines, const struct cell_ref *cell, int64_t due_ms,
                               struct err *err) MUST_USE;
/* Called after it: a look at the cell between the two has not seen the action. */
void deadlines_again(struct deadlines *deadlines, const struct cell_ref *cell, int64_t due_ms);
