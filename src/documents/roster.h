/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The roster: whose signatures count (docs/protocol.md, "Roster"). A chain of
 * versions, each signed by enough administrators of the one before; the first
 * by enough of its own.
 *
 * All strings are views; those of a parsed roster point into the arena.
 */
#pragma once

#include "base/arena.h"
#include "crypto/dsse.h"
#include "crypto/webauthn.h"

#define ROSTER_FORMAT "countersign/roster/v1"
#define ROSTER_PAYLOAD_TYPE "application/vnd.countersign.roster.v1+json"

enum {
        ROSTER_MEMBERS_MAX = 256,
        ROSTER_KEYS_MAX = 8, /* of one member */
        ROSTER_MAX_BYTES = 512 * 1024,
};

enum roster_key_type {
        ROSTER_KEY_ED25519,
        ROSTER_KEY_WEBAUTHN, /* a passkey or security key: signs by assertions */
};

struct roster_key {
        enum roster_key_type type;
        struct ed25519_public public_key; /* ED25519 */
        struct str cose;                  /* WEBAUTHN: the COSE_Key, */
        struct str rp_id;                 /* for whom its authenticator signs, */
        unsigned origin_count;            /* and on whose pages: in order, each once */
        struct str origins[WEBAUTHN_ORIGINS_MAX];
        char keyid[SHA256_HEX_SIZE]; /* of the raw public key or the COSE_Key; filled by roster_parse */
};

struct roster_member {
        struct str principal;
        struct str name;
        bool administrator;
        bool approver;
        unsigned key_count;
        struct roster_key *keys;
};

struct roster {
        struct str tenant;
        int64_t version;
        struct str previous; /* 64 hex digits; empty in version 1 */
        unsigned threshold;
        unsigned member_count;
        struct roster_member *members; /* ordered by principal */
        int64_t created_ms;
        struct str digest; /* SHA-256 of the bytes, 64 hex digits; filled by roster_parse */
};

/* Version 1's or the next version's bytes, RFC 8785. Members are put in order. BAD_FIELD if it cannot stand.
 */
bool roster_build(struct arena *arena, const struct roster *roster, struct str *ret_bytes,
                  struct err *err) MUST_USE;

/*
 * BAD_ENVELOPE, with the place, for anything but the canonical form of a
 * roster that can stand by itself: distinct principals, distinct keys, a
 * threshold that its administrators with keys can meet.
 */
bool roster_parse(struct arena *arena, struct str bytes, struct roster *ret, struct err *err) MUST_USE;

/*
 * Verifies the signatures, then parses. `standing` is the version before, or
 * NULL for version 1, which its own administrators sign. A signature that does
 * not verify, or is by nobody who may sign, refuses the whole. Errors:
 * BAD_ENVELOPE, BAD_SIGNATURE, NOT_ON_ROSTER, ROSTER_CONFLICT (not the
 * successor of `standing`).
 */
bool roster_accept(struct arena *arena, const struct roster *standing, struct str tenant,
                   const struct dsse_envelope *envelope, struct roster *ret, struct err *err) MUST_USE;

/* Follows a chain from `standing` (NULL: from nothing) to its last version. Needs at least one envelope. */
bool roster_follow(struct arena *arena, const struct roster *standing, struct str tenant,
                   const struct dsse_envelope *envelopes, size_t count, struct roster *ret,
                   struct err *err) MUST_USE;

/*
 * Whether the signature is by this key over the envelope's type and bytes:
 * dsse_verify, or a WebAuthn assertion whose challenge is dsse_challenge(), made
 * for the key's RP id on one of its origins, with the user present and
 * verified. BAD_SIGNATURE. The sign counter is not looked at: a statement runs
 * once, and there is nothing that a second assertion over it could do.
 */
bool roster_key_verify(const struct roster_key *key, const struct dsse_envelope *envelope,
                       const struct dsse_signature *signature, struct err *err) MUST_USE;

/* NULL when the roster does not name it. */
const struct roster_member *roster_find(const struct roster *roster, struct str principal);
const struct roster_member *roster_find_key(const struct roster *roster, struct str keyid,
                                            const struct roster_key **ret_key);
