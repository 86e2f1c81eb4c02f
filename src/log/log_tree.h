/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An epoch's tree as it stands in the store: complete tiles are rows of
 * log_tile; the right edge is computed from entries and from the roots of
 * complete tiles. Private to src/log.
 */
#pragma once

#include "log/log.h"

enum { LOG_TILE_BYTES = TLOG_TILE_WIDTH * SHA256_SIZE };

struct log_tree_tile;

struct log_tree {
        struct tx *tx;
        int64_t epoch;
        struct log_tree_tile *loaded; /* in tx_arena; a proof meets two tiles of each level */
};

void log_tree_init(struct log_tree *tree, struct tx *tx, int64_t epoch);

/* Hashes of the tile as far as it is filled: count times 32 bytes, in tx_arena. */
bool log_tree_tile(struct log_tree *tree, unsigned level, uint64_t index, struct str *ret_hashes,
                   struct err *err) MUST_USE;

/* For merkle.h; nodes above what is there are ERR_INTERNAL. */
struct merkle_reader log_tree_reader(struct log_tree *tree);

/* After entry `seq` was written: writes every tile that is complete now. */
bool log_tree_complete(struct tx *tx, int64_t epoch, uint64_t seq, struct err *err) MUST_USE;

bool log_tree_size(struct tx *tx, int64_t epoch, uint64_t *ret_size, struct err *err) MUST_USE;
