/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens by OAuth 2 (RFC 6749), which are sessions (identity/sessions.h):
 *
 *   client_credentials   services and agents; an API key is the client's secret, or it signs an assertion
 *                        (private_key_jwt: RFC 7521, RFC 7523) with a key that an administrator registered
 *   authorization_code   `countersign login`: loopback redirect and PKCE (RFC 8252, RFC 7636)
 *   device_code          `countersign login --device` (RFC 8628)
 *
 * Private to src/identity/tokens*.c.
 */
#pragma once

#include "api/api_handlers.h"
#include "identity/pages.h"
#include "identity/sessions.h"

#define TOKEN_CLI_CLIENT "countersign-cli"
#define TOKEN_DEVICE_GRANT "urn:ietf:params:oauth:grant-type:device_code"
#define TOKEN_ASSERTION "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

/* What a session is to be made of, and where. Strings in the request's arena. */
struct token_grant {
        struct str tenant;
        struct str region;
        struct session_new new;
        const char *name; /* of the grant, for the log */
        /* client_credentials */
        bool of_client;
        struct sha256 jti; /* of an assertion; used only when jti_until_ms is not 0 */
        int64_t jti_until_ms;
        /* authorization_code */
        struct str code;
        struct str redirect_uri;
        struct str verifier;
};

/*
 * Makes the session and its log entry in one transaction, as the principal (req->principal is filled for the
 * entry), and writes the answer.
 */
FIBER_FN bool token_issue(struct request *req, struct token_grant *grant, struct api_oauth_token *out,
                          struct err *err) MUST_USE;

/* tokens_client.c: the grant client_credentials. Who the client is: INVALID_CLIENT, UNAUTHORIZED_CLIENT, …
 */
FIBER_FN bool token_grant_client(struct request *req, const struct form *form, struct token_grant *ret,
                                 struct err *err) MUST_USE;

/* tokens_code.c: the grant authorization_code. INVALID_GRANT. */
FIBER_FN bool token_grant_code(struct request *req, const struct form *form, struct token_grant *ret,
                               struct err *err) MUST_USE;
/* In the transaction of token_issue: the code is used up, by this session. */
bool token_use_code(struct request *req, const struct token_grant *grant, struct str session,
                    struct err *err) MUST_USE;

/* tokens_device.c: the grant device_code. AUTHORIZATION_PENDING, SLOW_DOWN, EXPIRED_TOKEN, ACCESS_DENIED. */
FIBER_FN bool token_grant_device(struct request *req, const struct form *form, struct token_grant *ret,
                                 struct err *err) MUST_USE;

/* The region of the tenant's home cell; INVALID_GRANT when there is no such tenant, or it is suspended. */
FIBER_FN bool token_find_tenant(struct request *req, struct str tenant, struct str *ret_region,
                                struct err *err) MUST_USE;

/* BAD_REQUEST unless it is the tenant's. */
FIBER_FN bool token_check_workspace(struct request *req, struct str tenant, struct str workspace,
                                    struct err *err) MUST_USE;

/*
 * Where a command line may be answered (RFC 8252 section 7.3): http://127.0.0.1:PORT/callback or
 * http://[::1]:PORT/callback, any port, nothing else; not "localhost" (section 8.3).
 */
bool token_redirect_is_loopback(struct str uri);
