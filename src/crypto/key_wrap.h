/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES Key Wrap with Padding (RFC 5649, NIST SP 800-38F section 6.3, "KWP"): one key
 * under another, for transport. It needs no nonce, and the same key wrapped twice is
 * the same text: for keys, which are random, and not for data (crypto/aead.h).
 */
#pragma once

#include "base/arena.h"

enum { KEY_WRAP_OVERHEAD = 8, KEY_WRAP_MAX_BYTES = 4096 };

/*
 * `kek`: 16, 24 or 32 bytes. `key`: 1 to KEY_WRAP_MAX_BYTES. ret: as many bytes,
 * filled up to a multiple of 8, and 8 more; in the arena.
 */
bool key_wrap(struct arena *arena, struct str kek, struct str key, struct str *ret_wrapped,
              struct err *err) MUST_USE;
/* In the arena: use a zeroing one. BAD_SIGNATURE when it was altered or is by another key. */
bool key_unwrap(struct arena *arena, struct str kek, struct str wrapped, struct str *ret_key,
                struct err *err) MUST_USE;
