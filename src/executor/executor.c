/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/executor.h"

#include "base/clock.h"
#include "base/log_line.h"
#include "executor/connectors/docker.h"
#include "executor/executor_private.h"
#include "io/tls.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
        ROSTER_ARENA_BYTES = 16 * 1024 * 1024,
        FLOOR_ARENA_BYTES = 256 * 1024,
        LOOP_STACK_BYTES = 512 * 1024,
};

/* What waits must see the end at once: threads by the condition, a call that waits for work by wake_fd. */
static void executor_stop(struct executor *executor)
{
        uint64_t one = 1;

        pthread_mutex_lock(&executor->lock);
        atomic_store(&executor->stopping, true);
        pthread_cond_broadcast(&executor->changed);
        pthread_mutex_unlock(&executor->lock);
        (void)!write(executor->wake_fd, &one, sizeof(one));
}

void executor_fail(struct executor *executor, const struct err *err)
{
        pthread_mutex_lock(&executor->lock);
        if (!executor->failed) {
                executor->failed = true;
                executor->failure = *err;
        }
        pthread_mutex_unlock(&executor->lock);
        executor_stop(executor);
}

bool executor_pause(struct executor *executor, int64_t *pause_ms)
{
        struct timespec until;
        uint32_t random;
        int64_t this_ms;

        /* Between half and the whole of it: executors that lost a server together come back apart. */
        random_bytes(&random, sizeof(random));
        this_ms = *pause_ms / 2 + (int64_t)(random % (uint32_t)(*pause_ms / 2 + 1));
        *pause_ms = *pause_ms * 2 < PAUSE_MAX_MS ? *pause_ms * 2 : PAUSE_MAX_MS;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += this_ms / 1000;
        until.tv_nsec += this_ms % 1000 * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_mutex_lock(&executor->lock);
        while (!atomic_load(&executor->stopping) &&
               pthread_cond_timedwait(&executor->changed, &executor->lock, &until) != ETIMEDOUT)
                ;
        pthread_mutex_unlock(&executor->lock);
        return !atomic_load(&executor->stopping);
}

bool executor_try_again(struct executor *executor, enum server_verdict verdict, const struct err *err)
{
        struct err revoked;

        if (verdict != SERVER_STOP)
                return verdict == SERVER_AGAIN;
        revoked = *err;
        err_prefix(&revoked,
                   "the server does not accept this executor's credential any more; it was revoked");
        executor_fail(executor, &revoked);
        return false;
}

struct connector *executor_connector(struct executor *executor, struct str name)
{
        return str_is(name, executor->docker->ops->name) ? executor->docker : NULL;
}

/* ---- beginning and end ----------------------------------------------------------------------------------
 */

static bool load(struct executor *executor, struct err *err)
{
        const struct executor_config *config = executor->config;
        const struct credential *credential = &executor->state.credential;
        struct docker_config docker = {.socket_path = config->docker_socket};

        if (!executor->state.enrolled)
                return err_set(err, ERR_CONFIG,
                               "%s holds no enrolled executor; announce one on the server and start with "
                               "--server and --token",
                               executor->state.dir);
        executor->server.api_key = credential->api_key;
        executor->server.workspace = credential->workspace;
        executor->server.stop_fd = executor->wake_fd;
        return floor_load(&executor->arena, config->floor_path, credential->environment, &executor->floor,
                          err) &&
               state_read_roster(&executor->state, &executor->roster_arena, &executor->roster, err) &&
               journal_open(executor->state.dir, NULL, &executor->journal, err) &&
               journal_erase_closed(executor->journal, err) &&
               docker_connector_new(&docker, &executor->docker, err);
}

