/* SPDX-License-Identifier: Apache-2.0 */
/* The log of a cell that was copied, looked at from its entries up. */
#include "log/log.h"
#include "log/log_sql.h"
#include "log/log_tree.h"

#include <inttypes.h>

static bool hash_from(struct str bytes, struct sha256 *ret, struct err *err)
{
        if (bytes.len != SHA256_SIZE)
                return err_set(err, ERR_STORE_FAILED, "the log's books have a hash of %zu bytes", bytes.len);
        memcpy(ret->bytes, bytes.ptr, SHA256_SIZE);
        return true;
}

bool log_extent_next(struct tx *tx, int64_t after, struct log_extent *ret, bool *ret_has, struct err *err)
{
        struct sql_log_epoch_after_row row;

        if (!sql_log_epoch_after(tx, after, &row, ret_has, err))
                return false;
        if (!*ret_has)
                return true;
        *ret = (struct log_extent){.epoch = row.epoch, .signed_size = (uint64_t)row.signed_size};
        return (!row.signed_root.ptr || hash_from(row.signed_root, &ret->signed_root, err)) &&
               log_tree_size(tx, row.epoch, &ret->size, err) &&
               log_root(tx, row.epoch, ret->size, &ret->root, err);
}

bool log_recount(struct tx *tx, int64_t epoch, unsigned most, struct merkle_frontier *frontier,
                 struct err *err)
{
        SQL_SCOPED(log_leaves) cursor = {0};
        struct sql_log_leaves_row row;
        struct arena_mark mark = arena_mark(tx_arena(tx));
        struct sha256 hash;
        bool has;

        if (!sql_log_leaves_open(tx, epoch, (int64_t)frontier->size, most, &cursor, err))
                return false;
        for (;;) {
                if (!sql_log_leaves_next(&cursor, &row, &has, err))
                        return false;
                if (!has)
                        return true;
                merkle_leaf(row.leaf, &hash);
                if (row.seq != (int64_t)frontier->size || !str_eq(row.hash, sha256_str(&hash)))
                        return err_set(err, ERR_LOG_FORKED,
                                       "entry %" PRIu64 " of log epoch %" PRId64
                                       " is missing, or not what its hash says",
                                       frontier->size, epoch);
                merkle_frontier_append(frontier, &hash);
                arena_rewind(tx_arena(tx), mark);
        }
}

bool log_mark_get(struct tx *tx, const struct cell_ref *cell, struct log_mark *ret, struct err *err)
{
        struct sql_log_high_water_get_row row;

        *ret = (struct log_mark){0};
        if (!sql_log_high_water_get(tx, cell->tenant, cell->region, &row, &ret->found, err))
                return false;
        if (!ret->found)
                return true;
        ret->epoch = row.epoch;
        ret->size = (uint64_t)row.size;
        return hash_from(row.root, &ret->root, err);
}

bool log_mark_raise(struct tx *tx, const struct cell_ref *cell, const struct log_mark *mark, struct err *err)
{
        int64_t changes;

        return !mark->found ||
               sql_log_high_water_put(tx, cell->tenant, cell->region, mark->epoch, (int64_t)mark->size,
                                      sha256_str(&mark->root), &changes, err);
}
