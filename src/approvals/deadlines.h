/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets time pass: a thread that sleeps until the next action of any cell is
 * due, and expires what is. Cells that it knows of are in the directory too, so
 * that it finds them again after a restart.
 */
#pragma once

#include "io/fiber.h"
#include "store/store.h"

struct services;
struct deadlines;

bool deadlines_start(const struct services *services, struct deadlines **ret, struct err *err) MUST_USE;
void deadlines_stop(struct deadlines *deadlines);
FIBER_FN bool deadlines_expect(struct deadlines *deadlines, const struct cell_ref *cell, int64_t due_ms,
                               struct err *err) MUST_USE;
