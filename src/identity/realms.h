/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dedicated realms: an OpenID Connect issuer of the tenant's own, the client
 * that we are there, and how its claims become roles.
 *
 * Everything here runs in a transaction on the tenant's home cell. Speaking to
 * the issuer is in oidc.h.
 */
#pragma once

#include "base/arena.h"
#include "base/json.h"
#include "crypto/jose.h"
#include "identity/identity.h"
#include "store/store.h"

struct oidc;

enum client_authentication { CLIENT_BASIC, CLIENT_POST, CLIENT_NONE };

enum {
        REALMS_MAX = 8, /* of one tenant */
        REALM_SECRET_MAX = 512,
        REALM_SKEW_DEFAULT_MS = 60000,
};
/* What a realm allows unless it is told: signatures with a public key that everybody has. */
#define REALM_ALGS_DEFAULT                                                                                  \
        (JOSE_BIT(JOSE_RS256) | JOSE_BIT(JOSE_PS256) | JOSE_BIT(JOSE_ES256) | JOSE_BIT(JOSE_EDDSA))
#define REALM_ROLES_DEFAULT "has(claims.roles) ? claims.roles : []"

struct realm {
        struct str id; /* rlm_… */
        struct str name;
        struct str issuer; /* exactly as in its tokens */
        struct str client_id;
        struct str client_secret; /* sealed; {NULL, 0}: none */
        enum client_authentication client_authentication;
        uint32_t algs;
        struct str audience; /* of its tokens for the API; {NULL, 0}: none are taken */
        struct str scopes;
        struct str roles_expression;
        struct str name_claim;
        struct str email_claim;
        struct str second_factor_acr; /* that says so, besides "mfa" in amr; {NULL, 0}: none */
        int64_t clock_skew_ms;
        int64_t version;
        int64_t created_ms;
};

const char *client_authentication_name(enum client_authentication one);

/*
 * Whether the realm can be: URLs, scopes with `openid`, a secret where the
 * client needs one, an expression that compiles. BAD_FIELD, EXPRESSION.
 */
bool realm_check(const struct oidc *oidc, const struct realm *realm, bool has_secret,
                 struct err *err) MUST_USE;

/* Fills id, version, created_ms; seals the secret ({NULL, 0}: none). ALREADY_EXISTS, LIMIT_REACHED. */
bool realm_add(struct tx *tx, struct realm *realm, struct str secret, int64_t now_ms,
               struct err *err) MUST_USE;
/*
 * All but id, name and created_ms. `secret` {NULL, 0}: the sealed one in `realm` stays.
 * PRECONDITION_FAILED when the version is another by now.
 */
bool realm_change(struct tx *tx, struct realm *realm, struct str secret, struct err *err) MUST_USE;
/* Ends every session that came through it. NOT_FOUND. */
bool realm_remove(const struct services *services, struct tx *tx, struct str id, int64_t now_ms,
                  struct err *err) MUST_USE;
/* NOT_FOUND. */
bool realm_find(struct tx *tx, struct str id, struct realm *ret, struct err *err) MUST_USE;
/* In the transaction's arena; at most REALMS_MAX. */
bool realm_all(struct tx *tx, struct realm ret[REALMS_MAX], size_t *ret_count, struct err *err) MUST_USE;
/* The client's secret, in `arena` (zeroing); {NULL, 0} when it has none. */
bool realm_secret(struct tx *tx, struct arena *arena, const struct realm *realm, struct str *ret,
                  struct err *err) MUST_USE;

/* "https://…/login/oidc/ten_…/rlm_…" and `rest`: what the issuer is told of us. In the request's arena. */
struct request;
struct str realm_uri(struct request *req, struct str tenant, struct str realm, const char *rest);

/* ---- who comes through it ------------------------------------------------------------------------ */

enum { REALM_ROLES_MAX = 64 };
struct realm_roles {
        uint32_t built_in;               /* bits of enum role */
        struct str own[REALM_ROLES_MAX]; /* ids of the tenant's own roles, each once */
        size_t own_count;
};

/*
 * The roles that the realm's expression gives for these claims; every name must be a built-in role that
 * people may hold, or one of the tenant's own. FORBIDDEN when it gives none; EVALUATION when it fails, or
 * gives more than REALM_ROLES_MAX names. In a transaction on the tenant's home cell.
 */
bool realm_roles(const struct oidc *oidc, struct tx *tx, const struct realm *realm,
                 const struct json *claims, struct realm_roles *ret, struct err *err) MUST_USE;

/*
 * The principal of (issuer, subject), made when it comes for the first time;
 * name, address and roles are as the claims say now. FORBIDDEN when it is disabled.
 * *ret_new tells whether it was made.
 */
bool realm_person(const struct services *services, struct tx *tx, const struct realm *realm,
                  struct str subject, const struct json *claims, const struct realm_roles *roles,
                  int64_t now_ms, struct identity_principal *ret, bool *ret_new, struct err *err) MUST_USE;
