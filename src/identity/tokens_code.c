/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `countersign login` through the browser: the page that asks, the code that it gives, and the code's
 * exchange (RFC 6749 section 4.1, RFC 7636, RFC 8252, RFC 9207).
 */
#include "identity/tokens.h"

#include "api/services.h"
#include "base/base64.h"
#include "base/clock.h"
#include "identity/identity.h"
#include "identity/tokens_sql.h"

#include <stdio.h>

enum { CODE_BYTES = 32, CHALLENGE_LEN = 43, VERIFIER_MIN = 43, VERIFIER_MAX = 128 };
#define CODE_LIFETIME_MS ((int64_t)60000)

/* ---- what may be asked ------------------------------------------------------------------------------- */

bool token_redirect_is_loopback(struct str uri)
{
        static const struct str heads[] = {{"http://127.0.0.1:", 17}, {"http://[::1]:", 13}};
        struct str tail = STR("/callback");

        for (unsigned i = 0; i < 2; i++) {
                struct str port;
                uint64_t number;

                if (!str_starts(uri, heads[i]) || !str_ends(uri, tail) || uri.len < heads[i].len + tail.len)
                        continue;
                port = str_slice(uri, heads[i].len, uri.len - heads[i].len - tail.len);
                return port.len > 0 && port.ptr[0] != '0' && port.len <= 5 && str_to_u64(port, &number) &&
                       number <= 65535;
        }
        return false;
}

static bool is_url_safe(struct str text)
{
        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];

                if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
                    c != '-' && c != '_' && c != '.' && c != '~')
                        return false;
        }
        return text.len > 0;
}

struct question {
        struct str redirect_uri;
        struct str challenge;
        struct str state;
};

/* Before it is known that the answer can go back to a command line on this machine, nothing is sent there.
 */
static bool check_question(struct str client_id, const struct question *q, struct err *err)
{
        if (!str_is(client_id, TOKEN_CLI_CLIENT))
                return err_set_at(err, ERR_BAD_PARAMETER, "client_id", "this client is not known");
        if (!token_redirect_is_loopback(q->redirect_uri))
                return err_set_at(err, ERR_BAD_PARAMETER, "redirect_uri",
                                  "only http://127.0.0.1:PORT/callback and http://[::1]:PORT/callback");
        if (q->challenge.len != CHALLENGE_LEN || !is_url_safe(q->challenge))
                return err_set_at(err, ERR_BAD_PARAMETER, "code_challenge", "not a SHA-256 in base64url");
        if (!is_url_safe(q->state))
                return err_set_at(err, ERR_BAD_PARAMETER, "state", "letters, digits and -._~ only");
        return true;
}

/* ---- the page ------------------------------------------------------------------------------------------
 */

/* The form's answer leads to the command line: the one place besides ours where this form may end. */
static void allow_form_to(struct request *req, struct str redirect_uri)
{
        struct str origin = str_slice(redirect_uri, 0, redirect_uri.len - sizeof("/callback") + 1);

        request_set_header(req, "Content-Security-Policy",
                           arena_printf(req->arena,
                                        "default-src 'none'; style-src 'self'; img-src 'self' data:; "
                                        "form-action 'self' %.*s; frame-ancestors 'none'; base-uri 'none'",
                                        STR_ARG(origin)));
}

/* The page asks for a session, never for an API key, which nobody types into a browser. */
static bool need_session(const struct request *req, struct err *err)
{
        return req->principal.by_cookie ||
               err_set(err, ERR_UNAUTHENTICATED, "this page is for people in a browser: log in");
}

FIBER_FN bool oauth_authorize_page(struct request *req, const struct api_oauth_authorize_page_in *in,
                                   struct api_text *out, struct err *err)
{
        const struct principal *principal = &req->principal;
        struct question q = {in->redirect_uri, in->code_challenge, in->state};
        struct page page;

