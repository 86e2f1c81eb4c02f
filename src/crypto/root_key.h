/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who protects the root key file: a key that is somewhere else, in a token
 * (keys/root_pkcs11.h) or a service (keys/root_vault.h). It is asked when the
 * server starts and when the root key is rotated, never while a request waits:
 * the keys of the file, once unwrapped, are in locked memory. Without one, the
 * file holds the keys themselves and its mode protects them (crypto/envelope.h).
 *
 * Calls block. One thread at a time.
 */
#pragma once

#include "base/arena.h"

struct root_key;

struct root_key_ops {
        const char *name; /* "pkcs11", "vault": stands in the file's first line */
        /* ret: text or bytes that unwrap understands; it names the protecting key's version itself. */
        bool (*wrap)(struct root_key *root, struct arena *arena, struct str key, struct str *ret_wrapped,
                     struct err *err);
        /* In the arena: a zeroing one. BAD_SIGNATURE when it was altered or is by another key. */
        bool (*unwrap)(struct root_key *root, struct arena *arena, struct str wrapped, struct str *ret_key,
                       struct err *err);
        void (*free)(struct root_key *root);
};

/* Leads the provider's own struct. */
struct root_key {
        const struct root_key_ops *ops;
};

static inline void root_key_free(struct root_key *root)
{
        if (root)
                root->ops->free(root);
}
