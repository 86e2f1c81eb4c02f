/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operation prints: digested whole, kept and sent on up to a cap, while
 * the operation runs. A thread of its own sends, so that a slow or absent server
 * never slows the operation down.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <stdatomic.h>

enum {
        OUTPUT_KEPT_MAX_BYTES = 1024 * 1024,
        OUTPUT_PIECE_MAX_BYTES = 64 * 1024,
};

struct output;

/*
 * Sends a piece that begins at `offset`; false to have it tried again later. On
 * the output's thread.
 */
typedef bool (*output_send)(void *arg, int64_t offset, struct str piece, struct err *err);

struct output_sum {
        int64_t total_bytes;  /* everything, also what the cap cut off */
        struct sha256 digest; /* of everything */
        bool truncated;
};

/* `send` NULL: what is kept stays here (output_kept). */
bool output_new(output_send send, void *arg, struct output **ret, struct err *err) MUST_USE;
/*
 * An operation that only watches (a container that runs) ends its watching early
 * once *stopping is true; it looks between two pieces. Borrowed.
 */
void output_set_stopping(struct output *output, const atomic_bool *stopping);
bool output_is_stopping(const struct output *output);
/* Never fails: what cannot be kept for want of memory counts as cut off. */
void output_write(struct output *output, struct str bytes);
/* Waits until all that is kept is sent, or until the time is up. Nothing may be written afterwards. */
void output_finish(struct output *output, int64_t timeout_ms, struct output_sum *ret);
/* After output_finish: the kept bytes. Borrowed. */
struct str output_kept(const struct output *output);
/* NULL is fine. */
void output_free(struct output *output);
static inline void output_freep(struct output **output)
{
        output_free(*output);
}
