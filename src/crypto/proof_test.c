/* SPDX-License-Identifier: Apache-2.0 */
/* Merkle proofs, signed notes and tlog formats. Public vectors are in tests/conformance. */
#include "base/heap.h"
#include "crypto/tlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { LEAVES = 70 };

static struct err err;
static struct sha256 leaves[LEAVES];

static int make_leaves(void **state)
{
        (void)state;
        for (size_t i = 0; i < LEAVES; i++) {
                char entry[16];
                int len = snprintf(entry, sizeof(entry), "entry %zu", i);
                merkle_leaf(str_make(entry, (size_t)len), &leaves[i]);
        }
        return 0;
}

/* MTH of RFC 6962 section 2.1, as it is written there. */
static void mth(const struct sha256 *list, uint64_t n, struct sha256 *ret)
{
        if (n == 0) {
                merkle_empty(ret);
                return;
        }
        if (n == 1) {
                *ret = list[0];
                return;
        }
        uint64_t k = 1;
        while (k * 2 < n)
                k *= 2;
        struct sha256 left, right;
        mth(list, k, &left);
        mth(list + k, n - k, &right);
        merkle_node(&left, &right, ret);
}

static bool read_node(void *data, unsigned level, uint64_t index, struct sha256 *ret, struct err *error)
{
        uint64_t size = *(uint64_t *)data;
        (void)error;
        assert_true((index + 1) << level <= size);
        mth(leaves + (index << level), UINT64_C(1) << level, ret);
        return true;
}

static void roots_agree_with_the_definition(void **state)
{
        (void)state;
        struct merkle_frontier frontier;
        merkle_frontier_init(&frontier);
        for (uint64_t size = 0; size <= LEAVES; size++) {
                struct merkle_reader reader = {read_node, &size};
                struct sha256 expected, from_frontier, from_nodes;
                mth(leaves, size, &expected);
                merkle_frontier_root(&frontier, &from_frontier);
                assert_true(merkle_root(&reader, size, &from_nodes, &err));
                assert_true(sha256_eq(&expected, &from_frontier));
                assert_true(sha256_eq(&expected, &from_nodes));
                if (size < LEAVES)
                        merkle_frontier_append(&frontier, &leaves[size]);
        }
}

static void every_inclusion_proof_holds_and_no_altered_one(void **state)
{
        (void)state;
        for (uint64_t size = 1; size <= LEAVES; size++) {
                struct merkle_reader reader = {read_node, &size};
                struct sha256 root;
                mth(leaves, size, &root);
                for (uint64_t index = 0; index < size; index++) {
                        struct merkle_proof proof;
                        assert_true(merkle_inclusion_build(&reader, index, size, &proof, &err));
                        const struct sha256 *leaf = &leaves[index];
                        assert_true(merkle_inclusion_verify(index, size, leaf, proof.hashes, proof.count,
                                                            &root, &err));
                        assert_false(merkle_inclusion_verify((index + 1) % (size + 1), size, leaf,
                                                             proof.hashes, proof.count, &root, &err) &&
                                     size > 1);
                        assert_false(merkle_inclusion_verify(index, size, leaf, proof.hashes,
                                                             proof.count + 1, &root, &err));
                        for (size_t i = 0; i < proof.count; i++) {
                                proof.hashes[i].bytes[i % 32] ^= 4;
                                assert_false(merkle_inclusion_verify(index, size, leaf, proof.hashes,
                                                                     proof.count, &root, &err));
                                assert_int_equal(err.code, ERR_PROOF_INVALID);
                                proof.hashes[i].bytes[i % 32] ^= 4;
                        }
                        if (proof.count > 0)
                                assert_false(merkle_inclusion_verify(index, size, leaf, proof.hashes,
                                                                     proof.count - 1, &root, &err));
                }
                struct merkle_proof proof;
                assert_false(merkle_inclusion_build(&reader, size, size, &proof, &err));
        }
}

