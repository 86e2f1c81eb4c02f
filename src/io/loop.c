/* SPDX-License-Identifier: Apache-2.0 */
#include "io/loop_private.h"

#include "base/heap.h"
#include "base/log_line.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* Tasks that one turn runs before sockets get their chance again. */
enum { TASKS_PER_TURN = 1024 };

static __thread struct loop *current_loop;

struct loop *loop_current(void)
{
        return current_loop;
}

unsigned loop_index(const struct loop *loop)
{
        return loop->index;
}

void loop_enter(struct loop *loop)
{
        atomic_fetch_add_explicit(&loop->turn, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&loop->wakeups, 1, memory_order_relaxed);
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
        task->next = NULL;
        *loop->ready_tail = task;
        loop->ready_tail = &task->next;
}

static void idle_turn(uv_idle_t *handle)
{
        loop_enter(handle->data);
        loop_leave(handle->data);
}

static void loop_close(struct loop *loop)
{
        loop->closed = true;
        /* A thread that has just given us its last task may still be on its way to wake us. */
        while (atomic_load(&loop->posters) > 0)
                sched_yield();
        fiber_stacks_free(loop);
        uv_close((uv_handle_t *)&loop->async, NULL);
        uv_close((uv_handle_t *)&loop->idle, NULL);
        uv_close((uv_handle_t *)&loop->timer, NULL);
}

void loop_leave(struct loop *loop)
{
        unsigned budget = TASKS_PER_TURN;

        while (loop->ready && budget-- > 0) {
                struct loop_task *task = loop->ready;

                loop->ready = task->next;
                if (!loop->ready)
                        loop->ready_tail = &loop->ready;
                task->run(task);
        }
        if ((loop->ready != NULL) != loop->idle_active && !loop->closed) {
                loop->idle_active = loop->ready != NULL;
                if (loop->idle_active)
                        uv_idle_start(&loop->idle, idle_turn);
                else
                        uv_idle_stop(&loop->idle);
        }
        if (loop->ending && !loop->closed && !loop->ready && atomic_load(&loop->fibers_live) == 0)
                loop_close(loop);
        atomic_fetch_add_explicit(&loop->turn, 1, memory_order_relaxed);
}

static void inbox_take(uv_async_t *handle)
{
        struct loop *loop = handle->data;
        struct loop_task *task;
        struct loop_task *oldest_first = NULL;

        loop_enter(loop);
        task = atomic_exchange(&loop->inbox, NULL);
        while (task) {
                struct loop_task *next = task->next;

                task->next = oldest_first;
                oldest_first = task;
                task = next;
        }
        while (oldest_first) {
                struct loop_task *next = oldest_first->next;

                loop_defer(loop, oldest_first);
                oldest_first = next;
        }
        loop_leave(loop);
}

void loop_post(struct loop *loop, struct loop_task *task)
{
        struct loop_task *newest = atomic_load(&loop->inbox);

        if (loop == current_loop) {
                loop_defer(loop, task);
                return;
        }
        /* The task may be gone as soon as it is in the inbox, and the loop with it but for this count. */
        atomic_fetch_add(&loop->posters, 1);
        do {
                task->next = newest;
        } while (!atomic_compare_exchange_weak(&loop->inbox, &newest, task));
        /* Whoever made the inbox non-empty wakes the loop: one wake-up for a batch. */
        if (!newest)
                uv_async_send(&loop->async);
        atomic_fetch_sub(&loop->posters, 1);
}

static void loop_end(struct loop_task *task)
{
        CONTAINER_OF(task, struct loop, end)->ending = true;
}

static void *loop_main(void *arg)
{
        struct loop *loop = arg;

        current_loop = loop;
        atomic_store(&loop->tid, (int)gettid());
#ifdef IO_TSAN
        extern void *__tsan_get_current_fiber(void);
        loop->tsan_hub = __tsan_get_current_fiber();
#endif
        uv_run(&loop->uv, UV_RUN_DEFAULT);
        return NULL;
}

static bool loop_init(struct loop *loop, unsigned index, struct err *err)
{
        int rc;

        loop->index = index;
        loop->ready_tail = &loop->ready;
        loop->timer_armed_us = INT64_MAX;
        loop->end.run = loop_end;
        rc = uv_loop_init(&loop->uv);
        if (rc < 0)
                return err_set(err, ERR_SYSTEM, "cannot start an event loop: %s", uv_strerror(rc));
        rc = uv_async_init(&loop->uv, &loop->async, inbox_take);
        if (rc < 0) {
                uv_loop_close(&loop->uv);
                return err_set(err, ERR_SYSTEM, "cannot start an event loop: %s", uv_strerror(rc));
        }
        uv_idle_init(&loop->uv, &loop->idle);
        uv_timer_init(&loop->uv, &loop->timer);
        loop->async.data = loop->idle.data = loop->timer.data = loop;
        rc = pthread_create(&loop->thread, NULL, loop_main, loop);
        if (rc != 0) {
                loop_close(loop);
                uv_run(&loop->uv, UV_RUN_DEFAULT);
                uv_loop_close(&loop->uv);
                return err_set_errno(err, ERR_SYSTEM, rc, "cannot start a loop's thread");
        }
        loop->has_thread = true;
        return true;
}

static unsigned cpus_usable(void)
{
        cpu_set_t set;

        if (sched_getaffinity(0, sizeof(set), &set) != 0)
                return 1;
        return (unsigned)CPU_COUNT(&set);
}

bool loops_start(unsigned count, struct loops **ret_loops, struct err *err)
{
        struct loops *loops = heap_alloc_zeroed(1, sizeof(*loops));

        if (count == 0)
                count = cpus_usable();
        if (loops)
                loops->loops = heap_alloc_zeroed(count, sizeof(*loops->loops));
        if (!loops || !loops->loops) {
                heap_free(loops);
                return err_set(err, ERR_NO_MEMORY, "no memory for %u loops", count);
        }
        fiber_limit_read();
        /* A peer that closes must be an error of write(2), not the end of the program. */
        signal(SIGPIPE, SIG_IGN);
        while (loops->n_loops < count) {
                if (!loop_init(&loops->loops[loops->n_loops], loops->n_loops, err)) {
                        loops_free(loops);
                        return false;
                }
                loops->n_loops++;
        }
        loops->watchdog = watchdog_start(loops);
        *ret_loops = loops;
        return true;
}

unsigned loops_count(const struct loops *loops)
{
        return loops->n_loops;
}

struct loop *loops_at(const struct loops *loops, unsigned index)
{
        return &loops->loops[index];
}

void loops_free(struct loops *loops)
{
        if (!loops)
                return;
        watchdog_stop(loops->watchdog);
        for (unsigned i = 0; i < loops->n_loops; i++)
                loop_post(&loops->loops[i], &loops->loops[i].end);
        for (unsigned i = 0; i < loops->n_loops; i++) {
                int rc;

                pthread_join(loops->loops[i].thread, NULL);
                rc = uv_loop_close(&loops->loops[i].uv);
                if (rc < 0)
                        log_line(LOG_ERROR, "a loop ended with open handles", LOG_INT("loop", i));
        }
        heap_free(loops->loops);
        heap_free(loops);
}

void loop_stats(const struct loop *loop, struct loop_stats *ret_stats)
{
        ret_stats->fibers_live = atomic_load_explicit(&loop->fibers_live, memory_order_relaxed);
        ret_stats->fibers_started = atomic_load_explicit(&loop->fibers_started, memory_order_relaxed);
        ret_stats->wakeups = atomic_load_explicit(&loop->wakeups, memory_order_relaxed);
}
