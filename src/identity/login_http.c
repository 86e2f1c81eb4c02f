/* SPDX-License-Identifier: Apache-2.0 */
/* Signing in through a realm of the tenant's own: the way to the issuer, and back. */
#include "identity/login_private.h"

#include "access/roles.h"
#include "api/api_handlers.h"
#include "api/cell.h"
#include "api/services.h"
#include "base/base64.h"
#include "crypto/secret.h"
#include "identity/oidc.h"
#include "identity/own.h"
#include "identity/pages.h"
#include "identity/realms_sql.h"
#include "identity/sessions.h"
#include "identity/sessions_sql.h"
#include "log/log.h"

#define NO_SESSION "-"

enum { URL_MOST_BYTES = 8192, SECRET_ARENA_BYTES = 1024 * 1024 };

struct str realm_uri(struct request *req, struct str tenant, struct str realm, const char *rest)
{
        return arena_printf(req->arena, "%.*s/login/oidc/%.*s/%.*s%s", STR_ARG(req->services->url),
                            STR_ARG(tenant), STR_ARG(realm), rest);
}

/* ---- which tenant, which realm ---------------------------------------------------------------------- */

struct tenant_look {
        struct str tenant;
        struct sql_login_tenant_get_row row;
        bool found;
};

static bool tenant_work(struct tx *tx, void *arg, struct err *err)
{
        struct tenant_look *look = arg;

        return sql_login_tenant_get(tx, look->tenant, &look->row, &look->found, err);
}

FIBER_FN bool login_tenant_find(struct request *req, struct str tenant, struct login_tenant *ret,
                                struct err *err)
{
        struct tenant_look look = {.tenant = tenant};

        if (!cell_read(req->services->store, &CELL_DIRECTORY, req->arena, tenant_work, &look, err))
                return false;
        if (!look.found)
                return err_set(err, ERR_NOT_FOUND, "there is no such tenant, or it has no sign-in page");
        if (!str_is(look.row.state, "active"))
                return err_set(err, ERR_TENANT_SUSPENDED, "the tenant is suspended");
        *ret = (struct login_tenant){look.row.id, look.row.name, look.row.region};
        return true;
}

struct realms_look {
        struct realm *realms;
        size_t count;
};

static bool realms_work(struct tx *tx, void *arg, struct err *err)
{
        struct realms_look *look = arg;

        return realm_all(tx, look->realms, &look->count, err);
}

struct realm_look {
        struct str id;
        struct realm realm;
        struct arena *secrets; /* NULL: the client's secret is not needed */
        struct str secret;
};

static bool realm_work(struct tx *tx, void *arg, struct err *err)
{
        struct realm_look *look = arg;

        return realm_find(tx, look->id, &look->realm, err) &&
               (!look->secrets || realm_secret(tx, look->secrets, &look->realm, &look->secret, err));
}

/* The tenant's active cell and the realm in it. */
static FIBER_FN bool find_realm(struct request *req, struct str tenant, struct realm_look *look,
                                struct err *err)
{
        struct login_tenant found;
        struct cell_ref cell;

        if (!login_tenant_find(req, tenant, &found, err))
                return false;
        cell = (struct cell_ref){found.id, found.region};
        request_enter(req, found.id, found.region);
        return cell_read(req->services->store, &cell, req->arena, realm_work, look, err);
}

/* ---- the page to begin at --------------------------------------------------------------------------- */

static void ask_for_tenant(struct page *page, struct str tenant, bool unknown, struct str return_to)
{
        HTML(page, "<form method=\"get\" action=\"/login\">\n");
        if (return_to.ptr)
                page_hidden(page, "return_to", return_to);
        page_field(page, &(struct page_field){.name = "tenant",
                                              .label = TEXT_LOGIN_TENANT,
                                              .hint = TEXT_LOGIN_TENANT_HINT,
                                              .error = unknown ? TEXT_LOGIN_TENANT_UNKNOWN : TEXT_NONE,
                                              .autocomplete = "organization",
                                              .value = tenant,
                                              .required = true,
                                              .focus = true,
                                              .max_length = 64});
        page_form_end(page, TEXT_CONTINUE);
}

