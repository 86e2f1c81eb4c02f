/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials that were verified, as authentication remembers them. Private to
 * this folder's authenticate*.c.
 */
#pragma once

#include "identity/authenticate.h"
#include "identity/identity.h"

/* What names a credential without its secret: "cs_<prefix>", "css_<tenant>_<prefix>", a hash of a JWT. */
enum { KNOWN_NAME_SIZE = 48 };

/*
 * The token itself is not kept, nor its stored hash: a SHA-256 under a salt of
 * this process, which costs one hash for each request, where the stored one
 * costs the derivation of its key besides.
 */
struct known {
        char name[KNOWN_NAME_SIZE];
        struct sha256 salted;
        int64_t idle_until_ms;      /* INT64_MAX: it may rest */
        int64_t ask_again_ms;       /* from then on the store is asked again, and told of the use */
        struct principal principal; /* its strings are in `text` */
        size_t text_len;
        char text[];
};

/* An entry with the principal's strings copied behind it; NULL without memory or when the name is too long.
 */
struct known *known_new(struct str name, const struct principal *principal);
/* A copy in the arena; NULL without memory. */
struct known *known_copy(const struct known *known, struct arena *arena);

/* What the store says of one credential. */
struct found {
        struct principal principal; /* strings in the arena */
        int64_t idle_until_ms;
        int64_t ask_again_ms;
};

/*
 * authenticate_store.c: asks the store, checks secret, revocation, expiry and the tenant's state, and has
 * the last use written when the last one is long ago. ERR_UNAUTHENTICATED, ERR_TENANT_SUSPENDED.
 */
BLOCKING_FN bool find_api_key(const struct services *services, struct arena *arena, struct str token,
                              int64_t now_ms, struct found *ret, struct err *err) MUST_USE;
BLOCKING_FN bool find_session(const struct services *services, struct arena *arena, struct str token,
                              int64_t now_ms, struct found *ret, struct err *err) MUST_USE;
/* The one message for whatever is wrong with a credential. */
bool refuse_credential(struct err *err);

/* "css_<tenant>_<prefix>_<secret>" taken apart; false when malformed. `ret_tenant` with its "ten_". */
bool session_token_parse(struct str token, struct id *ret_tenant, struct str *ret_prefix) MUST_USE;
