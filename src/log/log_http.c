/* SPDX-License-Identifier: Apache-2.0 */
#include "log/log_http.h"

#include "api/api_handlers.h"
#include "api/listing.h"
#include "api/services.h"
#include "log/log.h"

struct make {
        struct request *req;
        struct str note;
        struct err err;
        bool ok;
};

/* On a thread of the pool: a checkpoint is several transactions, one after another. */
static void make_offloaded(void *arg)
{
        struct make *make = arg;
        struct request *req = make->req;
        const struct cell_ref cell = {req->tenant, req->region};

        make->ok = log_checkpoint(req->services->log_signer, req->services->store, &cell, req->arena,
                                  &make->note, &make->err);
}

FIBER_FN bool log_checkpoint_make(struct request *req, struct str *ret_note, struct err *err)
{
        struct make make = {.req = req};

        fiber_offload(make_offloaded, &make);
        if (!make.ok) {
                *err = make.err;
                return false;
        }
        *ret_note = make.note;
        return true;
}

FIBER_FN bool log_checkpoint_get(struct request *req, const struct api_log_checkpoint_get_in *in,
                                 struct api_text *out, struct err *err)
{
        (void)in;
        return log_checkpoint_make(req, &out->text, err);
}

/* ---- the key ----------------------------------------------------------------------------------- */

static bool head_work(struct request *req, void *arg, struct err *err)
{
        return log_head(req->tx, 0, arg, err);
}

FIBER_FN bool log_key_get(struct request *req, const struct api_log_key_get_in *in, struct api_log_key *out,
                          struct err *err)
{
        struct log_head head;
        struct str note;

        (void)in;
        /* The first checkpoint makes the key. */
        if (!log_checkpoint_make(req, &note, err) || !request_read(req, head_work, &head, err))
                return false;
        *out = (struct api_log_key){.key = head.vkey, .origin = head.origin, .epoch = head.epoch};
        return true;
}

/* ---- tiles ------------------------------------------------------------------------------------- */

bool log_tile_get(struct request *req, const struct api_log_tile_get_in *in, struct api_text *out,
                  struct err *err)
{
        BUF_SCOPED bytes;
        struct tlog_tile tile;
        struct str path = arena_printf(req->arena, "tile/%.*s", STR_ARG(in->path));

        buf_init(&bytes, (size_t)TLOG_TILE_WIDTH * (TLOG_ENTRY_MAX + 2));
        if (!arena_check(req->arena, err))
                return false;
        if (!tlog_tile_parse(path, &tile))
                return err_set(err, ERR_NOT_FOUND, "a log has no %.*s", STR_ARG(path));
        if (!log_tile(req->tx, 0, &tile, &bytes, err))
                return false;
        out->text = arena_str(req->arena, buf_str(&bytes));
        /* What a tile of this width holds never changes. */
        request_set_header(req, "Cache-Control", STR("private, max-age=31536000, immutable"));
        return arena_check(req->arena, err);
}

/* ---- entries ------------------------------------------------------------------------------------ */

bool log_entry_list(struct request *req, const struct api_log_entry_list_in *in,
                    struct api_log_entry_page *out, struct err *err)
{
        int64_t limit = in->has_limit ? in->limit : LISTING_LIMIT_DEFAULT, before = 0;
        struct api_log_entry *items = ARENA_ARRAY(req->arena, struct api_log_entry, (size_t)limit);
        struct log_head head;
        bool has;

        if (!items)
                return arena_check(req->arena, err);
        if (!cursor_take_int(req->arena, in->cursor, &has, &before, err) ||
            !log_head(req->tx, 0, &head, err))
                return false;
        if (!has || before > (int64_t)head.size)
                before = (int64_t)head.size;
        for (; out->items_count < (size_t)limit && before > 0; out->items_count++) {
                struct api_log_entry *item = &items[out->items_count];

                item->index = --before;
                if (!log_entry(req->tx, head.epoch, (uint64_t)before, &item->event.text, err))
                        return false;
        }
        out->items = items;
        if (before > 0)
                out->next = cursor_make_int(req->arena, before);
        return arena_check(req->arena, err);
}

/* ---- export -------------------------------------------------------------------------------------- */

struct exporting {
        struct log_export export;
        struct buf piece;
        bool begun;
};

static bool export_work(struct request *req, void *arg, struct err *err)
{
        struct exporting *exporting = arg;

        buf_reset(&exporting->piece);
        if (exporting->begun)
                return log_export_next(req->tx, &exporting->export, &exporting->piece, err);
        exporting->begun = true;
        return log_export_begin(req->tx, 0, &exporting->export, &exporting->piece, err);
}

static FIBER_FN bool export_pieces(struct request *req, struct exporting *exporting, struct err *err)
{
        struct str note;

        if (!log_checkpoint_make(req, &note, err) || !request_read(req, export_work, exporting, err) ||
            !request_stream_begin(req, "application/x-ndjson", err))
                return false;
        for (;;) {
                if (!request_stream_write(req, buf_str(&exporting->piece), err))
                        return false;
                if (exporting->export.next == exporting->export.size)
                        return true;
                if (!request_read(req, export_work, exporting, err))
                        return false;
        }
}

FIBER_FN bool log_export(struct request *req, const struct api_log_export_in *in, struct err *err)
{
        struct exporting exporting = {0};
        bool ok;

        (void)in;
        buf_init(&exporting.piece, LOG_EXPORT_PIECE_MAX);
        ok = export_pieces(req, &exporting, err);
        buf_done(&exporting.piece);
        return ok;
}
