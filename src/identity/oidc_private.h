/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of oidc. Private to src/identity. */
#pragma once

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
        pthread_mutex_t lock; /* of what follows */
        struct known_issuer *issuers[OIDC_ISSUERS_MAX];
};

bool oidc_environment_new(struct cel_env **ret, struct err *err) MUST_USE;