static bool open_server(struct executor *executor, struct err *err)
{
        const struct executor_config *config = executor->config;
        struct tls_client_config tls = {.ca_file = str_from(config->ca_file ? config->ca_file : "")};
        /* The credential is the server's; another URL is the same server at another place. */
        struct str url =
                config->server_url ? str_from(config->server_url) : executor->state.credential.server_url;

        /* The system's certificates cost a megabyte: only where they are needed. */
        if (str_starts(url, STR("https://")) && !tls_client_new(&tls, &executor->tls, err))
                return false;
        return server_init(&executor->server, executor->tls, url, err);
}

static bool prepare(struct executor *executor, const struct executor_config *config, struct err *err)
{
        pthread_condattr_t attr;

        *executor = (struct executor){.config = config, .state = {.lock_fd = -1}, .wake_fd = -1};
        pthread_mutex_init(&executor->roster_lock, NULL);
        pthread_mutex_init(&executor->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&executor->changed, &attr);
        pthread_condattr_destroy(&attr);
        arena_init(&executor->roster_arena, ROSTER_ARENA_BYTES);
        arena_init(&executor->arena, FLOOR_ARENA_BYTES);
        executor->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (executor->wake_fd < 0)
                return err_set_errno(err, ERR_SYSTEM, errno, "cannot make an eventfd");
        return state_open(&executor->state, config->state_dir, err) && open_server(executor, err);
}

static void done(struct executor *executor)
{
        work_free_all(executor);
        connector_free(executor->docker);
        journal_close(executor->journal);
        server_done(&executor->server);
        if (executor->tls)
                tls_client_free(executor->tls);
        state_close(&executor->state);
        arena_done(&executor->roster_arena);
        arena_done(&executor->arena);
        pthread_cond_destroy(&executor->changed);
        pthread_mutex_destroy(&executor->lock);
        pthread_mutex_destroy(&executor->roster_lock);
        if (executor->wake_fd >= 0)
                close(executor->wake_fd);
}

static bool start_loop(pthread_t *thread, void *(*loop)(void *), struct executor *executor, struct err *err)
{
        pthread_attr_t attr;
        int number;

        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, LOOP_STACK_BYTES);
        number = pthread_create(thread, &attr, loop, executor);
        pthread_attr_destroy(&attr);
        return number == 0 || err_set_errno(err, ERR_SYSTEM, number, "cannot start a thread");
}

static void wait_for_end(struct executor *executor, int stop_fd)
{
        struct pollfd fds[] = {{.fd = stop_fd, .events = POLLIN},
                               {.fd = executor->wake_fd, .events = POLLIN}};

        while (poll(fds, 2, -1) < 0 && errno == EINTR)
                ;
        executor_stop(executor);
}

static bool work(struct executor *executor, int stop_fd, struct err *err)
{
        const struct credential *credential = &executor->state.credential;
        pthread_t poll_thread, settle_thread;

        log_line(LOG_INFO, "executor ready", LOG_STR("executor", credential->executor),
                 LOG_STR("environment", credential->environment), LOG_STR("server", executor->server.url),
                 LOG_INT("roster_version", executor->roster.version));
        if (!start_loop(&settle_thread, settle_main, executor, err))
                return false;
        if (start_loop(&poll_thread, work_poll_main, executor, err)) {
                wait_for_end(executor, stop_fd);
                pthread_join(poll_thread, NULL);
        } else {
                executor_fail(executor, err);
        }
        pthread_join(settle_thread, NULL);
        work_wait_all(executor);
        log_line(LOG_INFO, "executor ended", LOG_STR("executor", credential->executor));
        if (executor->failed)
                *err = executor->failure;
        return !executor->failed;
}

bool executor_run(const struct executor_config *config, int stop_fd, struct err *err)
{
        struct executor executor;
        bool ok;

        ok = prepare(&executor, config, err) && (!config->token || executor_exchange_token(&executor, err));
        if (ok && !config->enrol_only)
                ok = load(&executor, err) && work(&executor, stop_fd, err);
        done(&executor);
        return ok;
}

bool executor_is_enrolled(const char *state_dir)
{
        return state_is_enrolled(state_dir);
}
