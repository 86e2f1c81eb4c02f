/* SPDX-License-Identifier: Apache-2.0 */
#include "log/log_tree.h"
#include "log/log_sql.h"

#include <inttypes.h>

struct log_tree_tile {
        struct log_tree_tile *next;
        unsigned level;
        uint64_t index;
        size_t len; /* bytes */
        uint8_t hashes[LOG_TILE_BYTES];
};

void log_tree_init(struct log_tree *tree, struct tx *tx, int64_t epoch)
{
        *tree = (struct log_tree){.tx = tx, .epoch = epoch};
}

bool log_tree_size(struct tx *tx, int64_t epoch, uint64_t *ret_size, struct err *err)
{
        struct sql_log_size_row row;
        bool found;
        if (!sql_log_size(tx, epoch, &row, &found, err))
                return false;
        *ret_size = found ? (uint64_t)row.size : 0;
        return true;
}

static bool log_take_hash(struct log_tree_tile *tile, struct str hash, struct err *err)
{
        if (hash.len != SHA256_SIZE || tile->len + SHA256_SIZE > LOG_TILE_BYTES)
                return err_set(err, ERR_STORE_FAILED, "the log has a hash of %zu bytes", hash.len);
        memcpy(tile->hashes + tile->len, hash.ptr, SHA256_SIZE);
        tile->len += SHA256_SIZE;
        return true;
}

/* A tile of level 0 holds leaf hashes. What the cursor copies is given back for each row. */
static bool log_collect_leaves(struct tx *tx, int64_t epoch, struct log_tree_tile *tile, struct err *err)
{
        SQL_SCOPED(log_hashes) cursor = {0};
        struct sql_log_hashes_row row;
        struct arena_mark mark = arena_mark(tx_arena(tx));
        bool has;
        if (!sql_log_hashes_open(tx, epoch, (int64_t)(tile->index * TLOG_TILE_WIDTH), TLOG_TILE_WIDTH,
                                 &cursor, err))
                return false;
        for (;;) {
                if (!sql_log_hashes_next(&cursor, &row, &has, err))
                        return false;
                if (!has)
                        return true;
                if (!log_take_hash(tile, row.hash, err))
                        return false;
                arena_rewind(tx_arena(tx), mark);
        }
}

/* A tile of a higher level holds the roots of the complete tiles below. */
static bool log_collect_roots(struct tx *tx, int64_t epoch, struct log_tree_tile *tile, struct err *err)
{
        SQL_SCOPED(log_tile_roots) cursor = {0};
        struct sql_log_tile_roots_row row;
        struct arena_mark mark = arena_mark(tx_arena(tx));
        bool has;
        if (!sql_log_tile_roots_open(tx, epoch, (int64_t)tile->level - 1,
                                     (int64_t)(tile->index * TLOG_TILE_WIDTH), TLOG_TILE_WIDTH, &cursor,
                                     err))
                return false;
        for (;;) {
                if (!sql_log_tile_roots_next(&cursor, &row, &has, err))
                        return false;
                if (!has)
                        return true;
                if (!log_take_hash(tile, row.hash, err))
                        return false;
                arena_rewind(tx_arena(tx), mark);
        }
}

static bool log_collect(struct tx *tx, int64_t epoch, struct log_tree_tile *tile, struct err *err)
{
        return tile->level == 0 ? log_collect_leaves(tx, epoch, tile, err)
                                : log_collect_roots(tx, epoch, tile, err);
}

static bool log_load(struct tx *tx, int64_t epoch, struct log_tree_tile *tile, struct err *err)
{
        struct sql_log_tile_get_row row;
        struct arena_mark mark = arena_mark(tx_arena(tx));
        bool found;
        if (!sql_log_tile_get(tx, epoch, (int64_t)tile->level, (int64_t)tile->index, &row, &found, err))
                return false;
        if (!found)
                return log_collect(tx, epoch, tile, err);
        if (row.hashes.len != LOG_TILE_BYTES)
                return err_set(err, ERR_STORE_FAILED, "a tile of the log has %zu bytes", row.hashes.len);
        memcpy(tile->hashes, row.hashes.ptr, LOG_TILE_BYTES);
        tile->len = LOG_TILE_BYTES;
        arena_rewind(tx_arena(tx), mark);
        return true;
}

