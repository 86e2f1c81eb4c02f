/* SPDX-License-Identifier: Apache-2.0 */
/* What the server offers: each item on a thread of its own, so many at a time. */
#include "executor/executor_private.h"

#include "base/clock.h"
#include "base/heap.h"
#include "base/json_write.h"
#include "base/log_line.h"

#include <stdio.h>
#include <time.h>

enum {
        WAIT_MS = 30 * 1000,
        PARALLEL = 8,
        THREAD_STACK_BYTES = 512 * 1024,
        LOOK_AGAIN_MS = 500,
        RESOLVE_REST_MS = 1000,
        FACTS_MAX_BYTES = 64 * 1024,
};

/* ---- who is at what --------------------------------------------------------------------------------- */

/* Of an item that does not run: its thread has only to return. */
static void join(struct work *work)
{
        if (work->has_thread)
                pthread_join(work->thread, NULL);
        work->has_thread = false;
}

/* With the lock held: forgets what has rested enough. */
static void forget_rested(struct executor *executor)
{
        struct work **at = &executor->works;
        int64_t now_us = clock_mono_us();

        while (*at) {
                struct work *work = *at;

                if (!work->running)
                        join(work);
                if (work->running || work->rest_until_us > now_us) {
                        at = &work->next;
                } else {
                        *at = work->next;
                        heap_free(work);
                }
        }
}

/* With the lock held. */
static struct work *take(struct executor *executor, struct str id)
{
        struct work *work;

        forget_rested(executor);
        for (work = executor->works; work; work = work->next) {
                if (str_eq(id_str(&work->id), id))
                        return NULL;
        }
        work = heap_alloc_zeroed(1, sizeof(*work));
        if (!work)
                return NULL;
        work->executor = executor;
        work->id = id_from(id);
        work->running = true;
        work->next = executor->works;
        executor->works = work;
        executor->running++;
        return work;
}

bool work_take(struct executor *executor, struct str id, struct work **ret)
{
        pthread_mutex_lock(&executor->lock);
        *ret = take(executor, id);
        pthread_mutex_unlock(&executor->lock);
        return *ret != NULL;
}

void work_release(struct work *work, int64_t rest_ms)
{
        struct executor *executor = work->executor;

        pthread_mutex_lock(&executor->lock);
        work->running = false;
        work->rest_until_us = clock_mono_us() + rest_ms * 1000;
        executor->running--;
        pthread_cond_broadcast(&executor->changed);
        pthread_mutex_unlock(&executor->lock);
}

void work_wait_all(struct executor *executor)
{
        pthread_mutex_lock(&executor->lock);
        while (executor->running > 0)
                pthread_cond_wait(&executor->changed, &executor->lock);
        pthread_mutex_unlock(&executor->lock);
}

void work_free_all(struct executor *executor)
{
        while (executor->works) {
                struct work *next = executor->works->next;

                join(executor->works);
                heap_free(executor->works);
                executor->works = next;
        }
}

/* ---- a resolution ------------------------------------------------------------------------------------- */

static bool resolve(const struct work *work, struct arena *arena, struct str *ret_facts, struct err *err)
{
        struct connector *connector = executor_connector(work->executor, str_from(work->connector));
        const struct catalogue_operation *operation =
                catalogue_find(str_from(work->connector), str_from(work->operation));
        struct connector_facts facts;
        struct json_writer w;
        BUF_SCOPED buf;

        buf_init(&buf, FACTS_MAX_BYTES);
        if (!connector || !operation)
                return err_set(err, ERR_CONNECTOR_FAILED, "this executor does not know %s %s",
                               work->connector, work->operation);
        if (!connector->ops->resolve(connector, arena, operation, str_from(work->target), &facts, err))
                return false;
        json_writer_init(&w, &buf);
        json_object_begin(&w);
        for (unsigned i = 0; i < facts.count; i++) {
                json_key_str(&w, facts.facts[i].name);
                json_str(&w, facts.facts[i].value);
        }
        json_object_end(&w);
        if (!buf_check(&buf, "a target's description", err))
                return false;
        *ret_facts = arena_str(arena, buf_str(&buf));
        return arena_check(arena, err);
}