/* A way to sign in: a link, since a form could not lead to another site (see page_security_headers). */
static void show_way(struct page *page, struct str path, struct str tenant, struct str return_to,
                     enum page_text text, struct str name)
{
        BUF_SCOPED href = {0};

        buf_init(&href, URL_MOST_BYTES);
        buf_append_str(&href, path);
        buf_append_char(&href, '?');
        if (tenant.ptr)
                form_append(&href, "tenant", tenant);
        if (return_to.ptr)
                form_append(&href, "return_to", return_to);
        HTML(page, "<p>");
        page_link(page, buf_str(&href), text, name);
        HTML(page, "</p>\n");
}

static void show_ways(struct page *page, const struct login_tenant *tenant, const struct realms_look *look,
                      struct str return_to)
{
        HTML(page, "<p>");
        page_text_with(page, TEXT_LOGIN_AT, tenant->name);
        HTML(page, "</p>\n");
        for (size_t i = 0; i < look->count; i++)
                show_way(page,
                         arena_printf(page->req->arena, "/login/oidc/%.*s/%.*s", STR_ARG(tenant->id),
                                      STR_ARG(look->realms[i].id)),
                         STR_NULL, return_to, TEXT_LOGIN_WITH, look->realms[i].name);
        show_way(page, STR("/login/local"), tenant->name, return_to, TEXT_LOGIN_LOCAL, STR_NULL);
        HTML(page, "<p><a href=\"/login\">");
        page_text(page, TEXT_LOGIN_OTHER_TENANT);
        HTML(page, "</a></p>\n");
}

FIBER_FN bool login_get(struct request *req, const struct api_login_get_in *in, struct api_text *out,
                        struct err *err)
{
        struct str return_to = page_path_is_ours(in->return_to) ? in->return_to : STR_NULL;
        struct str name = str_trim(in->tenant);
        struct realm realms[REALMS_MAX];
        struct realms_look look = {.realms = realms};
        struct login_tenant tenant = {.id = STR_NULL};
        struct page page;

        if (name.len > 0 && !login_tenant_find(req, name, &tenant, err) && err->code != ERR_NOT_FOUND)
                return false;
        if (tenant.id.ptr) {
                struct cell_ref cell = {tenant.id, tenant.region};

                if (!cell_read(req->services->store, &cell, req->arena, realms_work, &look, err))
                        return false;
        }
        page_begin(req, TEXT_LOGIN_TITLE, &page);
        if (tenant.id.ptr)
                show_ways(&page, &tenant, &look, return_to);
        else
                ask_for_tenant(&page, name, name.len > 0, return_to);
        return page_end(&page, out, err);
}

/* ---- to the issuer ---------------------------------------------------------------------------------- */

static void write_request(struct request *req, const struct realm *realm, const struct login_state *state,
                          struct str sealed, struct buf *url)
{
        struct sha256 challenge;

        sha256_of(str_from(state->verifier), &challenge);
        buf_append_char(url, str_find(buf_str(url), '?') >= 0 ? '&' : '?');
        form_append(url, "response_type", STR("code"));
        form_append(url, "client_id", realm->client_id);
        form_append(url, "redirect_uri", realm_uri(req, state->tenant, realm->id, "/callback"));
        form_append(url, "scope", realm->scopes);
        form_append(url, "state", sealed);
        form_append(url, "nonce", str_from(state->nonce));
        form_append(url, "code_challenge", base64url_encode(req->arena, sha256_str(&challenge)));
        form_append(url, "code_challenge_method", STR("S256"));
        /*
         * OpenID Connect Core 1.0 section 3.1.2.1: asked again although the issuer knows the browser, and
         * told when (auth_time is then required).
         */
        if (!str_is(state->session, NO_SESSION)) {
                form_append(url, "prompt", STR("login"));
                form_append(url, "max_age", STR("300"));
                if (realm->second_factor_acr.ptr)
                        form_append(url, "acr_values", realm->second_factor_acr);
        }
}

