/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DSSE envelopes (https://github.com/secure-systems-lab/dsse, protocol 1.0.2):
 * any number of signatures over PAE(payloadType, payload).
 *
 *   {"payload":"…base64…","payloadType":"…","signatures":[{"keyid":"…","sig":"…base64…"}]}
 *
 * We write that form without white space. We read it strictly: an object with
 * those three members and no others, standard base64 with padding, at least one
 * and at most DSSE_SIGNATURES_MAX signatures, each with a keyid (which we
 * require, see ed25519_key_id) that stands there once. Verify first, then parse the payload.
 *
 * A signature by a passkey has two members more, "authenticatorData" and
 * "clientDataJSON" (base64): a WebAuthn assertion whose challenge is
 * dsse_challenge(). DSSE lets a signature have members that a reader does not
 * know; such a reader cannot verify this one, and must not count it.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "crypto/ed25519.h"
#include "crypto/sha256.h"

enum { DSSE_SIGNATURES_MAX = 64, DSSE_PAYLOAD_TYPE_MAX = 255 };

struct dsse_signature {
        struct str key_id;                          /* text; not trusted, it only says which key to try */
        struct str signature;                       /* raw bytes */
        struct str authenticator_data, client_data; /* both, raw, of a WebAuthn assertion; or neither */
};

static inline bool dsse_is_assertion(const struct dsse_signature *signature)
{
        return signature->authenticator_data.ptr != NULL || signature->client_data.ptr != NULL;
}

struct dsse_envelope {
        struct str payload_type;
        struct str payload; /* raw bytes */
        const struct dsse_signature *signatures;
        size_t count;
};

/* "DSSEv1" SP LEN(type) SP type SP LEN(payload) SP payload: the bytes that are signed. */
void dsse_append_pae(struct buf *buf, struct str payload_type, struct str payload);

/* SHA-256 of these bytes: what a passkey signs in their stead. Another type is another challenge. */
void dsse_challenge(struct str payload_type, struct str payload, struct sha256 *ret);

/* All of it lives in the arena. ERR_BAD_ENVELOPE with the place. */
bool dsse_parse(struct arena *arena, struct str text, struct dsse_envelope *ret, struct err *err) MUST_USE;

/*
 * The same of a tree that was parsed already, such as a member of a larger
 * document. `least` is how few signatures it may have: 0 lets an unsigned
 * statement pass, which only an action without a requirement has.
 */
bool dsse_read(struct arena *arena, const struct json *envelope, size_t least, struct dsse_envelope *ret,
               struct err *err) MUST_USE;

struct json_writer;
/* One signature as a JSON object. */
void dsse_append_signature(struct json_writer *w, const struct dsse_signature *signature);
void dsse_append(struct buf *buf, const struct dsse_envelope *envelope);

/* Signs; key id and signature live in the arena. */
bool dsse_sign(struct arena *arena, const struct ed25519_key *key, struct str payload_type,
               struct str payload, struct dsse_signature *ret, struct err *err) MUST_USE;

/*
 * Whether `signature` is by this key over the envelope's type and payload.
 * ERR_BAD_SIGNATURE otherwise, also when its keyid is another key's, or it comes
 * with an assertion's members, which no Ed25519 signature covers.
 */
bool dsse_verify(const struct dsse_envelope *envelope, const struct dsse_signature *signature,
                 const struct ed25519_public *public_key, struct err *err) MUST_USE;
