/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process has one of, for handlers and background work; there are no
 * globals. Made by src/server at the start, constant until the end.
 */
#pragma once

#include "base/str.h"

#include <stdint.h>

struct store;
struct envelope;
struct log_signer;
struct loops;
struct identity;
struct access;
struct oidc;
struct work;
struct control;
struct policies;
struct deletion;
struct places;
struct providers;
struct rotation;
struct regions;
struct session_times;
struct throttle;
struct accounts;

struct services {
        struct store *store;
        const struct envelope *envelope; /* the root key */
        const struct log_signer *log_signer;
        struct loops *loops;
        struct identity *identity; /* identity/authenticate.h */
        struct access *access;     /* access/access.h; NULL in programs without a pipeline */
        struct oidc *oidc;         /* identity/oidc.h */
        struct work *work;         /* approvals/work.h: connected executors, and what they are asked */
        struct control *control;   /* approvals/control.h: what the server runs itself once it is approved */
        struct policies *policies; /* policy/policies.h: which are in force where */
        struct deletion *deletion; /* tenancy/deletion/deletion.h */
        struct places *places;     /* tenancy/places.h: how tenants and workspaces stand */
        struct regions *regions;   /* tenancy/regions.h */
        struct rotation *rotation; /* keys/rotation.h: of the root key */
        struct providers *providers; /* keys/providers.h: how model providers are reached */
        struct str region;           /* this node's; home region of new tenants */
        struct str url;      /* where browsers and issuers reach the server: "https://host", no slash */
        int64_t wait_max_ms; /* the longest `wait` */
        struct throttle *throttle;                 /* identity/accounts_throttle.h */
        const struct session_times *session_times; /* identity/sessions.h; NULL: the defaults */
        struct accounts *accounts;                 /* identity/accounts.h */
        const char *version;                       /* of the program */
};
