/* SPDX-License-Identifier: Apache-2.0 */
/* The node's own operations: health, readiness, figures, the contract. */
#include "api/api_handlers.h"
#include "base/clock.h"
#include "io/proc.h"
#include "server/state.h"
#include "store/store.h"

#include <stdio.h>
#include <unistd.h>

enum { METRICS_MOST_BYTES = 4 << 20 };

FIBER_FN bool health_get(struct request *req, const struct api_health_get_in *in, struct api_health *out,
                         struct err *err)
{
        (void)in;
        (void)err;
        out->status = API_HEALTH_STATUS_OK;
        out->version = str_from(req->services->version);
        return true;
}

FIBER_FN bool ready_get(struct request *req, const struct api_ready_get_in *in, struct api_health *out,
                        struct err *err)
{
        (void)in;
        if (request_is_over(req) || !atomic_load(&server_of(req->services)->ready))
                return err_set(err, ERR_SHUTTING_DOWN, "this node takes no new work");
        out->status = API_HEALTH_STATUS_OK;
        out->version = str_from(req->services->version);
        return true;
}

FIBER_FN bool contract_get(struct request *req, const struct api_contract_get_in *in, struct api_text *out,
                           struct err *err)
{
        (void)req;
        (void)in;
        (void)err;
        out->text = str_make(api_contract_text, api_contract_len);
        return true;
}

static void write_connections(const struct server *server, struct buf *buf)
{
        struct http_server_stats stats;

        http_server_stats(server->http, &stats);
        metrics_value(buf, "countersign_connections", "gauge", "Open connections.",
                      (double)stats.connections_open);
        metrics_value(buf, "countersign_connections_accepted_total", "counter", "Connections accepted.",
                      (double)stats.connections_accepted);
        metrics_value(buf, "countersign_connections_refused_total", "counter", "Connections over a limit.",
                      (double)stats.connections_refused);
        metrics_value(buf, "countersign_protocol_errors_total", "counter", "Requests that were not HTTP.",
                      (double)stats.protocol_errors);
        metrics_value(buf, "countersign_tls_handshakes_failed_total", "counter",
                      "TLS handshakes that failed.", (double)stats.tls_handshakes_failed);
        metrics_value(buf, "countersign_received_bytes_total", "counter", "Bytes received.",
                      (double)stats.bytes_in);
        metrics_value(buf, "countersign_sent_bytes_total", "counter", "Bytes sent.",
                      (double)stats.bytes_out);
}

static void write_store(const struct server *server, struct buf *buf)
{
        struct store_stats stats;

        store_stats(server->store, &stats);
        metrics_value(buf, "countersign_store_writes_total", "counter", "Write jobs done.",
                      (double)stats.writes);
        metrics_value(buf, "countersign_store_writes_failed_total", "counter", "Write jobs taken back.",
                      (double)stats.writes_failed);
        metrics_value(buf, "countersign_store_reads_total", "counter", "Read jobs done.",
                      (double)stats.reads);
        metrics_value(buf, "countersign_store_commits_total", "counter",
                      "Commits; each makes a group durable.", (double)stats.commits);
        metrics_value(buf, "countersign_store_commits_failed_total", "counter", "Commits that failed.",
                      (double)stats.commits_failed);
        metrics_value(buf, "countersign_store_uncertain_total", "counter",
                      "Commits of which nobody knows whether they took effect.", (double)stats.uncertain);
        metrics_value(buf, "countersign_store_commit_seconds_total", "counter", "Time spent in commits.",
                      (double)stats.commit_us / 1e6);
        metrics_value(buf, "countersign_store_write_wait_seconds_total", "counter",
                      "Time that write jobs waited for their turn.", (double)stats.write_wait_us / 1e6);
        metrics_value(buf, "countersign_store_read_wait_seconds_total", "counter",
                      "Time that read jobs waited for their turn.", (double)stats.read_wait_us / 1e6);
        metrics_value(buf, "countersign_store_writes_waiting", "gauge", "Write jobs that wait.",
                      (double)stats.writes_waiting);
        metrics_value(buf, "countersign_store_reads_waiting", "gauge", "Read jobs that wait.",
                      (double)stats.reads_waiting);
        metrics_value(buf, "countersign_store_cells_open", "gauge", "Handles on cells that are open.",
                      (double)stats.handles_open);
}

static void write_loops(const struct server *server, struct buf *buf)
{
        uint64_t live = 0;
        uint64_t started = 0;

        for (unsigned i = 0; i < loops_count(server->loops); i++) {
                struct loop_stats stats;

                loop_stats(loops_at(server->loops, i), &stats);
                live += stats.fibers_live;
                started += stats.fibers_started;
        }
        metrics_value(buf, "countersign_fibers", "gauge", "Fibers that live.", (double)live);
        metrics_value(buf, "countersign_fibers_started_total", "counter", "Fibers started.",
                      (double)started);
}

/* proc(5), /proc/pid/statm: the second figure is the resident pages. Runs on a thread. */
static void read_memory(void *arg)
{
        int64_t *pages = arg;
        int64_t size_and_resident[2];

        *pages = proc_read_figures("/proc/self/statm", 2, size_and_resident) == 2 ? size_and_resident[1] : 0;
}

FIBER_FN bool metrics_get(struct request *req, const struct api_metrics_get_in *in, struct api_text *out,
                          struct err *err)
{
        const struct server *server = server_of(req->services);
        BUF_SCOPED text;
        int64_t pages;

        (void)in;
        buf_init(&text, METRICS_MOST_BYTES);
        fiber_offload(read_memory, &pages);
        metrics_write(server->pipeline.metrics, &text);
        write_connections(server, &text);
        write_loops(server, &text);
        write_store(server, &text);
        metrics_value(&text, "process_resident_memory_bytes", "gauge", "Memory that is resident.",
                      (double)pages * (double)sysconf(_SC_PAGESIZE));
        if (!buf_check(&text, "the metrics", err))
                return false;
        out->text = arena_str(req->arena, buf_str(&text));
        return arena_check(req->arena, err);
}