static void every_consistency_proof_holds_and_no_altered_one(void **state)
{
        (void)state;
        for (uint64_t size2 = 0; size2 <= LEAVES; size2++) {
                struct merkle_reader reader = {read_node, &size2};
                struct sha256 root1, root2;
                mth(leaves, size2, &root2);
                for (uint64_t size1 = size2 > 0; size1 <= size2; size1++) {
                        struct merkle_proof proof;
                        mth(leaves, size1, &root1);
                        assert_true(merkle_consistency_build(&reader, size1, size2, &proof, &err));
                        assert_true(merkle_consistency_verify(size1, size2, &root1, &root2, proof.hashes,
                                                              proof.count, &err));
                        for (size_t i = 0; i < proof.count; i++) {
                                proof.hashes[i].bytes[0] ^= 1;
                                assert_false(merkle_consistency_verify(size1, size2, &root1, &root2,
                                                                       proof.hashes, proof.count, &err));
                                proof.hashes[i].bytes[0] ^= 1;
                        }
                        root1.bytes[0] ^= 1;
                        assert_false(merkle_consistency_verify(size1, size2, &root1, &root2, proof.hashes,
                                                               proof.count, &err));
                }
                struct merkle_proof proof;
                assert_false(merkle_consistency_build(&reader, size2 + 1, size2, &proof, &err));
        }
}

static struct ed25519_key *test_key(void)
{
        uint8_t seed[ED25519_SEED_SIZE] = {9};
        struct ed25519_key *key = NULL;
        assert_true(ed25519_key_from_seed(seed, &key, &err));
        return key;
}

static bool opens(struct str bytes, const struct note_verifier *verifier)
{
        ARENA_SCOPED arena;
        arena_init(&arena, 1 << 20);
        struct tlog_checkpoint checkpoint;
        return tlog_checkpoint_verify(&arena, bytes, verifier, &checkpoint, &err);
}

static void sign_checkpoint(struct buf *buf, const struct ed25519_key *key, uint64_t size)
{
        struct tlog_checkpoint checkpoint = {
                .origin = STR("example.com/log"), .size = size, .extensions = STR("")};
        mth(leaves, size, &checkpoint.root);
        BUF_SCOPED text;
        buf_init(&text, 4096);
        tlog_checkpoint_append(&text, &checkpoint);
        assert_true(note_append_signed(buf, buf_str(&text), STR("example.com/log"), key, &err));
}

static void every_altered_byte_of_a_checkpoint_is_refused(void **state)
{
        (void)state;
        _cleanup_(ed25519_key_freep) struct ed25519_key *key = test_key();
        struct note_verifier verifier, other;
        assert_true(note_verifier_init(&verifier, STR("example.com/log"), ed25519_key_public(key), &err));
        assert_true(note_verifier_init(&other, STR("example.com/other"), ed25519_key_public(key), &err));
        BUF_SCOPED buf;
        buf_init(&buf, 4096);
        sign_checkpoint(&buf, key, 13);
        assert_true(opens(buf_str(&buf), &verifier));
        assert_false(opens(buf_str(&buf), &other));
        for (size_t i = 0; i < buf.len; i++) {
                for (unsigned bit = 0; bit < 8; bit++) {
                        buf.ptr[i] = (char)(buf.ptr[i] ^ (1 << bit));
                        if (opens(buf_str(&buf), &verifier))
                                fail_msg("byte %zu, bit %u went unnoticed", i, bit);
                        buf.ptr[i] = (char)(buf.ptr[i] ^ (1 << bit));
                }
                assert_false(opens(str_make(buf.ptr, i), &verifier));
        }
}

static void unknown_signatures_are_ignored_and_a_false_one_is_not(void **state)
{
        (void)state;
        _cleanup_(ed25519_key_freep) struct ed25519_key *key = test_key();
        struct note_verifier verifier;
        assert_true(note_verifier_init(&verifier, STR("example.com/log"), ed25519_key_public(key), &err));
        BUF_SCOPED buf;
        buf_init(&buf, 8192);
        sign_checkpoint(&buf, key, 13);
        buf_append_c(&buf, "\xe2\x80\x94 witness.example AAAAAAAA\n");
        assert_true(opens(buf_str(&buf), &verifier));
        /* The same name and id, but not by the key */
        BUF_SCOPED again;
        buf_init(&again, 4096);
        sign_checkpoint(&again, key, 14);
        struct str line =
                str_slice(buf_str(&again), (size_t)str_find_str(buf_str(&again), STR("\n\n")) + 2, 4096);
        buf_append_str(&buf, line);
        assert_false(opens(buf_str(&buf), &verifier));
}

