/* SPDX-License-Identifier: Apache-2.0 */
#include "cel/timestamp.h"

#include <stdio.h>

/* ---- Values ---- */

struct cel_value time_make(struct cel_call *call, int64_t seconds, int64_t nanos)
{
        int64_t carry = nanos / NANOS_PER_SECOND;

        nanos %= NANOS_PER_SECOND;
        if (nanos < 0) {
                nanos += NANOS_PER_SECOND;
                carry--;
        }
        if (__builtin_add_overflow(seconds, carry, &seconds) || seconds < TIME_SECONDS_MIN ||
            seconds > TIME_SECONDS_MAX)
                return cel_fail(call, "timestamp out of range: years 0001 to 9999 are known");
        return cel_timestamp(seconds, (uint32_t)nanos);
}

struct cel_value time_add(struct cel_call *call, struct cel_value timestamp, int64_t nanos, bool subtract)
{
        int64_t seconds = nanos / NANOS_PER_SECOND;
        int64_t rest = nanos % NANOS_PER_SECOND;

        return subtract ? time_make(call, timestamp.integer - seconds, (int64_t)timestamp.len - rest)
                        : time_make(call, timestamp.integer + seconds, (int64_t)timestamp.len + rest);
}

struct cel_value time_between(struct cel_call *call, struct cel_value later, struct cel_value earlier)
{
        int64_t seconds = later.integer - earlier.integer;
        int64_t nanos = (int64_t)later.len - (int64_t)earlier.len;
        int64_t result;

        if (__builtin_mul_overflow(seconds, NANOS_PER_SECOND, &result) ||
            __builtin_add_overflow(result, nanos, &result))
                return cel_fail(call, "duration out of range: it does not fit 64-bit nanoseconds");
        return cel_duration(result);
}

/* ---- The calendar: days from 1970-01-01 in the proleptic Gregorian calendar ---- */

int64_t civil_days(int64_t year, int32_t month, int32_t day)
{
        int64_t y = year - (month <= 2);
        int64_t era = (y >= 0 ? y : y - 399) / 400;
        int64_t year_of_era = y - era * 400;
        int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

        return era * 146097 + day_of_era - 719468;
}

struct civil civil_from(int64_t seconds)
{
        int64_t days = (seconds >= 0 ? seconds : seconds - 86399) / 86400;
        int32_t second = (int32_t)(seconds - days * 86400);
        int64_t z = days + 719468;
        int64_t era = (z >= 0 ? z : z - 146096) / 146097;
        int64_t day_of_era = z - era * 146097;
        int64_t year_of_era =
                (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
        int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        int64_t mp = (5 * day_of_year + 2) / 153;
        int32_t month = (int32_t)(mp < 10 ? mp + 3 : mp - 9);
        struct civil c = {
                .year = year_of_era + era * 400 + (month <= 2),
                .month = month - 1,
                .day = (int32_t)(day_of_year - (153 * mp + 2) / 5),
                .day_of_week = (int32_t)(((days + 4) % 7 + 7) % 7),
                .hour = second / 3600,
                .minute = second / 60 % 60,
                .second = second % 60,
        };

        c.day_of_year = (int32_t)(days - civil_days(c.year, 1, 1));
        return c;
}

/* ---- Texts ---- */

/* ".5", ".123456789": nanoseconds without trailing zeros. */
static uint32_t format_fraction(char *text, uint32_t nanos)
{
        uint32_t len = 9;

        if (nanos == 0)
                return 0;
        snprintf(text, 11, ".%09u", nanos);
        while (text[len] == '0')
                len--;
        return len + 1;
}

uint32_t time_format(char text[TIME_TEXT_MAX], int64_t seconds, uint32_t nanos)
{
        struct civil c = civil_from(seconds);
        int len = snprintf(text, TIME_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d", (int)c.year, c.month + 1,
                           c.day + 1, c.hour, c.minute, c.second);

        len += (int)format_fraction(text + len, nanos);
        text[len++] = 'Z';
        text[len] = '\0';
        return (uint32_t)len;
}

uint32_t duration_format(char text[TIME_TEXT_MAX], int64_t nanos)
{
        uint64_t magnitude = nanos < 0 ? 0 - (uint64_t)nanos : (uint64_t)nanos;
        int len = snprintf(text, TIME_TEXT_MAX, "%s%llu", nanos < 0 ? "-" : "",
                           (unsigned long long)(magnitude / (uint64_t)NANOS_PER_SECOND));

        len += (int)format_fraction(text + len, (uint32_t)(magnitude % (uint64_t)NANOS_PER_SECOND));
        text[len++] = 's';
        text[len] = '\0';
        return (uint32_t)len;
}

/* `digits` decimal digits at the front, then `after` unless it is '\0'. */
static bool take_number(struct str *text, uint32_t digits, char after, int32_t *ret)
{
        int32_t value = 0;

        if (text->len < digits + (after != '\0'))
                return false;
        for (uint32_t i = 0; i < digits; i++) {
                if (text->ptr[i] < '0' || text->ptr[i] > '9')
                        return false;
                value = value * 10 + (text->ptr[i] - '0');
        }
        if (after && text->ptr[digits] != after && !(after == 'T' && text->ptr[digits] == 't'))
                return false;
        *text = str_slice(*text, digits + (after != '\0'), SIZE_MAX);
        *ret = value;
        return true;
}

static bool take_fraction(struct str *text, uint32_t *ret_nanos)
{
        uint32_t scale = 100000000;
        size_t digits = 0;

        *ret_nanos = 0;
        if (text->len == 0 || text->ptr[0] != '.')
                return true;
        *text = str_slice(*text, 1, SIZE_MAX);
        for (; digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '9'; digits++) {
                *ret_nanos += (uint32_t)(text->ptr[digits] - '0') * scale;
                scale /= 10;
        }
        *text = str_slice(*text, digits, SIZE_MAX);
        return digits > 0;
}

static bool take_offset(struct str *text, int64_t *ret_offset)
{
        int32_t hours;
        int32_t minutes;
        bool west;

        if (text->len == 1 && (text->ptr[0] == 'Z' || text->ptr[0] == 'z')) {
                *ret_offset = 0;
                return true;
        }
        if (text->len == 0 || (text->ptr[0] != '+' && text->ptr[0] != '-'))
                return false;
        west = text->ptr[0] == '-';
        *text = str_slice(*text, 1, SIZE_MAX);
        if (!take_number(text, 2, ':', &hours) || !take_number(text, 2, '\0', &minutes) || text->len > 0 ||
            hours > 23 || minutes > 59)
                return false;
        *ret_offset = (west ? -60 : 60) * (hours * 60 + minutes);
        return true;
}

static int32_t days_in_month(int32_t year, int32_t month)
{
        static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        return days[month - 1] + (month == 2 && leap);
}

bool time_parse(struct str text, int64_t *ret_seconds, uint32_t *ret_nanos)
{
        int32_t year;
        int32_t month;
        int32_t day;
        int32_t hour;
        int32_t minute;
        int32_t second;
        int64_t offset;

        if (!take_number(&text, 4, '-', &year) || !take_number(&text, 2, '-', &month) ||
            !take_number(&text, 2, 'T', &day) || !take_number(&text, 2, ':', &hour) ||
            !take_number(&text, 2, ':', &minute) || !take_number(&text, 2, '\0', &second) ||
            !take_fraction(&text, ret_nanos) || !take_offset(&text, &offset))
                return false;
        if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
            minute > 59 || second > 59)
                return false;
        *ret_seconds = civil_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
        return true;
}

