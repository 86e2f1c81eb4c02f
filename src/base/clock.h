/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time and randomness, behind an interface that tests replace.
 *
 * Wall time is milliseconds since 1970-01-01 UTC; it may jump. Monotonic time
 * is microseconds since some start; it never goes back.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct clock_ops {
        int64_t (*now_ms)(void *data);
        int64_t (*mono_us)(void *data);
        void (*random)(void *data, void *bytes, size_t len);
        void *data;
};

int64_t clock_now_ms(void);
int64_t clock_mono_us(void);
/* The same, and it goes on while the machine sleeps; the system's alone. */
int64_t clock_boot_us(void);

/* From the kernel; aborts if the kernel cannot give it, since nothing safe can follow. */
void random_bytes(void *bytes, size_t len);

/* For tests. NULL restores the real ones. Call before threads start. */
void clock_replace(const struct clock_ops *ops);

/*
 * For tests from outside: the environment variable COUNTERSIGN_CLOCK_OFFSET_FILE
 * names a file that holds milliseconds to add to wall time; it is read again at
 * every call. Honoured only in builds made with -Dtest_hooks=true.
 */

/* RFC 3339 section 5.6 in UTC with milliseconds: "2026-11-21T02:34:42.000Z". */
enum { CLOCK_RFC3339_SIZE = 25 };
void clock_format(int64_t time_ms, char ret_text[CLOCK_RFC3339_SIZE]);
/* Takes any offset and any number of fractional digits; false if malformed. */
bool clock_parse(struct str text, int64_t *ret_time_ms) MUST_USE;

/* "90s", "15m", "1h30m", "500ms", "2d"; a bare number is refused. At most 10 years. */
bool duration_parse(struct str text, int64_t *ret_ms) MUST_USE;
