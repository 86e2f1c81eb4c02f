/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/merkle.h"

#include <inttypes.h>

void merkle_leaf(struct str entry, struct sha256 *ret)
{
        const struct str parts[] = {STR("\x00"), entry};
        sha256_of_parts(parts, 2, ret);
}

void merkle_node(const struct sha256 *left, const struct sha256 *right, struct sha256 *ret)
{
        uint8_t bytes[1 + 2 * SHA256_SIZE];
        bytes[0] = 1;
        memcpy(bytes + 1, left->bytes, SHA256_SIZE);
        memcpy(bytes + 1 + SHA256_SIZE, right->bytes, SHA256_SIZE);
        sha256_of(str_make(bytes, sizeof(bytes)), ret);
}

void merkle_empty(struct sha256 *ret)
{
        sha256_of(STR(""), ret);
}

void merkle_frontier_init(struct merkle_frontier *frontier)
{
        frontier->size = 0;
}

void merkle_frontier_append(struct merkle_frontier *frontier, const struct sha256 *leaf_hash)
{
        struct sha256 hash = *leaf_hash;
        unsigned level = 0;
        for (; frontier->size >> level & 1; level++)
                merkle_node(&frontier->nodes[level], &hash, &hash);
        frontier->nodes[level] = hash;
        frontier->size++;
}

void merkle_frontier_root(const struct merkle_frontier *frontier, struct sha256 *ret)
{
        if (frontier->size == 0) {
                merkle_empty(ret);
                return;
        }
        bool has = false;
        for (unsigned level = 0; level < 64; level++) {
                if (!(frontier->size >> level & 1))
                        continue;
                if (has)
                        merkle_node(&frontier->nodes[level], ret, ret);
                else
                        *ret = frontier->nodes[level];
                has = true;
        }
}

/*
 * The root of leaves [start, start + count), where start is a multiple of the
 * largest power of two that is not above count: that is so for every range
 * that RFC 6962's recursion meets.
 */
static bool merkle_range(const struct merkle_reader *reader, uint64_t start, uint64_t count,
                         struct sha256 *ret, struct err *err)
{
        bool has = false;
        /* Complete subtrees from the right edge inwards: the lowest set bit stands rightmost. */
        for (unsigned level = 0; level < 64; level++) {
                if (!(count >> level & 1))
                        continue;
                uint64_t before = level == 63 ? 0 : count >> (level + 1) << (level + 1);
                struct sha256 node;
                if (!reader->node(reader->data, level, (start + before) >> level, &node, err))
                        return false;
                if (has)
                        merkle_node(&node, ret, ret);
                else
                        *ret = node;
                has = true;
        }
        return true;
}

bool merkle_root(const struct merkle_reader *reader, uint64_t size, struct sha256 *ret, struct err *err)
{
        if (size == 0) {
                merkle_empty(ret);
                return true;
        }
        return merkle_range(reader, 0, size, ret, err);
}

