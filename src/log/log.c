/* SPDX-License-Identifier: Apache-2.0 */
#include "log/log.h"
#include "base/clock.h"
#include "base/id.h"
#include "log/audit_format.h"
#include "log/log_sql.h"
#include "log/log_tree.h"

#include <inttypes.h>

/* ---- writing ---------------------------------------------------------------------------------- */

static bool log_insert(struct tx *tx, struct str leaf, struct log_position *ret, struct err *err)
{
        struct sha256 hash;
        struct sql_log_entry_next_row row;
        bool found;
        merkle_leaf(leaf, &hash);
        if (!sql_log_entry_next(tx, &row, &found, err))
                return false;
        if (!found) {
                /* The first entry of a cell opens its log. */
                row = (struct sql_log_entry_next_row){.epoch = 1};
                if (!sql_log_epoch_open(tx, row.epoch, clock_now_ms(), err))
                        return false;
        }
        if (!sql_log_entry_insert(tx, row.epoch, row.seq, sha256_str(&hash), leaf, err))
                return false;
        if (!log_tree_complete(tx, row.epoch, (uint64_t)row.seq, err))
                return false;
        if (ret)
                *ret = (struct log_position){row.epoch, row.seq};
        return true;
}

bool log_append(struct tx *tx, const struct log_event *event, struct log_position *ret, struct err *err)
{
        struct id event_id = id_new("evt");
        BUF_SCOPED leaf;
        /* Room to say by how much an event is too large. */
        buf_init(&leaf, 4 * (size_t)TLOG_ENTRY_MAX);
        return log_event_format(&leaf, tx_tenant(tx), tx_region(tx), id_str(&event_id), event, err) &&
               log_insert(tx, buf_str(&leaf), ret, err);
}

bool log_append_raw(struct tx *tx, struct str leaf, struct log_position *ret, struct err *err)
{
        if (leaf.len > TLOG_ENTRY_MAX)
                return err_set(err, ERR_BODY_TOO_LARGE, "a log entry of %zu bytes is larger than %d",
                               leaf.len, TLOG_ENTRY_MAX);
        if (str_find(leaf, '\n') >= 0 || str_starts(leaf, AUDIT_TILE_LINE))
                return err_set(err, ERR_INTERNAL, "a log entry is one line, and no line of hashes");
        return log_insert(tx, leaf, ret, err);
}

/* ---- reading ---------------------------------------------------------------------------------- */

static bool log_epoch(struct tx *tx, int64_t epoch, struct sql_log_epoch_get_row *ret, struct err *err)
{
        bool found;
        if (!sql_log_epoch_get(tx, epoch, ret, &found, err))
                return false;
        if (!found && epoch != 0)
                return err_set(err, ERR_NOT_FOUND, "the log has no epoch %" PRId64, epoch);
        if (!found)
                *ret = (struct sql_log_epoch_get_row){0};
        return true;
}

static bool log_vkey(struct tx *tx, struct str origin, struct str public_bytes, struct str *ret,
                     struct err *err)
{
        struct ed25519_public public_key;
        struct note_verifier verifier;
        BUF_SCOPED text;
        buf_init(&text, 1024);
        if (!ed25519_public_from(public_bytes, &public_key))
                return err_set(err, ERR_STORE_FAILED, "the log's public key has %zu bytes",
                               public_bytes.len);
        if (!note_verifier_init(&verifier, origin, &public_key, err))
                return false;
        note_verifier_append(&text, &verifier);
        *ret = arena_str(tx_arena(tx), buf_str(&text));
        return buf_check(&text, "the log's key", err) && arena_check(tx_arena(tx), err);
}

bool log_head(struct tx *tx, int64_t epoch, struct log_head *ret, struct err *err)
{
        struct sql_log_epoch_get_row row;
        *ret = (struct log_head){0};
        if (!log_epoch(tx, epoch, &row, err))
                return false;
        if (row.epoch == 0)
                return true;
        ret->epoch = row.epoch;
        ret->origin = row.origin;
        ret->signed_size = (uint64_t)row.signed_size;
        ret->note = row.signed_note;
        if (row.origin.ptr && !log_vkey(tx, row.origin, row.public_key, &ret->vkey, err))
                return false;
        return log_tree_size(tx, row.epoch, &ret->size, err);
}

static bool log_resolve(struct tx *tx, int64_t epoch, struct log_head *ret, struct err *err)
{
        if (!log_head(tx, epoch, ret, err))
                return false;
        if (ret->epoch == 0)
                return err_set(err, ERR_NOT_FOUND, "the log is empty");
        return true;
}

