/* SPDX-License-Identifier: Apache-2.0 */
/* Project Wycheproof's vectors for what src/crypto offers. Counts keep a broken filter from passing. */
#include "crypto/aead.h"
#include "crypto/ed25519.h"
#include "crypto/key_wrap.h"
#include "crypto/sha256.h"
#include "crypto/webauthn_key.h"
#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct err err;

struct wycheproof_case {
        struct arena *arena;
        const struct json *group;
        const struct json *test;
};

/* Whether the primitive accepts the test; not called for the groups that `fits` refuses. */
typedef bool (*wycheproof_run)(const struct wycheproof_case *c);
typedef bool (*wycheproof_fits)(const struct wycheproof_case *c);

static size_t run_file(const char *path, wycheproof_fits fits, wycheproof_run run)
{
        ARENA_SCOPED arena;
        arena_init(&arena, 64 << 20);
        const struct json *groups = json_get(vectors_read_json(&arena, path), "testGroups");
        assert_non_null(groups);
        size_t count = 0;
        for (size_t g = 0; g < groups->count; g++) {
                const struct json *tests = json_get(&groups->items[g], "tests");
                assert_non_null(tests);
                for (size_t t = 0; t < tests->count; t++) {
                        struct wycheproof_case c = {&arena, &groups->items[g], &tests->items[t]};
                        int64_t id = 0;
                        assert_true(json_get_int(c.test, "tcId", &id));
                        if (fits && !fits(&c))
                                continue;
                        bool valid = str_is(json_get_string(c.test, "result"), "valid");
                        if (run(&c) != valid)
                                fail_msg("%s: test %d is %s, and we disagree", path, (int)id,
                                         valid ? "valid" : "invalid");
                        count++;
                }
        }
        return count;
}

static bool run_ed25519(const struct wycheproof_case *c)
{
        struct ed25519_public public_key;
        assert_true(ed25519_public_from(vectors_hex(c->arena, json_get(c->group, "publicKey"), "pk"),
                                        &public_key));
        return ed25519_verify(&public_key, vectors_hex(c->arena, c->test, "msg"),
                              vectors_hex(c->arena, c->test, "sig"), &err);
}

static void ed25519_signatures_are_judged_rightly(void **state)
{
        (void)state;
        assert_in_range(run_file("wycheproof/ed25519_test.json", NULL, run_ed25519), 140, 1000);
}

/* ES256 by a COSE key, as passkeys sign (crypto/webauthn.h); WebAuthn's signatures are DER as these are. */
static bool run_es256(const struct wycheproof_case *c)
{
        struct str point = vectors_hex(c->arena, json_get(c->group, "publicKey"), "uncompressed");
        struct str message = vectors_hex(c->arena, c->test, "msg");
        struct str cose;

        assert_int_equal(point.len, 65);
        cose = arena_printf(c->arena, "%s%32s%s%32s", "\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", "",
                            "\x22\x58\x20", "");
        assert_int_equal(cose.len, 77);
        memcpy((char *)cose.ptr + 10, point.ptr + 1, 32);
        memcpy((char *)cose.ptr + 45, point.ptr + 33, 32);
        return webauthn_key_verify(cose, &message, 1, vectors_hex(c->arena, c->test, "sig"), &err);
}

static void es256_signatures_are_judged_rightly(void **state)
{
        (void)state;
        assert_in_range(run_file("wycheproof/ecdsa_secp256r1_sha256_test.json", NULL, run_es256), 480, 1000);
}

static bool fits_aes_gcm(const struct wycheproof_case *c)
{
        int64_t iv = 0, key = 0, tag = 0;
        assert_true(json_get_int(c->group, "ivSize", &iv) && json_get_int(c->group, "keySize", &key) &&
                    json_get_int(c->group, "tagSize", &tag));
        return iv == 96 && key == 256 && tag == 128;
}

