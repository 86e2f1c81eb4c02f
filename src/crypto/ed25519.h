/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 (RFC 8032 section 5.1), with raw 32-byte seeds and public keys.
 *
 * A key's id everywhere in Countersign (DSSE keyid, rosters, the API) is the
 * lower-case hex SHA-256 of its 32 raw public bytes.
 *
 * A struct ed25519_key may be used by several threads at once.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

enum {
        ED25519_SEED_SIZE = 32,
        ED25519_PUBLIC_SIZE = 32,
        ED25519_SIGNATURE_SIZE = 64,
        ED25519_KEY_ID_SIZE = 65, /* with the NUL */
};

struct ed25519_public {
        uint8_t bytes[ED25519_PUBLIC_SIZE];
};

struct ed25519_signature {
        uint8_t bytes[ED25519_SIGNATURE_SIZE];
};

static inline struct str ed25519_public_str(const struct ed25519_public *public_key)
{
        return str_make(public_key->bytes, ED25519_PUBLIC_SIZE);
}

static inline struct str ed25519_signature_str(const struct ed25519_signature *signature)
{
        return str_make(signature->bytes, ED25519_SIGNATURE_SIZE);
}

/* A private key. */
struct ed25519_key;

/* Fills a seed from the system's randomness. The caller wipes it (secret_wipe). */
void ed25519_seed_new(uint8_t ret_seed[ED25519_SEED_SIZE]);
/* The seed is not kept by us (OpenSSL keeps the key, wiped at free). */
bool ed25519_key_from_seed(const uint8_t seed[ED25519_SEED_SIZE], struct ed25519_key **ret,
                           struct err *err) MUST_USE;
void ed25519_key_free(struct ed25519_key *key);
static inline void ed25519_key_freep(struct ed25519_key **key)
{
        ed25519_key_free(*key);
}

const struct ed25519_public *ed25519_key_public(const struct ed25519_key *key);

bool ed25519_sign(const struct ed25519_key *key, struct str message, struct ed25519_signature *ret,
                  struct err *err) MUST_USE;

/* ERR_BAD_SIGNATURE when the signature is not 64 bytes or does not fit. */
bool ed25519_verify(const struct ed25519_public *public_key, struct str message, struct str signature,
                    struct err *err) MUST_USE;

/* From raw bytes; false unless there are 32, and for a key of small order, under which anybody can sign. */
bool ed25519_public_from(struct str bytes, struct ed25519_public *ret) MUST_USE;
bool ed25519_public_eq(const struct ed25519_public *a, const struct ed25519_public *b);
void ed25519_key_id(const struct ed25519_public *public_key, char ret_id[ED25519_KEY_ID_SIZE]);
