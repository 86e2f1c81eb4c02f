/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a provider's key can be right: its shape by provider, the address that
 * it would be sent to, and what the provider itself says when it is asked for
 * its models with it.
 *
 * Private to src/keys.
 */
#pragma once

#include "api/request.h"
#include "keys/provider_keys.h"

struct http_client;
struct tls_client;

/* services.providers: what the checks need of the process. */
struct providers {
        struct tls_client *tls;
        struct http_client *client;
        bool allow_loopback; /* providers.allow-loopback: http:// to this machine, for tests and local models
                              */
        int64_t timeout_ms;
};

/* BAD_FIELD at `place`; says what is wrong and never what the key is. */
bool provider_check_shape(enum provider provider, struct str secret, const char *place,
                          struct err *err) MUST_USE;
/*
 * The base URL, without a trailing slash, or the provider's own when it is absent.
 * https only, without user, query or fragment; never a link-local or unspecified
 * address; this machine only with allow_loopback, then also by http. BAD_FIELD at /base_url.
 */
bool provider_check_url(struct arena *arena, const struct providers *providers, enum provider provider,
                        struct str url, struct str *ret_url, struct err *err) MUST_USE;
/*
 * Asks the provider. PROVIDER_KEY_INVALID when it refuses the key (401);
 * *ret_valid false when nobody could say: unreachable, too slow, a redirect, any
 * other status than a success.
 */
FIBER_FN bool provider_check_live(struct request *req, const struct providers *providers,
                                  enum provider provider, struct str base_url, struct str secret,
                                  bool *ret_valid, struct err *err) MUST_USE;
