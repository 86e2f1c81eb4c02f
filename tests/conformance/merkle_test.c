/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 6962 inclusion and consistency proofs from transparency-dev/merkle, the corrupted ones too. */
#include "crypto/merkle.h"
#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { HASHES_MAX = 80 };

static size_t accepted, refused;

/* A hash of another length than 32 is no hash: false, and the proof is malformed. */
static bool get_hash(struct arena *arena, const struct json *value, struct sha256 *ret)
{
        assert_non_null(value);
        assert_int_equal(value->type, JSON_STRING);
        struct str bytes = vectors_base64(arena, value->string);
        if (bytes.len != SHA256_SIZE)
                return false;
        memcpy(ret->bytes, bytes.ptr, SHA256_SIZE);
        return true;
}

/* A root is compared, never taken apart: the vectors have placeholders ("don't care"), kept apart by
 * hashing. */
static bool get_root(struct arena *arena, const struct json *value, struct sha256 *ret)
{
        if (!get_hash(arena, value, ret))
                sha256_of(value->string, ret);
        return true;
}

static bool get_proof(struct arena *arena, const struct json *list, struct sha256 *ret, size_t *ret_count)
{
        *ret_count = 0;
        if (list->type == JSON_NULL)
                return true;
        assert_int_equal(list->type, JSON_ARRAY);
        assert_true(list->count <= HASHES_MAX);
        for (size_t i = 0; i < list->count; i++) {
                if (!get_hash(arena, &list->items[i], &ret[(*ret_count)++]))
                        return false;
        }
        return true;
}

static uint64_t get_number(const struct json *root, const char *key)
{
        const struct json *value = json_get(root, key);
        assert_non_null(value);
        assert_true(value->type == JSON_INT || value->type == JSON_UINT);
        return value->type == JSON_INT ? (uint64_t)value->integer : value->uinteger;
}

static void check(const char *path, const struct json *root, bool holds)
{
        const struct json *want = json_get(root, "wantErr");
        assert_non_null(want);
        if (holds == want->boolean)
                fail_msg("%s: %s", path,
                         holds ? "a corrupted proof was accepted" : "a good proof was refused");
        accepted += holds;
        refused += !holds;
}

static void inclusion_file(const char *path)
{
        ARENA_SCOPED arena;
        arena_init(&arena, 1 << 20);
        const struct json *root = vectors_read_json(&arena, path);
        struct sha256 leaf, hash, proof[HASHES_MAX];
        size_t count;
        struct err err;
        check(path, root,
              get_hash(&arena, json_get(root, "leafHash"), &leaf) &&
                      get_hash(&arena, json_get(root, "root"), &hash) &&
                      get_proof(&arena, json_get(root, "proof"), proof, &count) &&
                      merkle_inclusion_verify(get_number(root, "leafIdx"), get_number(root, "treeSize"),
                                              &leaf, proof, count, &hash, &err));
}

static void consistency_file(const char *path)
{
        ARENA_SCOPED arena;
        arena_init(&arena, 1 << 20);
        const struct json *root = vectors_read_json(&arena, path);
        struct sha256 root1, root2, proof[HASHES_MAX];
        size_t count;
        struct err err;
        check(path, root,
              get_root(&arena, json_get(root, "root1"), &root1) &&
                      get_root(&arena, json_get(root, "root2"), &root2) &&
                      get_proof(&arena, json_get(root, "proof"), proof, &count) &&
                      merkle_consistency_verify(get_number(root, "size1"), get_number(root, "size2"), &root1,
                                                &root2, proof, count, &err));
}

static void inclusion_proofs_are_judged_rightly(void **state)
{
        (void)state;
        assert_true(vectors_each("merkle/inclusion", inclusion_file) > 0);
        assert_true(accepted > 0 && refused > 0);
}

static void consistency_proofs_are_judged_rightly(void **state)
{
        (void)state;
        accepted = refused = 0;
        assert_true(vectors_each("merkle/consistency", consistency_file) > 0);
        assert_true(accepted > 0 && refused > 0);
}

int main(void)
{
        vectors_require("merkle");
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(inclusion_proofs_are_judged_rightly),
                cmocka_unit_test(consistency_proofs_are_judged_rightly),
        };
        return cmocka_run_group_tests_name("merkle vectors", tests, NULL, NULL);
}
