/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ciphertexts that name their key and belong to one place:
 *
 *   format (1 byte) || key version (uint32, big-endian) || nonce (12) || AES-256-GCM ciphertext and tag
 *
 * The associated data is the format, the version, and a length-prefixed list of
 * the parts that name the row (table, tenant, row id, column), so that nothing
 * sealed can be moved to another row. Who holds which keys is for the caller.
 */
#pragma once

#include "base/arena.h"
#include "crypto/aead.h"

enum sealed_format {
        SEALED_BY_ROOT = 1,   /* crypto/envelope.h */
        SEALED_BY_TENANT = 2, /* keys/tenant_keys.h */
        SEALED_BY_ACTION = 3, /* approvals/content.h */
};

enum { SEALED_HEAD_SIZE = 1 + 4 + AEAD_NONCE_SIZE, SEALED_OVERHEAD = SEALED_HEAD_SIZE + AEAD_TAG_SIZE };

struct sealed_key {
        enum sealed_format format;
        uint32_t version; /* from 1 */
        const uint8_t *bytes;
};

/* Which version sealed it; 0 when it is malformed or of another format. */
uint32_t sealed_version(enum sealed_format format, struct str sealed);

/* In the arena. */
bool sealed_make(struct arena *arena, const struct sealed_key *key, const struct str *row, size_t row_count,
                 struct str secret, struct str *ret_sealed, struct err *err) MUST_USE;
/* In the arena: use a zeroing one. ERR_BAD_SIGNATURE when altered, moved, or by another key. */
bool sealed_open(struct arena *arena, const struct sealed_key *key, const struct str *row, size_t row_count,
                 struct str sealed, struct str *ret_secret, struct err *err) MUST_USE;
