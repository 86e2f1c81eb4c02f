/* SPDX-License-Identifier: Apache-2.0 */
/* Envelopes, keys and signatures: what is altered anywhere is refused. */
#include "base/base64.h"
#include "base/heap.h"
#include "crypto/aead.h"
#include "crypto/courier.h"
#include "crypto/key_wrap.h"
#include "crypto/dsse.h"
#include "crypto/envelope.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct err err;

static struct ed25519_key *key_from_byte(uint8_t byte)
{
        uint8_t seed[ED25519_SEED_SIZE];
        memset(seed, byte, sizeof(seed));
        struct ed25519_key *key = NULL;
        assert_true(ed25519_key_from_seed(seed, &key, &err));
        return key;
}

static void hash_in_pieces_equals_hash_of_whole(void **state)
{
        (void)state;
        struct sha256 whole, parts;
        char hex[SHA256_HEX_SIZE];
        sha256_of(STR("abc"), &whole);
        sha256_format(&whole, hex);
        /* FIPS 180-4's example */
        assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        struct sha256_stream stream;
        sha256_begin(&stream);
        sha256_add(&stream, STR("a"));
        sha256_add(&stream, STR(""));
        sha256_add(&stream, STR("bc"));
        sha256_end(&stream, &parts);
        assert_true(sha256_eq(&whole, &parts));
        assert_true(sha256_parse(str_from(hex), &parts));
        assert_true(sha256_eq(&whole, &parts));
        hex[3] = 'A';
        assert_false(sha256_parse(str_from(hex), &parts));
        assert_false(sha256_parse(STR("ba"), &parts));
}

static void pae_has_the_bytes_of_the_specification(void **state)
{
        (void)state;
        BUF_SCOPED buf;
        buf_init(&buf, 4096);
        dsse_append_pae(&buf, STR("http://example.com/HelloWorld"), STR("hello world"));
        assert_true(str_is(buf_str(&buf), "DSSEv1 29 http://example.com/HelloWorld 11 hello world"));
}

static void make_envelope(struct arena *arena, struct buf *buf, const struct ed25519_key *const *keys,
                          size_t count)
{
        struct dsse_signature signatures[4];
        struct dsse_envelope envelope = {.payload_type = STR("application/vnd.countersign.statement+json"),
                                         .payload = STR("{\"operation\":\"container.remove\"}"),
                                         .signatures = signatures,
                                         .count = count};
        for (size_t i = 0; i < count; i++)
                assert_true(dsse_sign(arena, keys[i], envelope.payload_type, envelope.payload,
                                      &signatures[i], &err));
        dsse_append(buf, &envelope);
        assert_true(buf_check(buf, "envelope", &err));
}

/* How many of the keys signed, or -1 when it cannot be read. */
static int count_signers(struct str text, const struct ed25519_key *const *keys, size_t count)
{
        ARENA_SCOPED arena;
        arena_init(&arena, 1 << 20);
        struct dsse_envelope envelope;
        if (!dsse_parse(&arena, text, &envelope, &err)) {
                assert_int_equal(err.code, ERR_BAD_ENVELOPE);
                return -1;
        }
        int signers = 0;
        for (size_t i = 0; i < envelope.count; i++) {
                for (size_t k = 0; k < count; k++)
                        signers += dsse_verify(&envelope, &envelope.signatures[i],
                                               ed25519_key_public(keys[k]), &err);
        }
        return signers;
}

static void every_altered_byte_of_an_envelope_costs_a_signature(void **state)
{
        (void)state;
        ARENA_SCOPED arena;
        arena_init(&arena, 1 << 20);
        BUF_SCOPED text;
        buf_init(&text, 1 << 16);
        _cleanup_(ed25519_key_freep) struct ed25519_key *one = key_from_byte(1);
        _cleanup_(ed25519_key_freep) struct ed25519_key *two = key_from_byte(2);
        const struct ed25519_key *const keys[] = {one, two};
        make_envelope(&arena, &text, keys, 2);
        assert_int_equal(count_signers(buf_str(&text), keys, 2), 2);
        static const uint8_t masks[] = {1, 0x20, 0x80};
        for (size_t i = 0; i < text.len; i++) {
                for (size_t m = 0; m < sizeof(masks); m++) {
                        text.ptr[i] = (char)(text.ptr[i] ^ masks[m]);
                        if (count_signers(buf_str(&text), keys, 2) >= 2)
                                fail_msg("byte %zu xor %#x went unnoticed", i, masks[m]);
                        text.ptr[i] = (char)(text.ptr[i] ^ masks[m]);
                }
                assert_true(count_signers(str_make(text.ptr, i), keys, 2) < 2);
        }
}

