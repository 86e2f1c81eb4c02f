/* SPDX-License-Identifier: Apache-2.0 */
/* Forms, cookies, and where a browser is sent. */
#include "identity/pages.h"

#include "api/route.h"
#include "api/services.h"
#include "base/base64.h"
#include "base/clock.h"
#include "crypto/envelope.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"

#include <stdio.h>

enum { FORM_SECRET_BYTES = 18, FORM_SECRET_LEN = 24, FORM_TOKEN_LEN = 43, FIELD_LENGTH = 512 };

#define FORM_COOKIE "countersign-form"
#define FORM_TOKEN "form_token"

/* ---- cookies --------------------------------------------------------------------------------------- */

static bool over_tls(const struct request *req)
{
        return str_starts(req->services->url, STR("https://"));
}

static struct str cookie_name(const struct request *req, struct arena *arena, const char *name)
{
        return arena_printf(arena, "%s%s", over_tls(req) ? "__Host-" : "", name);
}

void page_set_cookie(struct request *req, const char *name, struct str value, int64_t max_age_s,
                     const char *same_site)
{
        struct str full = cookie_name(req, req->arena, name);
        struct str age = STR("");

        if (max_age_s > 0)
                age = arena_printf(req->arena, "; Max-Age=%lld", (long long)max_age_s);
        else if (max_age_s < 0)
                age = STR("; Max-Age=0");
        request_add_header(req, "Set-Cookie",
                           arena_printf(req->arena, "%.*s=%.*s; Path=/; HttpOnly; SameSite=%s%s%.*s",
                                        STR_ARG(full), STR_ARG(value), same_site,
                                        over_tls(req) ? "; Secure" : "", STR_ARG(age)));
}

struct str page_cookie(const struct request *req, const char *name)
{
        struct str full = cookie_name(req, req->arena, name);

        return full.ptr ? request_cookie(req, full) : STR_NULL;
}

/* ---- the CSRF token ---------------------------------------------------------------------------------- */

/*
 * The token is a keyed hash of the browser's form cookie and of the form's
 * action: a page of somebody else knows neither the cookie nor the key, and
 * cannot set a `__Host-` cookie for us.
 */
static bool form_token(struct request *req, struct str secret, const char *action, struct str *ret,
                       struct err *err)
{
        const struct envelope *envelope = req->services->envelope;
        uint8_t key[32];
        struct sha256 hash;
        struct str text = arena_printf(req->arena, "%.*s %s", STR_ARG(secret), action);

        if (!arena_check(req->arena, err) ||
            !envelope_derive(envelope, envelope_derive_version(envelope), STR("page-form"), key, err))
                return false;
        hmac_sha256(str_make(key, sizeof(key)), text, &hash);
        secret_wipe(key, sizeof(key));
        *ret = base64url_encode(req->arena, sha256_str(&hash));
        return arena_check(req->arena, err);
}

/* The browser's secret; a new one, with its cookie, when it has none. */
static struct str form_secret(struct request *req)
{
        struct str secret = page_cookie(req, FORM_COOKIE);
        uint8_t bytes[FORM_SECRET_BYTES];

        if (secret.len == FORM_SECRET_LEN)
                return secret;
        for (unsigned i = 0; i < req->header_count; i++) /* a form of this page has set it already */
                if (str_find_str(req->headers[i].value, STR(FORM_COOKIE "=")) >= 0) {
                        ptrdiff_t at = str_find(req->headers[i].value, '=');

                        return str_slice(req->headers[i].value, (size_t)at + 1, FORM_SECRET_LEN);
                }
        random_bytes(bytes, sizeof(bytes));
        secret = base64url_encode(req->arena, str_make(bytes, sizeof(bytes)));
        page_set_cookie(req, FORM_COOKIE, secret, 0, "Strict");
        return secret;
}

struct str page_browser(struct request *req)
{
        struct sha256 hash;

        sha256_of(form_secret(req), &hash);
        return base64url_encode(req->arena, sha256_str(&hash));
}

