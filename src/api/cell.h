/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions for code that runs on fibers: submits the job and waits for it.
 * On a fiber others go on meanwhile; on a plain thread (tests, the start) the
 * thread waits. Never on a store thread.
 */
#pragma once

#include "io/fiber.h"
#include "store/store.h"

/* `arena` takes the strings of rows that are read; see struct store_job. */
FIBER_FN bool cell_read(struct store *store, const struct cell_ref *cell, struct arena *arena,
                        store_work work, void *arg, struct err *err) MUST_USE;
FIBER_FN bool cell_write(struct store *store, const struct cell_ref *cell, struct arena *arena,
                         store_work work, void *arg, struct err *err) MUST_USE;
