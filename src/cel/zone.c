/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's time zones: TZif files (RFC 8536), read once each and kept for
 * the life of the process. Only zones that exist are kept, so their number is
 * bounded by the database.
 */
#include "cel/timestamp.h"

#include "base/heap.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ZONE_NAME_MAX = 64, ZONE_FILE_MAX = 64 * 1024, ZONES_MAX = 2048 };

/* One rule of the footer (POSIX TZ): day `d` of week `w` of month `m`, or Jn, or n. */
struct rule {
        char form; /* 'M', 'J', 'N' */
        int32_t month;
        int32_t week;
        int32_t day;
        int32_t seconds; /* of the day, local time */
};

struct zone {
        struct zone *next;
        char name[ZONE_NAME_MAX];
        const unsigned char *times;   /* big-endian 64-bit, sorted */
        const unsigned char *indexes; /* type of each */
        const unsigned char *types;   /* 6 bytes each */
        uint32_t time_count;
        uint32_t type_count;
        bool has_footer;
        bool has_dst;
        int32_t standard; /* seconds east */
        int32_t summer;
        struct rule begin;
        struct rule end;
        unsigned char data[];
};

static pthread_mutex_t zones_lock = PTHREAD_MUTEX_INITIALIZER; /* guards `zones`; a zone never changes */
static struct zone *zones;
static uint32_t zones_count;

static int64_t read_big(const unsigned char *at, uint32_t bytes)
{
        uint64_t value = at[0] & 0x80 ? UINT64_MAX : 0;

        for (uint32_t i = 0; i < bytes; i++)
                value = value << 8 | at[i];
        return (int64_t)value;
}

/* ---- The footer: "CET-1CEST,M3.5.0,M10.5.0/3" (RFC 8536 section 3.3) ---- */

static bool skip_designation(const char **at)
{
        const char *start = *at;

        if (*start == '<') {
                *at = strchr(start, '>');
                if (!*at)
                        return false;
                ++*at;
                return true;
        }
        while ((**at >= 'a' && **at <= 'z') || (**at >= 'A' && **at <= 'Z'))
                ++*at;
        return *at > start;
}

static bool read_number(const char **at, int32_t *ret)
{
        char *end;
        long value = strtol(*at, &end, 10);

        if (end == *at || value < -100000 || value > 100000)
                return false;
        *at = end;
        *ret = (int32_t)value;
        return true;
}

/* [+-]hh[:mm[:ss]] */
static bool read_clock(const char **at, int32_t *ret_seconds)
{
        bool negative = **at == '-';
        int32_t part;
        int32_t total = 0;
        int32_t unit = 3600;

        if (**at == '-' || **at == '+')
                ++*at;
        for (;;) {
                if (!read_number(at, &part) || part < 0)
                        return false;
                total += part * unit;
                unit /= 60;
                if (**at != ':' || unit == 0)
                        break;
                ++*at;
        }
        *ret_seconds = negative ? -total : total;
        return true;
}

static bool read_rule(const char **at, struct rule *rule)
{
        rule->seconds = 7200;
        rule->form = **at == 'M' || **at == 'J' ? **at : 'N';
        if (rule->form != 'N')
                ++*at;
        if (rule->form == 'M') {
                if (!read_number(at, &rule->month) || *(*at)++ != '.' || !read_number(at, &rule->week) ||
                    *(*at)++ != '.' || !read_number(at, &rule->day) || rule->month < 1 || rule->month > 12)
                        return false;
        } else if (!read_number(at, &rule->day)) {
                return false;
        }
        if (**at != '/')
                return true;
        ++*at;
        return read_clock(at, &rule->seconds);
}

