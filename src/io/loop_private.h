/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of loops and fibers, for src/io only. */
#pragma once

#include "io/fiber.h"
#include "io/loop.h"

#include <pthread.h>
#include <sys/types.h>
#include <uv.h>

#if defined(__SANITIZE_ADDRESS__)
#define IO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IO_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define IO_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IO_TSAN 1
#endif
#endif

#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* Sanitizers make frames larger. */
#if defined(IO_ASAN) || defined(IO_TSAN)
enum { FIBER_STACK_BYTES = 256 * 1024 };
#else
enum { FIBER_STACK_BYTES = 64 * 1024 };
#endif
/* Free stacks that a loop keeps; each holds about 4 KiB of touched memory. */
enum { FIBER_STACKS_KEPT = 256 };

typedef void *fcontext;

struct fiber {
        struct loop_task wake; /* queued to run or continue this fiber */
        struct loop *loop;
        fcontext context; /* of the fiber, while it is suspended */
        fcontext hub;     /* of the loop, while the fiber runs */
        void (*entry)(void *arg);
        void *arg;
        struct loop_timer timer;   /* the deadline of the wait */
        struct fiber_event *event; /* that it waits for, or NULL */
        int64_t waited_us;
        bool woken;
        bool timed_out;
        bool ended;
        char *stack; /* lowest usable byte, above the guard page */
        struct fiber *next_free;
        void *asan_fake_stack;
        void *tsan_fiber;
};

struct loop {
        uv_loop_t uv;
        uv_async_t async;
        uv_idle_t idle;
        uv_timer_t timer;
        struct loop_timer *timers; /* heap's root */
        int64_t timer_armed_us;    /* INT64_MAX = not armed */

        /* Only the loop's thread touches these. */
        struct loop_task *ready;
        struct loop_task **ready_tail;
        struct fiber *running;
        struct fiber *free_fibers;
        unsigned n_free_fibers;
        bool idle_active;
        bool ending;
        bool closed;

        /* Any thread. The inbox is newest first. */
        _Atomic(struct loop_task *) inbox;
        atomic_uint posters; /* between adding to the inbox and having woken the loop */
        atomic_ullong fibers_live;
        atomic_ullong fibers_started;
        atomic_ullong wakeups;

        /* For the watchdog: odd while the loop runs our code. */
        atomic_ullong turn;
        atomic_int tid;

        const void *asan_hub_stack;
        size_t asan_hub_size_bytes;
        void *asan_fake_stack;
        void *tsan_hub;

        unsigned index;
        pthread_t thread;
        bool has_thread;
        struct loop_task end;
};

struct loops {
        unsigned n_loops;
        struct loop *loops;
        struct watchdog *watchdog;
};

/* Every callback from libuv stands between these two; leave runs what became ready. */
void loop_enter(struct loop *loop);
void loop_leave(struct loop *loop);

/* As loop_post, for the loop's own thread. */
void loop_defer(struct loop *loop, struct loop_task *task);

/* Fires what is due and arms the libuv timer for the rest. */
void loop_timers_run(struct loop *loop);

/*
 * Suspends the running fiber until fiber_wake or the deadline; true when woken.
 * For waits that one loop serves without a fiber_event: sockets, offloading.
 */
FIBER_FN bool fiber_suspend(int64_t deadline_mono_us);
/* On the fiber's loop. Waking a fiber that was woken already does nothing. */
void fiber_wake(struct fiber *fiber);

/* Stacks. Both count against the limit that vm.max_map_count sets. */
struct fiber *fiber_allocate(struct loop *loop, struct err *err);
void fiber_release(struct loop *loop, struct fiber *fiber);
void fiber_stacks_free(struct loop *loop);
/* Reads vm.max_map_count; returns how many fibers there may be. */
unsigned fiber_limit_read(void);
#ifdef COUNTERSIGN_TEST_HOOKS
/* As if vm.max_map_count allowed so many. */
void fiber_limit_set(unsigned limit);
#endif

/* Does nothing but in builds with test hooks. */
struct watchdog *watchdog_start(struct loops *loops);
void watchdog_stop(struct watchdog *watchdog);