static void refuse(const char *text)
{
        assert_int_equal(count_signers(str_from(text), NULL, 0), -1);
}

static void malformed_envelopes_are_refused(void **state)
{
        (void)state;
        refuse("");
        refuse("[]");
        refuse("{}");
        refuse("{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[]}");
        refuse("{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{\"keyid\":\"a\"}]}");
        refuse("{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"YQ==\"}]}");
        refuse("{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{\"keyid\":\"\",\"sig\":\"YQ==\"}]"
               "}");
        refuse("{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{\"keyid\":\"a\",\"sig\":\"\"}]}");
        refuse("{\"payload\":\"_-8=\",\"payloadType\":\"t\",\"signatures\":[{\"keyid\":\"a\",\"sig\":\"YQ=="
               "\"}]}");
        refuse("{\"payload\":\"\",\"payloadType\":\"\",\"signatures\":[{\"keyid\":\"a\",\"sig\":\"YQ==\"}]"
               "}");
        refuse("{\"payload\":\"\",\"payloadType\":7,\"signatures\":[{\"keyid\":\"a\",\"sig\":\"YQ==\"}]}");
        refuse("{\"payload\":\"\",\"payloadType\":\"t\",\"x\":1,\"signatures\":[{\"keyid\":\"a\",\"sig\":"
               "\"YQ==\"}]}");
        refuse("{\"payload\":\"\",\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{\"keyid\":\"a\","
               "\"sig\":\"YQ==\"}]}");
        /* The same key twice must not count as two. */
        refuse("{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{\"keyid\":\"a\",\"sig\":\"YQ==\"},"
               "{\"keyid\":\"a\",\"sig\":\"YQ==\"}]}");
        assert_int_equal(
                count_signers(STR("{\"payload\":\"\",\"payloadType\":\"t\",\"signatures\":[{\"keyid\":\"a\","
                                  "\"sig\":\"YQ==\"}]}"),
                              NULL, 0),
                0);
}

static void signature_under_another_keys_id_does_not_count(void **state)
{
        (void)state;
        ARENA_SCOPED arena;
        arena_init(&arena, 1 << 20);
        _cleanup_(ed25519_key_freep) struct ed25519_key *one = key_from_byte(1);
        _cleanup_(ed25519_key_freep) struct ed25519_key *two = key_from_byte(2);
        struct dsse_signature by_one, by_two;
        assert_true(dsse_sign(&arena, one, STR("t"), STR("p"), &by_one, &err));
        assert_true(dsse_sign(&arena, two, STR("t"), STR("p"), &by_two, &err));
        struct dsse_envelope envelope = {.payload_type = STR("t"), .payload = STR("p")};
        assert_true(dsse_verify(&envelope, &by_one, ed25519_key_public(one), &err));
        assert_false(dsse_verify(&envelope, &by_one, ed25519_key_public(two), &err));
        struct str mine = by_one.key_id;
        by_one.key_id = by_two.key_id;
        assert_false(dsse_verify(&envelope, &by_one, ed25519_key_public(two), &err));
        assert_int_equal(err.code, ERR_BAD_SIGNATURE);
        by_one.key_id = mine;
        envelope.payload_type = STR("u");
        assert_false(dsse_verify(&envelope, &by_one, ed25519_key_public(one), &err));
}

