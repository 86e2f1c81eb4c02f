/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/login_private.h"

#include "api/services.h"
#include "base/base64.h"
#include "base/clock.h"
#include "crypto/aead.h"
#include "crypto/envelope.h"
#include "crypto/secret.h"
#include "identity/pages.h"

#include <stdio.h>

#define LOGIN_COOKIE "countersign-login"

enum { BROWSER_BYTES = 18, BROWSER_LEN = 24, HEAD_BYTES = AEAD_NONCE_SIZE + 4, STATE_MAX = 2048 };

/* Lax, since the browser comes back from another site; short-lived, since it serves one log-in. */
static bool browser_of(struct request *req, bool make, struct sha256 *ret)
{
        struct str value = page_cookie(req, LOGIN_COOKIE);
        uint8_t bytes[BROWSER_BYTES];

        if (value.len != BROWSER_LEN) {
                if (!make)
                        return false;
                random_bytes(bytes, sizeof(bytes));
                value = base64url_encode(req->arena, str_make(bytes, sizeof(bytes)));
        }
        if (make)
                page_set_cookie(req, LOGIN_COOKIE, value, LOGIN_STATE_MS / 1000, "Lax");
        sha256_of(value, ret);
        return true;
}

static void random_text(struct arena *arena, char ret[44])
{
        uint8_t bytes[32];

        random_bytes(bytes, sizeof(bytes));
        (void)snprintf(ret, 44, "%.*s", STR_ARG(base64url_encode(arena, str_make(bytes, sizeof(bytes)))));
        secret_wipe(bytes, sizeof(bytes));
}

/* The version of the root key stands in front, so that a rotation ends no log-in. */
static bool state_key(struct request *req, uint32_t version, uint8_t ret_key[32], struct err *err)
{
        return envelope_derive(req->services->envelope, version, STR("login-state"), ret_key, err);
}

bool login_state_new(struct request *req, struct login_state *state, struct str *ret_state, struct err *err)
{
        uint32_t version = envelope_derive_version(req->services->envelope);
        uint8_t head[HEAD_BYTES] = {(uint8_t)(version >> 24), (uint8_t)(version >> 16),
                                    (uint8_t)(version >> 8), (uint8_t)version};
        struct str sealed;
        struct str plain;
        uint8_t key[32];
        char *whole;
        bool ok;

        (void)browser_of(req, true, &state->browser);
        random_text(req->arena, state->nonce);
        random_text(req->arena, state->verifier);
        state->expires_ms = req->now_ms + LOGIN_STATE_MS;
        random_bytes(head + 4, AEAD_NONCE_SIZE);
        plain = arena_printf(req->arena, "%.*s %.*s %s %s %lld %.*s %.*s", STR_ARG(state->tenant),
                             STR_ARG(state->realm), state->nonce, state->verifier,
                             (long long)state->expires_ms, STR_ARG(state->session),
                             STR_ARG(state->return_to));
        if (!arena_check(req->arena, err) || !state_key(req, version, key, err))
                return false;
        ok = aead_seal(req->arena, key, head + 4, sha256_str(&state->browser), plain, &sealed, err);
        secret_wipe(key, sizeof(key));
        if (!ok)
                return false;
        whole = arena_alloc_bytes(req->arena, sizeof(head) + sealed.len);
        if (!whole)
                return arena_check(req->arena, err);
        memcpy(whole, head, sizeof(head));
        memcpy(whole + sizeof(head), sealed.ptr, sealed.len);
        *ret_state = base64url_encode(req->arena, str_make(whole, sizeof(head) + sealed.len));
        return arena_check(req->arena, err);
}

static bool refuse(struct err *err)
{
        return err_set(err, ERR_UNAUTHENTICATED,
                       "this sign-in was not begun in this browser, or too long ago; start again");
}

static bool read_plain(struct str plain, struct login_state *ret)
{
        struct str nonce, verifier, expires;

        if (!str_cut(&plain, ' ', &ret->tenant) || !str_cut(&plain, ' ', &ret->realm) ||
            !str_cut(&plain, ' ', &nonce) || !str_cut(&plain, ' ', &verifier) ||
            !str_cut(&plain, ' ', &expires) || !str_to_i64(expires, &ret->expires_ms) ||
            !str_cut(&plain, ' ', &ret->session))
                return false;
        (void)snprintf(ret->nonce, sizeof(ret->nonce), "%.*s", STR_ARG(nonce));
        (void)snprintf(ret->verifier, sizeof(ret->verifier), "%.*s", STR_ARG(verifier));
        ret->return_to = plain;
        return true;
}

bool login_state_open(struct request *req, struct str tenant, struct str realm, struct str text,
                      struct login_state *ret, struct err *err)
{
        struct str bytes;
        struct str plain;
        struct err ignored;
        uint8_t key[32];
        uint32_t version;
        bool ok;

        *ret = (struct login_state){0};
        if (text.len == 0 || text.len > STATE_MAX || !base64url_decode(req->arena, text, &bytes) ||
            bytes.len <= HEAD_BYTES || !browser_of(req, false, &ret->browser))
                return refuse(err);
        version = (uint32_t)(uint8_t)bytes.ptr[0] << 24 | (uint32_t)(uint8_t)bytes.ptr[1] << 16 |
                  (uint32_t)(uint8_t)bytes.ptr[2] << 8 | (uint8_t)bytes.ptr[3];
        if (!state_key(req, version, key, &ignored))
                return refuse(err);
        ok = aead_open(req->arena, key, (const uint8_t *)bytes.ptr + 4, sha256_str(&ret->browser),
                       str_slice(bytes, HEAD_BYTES, bytes.len), &plain, &ignored);
        secret_wipe(key, sizeof(key));
        if (!ok || !read_plain(plain, ret) || req->now_ms >= ret->expires_ms ||
            !str_eq(ret->tenant, tenant) || !str_eq(ret->realm, realm))
                return refuse(err);
        return true;
}
