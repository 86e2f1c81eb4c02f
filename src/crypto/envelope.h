/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelope encryption: secrets at rest are wrapped by the root key, which lives
 * in a key file.
 *
 * A wrapped secret is
 *
 *   0x01 || key version (uint32, big-endian) || nonce (12) || AES-256-GCM ciphertext and tag
 *
 * with associated data: a length-prefixed list of the parts that name the row
 * (table, tenant, row id, column), so that no wrapped secret can be moved to another row.
 *
 * The key file (mode 0600, refused when others may read it) is text:
 *
 *   countersign-root-key v1
 *   current 2 <base64 of 32 bytes>
 *   previous 1 <base64 of 32 bytes>
 *   next 3 <base64 of 32 bytes>
 *   derive 1 <base64 of 32 bytes>
 *
 * When a token or a service protects it (crypto/root_key.h), the first line ends
 * with that provider's name, and the base64 is of what the provider has wrapped.
 *
 * `previous` stands while something is still under it: from envelope_rotate to
 * envelope_retire. `next` opens, and wraps nothing until envelope_promote: by then
 * every node that shares a store must have it. `derive` is what keyed hashes are made with; it is made once
 * and survives every rotation and every change of provider. (A file without it,
 * of an earlier version, derived from its root keys: they become its `derive`.)
 *
 * All functions are safe from any thread.
 */
#pragma once

#include "base/arena.h"

struct envelope;
struct root_key;

/* Opens the file; creates it with a new key, durably, when it does not exist. */
bool envelope_open(const char *path, struct envelope **ret, struct err *err) MUST_USE;
/* The same with what protects the file, which must outlive it; NULL: the file's mode alone. */
bool envelope_open_by(const char *path, struct root_key *root, struct envelope **ret,
                      struct err *err) MUST_USE;
/* Only keys in memory, for tests and benchmarks. */
bool envelope_open_ephemeral(struct envelope **ret, struct err *err) MUST_USE;
void envelope_free(struct envelope *envelope);
static inline void envelope_freep(struct envelope **envelope)
{
        envelope_free(*envelope);
}

/* Writes a new current key into the file; the current becomes the previous. Open again to use it. */
bool envelope_rotate_file(const char *path, struct err *err) MUST_USE;

/*
 * A new current key, durable in the file when it returns; the current one becomes
 * the previous. CONFLICT while there is a previous one: something may be under it.
 */
bool envelope_rotate(struct envelope *envelope, struct err *err) MUST_USE;
/* Nothing is under the previous key any more: it is erased from file and memory. */
bool envelope_retire(struct envelope *envelope, struct err *err) MUST_USE;

/* A new next key, durable when it returns. CONFLICT while there is a previous or a next one. */
bool envelope_stage_new(struct envelope *envelope, struct err *err) MUST_USE;
/* The same with the key that another node has made, 32 bytes; in the place of another next one. */
bool envelope_stage(struct envelope *envelope, uint32_t version, struct str key, struct err *err) MUST_USE;
/* The next one goes; nothing can be under it. Nothing happens when there is none. */
bool envelope_unstage(struct envelope *envelope, struct err *err) MUST_USE;
/* The next one becomes the current, and that the previous. CONFLICT without a next one. */
bool envelope_promote(struct envelope *envelope, struct err *err) MUST_USE;
/* A copy of the next key, to be sent to another node. In the arena: a zeroing one. */
bool envelope_copy_next(const struct envelope *envelope, struct arena *arena, struct str *ret_key,
                        struct err *err) MUST_USE;
/* 0: there is none. */
uint32_t envelope_next_version(const struct envelope *envelope);
/*
 * What tells a key from any other, also from one of the same version: a MAC under
 * it, in hex; "" without such a version. It says nothing of the key.
 */
enum { ENVELOPE_KEY_ID_SIZE = 33 };
void envelope_key_id(const struct envelope *envelope, uint32_t version, char ret[ENVELOPE_KEY_ID_SIZE]);
/*
 * Nothing is wrapped after this time of clock_boot_us: then other nodes may count
 * this one as gone, and may have erased its key. INT64_MAX, as at the start: for ever.
 */
void envelope_lease(struct envelope *envelope, int64_t until_us);

/* 0: there is none. */
uint32_t envelope_previous_version(const struct envelope *envelope);
/* "file", or the name of what protects it. */
const char *envelope_provider(const struct envelope *envelope);

uint32_t envelope_current_version(const struct envelope *envelope);
/* The root key version that wrapped it; 0 when it is malformed. */
uint32_t envelope_version_of(struct str wrapped);
/* Whether a wrapped secret is under the current key (false: wrap it again). */
bool envelope_is_current(const struct envelope *envelope, struct str wrapped);

/* `row` names the place, see above. In the arena. */
bool envelope_wrap(const struct envelope *envelope, struct arena *arena, const struct str *row,
                   size_t row_count, struct str secret, struct str *ret_wrapped, struct err *err) MUST_USE;
/* In the arena: use a zeroing one. ERR_BAD_SIGNATURE when altered, moved, or under an unknown key. */
bool envelope_unwrap(const struct envelope *envelope, struct arena *arena, const struct str *row,
                     size_t row_count, struct str wrapped, struct str *ret_secret, struct err *err) MUST_USE;

/* The derivation secret that new hashes are made with. */
uint32_t envelope_derive_version(const struct envelope *envelope);
/*
 * A key for one purpose ("credential-hash"): HKDF of the derivation secret of this
 * version with `purpose` as info. NOT_FOUND when the file has no such version.
 */
bool envelope_derive(const struct envelope *envelope, uint32_t version, struct str purpose,
                     uint8_t ret_key[32], struct err *err) MUST_USE;