static void keys_that_anybody_can_sign_for_are_refused(void **state)
{
        (void)state;
        static const char *const weak[] = {
                "0000000000000000000000000000000000000000000000000000000000000000",
                "0000000000000000000000000000000000000000000000000000000000000080",
                "0100000000000000000000000000000000000000000000000000000000000000",
                "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
                "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
                "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        };
        ARENA_SCOPED arena;
        arena_init(&arena, 65536);
        for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
                struct ed25519_public public_key;
                struct str bytes;
                static const uint8_t zeros[ED25519_SIGNATURE_SIZE];
                assert_true(hex_decode(&arena, str_from(weak[i]), &bytes));
                assert_false(ed25519_public_from(bytes, &public_key));
                /* Among these messages one would fit a signature of zeros. */
                for (char c = 'a'; c <= 'z'; c++)
                        assert_false(ed25519_verify(&public_key, str_make(&c, 1),
                                                    str_make(zeros, sizeof(zeros)), &err));
        }
}

struct folder {
        char path[64];
        char file[96];
};

static void folder_make(struct folder *folder)
{
        strcpy(folder->path, "/tmp/countersign-crypto-XXXXXX");
        assert_non_null(mkdtemp(folder->path));
        snprintf(folder->file, sizeof(folder->file), "%s/root.key", folder->path);
}

static void folder_done(struct folder *folder)
{
        unlink(folder->file);
        assert_int_equal(rmdir(folder->path), 0); /* nothing else was left */
}

static const struct str row_a[] = {STR("log_epoch"), STR("ten_a"), STR("1")};
static const struct str row_b[] = {STR("log_epoch"), STR("ten_b"), STR("1")};
static const struct str row_c[] = {STR("log_epoch"), STR("ten_a1"), STR("")};

