/* SPDX-License-Identifier: Apache-2.0 */
#include "io/loop_private.h"

#include "base/clock.h"

#include <stdlib.h>

/*
 * Boost.Context's C interface (boost/context/detail/fcontext.hpp declares it
 * for C++): the context of who jumped to us, and what they passed.
 */
struct transfer {
        fcontext context;
        void *data;
};
extern struct transfer jump_fcontext(fcontext to, void *data);
extern fcontext make_fcontext(void *stack_top, size_t size_bytes, void (*entry)(struct transfer));

#ifdef IO_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef IO_TSAN
extern void *__tsan_create_fiber(unsigned flags);
extern void __tsan_destroy_fiber(void *fiber);
extern void __tsan_switch_to_fiber(void *fiber, unsigned flags);
#endif

enum event_state { EVENT_CLEAR, EVENT_WAITED, EVENT_FIRED };

/* What sanitizers must know around each jump: which stack comes next. */
static void before_jump_to_fiber(struct loop *loop, struct fiber *fiber)
{
        (void)loop;
        (void)fiber;
#ifdef IO_ASAN
        __sanitizer_start_switch_fiber(&loop->asan_fake_stack, fiber->stack,
                                       (size_t)((char *)fiber - fiber->stack));
#endif
#ifdef IO_TSAN
        __tsan_switch_to_fiber(fiber->tsan_fiber, 0);
#endif
}

static void after_jump_to_loop(struct loop *loop)
{
        (void)loop;
#ifdef IO_ASAN
        __sanitizer_finish_switch_fiber(loop->asan_fake_stack, NULL, NULL);
#endif
}

static void before_jump_to_loop(struct fiber *fiber)
{
        (void)fiber;
#ifdef IO_ASAN
        /* NULL at the end, so that the fake stack is destroyed. */
        __sanitizer_start_switch_fiber(fiber->ended ? NULL : &fiber->asan_fake_stack,
                                       fiber->loop->asan_hub_stack, fiber->loop->asan_hub_size_bytes);
#endif
#ifdef IO_TSAN
        __tsan_switch_to_fiber(fiber->loop->tsan_hub, 0);
#endif
}

static void after_jump_to_fiber(struct fiber *fiber)
{
        (void)fiber;
#ifdef IO_ASAN
        __sanitizer_finish_switch_fiber(fiber->asan_fake_stack, &fiber->loop->asan_hub_stack,
                                        &fiber->loop->asan_hub_size_bytes);
#endif
}

static FIBER_ENTRY void fiber_main(struct transfer from)
{
        struct fiber *fiber = from.data;

        after_jump_to_fiber(fiber);
        fiber->hub = from.context;
        fiber->entry(fiber->arg);
        fiber->ended = true;
        before_jump_to_loop(fiber);
        jump_fcontext(fiber->hub, NULL);
        abort(); /* an ended fiber is never continued */
}

/* On the loop's stack: runs the fiber until it waits or ends. */
static void fiber_run(struct loop_task *task)
{
        struct fiber *fiber = CONTAINER_OF(task, struct fiber, wake);
        struct loop *loop = fiber->loop;
        struct transfer back;

        loop->running = fiber;
        before_jump_to_fiber(loop, fiber);
        back = jump_fcontext(fiber->context, fiber);
        after_jump_to_loop(loop);
        loop->running = NULL;
        fiber->context = back.context;
        if (!fiber->ended)
                return;
#ifdef IO_TSAN
        __tsan_destroy_fiber(fiber->tsan_fiber);
#endif
        fiber_release(loop, fiber);
        atomic_fetch_sub_explicit(&loop->fibers_live, 1, memory_order_relaxed);
}

bool fiber_spawn(struct loop *loop, void (*entry)(void *arg), void *arg, struct err *err)
{
        struct fiber *fiber = fiber_allocate(loop, err);

        if (!fiber)
                return false;
        fiber->entry = entry;
        fiber->arg = arg;
        fiber->wake.run = fiber_run;
        fiber->context = make_fcontext(fiber, (size_t)((char *)fiber - fiber->stack), fiber_main);
#ifdef IO_TSAN
        fiber->tsan_fiber = __tsan_create_fiber(0);
#endif
        atomic_fetch_add_explicit(&loop->fibers_live, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&loop->fibers_started, 1, memory_order_relaxed);
        loop_post(loop, &fiber->wake);
        return true;
}

struct fiber *fiber_current(void)
{
        struct loop *loop = loop_current();

        return loop ? loop->running : NULL;
}

int64_t fiber_waited_us(void)
{
        struct fiber *fiber = fiber_current();

        return fiber ? fiber->waited_us : 0;
}

