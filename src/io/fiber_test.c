/* SPDX-License-Identifier: Apache-2.0 */
#include "io/fiber.h"

#include "base/clock.h"
#include "io/loop_private.h"
#include "io/proc.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

/* Lets the test's plain thread wait for what fibers do. */
struct latch {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        int count;
};

#define LATCH(n)                                                                                            \
        {                                                                                                   \
                PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, (n)                                    \
        }

static void latch_down(struct latch *latch)
{
        pthread_mutex_lock(&latch->lock);
        latch->count--;
        pthread_cond_broadcast(&latch->changed);
        pthread_mutex_unlock(&latch->lock);
}

static void latch_wait(struct latch *latch)
{
        pthread_mutex_lock(&latch->lock);
        while (latch->count > 0)
                pthread_cond_wait(&latch->changed, &latch->lock);
        pthread_mutex_unlock(&latch->lock);
}

static int loops_setup(void **state)
{
        struct err err;
        struct loops *loops;

        if (!loops_start(2, &loops, &err))
                return -1;
        *state = loops;
        return 0;
}

static int loops_teardown(void **state)
{
        loops_free(*state);
        return 0;
}

static void spawn(struct loop *loop, void (*entry)(void *), void *arg)
{
        struct err err;

        if (!fiber_spawn(loop, entry, arg, &err))
                fail_msg("%s", err.message);
}

struct place {
        struct loop *expected;
        struct loop *seen;
        bool on_fiber;
        struct latch done;
};

static FIBER_ENTRY void note_place(void *arg)
{
        struct place *place = arg;

        place->on_fiber = fiber_current() != NULL;
        fiber_yield();
        fiber_sleep(1);
        place->seen = loop_current();
        latch_down(&place->done);
}

static void fiber_runs_on_its_loop(void **state)
{
        for (unsigned i = 0; i < loops_count(*state); i++) {
                struct place place = {.expected = loops_at(*state, i), .done = LATCH(1)};

                spawn(place.expected, note_place, &place);
                latch_wait(&place.done);
                assert_true(place.on_fiber);
                assert_ptr_equal(place.seen, place.expected);
        }
        assert_null(loop_current());
        assert_null(fiber_current());
}

static FIBER_FN int nested_sum(int depth)
{
        volatile char frame[256];
        int below;

        frame[0] = frame[255] = (char)depth;
        if (depth == 0) {
                fiber_sleep(1);
                return 0;
        }
        if (depth % 7 == 0)
                fiber_yield();
        below = nested_sum(depth - 1);
        return frame[0] == (char)depth && frame[255] == (char)depth ? below + depth : -100000;
}

struct sums {
        int expected;
        int depth;
        _Atomic(int) wrong;
        struct latch done;
};

static FIBER_ENTRY void sum_deep(void *arg)
{
        struct sums *sums = arg;

        if (nested_sum(sums->depth) != sums->expected)
                sums->wrong++;
        latch_down(&sums->done);
}

static void nested_waits_keep_every_stack(void **state)
{
        struct sums sums = {.expected = 40 * 41 / 2, .depth = 40, .done = LATCH(400)};

        for (int i = 0; i < 400; i++)
                spawn(loops_at(*state, (unsigned)i % 2), sum_deep, &sums);
        latch_wait(&sums.done);
        assert_int_equal(sums.wrong, 0);
}

struct firing {
        struct fiber_event event;
        struct latch waiting;
        struct latch done;
        bool fired;
        int64_t timeout_ms;
};

static FIBER_ENTRY void wait_for_firing(void *arg)
{
        struct firing *firing = arg;

        latch_down(&firing->waiting);
        firing->fired = fiber_event_wait(
                &firing->event,
                firing->timeout_ms < 0 ? FIBER_FOREVER : clock_mono_us() + firing->timeout_ms * 1000);
        latch_down(&firing->done);
}

static void event_is_fired_from_a_thread(void **state)
{
        struct firing firing = {.timeout_ms = -1, .waiting = LATCH(1), .done = LATCH(1)};

        fiber_event_init(&firing.event);
        spawn(loops_at(*state, 0), wait_for_firing, &firing);
        latch_wait(&firing.waiting);
        fiber_event_fire(&firing.event);
        latch_wait(&firing.done);
        assert_true(firing.fired);
}

static void event_fired_before_the_wait_is_not_lost(void **state)
{
        struct firing firing = {.timeout_ms = -1, .waiting = LATCH(1), .done = LATCH(1)};

        fiber_event_fire(&firing.event);
        spawn(loops_at(*state, 1), wait_for_firing, &firing);
        latch_wait(&firing.done);
        assert_true(firing.fired);
        assert_true(fiber_event_is_fired(&firing.event));
}

static void event_wait_ends_at_its_deadline(void **state)
{
        struct firing firing = {.timeout_ms = 5, .waiting = LATCH(1), .done = LATCH(1)};
        int64_t begin_us = clock_mono_us();

        spawn(loops_at(*state, 0), wait_for_firing, &firing);
        latch_wait(&firing.done);
        assert_false(firing.fired);
        assert_true(clock_mono_us() - begin_us >= 5000);
}

