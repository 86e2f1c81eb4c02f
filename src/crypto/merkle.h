/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merkle trees as RFC 6962 section 2.1 (RFC 9162 section 2.1) hashes them.
 *
 * A tree of `size` leaves is read through node hashes: node (level, index) is
 * the root of the complete subtree over leaves [index << level, (index + 1) << level).
 * Whoever stores the tree provides them by a struct merkle_reader.
 */
#pragma once

#include "crypto/sha256.h"

enum { MERKLE_PROOF_MAX = 64 }; /* hashes; enough for any 63-bit size */

struct merkle_proof {
        size_t count;
        struct sha256 hashes[MERKLE_PROOF_MAX];
};

/* H(0x00 || entry), H(0x01 || left || right), H(). */
void merkle_leaf(struct str entry, struct sha256 *ret);
void merkle_node(const struct sha256 *left, const struct sha256 *right, struct sha256 *ret);
void merkle_empty(struct sha256 *ret);

/*
 * The right edge: the roots of the complete subtrees that a tree of this size
 * consists of, lowest level first; bit n of the size is set when level n has one.
 */
struct merkle_frontier {
        uint64_t size;
        struct sha256 nodes[64]; /* by level; only those of set bits count */
};
void merkle_frontier_init(struct merkle_frontier *frontier);
void merkle_frontier_append(struct merkle_frontier *frontier, const struct sha256 *leaf_hash);
void merkle_frontier_root(const struct merkle_frontier *frontier, struct sha256 *ret);

struct merkle_reader {
        bool (*node)(void *data, unsigned level, uint64_t index, struct sha256 *ret, struct err *err);
        void *data;
};

bool merkle_root(const struct merkle_reader *reader, uint64_t size, struct sha256 *ret,
                 struct err *err) MUST_USE;

/* Requires index < size, and 0 < size1 <= size2 or both 0; otherwise ERR_BAD_PARAMETER. */
bool merkle_inclusion_build(const struct merkle_reader *reader, uint64_t index, uint64_t size,
                            struct merkle_proof *ret, struct err *err) MUST_USE;
bool merkle_consistency_build(const struct merkle_reader *reader, uint64_t size1, uint64_t size2,
                              struct merkle_proof *ret, struct err *err) MUST_USE;

/* RFC 9162 sections 2.1.3.2 and 2.1.4.2. ERR_PROOF_INVALID says what does not hold. */
bool merkle_inclusion_verify(uint64_t index, uint64_t size, const struct sha256 *leaf_hash,
                             const struct sha256 *proof, size_t count, const struct sha256 *root,
                             struct err *err) MUST_USE;
bool merkle_consistency_verify(uint64_t size1, uint64_t size2, const struct sha256 *root1,
                               const struct sha256 *root2, const struct sha256 *proof, size_t count,
                               struct err *err) MUST_USE;
