/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fibers: stackful coroutines on a loop's thread (Boost.Context), so that a
 * request is a story told top to bottom. A fiber may wait; it must never
 * block. Its stack has 64 KiB and a guard page: no recursion on input, no large
 * arrays, no SQL, no getaddrinfo.
 *
 * A fiber stays on its loop. Between two waits no other fiber of that loop
 * runs, so state that belongs to one loop needs no lock, but anything may have
 * changed after a wait.
 *
 * Marks, enforced by tools/check_fibers.py:
 *
 *   FIBER_FN     the function can wait; call it only from functions marked
 *                FIBER_FN or FIBER_ENTRY
 *   FIBER_ENTRY  where a fiber begins
 *   BLOCKING_FN  blocks its thread; never call it from a FIBER_FN or
 * FIBER_ENTRY function (give it to fiber_offload)
 */
#pragma once

#include "base/err.h"
#include "io/loop.h"

#include <stdatomic.h>

#define FIBER_FN
#define FIBER_ENTRY
#define BLOCKING_FN

struct fiber;

/*
 * Starts a fiber on `loop`, at that loop's next turn. From any thread.
 * ERR_OVERLOADED when there are as many fibers as vm.max_map_count allows.
 */
bool fiber_spawn(struct loop *loop, void (*entry)(void *arg), void *arg, struct err *err) MUST_USE;

/* The running fiber, or NULL on a plain thread and on a loop's own stack. */
struct fiber *fiber_current(void);

/* Microseconds that the running fiber has spent waiting since it began; 0
 * outside. */
int64_t fiber_waited_us(void);

/* Never. */
#define FIBER_FOREVER INT64_MAX

/*
 * An event: fired at most once until it is reset, waited for by at most one
 * fiber at a time. Zero-initialised memory is a valid event.
 *
 * fiber_event_fire may be called from any thread, any number of times, and
 * does not touch the event's memory after the waiter could have seen it; so an
 * event may live on the waiter's stack if whoever fires it does so exactly
 * once and the waiter waits until it was fired.
 */
struct fiber_event {
        _Atomic(int) state;
        struct fiber *waiter; /* written by the waiter before state says so */
};

void fiber_event_init(struct fiber_event *event);
/* Takes back a firing. Not while a fiber waits. */
void fiber_event_reset(struct fiber_event *event);
void fiber_event_fire(struct fiber_event *event);
bool fiber_event_is_fired(const struct fiber_event *event);

/* True when the event was fired; false when the deadline (clock_mono_us) passed
 * first. */
FIBER_FN bool fiber_event_wait(struct fiber_event *event, int64_t deadline_mono_us);

FIBER_FN void fiber_sleep(int64_t ms);

/* Lets the loop's other work run. */
FIBER_FN void fiber_yield(void);

/*
 * Runs `work(arg)` on a thread of the pool (libuv's: UV_THREADPOOL_SIZE, 4 by
 * default) and waits for it. For password hashing, file reads, libcurl.
 */
FIBER_FN void fiber_offload(void (*work)(void *arg), void *arg);