void page_form_begin(struct page *page, const char *action)
{
        struct str token = STR("");
        struct err err;

        page->form = action;
        /* Without a token the form is refused when it comes back, which is right. */
        if (!form_token(page->req, form_secret(page->req), action, &token, &err))
                page->html.failed = true;
        HTML(page,
             "<form method=\"post\" action=\"{}\">\n<input type=\"hidden\" name=\"" FORM_TOKEN
             "\" value=\"{}\">\n",
             str_from(action), token);
}

static bool refuse_form(struct err *err, const char *why)
{
        return err_set_at(err, ERR_FORBIDDEN, "form", "the form is refused: %s", why);
}

/* Fetch Metadata and RFC 6454: both are written by the browser, never by the page that sends. */
static bool origin_is_ours(struct request *req, struct err *err)
{
        struct str site = request_header(req, "Sec-Fetch-Site");
        struct str origin = request_header(req, "Origin");

        if (site.ptr && !str_is(site, "same-origin") && !str_is(site, "none"))
                return refuse_form(err, "it was sent by another site");
        if (origin.ptr && req->services->url.len > 0 && !str_eq(origin, req->services->url))
                return refuse_form(err, "it was sent from another origin than node.url");
        return true;
}

bool form_read(struct request *req, const char *action, struct str body, struct form *ret, struct err *err)
{
        struct str secret = page_cookie(req, FORM_COOKIE);
        struct str token;

        if (!form_parse(req->arena, body, ret, err) || !origin_is_ours(req, err))
                return false;
        if (secret.len != FORM_SECRET_LEN)
                return refuse_form(err, "the browser sent no cookie with it");
        if (!form_token(req, secret, action, &token, err))
                return false;
        if (!str_eq_secret(token, form_get(ret, FORM_TOKEN)))
                return refuse_form(err, "its token is not ours");
        return true;
}

bool form_parse(struct arena *arena, struct str body, struct form *ret, struct err *err)
{
        ret->count = 0;
        while (body.len > 0) {
                struct form_value *value = &ret->values[ret->count];
                struct str pair;
                struct str name;

                (void)str_cut(&body, '&', &pair);
                if (pair.len == 0)
                        continue;
                if (ret->count == FORM_FIELDS_MAX)
                        return err_set(err, ERR_BAD_REQUEST, "the form has more than %d fields",
                                       FORM_FIELDS_MAX);
                (void)str_cut(&pair, '=', &name);
                if (!percent_decode(arena, name, true, &value->name) ||
                    !percent_decode(arena, pair, true, &value->value) || !str_is_utf8(value->name) ||
                    !str_is_utf8(value->value))
                        return err_set(err, ERR_BAD_REQUEST, "the form is malformed");
                for (size_t i = 0; i < ret->count; i++)
                        if (str_eq(ret->values[i].name, value->name))
                                return err_set(err, ERR_BAD_REQUEST, "a field of the form comes twice");
                ret->count++;
        }
        return true;
}

struct str form_get(const struct form *form, const char *name)
{
        for (size_t i = 0; i < form->count; i++)
                if (str_is(form->values[i].name, name))
                        return form->values[i].value;
        return STR_NULL;
}

/* ---- fields ------------------------------------------------------------------------------------------ */

static void write_attribute(struct page *page, const char *name, const char *value)
{
        if (value)
                HTML(page, " {}=\"{}\"", str_from(name), str_from(value));
}