void fiber_wake(struct fiber *fiber)
{
        if (fiber->woken)
                return;
        fiber->woken = true;
        loop_defer(fiber->loop, &fiber->wake);
}

static void fiber_timed_out(struct loop_timer *timer)
{
        struct fiber *fiber = CONTAINER_OF(timer, struct fiber, timer);
        int waited = EVENT_WAITED;

        /* When the event was fired in this moment, its wake-up is on the way: leave it to that. */
        if (fiber->event && !atomic_compare_exchange_strong(&fiber->event->state, &waited, EVENT_CLEAR))
                return;
        if (fiber->woken)
                return;
        fiber->timed_out = true;
        fiber_wake(fiber);
}

static FIBER_FN bool fiber_wait(struct fiber *fiber, int64_t deadline_mono_us)
{
        int64_t begin_us = clock_mono_us();
        struct transfer from;

        if (deadline_mono_us != FIBER_FOREVER) {
                fiber->timer.fire = fiber_timed_out;
                loop_timer_start(fiber->loop, &fiber->timer, deadline_mono_us);
        }
        before_jump_to_loop(fiber);
        from = jump_fcontext(fiber->hub, NULL);
        after_jump_to_fiber(fiber);
        fiber->hub = from.context;
        loop_timer_stop(fiber->loop, &fiber->timer);
        fiber->waited_us += clock_mono_us() - begin_us;
        return !fiber->timed_out;
}

FIBER_FN bool fiber_suspend(int64_t deadline_mono_us)
{
        struct fiber *fiber = fiber_current();

        if (!fiber)
                abort(); /* a FIBER_FN function was called outside of a fiber */
        fiber->woken = fiber->timed_out = false;
        fiber->event = NULL;
        return fiber_wait(fiber, deadline_mono_us);
}

void fiber_event_init(struct fiber_event *event)
{
        atomic_init(&event->state, EVENT_CLEAR);
        event->waiter = NULL;
}

void fiber_event_reset(struct fiber_event *event)
{
        atomic_store(&event->state, EVENT_CLEAR);
}

bool fiber_event_is_fired(const struct fiber_event *event)
{
        return atomic_load(&event->state) == EVENT_FIRED;
}

void fiber_event_fire(struct fiber_event *event)
{
        if (atomic_exchange(&event->state, EVENT_FIRED) != EVENT_WAITED)
                return;
        /* The waiter cannot go on before this post, so event and fiber are still there. */
        loop_post(event->waiter->loop, &event->waiter->wake);
}

FIBER_FN bool fiber_event_wait(struct fiber_event *event, int64_t deadline_mono_us)
{
        struct fiber *fiber = fiber_current();
        int clear = EVENT_CLEAR;

        if (!fiber)
                abort(); /* a FIBER_FN function was called outside of a fiber */
        fiber->woken = fiber->timed_out = false;
        fiber->event = event;
        event->waiter = fiber;
        if (!atomic_compare_exchange_strong(&event->state, &clear, EVENT_WAITED)) {
                if (clear != EVENT_FIRED)
                        abort(); /* two fibers wait for one event */
                return true;
        }
        return fiber_wait(fiber, deadline_mono_us);
}

FIBER_FN void fiber_sleep(int64_t ms)
{
        fiber_suspend(clock_mono_us() + ms * 1000);
}

FIBER_FN void fiber_yield(void)
{
        struct fiber *fiber = fiber_current();

        if (!fiber)
                abort(); /* a FIBER_FN function was called outside of a fiber */
        fiber->woken = fiber->timed_out = false;
        fiber->event = NULL;
        fiber_wake(fiber);
        fiber_wait(fiber, FIBER_FOREVER);
}

struct offload {
        uv_work_t request;
        void (*work)(void *arg);
        void *arg;
        struct fiber *fiber;
};

static void offload_run(uv_work_t *request)
{
        struct offload *offload = request->data;

        offload->work(offload->arg);
}

static void offload_end(uv_work_t *request, int status)
{
        struct offload *offload = request->data;
        struct loop *loop = offload->fiber->loop;

        (void)status; /* only cancelling makes it an error, and nobody cancels */
        loop_enter(loop);
        fiber_wake(offload->fiber);
        loop_leave(loop);
}

FIBER_FN void fiber_offload(void (*work)(void *arg), void *arg)
{
        struct offload offload = {.work = work, .arg = arg, .fiber = fiber_current()};

        if (!offload.fiber)
                abort(); /* a FIBER_FN function was called outside of a fiber */
        offload.request.data = &offload;
        uv_queue_work(&offload.fiber->loop->uv, &offload.request, offload_run, offload_end);
        fiber_suspend(FIBER_FOREVER);
}