static int64_t resolve_run(struct work *work)
{
        struct executor *executor = work->executor;
        enum server_verdict verdict;
        ARENA_SCOPED arena;
        struct err why, err;
        struct str facts = STR_NULL;
        bool resolved;

        arena_init(&arena, WORK_ARENA_BYTES);
        resolved = resolve(work, &arena, &facts, &why);
        if (!server_answer_resolution(&executor->server, &arena, id_str(&work->id), facts,
                                      resolved ? NULL : &why, &verdict, &err)) {
                log_line(LOG_WARN, "a resolution could not be answered",
                         LOG_STR("resolution", id_str(&work->id)), LOG_C("why", err.message));
                (void)executor_try_again(executor, verdict, &err);
        }
        return RESOLVE_REST_MS;
}

/* ---- threads ------------------------------------------------------------------------------------------ */

static void *work_main(void *arg)
{
        struct work *work = arg;

        work_release(work,
                     work->is_claim ? claim_run(work->executor, id_str(&work->id)) : resolve_run(work));
        return NULL;
}

/* With the lock held, which the thread takes at its end: so has_thread is set before it can be read. */
static bool start_thread(struct work *work)
{
        pthread_attr_t attr;

        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
        work->has_thread = pthread_create(&work->thread, &attr, work_main, work) == 0;
        pthread_attr_destroy(&attr);
        return work->has_thread;
}

static unsigned parallel(const struct executor *executor)
{
        return executor->config->parallel > 0 ? executor->config->parallel : PARALLEL;
}

/* With the lock held. */
static struct work *take_item(struct executor *executor, const struct server_work *item)
{
        struct work *work = executor->running < parallel(executor) ? take(executor, item->id) : NULL;

        if (work) {
                work->is_claim = item->is_claim;
                snprintf(work->connector, sizeof(work->connector), "%.*s", STR_ARG(item->connector));
                snprintf(work->operation, sizeof(work->operation), "%.*s", STR_ARG(item->operation));
                snprintf(work->target, sizeof(work->target), "%.*s", STR_ARG(item->target));
        }
        return work;
}

/* False: somebody is at it, or there is no room now. */
static bool start(struct executor *executor, const struct server_work *item)
{
        struct work *work;
        bool ok;

        pthread_mutex_lock(&executor->lock);
        work = take_item(executor, item);
        ok = work && start_thread(work);
        pthread_mutex_unlock(&executor->lock);
        if (work && !ok)
                work_release(work, LOOK_AGAIN_MS);
        return ok;
}

/* Everything that was offered is in work or rests: waits until that changes. */
static void wait_for_room(struct executor *executor)
{
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_AGAIN_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_mutex_lock(&executor->lock);
        if (!atomic_load(&executor->stopping))
                pthread_cond_timedwait(&executor->changed, &executor->lock, &until);
        pthread_mutex_unlock(&executor->lock);
}

/* One round; false when the server is away. Does not wait for work until it knows that the server is there.
 */
static bool poll_once(struct executor *executor, struct arena *arena, bool *connected)
{
        enum server_verdict verdict;
        struct server_work *items;
        size_t count;
        bool started = false;
        struct err err;

        pthread_mutex_lock(&executor->lock);
        forget_rested(executor);
        pthread_mutex_unlock(&executor->lock);
        if (!server_next_work(&executor->server, arena, *connected ? WAIT_MS : 0, &items, &count, &verdict,
                              &err)) {
                if (atomic_load(&executor->stopping))
                        return false;
                *connected = false;
                log_line(LOG_WARN, "the server gives no work", LOG_C("why", err.message));
                /* A server that says no to work itself may say otherwise later: it is not ours to judge. */
                (void)executor_try_again(executor, verdict, &err);
                return false;
        }
        if (!*connected)
                log_line(LOG_INFO, "connected", LOG_STR("server", executor->server.url));
        *connected = true;
        for (size_t i = 0; i < count; i++)
                started = start(executor, &items[i]) || started;
        if (count > 0 && !started)
                wait_for_room(executor);
        return true;
}

void *work_poll_main(void *arg)
{
        struct executor *executor = arg;
        int64_t pause_ms = PAUSE_FIRST_MS;
        bool connected = false;
        struct arena arena;

        arena_init(&arena, WORK_ARENA_BYTES);
        while (!atomic_load(&executor->stopping)) {
                arena_reset(&arena);
                if (poll_once(executor, &arena, &connected))
                        pause_ms = PAUSE_FIRST_MS;
                else
                        (void)executor_pause(executor, &pause_ms);
        }
        arena_done(&arena);
        return NULL;
}
