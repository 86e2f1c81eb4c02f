/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may act: principals, their roles, their API keys and the public keys that
 * they offer for the roster.
 *
 * An API key is `cs_<prefix>_<secret>`: 8 and 52 characters of Crockford's
 * base32. It is shown once; the cell keeps HMAC-SHA-256 of the whole text under
 * a key derived from the root key, and the directory keeps which tenant a
 * prefix belongs to. One-time enrolment tokens (`cse_…`) are made the same way.
 *
 * Authentication itself is in authenticate.h. Keys that were verified stay in a
 * bounded cache; revoking a key or disabling a principal empties it of them as
 * soon as the change is durable.
 */
#pragma once

#include "access/roles.h"
#include "api/principal.h"
#include "base/arena.h"
#include "crypto/sha256.h"
#include "io/fiber.h"
#include "store/store.h"

struct services;
struct identity; /* identity/authenticate.h */

/* ---- secrets ----------------------------------------------------------------------------------- */

enum { CREDENTIAL_PREFIX_SIZE = 9, CREDENTIAL_TEXT_SIZE = 80 };

/* A new secret. `text` is shown once; wipe it afterwards (secret_wipe). */
struct credential {
        char prefix[CREDENTIAL_PREFIX_SIZE];
        char text[CREDENTIAL_TEXT_SIZE];
        struct sha256 hash;
        uint32_t hash_version; /* of the root key */
};

/* `kind`: "cs" or "cse"; sessions have tokens of their own (identity/sessions.h). */
bool credential_new(const struct services *services, const char *kind, struct credential *ret,
                    struct err *err) MUST_USE;
/* The prefix within a credential of the kind; false when malformed. */
bool credential_prefix(struct str text, const char *kind, struct str *ret_prefix) MUST_USE;
/* The keyed hash of a whole credential, under the root key of that version. */
bool credential_hash(const struct services *services, struct str text, uint32_t version, struct sha256 *ret,
                     struct err *err) MUST_USE;
/* In constant time. */
bool credential_matches(const struct services *services, struct str text, struct str hash,
                        int64_t hash_version);

/* In a transaction on the directory: whose prefix it is. STORE_CONFLICT when it is taken. */
bool credential_announce(struct tx *tx, const struct credential *credential, const char *kind,
                         struct str tenant, struct str region, int64_t now_ms, struct err *err) MUST_USE;
/* The same by itself; makes another secret while the prefix is taken. */
FIBER_FN bool credential_create(const struct services *services, const char *kind,
                                const struct cell_ref *cell, struct credential *ret,
                                struct err *err) MUST_USE;
/* Finds the cell of a credential. *ret_found false when nobody has it. */
FIBER_FN bool credential_find_cell(const struct services *services, struct arena *arena, struct str prefix,
                                   const char *kind, struct cell_ref *ret, bool *ret_found,
                                   struct err *err) MUST_USE;

/* ---- principals and keys, inside a transaction on a cell ----------------------------------------- */

struct agent_limits;

struct identity_principal {
        struct str id;
        enum principal_kind kind;
        struct str name;
        uint32_t roles;         /* to be bound at its creation: bits of enum role */
        struct str created_by;  /* a principal's id; {NULL, 0}: the program */
        struct str *role_names; /* what it holds by bindings of its own; filled when it was read or made */
        size_t role_count;
        struct str workspace; /* the only one it may act in; {NULL, 0}: any */
        bool disabled;
        int64_t created_ms;
        /* To be made with it, when it is an agent; NULL: as agents/agents.h says. */
        const struct agent_limits *agent;
};

/* Fills id (unless it is given), created_ms, role_names. The name need not be unique. */
bool identity_principal_create(struct tx *tx, struct identity_principal *principal, int64_t now_ms,
                               struct err *err) MUST_USE;
/* NOT_FOUND. */
bool identity_principal_get(struct tx *tx, struct str id, struct identity_principal *ret,
                            struct err *err) MUST_USE;
/* NOT_FOUND. Disabling again changes nothing. Its keys stop at once. */
bool identity_principal_disable(const struct services *services, struct tx *tx, struct str id,
                                int64_t now_ms, struct err *err) MUST_USE;

struct identity_key {
        struct str id;
        struct str principal;
        struct str prefix;
        struct str name;
        int64_t created_ms;
        bool has_expires;
        int64_t expires_ms;
        bool has_revoked;
        int64_t revoked_ms;
        struct str scopes;   /* names of permissions, blanks between; {NULL, 0}: no limit */
        struct str replaces; /* the key whose successor it is; {NULL, 0}: none */
};

/* For an existing, enabled principal. Fills id, prefix, created_ms. */
bool identity_key_create(struct tx *tx, const struct credential *credential, struct identity_key *key,
                         int64_t now_ms, struct err *err) MUST_USE;
/*
 * Whether a caller who was let in earlier would still be: the key neither revoked nor expired, the
 * principal not disabled. For what goes on after the request began; the tx is of the caller's tenant.
 */
bool identity_still_stands(struct tx *tx, const struct principal *caller, int64_t now_ms, bool *ret,
                           struct err *err) MUST_USE;
/*
 * A successor with the same name, scopes and lifetime, counted from now; the key itself holds for
 * overlap_ms more. Fills *ret_key. NOT_FOUND; CONFLICT: it is revoked or has expired.
 */
bool identity_key_rotate(const struct services *services, struct tx *tx, const struct credential *credential,
                         struct str principal, struct str id, int64_t overlap_ms, int64_t now_ms,
                         struct identity_key *ret_key, struct err *err) MUST_USE;
/* NOT_FOUND; revoking again changes nothing. The tokens that it gave end with it. */
bool identity_key_revoke(const struct services *services, struct tx *tx, struct str principal, struct str id,
                         int64_t now_ms, struct err *err) MUST_USE;