/* The largest power of two smaller than n, n >= 2 (RFC 6962 section 2.1). */
static uint64_t merkle_split(uint64_t n)
{
        return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

static void merkle_proof_reverse(struct merkle_proof *proof)
{
        for (size_t i = 0, j = proof->count; i + 1 < j; i++) {
                struct sha256 hash = proof->hashes[i];
                proof->hashes[i] = proof->hashes[--j];
                proof->hashes[j] = hash;
        }
}

bool merkle_inclusion_build(const struct merkle_reader *reader, uint64_t index, uint64_t size,
                            struct merkle_proof *ret, struct err *err)
{
        if (index >= size)
                return err_set(err, ERR_BAD_PARAMETER,
                               "entry %" PRIu64 " is not in a log of %" PRIu64 " entries", index, size);
        ret->count = 0;
        /* PATH(m, D[n]) from the root down; the proof has it from the leaf up. */
        uint64_t start = 0, count = size;
        while (count > 1) {
                uint64_t k = merkle_split(count);
                struct sha256 *sibling = &ret->hashes[ret->count++];
                if (index - start < k) {
                        if (!merkle_range(reader, start + k, count - k, sibling, err))
                                return false;
                        count = k;
                } else {
                        if (!merkle_range(reader, start, k, sibling, err))
                                return false;
                        start += k;
                        count -= k;
                }
        }
        merkle_proof_reverse(ret);
        return true;
}

bool merkle_consistency_build(const struct merkle_reader *reader, uint64_t size1, uint64_t size2,
                              struct merkle_proof *ret, struct err *err)
{
        if (size1 > size2)
                return err_set(err, ERR_BAD_PARAMETER,
                               "a log of %" PRIu64 " entries cannot continue one of %" PRIu64, size2, size1);
        ret->count = 0;
        if (size1 == size2)
                return true;
        if (size1 == 0)
                return err_set(err, ERR_BAD_PARAMETER, "there is no consistency proof from the empty log");
        /* SUBPROOF(m, D[n], b) of RFC 6962 section 2.1.2 from the root down. */
        uint64_t start = 0, count = size2, m = size1;
        bool whole = true; /* b: the old root is known to the verifier */
        while (m != count) {
                uint64_t k = merkle_split(count);
                struct sha256 *sibling = &ret->hashes[ret->count++];
                if (m <= k) {
                        if (!merkle_range(reader, start + k, count - k, sibling, err))
                                return false;
                        count = k;
                } else {
                        if (!merkle_range(reader, start, k, sibling, err))
                                return false;
                        start += k;
                        count -= k;
                        m -= k;
                        whole = false;
                }
        }
        if (!whole && !merkle_range(reader, start, count, &ret->hashes[ret->count++], err))
                return false;
        merkle_proof_reverse(ret);
        return true;
}

bool merkle_inclusion_verify(uint64_t index, uint64_t size, const struct sha256 *leaf_hash,
                             const struct sha256 *proof, size_t count, const struct sha256 *root,
                             struct err *err)
{
        if (index >= size)
                return err_set(err, ERR_PROOF_INVALID,
                               "entry %" PRIu64 " is not in a log of %" PRIu64 " entries", index, size);
        /* RFC 9162 section 2.1.3.2 */
        uint64_t fn = index, sn = size - 1;
        struct sha256 hash = *leaf_hash;
        for (size_t i = 0; i < count; i++) {
                if (sn == 0)
                        return err_set(err, ERR_PROOF_INVALID, "the inclusion proof has %zu hashes too many",
                                       count - i);
                if ((fn & 1) || fn == sn) {
                        merkle_node(&proof[i], &hash, &hash);
                        while (!(fn & 1) && fn != 0) {
                                fn >>= 1;
                                sn >>= 1;
                        }
                } else {
                        merkle_node(&hash, &proof[i], &hash);
                }
                fn >>= 1;
                sn >>= 1;
        }
        if (sn != 0)
                return err_set(err, ERR_PROOF_INVALID, "the inclusion proof of %zu hashes is too short",
                               count);
        if (!sha256_eq(&hash, root))
                return err_set(err, ERR_PROOF_INVALID,
                               "the inclusion proof of entry %" PRIu64 " does not lead to the root", index);
        return true;
}

/* The same size twice: nothing to prove, but an empty tree has only one root. */
static bool merkle_consistency_same(uint64_t size, const struct sha256 *root1, const struct sha256 *root2,
                                    size_t count, struct err *err)
{
        struct sha256 empty;
        merkle_empty(&empty);
        if (count != 0)
                return err_set(err, ERR_PROOF_INVALID,
                               "a consistency proof from size %" PRIu64 " to itself has no hashes", size);
        if (!sha256_eq(root1, root2) || (size == 0 && !sha256_eq(root1, &empty)))
                return err_set(err, ERR_PROOF_INVALID, "the roots at size %" PRIu64 " differ", size);
        return true;
}

bool merkle_consistency_verify(uint64_t size1, uint64_t size2, const struct sha256 *root1,
                               const struct sha256 *root2, const struct sha256 *proof, size_t count,
                               struct err *err)
{
        if (size1 > size2)
                return err_set(err, ERR_PROOF_INVALID,
                               "a log of %" PRIu64 " entries cannot continue one of %" PRIu64, size2, size1);
        if (size1 == size2)
                return merkle_consistency_same(size1, root1, root2, count, err);
        if (size1 == 0)
                return err_set(err, ERR_PROOF_INVALID,
                               "every log continues the empty one: that proves nothing");
        if (count == 0)
                return err_set(err, ERR_PROOF_INVALID, "the consistency proof is empty");
        /* RFC 9162 section 2.1.4.2. A power of two is a subtree: its root is the first hash. */
        bool prepend = (size1 & (size1 - 1)) == 0;
        uint64_t fn = size1 - 1, sn = size2 - 1;
        while (fn & 1) {
                fn >>= 1;
                sn >>= 1;
        }
        struct sha256 first = prepend ? *root1 : proof[0];
        struct sha256 fr = first, sr = first;
        for (size_t i = prepend ? 0 : 1; i < count; i++) {
                if (sn == 0)
                        return err_set(err, ERR_PROOF_INVALID,
                                       "the consistency proof has %zu hashes too many", count - i);
                if ((fn & 1) || fn == sn) {
                        merkle_node(&proof[i], &fr, &fr);
                        merkle_node(&proof[i], &sr, &sr);
                        while (!(fn & 1) && fn != 0) {
                                fn >>= 1;
                                sn >>= 1;
                        }
                } else {
                        merkle_node(&sr, &proof[i], &sr);
                }
                fn >>= 1;
                sn >>= 1;
        }
        if (sn != 0)
                return err_set(err, ERR_PROOF_INVALID, "the consistency proof of %zu hashes is too short",
                               count);
        if (!sha256_eq(&fr, root1) || !sha256_eq(&sr, root2))
                return err_set(err, ERR_PROOF_INVALID,
                               "the log of %" PRIu64 " entries does not continue that of %" PRIu64, size2,
                               size1);
        return true;
}