static FIBER_FN bool go_to_issuer(struct request *req, struct login_state *state, struct err *err)
{
        struct realm_look look = {.id = state->realm};
        struct oidc_issuer issuer;
        struct str sealed;
        BUF_SCOPED url = {0};
        bool ok;

        if (!find_realm(req, state->tenant, &look, err) ||
            !oidc_issuer_get(req->services->oidc, req->arena, look.realm.issuer, &issuer, err))
                return false;
        buf_init(&url, URL_MOST_BYTES);
        buf_append_str(&url, issuer.authorization_endpoint);
        oidc_issuer_done(&issuer);
        ok = login_state_new(req, state, &sealed, err);
        if (ok)
                write_request(req, &look.realm, state, sealed, &url);
        secret_wipe(state->verifier, sizeof(state->verifier));
        if (!ok || !buf_check(&url, "the issuer's URL", err))
                return false;
        page_redirect(req, buf_str(&url));
        return arena_check(req->arena, err);
}

FIBER_FN bool login_start(struct request *req, const struct api_login_start_in *in, struct err *err)
{
        struct login_state state = {.tenant = in->tenant_id,
                                    .realm = in->realm,
                                    .session = STR(NO_SESSION),
                                    .return_to = page_return_to(in->return_to)};

        return go_to_issuer(req, &state, err);
}

FIBER_FN bool step_up_issuer(struct request *req, const struct api_step_up_issuer_in *in, struct err *err)
{
        struct login_state state = {.tenant = id_str(&req->principal.tenant),
                                    .realm = req->principal.realm,
                                    .session = id_str(&req->principal.session),
                                    .return_to = page_return_to(in->return_to)};

        return own_browser(req, err) && go_to_issuer(req, &state, err);
}

/* ---- and back: the code for a token ----------------------------------------------------------------- */

/* RFC 6749 section 2.3.1: both parts are form-encoded before base64. */
static struct str basic_credentials(struct arena *arena, struct str id, struct str secret)
{
        struct str encoded;
        struct buf text;

        buf_init(&text, 8192);
        form_escape(&text, id);
        buf_append_char(&text, ':');
        form_escape(&text, secret);
        encoded = base64_encode(arena, buf_str(&text));
        buf_done_zeroing(&text);
        return arena_printf(arena, "Basic %.*s", STR_ARG(encoded));
}

static bool token_refused(const struct json *reply, struct err *err)
{
        struct str code = json_get_string(reply, "error");

        /* RFC 6749 section 5.2: the code was used, has expired, or is another client's. */
        if (str_is(code, "invalid_grant"))
                return err_set(err, ERR_UNAUTHENTICATED, "the issuer does not take the code; start again");
        return err_set(err, ERR_UPSTREAM_PROTOCOL, "the issuer refuses us: %.*s",
                       STR_ARG(str_slice(code.len > 0 ? code : STR("no error given"), 0, 64)));
}

/* *ret_id_token is in `secrets`. */
static FIBER_FN bool exchange(struct request *req, const struct realm_look *look,
                              const struct oidc_issuer *issuer, const struct login_state *state,
                              struct str code, struct str *ret_id_token, struct err *err)
{
        const struct realm *realm = &look->realm;
        bool post = realm->client_authentication == CLIENT_POST;
        bool basic = realm->client_authentication == CLIENT_BASIC;
        const struct oidc_form_field fields[] = {
                {"grant_type", STR("authorization_code")},
                {"code", code},
                {"redirect_uri", realm_uri(req, state->tenant, realm->id, "/callback")},
                {"code_verifier", str_from(state->verifier)},
                {"client_id", basic ? STR_NULL : realm->client_id},
                {"client_secret", post ? look->secret : STR_NULL},
        };
        struct str authorization =
                basic ? basic_credentials(look->secrets, realm->client_id, look->secret) : STR_NULL;
        struct json reply;
        int status;

        if (!arena_check(req->arena, err) || !arena_check(look->secrets, err) ||
            !oidc_post(req->services->oidc, look->secrets, issuer->token_endpoint, fields,
                       sizeof(fields) / sizeof(fields[0]), authorization, &status, &reply, err))
                return false;
        if (status != 200)
                return token_refused(&reply, err);
        *ret_id_token = json_get_string(&reply, "id_token");
        return ret_id_token->len > 0 || err_set(err, ERR_UPSTREAM_PROTOCOL, "the issuer gave no id_token");
}

