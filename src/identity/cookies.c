/* SPDX-License-Identifier: Apache-2.0 */
/* The browser's side of sessions: cookies, and proof that a form is ours. */
#include "base/clock.h"
#include "identity/sessions.h"

#include <stdio.h>

#define COOKIE_RULES "; Path=/; Secure; HttpOnly; SameSite=Lax"

enum { RETURN_TO_MAX = 2000, BROWSER_BYTES = 24 };

void session_reply_cookie(struct request *req, const struct session_secret *secret)
{
        request_add_header(req, "Set-Cookie",
                           arena_printf(req->arena, SESSION_COOKIE "=%s" COOKIE_RULES, secret->text));
}

void session_reply_no_cookie(struct request *req)
{
        request_add_header(req, "Set-Cookie", STR(SESSION_COOKIE "=" COOKIE_RULES "; Max-Age=0"));
}

static void write_hex(const uint8_t *bytes, size_t len, char *ret_text)
{
        static const char digits[] = "0123456789abcdef";

        for (size_t i = 0; i < len; i++) {
                *ret_text++ = digits[bytes[i] >> 4];
                *ret_text++ = digits[bytes[i] & 15];
        }
        *ret_text = '\0';
}

/* The value that the browser sent; or a new one, sent with the reply. */
static struct str browser_cookie(struct request *req)
{
        uint8_t bytes[BROWSER_BYTES];
        char text[2 * BROWSER_BYTES + 1];

        if (req->browser_cookie.len == 2 * BROWSER_BYTES)
                return req->browser_cookie;
        random_bytes(bytes, sizeof(bytes));
        write_hex(bytes, sizeof(bytes), text);
        req->browser_cookie = arena_str(req->arena, str_from(text));
        request_add_header(req, "Set-Cookie",
                           arena_printf(req->arena, BROWSER_COOKIE "=%s" COOKIE_RULES, text));
        return req->browser_cookie;
}

static void keyed(struct str key, const char *purpose, struct sha256 *ret)
{
        hmac_sha256(key, str_from(purpose), ret);
}

void browser_hash(struct request *req, struct sha256 *ret)
{
        keyed(browser_cookie(req), "countersign browser v1", ret);
}

/* A session's secret is unknown to all other sites; so is the browser's before the log-in. */
static void csrf_of(struct str cookie, char ret_token[CSRF_TOKEN_SIZE])
{
        struct sha256 hash;

        keyed(cookie, "countersign form v1", &hash);
        write_hex(hash.bytes, sizeof(hash.bytes), ret_token);
}

void csrf_token(struct request *req, char ret_token[CSRF_TOKEN_SIZE])
{
        csrf_of(req->principal.by_cookie ? req->session_cookie : browser_cookie(req), ret_token);
}

bool csrf_check(const struct request *req, struct str token, struct err *err)
{
        struct str cookie = req->principal.by_cookie ? req->session_cookie : req->browser_cookie;
        char expected[CSRF_TOKEN_SIZE];

        if (cookie.len > 0) {
                csrf_of(cookie, expected);
                if (str_eq_secret(token, str_from(expected)))
                        return true;
        }
        return err_set_at(err, ERR_FORBIDDEN, "/csrf",
                          "this form is not from the page that was shown to you; load the page again");
}

bool return_to_is_safe(struct str return_to)
{
        if (return_to.len == 0 || return_to.len > RETURN_TO_MAX || return_to.ptr[0] != '/')
                return false;
        /* "//host" and "/\host" are other sites to a browser (WHATWG URL, "relative slash state"). */
        if (return_to.len > 1 && return_to.ptr[1] == '/')
                return false;
        for (size_t i = 0; i < return_to.len; i++)
                if (return_to.ptr[i] < '!' || return_to.ptr[i] > '~' || return_to.ptr[i] == '\\')
                        return false;
        return true;
}