static bool take_unit(struct str *text, uint64_t *ret_nanos)
{
        static const struct {
                const char *name;
                uint64_t nanos;
        } units[] = {
                {"ns", 1},
                {"us", 1000},
                {"\xC2\xB5s", 1000},
                {"\xCE\xBCs", 1000},
                {"ms", 1000000},
                {"s", 1000000000},
                {"m", UINT64_C(60000000000)},
                {"h", UINT64_C(3600000000000)},
        };

        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
                struct str name = str_from(units[i].name);

                if (str_starts(*text, name)) {
                        *text = str_slice(*text, name.len, SIZE_MAX);
                        *ret_nanos = units[i].nanos;
                        return true;
                }
        }
        return false;
}

/* "1.5h" at the front: its nanoseconds are added to *total. */
static bool take_component(struct str *text, uint64_t *total, bool *ret_range)
{
        uint64_t whole = 0;
        uint64_t fraction = 0;
        uint64_t scale = 1;
        uint64_t unit;
        size_t digits = 0;
        size_t at = 0;

        for (; at < text->len && text->ptr[at] >= '0' && text->ptr[at] <= '9'; at++, digits++)
                *ret_range |= __builtin_mul_overflow(whole, 10u, &whole) ||
                              __builtin_add_overflow(whole, (uint64_t)(text->ptr[at] - '0'), &whole);
        if (at < text->len && text->ptr[at] == '.') {
                for (at++; at < text->len && text->ptr[at] >= '0' && text->ptr[at] <= '9'; at++, digits++) {
                        if (scale < UINT64_C(1000000000000000)) {
                                fraction = fraction * 10 + (uint64_t)(text->ptr[at] - '0');
                                scale *= 10;
                        }
                }
        }
        *text = str_slice(*text, at, SIZE_MAX);
        if (digits == 0 || !take_unit(text, &unit))
                return false;
        *ret_range |=
                __builtin_mul_overflow(whole, unit, &whole) || __builtin_add_overflow(*total, whole, total);
        *total += (uint64_t)((double)fraction * ((double)unit / (double)scale));
        return true;
}

bool duration_read(struct str text, int64_t *ret_nanos, bool *ret_range)
{
        uint64_t total = 0;
        bool negative = text.len > 0 && text.ptr[0] == '-';

        *ret_range = false;
        if (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+'))
                text = str_slice(text, 1, SIZE_MAX);
        if (text.len == 0)
                return false;
        if (str_is(text, "0")) {
                *ret_nanos = 0;
                return true;
        }
        while (text.len > 0)
                if (!take_component(&text, &total, ret_range))
                        return false;
        if (*ret_range || total > (uint64_t)INT64_MAX + negative) {
                *ret_range = true;
                return false;
        }
        *ret_nanos = negative ? (int64_t)(0 - total) : (int64_t)total;
        return true;
}
