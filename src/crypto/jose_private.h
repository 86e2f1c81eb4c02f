/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as they are used. Private to src/crypto. */
#pragma once

#include "crypto/jose.h"

#include <openssl/evp.h>

struct jose_key {
        EVP_PKEY *public_key; /* or NULL and … */
        uint8_t *secret;      /* … a symmetric one */
        size_t secret_len;
        uint32_t algs; /* what it may be used for; 0: only its kid is known, which then means nothing */
        bool has_kid;
        size_t kid_len;
        char kid[JOSE_KID_MAX];
};

struct jose_keys {
        size_t count;
        struct jose_key keys[];
};

/* The hash of an algorithm. */
const EVP_MD *jose_alg_digest(enum jose_alg alg);
