/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 (RFC 4648 section 4), base64url without padding (section 5), hex.
 * Decoding is strict: canonical bits, exact padding, no white space.
 */
#pragma once

#include "base/buf.h"

void base64_append(struct buf *buf, struct str bytes);
void base64url_append(struct buf *buf, struct str bytes);
void hex_append(struct buf *buf, struct str bytes);

struct str base64_encode(struct arena *arena, struct str bytes);
struct str base64url_encode(struct arena *arena, struct str bytes);
struct str hex_encode(struct arena *arena, struct str bytes);

/* False when malformed or when the arena is full. The empty text gives no bytes. */
bool base64_decode(struct arena *arena, struct str text, struct str *ret_bytes) MUST_USE;
/* The same for a text of exactly so many bytes; what they are after false is not said. */
bool base64_decode_to(struct str text, void *ret_bytes, size_t size_bytes) MUST_USE;
bool base64url_decode(struct arena *arena, struct str text, struct str *ret_bytes) MUST_USE;
/* Lower or upper case. */
bool hex_decode(struct arena *arena, struct str text, struct str *ret_bytes) MUST_USE;