enum { RACES = 2000 };

struct race {
        struct fiber_event *_Atomic event;
        struct latch done;
        int fired;
        int missed;
        _Atomic(bool) ending;
};

/* Deadlines that fall together with the firing, and events that live on this stack. */
static FIBER_ENTRY void race_waiter(void *arg)
{
        struct race *race = arg;

        for (int i = 0; i < RACES; i++) {
                struct fiber_event event;

                fiber_event_init(&event);
                atomic_store(&race->event, &event);
                if (fiber_event_wait(&event, clock_mono_us() + i % 60)) {
                        race->fired++;
                } else {
                        race->missed++;
                        /* Whoever took the event will fire it; only then may it go. */
                        if (!atomic_exchange(&race->event, NULL))
                                fiber_event_wait(&event, FIBER_FOREVER);
                }
        }
        race->ending = true;
        latch_down(&race->done);
}

static void *race_firer(void *arg)
{
        struct race *race = arg;

        while (!race->ending) {
                struct fiber_event *event = atomic_exchange(&race->event, NULL);

                if (event)
                        fiber_event_fire(event);
        }
        return NULL;
}

static void firing_and_deadline_can_race(void **state)
{
        struct race race = {.done = LATCH(1)};
        pthread_t thread;

        pthread_create(&thread, NULL, race_firer, &race);
        spawn(loops_at(*state, 0), race_waiter, &race);
        latch_wait(&race.done);
        pthread_join(thread, NULL);
        assert_int_equal(race.fired + race.missed, RACES);
}

struct respawn {
        int left;
        struct latch done;
        uintptr_t stacks[2];
        bool same;
};

static FIBER_ENTRY void respawn(void *arg)
{
        struct respawn *chain = arg;
        int here;
        struct err err;

        chain->same =
                chain->stacks[chain->left % 2] == 0 ||
                (uintptr_t)&here / FIBER_STACK_BYTES == chain->stacks[chain->left % 2] / FIBER_STACK_BYTES;
        chain->stacks[chain->left % 2] = (uintptr_t)&here;
        if (--chain->left == 0 || !fiber_spawn(loop_current(), respawn, chain, &err))
                latch_down(&chain->done);
}

static void work_elsewhere(void *arg)
{
        pthread_t *thread = arg;

        *thread = pthread_self();
}

struct offloading {
        pthread_t worker;
        pthread_t loop_thread;
        struct latch done;
};

static FIBER_ENTRY void offload(void *arg)
{
        struct offloading *offloading = arg;

        offloading->loop_thread = pthread_self();
        fiber_offload(work_elsewhere, &offloading->worker);
        latch_down(&offloading->done);
}

static void offloaded_work_runs_on_another_thread(void **state)
{
        struct offloading offloading = {.done = LATCH(1)};

        spawn(loops_at(*state, 0), offload, &offloading);
        latch_wait(&offloading.done);
        assert_false(pthread_equal(offloading.worker, offloading.loop_thread));
}

struct timed {
        struct loop_timer timer;
        int *order;
        int *n_fired;
        int number;
};

static void timed_fire(struct loop_timer *timer)
{
        struct timed *timed = (struct timed *)timer;

        timed->order[(*timed->n_fired)++] = timed->number;
}

struct timers {
        struct timed timed[64];
        int order[64];
        int n_fired;
        struct latch done;
};

static FIBER_ENTRY void run_timers(void *arg)
{
        struct timers *timers = arg;
        struct loop *loop = loop_current();
        int64_t base_us = clock_mono_us() + 2000;

        for (int i = 0; i < 64; i++) {
                struct timed *timed = &timers->timed[i];

                *timed = (struct timed){{.fire = timed_fire}, timers->order, &timers->n_fired, i};
                loop_timer_start(loop, &timed->timer, base_us + (i * 37 % 64) * 50);
        }
        for (int i = 0; i < 64; i += 4)
                loop_timer_stop(loop, &timers->timed[i].timer);
        for (int i = 1; i < 64; i += 4)
                loop_timer_start(loop, &timers->timed[i].timer, base_us + 10000 + i * 50); /* moves back */
        for (int i = 2; i < 64; i += 4)
                loop_timer_start(loop, &timers->timed[i].timer, base_us - 2000 + i); /* moves forward */
        while (timers->n_fired < 48)
                fiber_sleep(1);
        latch_down(&timers->done);
}

static void timers_fire_in_the_order_of_their_deadlines(void **state)
{
        struct timers timers = {.done = LATCH(1)};
        int64_t last_us = 0;

        spawn(loops_at(*state, 0), run_timers, &timers);
        latch_wait(&timers.done);
        for (int i = 0; i < 48; i++) {
                int number = timers.order[i];
                int64_t at_us = timers.timed[number].timer.deadline_mono_us;

                assert_int_not_equal(number % 4, 0);
                assert_true(at_us >= last_us);
                last_us = at_us;
        }
}

