/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event loops: one libuv loop on each of a few threads.
 *
 * Code on a loop's thread must never block; where it has to wait it runs on a
 * fiber (fiber.h), and where it has to compute or block it goes to a thread
 * (fiber_offload). In builds with -Dtest_hooks=true a watchdog aborts the
 * program when a loop stands still for 50 ms; COUNTERSIGN_WATCHDOG_MS sets
 * another limit, 0 turns it off. Time that the loop's thread was ready to run
 * but had no CPU does not count.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

struct loop;
struct loops;

/*
 * Starts `count` loops, each on its own thread; 0 means one for each CPU that
 * we may use. Warns in the log when vm.max_map_count is too low for the number
 * of fibers that the program would allow (a guarded stack is two mappings).
 */
bool loops_start(unsigned count, struct loops **ret_loops, struct err *err) MUST_USE;

unsigned loops_count(const struct loops *loops);
struct loop *loops_at(const struct loops *loops, unsigned index);

/*
 * Ends the loops, waits for their threads and frees all. A loop ends when its
 * last fiber has ended; servers and clients on the loops must be freed before.
 * Not from a loop's thread. NULL is fine.
 */
void loops_free(struct loops *loops);

/* The loop whose thread this is, or NULL on a plain thread. */
struct loop *loop_current(void);

/* "0", "1", …: for log lines and metrics. */
unsigned loop_index(const struct loop *loop);

/*
 * Work for a loop, in memory that the caller owns: it must stay until `run`
 * is called, which may then free it. A task can be in one queue at a time.
 */
struct loop_task {
        void (*run)(struct loop_task *task);
        struct loop_task *next; /* private */
};

/* Runs the task on the loop's thread, soon. From any thread; cannot fail; keeps
 * order per caller. */
void loop_post(struct loop *loop, struct loop_task *task);

/*
 * A timer in memory that the owner keeps until loop_timer_stop. Only on the
 * loop's thread. `fire` runs on the loop's stack, once per start; it may start
 * the timer again. Starting a running timer moves its deadline, which is cheap
 * when it moves back.
 */
struct loop_timer {
        void (*fire)(struct loop_timer *timer);
        int64_t deadline_mono_us;
        /* private: a pairing heap, ordered by a key that is at most the deadline */
        int64_t key_us;
        struct loop_timer *child;
        struct loop_timer *next;
        struct loop_timer *prev; /* the parent for a first child */
        bool is_running;
};

void loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t deadline_mono_us);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);

/* How long loops were busy, for /metrics. Readable from any thread. */
struct loop_stats {
        uint64_t fibers_live;
        uint64_t fibers_started;
        uint64_t wakeups; /* callbacks from libuv */
};
void loop_stats(const struct loop *loop, struct loop_stats *ret_stats);
