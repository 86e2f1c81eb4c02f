/* SPDX-License-Identifier: Apache-2.0 */
#include "api/cell.h"

#include <semaphore.h>

struct cell_job {
        struct store_job job;
        struct fiber_event event;
        sem_t done;
};

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

typedef void (*cell_submit)(struct store *store, const struct cell_ref *cell, struct store_job *job);

static FIBER_FN bool cell_run(cell_submit submit, struct store *store, const struct cell_ref *cell,
                              struct arena *arena, store_work work, void *arg, struct err *err)
{
        struct cell_job job = {.job = {.work = work, .arg = arg, .arena = arena}};

        job.job.data = &job;
        if (fiber_current()) {
                fiber_event_init(&job.event);
                job.job.done = fiber_done;
                submit(store, cell, &job.job);
                /* The job lies on this stack: nothing ends the wait but the store. */
                (void)fiber_event_wait(&job.event, FIBER_FOREVER);
        } else {
                if (sem_init(&job.done, 0, 0) != 0)
                        return err_set(err, ERR_SYSTEM, "cannot make a semaphore");
                job.job.done = thread_done;
                submit(store, cell, &job.job);
                while (sem_wait(&job.done) != 0)
                        ;
                (void)sem_destroy(&job.done);
        }
        if (!job.job.ok)
                *err = job.job.err;
        return job.job.ok;
}

FIBER_FN bool cell_read(struct store *store, const struct cell_ref *cell, struct arena *arena,
                        store_work work, void *arg, struct err *err)
{
        return cell_run(store_submit_read, store, cell, arena, work, arg, err);
}

FIBER_FN bool cell_write(struct store *store, const struct cell_ref *cell, struct arena *arena,
                         store_work work, void *arg, struct err *err)
{
        return cell_run(store_submit_write, store, cell, arena, work, arg, err);
}
