/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slows down guessing without locking anybody out (OWASP, "Slow Down Online
 * Guessing Attacks with Device Cookies").
 *
 * Failures are counted by what they came from:
 *
 *   a browser that has logged in to the account before   a bucket of its own: nobody else can fill it
 *   strangers, by source (IPv4 address, IPv6 /64) and account
 *   strangers together, by account
 *   a source, whatever accounts it tries
 *
 * A full bucket lets nobody try before it has drained by one; the password is
 * not even looked at. So a thousand guesses a second against one account slow
 * down strangers to that account, and its owner logs in with the browser that
 * they use, as if nothing happened.
 *
 * In memory, of fixed size, for each node. Unknown accounts count as known ones.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct throttle;

/* NULL without memory. */
struct throttle *throttle_new(void);
void throttle_free(struct throttle *throttle);

/* Who tries what. Views. */
struct throttle_try {
        struct str tenant;
        struct str account; /* the folded login name, or the principal's id for a second factor; empty: only
                               the source counts */
        struct str source;  /* the client's address, text */
        struct str device;  /* the id of a browser that is known to the account; {NULL, 0}: a stranger */
};

/*
 * Takes one try from each bucket that it counts in. RATE_LIMITED when one is
 * full; *ret_retry_ms is how long it takes to drain. Any thread.
 */
bool throttle_take(struct throttle *throttle, const struct throttle_try *try, int64_t now_mono_ms,
                   int64_t *ret_retry_ms, struct err *err) MUST_USE;
/* It was right: gives the try back. */
void throttle_return(struct throttle *throttle, const struct throttle_try *try, int64_t now_mono_ms);
