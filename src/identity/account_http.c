/* SPDX-License-Identifier: Apache-2.0 */
/* What a person sees once signed in, and signing out: here, and as the issuer says. */
#include "identity/login_private.h"

#include "api/api_handlers.h"
#include "api/cell.h"
#include "api/services.h"
#include "base/clock.h"
#include "identity/oidc.h"
#include "identity/pages.h"
#include "identity/realms_sql.h"
#include "identity/sessions.h"

#define LOGOUT_EVENT "http://schemas.openid.net/event/backchannel-logout"

enum { WORKSPACES_SHOWN = 20, URL_MOST_BYTES = 4096 };

/* ---- who is signed in ------------------------------------------------------------------------------- */

struct self {
        const struct principal *principal;
        struct str tenant;
        struct identity_principal person;
        struct str realm; /* its name; {NULL, 0}: none of the tenant's own */
        size_t workspaces;
        struct str names[WORKSPACES_SHOWN];
};

static bool self_work(struct tx *tx, void *arg, struct err *err)
{
        struct self *self = arg;
        struct sql_account_tenant_row tenant;
        SQL_SCOPED(account_workspaces) c = {0};
        struct sql_account_workspaces_row row;
        struct sql_realm_get_row realm;
        bool found;
        bool has = true;

        if (!identity_principal_get(tx, id_str(&self->principal->id), &self->person, err) ||
            !sql_account_tenant(tx, &tenant, &found, err) ||
            !sql_realm_get(tx, self->principal->realm, &realm, &has, err))
                return false;
        self->tenant = found ? tenant.name : STR("");
        self->realm = has ? realm.name : STR_NULL;
        if (!sql_account_workspaces_open(tx, WORKSPACES_SHOWN, &c, err))
                return false;
        for (has = true; self->workspaces < WORKSPACES_SHOWN;) {
                if (!sql_account_workspaces_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                self->names[self->workspaces++] = row.name;
        }
        return true;
}

static void term(struct page *page, enum page_text name)
{
        HTML(page, "<dt>");
        page_text(page, name);
        HTML(page, "</dt>\n");
}

static void show_self(struct page *page, const struct principal *principal, const struct self *self)
{
        char until[CLOCK_RFC3339_SIZE];

        HTML(page, "<dl>\n");
        term(page, TEXT_ACCOUNT_WHO);
        HTML(page, "<dd id=\"name\">{}</dd>\n", principal->name);
        term(page, TEXT_ACCOUNT_PRINCIPAL);
        HTML(page, "<dd id=\"principal\">{}</dd>\n", id_str(&principal->id));
        term(page, TEXT_ACCOUNT_TENANT);
        HTML(page, "<dd id=\"tenant\">{}</dd>\n", self->tenant);
        term(page, TEXT_ACCOUNT_WORKSPACE);
        for (size_t i = 0; i < self->workspaces; i++)
                HTML(page, "<dd class=\"workspace\">{}</dd>\n", self->names[i]);
        term(page, TEXT_ACCOUNT_ROLES);
        for (size_t i = 0; i < self->person.role_count; i++)
                HTML(page, "<dd class=\"role\">{}</dd>\n", self->person.role_names[i]);
        if (self->realm.ptr) {
                term(page, TEXT_ACCOUNT_REALM);
                HTML(page, "<dd id=\"realm\">{}</dd>\n", self->realm);
        }
        if (principal->expires_ms > 0) {
                clock_format(principal->expires_ms, until);
                term(page, TEXT_ACCOUNT_UNTIL);
                HTML(page, "<dd><time datetime=\"{}\">{}</time></dd>\n", str_from(until), str_from(until));
        }
        HTML(page, "</dl>\n");
}

/* `local`: they have a password here. */
static void show_pages(struct page *page, bool local)
{
        static const struct {
                const char *path;
                enum page_text text;
        } pages[] = {{"/account/password", TEXT_PASSWORD_TITLE},
                     {"/account/factors", TEXT_FACTORS_TITLE},
                     {"/account/passkeys", TEXT_PASSKEYS_TITLE},
                     {"/account/sessions", TEXT_SESSIONS_TITLE}};

        HTML(page, "<nav aria-labelledby=\"pages\">\n<h2 id=\"pages\">");
        page_text(page, TEXT_ACCOUNT_PAGES);
        HTML(page, "</h2>\n<ul>\n");
        for (size_t i = local ? 0 : 1; i < sizeof(pages) / sizeof(pages[0]); i++) {
                HTML(page, "<li><a href=\"{}\">", str_from(pages[i].path));
                page_text(page, pages[i].text);
                HTML(page, "</a></li>\n");
        }
        HTML(page, "</ul>\n</nav>\n");
}

FIBER_FN bool account_page(struct request *req, const struct api_account_page_in *in, struct api_text *out,
                           struct err *err)
{
        const struct principal *principal = &req->principal;
        struct cell_ref cell = {id_str(&principal->tenant), principal->region};
        struct self self = {.principal = principal};
        struct page page;

        (void)in;
        if (!cell_read(req->services->store, &cell, req->arena, self_work, &self, err))
                return false;
        page_begin(req, TEXT_ACCOUNT_TITLE, &page);
        show_self(&page, principal, &self);
        show_pages(&page, !self.realm.ptr);
        page_form_begin(&page, "/logout");
        page_form_end(&page, TEXT_LOGOUT_DO);
        return page_end(&page, out, err);
}

/* ---- signing out here ------------------------------------------------------------------------------- */

FIBER_FN bool logout_get(struct request *req, const struct api_logout_get_in *in, struct api_text *out,
                         struct err *err)
{
        struct page page;

        (void)in;
        page_begin(req, TEXT_LOGOUT_TITLE, &page);
        page_paragraph(&page, TEXT_LOGOUT_ASK);
        page_form_begin(&page, "/logout");
        page_form_end(&page, TEXT_LOGOUT_DO);
        return page_end(&page, out, err);
}

struct leave {
        struct realm realm; /* id {NULL, 0}: none of the tenant's own */
};

static bool leave_work(struct request *req, void *arg, struct err *err)
{
        struct leave *leave = arg;
        struct err ignored;

        if (!realm_find(req->tx, req->principal.realm, &leave->realm, &ignored))
                leave->realm.id = STR_NULL;
        if (!session_revoke(req->services, req->tx, id_str(&req->principal.session), req->now_ms, err))
                return false;
        request_log_resource(req, "session", id_str(&req->principal.session));
        return true;
}

/* OpenID Connect RP-Initiated Logout 1.0 section 2; a link, since a person may want to stay signed in there.
 */
static FIBER_FN void offer_logout_there(struct page *page, const struct realm *realm)
{
        struct request *req = page->req;
        struct oidc_issuer issuer;
        struct err ignored;
        BUF_SCOPED url = {0};

        if (!oidc_issuer_get(req->services->oidc, req->arena, realm->issuer, &issuer, &ignored))
                return;
        oidc_issuer_done(&issuer);
        if (!issuer.end_session_endpoint.ptr)
                return;
        buf_init(&url, URL_MOST_BYTES);
        buf_append_str(&url, issuer.end_session_endpoint);
        buf_append_char(&url, str_find(issuer.end_session_endpoint, '?') >= 0 ? '&' : '?');
        form_append(&url, "client_id", realm->client_id);
        form_append(&url, "post_logout_redirect_uri",
                    arena_printf(req->arena, "%.*s/login", STR_ARG(req->services->url)));
        HTML(page, "<p>");
        page_link(page, buf_str(&url), TEXT_LOGOUT_THERE, realm->name);
        HTML(page, "</p>\n");
}

FIBER_FN bool logout_do(struct request *req, const struct api_logout_do_in *in, struct api_text *out,
                        struct err *err)
{
        struct leave leave = {.realm = {.id = STR_NULL}};
        struct form form;
        struct page page;

        if (!form_read(req, "/logout", in->body, &form, err))
                return false;
        if (!req->principal.session.text[0])
                return err_set(err, ERR_CONFLICT, "only a session can be signed out; an API key is revoked");
        if (!request_write(req, leave_work, &leave, err))
                return false;
        session_reply_no_cookie(req);
        page_begin(req, TEXT_LOGOUT_DONE_TITLE, &page);
        page_paragraph(&page, TEXT_LOGOUT_DONE);
        if (leave.realm.id.ptr)
                offer_logout_there(&page, &leave.realm);
        HTML(&page, "<p>");
        page_link(&page, STR("/login"), TEXT_LOGIN_TITLE, STR_NULL);
        HTML(&page, "</p>\n");
        return page_end(&page, out, err);
}

/* ---- as the issuer says ----------------------------------------------------------------------------- */

struct ended {
        struct str realm;
        struct str issuer;
        struct str subject;
        struct str sid;
};

static bool ended_work(struct request *req, void *arg, struct err *err)
{
        const struct ended *ended = arg;
        struct sql_realm_subject_get_row row;
        struct str principal = STR_NULL;
        int64_t count = 0;
        bool found;

        request_log_resource(req, "realm", ended->realm);
        if (ended->subject.ptr) {
                if (!sql_realm_subject_get(req->tx, ended->issuer, ended->subject, &row, &found, err))
                        return false;
                if (!found)
                        return true; /* who was never here has no session here */
                principal = row.principal_id;
        }
        if (!session_revoke_provider(req->services, req->tx, ended->realm, ended->sid, principal,
                                     req->now_ms, &count, err))
                return false;
        request_log_detail(req, "sessions", arena_printf(req->arena, "%lld", (long long)count));
        return true;
}

static bool bad_token(struct err *err, const char *why)
{
        return err_set(err, ERR_BAD_REQUEST, "the logout token is refused: %s", why);
}

/* OpenID Connect Back-Channel Logout 1.0 section 2.6. */
static bool check_logout_token(const struct jose_token *token, const struct realm *realm, int64_t now_ms,
                               struct ended *ret, struct err *err)
{
        const struct jose_expect expect = {.issuer = realm->issuer,
                                           .audience = realm->client_id,
                                           .now_ms = now_ms,
                                           .leeway_ms = realm->clock_skew_ms,
                                           .needs_iat = true,
                                           .needs_jti = true};
        const struct json *event = json_get(json_get(&token->payload, "events"), LOGOUT_EVENT);
        struct jose_claims claims;
        struct err why;

        if (!jose_claims_check(token, &expect, &claims, &why))
                return bad_token(err, why.message);
        if (!event || event->type != JSON_OBJECT)
                return bad_token(err, "it has no logout event");
        if (json_get(&token->payload, "nonce"))
                return bad_token(err, "it has a nonce, as ID tokens have");
        ret->issuer = realm->issuer;
        ret->subject = claims.subject;
        ret->sid = json_get_string(&token->payload, "sid");
        if (!ret->subject.ptr && !ret->sid.ptr)
                return bad_token(err, "it names neither sub nor sid");
        return true;
}

struct realm_read {
        struct str id;
        struct realm realm;
};

static bool read_realm_work(struct tx *tx, void *arg, struct err *err)
{
        struct realm_read *read = arg;

        return realm_find(tx, read->id, &read->realm, err);
}

FIBER_FN bool realm_logout(struct request *req, const struct api_realm_logout_in *in, struct err *err)
{
        struct realm_read read = {.id = in->realm};
        struct ended ended = {.realm = in->realm};
        struct login_tenant tenant;
        struct jose_token token;
        struct cell_ref cell;
        struct form form;
        struct err why;

        if (!form_parse(req->arena, in->body, &form, err))
                return false;
        if (!form_get(&form, "logout_token").ptr)
                return bad_token(err, "there is none");
        if (!login_tenant_find(req, in->tenant_id, &tenant, err))
                return false;
        cell = (struct cell_ref){tenant.id, tenant.region};
        if (!cell_read(req->services->store, &cell, req->arena, read_realm_work, &read, err))
                return false;
        request_enter(req, tenant.id, tenant.region);
        if (!oidc_verify(req->services->oidc, req->arena, read.realm.issuer, read.realm.algs,
                         form_get(&form, "logout_token"), &token, &why)) {
                if (why.code == ERR_UNAUTHENTICATED)
                        return bad_token(err, why.message);
                *err = why;
                return false;
        }
        return check_logout_token(&token, &read.realm, req->now_ms, &ended, err) &&
               request_write(req, ended_work, &ended, err);
}
