/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/sealed.h"
#include "base/buf.h"
#include "base/clock.h"

enum { SEALED_ROW_MAX = 4096 };

uint32_t sealed_version(enum sealed_format format, struct str sealed)
{
        const unsigned char *bytes = (const unsigned char *)sealed.ptr;
        if (sealed.len < SEALED_OVERHEAD || bytes[0] != (unsigned char)format)
                return 0;
        return (uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 8 | bytes[4];
}

/* The head without the nonce, then each part with its length: no two rows collide. */
static bool sealed_aad(struct buf *aad, const struct sealed_key *key, const struct str *row,
                       size_t row_count, struct err *err)
{
        buf_append_char(aad, (char)key->format);
        for (int shift = 24; shift >= 0; shift -= 8)
                buf_append_char(aad, (char)(key->version >> shift & 255));
        for (size_t i = 0; i < row_count; i++) {
                buf_append_u64(aad, row[i].len);
                buf_append_char(aad, ':');
                buf_append_str(aad, row[i]);
        }
        return buf_check(aad, "the name of a row with a secret", err);
}

bool sealed_make(struct arena *arena, const struct sealed_key *key, const struct str *row, size_t row_count,
                 struct str secret, struct str *ret_sealed, struct err *err)
{
        BUF_SCOPED aad;
        buf_init(&aad, SEALED_ROW_MAX);
        uint8_t head[SEALED_HEAD_SIZE] = {(uint8_t)key->format, (uint8_t)(key->version >> 24),
                                          (uint8_t)(key->version >> 16), (uint8_t)(key->version >> 8),
                                          (uint8_t)key->version};
        random_bytes(head + 5, AEAD_NONCE_SIZE);
        struct str sealed;
        if (!sealed_aad(&aad, key, row, row_count, err) ||
            !aead_seal(arena, key->bytes, head + 5, buf_str(&aad), secret, &sealed, err))
                return false;
        char *whole = arena_alloc_bytes(arena, sizeof(head) + sealed.len);
        if (!whole)
                return arena_check(arena, err);
        memcpy(whole, head, sizeof(head));
        memcpy(whole + sizeof(head), sealed.ptr, sealed.len);
        *ret_sealed = str_make(whole, sizeof(head) + sealed.len);
        return true;
}

bool sealed_open(struct arena *arena, const struct sealed_key *key, const struct str *row, size_t row_count,
                 struct str sealed, struct str *ret_secret, struct err *err)
{
        BUF_SCOPED aad;
        buf_init(&aad, SEALED_ROW_MAX);
        if (sealed_version(key->format, sealed) != key->version || key->version == 0)
                return err_set(err, ERR_BAD_SIGNATURE,
                               "a sealed value of %zu bytes is malformed or by another key", sealed.len);
        return sealed_aad(&aad, key, row, row_count, err) &&
               aead_open(arena, key->bytes, (const uint8_t *)sealed.ptr + 5, buf_str(&aad),
                         str_slice(sealed, SEALED_HEAD_SIZE, sealed.len), ret_secret, err);
}
