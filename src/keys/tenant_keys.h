/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tenant's own keys. A tenant has, in each of its cells, a key that seals
 * what must not be read at rest; the root key wraps it (crypto/envelope.h), and
 * the wrapped key lies in the cell. So erasing the row erases all that it seals.
 *
 *   0x02 || key version (uint32, big-endian) || nonce (12) || AES-256-GCM ciphertext and tag
 *
 * The associated data names tenant, region and the caller's row (crypto/sealed.h).
 * A tenant's first key is made when it first seals something.
 *
 * Unwrapped keys are remembered in locked memory that core dumps leave out;
 * there is room for TENANT_KEYS_CACHED, the rest is unwrapped again when needed.
 * All functions are safe from any thread.
 */
#pragma once

#include "base/arena.h"
#include "store/store.h"

struct envelope;
struct tenant_keys;

enum { TENANT_KEYS_CACHED = 1024 };

/* The envelope must outlive it. Hand it to the store with store_set_keys. */
bool tenant_keys_new(struct envelope *envelope, struct tenant_keys **ret, struct err *err) MUST_USE;
/* After the store is closed. NULL is fine. */
void tenant_keys_free(struct tenant_keys *keys);
/* Forgets the unwrapped keys of a tenant, in every region: it is suspended or erased. */
void tenant_keys_forget(struct tenant_keys *keys, struct str tenant);
/* How many unwrapped keys are held now. */
size_t tenant_keys_count(struct tenant_keys *keys);

/*
 * Seals under the tenant's newest key. `row` names the place: table, id, column;
 * whoever opens must name the same. In tx_arena(tx). A transaction that only
 * reads cannot make the first key: INTERNAL.
 */
bool tenant_key_seal(struct tx *tx, const struct str *row, size_t row_count, struct str secret,
                     struct str *ret_sealed, struct err *err) MUST_USE;
/*
 * Opens what any version of the tenant's key has sealed. In `arena`: use a zeroing
 * one for secrets. BAD_SIGNATURE when it was altered or moved, or its key is gone.
 */
bool tenant_key_open(struct tx *tx, struct arena *arena, const struct str *row, size_t row_count,
                     struct str sealed, struct str *ret_secret, struct err *err) MUST_USE;

/*
 * For the rotation of the root key: wraps anew up to `most` of the cell's keys that
 * are not under its current version. What is remembered of them stays good.
 */
bool tenant_keys_rewrap(struct tx *tx, const struct envelope *envelope, int64_t most, int64_t *ret_changed,
                        struct err *err) MUST_USE;
