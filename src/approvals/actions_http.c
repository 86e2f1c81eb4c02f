/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at actions, waiting for them, withdrawing them. */
#include "access/access.h"
#include "api/api_handlers.h"
#include "api/listing.h"
#include "api/notify.h"
#include "api/services.h"
#include "approvals/actions_api.h"
#include "base/clock.h"
#include "identity/identity.h"
#include "log/log.h"

enum { OUTPUT_PIECE_BYTES = 128 * 1024 };

/* ---- one --------------------------------------------------------------------------------------- */

struct look {
        struct str id;
        struct action action;
        struct api_action *out; /* NULL: the row is enough */
};

static bool look_work(struct request *req, void *arg, struct err *err)
{
        struct look *look = arg;

        return action_find(req, look->id, &look->action, err) &&
               (!look->out || action_to_api(req, &look->action, look->out, err));
}

/* Reads it; an action whose time is up is closed first, so that the answer and the log agree. */
static FIBER_FN bool look_at(struct request *req, struct look *look, struct err *err)
{
        bool due;

        if (!request_read(req, look_work, look, err) ||
            !action_close_if_due(req, look->id, &look->action, &due, err))
                return false;
        return !due || request_read(req, look_work, look, err);
}

/*
 * An action that prints wakes its waiters often: what was looked at is let go,
 * also the name under which the request is logged.
 */
static void look_again(struct request *req, struct str id, struct arena_mark mark)
{
        arena_rewind(req->arena, mark);
        request_log_resource(req, "action", id);
}

static bool is_as_wished(const struct look *look, const struct api_action_get_in *in)
{
        if (in->has_since)
                return look->action.row.revision != in->since || action_state_is_final(look->action.state);
        return action_state_is_closed(look->action.state);
}

/* When to look again: at the deadline, or when the action's own time is up. */
static int64_t next_look_us(const struct action *action, int64_t deadline_us)
{
        int64_t due_us;

        if (!action_state_is_open(action->state))
                return deadline_us;
        due_us = clock_mono_us() + (action->row.expires_ms - clock_now_ms()) * 1000 + 1000;
        return due_us < deadline_us ? due_us : deadline_us;
}

FIBER_FN bool action_get(struct request *req, const struct api_action_get_in *in, struct api_action *out,
                         struct err *err)
{
        struct look look = {.id = in->action, .out = out};
        struct notify_waiter waiter;
        int64_t deadline_us;
        bool ok;

        if (!request_wait_until(req, in->wait, &deadline_us, err))
                return false;
        if (deadline_us == 0) {
                ok = look_at(req, &look, err);
        } else {
                struct arena_mark mark = arena_mark(req->arena);

                notify_begin(&waiter, req->tenant, in->action);
                while ((ok = look_at(req, &look, err)) && !is_as_wished(&look, in) &&
                       clock_mono_us() < deadline_us && !request_is_over(req)) {
                        (void)request_wait(req, &waiter, next_look_us(&look.action, deadline_us));
                        look_again(req, in->action, mark);
                }
                notify_end(&waiter);
        }
        if (ok)
                request_set_etag(req, look.action.row.revision);
        return ok;
}

bool action_envelope_get(struct request *req, const struct api_action_envelope_get_in *in,
                         struct api_envelope *out, struct err *err)
{
        struct dsse_envelope envelope;
        struct action action;
        unsigned people;

        return action_find(req, in->action, &action, err) &&
               approvals_envelope(req->tx, &action, NULL, &envelope, &people, err) &&
               envelope_to_api(req->arena, &envelope, out, err);
}

/* ---- many -------------------------------------------------------------------------------------- */

/* A page takes no more than this part of the request's memory, however large its statements are. */
static bool is_full(const struct request *req)
{
        return req->arena->used_bytes > req->arena->cap_bytes / 2;
}

struct page {
        struct listing listing;
        struct api_action *items;
};

/* False with *ret_done: the page is full. */
static bool page_add(struct request *req, struct page *page, const struct sql_action_get_row *row,
                     bool *ret_done, struct err *err)
{
        struct action action;

        if (page->listing.count > 0 && is_full(req))
                page->listing.limit = page->listing.count;
        *ret_done = !listing_takes(&page->listing, row->id);
        return *ret_done || (action_from_row(req->tx, row, &action, err) &&
                             action_to_api(req, &action, &page->items[page->listing.count++], err));
}

