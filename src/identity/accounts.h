/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared realm: local accounts. An account belongs to a principal (a user)
 * of a tenant and has a login name, unique in the tenant after case folding, and
 * a password (passwords.h), which is kept sealed under the tenant's key.
 *
 * Passwords are set by one-time links, `csl_<prefix>_<secret>`, which an
 * administrator makes and hands over: nobody knows another person's password.
 * The first start makes such a link for the first administrator. A link holds
 * for a while, works once, and a newer one makes it worth nothing.
 *
 * Functions over a transaction know no HTTP. Second factors: factors.h.
 */
#pragma once

#include "base/arena.h"
#include "crypto/webauthn.h"
#include "identity/identity.h"
#include "identity/passwords.h"
#include "store/store.h"

/* What the process keeps for log-ins; services.accounts. */
struct accounts {
        struct passwords *passwords;
        enum webauthn_attestation attestation;
        int64_t link_ms; /* how long a link holds */
};

struct accounts_config {
        struct passwords_config passwords;
        enum webauthn_attestation attestation;
        int64_t link_ms;
};
bool accounts_start(const struct accounts_config *config, struct accounts **ret, struct err *err) MUST_USE;
/* NULL is fine. */
void accounts_stop(struct accounts *accounts);

#define LINK_KIND "csl"

struct account {
        struct str principal;
        struct str name;  /* the principal's */
        struct str login; /* {NULL, 0}: not chosen yet */
        bool has_password;
        int64_t created_ms;
        int64_t password_ms;
        bool disabled; /* the account, or its principal */
};

/* ---- in a transaction on the tenant's home cell ---------------------------------------------------- */

/* NOT_FOUND. */
bool account_get(struct tx *tx, struct str principal, struct account *ret, struct err *err) MUST_USE;
/*
 * For a user that has none yet. `login` {NULL, 0}: the person chooses it with the
 * link. NOT_FOUND, CONFLICT (not a person, or disabled), ALREADY_EXISTS.
 */
bool account_create(struct tx *tx, struct str principal, struct str login, int64_t now_ms,
                    struct account *ret, struct err *err) MUST_USE;
/* Disabling ends the account's sessions; its API keys are the principal's and go on. NOT_FOUND. */
bool account_set_disabled(const struct services *services, struct tx *tx, struct str principal,
                          bool disabled, int64_t now_ms, struct err *err) MUST_USE;

/* Keeps a new link (credential_new with LINK_KIND); earlier ones are worth nothing then. NOT_FOUND. */
bool account_link_keep(struct tx *tx, const struct credential *link, struct str principal, int64_t now_ms,
                       int64_t expires_ms, struct err *err) MUST_USE;
/* Whose link it is, while it holds. UNAUTHENTICATED, always in the same words. */
bool account_link_find(const struct services *services, struct tx *tx, struct str link, int64_t now_ms,
                       struct account *ret, struct err *err) MUST_USE;
/*
 * Uses the link: sets login (where there is none) and password, and ends the
 * person's sessions. `encoded` is from passwords_hash. UNAUTHENTICATED,
 * ALREADY_EXISTS (the login name is taken).
 */
bool account_link_use(const struct services *services, struct tx *tx, struct str link, struct str login,
                      struct str encoded, int64_t now_ms, struct account *ret, struct err *err) MUST_USE;

/* Sets a password that the person has changed; ends their sessions but `session`. */
bool account_put_password(const struct services *services, struct tx *tx, struct str principal,
                          struct str session, struct str encoded, int64_t now_ms, struct err *err) MUST_USE;
/* The same password in its newer form, unless it was changed meanwhile. */
bool account_renew_password(struct tx *tx, struct str principal, struct str encoded, int64_t password_ms,
                            struct err *err) MUST_USE;

/* For a log-in: *ret_found false when nobody has the name. `ret_encoded` lives in the zeroing arena; empty:
 * none. */
bool account_find_password(struct tx *tx, struct arena *secrets, struct str login_folded,
                           struct account *ret, struct str *ret_encoded, bool *ret_found,
                           struct err *err) MUST_USE;
bool account_password(struct tx *tx, struct arena *secrets, struct str principal, struct str *ret_encoded,
                      struct err *err) MUST_USE;

/*
 * At the first start: an account without a login name for the first
 * administrator, and its link. Blocks.
 */
BLOCKING_FN bool account_first(const struct services *services, const struct cell_ref *cell,
                               struct str principal, int64_t now_ms, struct credential *ret_link,
                               struct err *err) MUST_USE;

/* ---- text that we gave out and that comes back ------------------------------------------------------ */

/*
 * "<version>.<text>.<keyed hash>", for cookies and hidden fields. `purpose` binds
 * it to one use. Nothing in it is secret. False when it is not ours.
 */
bool signed_text_make(const struct services *services, struct arena *arena, const char *purpose,
                      struct str text, struct str *ret, struct err *err) MUST_USE;
bool signed_text_read(const struct services *services, struct arena *arena, const char *purpose,
                      struct str signed_text, struct str *ret_text) MUST_USE;
