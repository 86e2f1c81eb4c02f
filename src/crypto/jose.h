/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Web Signatures, Keys and Tokens (RFC 7515, 7517, 7518, 7519, 8037, with
 * the best current practices of RFC 8725).
 *
 * What is accepted: the compact serialization, signed with RS256/384/512,
 * PS256/384/512, ES256/384/512, EdDSA (Ed25519), and HS256/384/512 where the
 * caller's list of algorithms names them. `none` does not exist here. The caller says
 * which algorithms it takes; the token only chooses among them. A key fits a
 * token when its type, curve, `use`, `key_ops` and `alg` do, and its `kid`, if
 * the token names one: never what the token itself brings along (`jwk`, `jku`,
 * `x5c`, `x5u` are not looked at). `crit` refuses the token, whatever it says,
 * since we understand no extension (RFC 7515 section 4.1.11); so does `b64`.
 *
 * All functions are safe from any thread; a key set is immutable once parsed.
 */
#pragma once

#include "base/arena.h"
#include "base/json.h"

#include <stdint.h>

enum jose_alg {
        JOSE_NONE_GIVEN,
        JOSE_RS256,
        JOSE_RS384,
        JOSE_RS512,
        JOSE_PS256,
        JOSE_PS384,
        JOSE_PS512,
        JOSE_ES256,
        JOSE_ES384,
        JOSE_ES512,
        JOSE_EDDSA,
        JOSE_HS256,
        JOSE_HS384,
        JOSE_HS512,
        JOSE_ALG_COUNT,
};

/* A set of algorithms: JOSE_BIT(JOSE_ES256) | … */
#define JOSE_BIT(alg) (1U << (alg))
/* Everything with a public key: what an issuer of others may sign with. */
#define JOSE_PUBLIC                                                                                         \
        (JOSE_BIT(JOSE_RS256) | JOSE_BIT(JOSE_RS384) | JOSE_BIT(JOSE_RS512) | JOSE_BIT(JOSE_PS256) |        \
         JOSE_BIT(JOSE_PS384) | JOSE_BIT(JOSE_PS512) | JOSE_BIT(JOSE_ES256) | JOSE_BIT(JOSE_ES384) |        \
         JOSE_BIT(JOSE_ES512) | JOSE_BIT(JOSE_EDDSA))

enum {
        JOSE_TOKEN_MAX = 16 * 1024, /* bytes of a token */
        JOSE_HEADER_MAX = 4 * 1024, /* of its header, decoded */
        JOSE_SET_MAX = 256 * 1024,  /* bytes of a key set */
        JOSE_SET_KEYS_MAX = 64,
        JOSE_KID_MAX = 256,
        JOSE_RSA_BITS_MIN = 2048, /* RFC 7518 section 3.3 */
        JOSE_RSA_BITS_MAX = 8192,
};

/* "RS256", …; NULL for JOSE_NONE_GIVEN. */
const char *jose_alg_name(enum jose_alg alg);
/* Exactly, in this case; false for what is not accepted here. */
bool jose_alg_from(struct str name, enum jose_alg *ret) MUST_USE;

/* ---- keys -------------------------------------------------------------------------------------- */

struct jose_keys;

/*
 * A JWK set ({"keys": […]}). Keys that are not for us (another type or curve, `use`
 * other than "sig", RSA below 2048 bits, malformed) are left out: a set may hold
 * newer kinds (RFC 7517 section 5). Symmetric keys are left out unless
 * `algs` has an HS algorithm. *ret may be empty. BAD_JSON, BAD_FIELD for a set
 * that is none, is too large, or has too many keys.
 */
