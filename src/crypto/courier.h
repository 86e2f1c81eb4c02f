/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key's way from one process to another, through a place that others can read:
 * key agreement with key wrapping, as RFC 7518 section 4.6 does it.
 *
 *   ephemeral X25519 public key (32) || the key, wrapped (crypto/key_wrap.h) by
 *   HKDF-SHA256(X25519(ephemeral, receiver), salt: both public keys, info: context)
 *
 * The receiver's key pair lives as long as the process: what was sent cannot be
 * opened later, by whatever was stolen besides. Who may receive is for the caller.
 */
#pragma once

#include "base/arena.h"

struct courier; /* the receiver's key pair, in secret memory */

enum { COURIER_PUBLIC_SIZE = 32 };

bool courier_new(struct courier **ret, struct err *err) MUST_USE;
void courier_free(struct courier *courier);
struct str courier_public(const struct courier *courier);

/* In the arena. BAD_SIGNATURE when `to` is no public key. */
bool courier_seal(struct arena *arena, struct str to, struct str context, struct str key,
                  struct str *ret_sealed, struct err *err) MUST_USE;
/* In the arena: a zeroing one. BAD_SIGNATURE when it was altered, or is for another or in another context.
 */
bool courier_open(struct arena *arena, const struct courier *courier, struct str context, struct str sealed,
                  struct str *ret_key, struct err *err) MUST_USE;