static bool read_footer(struct zone *zone, const char *at)
{
        if (!skip_designation(&at) || !read_clock(&at, &zone->standard))
                return false;
        zone->standard = -zone->standard;
        if (*at == '\0')
                return true;
        if (!skip_designation(&at))
                return false;
        zone->summer = zone->standard + 3600;
        if (*at != ',') {
                if (!read_clock(&at, &zone->summer))
                        return false;
                zone->summer = -zone->summer;
        }
        if (*at++ != ',' || !read_rule(&at, &zone->begin) || *at++ != ',' || !read_rule(&at, &zone->end))
                return false;
        zone->has_dst = true;
        return true;
}

/* Seconds since 1970 of a rule's moment in a year, as the local clock reads. */
static int64_t rule_moment(const struct rule *rule, int64_t year)
{
        int64_t first = civil_days(year, 1, 1);
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        int64_t day;

        if (rule->form == 'J') {
                day = first + rule->day - 1 + (leap && rule->day >= 60);
        } else if (rule->form == 'N') {
                day = first + rule->day;
        } else {
                int64_t next = rule->month == 12 ? civil_days(year + 1, 1, 1)
                                                 : civil_days(year, rule->month + 1, 1);
                int64_t begin = civil_days(year, rule->month, 1);

                day = begin + ((rule->day - (begin + 4) % 7 + 14) % 7) + (rule->week - 1) * 7;
                while (day >= next)
                        day -= 7;
        }
        return day * 86400 + rule->seconds;
}

static int32_t footer_offset(const struct zone *zone, int64_t seconds)
{
        int64_t year;
        int64_t begin;
        int64_t end;

        if (!zone->has_dst)
                return zone->standard;
        year = civil_from(seconds + zone->standard).year;
        begin = rule_moment(&zone->begin, year) - zone->standard;
        end = rule_moment(&zone->end, year) - zone->summer;
        if (begin < end)
                return seconds >= begin && seconds < end ? zone->summer : zone->standard;
        return seconds >= end && seconds < begin ? zone->standard : zone->summer;
}

/* ---- The file ---- */

static bool header_counts(const unsigned char *data, size_t len, uint32_t counts[6])
{
        if (len < 44 || memcmp(data, "TZif", 4) != 0)
                return false;
        for (uint32_t i = 0; i < 6; i++) {
                counts[i] = (uint32_t)read_big(data + 20 + 4 * i, 4);
                if (counts[i] > ZONE_FILE_MAX)
                        return false;
        }
        return true;
}

enum { UT_COUNT, STD_COUNT, LEAP_COUNT, TIME_COUNT, TYPE_COUNT, CHAR_COUNT };

static size_t block_size(const uint32_t counts[6], size_t time_size)
{
        return counts[TIME_COUNT] * (time_size + 1) + counts[TYPE_COUNT] * 6 + counts[CHAR_COUNT] +
               counts[LEAP_COUNT] * (time_size + 4) + counts[STD_COUNT] + counts[UT_COUNT];
}

/* Version 2 and later: a second header and block with 64-bit times, then the footer. */
static bool parse_zone(struct zone *zone, size_t len)
{
        uint32_t counts[6];
        const unsigned char *at = zone->data;
        size_t first;
        size_t second;

        if (!header_counts(at, len, counts) || at[4] < '2')
                return false;
        first = 44 + block_size(counts, 4);
        if (first > len || !header_counts(at + first, len - first, counts))
                return false;
        second = first + 44 + block_size(counts, 8);
        if (second > len || counts[TYPE_COUNT] == 0)
                return false;
        at += first + 44;
        zone->times = at;
        zone->time_count = counts[TIME_COUNT];
        zone->indexes = at + (size_t)counts[TIME_COUNT] * 8;
        zone->types = zone->indexes + counts[TIME_COUNT];
        zone->type_count = counts[TYPE_COUNT];
        for (uint32_t i = 0; i < zone->time_count; i++)
                if (zone->indexes[i] >= zone->type_count)
                        return false;
        /* data[len] is '\0' */
        if (second < len && zone->data[second] == '\n') {
                char *end = strchr((char *)zone->data + second + 1, '\n');

                if (end)
                        *end = '\0';
                zone->has_footer = zone->data[second + 1] != '\0' &&
                                   read_footer(zone, (const char *)zone->data + second + 1);
        }
        return true;
}

