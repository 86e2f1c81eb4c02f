/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/sha256.h"
#include "base/heap.h"
#include "crypto/secret.h"

#include <openssl/evp.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Looking an algorithm up costs more than hashing a short text, and so does a
 * new context: the algorithm is fetched once, the context kept for each thread.
 */
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256_algorithm;
static pthread_key_t sha256_context_key;

static _Noreturn void sha256_die(void)
{
        fputs("countersign: OpenSSL cannot compute SHA-256\n", stderr);
        abort();
}

static void sha256_context_free(void *context)
{
        EVP_MD_CTX_free(context);
}

static void sha256_start(void)
{
        sha256_algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
        if (!sha256_algorithm || pthread_key_create(&sha256_context_key, sha256_context_free) != 0)
                sha256_die();
}

static EVP_MD_CTX *sha256_thread_context(void)
{
        pthread_once(&sha256_once, sha256_start);
        EVP_MD_CTX *context = pthread_getspecific(sha256_context_key);
        if (!context) {
                context = EVP_MD_CTX_new();
                if (!context || pthread_setspecific(sha256_context_key, context) != 0)
                        sha256_die();
        }
        return context;
}

void sha256_of_parts(const struct str *parts, size_t count, struct sha256 *ret)
{
        EVP_MD_CTX *context = sha256_thread_context();
        if (EVP_DigestInit_ex2(context, sha256_algorithm, NULL) != 1)
                sha256_die();
        for (size_t i = 0; i < count; i++) {
                if (parts[i].len > 0 && EVP_DigestUpdate(context, parts[i].ptr, parts[i].len) != 1)
                        sha256_die();
        }
        if (EVP_DigestFinal_ex(context, ret->bytes, NULL) != 1)
                sha256_die();
}

void sha256_of(struct str bytes, struct sha256 *ret)
{
        sha256_of_parts(&bytes, 1, ret);
}

void sha256_format(const struct sha256 *hash, char ret_hex[SHA256_HEX_SIZE])
{
        static const char digits[] = "0123456789abcdef";
        for (size_t i = 0; i < SHA256_SIZE; i++) {
                ret_hex[2 * i] = digits[hash->bytes[i] >> 4];
                ret_hex[2 * i + 1] = digits[hash->bytes[i] & 15];
        }
        ret_hex[SHA256_HEX_SIZE - 1] = '\0';
}

static int sha256_hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool sha256_parse(struct str hex, struct sha256 *ret)
{
        if (hex.len != SHA256_HEX_SIZE - 1)
                return false;
        for (size_t i = 0; i < SHA256_SIZE; i++) {
                int high = sha256_hex_digit(hex.ptr[2 * i]), low = sha256_hex_digit(hex.ptr[2 * i + 1]);
                if (high < 0 || low < 0)
                        return false;
                ret->bytes[i] = (uint8_t)(high << 4 | low);
        }
        return true;
}

bool sha256_eq(const struct sha256 *a, const struct sha256 *b)
{
        return memcmp(a->bytes, b->bytes, SHA256_SIZE) == 0;
}

void sha256_begin(struct sha256_stream *stream)
{
        pthread_once(&sha256_once, sha256_start);
        stream->context = EVP_MD_CTX_new();
        if (!stream->context || EVP_DigestInit_ex2(stream->context, sha256_algorithm, NULL) != 1)
                sha256_die();
}

void sha256_add(struct sha256_stream *stream, struct str bytes)
{
        if (bytes.len > 0 && EVP_DigestUpdate(stream->context, bytes.ptr, bytes.len) != 1)
                sha256_die();
}

void sha256_end(struct sha256_stream *stream, struct sha256 *ret)
{
        if (ret && EVP_DigestFinal_ex(stream->context, ret->bytes, NULL) != 1)
                sha256_die();
        EVP_MD_CTX_free(stream->context);
        stream->context = NULL;
}

void hmac_sha256(struct str key, struct str bytes, struct sha256 *ret)
{
        enum { BLOCK_SIZE = 64 };
        uint8_t block[BLOCK_SIZE] = {0};
        struct sha256 inner;
        /* Our own, since OpenSSL 3's looks its algorithms up at every call. RFC 2104 section 2:
         * "H(K XOR opad, H(K XOR ipad, text))", K hashed first where it is longer than a block. */
        if (key.len > BLOCK_SIZE) {
                sha256_of(key, &inner);
                memcpy(block, inner.bytes, SHA256_SIZE);
        } else if (key.len > 0) {
                memcpy(block, key.ptr, key.len);
        }
        for (size_t i = 0; i < BLOCK_SIZE; i++)
                block[i] ^= 0x36;
        sha256_of_parts((const struct str[]){str_make(block, BLOCK_SIZE), bytes}, 2, &inner);
        for (size_t i = 0; i < BLOCK_SIZE; i++)
                block[i] ^= 0x36 ^ 0x5c;
        sha256_of_parts((const struct str[]){str_make(block, BLOCK_SIZE), sha256_str(&inner)}, 2, ret);
        secret_wipe(block, sizeof(block));
        secret_wipe(&inner, sizeof(inner));
}

/* RFC 5869 section 2.3: T(n) = HMAC(PRK, T(n - 1) | info | n). */
static bool hkdf_expand(const struct sha256 *prk, struct str info, uint8_t *ret_bytes, size_t len,
                        struct err *err)
{
        struct sha256 block = {0};
        size_t size_max = SHA256_SIZE + info.len + 1;
        uint8_t *input = heap_alloc(size_max);
        if (!input)
                return err_set(err, ERR_NO_MEMORY, "no memory to derive a key");
        uint8_t counter = 0;
        for (size_t done = 0; done < len;) {
                size_t at = 0;
                if (counter > 0) {
                        memcpy(input, block.bytes, SHA256_SIZE);
                        at = SHA256_SIZE;
                }
                if (info.len > 0)
                        memcpy(input + at, info.ptr, info.len);
                at += info.len;
                input[at++] = ++counter;
                hmac_sha256(sha256_str(prk), str_make(input, at), &block);
                size_t take = len - done < SHA256_SIZE ? len - done : SHA256_SIZE;
                memcpy(ret_bytes + done, block.bytes, take);
                done += take;
        }
        secret_wipe(&block, sizeof(block));
        secret_wipe(input, size_max);
        heap_free(input);
        return true;
}

bool hkdf_sha256(struct str secret, struct str salt, struct str info, uint8_t *ret_bytes, size_t len,
                 struct err *err)
{
        if (len > (size_t)255 * SHA256_SIZE)
                return err_set(err, ERR_BAD_PARAMETER, "HKDF gives at most %d bytes, not %zu",
                               255 * SHA256_SIZE, len);
        static const uint8_t zeros[SHA256_SIZE];
        struct sha256 prk;
        hmac_sha256(salt.len > 0 ? salt : str_make(zeros, sizeof(zeros)), secret, &prk);
        bool ok = hkdf_expand(&prk, info, ret_bytes, len, err);
        secret_wipe(&prk, sizeof(prk));
        return ok;
}
