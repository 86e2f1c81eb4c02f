/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: an authenticator in software. Include cmocka's prerequisites first. */
#pragma once

#include "base/base64.h"
#include "crypto/webauthn.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct sample_passkey {
        EVP_PKEY *pkey; /* freed by sample_passkey_free */
        enum webauthn_algorithm algorithm;
        struct str cose;
};

struct sample_assertion {
        struct str authenticator_data;
        struct str client_data;
        struct str signature;
};

static inline struct str sample_hex(struct arena *arena, const char *hex)
{
        struct str bytes;

        assert_true(hex_decode(arena, str_from(hex), &bytes));
        return bytes;
}

static inline struct str sample_cose(struct arena *arena, const struct sample_passkey *key)
{
        uint8_t raw[1024];
        size_t len = sizeof(raw);
        BUF_SCOPED cose = {0};

        buf_init(&cose, 2048);
        if (key->algorithm == WEBAUTHN_ES256) {
                assert_int_equal(EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_PUB_KEY, raw,
                                                                 sizeof(raw), &len),
                                 1);
                buf_append(&cose, "\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", 10);
                buf_append(&cose, raw + 1, 32);
                buf_append(&cose, "\x22\x58\x20", 3);
                buf_append(&cose, raw + 33, 32);
        } else if (key->algorithm == WEBAUTHN_EDDSA) {
                assert_int_equal(EVP_PKEY_get_raw_public_key(key->pkey, raw, &len), 1);
                buf_append(&cose, "\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20", 10);
                buf_append(&cose, raw, 32);
        } else {
                BIGNUM *n = NULL;

                assert_int_equal(EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_N, &n), 1);
                buf_append(&cose, "\xa4\x01\x03\x03\x39\x01\x00\x20\x59\x01\x00", 11);
                assert_int_equal(BN_bn2bin(n, raw), 256);
                BN_free(n);
                buf_append(&cose, raw, 256);
                buf_append(&cose, "\x21\x43\x01\x00\x01", 5);
        }
        return arena_str(arena, buf_str(&cose));
}

static inline struct sample_passkey sample_passkey_new(struct arena *arena,
                                                       enum webauthn_algorithm algorithm)
{
        struct sample_passkey key = {.algorithm = algorithm};

        key.pkey = algorithm == WEBAUTHN_ES256   ? EVP_EC_gen("P-256")
                   : algorithm == WEBAUTHN_EDDSA ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                                 : EVP_RSA_gen(2048);
        assert_non_null(key.pkey);
        key.cose = sample_cose(arena, &key);
        return key;
}

static inline void sample_passkey_free(struct sample_passkey *key)
{
        EVP_PKEY_free(key->pkey);
}

static inline struct str sample_passkey_sign(struct arena *arena, const struct sample_passkey *key,
                                             struct str authenticator_data, struct str client_data)
{
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        struct sha256 hash;
        uint8_t signature[1024];
        size_t len = sizeof(signature);
        BUF_SCOPED text = {0};

        sha256_of(client_data, &hash);
        buf_init(&text, 64 * 1024);
        buf_append_str(&text, authenticator_data);
        buf_append_str(&text, sha256_str(&hash));
        assert_int_equal(EVP_DigestSignInit(context, NULL,
                                            key->algorithm == WEBAUTHN_EDDSA ? NULL : EVP_sha256(), NULL,
                                            key->pkey),
                         1);
        assert_int_equal(EVP_DigestSign(context, signature, &len, (const uint8_t *)text.ptr, text.len), 1);
        EVP_MD_CTX_free(context);
        return arena_str(arena, str_make(signature, len));
}

static inline struct str sample_authenticator_data(struct arena *arena, const char *rp_id, uint8_t flags,
                                                   uint32_t count)
{
        struct sha256 hash;
        uint8_t bytes[SHA256_SIZE + 5];

        sha256_of(str_from(rp_id), &hash);
        memcpy(bytes, hash.bytes, SHA256_SIZE);
        bytes[32] = flags;
        for (int i = 0; i < 4; i++)
                bytes[33 + i] = (uint8_t)(count >> (24 - 8 * i));
        return arena_str(arena, str_make(bytes, sizeof(bytes)));
}

static inline struct str sample_client_data(struct arena *arena, const char *type, struct str challenge,
                                            const char *origin)
{
        return arena_printf(
                arena, "{\"type\":\"%s\",\"challenge\":\"%.*s\",\"origin\":\"%s\",\"crossOrigin\":false}",
                type, STR_ARG(base64url_encode(arena, challenge)), origin);
}

/* An assertion as a browser at this origin makes it, with user verification. */
static inline struct sample_assertion sample_assert(struct arena *arena, const struct sample_passkey *key,
                                                    struct str challenge, const char *rp_id,
                                                    const char *origin)
{
        struct sample_assertion assertion = {
                .authenticator_data = sample_authenticator_data(
                        arena, rp_id, WEBAUTHN_USER_PRESENT | WEBAUTHN_USER_VERIFIED, 7),
                .client_data = sample_client_data(arena, "webauthn.get", challenge, origin),
        };

        assertion.signature =
                sample_passkey_sign(arena, key, assertion.authenticator_data, assertion.client_data);
        return assertion;
}