/* A path below the database: no dots, so that nothing outside can be named. */
static bool is_zone_name(struct str name)
{
        if (name.len == 0 || name.len >= ZONE_NAME_MAX || name.ptr[0] == '/')
                return false;
        for (size_t i = 0; i < name.len; i++) {
                char c = name.ptr[i];

                if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '+' || c == '-' || c == '/'))
                        return false;
        }
        return true;
}

static struct zone *read_zone(struct str name)
{
        char path[ZONE_NAME_MAX + 32];
        struct stat status;
        struct zone *zone = NULL;
        ssize_t len = -1;
        int fd;

        memcpy(path, "/usr/share/zoneinfo/", 20);
        memcpy(path + 20, name.ptr, name.len);
        path[20 + name.len] = '\0';
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return NULL;
        if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= ZONE_FILE_MAX) {
                zone = heap_alloc_zeroed(1, sizeof(*zone) + (size_t)status.st_size + 1);
                len = zone ? read(fd, zone->data, (size_t)status.st_size) : -1;
        }
        close(fd);
        if (len < 0 || !parse_zone(zone, (size_t)len)) {
                heap_free(zone);
                return NULL;
        }
        memcpy(zone->name, name.ptr, name.len);
        return zone;
}

static const struct zone *find_zone(struct str name)
{
        struct zone *zone;

        pthread_mutex_lock(&zones_lock);
        for (zone = zones; zone; zone = zone->next)
                if (str_is(name, zone->name))
                        break;
        if (!zone && zones_count < ZONES_MAX) {
                zone = read_zone(name);
                if (zone) {
                        zone->next = zones;
                        zones = zone;
                        zones_count++;
                }
        }
        pthread_mutex_unlock(&zones_lock);
        return zone;
}

static int32_t type_offset(const struct zone *zone, uint32_t type)
{
        return (int32_t)read_big(zone->types + (size_t)type * 6, 4);
}

static int32_t offset_at(const struct zone *zone, int64_t seconds)
{
        uint32_t low = 0;
        uint32_t high = zone->time_count;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (read_big(zone->times + (size_t)middle * 8, 8) <= seconds)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == zone->time_count && zone->has_footer)
                return footer_offset(zone, seconds);
        return type_offset(zone, low == 0 ? 0 : zone->indexes[low - 1]);
}

/* "+01:30", "-02:00", "02:00" */
static bool fixed_offset(struct str name, int32_t *ret_offset)
{
        bool west = name.len > 0 && name.ptr[0] == '-';
        int32_t parts[4];

        if (name.len > 0 && (name.ptr[0] == '-' || name.ptr[0] == '+'))
                name = str_slice(name, 1, SIZE_MAX);
        if (name.len != 5 || name.ptr[2] != ':')
                return false;
        for (uint32_t i = 0; i < 4; i++) {
                char c = name.ptr[i < 2 ? i : i + 1];

                if (c < '0' || c > '9')
                        return false;
                parts[i] = c - '0';
        }
        if (parts[0] * 10 + parts[1] > 23 || parts[2] > 5)
                return false;
        *ret_offset = (parts[0] * 10 + parts[1]) * 3600 + (parts[2] * 10 + parts[3]) * 60;
        if (west)
                *ret_offset = -*ret_offset;
        return true;
}

bool zone_offset(struct str name, int64_t seconds, int32_t *ret_offset)
{
        const struct zone *zone;

        *ret_offset = 0;
        if (str_is(name, "UTC") || str_is(name, "Z") || fixed_offset(name, ret_offset))
                return true;
        zone = is_zone_name(name) ? find_zone(name) : NULL;
        if (!zone)
                return false;
        *ret_offset = offset_at(zone, seconds);
        return true;
}
