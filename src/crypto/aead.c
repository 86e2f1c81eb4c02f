/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/aead.h"
#include "base/heap.h"

#include <openssl/err.h>
#include <openssl/evp.h>

#include <limits.h>
#include <pthread.h>

/* Looking the algorithm up costs more than sealing a short text: once for the process. */
static pthread_once_t aead_once = PTHREAD_ONCE_INIT;
static EVP_CIPHER *aead_cipher;

static void aead_fetch(void)
{
        aead_cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}

/* NULL when OpenSSL has no such cipher; then the first use of it fails. */
static const EVP_CIPHER *aead_algorithm(void)
{
        (void)pthread_once(&aead_once, aead_fetch);
        return aead_cipher;
}

static void aead_context_freep(EVP_CIPHER_CTX **context)
{
        EVP_CIPHER_CTX_free(*context);
}

static bool aead_failed(struct err *err, enum err_code code, const char *what)
{
        ERR_clear_error();
        return err_set(err, code, "%s", what);
}

static const unsigned char *aead_bytes(struct str s)
{
        return (const unsigned char *)(s.len > 0 ? s.ptr : "");
}

bool aead_seal(struct arena *arena, const uint8_t key[AEAD_KEY_SIZE], const uint8_t nonce[AEAD_NONCE_SIZE],
               struct str aad, struct str plain, struct str *ret_sealed, struct err *err)
{
        if (plain.len > INT_MAX - AEAD_TAG_SIZE || aad.len > INT_MAX)
                return err_set(err, ERR_BAD_PARAMETER, "too much to encrypt at once: %zu bytes", plain.len);
        unsigned char *out = (unsigned char *)arena_alloc_bytes(arena, plain.len + AEAD_TAG_SIZE);
        _cleanup_(aead_context_freep) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
        if (!out || !context)
                return err_set(err, ERR_NO_MEMORY, "no memory to encrypt");
        int len = 0, rest = 0;
        if (EVP_EncryptInit_ex2(context, aead_algorithm(), key, nonce, NULL) != 1 ||
            EVP_EncryptUpdate(context, NULL, &len, aead_bytes(aad), (int)aad.len) != 1 ||
            EVP_EncryptUpdate(context, out, &len, aead_bytes(plain), (int)plain.len) != 1 ||
            EVP_EncryptFinal_ex(context, out + len, &rest) != 1 ||
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE, out + plain.len) != 1)
                return aead_failed(err, ERR_INTERNAL, "cannot encrypt");
        *ret_sealed = str_make(out, plain.len + AEAD_TAG_SIZE);
        return true;
}

bool aead_open(struct arena *arena, const uint8_t key[AEAD_KEY_SIZE], const uint8_t nonce[AEAD_NONCE_SIZE],
               struct str aad, struct str sealed, struct str *ret_plain, struct err *err)
{
        if (sealed.len < AEAD_TAG_SIZE || sealed.len > INT_MAX || aad.len > INT_MAX)
                return err_set(err, ERR_BAD_SIGNATURE, "a ciphertext cannot have %zu bytes", sealed.len);
        size_t plain_len = sealed.len - AEAD_TAG_SIZE;
        unsigned char *out = (unsigned char *)arena_alloc_bytes(arena, plain_len + 1);
        _cleanup_(aead_context_freep) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
        if (!out || !context)
                return err_set(err, ERR_NO_MEMORY, "no memory to decrypt");
        unsigned char tag[AEAD_TAG_SIZE];
        memcpy(tag, sealed.ptr + plain_len, AEAD_TAG_SIZE);
        int len = 0, rest = 0;
        if (EVP_DecryptInit_ex2(context, aead_algorithm(), key, nonce, NULL) != 1 ||
            EVP_DecryptUpdate(context, NULL, &len, aead_bytes(aad), (int)aad.len) != 1 ||
            EVP_DecryptUpdate(context, out, &len, aead_bytes(sealed), (int)plain_len) != 1 ||
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_SIZE, tag) != 1)
                return aead_failed(err, ERR_INTERNAL, "cannot decrypt");
        if (EVP_DecryptFinal_ex(context, out + len, &rest) != 1) {
                /* What was decrypted is not to be trusted, and nobody shall see it. */
                OPENSSL_cleanse(out, plain_len);
                return aead_failed(err, ERR_BAD_SIGNATURE,
                                   "the ciphertext was altered, or belongs to another place or key");
        }
        out[plain_len] = '\0';
        *ret_plain = str_make(out, plain_len);
        return true;
}