static bool list_all(struct request *req, struct page *page, struct err *err)
{
        SQL_SCOPED(action_list) c = {0};
        struct sql_action_get_row row;
        bool has, done = false;

        if (!sql_action_list_open(req->tx, req->workspace, page->listing.after, page->listing.rows, &c, err))
                return false;
        while (!done) {
                if (!sql_action_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                if (!page_add(req, page, &row, &done, err))
                        return false;
        }
        return true;
}

static bool list_state(struct request *req, enum api_action_state state, struct page *page, struct err *err)
{
        SQL_SCOPED(action_list_state) c = {0};
        struct sql_action_get_row row;
        bool has, done = false;

        if (!sql_action_list_state_open(req->tx, req->workspace, str_from(api_action_state_name(state)),
                                        page->listing.after, page->listing.rows, &c, err))
                return false;
        while (!done) {
                if (!sql_action_list_state_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                if (!page_add(req, page, &row, &done, err))
                        return false;
        }
        return true;
}

bool action_list(struct request *req, const struct api_action_list_in *in, struct api_action_page *out,
                 struct err *err)
{
        struct page page;

        if (!LISTING_BEGIN(&page.listing, req, in, &page.items, err) ||
            !(in->state ? list_state(req, in->state, &page, err) : list_all(req, &page, err)))
                return false;
        *out = (struct api_action_page){page.items, page.listing.count, page.listing.next};
        return arena_check(req->arena, err);
}

/* Of an operation that is allowed to some on some actions only: this one. */
static bool action_allowed(struct request *req, const struct action *action, struct err *err)
{
        return access_check_resource(req,
                                     &(struct access_resource){.type = STR("action"),
                                                               .id = action->row.id,
                                                               .owner = action->row.requester_id,
                                                               .environment = action->row.environment},
                                     err);
}

/* ---- withdrawing ------------------------------------------------------------------------------- */

bool action_cancel(struct request *req, const struct api_action_cancel_in *in, struct api_action *out,
                   struct err *err)
{
        struct action action;

        if (!action_find(req, in->action, &action, err) || !action_allowed(req, &action, err) ||
            !approvals_cancel(req->tx, req->workspace, in->action, clock_now_ms(), &action, err))
                return false;
        action_changed(req, &action, "action.cancelled");
        return action_to_api(req, &action, out, err);
}

/* ---- settling ---------------------------------------------------------------------------------- */

bool action_settle(struct request *req, const struct api_action_settle_in *in, struct api_action *out,
                   struct err *err)
{
        struct action_settlement settlement = {
                .workspace = req->workspace,
                .action = in->action,
                .by = id_str(&req->principal.id),
                .note = in->body.note,
                .succeeded = in->body.outcome == API_SETTLED_OUTCOME_SUCCEEDED,
        };
        struct action action;

        if (!action_find(req, in->action, &action, err) || !action_allowed(req, &action, err))
                return false;
        request_log_detail(req, "from", str_from(action_state_name(action.state)));
        request_log_detail(req, "note_sha256", statement_digest(req->arena, in->body.note));
        if (!approvals_settle(req->tx, &settlement, clock_now_ms(), &action, err))
                return false;
        action_changed(req, &action, "action.settled");
        return action_to_api(req, &action, out, err);
}

/* ---- output ------------------------------------------------------------------------------------ */

struct output {
        struct str id;
        int64_t offset;
        struct action action;
        struct api_output *out;
};

static bool output_work(struct request *req, void *arg, struct err *err)
{
        struct output *output = arg;
        const struct sql_action_get_row *row = &output->action.row;

        if (!action_find(req, output->id, &output->action, err))
                return false;
        output->out->offset = output->offset;
        /* Who followed to the end has all of it, and learns that this is the end. */
        if (!row->content_key.ptr && output->offset >= row->output_sent) {
                output->out->data = STR("");
                output->out->final = true;
                return true;
        }
        if (!action_has_content(&output->action, err) ||
            !approvals_output_read(req->tx, &output->action, output->offset, OUTPUT_PIECE_BYTES,
                                   &output->out->data, err))
                return false;
        output->out->final = action_state_is_closed(output->action.state) &&
                             output->offset + (int64_t)output->out->data.len >= row->output_kept;
        return true;
}

FIBER_FN bool action_output_get(struct request *req, const struct api_action_output_get_in *in,
                                struct api_output *out, struct err *err)
{
        struct output output = {.id = in->action, .offset = in->has_offset ? in->offset : 0, .out = out};
        struct notify_waiter waiter;
        struct arena_mark mark;
        int64_t deadline_us;
        bool ok;

        if (!request_wait_until(req, in->wait, &deadline_us, err))
                return false;
        if (deadline_us == 0)
                return request_read(req, output_work, &output, err);
        mark = arena_mark(req->arena);
        notify_begin(&waiter, req->tenant, in->action);
        while ((ok = request_read(req, output_work, &output, err)) && out->data.len == 0 && !out->final &&
               request_wait(req, &waiter, deadline_us))
                look_again(req, in->action, mark);
        notify_end(&waiter);
        return ok;
}

/* ---- the receipt ------------------------------------------------------------------------------- */

struct receipt {
        struct str id;
        struct api_receipt *out;
};

static bool receipt_entry(struct request *req, const struct sql_action_entry_list_row *row,
                          struct api_receipt_entry *ret, struct err *err)
{
        BUF_SCOPED proof;

        buf_init(&proof, 1 << 16);
        ret->index = row->seq;
        if (!log_entry(req->tx, row->epoch, (uint64_t)row->seq, &ret->event, err) ||
            !log_receipt(req->tx, row->epoch, (uint64_t)row->seq, &proof, err) ||
            !buf_check(&proof, "the proof", err))
                return false;
        ret->proof = arena_str(req->arena, buf_str(&proof));
        return arena_check(req->arena, err);
}

static bool receipt_work(struct request *req, void *arg, struct err *err)
{
        enum { ENTRIES_MAX = 256 };
        struct receipt *receipt = arg;
        struct sql_action_entry_list_row *rows =
                ARENA_ARRAY(req->arena, struct sql_action_entry_list_row, ENTRIES_MAX);
        struct api_receipt_entry *entries = ARENA_ARRAY(req->arena, struct api_receipt_entry, ENTRIES_MAX);
        struct action action;
        struct log_head head;
        size_t count = 0;
        bool has = true;

        if (!rows || !entries)
                return arena_check(req->arena, err);
        if (!action_find(req, receipt->id, &action, err) || !log_head(req->tx, 0, &head, err))
                return false;
        {
                SQL_SCOPED(action_entry_list) c = {0};

                if (!sql_action_entry_list_open(req->tx, receipt->id, &c, err))
                        return false;
                while (count < ENTRIES_MAX) {
                        if (!sql_action_entry_list_next(&c, &rows[count], &has, err))
                                return false;
                        if (!has)
                                break;
                        count++;
                }
        }
        for (size_t i = 0; i < count; i++)
                if (!receipt_entry(req, &rows[i], &entries[i], err))
                        return false;
        *receipt->out = (struct api_receipt){
                .action = receipt->id, .key = head.vkey, .entries = entries, .entries_count = count};
        return true;
}

struct checkpoint {
        struct request *req;
        bool ok;
        struct err err;
};

/* Blocks: makes a checkpoint that reaches every entry that is durable now. */
static void checkpoint_offloaded(void *arg)
{
        struct checkpoint *checkpoint = arg;
        const struct services *services = checkpoint->req->services;
        struct cell_ref cell = {.tenant = checkpoint->req->tenant, .region = checkpoint->req->region};
        struct str note;

        checkpoint->ok = log_checkpoint(services->log_signer, services->store, &cell, checkpoint->req->arena,
                                        &note, &checkpoint->err);
}

FIBER_FN bool action_receipt_get(struct request *req, const struct api_action_receipt_get_in *in,
                                 struct api_receipt *out, struct err *err)
{
        struct receipt receipt = {.id = in->action, .out = out};
        struct checkpoint checkpoint = {.req = req};
        struct look look = {.id = in->action};

        if (!request_read(req, look_work, &look, err))
                return false;
        fiber_offload(checkpoint_offloaded, &checkpoint);
        if (!checkpoint.ok) {
                *err = checkpoint.err;
                return false;
        }
        return request_read(req, receipt_work, &receipt, err);
}