static void wrapped_secret_survives_reopening_and_one_rotation(void **state)
{
        (void)state;
        struct folder folder;
        folder_make(&folder);
        ARENA_SCOPED arena;
        arena_init_zeroing(&arena, 1 << 20);
        struct envelope *envelope = NULL;
        struct str wrapped, secret;
        struct stat st;
        assert_true(envelope_open(folder.file, &envelope, &err));
        assert_int_equal(stat(folder.file, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_true(envelope_wrap(envelope, &arena, row_a, 3, STR("seed"), &wrapped, &err));
        for (int rotation = 0; rotation < 2; rotation++) {
                envelope_free(envelope);
                assert_true(envelope_open(folder.file, &envelope, &err));
                assert_true(envelope_unwrap(envelope, &arena, row_a, 3, wrapped, &secret, &err));
                assert_true(str_is(secret, "seed"));
                assert_int_equal(envelope_is_current(envelope, wrapped), rotation == 0);
                assert_true(envelope_rotate_file(folder.file, &err));
        }
        envelope_free(envelope);
        assert_true(envelope_open(folder.file, &envelope, &err));
        assert_int_equal(envelope_current_version(envelope), 3);
        /* Two rotations without wrapping again: the key is gone, and the message says which. */
        assert_false(envelope_unwrap(envelope, &arena, row_a, 3, wrapped, &secret, &err));
        assert_non_null(strstr(err.message, "version 1"));
        envelope_free(envelope);
        folder_done(&folder);
}

static void wrapped_secret_cannot_be_moved_or_altered(void **state)
{
        (void)state;
        ARENA_SCOPED arena;
        arena_init_zeroing(&arena, 1 << 20);
        _cleanup_(envelope_freep) struct envelope *envelope = NULL;
        assert_true(envelope_open_ephemeral(&envelope, &err));
        struct str wrapped, secret;
        assert_true(envelope_wrap(envelope, &arena, row_a, 3, STR("seed"), &wrapped, &err));
        assert_false(envelope_unwrap(envelope, &arena, row_b, 3, wrapped, &secret, &err));
        assert_false(envelope_unwrap(envelope, &arena, row_c, 3, wrapped, &secret, &err));
        assert_false(envelope_unwrap(envelope, &arena, row_a, 2, wrapped, &secret, &err));
        char *bytes = (char *)wrapped.ptr;
        for (size_t i = 0; i < wrapped.len; i++) {
                bytes[i] ^= 1;
                assert_false(envelope_unwrap(envelope, &arena, row_a, 3, wrapped, &secret, &err));
                bytes[i] ^= 1;
                assert_false(envelope_unwrap(envelope, &arena, row_a, 3, str_slice(wrapped, 0, i), &secret,
                                             &err));
        }
        assert_true(envelope_unwrap(envelope, &arena, row_a, 3, wrapped, &secret, &err));
}

static void write_file(const char *path, const char *text, mode_t mode)
{
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
        assert_int_equal(chmod(path, mode), 0);
}

static void bad_key_files_are_refused_and_left_alone(void **state)
{
        (void)state;
        static const char *const bad[] = {
                "",
                "countersign-root-key v2\n",
                "countersign-root-key v1\ncurrent 1 AAAA\n",
                "countersign-root-key v1\ncurrent 0 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                "countersign-root-key v1\ncurrent 1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\njunk\n",
                ("countersign-root-key v1\ncurrent 1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
                 "previous 1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"),
        };
        struct folder folder;
        folder_make(&folder);
        struct envelope *envelope = NULL;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                write_file(folder.file, bad[i], 0600);
                assert_false(envelope_open(folder.file, &envelope, &err));
                assert_int_equal(err.code, ERR_CONFIG);
        }
        write_file(folder.file,
                   "countersign-root-key v1\ncurrent 1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                   0640);
        assert_false(envelope_open(folder.file, &envelope, &err));
        assert_non_null(strstr(err.message, "chmod 600"));
        assert_int_equal(chmod(folder.file, 0600), 0);
        assert_true(envelope_open(folder.file, &envelope, &err));
        envelope_free(envelope);
        folder_done(&folder);
}

static void derived_keys_differ_by_purpose_and_stay_the_same(void **state)
{
        (void)state;
        _cleanup_(envelope_freep) struct envelope *envelope = NULL;
        assert_true(envelope_open_ephemeral(&envelope, &err));
        uint8_t a[32], again[32], b[32];
        assert_true(envelope_derive(envelope, 1, STR("api-key-hash"), a, &err));
        assert_true(envelope_derive(envelope, 1, STR("api-key-hash"), again, &err));
        assert_true(envelope_derive(envelope, 1, STR("cursor"), b, &err));
        assert_memory_equal(a, again, 32);
        assert_memory_not_equal(a, b, 32);
        assert_false(envelope_derive(envelope, 2, STR("cursor"), b, &err));
}

static void altered_ciphertext_leaves_no_plain_text(void **state)
{
        (void)state;
        ARENA_SCOPED arena;
        arena_init(&arena, 1 << 20);
        uint8_t key[AEAD_KEY_SIZE] = {7}, nonce[AEAD_NONCE_SIZE] = {1};
        struct str sealed, plain = STR_NULL;
        assert_true(aead_seal(&arena, key, nonce, STR("row"), STR("secret"), &sealed, &err));
        assert_int_equal(sealed.len, 6 + AEAD_TAG_SIZE);
        assert_true(aead_open(&arena, key, nonce, STR("row"), sealed, &plain, &err));
        assert_true(str_is(plain, "secret"));
        plain = STR_NULL;
        assert_false(aead_open(&arena, key, nonce, STR("raw"), sealed, &plain, &err));
        assert_null(plain.ptr);
        assert_false(aead_open(&arena, key, nonce, STR("row"), str_slice(sealed, 0, 15), &plain, &err));
}

/* RFC 5649 section 6. */
static void wrapped_keys_are_the_standards(void **state)
{
        (void)state;
        ARENA_SCOPED arena;
        arena_init(&arena, 1 << 20);
        static const uint8_t kek_bytes[] = {0x58, 0x40, 0xdf, 0x6e, 0x29, 0xb0, 0x2a, 0xf1,
                                            0xab, 0x49, 0x3b, 0x70, 0x5b, 0xf1, 0x6e, 0xa1,
                                            0xae, 0x83, 0x38, 0xf4, 0xdc, 0xc1, 0x76, 0xa8};
        static const uint8_t expected[] = {0xaf, 0xbe, 0xb0, 0xf0, 0x7d, 0xfb, 0xf5, 0x41,
                                           0x92, 0x00, 0xf2, 0xcc, 0xb5, 0x0b, 0xb2, 0x4f};
        struct str kek = str_make(kek_bytes, sizeof(kek_bytes)), wrapped, key = STR_NULL;

        assert_true(key_wrap(&arena, kek, STR("ForPasi"), &wrapped, &err));
        assert_true(str_eq(wrapped, str_make(expected, sizeof(expected))));
        assert_true(key_unwrap(&arena, kek, wrapped, &key, &err));
        assert_true(str_is(key, "ForPasi"));
        for (size_t i = 0; i < wrapped.len; i++) {
                struct str altered = arena_str(&arena, wrapped);

                ((char *)(uintptr_t)altered.ptr)[i] ^= 1;
                key = STR_NULL;
                assert_false(key_unwrap(&arena, kek, altered, &key, &err));
                assert_int_equal(err.code, ERR_BAD_SIGNATURE);
                assert_null(key.ptr);
        }
        assert_false(key_unwrap(&arena, kek, str_slice(wrapped, 0, 8), &key, &err));
        assert_false(key_unwrap(&arena, kek, str_slice(wrapped, 0, 15), &key, &err));
        assert_false(key_wrap(&arena, kek, STR(""), &wrapped, &err));
        assert_false(key_wrap(&arena, STR("short"), STR("key"), &wrapped, &err));
}

static void a_key_opens_where_it_was_sent_and_nowhere_else(void **state)
{
        (void)state;
        ARENA_SCOPED arena;
        arena_init(&arena, 1 << 20);
        struct courier *one, *two;
        struct str sealed, again, key = STR_NULL;
        static const uint8_t zeros[COURIER_PUBLIC_SIZE];

        assert_true(courier_new(&one, &err) && courier_new(&two, &err));
        assert_true(courier_seal(&arena, courier_public(one), STR("here 1"),
                                 STR("a key of 32 bytes, more or less"), &sealed, &err));
        assert_true(courier_seal(&arena, courier_public(one), STR("here 1"),
                                 STR("a key of 32 bytes, more or less"), &again, &err));
        assert_false(str_eq(sealed, again));
        assert_true(courier_open(&arena, one, STR("here 1"), sealed, &key, &err));
        assert_true(str_is(key, "a key of 32 bytes, more or less"));
        assert_false(courier_open(&arena, two, STR("here 1"), sealed, &key, &err));
        assert_int_equal(err.code, ERR_BAD_SIGNATURE);
        assert_false(courier_open(&arena, one, STR("here 2"), sealed, &key, &err));
        for (size_t i = 0; i < sealed.len; i++) {
                struct str altered = arena_str(&arena, sealed);

                ((char *)(uintptr_t)altered.ptr)[i] ^= 1;
                assert_false(courier_open(&arena, one, STR("here 1"), altered, &key, &err));
        }
        assert_false(courier_open(&arena, one, STR("here 1"), str_slice(sealed, 0, 32), &key, &err));
        /* A point of small order: RFC 7748 section 6.1. */
        assert_false(courier_seal(&arena, str_make(zeros, sizeof(zeros)), STR("here 1"), STR("key"), &sealed,
                                  &err));
        assert_false(courier_seal(&arena, STR("short"), STR("here 1"), STR("key"), &sealed, &err));
        courier_free(one);
        courier_free(two);
}

static void the_next_key_opens_and_wraps_nothing_before_its_time(void **state)
{
        (void)state;
        ARENA_SCOPED arena;
        arena_init(&arena, 1 << 20);
        struct envelope *one, *two;
        const struct str row[] = {STR("row")};
        struct str next, wrapped, secret;
        char id[ENVELOPE_KEY_ID_SIZE], other[ENVELOPE_KEY_ID_SIZE];

        assert_true(envelope_open_ephemeral(&one, &err) && envelope_open_ephemeral(&two, &err));
        envelope_key_id(one, 1, id);
        envelope_key_id(two, 1, other);
        assert_int_equal(strlen(id), ENVELOPE_KEY_ID_SIZE - 1);
        assert_string_not_equal(id, other);
        assert_false(envelope_promote(one, &err));
        assert_true(envelope_stage_new(one, &err));
        assert_false(envelope_stage_new(one, &err));
        assert_int_equal(err.code, ERR_CONFLICT);
        assert_int_equal(envelope_next_version(one), 2);
        assert_true(envelope_copy_next(one, &arena, &next, &err));
        assert_false(envelope_stage(two, 1, next, &err));
        assert_true(envelope_stage(two, 2, next, &err));
        assert_true(envelope_wrap(two, &arena, row, 1, STR("secret"), &wrapped, &err));
        assert_int_equal(envelope_version_of(wrapped), 1);
        assert_true(envelope_promote(one, &err));
        assert_int_equal(envelope_current_version(one), 2);
        assert_int_equal(envelope_previous_version(one), 1);
        assert_true(envelope_wrap(one, &arena, row, 1, STR("secret"), &wrapped, &err));
        assert_int_equal(envelope_version_of(wrapped), 2);
        assert_true(envelope_unwrap(two, &arena, row, 1, wrapped, &secret, &err));
        assert_true(envelope_unstage(two, &err));
        assert_false(envelope_unwrap(two, &arena, row, 1, wrapped, &secret, &err));
        /* A node that others may count as gone wraps nothing; it opens what there is. */
        envelope_lease(one, 1);
        assert_false(envelope_is_current(one, wrapped));
        assert_true(envelope_unwrap(one, &arena, row, 1, wrapped, &secret, &err));
        assert_false(envelope_wrap(one, &arena, row, 1, STR("secret"), &wrapped, &err));
        assert_int_equal(err.code, ERR_STORE_BUSY);
        envelope_free(one);
        envelope_free(two);
}

static void secret_memory_is_zeroed_and_large_enough(void **state)
{
        (void)state;
        uint8_t *secret = secret_alloc(5000);
        assert_non_null(secret);
        for (size_t i = 0; i < 5000; i++)
                assert_int_equal(secret[i], 0);
        memset(secret, 0xa5, 5000);
        secret_free(secret, 5000);
        secret_free(NULL, 5000);
}

/* RFC 4231 sections 4.3 and 4.7: a short key, and one longer than a block. */
static void hmac_gives_the_standards_values(void **state)
{
        uint8_t key[131];
        struct sha256 mac;
        char hex[SHA256_HEX_SIZE];

        (void)state;
        hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), &mac);
        sha256_format(&mac, hex);
        assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        memset(key, 0xaa, sizeof(key));
        hmac_sha256(str_make(key, sizeof(key)),
                    STR("Test Using Larger Than Block-Size Key - Hash Key First"), &mac);
        sha256_format(&mac, hex);
        assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(hmac_gives_the_standards_values),
                cmocka_unit_test(hash_in_pieces_equals_hash_of_whole),
                cmocka_unit_test(pae_has_the_bytes_of_the_specification),
                cmocka_unit_test(every_altered_byte_of_an_envelope_costs_a_signature),
                cmocka_unit_test(malformed_envelopes_are_refused),
                cmocka_unit_test(signature_under_another_keys_id_does_not_count),
                cmocka_unit_test(keys_that_anybody_can_sign_for_are_refused),
                cmocka_unit_test(wrapped_secret_survives_reopening_and_one_rotation),
                cmocka_unit_test(wrapped_secret_cannot_be_moved_or_altered),
                cmocka_unit_test(bad_key_files_are_refused_and_left_alone),
                cmocka_unit_test(derived_keys_differ_by_purpose_and_stay_the_same),
                cmocka_unit_test(altered_ciphertext_leaves_no_plain_text),
                cmocka_unit_test(wrapped_keys_are_the_standards),
                cmocka_unit_test(a_key_opens_where_it_was_sent_and_nowhere_else),
                cmocka_unit_test(the_next_key_opens_and_wraps_nothing_before_its_time),
                cmocka_unit_test(secret_memory_is_zeroed_and_large_enough),
        };
        return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}
