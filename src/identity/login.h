/* SPDX-License-Identifier: Apache-2.0 */
/* What the pages of the local log-in share. Private to src/identity. */
#pragma once

#include "identity/accounts_throttle.h"
#include "identity/factors.h"
#include "identity/pages.h"
#include "identity/passkey_form.h"
#include "identity/sessions.h"

/* Where somebody logs in, and as whom. */
struct login {
        struct str tenant, tenant_name, region;
        struct str folded;    /* the login name; empty for passkeys until it is known */
        struct str principal; /* empty until the password, or the passkey, was right */
        struct str return_to;
        const char *methods; /* RFC 8176 */
        bool second_factor;
};

/* The tenant's place by id or name: NOT_FOUND, TENANT_SUSPENDED. Enters no tenant. */
FIBER_FN bool login_find_tenant(struct request *req, struct str tenant, struct login *ret,
                                struct err *err) MUST_USE;

/* This attempt for the throttle; `account` is what is guessed at. The device counts if it was known for it.
 */
struct throttle_try login_try(struct request *req, const struct login *login, struct str account);
/* RATE_LIMITED with Retry-After. */
bool login_take_try(struct request *req, const struct throttle_try *try, struct err *err) MUST_USE;
void login_return_try(struct request *req, const struct throttle_try *try);

/* In the log-in's last write transaction: the session. */
bool login_make_session(struct request *req, const struct login *login, struct session_secret *ret,
                        struct err *err) MUST_USE;
/* After it: cookies, and on to where the person wanted to go. Wipes the secret. */
bool login_reply(struct request *req, const struct login *login, struct session_secret *secret,
                 struct api_text *out, struct err *err) MUST_USE;
