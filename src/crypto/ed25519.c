/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/ed25519.h"
#include "base/clock.h"
#include "base/heap.h"
#include "crypto/sha256.h"

#include <openssl/err.h>
#include <openssl/evp.h>

struct ed25519_key {
        EVP_PKEY *pkey; /* immutable; OpenSSL counts references atomically */
        struct ed25519_public public_key;
};

static void ed25519_context_freep(EVP_MD_CTX **context)
{
        EVP_MD_CTX_free(*context);
}

static void ed25519_pkey_freep(EVP_PKEY **pkey)
{
        EVP_PKEY_free(*pkey);
}

/* OpenSSL's error queue belongs to the thread: leave nothing in it for TLS to trip over. */
static bool ed25519_failed(struct err *err, enum err_code code, const char *what)
{
        unsigned long number = ERR_peek_last_error();
        const char *reason = number ? ERR_reason_error_string(number) : NULL;
        err_set(err, code, "%s%s%s", what, reason ? ": " : "", reason ? reason : "");
        ERR_clear_error();
        return false;
}

void ed25519_seed_new(uint8_t ret_seed[ED25519_SEED_SIZE])
{
        random_bytes(ret_seed, ED25519_SEED_SIZE);
}

bool ed25519_key_from_seed(const uint8_t seed[ED25519_SEED_SIZE], struct ed25519_key **ret, struct err *err)
{
        struct ed25519_key *key = heap_alloc_zeroed(1, sizeof(*key));
        if (!key)
                return err_set(err, ERR_NO_MEMORY, "no memory for a signing key");
        size_t len = ED25519_PUBLIC_SIZE;
        key->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_SEED_SIZE);
        if (!key->pkey || EVP_PKEY_get_raw_public_key(key->pkey, key->public_key.bytes, &len) != 1) {
                ed25519_key_free(key);
                return ed25519_failed(err, ERR_INTERNAL, "cannot make an Ed25519 key");
        }
        *ret = key;
        return true;
}

void ed25519_key_free(struct ed25519_key *key)
{
        if (!key)
                return;
        EVP_PKEY_free(key->pkey);
        heap_free(key);
}

const struct ed25519_public *ed25519_key_public(const struct ed25519_key *key)
{
        return &key->public_key;
}

bool ed25519_sign(const struct ed25519_key *key, struct str message, struct ed25519_signature *ret,
                  struct err *err)
{
        _cleanup_(ed25519_context_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
        size_t len = ED25519_SIGNATURE_SIZE;
        if (!context || EVP_DigestSignInit(context, NULL, NULL, NULL, key->pkey) != 1 ||
            EVP_DigestSign(context, ret->bytes, &len, (const uint8_t *)(message.len > 0 ? message.ptr : ""),
                           message.len) != 1)
                return ed25519_failed(err, ERR_INTERNAL, "cannot sign");
        return true;
}

/*
 * Keys of small order: 8 points, whose 255-bit y are these (0 and 1 also in
 * the spellings p and p + 1, RFC 8032 section 5.1.3). Under such a key one
 * signature fits many messages, and anybody can make it.
 */
static bool ed25519_public_is_weak(const struct ed25519_public *public_key)
{
        static const uint8_t weak[][ED25519_PUBLIC_SIZE] = {
                {0},
                {1},
                /* p - 1, p, p + 1 */
                {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
                {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
                {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
                /* order 8 */
                {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
                 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
                 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
                {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
                 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
                 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
        };
        uint8_t y[ED25519_PUBLIC_SIZE];
        memcpy(y, public_key->bytes, sizeof(y));
        y[ED25519_PUBLIC_SIZE - 1] &= 0x7f; /* the sign of x */
        for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
                if (memcmp(y, weak[i], sizeof(y)) == 0)
                        return true;
        }
        return false;
}

bool ed25519_verify(const struct ed25519_public *public_key, struct str message, struct str signature,
                    struct err *err)
{
        if (signature.len != ED25519_SIGNATURE_SIZE)
                return err_set(err, ERR_BAD_SIGNATURE, "an Ed25519 signature has %d bytes, this one has %zu",
                               ED25519_SIGNATURE_SIZE, signature.len);
        if (ed25519_public_is_weak(public_key))
                return err_set(err, ERR_BAD_SIGNATURE,
                               "anybody can sign for this key: it is of small order");
        _cleanup_(ed25519_pkey_freep) EVP_PKEY *pkey =
                EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key->bytes, ED25519_PUBLIC_SIZE);
        _cleanup_(ed25519_context_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
        if (!pkey || !context || EVP_DigestVerifyInit(context, NULL, NULL, NULL, pkey) != 1)
                return ed25519_failed(err, ERR_NO_MEMORY, "cannot prepare to verify a signature");
        if (EVP_DigestVerify(context, (const uint8_t *)signature.ptr, signature.len,
                             (const uint8_t *)(message.len > 0 ? message.ptr : ""), message.len) != 1) {
                char id[ED25519_KEY_ID_SIZE];
                ed25519_key_id(public_key, id);
                ERR_clear_error();
                return err_set(err, ERR_BAD_SIGNATURE, "the signature by key %.16s… does not fit the bytes",
                               id);
        }
        return true;
}

bool ed25519_public_from(struct str bytes, struct ed25519_public *ret)
{
        if (bytes.len != ED25519_PUBLIC_SIZE)
                return false;
        memcpy(ret->bytes, bytes.ptr, ED25519_PUBLIC_SIZE);
        return !ed25519_public_is_weak(ret);
}

bool ed25519_public_eq(const struct ed25519_public *a, const struct ed25519_public *b)
{
        return memcmp(a->bytes, b->bytes, ED25519_PUBLIC_SIZE) == 0;
}

void ed25519_key_id(const struct ed25519_public *public_key, char ret_id[ED25519_KEY_ID_SIZE])
{
        struct sha256 hash;
        sha256_of(ed25519_public_str(public_key), &hash);
        sha256_format(&hash, ret_id);
}
