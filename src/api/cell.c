/* SPDX-License-Identifier: Apache-2.0 */
#include "api/cell.h"

#include <semaphore.h>

struct cell_job {
        struct store_job job;
        struct store_pending pending;
        struct fiber_event event;
        sem_t done;
};

/*
 * The reads that this loop's fibers asked for in one turn. Handing them in
 * together costs one lock and one wake-up of a store thread, where each by
 * itself would cost two switches of threads.
 */
struct turn {
        struct loop_task task;
        struct store *store;
        struct store_pending *first;
        bool posted;
};

static _Thread_local struct turn turn;

/* On the loop, when the fibers that could run have run. */
static void turn_end(struct loop_task *task)
{
        struct store_pending *list = turn.first;

        (void)task;
        turn.first = NULL;
        turn.posted = false;
        store_submit_reads(turn.store, list);
}

static void turn_add(struct store *store, struct store_pending *pending)
{
        if (turn.posted && turn.store != store) { /* two stores are a thing of tests */
                store_submit_read(store, pending->cell, pending->job);
                return;
        }
        turn.store = store;
        pending->next = turn.first;
        turn.first = pending;
        if (turn.posted)
                return;
        turn.posted = true;
        turn.task.run = turn_end;
        loop_post(loop_current(), &turn.task);
}

/* On a store thread. */
static void fiber_done(struct store_job *job)
{
        struct cell_job *cell_job = job->data;

        fiber_event_fire(&cell_job->event);
}

static void thread_done(struct store_job *job)
{
        struct cell_job *cell_job = job->data;

        (void)sem_post(&cell_job->done);
}

static FIBER_FN void wait_on_fiber(struct cell_job *job, struct store *store, const struct cell_ref *cell,
                                   bool is_write)
{
        fiber_event_init(&job->event);
        job->job.done = fiber_done;
        if (is_write) {
                store_submit_write(store, cell, &job->job);
        } else {
                job->pending = (struct store_pending){.job = &job->job, .cell = cell};
                turn_add(store, &job->pending);
        }
        /* The job lies on this stack: nothing ends the wait but the store. */
        (void)fiber_event_wait(&job->event, FIBER_FOREVER);
}

static bool wait_on_thread(struct cell_job *job, struct store *store, const struct cell_ref *cell,
                           bool is_write, struct err *err)
{
        if (sem_init(&job->done, 0, 0) != 0)
                return err_set(err, ERR_SYSTEM, "cannot make a semaphore");
        job->job.done = thread_done;
        if (is_write)
                store_submit_write(store, cell, &job->job);
        else
                store_submit_read(store, cell, &job->job);
        while (sem_wait(&job->done) != 0)
                ;
        (void)sem_destroy(&job->done);
        return true;
}

static FIBER_FN bool cell_run(struct store *store, const struct cell_ref *cell, struct arena *arena,
                              store_work work, void *arg, bool is_write, struct err *err)
{
        struct cell_job job = {.job = {.work = work, .arg = arg, .arena = arena}};

        job.job.data = &job;
        if (fiber_current())
                wait_on_fiber(&job, store, cell, is_write);
        else if (!wait_on_thread(&job, store, cell, is_write, err))
                return false;
        if (!job.job.ok)
                *err = job.job.err;
        return job.job.ok;
}

FIBER_FN bool cell_read(struct store *store, const struct cell_ref *cell, struct arena *arena,
                        store_work work, void *arg, struct err *err)
{
        return cell_run(store, cell, arena, work, arg, false, err);
}

FIBER_FN bool cell_write(struct store *store, const struct cell_ref *cell, struct arena *arena,
                         store_work work, void *arg, struct err *err)
{
        return cell_run(store, cell, arena, work, arg, true, err);
}
