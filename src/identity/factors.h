/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second factors of local accounts, and passkeys: one-time passwords (totp.h),
 * recovery codes, WebAuthn (crypto/webauthn.h). All in a transaction on the
 * tenant's home cell.
 *
 * A seed is sealed under the tenant's key. Recovery codes are ten times 80 random
 * bits, shown once, kept as a keyed hash, each good for one use. Challenges of
 * WebAuthn are made without a write: signed, bound to purpose, tenant and person
 * or browser, short-lived; whoever answers one uses it up.
 */
#pragma once

#include "identity/accounts.h"

enum {
        RECOVERY_CODES = 10,
        RECOVERY_CODE_SIZE = 20, /* xxxx-xxxx-xxxx-xxxx and the NUL */
        PASSKEYS_MAX = 20,
        CHALLENGE_SIZE = 32,
};
#define CHALLENGE_MS ((int64_t)300000) /* WebAuthn section 15.1 recommends 5 minutes */

struct factors {
        bool totp; /* confirmed */
        int64_t totp_ms;
        int64_t recovery_codes; /* left */
        size_t passkeys;
};

bool factors_get(struct tx *tx, struct str principal, struct factors *ret, struct err *err) MUST_USE;
/* Whether a log-in with the password asks for more. */
static inline bool factors_are_set(const struct factors *factors)
{
        return factors->totp || factors->passkeys > 0;
}
/* All of them; for who has lost theirs. *ret_count: how many were there. */
bool factors_reset(struct tx *tx, struct str principal, int64_t *ret_count, struct err *err) MUST_USE;

/* A new seed, not yet confirmed. CONFLICT when a confirmed one is there. */
bool totp_begin(struct tx *tx, struct str principal, int64_t now_ms, uint8_t ret_seed[20],
                struct err *err) MUST_USE;
/* The seed that waits to be confirmed; *ret_found false when there is none. Wipe it. */
bool totp_pending(struct tx *tx, struct str principal, uint8_t ret_seed[20], bool *ret_found,
                  struct err *err) MUST_USE;
/* Uses a code; the first one confirms the seed. UNAUTHENTICATED when it is wrong, used, or there is no seed.
 */
bool totp_use(struct tx *tx, struct str principal, struct str code, bool confirmed, int64_t now_ms,
              struct err *err) MUST_USE;

/* Ten new ones instead of all there were. */
bool recovery_make(const struct services *services, struct tx *tx, struct str principal, int64_t now_ms,
                   char ret_codes[RECOVERY_CODES][RECOVERY_CODE_SIZE], struct err *err) MUST_USE;
/* *ret_used false when it is none that is left. Dashes, blanks and case do not matter. */
bool recovery_use(const struct services *services, struct tx *tx, struct str principal, struct str code,
                  int64_t now_ms, bool *ret_used, struct err *err) MUST_USE;

/* ---- passkeys ------------------------------------------------------------------------------------- */

struct passkey {
        struct str id; /* pky_… */
        struct str principal;
        struct str name;
        struct str credential_id;
        struct str public_key; /* COSE_Key */
        struct str keyid;
        struct str rp_id, origin;
        int64_t sign_count;
        int64_t created_ms;
        bool has_used;
        int64_t used_ms;
};

/* The relying party that this server is, from services.url. */
struct str webauthn_rp_id(const struct services *services);

/* In tx_arena(tx); at most PASSKEYS_MAX. */
bool passkey_read_all(struct tx *tx, struct str principal, struct passkey **ret, size_t *ret_count,
                      struct err *err) MUST_USE;

/* A challenge for `purpose` ("login", "register"), and the text that must come back with its answer. */
struct challenge {
        uint8_t bytes[CHALLENGE_SIZE];
        struct str text;
};
bool challenge_make(const struct services *services, struct arena *arena, const char *purpose,
                    struct str tenant, struct str whose, int64_t now_ms, struct challenge *ret,
                    struct err *err) MUST_USE;
/* Reads the text and uses the challenge up. FORBIDDEN: not ours, another's, too old, used. */
bool challenge_use(const struct services *services, struct tx *tx, const char *purpose, struct str tenant,
                   struct str whose, struct str text, int64_t now_ms, struct str *ret_challenge,
                   struct err *err) MUST_USE;

/* Verifies and keeps a new passkey. BAD_SIGNATURE, LIMIT_REACHED, ALREADY_EXISTS. */
bool passkey_register(const struct services *services, struct tx *tx, struct str principal, struct str name,
                      struct str challenge, struct str attestation_object, struct str client_data,
                      int64_t now_ms, struct passkey *ret, struct err *err) MUST_USE;

/*
 * A passkey signed something else than a log-in: notes the counter. One that is not
 * registered here, which a roster may name as well, passes. BAD_SIGNATURE when the
 * counter has not grown.
 */
bool passkey_note_use(struct tx *tx, struct str principal, struct str keyid, uint32_t sign_count,
                      int64_t now_ms, struct err *err) MUST_USE;

struct passkey_answer {
        struct str credential_id;
        struct str authenticator_data;
        struct str client_data;
        struct str signature;
        struct str user_handle; /* empty: not given */
};

/*
 * Whose passkey has answered the challenge; notes the counter. `principal` {NULL, 0}:
 * anybody's, with user verification (a log-in without a password, which must
 * name its user handle); else that person's, where presence is enough.
 * UNAUTHENTICATED, in one sentence, whatever was wrong.
 */
bool passkey_use(const struct services *services, struct tx *tx, struct str principal, struct str challenge,
                 const struct passkey_answer *answer, int64_t now_ms, struct passkey *ret,
                 struct err *err) MUST_USE;
