/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/passwords.h"

#include "base/heap.h"
#include "base/log_line.h"
#include "identity/passwords_list.h"
#include "identity/passwords_private.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

enum { THREADS_MAX = 16, LOWEST_PRIORITY = 19 };

/* One password to hash or to verify; lives on the stack of who waits. */
struct job {
        struct job *next;
        struct str prepared;
        struct str encoded; /* verify */
        char *ret_encoded;  /* hash; NULL: verify */
        bool right, outdated, ok;
        struct err *err;
        struct fiber_event done;
};

struct passwords {
        struct password_parameters parameters; /* constant, as the three below */
        unsigned queue_max;
        unsigned thread_count;
        struct password_list *breached; /* NULL: none */
        pthread_t threads[THREADS_MAX];
        pthread_mutex_t lock; /* of all below */
        pthread_cond_t filled;
        struct job *head, *tail;
        unsigned waiting;
        bool stopping;
};

/* ---- the threads ------------------------------------------------------------------------------------- */

static struct job *next_job(struct passwords *passwords)
{
        struct job *job;

        (void)pthread_mutex_lock(&passwords->lock);
        while (!passwords->head && !passwords->stopping)
                (void)pthread_cond_wait(&passwords->filled, &passwords->lock);
        job = passwords->head;
        if (job) {
                passwords->head = job->next;
                if (!passwords->head)
                        passwords->tail = NULL;
                passwords->waiting--;
        }
        (void)pthread_mutex_unlock(&passwords->lock);
        return job;
}

static void *run_thread(void *arg)
{
        struct passwords *passwords = arg;
        struct job *job;

        /* On Linux a nice value is a thread's own: log-ins use what requests leave over. */
        if (setpriority(PRIO_PROCESS, 0, LOWEST_PRIORITY) < 0)
                log_line(LOG_WARN, "password hashing runs at ordinary priority");
        while ((job = next_job(passwords))) {
                if (job->ret_encoded)
                        job->ok = password_hash_here(&passwords->parameters, job->prepared, job->ret_encoded,
                                                     job->err);
                else
                        job->ok = password_verify_here(&passwords->parameters, job->prepared, job->encoded,
                                                       &job->right, &job->outdated, job->err);
                fiber_event_fire(&job->done);
        }
        password_memory_free();
        return NULL;
}

bool passwords_start(const struct passwords_config *config, struct passwords **ret, struct err *err)
{
        struct passwords *passwords = heap_alloc_zeroed(1, sizeof(*passwords));
        const struct password_parameters *p = &config->parameters;

        *ret = NULL;
        if (!passwords)
                return err_set(err, ERR_NO_MEMORY, "no memory for passwords");
        passwords->parameters = *p;
        passwords->queue_max = config->queue;
        (void)pthread_mutex_init(&passwords->lock, NULL);
        (void)pthread_cond_init(&passwords->filled, NULL);
        if (p->passes < 1 || p->lanes < 1 || p->memory_kib < 8 * p->lanes || config->threads < 1 ||
            config->threads > THREADS_MAX) {
                passwords_stop(passwords);
                return err_set(err, ERR_CONFIG, "password parameters that Argon2 does not take");
        }
        if (config->breached.len > 0 &&
            !password_list_open(config->breached.ptr, &passwords->breached, err)) {
                passwords_stop(passwords);
                return err_prefix(err, "the list of breached passwords");
        }
        for (unsigned i = 0; i < config->threads; i++) {
                int number = pthread_create(&passwords->threads[i], NULL, run_thread, passwords);

                if (number != 0) {
                        passwords_stop(passwords);
                        return err_set_errno(err, ERR_SYSTEM, number, "cannot start a thread for passwords");
                }
                passwords->thread_count++;
        }
        *ret = passwords;
        return true;
}

void passwords_stop(struct passwords *passwords)
{
        if (!passwords)
                return;
        (void)pthread_mutex_lock(&passwords->lock);
        passwords->stopping = true;
        (void)pthread_cond_broadcast(&passwords->filled);
        (void)pthread_mutex_unlock(&passwords->lock);
        for (unsigned i = 0; i < passwords->thread_count; i++)
                (void)pthread_join(passwords->threads[i], NULL);
        password_list_close(passwords->breached);
        (void)pthread_cond_destroy(&passwords->filled);
        (void)pthread_mutex_destroy(&passwords->lock);
        heap_free(passwords);
}

