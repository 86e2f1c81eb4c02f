/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of oidc. Private to src/identity. */
#pragma once

#include "identity/authenticate.h"
#include "identity/oidc.h"

#include <pthread.h>
#include <stdatomic.h>

struct cel_env;
struct http_client;
struct tls_client;

struct oidc_keys {
        atomic_uint users;
        struct jose_keys *keys;
};

/* What was fetched of one issuer. */
struct known_issuer {
        uint32_t hash;
        char *issuer;
        char *authorization_endpoint;
        char *token_endpoint;
        char *end_session_endpoint; /* or NULL */
        char *jwks_uri;
        bool names_itself;
        struct oidc_keys *keys; /* NULL: nothing is known yet */
        int64_t fetched_ms;     /* when all of it was fetched last; 0: never */
        int64_t tried_ms;       /* when it was tried last */
        int64_t used_ms;        /* when somebody asked last */
        bool is_fetching;
        struct err error; /* of the last try */
};

struct oidc {
        const struct services *services;
        struct oidc_options options;
        struct tls_client *tls;
        struct http_client *http;
        struct cel_env *environment;
        struct identity_jwt jwt;
        pthread_mutex_t lock; /* of what follows */
        struct known_issuer *issuers[OIDC_ISSUERS_MAX];
};

/* The issuer's keys as they are known now, held; NULL: none. Never fetches; any thread. */
struct oidc_keys *oidc_keys_known(struct oidc *oidc, struct str issuer);
void oidc_keys_release(struct oidc_keys *keys);
/* Newer keys than those that `issuer` has seen, if there are any to be had now. */
FIBER_FN void oidc_issuer_refresh(struct oidc *oidc, struct arena *arena, const struct oidc_issuer *issuer);

bool oidc_environment_new(struct cel_env **ret, struct err *err) MUST_USE;