        if (!need_session(req, err) || !check_question(in->client_id, &q, err))
                return false;
        if (!str_is(in->response_type, "code") || !str_is(in->code_challenge_method, "S256"))
                return err_set(err, ERR_BAD_REQUEST, "response_type=code and code_challenge_method=S256");
        if (in->has_max_age && (principal->second_factor_ms == 0 ||
                                req->now_ms - principal->second_factor_ms > in->max_age * 1000))
                return err_set(err, ERR_SECOND_FACTOR_REQUIRED, "show your second factor again");
        page_begin(req, TEXT_CLI_TITLE, &page);
        HTML(&page, "<p>");
        page_text_with(&page, TEXT_CLI_ASK, principal->name);
        HTML(&page, "</p>\n");
        page_paragraph(&page, TEXT_CLI_WARN);
        page_form_begin(&page, "/oauth2/authorize");
        page_hidden(&page, "client_id", in->client_id);
        page_hidden(&page, "redirect_uri", q.redirect_uri);
        page_hidden(&page, "code_challenge", q.challenge);
        page_hidden(&page, "state", q.state);
        page_button(&page, TEXT_CLI_ALLOW, "decision", STR("allow"));
        page_button(&page, TEXT_CLI_REFUSE, "decision", STR("refuse"));
        page_form_end(&page, TEXT_NONE);
        if (!page_end(&page, out, err))
                return false;
        allow_form_to(req, q.redirect_uri);
        return arena_check(req->arena, err);
}

/* ---- the answer
 * -------------------------------------------------------------------------------------------- */

struct answer {
        struct question q;
        char code[4 + 26 + 1 + 44];
};

/* "csc_<tenant>_<43 characters>": it names its tenant, as session tokens do. */
static bool code_work(struct request *req, void *arg, struct err *err)
{
        const struct principal *principal = &req->principal;
        struct answer *answer = arg;
        struct sql_session_provider_row provider;
        uint8_t bytes[CODE_BYTES];
        struct sha256 hash;
        int64_t changes;
        bool found;

        random_bytes(bytes, sizeof(bytes));
        (void)snprintf(answer->code, sizeof(answer->code), "csc_%s_%s", principal->tenant.text + 4,
                       base64url_encode(req->arena, str_make(bytes, sizeof(bytes))).ptr);
        sha256_of(str_from(answer->code), &hash);
        request_log_resource(req, "session", id_str(&principal->session));
        if (!arena_check(req->arena, err) ||
            !sql_session_provider(req->tx, id_str(&principal->session), &provider, &found, err) ||
            !sql_authorization_code_sweep(req->tx, req->now_ms - 24 * 3600000, &changes, err))
                return false;
        return sql_authorization_code_insert(
                req->tx,
                &(struct sql_authorization_code_insert_in){
                        .hash = sha256_str(&hash),
                        .principal_id = id_str(&principal->id),
                        .redirect_uri = answer->q.redirect_uri,
                        .challenge = answer->q.challenge,
                        .realm = principal->realm,
                        .methods = principal->methods,
                        .authenticated_ms = principal->authenticated_ms,
                        .second_factor_ms =
                                principal->second_factor_ms != 0 ? &principal->second_factor_ms : NULL,
                        .provider_session = found ? provider.provider_session : STR_NULL,
                        .expires_ms = req->now_ms + CODE_LIFETIME_MS,
                        .allowed_in = id_str(&principal->session),
                },
                err);
}

FIBER_FN bool oauth_authorize(struct request *req, const struct api_oauth_authorize_in *in, struct err *err)
{
        struct answer answer = {0};
        struct str issuer = percent_encode(req->arena, req->services->url);
        struct form form;

        if (!need_session(req, err) || !form_read(req, "/oauth2/authorize", in->body, &form, err))
                return false;
        answer.q = (struct question){form_get(&form, "redirect_uri"), form_get(&form, "code_challenge"),
                                     form_get(&form, "state")};
        if (!check_question(form_get(&form, "client_id"), &answer.q, err))
                return false;
        if (!str_is(form_get(&form, "decision"), "allow")) {
                page_redirect(req, arena_printf(req->arena, "%.*s?error=access_denied&state=%.*s&iss=%.*s",
                                                STR_ARG(answer.q.redirect_uri), STR_ARG(answer.q.state),
                                                STR_ARG(issuer)));
                return arena_check(req->arena, err);
        }
        if (!request_write(req, code_work, &answer, err))
                return false;
        page_redirect(req, arena_printf(req->arena, "%.*s?code=%s&state=%.*s&iss=%.*s",
                                        STR_ARG(answer.q.redirect_uri), answer.code, STR_ARG(answer.q.state),
                                        STR_ARG(issuer)));
        return arena_check(req->arena, err);
}

