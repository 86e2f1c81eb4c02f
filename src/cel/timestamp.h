/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timestamps (RFC 3339, years 1 to 9999, nanoseconds) and durations (64-bit
 * nanoseconds), their texts, the calendar, and time zones.
 * Private to src/cel.
 */
#pragma once

#include "cel/eval.h"

#define TIME_SECONDS_MIN INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define TIME_SECONDS_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define NANOS_PER_SECOND INT64_C(1000000000)

enum { TIME_TEXT_MAX = 48 };

/* Errors as values: out of range. */
struct cel_value time_make(struct cel_call *call, int64_t seconds, int64_t nanos);
struct cel_value time_add(struct cel_call *call, struct cel_value timestamp, int64_t nanos, bool subtract);
struct cel_value time_between(struct cel_call *call, struct cel_value later, struct cel_value earlier);

/* "2009-02-13T23:31:30.5Z", "1.5s": without needless zeros. The length. */
uint32_t time_format(char text[TIME_TEXT_MAX], int64_t seconds, uint32_t nanos);
uint32_t duration_format(char text[TIME_TEXT_MAX], int64_t nanos);
/* RFC 3339. *ret_seconds may be out of CEL's range. */
bool time_parse(struct str text, int64_t *ret_seconds, uint32_t *ret_nanos);
/* "1h30m", "-1.5s", "100ms"; units h m s ms us µs ns. False: malformed; or *ret_range, too large. */
bool duration_read(struct str text, int64_t *ret_nanos, bool *ret_range);

struct civil {
        int64_t year;
        int32_t month; /* 0 to 11 */
        int32_t day;   /* 0 to 30 */
        int32_t day_of_year;
        int32_t day_of_week; /* 0: Sunday */
        int32_t hour;
        int32_t minute;
        int32_t second;
};
struct civil civil_from(int64_t seconds);
int64_t civil_days(int64_t year, int32_t month, int32_t day); /* month 1 to 12, day 1 to 31 */

/* ---- zone.c ---- */

/*
 * Seconds east of UTC at a time, in a zone: "Europe/Berlin" from the system's
 * IANA data (TZif, RFC 8536), "UTC", or "+01:30", "-02:00", "02:00". False: no
 * such zone.
 */
bool zone_offset(struct str name, int64_t seconds, int32_t *ret_offset);
