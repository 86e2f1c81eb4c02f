/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/output.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/heap.h"

#include <pthread.h>
#include <time.h>

enum { RETRY_FIRST_MS = 200, RETRY_MAX_MS = 5000, STACK_BYTES = 256 * 1024 };

struct output {
        pthread_mutex_t lock; /* all below but `sum`, which is the writer's */
        pthread_cond_t changed;
        struct buf kept;
        size_t sent;
        bool finishing;
        bool giving_up;
        bool idle; /* the sender has ended */
        pthread_t sender;
        bool has_sender;
        output_send send;
        void *arg;

        const atomic_bool *stopping;
        struct sha256_stream digest;
        struct output_sum sum;
};

static void deadline_in(int64_t ms, struct timespec *ret)
{
        clock_gettime(CLOCK_MONOTONIC, ret);
        ret->tv_sec += ms / 1000;
        ret->tv_nsec += (ms % 1000) * 1000000;
        if (ret->tv_nsec >= 1000000000) {
                ret->tv_sec++;
                ret->tv_nsec -= 1000000000;
        }
}

/* With the lock held; waits a growing while after a piece could not be sent. */
static void wait_before_retry(struct output *output, int64_t *pause_ms)
{
        struct timespec until;

        deadline_in(*pause_ms, &until);
        while (!output->giving_up && pthread_cond_timedwait(&output->changed, &output->lock, &until) == 0)
                ;
        *pause_ms = *pause_ms * 2 < RETRY_MAX_MS ? *pause_ms * 2 : RETRY_MAX_MS;
}

static void *sender_main(void *arg)
{
        struct output *output = arg;
        int64_t pause_ms = RETRY_FIRST_MS;
        char *piece = heap_alloc(OUTPUT_PIECE_MAX_BYTES);

        pthread_mutex_lock(&output->lock);
        while (piece && !output->giving_up) {
                size_t at = output->sent;
                struct str next = str_slice(buf_str(&output->kept), at, OUTPUT_PIECE_MAX_BYTES);
                struct err err;
                bool ok;

                if (next.len == 0 && output->finishing)
                        break;
                if (next.len == 0) {
                        pthread_cond_wait(&output->changed, &output->lock);
                        continue;
                }
                /* A copy: the buffer may move while the piece is on its way. */
                memcpy(piece, next.ptr, next.len);
                pthread_mutex_unlock(&output->lock);
                ok = output->send(output->arg, (int64_t)at, str_make(piece, next.len), &err);
                pthread_mutex_lock(&output->lock);
                if (ok) {
                        output->sent = at + next.len;
                        pause_ms = RETRY_FIRST_MS;
                } else {
                        wait_before_retry(output, &pause_ms);
                }
        }
        output->idle = true;
        pthread_cond_broadcast(&output->changed);
        pthread_mutex_unlock(&output->lock);
        heap_free(piece);
        return NULL;
}

static bool sender_start(struct output *output, struct err *err)
{
        pthread_attr_t attr;
        int number;

        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, STACK_BYTES);
        number = pthread_create(&output->sender, &attr, sender_main, output);
        pthread_attr_destroy(&attr);
        if (number != 0)
                return err_set_errno(err, ERR_SYSTEM, number, "cannot start a thread");
        output->has_sender = true;
        return true;
}

bool output_new(output_send send, void *arg, struct output **ret, struct err *err)
{
        struct output *output = heap_alloc_zeroed(1, sizeof(*output));
        pthread_condattr_t attr;

        if (!output)
                return err_set(err, ERR_NO_MEMORY, "no memory for an operation's output");
        output->send = send;
        output->arg = arg;
        buf_init(&output->kept, OUTPUT_KEPT_MAX_BYTES);
        pthread_mutex_init(&output->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&output->changed, &attr);
        pthread_condattr_destroy(&attr);
        sha256_begin(&output->digest);
        if (send && !sender_start(output, err)) {
                output_free(output);
                return false;
        }
        *ret = output;
        return true;
}

void output_write(struct output *output, struct str bytes)
{
        size_t room;

        if (bytes.len == 0)
                return;
        output->sum.total_bytes += (int64_t)bytes.len;
        sha256_add(&output->digest, bytes);
        pthread_mutex_lock(&output->lock);
        /* Once something is missing, nothing may follow: what is kept is a beginning. */
        room = output->sum.truncated ? 0 : OUTPUT_KEPT_MAX_BYTES - output->kept.len;
        if (bytes.len > room)
                output->sum.truncated = true;
        buf_append_str(&output->kept, str_slice(bytes, 0, room));
        if (output->kept.failed)
                output->sum.truncated = true;
        pthread_cond_broadcast(&output->changed);
        pthread_mutex_unlock(&output->lock);
}

void output_finish(struct output *output, int64_t timeout_ms, struct output_sum *ret)
{
        struct timespec until;

        pthread_mutex_lock(&output->lock);
        output->finishing = true;
        pthread_cond_broadcast(&output->changed);
        deadline_in(timeout_ms, &until);
        while (output->has_sender && !output->idle &&
               pthread_cond_timedwait(&output->changed, &output->lock, &until) == 0)
                ;
        pthread_mutex_unlock(&output->lock);
        if (output->digest.context)
                sha256_end(&output->digest, &output->sum.digest);
        output->digest.context = NULL;
        *ret = output->sum;
}

void output_set_stopping(struct output *output, const atomic_bool *stopping)
{
        output->stopping = stopping;
}

bool output_is_stopping(const struct output *output)
{
        return output->stopping && atomic_load(output->stopping);
}

struct str output_kept(const struct output *output)
{
        return buf_str(&output->kept);
}

void output_free(struct output *output)
{
        if (!output)
                return;
        pthread_mutex_lock(&output->lock);
        output->finishing = output->giving_up = true;
        pthread_cond_broadcast(&output->changed);
        pthread_mutex_unlock(&output->lock);
        if (output->has_sender)
                pthread_join(output->sender, NULL);
        if (output->digest.context)
                sha256_end(&output->digest, NULL);
        buf_done(&output->kept);
        pthread_cond_destroy(&output->changed);
        pthread_mutex_destroy(&output->lock);
        heap_free(output);
}