/* The label above, the hint and the mistake tied to the field, so that a screen reader reads all of them. */
void page_field(struct page *page, const struct page_field *field)
{
        struct str name = str_from(field->name);
        char most[16];

        (void)snprintf(most, sizeof(most), "%u", field->max_length > 0 ? field->max_length : FIELD_LENGTH);
        HTML(page, "<div class=\"field\">\n<label for=\"f-{}\">", name);
        page_text(page, field->label);
        HTML(page, "</label>\n");
        if (field->hint != TEXT_NONE) {
                HTML(page, "<p class=\"hint\" id=\"h-{}\">", name);
                page_text(page, field->hint);
                HTML(page, "</p>\n");
        }
        if (field->error != TEXT_NONE) {
                HTML(page, "<p class=\"alert\" role=\"alert\" id=\"e-{}\">", name);
                page_text(page, field->error);
                HTML(page, "</p>\n");
        }
        HTML(page,
             "<input id=\"f-{}\" name=\"{}\" maxlength=\"{}\" autocapitalize=\"none\" spellcheck=\"false\"",
             name, name, str_from(most));
        write_attribute(page, "type", field->type ? field->type : "text");
        write_attribute(page, "autocomplete", field->autocomplete);
        write_attribute(page, "inputmode", field->inputmode);
        if (field->value.len > 0)
                HTML(page, " value=\"{}\"", field->value);
        if (field->error != TEXT_NONE)
                HTML(page, " aria-invalid=\"true\" aria-describedby=\"e-{}{}{}\"", name,
                     field->hint != TEXT_NONE ? STR(" h-") : STR(""),
                     field->hint != TEXT_NONE ? name : STR(""));
        else if (field->hint != TEXT_NONE)
                HTML(page, " aria-describedby=\"h-{}\"", name);
        if (field->required)
                HTML(page, " required");
        if (field->focus)
                HTML(page, " autofocus");
        HTML(page, ">\n</div>\n");
}

void page_hidden(struct page *page, const char *name, struct str value)
{
        HTML(page, "<input type=\"hidden\" name=\"{}\" value=\"{}\">\n", str_from(name), value);
}

void page_button_with(struct page *page, enum page_text text, struct str which, const char *name,
                      struct str value)
{
        if (value.ptr)
                HTML(page, "<button type=\"submit\" name=\"{}\" value=\"{}\">", str_from(name), value);
        else
                HTML(page, "<button type=\"submit\">");
        page_text_with(page, text, which);
        HTML(page, "</button>\n");
}

void page_button(struct page *page, enum page_text text, const char *name, struct str value)
{
        page_button_with(page, text, STR_NULL, name, value);
}

void page_form_end(struct page *page, enum page_text submit)
{
        if (submit != TEXT_NONE)
                page_button(page, submit, "", STR_NULL);
        HTML(page, "</form>\n");
        page->form = NULL;
}

/* ---- where to go on ------------------------------------------------------------------------------------
 */

/* Pages that a person may be sent to after signing in or out. */
static const char *const pages_of_ours[] = {"/account",          "/login",     "/logout", "/device",
                                            "/oauth2/authorize", "/workspaces"};

bool page_path_is_ours(struct str path)
{
        static const char allowed[] = "-._~/?=&%+:";
        struct str query = path;
        struct str page;

        if (path.len == 0 || path.len > 1024)
                return false;
        for (size_t i = 0; i < path.len; i++) {
                char c = path.ptr[i];

                if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
                    (c == '\0' || !strchr(allowed, c)))
                        return false;
        }
        (void)str_cut(&query, '?', &page);
        for (size_t i = 0; i < sizeof(pages_of_ours) / sizeof(pages_of_ours[0]); i++) {
                struct str known = str_from(pages_of_ours[i]);

                /* Below a known page there are no empty and no dotted segments to climb out by. */
                if (str_eq(page, known) ||
                    (str_starts(page, known) && page.ptr[known.len] == '/' &&
                     str_find_str(page, STR("//")) < 0 && str_find_str(page, STR("/.")) < 0 &&
                     str_find(page, '%') < 0 && str_find(page, ':') < 0))
                        return true;
        }
        return false;
}

struct str page_return_to(struct str path)
{
        return page_path_is_ours(path) ? path : STR("/account");
}

void page_redirect(struct request *req, struct str location)
{
        request_set_status(req, 303);
        request_set_header(req, "Location", location);
        page_security_headers(req);
}