/* Volatile, so that the compiler cannot make a loop of it. */
static volatile int bottomless = 1;

static __attribute__((noinline)) int overflow(int depth)
{
        volatile char frame[1024];

        frame[0] = (char)depth;
        if (!bottomless)
                return 0;
        return overflow(depth + 1) + frame[0];
}

static FIBER_ENTRY void overflow_stack(void *arg)
{
        (void)arg;
        overflow(0);
}

static void child_overflow(void)
{
        struct rlimit no_core = {0, 0};
        struct loops *loops;
        struct err err;

        setrlimit(RLIMIT_CORE, &no_core);
        close(STDERR_FILENO);
        if (!loops_start(1, &loops, &err) || !fiber_spawn(loops_at(loops, 0), overflow_stack, NULL, &err))
                _exit(0);
        for (;;)
                pause();
}

static void guard_page_ends_a_stack_overflow(void **state)
{
        pid_t pid;
        int status;

        (void)state;
#ifdef IO_TSAN
        print_message("skipped: ThreadSanitizer does not let a forked child start threads\n");
        skip();
#endif
        pid = fork();
        if (pid == 0)
                child_overflow();
        assert_int_equal(waitpid(pid, &status, 0), pid);
        /* Sanitizers turn the signal into an exit. */
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

#ifdef COUNTERSIGN_TEST_HOOKS
static FIBER_ENTRY void block_loop(void *arg)
{
        (void)arg;
        for (;;)
                poll(NULL, 0, 1000);
}

static void watchdog_aborts_when_a_loop_stands_still(void **state)
{
        pid_t pid;
        int status;

        (void)state;
#ifdef IO_TSAN
        print_message("skipped: ThreadSanitizer does not let a forked child start threads\n");
        skip();
#endif
        pid = fork();
        if (pid == 0) {
                struct rlimit no_core = {0, 0};
                struct loops *loops;
                struct err err;

                setrlimit(RLIMIT_CORE, &no_core);
                close(STDERR_FILENO);
                setenv("COUNTERSIGN_WATCHDOG_MS", "50", 1);
                if (!loops_start(1, &loops, &err) ||
                    !fiber_spawn(loops_at(loops, 0), block_loop, NULL, &err))
                        _exit(0);
                for (;;)
                        pause();
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
#endif

static void figures_of_the_kernel_are_read(void **state)
{
        int64_t figures[2] = {-1, -1};
        struct rusage usage;

        (void)state;
        assert_int_equal(proc_read_figures("/proc/self/statm", 2, figures), 2);
        assert_true(figures[0] >= figures[1] && figures[1] > 0);
        /* "Name: …": no figure. */
        assert_int_equal(proc_read_figures("/proc/self/status", 2, figures), 0);
        assert_int_equal(proc_read_figures("/proc/self/none", 2, figures), 0);
        /* A thread's name can look like what stands behind it. */
        assert_int_equal(prctl(PR_SET_NAME, "a) R 1 (b"), 0);
        assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
        assert_true(proc_read_major_faults(gettid()) >= usage.ru_majflt);
        assert_true(proc_read_major_faults(gettid()) < usage.ru_majflt + 1000);
        assert_int_equal(proc_read_major_faults(-1), -1);
}

static void stack_goes_from_fiber_to_fiber(void **state)
{
        struct respawn chain = {.left = 1000, .done = LATCH(1)};

        spawn(loops_at(*state, 0), respawn, &chain);
        latch_wait(&chain.done);
        assert_int_equal(chain.left, 0);
        assert_true(chain.same);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(figures_of_the_kernel_are_read),
                cmocka_unit_test_setup_teardown(fiber_runs_on_its_loop, loops_setup, loops_teardown),
                cmocka_unit_test_setup_teardown(nested_waits_keep_every_stack, loops_setup, loops_teardown),
                cmocka_unit_test_setup_teardown(event_is_fired_from_a_thread, loops_setup, loops_teardown),
                cmocka_unit_test_setup_teardown(event_fired_before_the_wait_is_not_lost, loops_setup,
                                                loops_teardown),
                cmocka_unit_test_setup_teardown(event_wait_ends_at_its_deadline, loops_setup,
                                                loops_teardown),
                cmocka_unit_test_setup_teardown(firing_and_deadline_can_race, loops_setup, loops_teardown),
                cmocka_unit_test_setup_teardown(stack_goes_from_fiber_to_fiber, loops_setup, loops_teardown),
                cmocka_unit_test_setup_teardown(offloaded_work_runs_on_another_thread, loops_setup,
                                                loops_teardown),
                cmocka_unit_test_setup_teardown(timers_fire_in_the_order_of_their_deadlines, loops_setup,
                                                loops_teardown),
                cmocka_unit_test(guard_page_ends_a_stack_overflow),
#ifdef COUNTERSIGN_TEST_HOOKS
                cmocka_unit_test(watchdog_aborts_when_a_loop_stands_still),
#endif
        };

        return cmocka_run_group_tests_name("fiber", tests, NULL, NULL);
}