/* OpenID Connect Core section 3.1.3.7. */
static FIBER_FN bool check_id_token(struct request *req, const struct realm *realm,
                                    const struct login_state *state, struct str id_token,
                                    struct jose_token *ret, struct jose_claims *ret_claims, struct err *err)
{
        const struct jose_expect expect = {.issuer = realm->issuer,
                                           .audience = realm->client_id,
                                           .azp = realm->client_id,
                                           .nonce = str_from(state->nonce),
                                           .now_ms = req->now_ms,
                                           .leeway_ms = realm->clock_skew_ms,
                                           .needs_iat = true,
                                           .needs_sub = true};

        return oidc_verify(req->services->oidc, req->arena, realm->issuer, realm->algs, id_token, ret,
                           err) &&
               jose_claims_check(ret, &expect, ret_claims, err);
}

/* ---- and in ----------------------------------------------------------------------------------------- */

struct finish {
        const struct realm *realm;
        const struct login_state *state;
        const struct json *claims;
        struct str subject;
        struct str sealed_state;
        struct session_secret session;
};

/*
 * For a session that shows its second factor again: the issuer must have asked since it was sent there
 * (OpenID Connect Core 1.0 section 3.1.3.7, 13), and more than a password; and it must be the same person.
 * The new session takes the old one's place, with what the issuer calls it now.
 */
static bool replace_session(struct request *req, const struct finish *finish, struct str principal,
                            const struct session_new *new, struct err *err)
{
        /* The issuer tells whole seconds, by its own clock. */
        int64_t begun_ms = finish->state->expires_ms - LOGIN_STATE_MS - finish->realm->clock_skew_ms - 1000;
        struct sql_session_get_row old;
        bool found;

        if (new->second_factor_ms == 0 || new->second_factor_ms < begun_ms)
                return err_set(err, ERR_UNAUTHENTICATED,
                               "the issuer does not say that it has just asked you for a second factor");
        if (!sql_session_get(req->tx, finish->state->session, &old, &found, err))
                return false;
        if (!found)
                return true;
        if (!str_eq(old.principal_id, principal))
                return err_set(err, ERR_FORBIDDEN, "at the issuer you are somebody else than here");
        request_log_detail(req, "replaced", old.id);
        return session_revoke(req->services, req->tx, old.id, req->now_ms, err);
}

static bool create_session(struct request *req, struct finish *finish, struct str principal, struct err *err)
{
        struct session_new new = {.principal = principal,
                                  .kind = SESSION_BROWSER,
                                  .realm = finish->realm->id,
                                  .provider_session = json_get_string(finish->claims, "sid")};
        struct oidc_proof proof;

        oidc_proof_of(req->arena, finish->realm, finish->claims, req->now_ms, &proof);
        new.methods = proof.methods;
        new.authenticated_ms = proof.authenticated_ms;
        new.second_factor_ms = proof.second_factor_ms;
        if (!str_is(finish->state->session, NO_SESSION) &&
            !replace_session(req, finish, principal, &new, err))
                return false;
        return session_create(req->services, req->tx, &new, req->now_ms, &finish->session, err);
}

/* On a store thread: one transaction ends the log-in, once. */
static bool finish_work(struct request *req, void *arg, struct err *err)
{
        struct finish *finish = arg;
        struct identity_principal person;
        struct sha256 hash;
        int64_t changes;
        struct realm_roles roles;
        bool is_new;

        sha256_of(finish->sealed_state, &hash);
        if (!sql_login_finished_sweep(req->tx, req->now_ms, &changes, err) ||
            !sql_login_finish(req->tx, sha256_str(&hash), finish->state->expires_ms, &changes, err))
                return false;
        if (changes != 1)
                return err_set(err, ERR_UNAUTHENTICATED, "this sign-in was finished already; start again");
        if (!realm_roles(req->services->oidc, req->tx, finish->realm, finish->claims, &roles, err) ||
            !realm_person(req->services, req->tx, finish->realm, finish->subject, finish->claims, &roles,
                          req->now_ms, &person, &is_new, err) ||
            !create_session(req, finish, person.id, err))
                return false;
        req->principal.kind = PRINCIPAL_USER; /* who the log's entry is about */
        req->principal.id = id_from(person.id);
        req->principal.tenant = id_from(req->tenant);
        req->principal.region = req->region;
        req->principal.credential = finish->session.id;
        request_log_resource(req, "session", id_str(&finish->session.id));
        request_log_detail(req, "realm", finish->realm->id);
        request_log_detail(req, "new_principal", is_new ? STR("true") : STR("false"));
        return true;
}