static FIBER_FN bool run(struct passwords *passwords, struct job *job, struct err *err)
{
        bool taken;

        job->err = err;
        (void)pthread_mutex_lock(&passwords->lock);
        taken = passwords->waiting < passwords->queue_max && !passwords->stopping;
        if (taken) {
                if (passwords->tail)
                        passwords->tail->next = job;
                else
                        passwords->head = job;
                passwords->tail = job;
                passwords->waiting++;
                (void)pthread_cond_signal(&passwords->filled);
        }
        (void)pthread_mutex_unlock(&passwords->lock);
        if (!taken)
                return err_set(err, ERR_OVERLOADED,
                               "too many people log in just now; try again in a moment");
        /* The job lives on this stack: there is no giving up before the thread is done with it. */
        (void)fiber_event_wait(&job->done, FIBER_FOREVER);
        return job->ok;
}

FIBER_FN bool passwords_hash(struct passwords *passwords, struct str prepared,
                             char ret_encoded[PASSWORD_ENCODED_SIZE], struct err *err)
{
        struct job job = {.prepared = prepared, .ret_encoded = ret_encoded};

        return run(passwords, &job, err);
}

FIBER_FN bool passwords_verify(struct passwords *passwords, struct str prepared, struct str encoded,
                               bool *ret_right, bool *ret_outdated, struct err *err)
{
        struct job job = {.prepared = prepared, .encoded = encoded};
        bool ok = run(passwords, &job, err);

        *ret_right = ok && job.right;
        *ret_outdated = ok && job.outdated;
        return ok;
}

/* ---- what may be a password, and a login name
 * ------------------------------------------------------------- */

bool password_prepare(struct arena *arena, struct str password, struct str *ret, struct err *err)
{
        size_t len = 0;
        uint8_t *normal;

        if (password.len > PASSWORD_MAX_BYTES)
                return err_set_at(err, ERR_BAD_FIELD, "/password", "a password has at most %d bytes",
                                  PASSWORD_MAX_BYTES);
        if (!str_is_utf8(password))
                return err_set_at(err, ERR_BAD_FIELD, "/password", "the password is not UTF-8");
        normal = u8_normalize(UNINORM_NFKC, (const uint8_t *)(password.len > 0 ? password.ptr : ""),
                              password.len, NULL, &len);
        if (!normal)
                return err_set(err, ERR_NO_MEMORY, "no memory for a password");
        *ret = arena_str(arena, str_make(normal, len));
        explicit_bzero(normal, len);
        free(normal);
        if (!arena_check(arena, err))
                return false;
        if (ret->len > PASSWORD_MAX_BYTES)
                return err_set_at(err, ERR_BAD_FIELD, "/password", "a password has at most %d bytes",
                                  PASSWORD_MAX_BYTES);
        return true;
}

bool password_check(const struct passwords *passwords, struct str prepared, struct str login,
                    struct err *err)
{
        bool failed = false;

        if (u8_mbsnlen((const uint8_t *)(prepared.len > 0 ? prepared.ptr : ""), prepared.len) <
            PASSWORD_MIN_CHARACTERS)
                return err_set_at(err, ERR_BAD_FIELD, "/password",
                                  "a password has at least %d characters; a sentence is a good one",
                                  PASSWORD_MIN_CHARACTERS);
        if (login.len > 0 && str_eq_nocase(prepared, login))
                return err_set_at(err, ERR_BAD_FIELD, "/password", "the password is the login name");
        if (passwords->breached && password_list_has(passwords->breached, prepared, &failed))
                return err_set_at(err, ERR_BAD_FIELD, "/password",
                                  "this password is known from a breach elsewhere, so that it would be "
                                  "guessed; choose another one");
        if (failed)
                log_line(LOG_ERROR, "the list of breached passwords cannot be read any more");
        return true;
}

bool login_name_prepare(struct arena *arena, struct str login, struct str *ret, struct err *err)
{
        size_t len = 0;
        uint8_t *folded;

        if (login.len == 0 || login.len > LOGIN_NAME_MAX_BYTES || !str_is_utf8(login))
                return err_set_at(err, ERR_BAD_FIELD, "/login", "a login name has 1 to %d bytes of UTF-8",
                                  LOGIN_NAME_MAX_BYTES);
        for (size_t i = 0; i < login.len; i++)
                if ((unsigned char)login.ptr[i] <= ' ' || login.ptr[i] == 0x7f)
                        return err_set_at(err, ERR_BAD_FIELD, "/login",
                                          "a login name has no blanks and no control characters");
        folded = u8_casefold((const uint8_t *)login.ptr, login.len, NULL, UNINORM_NFKC, NULL, &len);
        if (!folded)
                return err_set(err, ERR_NO_MEMORY, "no memory for a login name");
        *ret = arena_str(arena, str_make(folded, len));
        free(folded);
        return arena_check(arena, err);
}
