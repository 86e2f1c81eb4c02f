/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aborts when a loop stands still: somebody blocked or computed on it. One
 * thread looks at all loops every few milliseconds. It counts its own looks, so
 * that a machine that was paused is not mistaken for a loop that stood still,
 * and tells apart what the loop's thread did meanwhile: computing counts in
 * full, waiting for a CPU not at all. Sleeping may also be the machine's doing
 * (a disk under load), so it must last longer, and counts not at all where the
 * thread waited for a page of its own program to come from a disk.
 */
#include "io/loop_private.h"

#ifndef COUNTERSIGN_TEST_HOOKS

struct watchdog *watchdog_start(struct loops *loops)
{
        (void)loops;
        return NULL;
}

void watchdog_stop(struct watchdog *watchdog)
{
        (void)watchdog;
}

#else

#include "base/heap.h"
#include "base/log_line.h"
#include "io/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LOOK_EVERY_MS = 10 };
#if defined(IO_ASAN) || defined(IO_TSAN)
enum { LIMIT_MS = 1000 };
#else
enum { LIMIT_MS = 50 };
#endif

enum { SLEEP_FACTOR = 4 };

/* What the kernel says of a thread (proc(5), schedstat), in milliseconds. */
struct thread_times {
        int64_t ran_ms;
        int64_t queued_ms; /* waited for a CPU */
        int64_t faults;    /* waited for a page, times */
};

struct watched {
        unsigned long long turn;
        int64_t stood_ms;
        struct thread_times start; /* when the turn was first seen */
};

struct watchdog {
        struct loops *loops;
        struct watched *watched;
        int64_t limit_ms;
        pthread_t thread;
        pthread_mutex_t lock; /* of ending */
        pthread_cond_t wake;
        bool ending;
};

static struct thread_times thread_times(const struct loop *loop)
{
        char path[64];
        int64_t ran_and_queued_ns[2];

        snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", atomic_load(&loop->tid));
        if (proc_read_figures(path, 2, ran_and_queued_ns) != 2)
                return (struct thread_times){0, 0, -1};
        return (struct thread_times){ran_and_queued_ns[0] / 1000000, ran_and_queued_ns[1] / 1000000,
                                     proc_read_major_faults(atomic_load(&loop->tid))};
}

static bool stands_still(const struct watchdog *watchdog, const struct watched *watched,
                         const struct loop *loop)
{
        struct thread_times now;
        int64_t ran_ms, slept_ms;

        if (watched->stood_ms < watchdog->limit_ms)
                return false;
        now = thread_times(loop);
        ran_ms = now.ran_ms - watched->start.ran_ms;
        slept_ms = now.faults > watched->start.faults
                           ? 0
                           : watched->stood_ms - (now.queued_ms - watched->start.queued_ms) - ran_ms;
        if (ran_ms < watchdog->limit_ms && slept_ms < watchdog->limit_ms * SLEEP_FACTOR)
                return false;
        log_line(LOG_ERROR, "a loop stood still: something blocks or computes on it",
                 LOG_INT("loop", loop_index(loop)), LOG_INT("ms", watched->stood_ms),
                 LOG_INT("ran_ms", ran_ms), LOG_INT("slept_ms", slept_ms));
        return true;
}

static void watch(struct watchdog *watchdog, unsigned index)
{
        struct loop *loop = loops_at(watchdog->loops, index);
        struct watched *watched = &watchdog->watched[index];
        unsigned long long turn = atomic_load_explicit(&loop->turn, memory_order_relaxed);

        if (turn % 2 == 0 || turn != watched->turn) {
                watched->turn = turn;
                watched->stood_ms = 0;
                if (turn % 2 == 1)
                        watched->start = thread_times(loop);
                return;
        }
        watched->stood_ms += LOOK_EVERY_MS;
        if (stands_still(watchdog, watched, loop))
                abort();
}

static void *watchdog_main(void *arg)
{
        struct watchdog *watchdog = arg;
        struct timespec until;

        pthread_mutex_lock(&watchdog->lock);
        while (!watchdog->ending) {
                clock_gettime(CLOCK_MONOTONIC, &until);
                until.tv_nsec += LOOK_EVERY_MS * 1000000L;
                if (until.tv_nsec >= 1000000000L) {
                        until.tv_nsec -= 1000000000L;
                        until.tv_sec++;
                }
                pthread_cond_timedwait(&watchdog->wake, &watchdog->lock, &until);
                for (unsigned i = 0; i < loops_count(watchdog->loops) && !watchdog->ending; i++)
                        watch(watchdog, i);
        }
        pthread_mutex_unlock(&watchdog->lock);
        return NULL;
}

struct watchdog *watchdog_start(struct loops *loops)
{
        const char *text = getenv("COUNTERSIGN_WATCHDOG_MS");
        int64_t limit_ms = LIMIT_MS;
        struct watchdog *watchdog;
        pthread_condattr_t attributes;

        if (text && !str_to_i64(str_from(text), &limit_ms)) {
                log_line(LOG_ERROR, "COUNTERSIGN_WATCHDOG_MS is no number of milliseconds",
                         LOG_STR("value", str_from(text)));
                abort();
        }
        if (limit_ms <= 0)
                return NULL;
        watchdog = heap_alloc_zeroed(1, sizeof(*watchdog));
        if (watchdog)
                watchdog->watched = heap_alloc_zeroed(loops_count(loops), sizeof(*watchdog->watched));
        if (!watchdog || !watchdog->watched)
                goto none;
        watchdog->loops = loops;
        watchdog->limit_ms = limit_ms;
        pthread_mutex_init(&watchdog->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&watchdog->wake, &attributes);
        pthread_condattr_destroy(&attributes);
        if (pthread_create(&watchdog->thread, NULL, watchdog_main, watchdog) == 0)
                return watchdog;
none:
        if (watchdog)
                heap_free(watchdog->watched);
        heap_free(watchdog);
        return NULL;
}

void watchdog_stop(struct watchdog *watchdog)
{
        if (!watchdog)
                return;
        pthread_mutex_lock(&watchdog->lock);
        watchdog->ending = true;
        pthread_cond_signal(&watchdog->wake);
        pthread_mutex_unlock(&watchdog->lock);
        pthread_join(watchdog->thread, NULL);
        pthread_mutex_destroy(&watchdog->lock);
        pthread_cond_destroy(&watchdog->wake);
        heap_free(watchdog->watched);
        heap_free(watchdog);
}

#endif
