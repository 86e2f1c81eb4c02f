/* SPDX-License-Identifier: Apache-2.0 */
#include "server/metrics.h"

#include "api/route.h"
#include "base/heap.h"

#include <stdatomic.h>

/* Upper bounds in microseconds; what is above counts in +Inf only. */
static const int64_t bounds_us[] = {100,   250,    500,    1000,    2500,    5000,    10000,
                                    25000, 100000, 250000, 1000000, 5000000, 30000000};

enum { BOUNDS = sizeof(bounds_us) / sizeof(bounds_us[0]), STATUS_FIRST = 200, STATUS_COUNT = 400 };

/* One for each route, and one for requests that have none. */
struct route_metrics {
        _Atomic uint64_t by_status[STATUS_COUNT];
        _Atomic uint64_t by_duration[BOUNDS + 1];
        _Atomic uint64_t duration_us;
};

struct metrics {
        _Atomic int64_t in_flight;
        _Atomic uint64_t unauthenticated;
        size_t route_count;
        struct route_metrics routes[];
};

struct metrics *metrics_new(size_t route_count)
{
        struct metrics *metrics =
                heap_alloc_zeroed(1, sizeof(*metrics) + (route_count + 1) * sizeof(struct route_metrics));

        if (metrics)
                metrics->route_count = route_count;
        return metrics;
}

void metrics_free(struct metrics *metrics)
{
        heap_free(metrics);
}

static void add(_Atomic uint64_t *counter, uint64_t amount)
{
        atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
        return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_count(struct metrics *metrics, int route, int status, int64_t duration_us)
{
        struct route_metrics *one = &metrics->routes[route < 0 ? metrics->route_count : (size_t)route];
        int i = 0;

        while (i < BOUNDS && duration_us > bounds_us[i])
                i++;
        if (status >= STATUS_FIRST && status < STATUS_FIRST + STATUS_COUNT)
                add(&one->by_status[status - STATUS_FIRST], 1);
        add(&one->by_duration[i], 1);
        add(&one->duration_us, (uint64_t)duration_us);
}

void metrics_enter(struct metrics *metrics)
{
        atomic_fetch_add_explicit(&metrics->in_flight, 1, memory_order_relaxed);
}

void metrics_leave(struct metrics *metrics)
{
        atomic_fetch_sub_explicit(&metrics->in_flight, 1, memory_order_relaxed);
}

void metrics_count_unauthenticated(struct metrics *metrics)
{
        add(&metrics->unauthenticated, 1);
}

static const char *route_name(const struct metrics *metrics, size_t i)
{
        return i < metrics->route_count ? api_routes[i].operation : "none";
}

static void write_statuses(const struct metrics *metrics, struct buf *buf)
{
        buf_append_c(buf, "# HELP countersign_requests_total Requests answered.\n"
                          "# TYPE countersign_requests_total counter\n");
        for (size_t i = 0; i <= metrics->route_count; i++)
                for (int s = 0; s < STATUS_COUNT; s++) {
                        uint64_t count = get(&metrics->routes[i].by_status[s]);

                        if (count > 0)
                                buf_printf(
                                        buf,
                                        "countersign_requests_total{operation=\"%s\",status=\"%d\"} %llu\n",
                                        route_name(metrics, i), s + STATUS_FIRST, (unsigned long long)count);
                }
}

static void write_durations(const struct metrics *metrics, size_t i, struct buf *buf)
{
        const struct route_metrics *one = &metrics->routes[i];
        const char *name = route_name(metrics, i);
        uint64_t sum = 0;

        for (int b = 0; b < BOUNDS; b++) {
                sum += get(&one->by_duration[b]);
                buf_printf(buf,
                           "countersign_request_duration_seconds_bucket{operation=\"%s\",le=\"%g\"} %llu\n",
                           name, (double)bounds_us[b] / 1e6, (unsigned long long)sum);
        }
        sum += get(&one->by_duration[BOUNDS]);
        buf_printf(buf, "countersign_request_duration_seconds_bucket{operation=\"%s\",le=\"+Inf\"} %llu\n",
                   name, (unsigned long long)sum);
        buf_printf(buf, "countersign_request_duration_seconds_sum{operation=\"%s\"} %.6f\n", name,
                   (double)get(&one->duration_us) / 1e6);
        buf_printf(buf, "countersign_request_duration_seconds_count{operation=\"%s\"} %llu\n", name,
                   (unsigned long long)sum);
}

static bool was_used(const struct route_metrics *one)
{
        for (int b = 0; b <= BOUNDS; b++)
                if (get(&one->by_duration[b]) > 0)
                        return true;
        return false;
}

void metrics_write(const struct metrics *metrics, struct buf *buf)
{
        write_statuses(metrics, buf);
        buf_append_c(buf,
                     "# HELP countersign_request_duration_seconds From the request's head to its reply.\n"
                     "# TYPE countersign_request_duration_seconds histogram\n");
        for (size_t i = 0; i <= metrics->route_count; i++)
                if (was_used(&metrics->routes[i]))
                        write_durations(metrics, i, buf);
        metrics_value(buf, "countersign_requests_in_flight", "gauge", "Requests being served.",
                      (double)atomic_load_explicit(&metrics->in_flight, memory_order_relaxed));
        metrics_value(buf, "countersign_unauthenticated_total", "counter",
                      "Requests whose credentials nobody has.", (double)get(&metrics->unauthenticated));
}

void metrics_value(struct buf *buf, const char *name, const char *type, const char *help, double value)
{
        buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", name, help, name, type, name, value);
}
