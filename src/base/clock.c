/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static int64_t offset_ms(void)
{
#ifdef COUNTERSIGN_TEST_HOOKS
        const char *path = getenv("COUNTERSIGN_CLOCK_OFFSET_FILE");
        char text[32];
        int64_t offset;
        ssize_t len;
        int fd;

        if (!path || (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
                return 0;
        len = read(fd, text, sizeof(text));
        close(fd);
        if (len > 0 && str_to_i64(str_trim(str_make(text, (size_t)len)), &offset))
                return offset;
#endif
        return 0;
}

static int64_t real_now_ms(void *data)
{
        struct timespec now;

        (void)data;
        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + offset_ms();
}

static int64_t real_mono_us(void *data)
{
        struct timespec now;

        (void)data;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void system_random(void *bytes, size_t len)
{
        char *at = bytes;

        while (len > 0) {
                ssize_t got = getrandom(at, len, 0);

                if (got < 0 && errno != EINTR)
                        abort();
                if (got > 0) {
                        at += got;
                        len -= (size_t)got;
                }
        }
}

/* Ids and nonces take a few bytes at a time, and a system call for each would cost more than they do. */
enum { POOL_BYTES = 256, POOL_TAKE_MAX = 16 };
static _Thread_local struct {
        uint8_t bytes[POOL_BYTES];
        size_t left;
} pool;
static pthread_once_t pool_once = PTHREAD_ONCE_INIT;

/* Parent and child must not draw the same. */
static void pool_forget(void)
{
        pool.left = 0;
}

static void pool_start(void)
{
        if (pthread_atfork(NULL, NULL, pool_forget) != 0)
                abort();
}

static void real_random(void *data, void *bytes, size_t len)
{
        (void)data;
        if (len > POOL_TAKE_MAX) {
                system_random(bytes, len);
                return;
        }
        if (pool.left < len) {
                (void)pthread_once(&pool_once, pool_start);
                system_random(pool.bytes, POOL_BYTES);
                pool.left = POOL_BYTES;
        }
        pool.left -= len;
        memcpy(bytes, pool.bytes + pool.left, len);
        explicit_bzero(pool.bytes + pool.left, len);
}

static const struct clock_ops real_ops = {real_now_ms, real_mono_us, real_random, NULL};
static const struct clock_ops *ops = &real_ops;

int64_t clock_now_ms(void)
{
        return ops->now_ms(ops->data);
}

int64_t clock_boot_us(void)
{
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
        return ops->mono_us(ops->data);
}

void random_bytes(void *bytes, size_t len)
{
        ops->random(ops->data, bytes, len);
}

void clock_replace(const struct clock_ops *replacement)
{
        ops = replacement ? replacement : &real_ops;
}

static char *put_digits(char *at, int64_t value, int count, char after)
{
        for (int i = count - 1; i >= 0; i--, value /= 10)
                at[i] = (char)('0' + value % 10);
        at[count] = after;
        return at + count + 1;
}

/*
 * Written out by hand, as gmtime_r takes a lock of the whole process. Years run
 * from March, so that the day that leap years add is a year's last; 400 of them
 * have 146,097 days.
 */
void clock_format(int64_t time_ms, char ret_text[CLOCK_RFC3339_SIZE])
{
        const int64_t first_ms = INT64_C(-62167219200000), end_ms = INT64_C(253402300800000);
        int64_t days, millis, era, day, year, month;
        char *at = ret_text;

        if (time_ms < first_ms || time_ms >= end_ms) {
                memcpy(ret_text, "0000-01-01T00:00:00.000Z", CLOCK_RFC3339_SIZE);
                return;
        }
        days = (time_ms - first_ms) / 86400000 - 60 + 146097; /* since March 1st of the year -400 */
        millis = (time_ms - first_ms) % 86400000;
        era = days / 146097;
        day = days % 146097;
        year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
        day -= year * 365 + year / 4 - year / 100;
        month = (5 * day + 2) / 153; /* 0 is March */
        day -= (153 * month + 2) / 5;
        year += era * 400 - 400 + (month >= 10 ? 1 : 0);
        at = put_digits(at, year, 4, '-');
        at = put_digits(at, month < 10 ? month + 3 : month - 9, 2, '-');
        at = put_digits(at, day + 1, 2, 'T');
        at = put_digits(at, millis / 3600000, 2, ':');
        at = put_digits(at, millis / 60000 % 60, 2, ':');
        at = put_digits(at, millis / 1000 % 60, 2, '.');
        at = put_digits(at, millis % 1000, 3, 'Z');
        *at = '\0';
}

static bool take_number(struct str *text, size_t digits, int64_t low, int64_t high, int64_t *ret)
{
        struct str part = str_slice(*text, 0, digits);
        uint64_t value;

        if (part.len != digits || !str_to_u64(part, &value))
                return false;
        *ret = (int64_t)value;
        *text = str_slice(*text, digits, text->len);
        return *ret >= low && *ret <= high;
}

static bool take_char(struct str *text, const char *any_of)
{
        if (text->len == 0 || !strchr(any_of, text->ptr[0]) || text->ptr[0] == '\0')
                return false;
        *text = str_slice(*text, 1, text->len);
        return true;
}

static bool take_offset(struct str *text, int64_t *ret_minutes)
{
        int64_t hours;
        int64_t minutes;
        bool negative;

        *ret_minutes = 0;
        if (take_char(text, "Zz"))
                return true;
        negative = text->len > 0 && text->ptr[0] == '-';
        if (!take_char(text, "+-") || !take_number(text, 2, 0, 23, &hours) || !take_char(text, ":") ||
            !take_number(text, 2, 0, 59, &minutes))
                return false;
        *ret_minutes = (hours * 60 + minutes) * (negative ? -1 : 1);
        return true;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
        static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool clock_parse(struct str text, int64_t *ret_time_ms)
{
        int64_t year, month, day, hour, minute, second, offset;
        int64_t millis = 0;
        struct tm utc = {0};

        if (!take_number(&text, 4, 0, 9999, &year) || !take_char(&text, "-") ||
            !take_number(&text, 2, 1, 12, &month) || !take_char(&text, "-") ||
            !take_number(&text, 2, 1, days_in_month(year, month), &day) || !take_char(&text, "Tt") ||
            !take_number(&text, 2, 0, 23, &hour) || !take_char(&text, ":") ||
            !take_number(&text, 2, 0, 59, &minute) || !take_char(&text, ":") ||
            !take_number(&text, 2, 0, 60, &second))
                return false;
        if (take_char(&text, ".")) {
                int64_t unit = 100;
                size_t digits = 0;

                for (; text.len > 0 && text.ptr[0] >= '0' && text.ptr[0] <= '9'; digits++) {
                        millis += (text.ptr[0] - '0') * unit;
                        unit /= 10;
                        text = str_slice(text, 1, text.len);
                }
                if (digits == 0)
                        return false;
        }
        if (!take_offset(&text, &offset) || text.len > 0)
                return false;
        utc.tm_year = (int)year - 1900;
        utc.tm_mon = (int)month - 1;
        utc.tm_mday = (int)day;
        utc.tm_hour = (int)hour;
        utc.tm_min = (int)minute;
        utc.tm_sec = (int)second;
        *ret_time_ms = ((int64_t)timegm(&utc) - offset * 60) * 1000 + millis;
        return true;
}

static bool take_unit(struct str *text, int64_t *ret_ms)
{
        static const struct {
                const char *name;
                int64_t ms;
        } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
                if (!str_starts(*text, str_from(units[i].name)))
                        continue;
                *ret_ms = units[i].ms;
                *text = str_slice(*text, strlen(units[i].name), text->len);
                return true;
        }
        return false;
}

bool duration_parse(struct str text, int64_t *ret_ms)
{
        const int64_t most_ms = (int64_t)3653 * 86400000;
        int64_t total = 0;

        if (text.len == 0)
                return false;
        while (text.len > 0) {
                size_t digits = 0;
                uint64_t count;
                int64_t unit;

                while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
                        digits++;
                if (digits > 12 || !str_to_u64(str_slice(text, 0, digits), &count))
                        return false;
                text = str_slice(text, digits, text.len);
                if (!take_unit(&text, &unit) || (int64_t)count > most_ms / unit)
                        return false;
                total += (int64_t)count * unit;
                if (total > most_ms)
                        return false;
        }
        *ret_ms = total;
        return true;
}