bool jose_keys_parse(struct str json, uint32_t algs, struct jose_keys **ret, struct err *err) MUST_USE;
/* One JWK on its own; here a key that is not for us is BAD_FIELD, with the reason. */
bool jose_key_parse(struct str json, uint32_t algs, struct jose_keys **ret, struct err *err) MUST_USE;
void jose_keys_free(struct jose_keys *keys);
static inline void jose_keys_freep(struct jose_keys **keys)
{
        jose_keys_free(*keys);
}
size_t jose_keys_count(const struct jose_keys *keys);
bool jose_keys_have(const struct jose_keys *keys, struct str kid);
/* Whether a JWK holds the private or symmetric part: a thing that nobody should have sent us. */
bool jose_jwk_is_private(const struct json *jwk);

/* ---- tokens ------------------------------------------------------------------------------------ */

struct jose_token {
        enum jose_alg alg;
        struct str kid; /* {NULL, 0}: none */
        struct str typ; /* as written; {NULL, 0}: none */
        struct json header;
        struct json payload; /* jose_verify: an object; jose_verify_bytes: not set */
        struct str payload_bytes;
};

/* Why a token was refused, for callers that act on it (fetch keys again). */
enum jose_why {
        JOSE_OK,
        JOSE_MALFORMED,   /* no token that we would read */
        JOSE_ALG_REFUSED, /* its algorithm is not on the list */
        JOSE_NO_KEY,      /* no key of the set fits its kid and algorithm: fetch the set again */
        JOSE_BAD,         /* the signature does not fit */
};

/*
 * Checks the signature, then reads the payload, a JSON object. BAD_SIGNATURE
 * with a message for people; *ret_why (may be NULL) for the program. Strings
 * and trees are in the arena.
 *
 * A token that names a kid is tried against keys of that kid only. One without
 * is tried against each key that fits, at most four: more would let a
 * stranger spend our time (RFC 7515 section 10.13 leaves it open).
 */
bool jose_verify(struct arena *arena, const struct jose_keys *keys, uint32_t algs, struct str token,
                 struct jose_token *ret, enum jose_why *ret_why, struct err *err) MUST_USE;
/* The same for a payload that need not be JSON. */
bool jose_verify_bytes(struct arena *arena, const struct jose_keys *keys, uint32_t algs, struct str token,
                       struct jose_token *ret, enum jose_why *ret_why, struct err *err) MUST_USE;
/*
 * What a token says of itself, nothing checked but its form: to find out whose
 * it claims to be, and so which keys to check it with. `payload` is set if it is an object.
 */
bool jose_peek(struct arena *arena, struct str token, struct jose_token *ret, struct err *err) MUST_USE;
/* Whether the text has the form of a compact JWS: three base64url parts. */
bool jose_looks_like_token(struct str text);

/* ---- claims (RFC 7519 section 4) ----------------------------------------------------------------- */

struct jose_expect {
        struct str issuer;   /* `iss`, exactly; {NULL, 0}: not looked at */
        struct str audience; /* must be among `aud`; {NULL, 0}: not looked at */
        bool audience_alone; /* no other may be among `aud` */
        struct str azp;      /* `azp` must be this when it is there, and must be there with several `aud`
                                (OpenID Connect Core section 3.1.3.7); {NULL, 0}: not looked at */
        struct str nonce;    /* must be `nonce`; {NULL, 0}: not looked at */
        const char *typ; /* header `typ` must be this ("at+jwt"), case and "application/" aside; NULL: any */
        int64_t now_ms;
        int64_t leeway_ms;       /* for exp, nbf, iat; at most five minutes are taken */
        int64_t max_lifetime_ms; /* exp - iat at most; 0: any. Needs `iat` */
        bool needs_iat;
        bool needs_sub;
        bool needs_jti;
};

struct jose_claims {
        struct str issuer;
        struct str subject; /* {NULL, 0}: none */
        struct str jti;     /* {NULL, 0}: none */
        int64_t expires_ms;
        int64_t issued_ms; /* 0: none */
};

/* `exp` is always needed. UNAUTHENTICATED with what does not fit. */
bool jose_claims_check(const struct jose_token *token, const struct jose_expect *expect,
                       struct jose_claims *ret, struct err *err) MUST_USE;
