/* SPDX-License-Identifier: Apache-2.0 */
/* What the log-in's pages and handlers share. Private to src/identity. */
#pragma once

#include "api/request.h"
#include "crypto/sha256.h"
#include "identity/realms.h"

struct login_tenant {
        struct str id;
        struct str name;
        struct str region;
};

/* By id or name; NOT_FOUND, TENANT_SUSPENDED. */
FIBER_FN bool login_tenant_find(struct request *req, struct str tenant, struct login_tenant *ret,
                                struct err *err) MUST_USE;

/*
 * What a log-in keeps until the browser is back, within `state`: sealed, so that
 * nobody reads the verifier or writes another return; bound to tenant, realm
 * and browser, so that it ends where and by whom it was begun (RFC 9700 section 4.4).
 */
struct login_state {
        struct str tenant;
        struct str realm;
        struct str return_to;
        struct str session; /* that shows its second factor again; "-": none, it is a log-in */
        struct sha256 browser;
        char nonce[44];    /* 256 random bits, base64url */
        char verifier[44]; /* RFC 7636 section 4.1 */
        int64_t expires_ms;
};

enum { LOGIN_STATE_MS = 10 * 60 * 1000 };

/* Fills nonce, verifier, browser and expires_ms; *ret_state is what goes into the URL. */
bool login_state_new(struct request *req, struct login_state *state, struct str *ret_state,
                     struct err *err) MUST_USE;
/* UNAUTHENTICATED unless we sealed it, it has not expired, and it is this tenant's, realm's and browser's.
 */
bool login_state_open(struct request *req, struct str tenant, struct str realm, struct str text,
                      struct login_state *ret, struct err *err) MUST_USE;