bool log_entry(struct tx *tx, int64_t epoch, uint64_t seq, struct str *ret_leaf, struct err *err)
{
        struct sql_log_epoch_get_row row = {.epoch = epoch};
        struct sql_log_entry_get_row entry;
        bool found = false;
        if (epoch == 0 && !log_epoch(tx, 0, &row, err))
                return false;
        if (seq <= INT64_MAX && !sql_log_entry_get(tx, row.epoch, (int64_t)seq, &entry, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "the log has no entry %" PRIu64, seq);
        *ret_leaf = entry.leaf;
        return true;
}

bool log_root(struct tx *tx, int64_t epoch, uint64_t size, struct sha256 *ret, struct err *err)
{
        struct log_tree tree;
        struct arena_mark mark = arena_mark(tx_arena(tx));
        log_tree_init(&tree, tx, epoch);
        struct merkle_reader reader = log_tree_reader(&tree);
        bool ok = merkle_root(&reader, size, ret, err);
        arena_rewind(tx_arena(tx), mark);
        return ok;
}

static bool log_bundle(struct tx *tx, int64_t epoch, const struct tlog_tile *tile, struct buf *buf,
                       struct err *err)
{
        SQL_SCOPED(log_leaves) cursor = {0};
        struct sql_log_leaves_row row;
        struct arena_mark mark = arena_mark(tx_arena(tx));
        bool has;
        if (!sql_log_leaves_open(tx, epoch, (int64_t)(tile->index * TLOG_TILE_WIDTH), tile->width, &cursor,
                                 err))
                return false;
        for (;;) {
                if (!sql_log_leaves_next(&cursor, &row, &has, err))
                        return false;
                if (!has)
                        return buf_check(buf, "a bundle of log entries", err);
                if (!tlog_bundle_append(buf, row.leaf))
                        return err_set(err, ERR_STORE_FAILED, "log entry %" PRId64 " is too long", row.seq);
                arena_rewind(tx_arena(tx), mark);
        }
}

static bool log_append_tile(struct tx *tx, int64_t epoch, const struct tlog_tile *tile, struct buf *buf,
                            struct err *err)
{
        struct log_head head;
        if (!log_resolve(tx, epoch, &head, err))
                return false;
        unsigned level = tile->entries ? 0 : tile->level;
        if (tlog_tile_width(level, tile->index, head.size) < tile->width || tile->width == 0) {
                char path[TLOG_PATH_SIZE];
                tlog_tile_path(tile, path);
                return err_set(err, ERR_NOT_FOUND, "the log has no %s", path);
        }
        if (tile->entries)
                return log_bundle(tx, head.epoch, tile, buf, err);
        struct log_tree tree;
        struct str hashes;
        log_tree_init(&tree, tx, head.epoch);
        if (!log_tree_tile(&tree, level, tile->index, &hashes, err))
                return false;
        buf_append_str(buf, str_slice(hashes, 0, (size_t)tile->width * SHA256_SIZE));
        return buf_check(buf, "a tile of the log", err);
}

/* What is read on the way does not stay in the request's arena: a reply may have many receipts. */
bool log_tile(struct tx *tx, int64_t epoch, const struct tlog_tile *tile, struct buf *buf, struct err *err)
{
        struct arena_mark mark = arena_mark(tx_arena(tx));
        bool ok = log_append_tile(tx, epoch, tile, buf, err);
        arena_rewind(tx_arena(tx), mark);
        return ok;
}

static bool log_append_receipt(struct tx *tx, int64_t epoch, uint64_t seq, struct buf *buf, struct err *err)
{
        struct log_head head;
        if (!log_resolve(tx, epoch, &head, err))
                return false;
        if (seq >= head.size)
                return err_set(err, ERR_NOT_FOUND, "the log has no entry %" PRIu64, seq);
        if (seq >= head.signed_size)
                return err_set(err, ERR_CONFLICT,
                               "no checkpoint reaches entry %" PRIu64 " yet: ask for a checkpoint first",
                               seq);
        struct log_tree tree;
        log_tree_init(&tree, tx, head.epoch);
        struct merkle_reader reader = log_tree_reader(&tree);
        struct tlog_proof proof = {.index = seq, .checkpoint = head.note};
        if (!merkle_inclusion_build(&reader, seq, head.signed_size, &proof.inclusion, err))
                return false;
        tlog_proof_append(buf, &proof);
        return buf_check(buf, "a receipt", err);
}

bool log_receipt(struct tx *tx, int64_t epoch, uint64_t seq, struct buf *buf, struct err *err)
{
        struct arena_mark mark = arena_mark(tx_arena(tx));
        bool ok = log_append_receipt(tx, epoch, seq, buf, err);
        arena_rewind(tx_arena(tx), mark);
        return ok;
}
