/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers of a loop in an intrusive pairing heap: starting one never allocates.
 * A deadline that moves back leaves the timer where it is; it is looked at
 * again when its old key comes up. So a connection's time-outs cost nothing per
 * request.
 */
#include "io/loop_private.h"

#include "base/clock.h"

static struct loop_timer *heap_merge(struct loop_timer *a, struct loop_timer *b)
{
        if (!a)
                return b;
        if (!b)
                return a;
        if (b->key_us < a->key_us) {
                struct loop_timer *swap = a;

                a = b;
                b = swap;
        }
        b->next = a->child;
        if (a->child)
                a->child->prev = b;
        b->prev = a;
        a->child = b;
        return a;
}

/* The two passes of a pairing heap, without recursion: this may run on a fiber. */
static struct loop_timer *heap_merge_siblings(struct loop_timer *first)
{
        struct loop_timer *pairs = NULL;
        struct loop_timer *root = NULL;

        while (first) {
                struct loop_timer *a = first;
                struct loop_timer *b = a->next;

                first = b ? b->next : NULL;
                a->next = a->prev = NULL;
                if (b)
                        b->next = b->prev = NULL;
                a = heap_merge(a, b);
                a->next = pairs;
                pairs = a;
        }
        while (pairs) {
                struct loop_timer *next = pairs->next;

                pairs->next = NULL;
                root = heap_merge(root, pairs);
                pairs = next;
        }
        return root;
}

static void heap_insert(struct loop *loop, struct loop_timer *timer)
{
        timer->key_us = timer->deadline_mono_us;
        timer->child = timer->next = timer->prev = NULL;
        timer->is_running = true;
        loop->timers = heap_merge(loop->timers, timer);
}

static void heap_remove(struct loop *loop, struct loop_timer *timer)
{
        struct loop_timer *rest = heap_merge_siblings(timer->child);

        if (loop->timers == timer) {
                loop->timers = rest;
        } else {
                if (timer->prev->child == timer)
                        timer->prev->child = timer->next;
                else
                        timer->prev->next = timer->next;
                if (timer->next)
                        timer->next->prev = timer->prev;
                loop->timers = heap_merge(loop->timers, rest);
        }
        timer->child = timer->next = timer->prev = NULL;
        timer->is_running = false;
}

static void timer_due(uv_timer_t *handle)
{
        struct loop *loop = handle->data;

        loop_enter(loop);
        loop->timer_armed_us = INT64_MAX;
        loop_timers_run(loop);
        loop_leave(loop);
}

static void loop_timer_arm(struct loop *loop)
{
        int64_t key_us = loop->timers ? loop->timers->key_us : INT64_MAX;
        int64_t delay_us;

        if (key_us >= loop->timer_armed_us || loop->closed)
                return;
        delay_us = key_us - clock_mono_us();
        if (delay_us < 0)
                delay_us = 0;
        loop->timer_armed_us = key_us;
        uv_update_time(&loop->uv);
        uv_timer_start(&loop->timer, timer_due, (uint64_t)(delay_us + 999) / 1000, 0);
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, int64_t deadline_mono_us)
{
        timer->deadline_mono_us = deadline_mono_us;
        if (timer->is_running && timer->key_us <= deadline_mono_us)
                return;
        if (timer->is_running)
                heap_remove(loop, timer);
        if (deadline_mono_us == FIBER_FOREVER)
                return;
        heap_insert(loop, timer);
        loop_timer_arm(loop);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
        if (timer->is_running)
                heap_remove(loop, timer);
        timer->deadline_mono_us = FIBER_FOREVER;
}

void loop_timers_run(struct loop *loop)
{
        int64_t now_us = clock_mono_us();

        while (loop->timers && loop->timers->key_us <= now_us) {
                struct loop_timer *timer = loop->timers;

                heap_remove(loop, timer);
                if (timer->deadline_mono_us <= now_us)
                        timer->fire(timer);
                else if (timer->deadline_mono_us != FIBER_FOREVER)
                        heap_insert(loop, timer);
        }
        loop_timer_arm(loop);
}
