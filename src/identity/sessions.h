/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: who is logged in, until when, and how they proved who they are. One
 * table for browsers, command lines and the short-lived tokens of services and
 * agents, in the tenant's home cell.
 *
 * A session's token is `css_<tenant>_<prefix>_<secret>`: the tenant's id without
 * "ten_", 8 and 52 characters of Crockford's base32 (256 random bits). It is
 * given out once, as the cookie `__Host-countersign` or as a bearer token; the
 * cell keeps HMAC-SHA-256 of it, as for API keys.
 *
 * A session ends at `expires_ms` at the latest, earlier when it rests for longer
 * than `idle_ms`, and at once (on all nodes within 100 ms) when it is revoked or
 * its principal disabled. The last use is written at most once in
 * SESSION_SEEN_EVERY_MS, so a rest may be counted as that much longer than it was.
 *
 * How log-in pages use this (the forms are those of identity/pages.h):
 *
 *   password right   session_create(), then session_reply_cookie(), then page_redirect()
 *   second factor    session_second_factor() with a new secret, session_reply_cookie()
 *   log out          session_revoke(), session_reply_no_cookie()
 */
#pragma once

#include "api/request.h"
#include "crypto/sha256.h"
#include "store/store.h"

enum session_kind { SESSION_BROWSER, SESSION_CLI, SESSION_SERVICE, SESSION_AGENT };

/* css_, tenant, prefix, secret, and the NUL. */
enum { SESSION_TEXT_SIZE = 4 + 26 + 1 + 8 + 1 + 52 + 1 };
/* The realm of tokens that programs get by an API key, whose id is then the provider's session. */
#define SESSION_REALM_KEY "key"
#define SESSION_SEEN_EVERY_MS ((int64_t)60000)

/* How long sessions last; from the configuration, in services. */
struct session_times {
        int64_t browser_idle_ms;
        int64_t browser_ms;
        int64_t cli_ms;
        int64_t token_ms; /* of services and agents */
        int64_t key_ms;   /* API keys made without an end of their own; 0: for ever */
};
#define SESSION_TIMES_DEFAULT                                                                               \
        ((struct session_times){.browser_idle_ms = 30 * 60000,                                              \
                                .browser_ms = 12 * 3600000,                                                 \
                                .cli_ms = 12 * 3600000,                                                     \
                                .token_ms = 10 * 60000})

struct session_new {
        struct str principal; /* its id; enabled */
        enum session_kind kind;
        struct str realm;            /* "local", or the realm's id */
        struct str methods;          /* RFC 8176 "amr" values, blanks between: "pwd otp" */
        int64_t authenticated_ms;    /* 0: now */
        int64_t second_factor_ms;    /* 0: none was shown */
        struct str provider_session; /* the identity provider's "sid"; {NULL, 0}: none */
        struct str scopes;           /* names of permissions, blanks between; {NULL, 0}: no limit */
        struct str workspace;        /* the only one it reaches; {NULL, 0}: any */
        struct str agent_scope;      /* "read_only", …; {NULL, 0}: none */
        struct str risk_tier;        /* {NULL, 0}: none */
        /* The session in which the person allowed this one, which must still stand; {NULL, 0}: none did. */
        struct str allowed_in;
        int64_t lifetime_ms; /* 0, or longer than the kind's: as the configuration says for the kind */
};

/* What the client gets; wipe it afterwards (secret_wipe). */
struct session_secret {
        struct id id; /* ses_… */
        char text[SESSION_TEXT_SIZE];
        int64_t expires_ms;
};

/* ---- in a write transaction on the tenant's home cell ------------------------------------------- */

/*
 * NOT_FOUND: no such principal. CONFLICT: it is disabled, or the kind of session is not for its kind, or the
 * session in which it was allowed has ended or is somebody else's.
 */
bool session_create(const struct services *services, struct tx *tx, const struct session_new *new,
                    int64_t now_ms, struct session_secret *ret, struct err *err) MUST_USE;

/*
 * A second factor was shown: its time, its method ("otp", "hwk", …) added to those of the session. With
 * `ret`, the session gets a new secret and the old one is worth nothing from the commit on, as must be when
 * rights grow (session fixation); NULL keeps it. NOT_FOUND: no such session, or it has ended.
 */
bool session_second_factor(const struct services *services, struct tx *tx, struct str session,
                           struct str method, int64_t now_ms, struct session_secret *ret,
                           struct err *err) MUST_USE;

/* Whether it neither was revoked nor has expired nor rested too long. */
bool session_stands(struct tx *tx, struct str session, int64_t now_ms, bool *ret, struct err *err) MUST_USE;

/* NOT_FOUND; revoking again changes nothing. */
bool session_revoke(const struct services *services, struct tx *tx, struct str session, int64_t now_ms,
                    struct err *err) MUST_USE;
/* All of a principal but `except` ("" or {NULL, 0}: all). *ret_count may be NULL. */
bool session_revoke_principal(const struct services *services, struct tx *tx, struct str principal,
                              struct str except, int64_t now_ms, int64_t *ret_count,
                              struct err *err) MUST_USE;
/*
 * OpenID Connect Back-Channel Logout: those of the realm with the provider's session, and of the principal
 * when it is given too ({NULL, 0}: whoever's). Without `provider_session` all of the principal's in the
 * realm.
 */
bool session_revoke_provider(const struct services *services, struct tx *tx, struct str realm,
                             struct str provider_session, struct str principal, int64_t now_ms,
                             int64_t *ret_count, struct err *err) MUST_USE;

/* ---- the cookie (identity/pages.h: `__Host-countersign` over TLS) --------------------------------- */

#define SESSION_COOKIE "countersign"

/* Set-Cookie with the session's token; the cookie goes when the browser is closed, or the session ends. */
void session_reply_cookie(struct request *req, const struct session_secret *secret);
/* Takes the cookie back. */
void session_reply_no_cookie(struct request *req);