static void verifier_keys_survive_writing_and_reading(void **state)
{
        (void)state;
        _cleanup_(ed25519_key_freep) struct ed25519_key *key = test_key();
        struct note_verifier verifier, again;
        assert_true(note_verifier_init(&verifier, STR("example.com/log"), ed25519_key_public(key), &err));
        BUF_SCOPED buf;
        buf_init(&buf, 4096);
        note_verifier_append(&buf, &verifier);
        assert_true(note_verifier_parse(buf_str(&buf), &again, &err));
        assert_string_equal(again.name, verifier.name);
        assert_int_equal(again.key_id, verifier.key_id);
        for (size_t i = 0; i < buf.len; i++) {
                buf.ptr[i] ^= 1;
                assert_false(note_verifier_parse(buf_str(&buf), &again, &err));
                buf.ptr[i] ^= 1;
                assert_false(note_verifier_parse(str_make(buf.ptr, i), &again, &err));
        }
        assert_false(note_verifier_init(&verifier, STR("a b"), ed25519_key_public(key), &err));
        assert_false(note_verifier_init(&verifier, STR("a+b"), ed25519_key_public(key), &err));
        assert_false(note_verifier_init(&verifier,
                                        STR("a\xc2\xa0"
                                            "b"),
                                        ed25519_key_public(key), &err));
        assert_false(note_verifier_init(&verifier, STR(""), ed25519_key_public(key), &err));
}

static void tile_paths_have_one_spelling(void **state)
{
        (void)state;
        static const struct {
                struct tlog_tile tile;
                const char *path;
        } cases[] = {
                {{false, 0, 0, 256}, "tile/0/000"},
                {{false, 3, 1234067, 256}, "tile/3/x001/x234/067"},
                {{false, 1, 999, 1}, "tile/1/999.p/1"},
                {{false, 1, 1000, 255}, "tile/1/x001/000.p/255"},
                {{true, 0, 256, 256}, "tile/entries/256"},
                {{true, 0, 1001000, 20}, "tile/entries/x001/x001/000.p/20"},
                {{false, 63, INT64_MAX, 256}, "tile/63/x009/x223/x372/x036/x854/x775/807"},
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char path[TLOG_PATH_SIZE];
                struct tlog_tile tile;
                assert_int_equal(tlog_tile_path(&cases[i].tile, path), strlen(cases[i].path));
                assert_string_equal(path, cases[i].path);
                assert_true(tlog_tile_parse(str_from(path), &tile));
                assert_int_equal(tile.index, cases[i].tile.index);
                assert_int_equal(tile.width, cases[i].tile.width);
                assert_int_equal(tile.entries, cases[i].tile.entries);
        }
        static const char *const bad[] = {
                "",
                "tile",
                "tile/0",
                "tile/0/",
                "tile/0/0",
                "tile/0/0000",
                "tile/0/x000/000",
                "tile/64/000",
                "tile/-1/000",
                "tile/00/000",
                "tile/0/000.p/0",
                "tile/0/000.p/256",
                "tile/0/000.p/01",
                "tile/0/000.p",
                "tile/0/000.p/",
                "tile/0/001/000",
                "tile/0/x001",
                "tile/8/000/",
                "/tile/0/000",
                "tile/0/x001/x000",
                "tile/data/000",
                "tile/0/00a",
                "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        };
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct tlog_tile tile;
                if (tlog_tile_parse(str_from(bad[i]), &tile))
                        fail_msg("\"%s\" was taken for a tile", bad[i]);
        }
}

static void tile_widths_follow_the_size(void **state)
{
        (void)state;
        assert_int_equal(tlog_tile_width(0, 0, 0), 0);
        assert_int_equal(tlog_tile_width(0, 0, 255), 255);
        assert_int_equal(tlog_tile_width(0, 0, 256), 256);
        assert_int_equal(tlog_tile_width(0, 1, 256), 0);
        assert_int_equal(tlog_tile_width(0, 1, 257), 1);
        assert_int_equal(tlog_tile_width(1, 0, 255), 0);
        assert_int_equal(tlog_tile_width(1, 0, 256), 1);
        assert_int_equal(tlog_tile_width(1, 0, 65536), 256);
        assert_int_equal(tlog_tile_width(2, 0, 70000), 1);
        assert_int_equal(tlog_tile_width(63, 0, INT64_MAX), 0);
}

