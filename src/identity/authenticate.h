/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pipeline asks before a handler runs: who holds this credential. It
 * is asked for every request, so that it has a quick form that looks into a cache only and never blocks, and
 * a blocking form that the pipeline gives to a thread when the quick one does not know.
 *
 * A revoked key or session, a disabled principal and a suspended tenant stop at
 * once: whoever changes them calls identity_forget_on_commit.
 */
#pragma once

#include "api/principal.h"
#include "base/arena.h"
#include "io/fiber.h"

struct services;
struct identity; /* the caches; services.identity */

enum lookup {
        LOOKUP_UNKNOWN, /* not in the cache: ask again, blocking */
        LOOKUP_FOUND,
        LOOKUP_REFUSED, /* err says why: ERR_UNAUTHENTICATED, ERR_TENANT_SUSPENDED, ERR_NOT_FOUND */
};

/* NULL without memory. `services` outlives it. */
struct identity *identity_new(const struct services *services);
void identity_free(struct identity *identity);

/*
 * The principal of a credential: an API key ("cs_…"), a session's token ("css_…"), or a JWT of a realm's
 * identity provider where identity_set_jwt was called. From any thread. Strings of
 * *ret are in the arena. Expiry is checked against now_ms. An unknown token is
 * ERR_UNAUTHENTICATED, whatever is wrong with it, with one message.
 */
enum lookup identity_authenticate_quick(struct identity *identity, struct arena *arena, struct str token,
                                        int64_t now_ms, struct principal *ret, struct err *err);
BLOCKING_FN bool identity_authenticate(struct identity *identity, struct arena *arena, struct str token,
                                       int64_t now_ms, struct principal *ret, struct err *err) MUST_USE;

/*
 * How a realm's own JWTs are verified (RFC 9068). It fills the principal, with strings in the arena and
 * `expires_ms`, `realm` (its id), `methods`, `authenticated_ms`, `permissions`, `owner`; `credential` and
 * `session` stay "". What it found is remembered for minutes at most, and forgotten when somebody calls
 * identity_forget_on_commit with the principal's or the realm's id.
 */
struct identity_jwt {
        BLOCKING_FN bool (*authenticate)(void *data, struct arena *arena, struct str token, int64_t now_ms,
                                         struct principal *ret, struct err *err);
        void *data;
};
/* Before requests run; `jwt` outlives the identity. */
void identity_set_jwt(struct identity *identity, const struct identity_jwt *jwt);

/* What another node says of keys and principals ("f …"); NULL: anything may have changed. Any thread. */
void identity_hear(struct identity *identity, struct str message);
