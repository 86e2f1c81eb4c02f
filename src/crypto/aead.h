/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-GCM (NIST SP 800-38D) with associated data. A nonce must never come
 * twice under one key: random ones allow 2^32 messages a key (section 8.3).
 */
#pragma once

#include "base/arena.h"

enum { AEAD_KEY_SIZE = 32, AEAD_NONCE_SIZE = 12, AEAD_TAG_SIZE = 16 };

/* ret: ciphertext and tag, plain.len + 16 bytes, in the arena. */
bool aead_seal(struct arena *arena, const uint8_t key[AEAD_KEY_SIZE], const uint8_t nonce[AEAD_NONCE_SIZE],
               struct str aad, struct str plain, struct str *ret_sealed, struct err *err) MUST_USE;
/* ret: the plain text in the arena (use a zeroing one for secrets). ERR_BAD_SIGNATURE when altered. */
bool aead_open(struct arena *arena, const uint8_t key[AEAD_KEY_SIZE], const uint8_t nonce[AEAD_NONCE_SIZE],
               struct str aad, struct str sealed, struct str *ret_plain, struct err *err) MUST_USE;
