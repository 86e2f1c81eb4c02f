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

bool ed25519_verify(const struct ed25519_public *public_key, struct str message, struct str signature,
                    struct err *err)
{
        if (signature.len != ED25519_SIGNATURE_SIZE)
                return err_set(err, ERR_BAD_SIGNATURE, "an Ed25519 signature has %d bytes, this one has %zu",
                               ED25519_SIGNATURE_SIZE, signature.len);
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
        return true;
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
