/* SPDX-License-Identifier: Apache-2.0 */
/* The export: docs/log-format.md says what stands in it, audit.c reads it. */
#include "base/json_write.h"
#include "log/audit_format.h"
#include "log/log.h"
#include "log/log_sql.h"

#include <inttypes.h>

bool log_export_begin(struct tx *tx, int64_t epoch, struct log_export *ret, struct buf *buf, struct err *err)
{
        struct log_head head;
        if (!log_head(tx, epoch, &head, err))
                return false;
        if (!head.note.ptr)
                return err_set(err, ERR_CONFLICT,
                               "the log has no checkpoint yet: ask for a checkpoint first");
        audit_append_header(buf, head.note, head.vkey);
        *ret = (struct log_export){.epoch = head.epoch, .size = head.signed_size};
        return buf_check(buf, "an export of the log", err);
}

/* Entries [next, next + width), and their hashes aside. */
static bool log_export_entries(struct tx *tx, const struct log_export *export, unsigned width,
                               struct buf *buf, struct buf *hashes, struct err *err)
{
        SQL_SCOPED(log_leaves) cursor = {0};
        struct sql_log_leaves_row row;
        struct arena_mark mark = arena_mark(tx_arena(tx));
        bool has = true;
        if (!sql_log_leaves_open(tx, export->epoch, (int64_t) export->next, width, &cursor, err))
                return false;
        for (unsigned i = 0; i < width; i++) {
                if (!sql_log_leaves_next(&cursor, &row, &has, err))
                        return false;
                if (!has || row.seq != (int64_t)(export->next + i))
                        return err_set(err, ERR_STORE_FAILED, "the log has lost entry %" PRIu64,
                                       export->next + i);
                buf_append_str(buf, row.leaf);
                buf_append_char(buf, '\n');
                buf_append_str(hashes, row.hash);
                arena_rewind(tx_arena(tx), mark);
        }
        return buf_check(buf, "an export of the log", err) && buf_check(hashes, "hashes of the log", err);
}

bool log_export_next(struct tx *tx, struct log_export *export, struct buf *buf, struct err *err)
{
        uint64_t left = export->size - export->next;
        unsigned width = left < TLOG_TILE_WIDTH ? (unsigned)left : TLOG_TILE_WIDTH;
        if (width == 0)
                return true;
        BUF_SCOPED hashes;
        buf_init(&hashes, (size_t)TLOG_TILE_WIDTH * SHA256_SIZE);
        if (!log_export_entries(tx, export, width, buf, &hashes, err))
                return false;
        audit_append_tile(buf, export->next / TLOG_TILE_WIDTH, buf_str(&hashes));
        export->next += width;
        return buf_check(buf, "an export of the log", err);
}