bool log_tree_tile(struct log_tree *tree, unsigned level, uint64_t index, struct str *ret_hashes,
                   struct err *err)
{
        for (const struct log_tree_tile *tile = tree->loaded; tile; tile = tile->next) {
                if (tile->level == level && tile->index == index) {
                        *ret_hashes = str_make(tile->hashes, tile->len);
                        return true;
                }
        }
        struct log_tree_tile *tile = ARENA_NEW(tx_arena(tree->tx), struct log_tree_tile);
        if (!tile)
                return arena_check(tx_arena(tree->tx), err);
        tile->level = level;
        tile->index = index;
        if (!log_load(tree->tx, tree->epoch, tile, err))
                return false;
        tile->next = tree->loaded;
        tree->loaded = tile;
        *ret_hashes = str_make(tile->hashes, tile->len);
        return true;
}

/* The root over 2^n hashes that stand one after another. */
static void log_subtree(const uint8_t *hashes, size_t count, struct sha256 *ret)
{
        struct merkle_frontier frontier;
        merkle_frontier_init(&frontier);
        for (size_t i = 0; i < count; i++) {
                struct sha256 hash;
                memcpy(hash.bytes, hashes + i * SHA256_SIZE, SHA256_SIZE);
                merkle_frontier_append(&frontier, &hash);
        }
        merkle_frontier_root(&frontier, ret);
}

/* Level l of the tree lies in tiles of level l / 8, where a node spans 2^(l % 8) hashes. */
static bool log_tree_node(void *data, unsigned level, uint64_t index, struct sha256 *ret, struct err *err)
{
        struct log_tree *tree = data;
        unsigned span = level % TLOG_TILE_HEIGHT;
        uint64_t first = index << span;
        size_t offset = (size_t)(first % TLOG_TILE_WIDTH), count = (size_t)1 << span;
        struct str hashes = STR_NULL;
        if (!log_tree_tile(tree, level / TLOG_TILE_HEIGHT, first / TLOG_TILE_WIDTH, &hashes, err))
                return false;
        if ((offset + count) * SHA256_SIZE > hashes.len)
                return err_set(err, ERR_INTERNAL, "the log has no node %" PRIu64 " of level %u", index,
                               level);
        log_subtree((const uint8_t *)hashes.ptr + offset * SHA256_SIZE, count, ret);
        return true;
}

struct merkle_reader log_tree_reader(struct log_tree *tree)
{
        return (struct merkle_reader){log_tree_node, tree};
}

bool log_tree_complete(struct tx *tx, int64_t epoch, uint64_t seq, struct err *err)
{
        uint64_t index = seq;
        for (unsigned level = 0; index % TLOG_TILE_WIDTH == TLOG_TILE_WIDTH - 1; level++) {
                index /= TLOG_TILE_WIDTH;
                struct arena_mark mark = arena_mark(tx_arena(tx));
                struct log_tree_tile *tile = ARENA_NEW(tx_arena(tx), struct log_tree_tile);
                if (!tile)
                        return arena_check(tx_arena(tx), err);
                tile->level = level;
                tile->index = index;
                if (!log_collect(tx, epoch, tile, err))
                        return false;
                if (tile->len != LOG_TILE_BYTES)
                        return err_set(err, ERR_STORE_FAILED,
                                       "tile %" PRIu64 " of level %u has only %zu bytes", index, level,
                                       tile->len);
                struct sha256 root;
                log_subtree(tile->hashes, TLOG_TILE_WIDTH, &root);
                if (!sql_log_tile_put(tx, epoch, (int64_t)level, (int64_t)index, sha256_str(&root),
                                      str_make(tile->hashes, LOG_TILE_BYTES), err))
                        return false;
                arena_rewind(tx_arena(tx), mark);
        }
        return true;
}
