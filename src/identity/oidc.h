/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenID Connect as a relying party: the issuers that tenants named, their
 * metadata (OpenID Connect Discovery 1.0) and keys, the authorization code flow
 * with PKCE (RFC 6749, RFC 7636, RFC 9700), and tokens that come to the API by
 * themselves (RFC 9068).
 *
 * An issuer costs nothing until somebody signs in there. What was fetched is
 * kept for at most OIDC_ISSUERS_MAX issuers; the one that rested longest goes.
 * One fetch at a time for an issuer; who needs it meanwhile waits for it.
 *
 * An issuer is somebody else's computer, and its URL is a tenant's choice:
 * https only, no redirects, bounded in size and time, and no address that is
 * not on the public internet, unless the operator allows private ones
 * (identity.private-issuers), which also allows http:// to loopback.
 */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "crypto/jose.h"
#include "io/fiber.h"

struct oidc;
struct services;

enum { OIDC_ISSUERS_MAX = 1024 };

struct oidc_options {
        bool private_issuers;
        /* At least so long between two fetches of an issuer's keys, whoever asks. */
        int64_t refetch_ms;
};

bool oidc_new(const struct services *services, const struct oidc_options *options, struct oidc **ret,
              struct err *err) MUST_USE;
/* NULL is fine; after the loops' fibers have ended. */
void oidc_free(struct oidc *oidc);

/* Whether a URL may be called at all: BAD_FIELD. */
bool oidc_url_check(const struct oidc *oidc, struct str url, struct err *err) MUST_USE;

/* ---- issuers --------------------------------------------------------------------------------------- */

struct oidc_keys; /* shared by all who look at them; private to oidc_issuers.c */

/* What an issuer says of itself; strings in the caller's arena. */
struct oidc_issuer {
        struct str issuer;
        struct str authorization_endpoint;
        struct str token_endpoint;
        struct str end_session_endpoint; /* {NULL, 0}: none */
        bool names_itself;               /* authorization_response_iss_parameter_supported, RFC 9207 */
        struct oidc_keys *keys;
        int64_t keys_fetched_ms;
};

/*
 * From memory while it is fresh, else fetched. An issuer that does not answer
 * is known for a day from what it said last. UPSTREAM_….
 */
FIBER_FN bool oidc_issuer_get(struct oidc *oidc, struct arena *arena, struct str issuer,
                              struct oidc_issuer *ret, struct err *err) MUST_USE;
/* Gives the keys back. NULL inside is fine. */
void oidc_issuer_done(struct oidc_issuer *issuer);

/*
 * Verifies a token of the issuer. A kid that its keys do not have makes us fetch
 * them again, at most every refetch_ms. UNAUTHENTICATED; UPSTREAM_… only when there are no keys at all.
 */
FIBER_FN bool oidc_verify(struct oidc *oidc, struct arena *arena, struct str issuer, uint32_t algs,
                          struct str token, struct jose_token *ret, struct err *err) MUST_USE;

/*
 * A token that came to the API by itself: sees to it that its issuer's keys are
 * known, so that authentication on a thread need not wait for anybody. UNAUTHENTICATED.
 */
FIBER_FN bool oidc_token_prepare(struct oidc *oidc, struct arena *arena, struct str token,
                                 struct err *err) MUST_USE;
/* How its owner proved who they are, by the claims of an ID token or an access token (RFC 9068
 * section 2.2.1). */
struct oidc_proof {
        struct str methods;       /* "oidc" and the words of `amr` (RFC 8176), blanks between */
        int64_t authenticated_ms; /* `auth_time`, never after now; 0: it does not tell, or it lies ahead */
        int64_t second_factor_ms; /* the same, where `amr` has "mfa" or `acr` is the realm's for it; else 0
                                   */
};
struct realm;
void oidc_proof_of(struct arena *arena, const struct realm *realm, const struct json *claims, int64_t now_ms,
                   struct oidc_proof *ret);

struct identity_jwt;
/* For identity_set_jwt; lives as long as `oidc`. */
const struct identity_jwt *oidc_jwt(struct oidc *oidc);

/* POST of a form, and the JSON object of the reply, whatever its status (200 to 499). */
struct oidc_form_field {
        const char *name;
        struct str value; /* {NULL, 0}: left out */
};
FIBER_FN bool oidc_post(struct oidc *oidc, struct arena *arena, struct str url,
                        const struct oidc_form_field *fields, size_t count, struct str authorization,
                        int *ret_status, struct json *ret, struct err *err) MUST_USE;

/* ---- expressions over claims ------------------------------------------------------------------------ */

/* Compiles over `claims` and yields a string or a list of strings. EXPRESSION. */
bool oidc_expression_check(const struct oidc *oidc, struct str expression, struct err *err) MUST_USE;
/* Its strings, in the arena or the claims. EVALUATION also for more than `most`. */
bool oidc_expression_names(const struct oidc *oidc, struct arena *arena, struct str expression,
                           const struct json *claims, struct str *ret_names, size_t most, size_t *ret_count,
                           struct err *err) MUST_USE;

/* application/x-www-form-urlencoded (WHATWG URL section 5.2): "&name=value" with all but unreserved escaped.
 */
struct buf;
void form_append(struct buf *buf, const char *name, struct str value);
void form_escape(struct buf *buf, struct str text);