/* ---- what did not work ------------------------------------------------------------------------------ */

struct denial {
        const struct request *req;
        struct str realm;
        const struct err *why;
};

static bool denial_work(struct tx *tx, void *arg, struct err *err)
{
        const struct denial *denial = arg;
        struct log_resource resource = {"realm", denial->realm};
        struct log_event event = {
                .time_ms = denial->req->now_ms,
                .activity = LOG_OTHER,
                .denied = true,
                .operation = STR("login.callback"),
                .code = str_from(err_name(denial->why->code)),
                .actor = LOG_ANONYMOUS,
                .source = STR("api"),
                .request_id = id_str(&denial->req->id),
                .resources = &resource,
                .resource_count = 1,
        };

        return log_append(tx, &event, NULL, err);
}

/* The pipeline logs refusals of those whom it knows; here nobody is known yet, but the tenant is. */
static FIBER_FN void log_denial(struct request *req, struct str realm, const struct err *why)
{
        struct cell_ref cell = {req->tenant, req->region};
        struct denial denial = {req, realm, why};
        struct err ignored;

        if (!err_is_internal(why->code) && req->principal.kind == PRINCIPAL_NOBODY)
                (void)!cell_write(req->services->store, &cell, NULL, denial_work, &denial, &ignored);
}

/* RFC 9207 section 2.4: whose answer this is. */
static bool check_iss(const struct oidc_issuer *issuer, struct str iss, struct err *err)
{
        if (iss.ptr ? str_eq(iss, issuer->issuer) : !issuer->names_itself)
                return true;
        return err_set(err, ERR_UNAUTHENTICATED,
                       "the answer is by another issuer than the one that was asked");
}

static FIBER_FN bool come_back(struct request *req, const struct api_login_callback_in *in,
                               struct realm_look *look, const struct login_state *state,
                               struct finish *finish, struct err *err)
{
        struct jose_claims claims;
        struct oidc_issuer issuer;
        struct jose_token token;
        struct str id_token;
        bool ok;

        if (!oidc_issuer_get(req->services->oidc, req->arena, look->realm.issuer, &issuer, err))
                return false;
        ok = check_iss(&issuer, in->iss, err);
        if (ok && (in->error.ptr || in->code.len == 0))
                ok = err_set(err, ERR_FORBIDDEN, "the issuer did not sign you in: %.*s",
                             STR_ARG(in->error.ptr ? in->error : STR("it sent no code")));
        ok = ok && exchange(req, look, &issuer, state, in->code, &id_token, err) &&
             check_id_token(req, &look->realm, state, id_token, &token, &claims, err);
        oidc_issuer_done(&issuer);
        if (!ok)
                return false;
        finish->claims = &token.payload;
        finish->subject = claims.subject;
        return request_write(req, finish_work, finish, err);
}

FIBER_FN bool login_callback(struct request *req, const struct api_login_callback_in *in, struct err *err)
{
        struct arena secrets;
        struct realm_look look = {.id = in->realm, .secrets = &secrets};
        struct login_state state;
        struct finish finish = {.realm = &look.realm, .state = &state, .sealed_state = in->state};
        bool ok;

        if (!login_state_open(req, in->tenant_id, in->realm, in->state, &state, err))
                return false;
        arena_init_zeroing(&secrets, SECRET_ARENA_BYTES);
        ok = find_realm(req, in->tenant_id, &look, err);
        if (ok) {
                ok = come_back(req, in, &look, &state, &finish, err);
                if (!ok)
                        log_denial(req, in->realm, err);
        }
        arena_done(&secrets);
        secret_wipe(state.verifier, sizeof(state.verifier));
        if (!ok)
                return false;
        session_reply_cookie(req, &finish.session);
        secret_wipe(&finish.session, sizeof(finish.session));
        page_redirect(req, page_return_to(state.return_to));
        return arena_check(req->arena, err);
}
