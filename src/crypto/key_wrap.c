/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/key_wrap.h"
#include "base/heap.h"

#include <openssl/err.h>
#include <openssl/evp.h>

enum { SEMIBLOCK = 8, WRAPPED_MIN_BYTES = 16 };

static void context_freep(EVP_CIPHER_CTX **context)
{
        EVP_CIPHER_CTX_free(*context);
}

static const EVP_CIPHER *cipher_for(struct str kek)
{
        return kek.len == 16   ? EVP_aes_128_wrap_pad()
               : kek.len == 24 ? EVP_aes_192_wrap_pad()
               : kek.len == 32 ? EVP_aes_256_wrap_pad()
                               : NULL;
}

/* `out` has room for in.len + 15 bytes, which OpenSSL may use before it has checked anything. */
static bool run(bool wraps, struct str kek, struct str in, unsigned char *out, size_t *ret_len)
{
        const EVP_CIPHER *cipher = cipher_for(kek);
        _cleanup_(context_freep) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
        int len = 0, rest = 0;

        if (!cipher || !context)
                return false;
        EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
        if (EVP_CipherInit_ex2(context, cipher, (const unsigned char *)kek.ptr, NULL, wraps, NULL) != 1 ||
            EVP_CipherUpdate(context, out, &len, (const unsigned char *)in.ptr, (int)in.len) != 1 ||
            EVP_CipherFinal_ex(context, out + len, &rest) != 1 || len + rest < 1) {
                ERR_clear_error();
                return false;
        }
        *ret_len = (size_t)len + (size_t)rest;
        return true;
}

bool key_wrap(struct arena *arena, struct str kek, struct str key, struct str *ret_wrapped, struct err *err)
{
        unsigned char *out;
        size_t len;

        if (!cipher_for(kek) || key.len < 1 || key.len > KEY_WRAP_MAX_BYTES)
                return err_set(err, ERR_INTERNAL, "a key of %zu bytes cannot be wrapped by one of %zu",
                               key.len, kek.len);
        out = (unsigned char *)arena_alloc_bytes(arena, key.len + 2 * WRAPPED_MIN_BYTES);
        if (!out)
                return arena_check(arena, err);
        if (!run(true, kek, key, out, &len))
                return err_set(err, ERR_INTERNAL, "cannot wrap a key");
        *ret_wrapped = str_make(out, len);
        return true;
}

bool key_unwrap(struct arena *arena, struct str kek, struct str wrapped, struct str *ret_key,
                struct err *err)
{
        unsigned char *out;
        size_t len;

        if (!cipher_for(kek))
                return err_set(err, ERR_INTERNAL, "a key of %zu bytes cannot unwrap", kek.len);
        if (wrapped.len < WRAPPED_MIN_BYTES || wrapped.len % SEMIBLOCK != 0 ||
            wrapped.len > KEY_WRAP_MAX_BYTES + KEY_WRAP_OVERHEAD)
                return err_set(err, ERR_BAD_SIGNATURE, "a wrapped key cannot have %zu bytes", wrapped.len);
        out = (unsigned char *)arena_alloc_bytes(arena, wrapped.len + 2 * WRAPPED_MIN_BYTES);
        if (!out)
                return arena_check(arena, err);
        if (!run(false, kek, wrapped, out, &len)) {
                /* What was unwrapped is not to be trusted, and nobody shall see it. */
                OPENSSL_cleanse(out, wrapped.len + 2 * WRAPPED_MIN_BYTES);
                return err_set(err, ERR_BAD_SIGNATURE, "the wrapped key was altered, or is by another key");
        }
        *ret_key = str_make(out, len);
        return true;
}
