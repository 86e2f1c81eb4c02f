/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4), HMAC (RFC 2104) and HKDF (RFC 5869) with it.
 *
 * These cannot fail for reasons that a caller could handle: when OpenSSL has no
 * SHA-256 or no memory for a digest's state, the process ends. Safe from any thread.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum { SHA256_SIZE = 32, SHA256_HEX_SIZE = 65 /* with the NUL */ };

struct sha256 {
        uint8_t bytes[SHA256_SIZE];
};

static inline struct str sha256_str(const struct sha256 *hash)
{
        return str_make(hash->bytes, SHA256_SIZE);
}

void sha256_of(struct str bytes, struct sha256 *ret);
/* Of the concatenation. */
void sha256_of_parts(const struct str *parts, size_t count, struct sha256 *ret);
/* Lower-case hex of the hash. */
void sha256_format(const struct sha256 *hash, char ret_hex[SHA256_HEX_SIZE]);
/* Exactly 64 lower-case hex digits. */
bool sha256_parse(struct str hex, struct sha256 *ret) MUST_USE;
bool sha256_eq(const struct sha256 *a, const struct sha256 *b);

/* In pieces: sha256_begin, any number of sha256_add, sha256_end once (which frees). */
struct sha256_stream {
        void *context; /* an EVP_MD_CTX */
};
void sha256_begin(struct sha256_stream *stream);
void sha256_add(struct sha256_stream *stream, struct str bytes);
/* `ret` may be NULL to give up. */
void sha256_end(struct sha256_stream *stream, struct sha256 *ret);

void hmac_sha256(struct str key, struct str bytes, struct sha256 *ret);

/* At most 255 * 32 bytes (RFC 5869 section 2.3); false beyond. An empty salt is 32 zero bytes. */
bool hkdf_sha256(struct str secret, struct str salt, struct str info, uint8_t *ret_bytes, size_t len,
                 struct err *err) MUST_USE;
