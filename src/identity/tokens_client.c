/* SPDX-License-Identifier: Apache-2.0 */
/* The grant client_credentials: who the client is (RFC 6749 section 2.3, RFC 7523 section 3). */
#include "identity/tokens.h"

#include "api/cell.h"
#include "api/services.h"
#include "base/base64.h"
#include "crypto/jose.h"
#include "identity/authenticate.h"
#include "identity/identity.h"
#include "identity/tokens_sql.h"
#include "identity/words.h"

#include <stdio.h>

/* An assertion is made for one request; its jti is kept until then. */
#define ASSERTION_LIFETIME_MS ((int64_t)5 * 60000)
#define ASSERTION_LEEWAY_MS ((int64_t)30000)

static bool not_the_client(struct err *err)
{
        return err_set(err, ERR_INVALID_CLIENT,
                       "the client is unknown, or its proof of itself is not valid");
}

/* ---- by an API key as the secret ---------------------------------------------------------------------- */

struct secret_look {
        struct request *req;
        struct str secret;
        bool ok;
        struct err *err;
};

static void secret_blocking(void *arg)
{
        struct secret_look *look = arg;
        struct request *req = look->req;

        look->ok = identity_authenticate(req->services->identity, req->arena, look->secret, req->now_ms,
                                         &req->principal, look->err);
}

/* "<tenant>/<principal>", or the principal alone: the secret says whose it is. */
static bool client_id_is(struct str id, const struct principal *principal)
{
        struct str tenant;

        if (str_cut(&id, '/', &tenant))
                return str_eq(tenant, id_str(&principal->tenant)) && str_eq(id, id_str(&principal->id));
        return str_eq(tenant, id_str(&principal->id));
}

static FIBER_FN bool by_secret(struct request *req, struct str client_id, struct str secret, struct err *err)
{
        struct secret_look look = {.req = req, .secret = secret, .err = err};
        struct principal *principal = &req->principal;
        bool fits;

        if (!str_starts(secret, STR("cs_")))
                return not_the_client(err);
        switch (identity_authenticate_quick(req->services->identity, req->arena, secret, req->now_ms,
                                            principal, err)) {
        case LOOKUP_FOUND:
                look.ok = true;
                break;
        case LOOKUP_UNKNOWN:
                fiber_offload(secret_blocking, &look);
                break;
        case LOOKUP_REFUSED:
                break;
        }
        fits = look.ok && client_id_is(client_id, principal);
        if (!fits)
                *principal = (struct principal){0}; /* nobody's log is written to */
        if (!look.ok && err->code != ERR_UNAUTHENTICATED && err->code != ERR_TENANT_SUSPENDED)
                return false;
        return fits || not_the_client(err);
}

/* RFC 6749 section 2.3.1: both are form-encoded, then joined, then base64. */
static FIBER_FN bool by_basic(struct request *req, struct str header, struct err *err)
{
        struct str scheme;
        struct str both;
        struct str id;
        struct str secret;

        if (!str_cut(&header, ' ', &scheme) || !str_eq_nocase(scheme, STR("Basic")) ||
            !base64_decode(req->arena, str_trim(header), &both) || !str_cut(&both, ':', &id) ||
            !percent_decode(req->arena, id, true, &id) || !percent_decode(req->arena, both, true, &secret))
                return not_the_client(err);
        return by_secret(req, id, secret, err);
}

/* ---- by an assertion
 * -------------------------------------------------------------------------------------- */

struct assertion {
        struct request *req;
        struct str text;
        struct str tenant;
        struct str region;
        struct str principal;
        struct str client_id;
        struct token_grant *grant;
        bool known;
};

/* RFC 7523 section 3: for us, by its name or by the endpoint's. */
static bool check_claims(const struct assertion *assertion, const struct jose_token *token,
                         struct jose_claims *ret, struct err *err)
{
        struct request *req = assertion->req;
        struct jose_expect expect = {
                .issuer = assertion->client_id,
                .audience = req->services->url,
                .audience_alone = true,
                .now_ms = req->now_ms,
                .leeway_ms = ASSERTION_LEEWAY_MS,
                .needs_sub = true,
                .needs_jti = true,
        };

        if (!jose_claims_check(token, &expect, ret, err)) {
                expect.audience = arena_printf(req->arena, "%.*s/oauth2/token", STR_ARG(req->services->url));
                if (!jose_claims_check(token, &expect, ret, err))
                        return false;
        }
        return str_eq(ret->subject, assertion->client_id) &&
               ret->expires_ms <= req->now_ms + ASSERTION_LIFETIME_MS + ASSERTION_LEEWAY_MS;
}

static bool verify(struct assertion *assertion, struct str jwks, struct err *err)
{
        __attribute__((cleanup(jose_keys_freep))) struct jose_keys *keys = NULL;
        struct request *req = assertion->req;
        struct token_grant *grant = assertion->grant;
        struct jose_claims claims;
        struct jose_token token;

        if (!jose_keys_parse(jwks, JOSE_PUBLIC, &keys, err) ||
            !jose_verify(req->arena, keys, JOSE_PUBLIC, assertion->text, &token, NULL, err) ||
            !check_claims(assertion, &token, &claims, err))
                return false;
        sha256_of(claims.jti, &grant->jti);
        grant->jti_until_ms = claims.expires_ms + ASSERTION_LEEWAY_MS;
        return true;
}