/* ---- the exchange
 * ---------------------------------------------------------------------------------------------- */

static bool bad_code(struct err *err)
{
        return err_set(err, ERR_INVALID_GRANT,
                       "the code is unknown, has expired, was used, or is not yours");
}

struct look {
        struct str code;
        struct sql_authorization_code_get_row row;
        bool found;
};

static bool look_work(struct request *req, void *arg, struct err *err)
{
        struct look *look = arg;
        struct sha256 hash;

        sha256_of(look->code, &hash);
        return sql_authorization_code_get(req->tx, sha256_str(&hash), &look->row, &look->found, err);
}

/* RFC 6749 section 4.1.2: a code that comes twice was stolen; what it gave ends. */
static bool stolen_work(struct request *req, void *arg, struct err *err)
{
        const struct look *look = arg;

        return session_revoke(req->services, req->tx, look->row.session_id, req->now_ms, err);
}

/* RFC 7636 section 4.6. */
static bool verifier_fits(struct request *req, struct str verifier, struct str challenge)
{
        struct sha256 hash;

        if (verifier.len < VERIFIER_MIN || verifier.len > VERIFIER_MAX || !is_url_safe(verifier))
                return false;
        sha256_of(verifier, &hash);
        return str_eq_secret(base64url_encode(req->arena, sha256_str(&hash)), challenge);
}

FIBER_FN bool token_grant_code(struct request *req, const struct form *form, struct token_grant *ret,
                               struct err *err)
{
        struct look look = {.code = form_get(form, "code")};
        struct str rest = look.code;
        struct str head;

        if (!str_is(form_get(form, "client_id"), TOKEN_CLI_CLIENT))
                return err_set(err, ERR_INVALID_CLIENT, "the client is not known");
        if (!str_cut(&rest, '_', &head) || !str_is(head, "csc") || !str_cut(&rest, '_', &head))
                return bad_code(err);
        *ret = (struct token_grant){.name = "authorization_code", .code = look.code};
        ret->tenant = arena_printf(req->arena, "ten_%.*s", STR_ARG(head));
        if (!token_find_tenant(req, ret->tenant, &ret->region, err))
                return false;
        request_enter(req, ret->tenant, ret->region);
        if (!request_read(req, look_work, &look, err))
                return false;
        if (!look.found || !verifier_fits(req, form_get(form, "code_verifier"), look.row.challenge) ||
            !str_eq(form_get(form, "redirect_uri"), look.row.redirect_uri))
                return bad_code(err);
        req->principal.kind = PRINCIPAL_USER; /* whose entry it is */
        req->principal.id = id_from(look.row.principal_id);
        req->principal.tenant = id_from(ret->tenant);
        req->principal.region = ret->region;
        if (look.row.session_id.ptr) {
                if (!request_prepare(req, stolen_work, &look, err))
                        return false;
                return bad_code(err);
        }
        if (req->now_ms >= look.row.expires_ms)
                return bad_code(err);
        ret->new = (struct session_new){
                .principal = look.row.principal_id,
                .kind = SESSION_CLI,
                .realm = look.row.realm,
                .methods = look.row.methods,
                .authenticated_ms = look.row.authenticated_ms,
                .second_factor_ms = look.row.has_second_factor_ms ? look.row.second_factor_ms : 0,
                .provider_session = look.row.provider_session,
                .allowed_in = look.row.allowed_in,
        };
        return true;
}

bool token_use_code(struct request *req, const struct token_grant *grant, struct str session,
                    struct err *err)
{
        struct sha256 hash;
        int64_t changes;

        sha256_of(grant->code, &hash);
        if (!sql_authorization_code_use(req->tx, sha256_str(&hash), session, &changes, err))
                return false;
        return changes == 1 || bad_code(err);
}