static void bundles_give_back_their_entries(void **state)
{
        (void)state;
        BUF_SCOPED buf;
        buf_init(&buf, 1 << 20);
        static char large[TLOG_ENTRY_MAX + 1];
        assert_true(tlog_bundle_append(&buf, STR("one")));
        assert_true(tlog_bundle_append(&buf, STR("")));
        assert_true(tlog_bundle_append(&buf, str_make(large, TLOG_ENTRY_MAX)));
        assert_false(tlog_bundle_append(&buf, str_make(large, TLOG_ENTRY_MAX + 1)));
        struct str rest = buf_str(&buf), entry;
        assert_true(tlog_bundle_next(&rest, &entry) && str_is(entry, "one"));
        assert_true(tlog_bundle_next(&rest, &entry) && entry.len == 0);
        struct str cut = str_slice(rest, 0, rest.len - 1);
        assert_false(tlog_bundle_next(&cut, &entry));
        assert_true(tlog_bundle_next(&rest, &entry) && entry.len == TLOG_ENTRY_MAX);
        assert_int_equal(rest.len, 0);
        assert_false(tlog_bundle_next(&rest, &entry));
}

static bool receipt_holds(struct str text, struct str entry, const struct note_verifier *verifier)
{
        ARENA_SCOPED arena;
        arena_init(&arena, 1 << 20);
        struct tlog_proof proof;
        struct tlog_checkpoint checkpoint;
        return tlog_proof_parse(&arena, text, &proof, &err) &&
               tlog_proof_verify(&arena, &proof, entry, verifier, &checkpoint, &err);
}

static void every_altered_byte_of_a_receipt_is_refused(void **state)
{
        (void)state;
        _cleanup_(ed25519_key_freep) struct ed25519_key *key = test_key();
        struct note_verifier verifier;
        assert_true(note_verifier_init(&verifier, STR("example.com/log"), ed25519_key_public(key), &err));
        BUF_SCOPED note, text;
        buf_init(&note, 4096);
        buf_init(&text, 8192);
        uint64_t size = 13;
        sign_checkpoint(&note, key, size);
        struct merkle_reader reader = {read_node, &size};
        struct tlog_proof proof = {.index = 4, .checkpoint = buf_str(&note)};
        assert_true(merkle_inclusion_build(&reader, 4, size, &proof.inclusion, &err));
        tlog_proof_append(&text, &proof);
        assert_true(receipt_holds(buf_str(&text), STR("entry 4"), &verifier));
        assert_false(receipt_holds(buf_str(&text), STR("entry 5"), &verifier));
        for (size_t i = 0; i < text.len; i++) {
                for (unsigned bit = 0; bit < 8; bit++) {
                        text.ptr[i] = (char)(text.ptr[i] ^ (1 << bit));
                        if (receipt_holds(buf_str(&text), STR("entry 4"), &verifier))
                                fail_msg("byte %zu, bit %u went unnoticed", i, bit);
                        text.ptr[i] = (char)(text.ptr[i] ^ (1 << bit));
                }
                assert_false(receipt_holds(str_make(text.ptr, i), STR("entry 4"), &verifier));
        }
        proof.has_extra = true;
        proof.extra = STR("more");
        buf_reset(&text);
        tlog_proof_append(&text, &proof);
        assert_true(receipt_holds(buf_str(&text), STR("entry 4"), &verifier));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(roots_agree_with_the_definition),
                cmocka_unit_test(every_inclusion_proof_holds_and_no_altered_one),
                cmocka_unit_test(every_consistency_proof_holds_and_no_altered_one),
                cmocka_unit_test(every_altered_byte_of_a_checkpoint_is_refused),
                cmocka_unit_test(unknown_signatures_are_ignored_and_a_false_one_is_not),
                cmocka_unit_test(verifier_keys_survive_writing_and_reading),
                cmocka_unit_test(tile_paths_have_one_spelling),
                cmocka_unit_test(tile_widths_follow_the_size),
                cmocka_unit_test(bundles_give_back_their_entries),
                cmocka_unit_test(every_altered_byte_of_a_receipt_is_refused),
        };
        return cmocka_run_group_tests_name("proof", tests, make_leaves, NULL);
}
