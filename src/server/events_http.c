/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream of a tenant's events: the outbox, as server-sent events. Each is a
 * CloudEvent 1.0 in its JSON format; its number in the outbox is the event's id
 * on the stream, so that Last-Event-ID continues without loss or repetition.
 */
#include "access/access.h"
#include "api/api_handlers.h"
#include "api/notify.h"
#include "api/outbox_sql.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "identity/identity.h"

#include <stdio.h>

enum { BATCH = 64, EVENT_MOST_BYTES = 1 << 20 };

static const int64_t ping_every_us = 15 * INT64_C(1000000);

struct batch {
        bool stands; /* the caller may still read */
        int64_t after;
        size_t count;
        struct sql_outbox_after_row rows[BATCH];
};

static bool read_last(struct request *req, void *arg, struct err *err)
{
        int64_t *last = arg;
        struct sql_outbox_last_row row;
        bool found;

        if (!sql_outbox_last(req->tx, &row, &found, err))
                return false;
        *last = found ? row.seq : 0;
        return true;
}

static bool read_batch(struct request *req, void *arg, struct err *err)
{
        struct batch *batch = arg;
        SQL_SCOPED(outbox_after) cursor = {0};
        struct sql_outbox_after_row row;
        bool has;

        batch->count = 0;
        /* A stream outlives its request's authentication: a revoked key reads no further. */
        if (!identity_still_stands(req->tx, &req->principal, clock_now_ms(), &batch->stands, err))
                return false;
        if (batch->stands && !access_still_allowed(req, &batch->stands, err))
                return false;
        if (!batch->stands)
                return true;
        if (!sql_outbox_after_open(req->tx, batch->after, BATCH, &cursor, err))
                return false;
        for (;;) {
                if (!sql_outbox_after_next(&cursor, &row, &has, err))
                        return false;
                if (!has || batch->count == BATCH)
                        return true;
                batch->rows[batch->count++] = row;
        }
}

/* CloudEvents 1.0.2, JSON Event Format section 3. */
static void write_event(struct buf *buf, struct str tenant, const struct sql_outbox_after_row *row)
{
        struct json_writer w;
        BUF_SCOPED text;

        buf_init(&text, 512);
        buf_printf(&text, "/v1/tenants/%.*s", STR_ARG(tenant));
        json_writer_init(&w, buf);
        json_object_begin(&w);
        json_field_c(&w, "specversion", "1.0");
        json_field_str(&w, "id", row->id);
        json_field_str(&w, "source", buf_str(&text));
        buf_reset(&text);
        buf_printf(&text, "dev.countersign.%.*s", STR_ARG(row->type));
        json_field_str(&w, "type", buf_str(&text));
        if (row->subject.len > 0)
                json_field_str(&w, "subject", row->subject);
        json_key(&w, "time");
        json_time(&w, row->time_ms);
        json_field_c(&w, "datacontenttype", "application/json");
        json_key(&w, "data");
        json_raw(&w, row->data.len > 0 ? row->data : STR("{}"));
        json_object_end(&w);
}

static FIBER_FN bool send_batch(struct request *req, struct batch *batch, struct err *err)
{
        BUF_SCOPED text;

        buf_init(&text, EVENT_MOST_BYTES);
        for (size_t i = 0; i < batch->count; i++) {
                const struct sql_outbox_after_row *row = &batch->rows[i];
                char id[24];
                int len = snprintf(id, sizeof(id), "%lld", (long long)row->seq);

                buf_reset(&text);
                write_event(&text, req->tenant, row);
                if (!buf_check(&text, "an event", err) ||
                    !request_sse_event(req, str_make(id, (size_t)len), "", buf_str(&text), err))
                        return false;
                batch->after = row->seq;
        }
        return true;
}

/* Everything that is there, then waits for more, until the client goes, its key is revoked, or the server
 * drains. */
static FIBER_FN bool send_all(struct request *req, struct notify_waiter *waiter, struct batch *batch,
                              struct err *err)
{
        while (!request_is_over(req)) {
                struct arena_mark mark = arena_mark(req->arena);

                if (!request_read(req, read_batch, batch, err) || !send_batch(req, batch, err))
                        return false;
                arena_rewind(req->arena, mark);
                if (!batch->stands)
                        return true;
                if (batch->count == BATCH)
                        continue;
                if (!request_wait(req, waiter, clock_mono_us() + ping_every_us) && !request_is_over(req) &&
                    !request_sse_ping(req, err))
                        return false;
        }
        return true;
}

FIBER_FN bool event_stream(struct request *req, const struct api_event_stream_in *in, struct err *err)
{
        struct batch *batch = ARENA_NEW(req->arena, struct batch);
        struct notify_waiter waiter;
        bool ok;

        if (!batch)
                return arena_check(req->arena, err);
        if (in->last_event_id.ptr) {
                if (!str_to_i64(in->last_event_id, &batch->after))
                        return err_set_at(err, ERR_BAD_PARAMETER, "Last-Event-ID",
                                          "not a number of an event");
        } else if (!request_read(req, read_last, &batch->after, err)) {
                return false;
        }
        /* Registered before the first look, so that nothing falls between. */
        notify_begin(&waiter, req->tenant, STR(""));
        ok = request_sse_begin(req, err) && request_sse_ping(req, err) && send_all(req, &waiter, batch, err);
        notify_end(&waiter);
        return ok;
}