/* On a store thread, where a signature of RSA may take its time. */
static bool assertion_work(struct tx *tx, void *arg, struct err *err)
{
        struct assertion *assertion = arg;
        struct principal *principal = &assertion->req->principal;
        struct identity_principal found;
        struct sql_token_client_get_row row;
        struct err why;
        bool has;

        if (!identity_principal_get(tx, assertion->principal, &found, &why))
                return why.code == ERR_NOT_FOUND || err_set(err, why.code, "%s", why.message);
        if (!sql_token_client_get(tx, assertion->principal, &row, &has, err))
                return false;
        if (!has || !row.jwks.ptr || found.disabled || !verify(assertion, row.jwks, &why))
                return true;
        assertion->known = true;
        *principal = (struct principal){.kind = found.kind,
                                        .id = id_from(found.id),
                                        .tenant = id_from(assertion->tenant),
                                        .region = assertion->region,
                                        .name = found.name};
        return true;
}

static FIBER_FN bool by_assertion(struct request *req, struct str text, struct token_grant *grant,
                                  struct err *err)
{
        struct assertion assertion = {.req = req, .text = text, .grant = grant};
        struct jose_token token;
        struct cell_ref cell;
        struct err why;

        /* Only to find out whose keys to check it with. */
        if (!jose_peek(req->arena, text, &token, &why))
                return not_the_client(err);
        assertion.client_id = json_get_string(&token.payload, "iss");
        assertion.principal = assertion.client_id;
        if (!str_cut(&assertion.principal, '/', &assertion.tenant) || !id_is_any(assertion.principal))
                return not_the_client(err);
        if (!token_find_tenant(req, assertion.tenant, &assertion.region, &why))
                return why.code == ERR_INVALID_GRANT ? not_the_client(err)
                                                     : err_set(err, why.code, "%s", why.message);
        cell = (struct cell_ref){.tenant = assertion.tenant, .region = assertion.region};
        if (!cell_read(req->services->store, &cell, req->arena, assertion_work, &assertion, err))
                return false;
        return assertion.known || not_the_client(err);
}

/* ---- the grant -------------------------------------------------------------------------------------------
 */

/* RFC 6749 section 2.3: not more than one way in a request. */
static FIBER_FN bool find_client(struct request *req, const struct form *form, struct token_grant *grant,
                                 struct err *err)
{
        struct str basic = request_header(req, "Authorization");
        struct str secret = form_get(form, "client_secret");
        struct str type = form_get(form, "client_assertion_type");
        struct str assertion = form_get(form, "client_assertion");

        if ((basic.ptr != NULL) + (secret.ptr != NULL) + (assertion.ptr != NULL) > 1)
                return err_set(err, ERR_BAD_REQUEST, "the client proves itself in one way, not in several");
        if (basic.ptr)
                return by_basic(req, basic, err);
        if (secret.ptr)
                return by_secret(req, form_get(form, "client_id"), secret, err);
        if (assertion.ptr && str_is(type, TOKEN_ASSERTION))
                return by_assertion(req, assertion, grant, err);
        return not_the_client(err);
}

/* What the request asks for, never more than the client's key allows. */
static bool take_scope(struct request *req, struct str wanted, struct str *ret, struct err *err)
{
        const struct principal *principal = &req->principal;
        struct permission_set set = principal->scopes;
        struct err why;

        if (wanted.len == 0) {
                *ret = principal->scoped ? words_of_permissions(req->arena, &set) : STR_NULL;
        } else {
                const struct str *names;
                size_t count;

                if (!words_split(req->arena, wanted, &names, &count) ||
                    !words_check_permissions(req->arena, names, count, "scope", ret, &why))
                        return err_set(err, ERR_INVALID_SCOPE, "a scope is no permission");
                set = words_permissions(*ret);
                if (principal->scoped)
                        permission_set_and(&set, &principal->scopes);
                *ret = words_of_permissions(req->arena, &set);
        }
        return arena_check(req->arena, err);
}

FIBER_FN bool token_grant_client(struct request *req, const struct form *form, struct token_grant *ret,
                                 struct err *err)
{
        struct principal *principal = &req->principal;
        struct str workspace = form_get(form, "workspace");

        *ret = (struct token_grant){.of_client = true, .name = "client_credentials"};
        if (!find_client(req, form, ret, err))
                return false;
        if (principal->kind != PRINCIPAL_SERVICE && principal->kind != PRINCIPAL_AGENT)
                return err_set(err, ERR_UNAUTHORIZED_CLIENT, "only services and agents get tokens this way");
        ret->tenant = id_str(&principal->tenant);
        ret->region = principal->region;
        ret->new.principal = id_str(&principal->id);
        ret->new.kind = principal->kind == PRINCIPAL_AGENT ? SESSION_AGENT : SESSION_SERVICE;
        ret->new.realm = STR(SESSION_REALM_KEY);
        ret->new.methods = STR("");
        if (principal->credential.text[0])
                ret->new.provider_session = id_str(&principal->credential);
        /* A key that ends, or was rotated away, gives nothing that holds longer than itself. */
        if (principal->expires_ms != 0)
                ret->new.lifetime_ms = principal->expires_ms - req->now_ms;
        if (workspace.len > 0) {
                if (!token_check_workspace(req, ret->tenant, workspace, err))
                        return false;
                ret->new.workspace = workspace;
        }
        return take_scope(req, form_get(form, "scope"), &ret->new.scopes, err);
}