static bool run_aes_gcm(const struct wycheproof_case *c)
{
        const uint8_t *key = (const uint8_t *)vectors_hex(c->arena, c->test, "key").ptr;
        const uint8_t *nonce = (const uint8_t *)vectors_hex(c->arena, c->test, "iv").ptr;
        struct str aad = vectors_hex(c->arena, c->test, "aad"),
                   message = vectors_hex(c->arena, c->test, "msg");
        struct str ciphertext = vectors_hex(c->arena, c->test, "ct"),
                   tag = vectors_hex(c->arena, c->test, "tag");
        struct str sealed = arena_printf(c->arena, "%*s", (int)(ciphertext.len + tag.len), "");
        struct str plain, ours;
        memcpy((char *)sealed.ptr, ciphertext.ptr, ciphertext.len);
        memcpy((char *)sealed.ptr + ciphertext.len, tag.ptr, tag.len);
        if (!aead_open(c->arena, key, nonce, aad, sealed, &plain, &err))
                return false;
        assert_true(aead_seal(c->arena, key, nonce, aad, message, &ours, &err));
        return str_eq(plain, message) && str_eq(ours, sealed);
}

static void aes_256_gcm_is_judged_rightly(void **state)
{
        (void)state;
        assert_in_range(run_file("wycheproof/aes_gcm_test.json", fits_aes_gcm, run_aes_gcm), 60, 1000);
}

/* All three sizes of AES, wrapping as well as unwrapping. */
static bool run_aes_kwp(const struct wycheproof_case *c)
{
        struct str kek = vectors_hex(c->arena, c->test, "key"), key = vectors_hex(c->arena, c->test, "msg");
        struct str wrapped = vectors_hex(c->arena, c->test, "ct"), plain, ours;

        if (!key_unwrap(c->arena, kek, wrapped, &plain, &err)) {
                assert_int_equal(err.code, ERR_BAD_SIGNATURE);
                return false;
        }
        assert_true(key_wrap(c->arena, kek, key, &ours, &err));
        return str_eq(plain, key) && str_eq(ours, wrapped);
}

static void aes_kwp_is_judged_rightly(void **state)
{
        (void)state;
        assert_int_equal(run_file("wycheproof/aes_kwp_test.json", NULL, run_aes_kwp), 254);
}

static bool run_hkdf(const struct wycheproof_case *c)
{
        static uint8_t key[1 << 16];
        int64_t size = 0;
        assert_true(json_get_int(c->test, "size", &size));
        assert_in_range(size, 0, sizeof(key));
        return hkdf_sha256(vectors_hex(c->arena, c->test, "ikm"), vectors_hex(c->arena, c->test, "salt"),
                           vectors_hex(c->arena, c->test, "info"), key, (size_t)size, &err) &&
               str_eq(str_make(key, (size_t)size), vectors_hex(c->arena, c->test, "okm"));
}

static void hkdf_is_judged_rightly(void **state)
{
        (void)state;
        assert_in_range(run_file("wycheproof/hkdf_sha256_test.json", NULL, run_hkdf), 80, 1000);
}

static bool run_hmac(const struct wycheproof_case *c)
{
        struct sha256 mac;
        struct str tag = vectors_hex(c->arena, c->test, "tag");
        assert_in_range(tag.len, 1, SHA256_SIZE);
        hmac_sha256(vectors_hex(c->arena, c->test, "key"), vectors_hex(c->arena, c->test, "msg"), &mac);
        /* The truncated ones as well: RFC 2104 section 5. */
        return str_eq(str_slice(sha256_str(&mac), 0, tag.len), tag);
}

static void hmac_is_judged_rightly(void **state)
{
        (void)state;
        assert_in_range(run_file("wycheproof/hmac_sha256_test.json", NULL, run_hmac), 170, 1000);
}

int main(void)
{
        vectors_require("wycheproof");
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ed25519_signatures_are_judged_rightly),
                cmocka_unit_test(es256_signatures_are_judged_rightly),
                cmocka_unit_test(aes_256_gcm_is_judged_rightly),
                cmocka_unit_test(aes_kwp_is_judged_rightly),
                cmocka_unit_test(hkdf_is_judged_rightly),
                cmocka_unit_test(hmac_is_judged_rightly),
        };
        return cmocka_run_group_tests_name("wycheproof", tests, NULL, NULL);
}
