/* SPDX-License-Identifier: Apache-2.0 */
/* langdef's functions on timestamps and durations: getFullYear, getHours, … */
#include "cel/fn.h"

enum part {
        YEAR,
        MONTH,
        DATE,
        DAY_OF_MONTH,
        DAY_OF_WEEK,
        DAY_OF_YEAR,
        HOURS,
        MINUTES,
        SECONDS,
        MILLISECONDS
};

static int64_t duration_part(int64_t nanos, enum part part)
{
        switch (part) {
        case HOURS:
                return nanos / NANOS_PER_SECOND / 3600;
        case MINUTES:
                return nanos / NANOS_PER_SECOND / 60;
        case SECONDS:
                return nanos / NANOS_PER_SECOND;
        default:
                return nanos % NANOS_PER_SECOND / 1000000;
        }
}

static int64_t timestamp_part(struct civil c, uint32_t nanos, enum part part)
{
        switch (part) {
        case YEAR:
                return c.year;
        case MONTH:
                return c.month;
        case DATE:
                return c.day + 1;
        case DAY_OF_MONTH:
                return c.day;
        case DAY_OF_WEEK:
                return c.day_of_week;
        case DAY_OF_YEAR:
                return c.day_of_year;
        case HOURS:
                return c.hour;
        case MINUTES:
                return c.minute;
        case SECONDS:
                return c.second;
        default:
                return nanos / 1000000;
        }
}

static struct cel_value get(struct cel_call *call, const struct cel_value *args, uint32_t count,
                            enum part part)
{
        enum { ZONE_COST = 50 }; /* a name that does not exist is looked up in the file system */
        int32_t offset = 0;

        if (args[0].kind == CEL_DURATION && count == 1 && part >= HOURS)
                return cel_int(duration_part(args[0].integer, part));
        if (args[0].kind != CEL_TIMESTAMP || (count > 1 && args[1].kind != CEL_STRING))
                return no_overload();
        if (count > 1) {
                if (!cel_charge(call, ZONE_COST))
                        return eval_stopped();
                if (!zone_offset(cel_text(args[1]), args[0].integer, &offset))
                        return cel_fail(call, "there is no time zone \"%.*s\"",
                                        STR_ARG(str_slice(cel_text(args[1]), 0, 60)));
        }
        return cel_int(timestamp_part(civil_from(args[0].integer + offset), args[0].len, part));
}

#define GETTER(name, part)                                                                                  \
        FUNCTION(name)                                                                                      \
        {                                                                                                   \
                (void)data;                                                                                 \
                return get(call, args, count, part);                                                        \
        }
GETTER(get_full_year, YEAR)
GETTER(get_month, MONTH)
GETTER(get_date, DATE)
GETTER(get_day_of_month, DAY_OF_MONTH)
GETTER(get_day_of_week, DAY_OF_WEEK)
GETTER(get_day_of_year, DAY_OF_YEAR)
GETTER(get_hours, HOURS)
GETTER(get_minutes, MINUTES)
GETTER(get_seconds, SECONDS)
GETTER(get_milliseconds, MILLISECONDS)

#define OF_TIMESTAMP "timestamp.() int; timestamp.(string) int"
#define OF_BOTH OF_TIMESTAMP "; duration.() int"

static const struct builtin rows[] = {
        {"getFullYear", OF_TIMESTAMP, get_full_year},
        {"getMonth", OF_TIMESTAMP, get_month},
        {"getDate", OF_TIMESTAMP, get_date},
        {"getDayOfMonth", OF_TIMESTAMP, get_day_of_month},
        {"getDayOfWeek", OF_TIMESTAMP, get_day_of_week},
        {"getDayOfYear", OF_TIMESTAMP, get_day_of_year},
        {"getHours", OF_BOTH, get_hours},
        {"getMinutes", OF_BOTH, get_minutes},
        {"getSeconds", OF_BOTH, get_seconds},
        {"getMilliseconds", OF_BOTH, get_milliseconds},
};

LIBRARY(library_time, rows);
