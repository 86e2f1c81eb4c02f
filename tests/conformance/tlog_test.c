/* SPDX-License-Identifier: Apache-2.0 */
/* A golden log that another implementation wrote: the same entries give the same tiles and roots. */
#include "crypto/tlog.h"
#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define GOLDEN_VKEY STR("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx")

enum { GOLDEN_SIZE = 15 };

static struct err err;
static struct arena arena;
static struct note_verifier verifier;
static struct str entries[GOLDEN_SIZE];
static struct sha256 hashes[GOLDEN_SIZE];
static struct tlog_checkpoint checkpoints[GOLDEN_SIZE + 1];

static struct str read_tile(bool of_entries, unsigned width)
{
        struct tlog_tile tile = {.entries = of_entries, .width = width};
        char path[TLOG_PATH_SIZE + 8] = "tlog/";
        tlog_tile_path(&tile, path + 5);
        return vectors_read(&arena, path);
}

static int load(void **state)
{
        (void)state;
        arena_init(&arena, 8 << 20);
        struct str rest = read_tile(true, GOLDEN_SIZE);
        for (size_t i = 0; i < GOLDEN_SIZE; i++) {
                if (!tlog_bundle_next(&rest, &entries[i]))
                        return -1;
                merkle_leaf(entries[i], &hashes[i]);
        }
        return rest.len == 0 && note_verifier_parse(GOLDEN_VKEY, &verifier, &err) ? 0 : -1;
}

static int unload(void **state)
{
        (void)state;
        arena_done(&arena);
        return 0;
}

static void entry_bundles_are_the_same(void **state)
{
        (void)state;
        BUF_SCOPED bundle;
        buf_init(&bundle, 1 << 20);
        for (unsigned width = 1; width <= GOLDEN_SIZE; width++) {
                assert_true(tlog_bundle_append(&bundle, entries[width - 1]));
                assert_true(str_eq(buf_str(&bundle), read_tile(true, width)));
        }
}

static void hash_tiles_are_the_same(void **state)
{
        (void)state;
        BUF_SCOPED tile;
        buf_init(&tile, 1 << 20);
        for (unsigned width = 1; width <= GOLDEN_SIZE; width++) {
                buf_append_str(&tile, sha256_str(&hashes[width - 1]));
                assert_true(str_eq(buf_str(&tile), read_tile(false, width)));
        }
}

static void checkpoints_verify_and_have_our_roots(void **state)
{
        (void)state;
        struct merkle_frontier frontier;
        merkle_frontier_init(&frontier);
        for (unsigned size = 0; size <= GOLDEN_SIZE; size++) {
                char path[64];
                snprintf(path, sizeof(path), "tlog/checkpoint.%u", size);
                if (!tlog_checkpoint_verify(&arena, vectors_read(&arena, path), &verifier,
                                            &checkpoints[size], &err))
                        fail_msg("%s: %s", path, err.message);
                assert_int_equal(checkpoints[size].size, size);
                struct sha256 root;
                merkle_frontier_root(&frontier, &root);
                assert_true(sha256_eq(&root, &checkpoints[size].root));
                BUF_SCOPED text;
                buf_init(&text, 4096);
                tlog_checkpoint_append(&text, &checkpoints[size]);
                assert_true(str_starts(vectors_read(&arena, path), buf_str(&text)));
                if (size < GOLDEN_SIZE)
                        merkle_frontier_append(&frontier, &hashes[size]);
        }
}

static bool read_node(void *data, unsigned level, uint64_t index, struct sha256 *ret, struct err *error)
{
        (void)data;
        (void)error;
        struct merkle_frontier frontier;
        merkle_frontier_init(&frontier);
        for (uint64_t i = index << level; i < (index + 1) << level; i++)
                merkle_frontier_append(&frontier, &hashes[i]);
        merkle_frontier_root(&frontier, ret);
        return true;
}

static void our_proofs_hold_under_their_checkpoints(void **state)
{
        (void)state;
        const struct merkle_reader reader = {read_node, NULL};
        for (unsigned size = 1; size <= GOLDEN_SIZE; size++) {
                struct merkle_proof proof;
                for (unsigned index = 0; index < size; index++) {
                        assert_true(merkle_inclusion_build(&reader, index, size, &proof, &err));
                        assert_true(merkle_inclusion_verify(index, size, &hashes[index], proof.hashes,
                                                            proof.count, &checkpoints[size].root, &err));
                }
                for (unsigned old = 1; old <= size; old++) {
                        assert_true(merkle_consistency_build(&reader, old, size, &proof, &err));
                        assert_true(merkle_consistency_verify(old, size, &checkpoints[old].root,
                                                              &checkpoints[size].root, proof.hashes,
                                                              proof.count, &err));
                }
        }
}

int main(void)
{
        vectors_require("tlog");
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(entry_bundles_are_the_same),
                cmocka_unit_test(hash_tiles_are_the_same),
                cmocka_unit_test(checkpoints_verify_and_have_our_roots),
                cmocka_unit_test(our_proofs_hold_under_their_checkpoints),
        };
        return cmocka_run_group_tests_name("golden log", tests, load, unload);
}
