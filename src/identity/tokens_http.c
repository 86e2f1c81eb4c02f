/* SPDX-License-Identifier: Apache-2.0 */
/* The token endpoint, its metadata, and what services and agents prove themselves by. */
#include "identity/tokens.h"

#include "access/access.h"
#include "agents/agents.h"
#include "api/cell.h"
#include "api/services.h"
#include "crypto/jose.h"
#include "crypto/secret.h"
#include "identity/identity.h"
#include "identity/identity_sql.h"
#include "identity/principals.h"
#include "identity/tokens_sql.h"

#include <stdio.h>

/* ---- issuing ----------------------------------------------------------------------------------- */

struct issue {
        struct token_grant *grant;
        struct session_secret secret;
};

/* The only one, when the tenant has only one. */
static bool only_workspace(struct request *req, struct str *ret, struct err *err)
{
        SQL_SCOPED(token_workspaces) c = {0};
        struct sql_token_workspaces_row first;
        struct sql_token_workspaces_row second;
        bool has_first;
        bool has_second = false;

        if (!sql_token_workspaces_open(req->tx, &c, err) ||
            !sql_token_workspaces_next(&c, &first, &has_first, err) ||
            (has_first && !sql_token_workspaces_next(&c, &second, &has_second, err)))
                return false;
        if (!has_first || has_second)
                return err_set(err, ERR_BAD_REQUEST, "name the workspace of the token: workspace=wsp_…");
        *ret = first.id;
        return true;
}

/* What the client does not say of an agent's tokens, its profile does. */
static bool carry_profile(struct request *req, struct session_new *new, struct err *err)
{
        const struct agent_limits *limits;

        if (!agent_limits_load(req->tx, new->principal, req->arena, &limits, err))
                return false;
        if (limits && !new->agent_scope.ptr)
                new->agent_scope = str_from(agent_scope_name(limits->scope));
        if (limits && !new->risk_tier.ptr)
                new->risk_tier = str_from(agent_risk_name(limits->risk));
        return true;
}

/* What the registered client says of its tokens. A token is bound to one workspace, always. */
static bool bind_client(struct request *req, struct session_new *new, struct err *err)
{
        struct sql_token_client_get_row row;
        struct identity_principal principal;
        bool found;

        if (!identity_principal_get(req->tx, new->principal, &principal, err) ||
            !sql_token_client_get(req->tx, new->principal, &row, &found, err))
                return false;
        if (!found)
                row = (struct sql_token_client_get_row){0};
        if (principal.workspace.ptr)
                row.workspace_id = principal.workspace;
        if (row.workspace_id.ptr && new->workspace.ptr && !str_eq(row.workspace_id, new->workspace))
                return err_set(err, ERR_INVALID_SCOPE, "the client's tokens are for another workspace");
        if (row.workspace_id.ptr)
                new->workspace = row.workspace_id;
        new->agent_scope = row.agent_scope;
        new->risk_tier = row.risk_tier;
        if (principal.kind == PRINCIPAL_AGENT && !carry_profile(req, new, err))
                return false;
        return new->workspace.ptr || only_workspace(req, &new->workspace, err);
}

/* RFC 7523 section 3, item 7: one assertion, one token. */
static bool use_assertion(struct request *req, const struct token_grant *grant, struct err *err)
{
        int64_t changes;

        if (grant->jti_until_ms == 0)
                return true;
        if (!sql_token_assertion_sweep(req->tx, req->now_ms, &changes, err) ||
            !sql_token_assertion_insert(req->tx, grant->new.principal, sha256_str(&grant->jti),
                                        grant->jti_until_ms, &changes, err))
                return false;
        return changes == 1 || err_set(err, ERR_INVALID_CLIENT, "the assertion was used already");
}

static bool issue_work(struct request *req, void *arg, struct err *err)
{
        struct issue *issue = arg;
        struct token_grant *grant = issue->grant;

        request_log_resource(req, "principal", grant->new.principal);
        request_log_detail(req, "grant", str_from(grant->name));
        if (grant->of_client && (!use_assertion(req, grant, err) || !bind_client(req, &grant->new, err)))
                return false;
        if (!session_create(req->services, req->tx, &grant->new, req->now_ms, &issue->secret, err))
                return false;
        request_log_detail(req, "session", id_str(&issue->secret.id));
        return !grant->code.ptr || token_use_code(req, grant, id_str(&issue->secret.id), err);
}

FIBER_FN bool token_issue(struct request *req, struct token_grant *grant, struct api_oauth_token *out,
                          struct err *err)
{
        struct issue issue = {.grant = grant};

        request_enter(req, grant->tenant, grant->region);
        if (!request_write(req, issue_work, &issue, err)) {
                /* Who was disabled or removed since is no client, and no person to act for. */
                if (err->code == ERR_NOT_FOUND || err->code == ERR_CONFLICT)
                        err->code = grant->of_client ? ERR_INVALID_CLIENT : ERR_INVALID_GRANT;
                return false;
        }
        *out = (struct api_oauth_token){
                .access_token = arena_str(req->arena, str_from(issue.secret.text)),
                .token_type = api_oauth_token_token_type_from(STR("Bearer")),
                .expires_in = (issue.secret.expires_ms - req->now_ms) / 1000,
                .scope = grant->new.scopes,
        };
        secret_wipe(&issue.secret, sizeof(issue.secret));
        return arena_check(req->arena, err);
}

struct tenant_find {
        struct str tenant;
        struct sql_tenant_place_get_row row;
        bool found;
};

static bool tenant_find_work(struct tx *tx, void *arg, struct err *err)
{
        struct tenant_find *find = arg;

        return sql_tenant_place_get(tx, find->tenant, &find->row, &find->found, err);
}

FIBER_FN bool token_find_tenant(struct request *req, struct str tenant, struct str *ret_region,
                                struct err *err)
{
        struct tenant_find find = {.tenant = tenant};

        if (!id_is(tenant, "ten"))
                return err_set(err, ERR_INVALID_GRANT, "there is no such tenant");
        if (!cell_read(req->services->store, &CELL_DIRECTORY, req->arena, tenant_find_work, &find, err))
                return false;
        if (!find.found || !str_is(find.row.state, "active"))
                return err_set(err, ERR_INVALID_GRANT, "there is no such tenant");
        *ret_region = find.row.region;
        return true;
}

FIBER_FN bool oauth_token(struct request *req, const struct api_oauth_token_in *in,
                          struct api_oauth_token *out, struct err *err)
{
        struct token_grant grant = {0};
        struct form form;
        struct str type;
        bool ok;

        if (!form_parse(req->arena, in->body, &form, err))
                return false;
        type = form_get(&form, "grant_type");
        if (type.len == 0)
                return err_set(err, ERR_BAD_REQUEST, "grant_type is missing");
        if (str_is(type, "client_credentials"))
                ok = token_grant_client(req, &form, &grant, err);
        else if (str_is(type, "authorization_code"))
                ok = token_grant_code(req, &form, &grant, err);
        else if (str_is(type, TOKEN_DEVICE_GRANT))
                ok = token_grant_device(req, &form, &grant, err);
        else
                return err_set(err, ERR_UNSUPPORTED_GRANT_TYPE,
                               "client_credentials, authorization_code and device_code are supported");
        return ok && token_issue(req, &grant, out, err);
}

/* ---- metadata ------------------------------------------------------------------------------------ */

FIBER_FN bool oauth_metadata_get(struct request *req, const struct api_oauth_metadata_get_in *in,
                                 struct api_oauth_metadata *out, struct err *err)
{
        static const struct str responses[] = {{"code", 4}};
        static const struct str challenges[] = {{"S256", 4}};
        struct str url = req->services->url;
        struct str *lists = ARENA_ARRAY(req->arena, struct str, 7 + JOSE_ALG_COUNT);
        size_t algs = 0;

        (void)in;
        if (!lists)
                return arena_check(req->arena, err);
        lists[0] = STR("client_credentials");
        lists[1] = STR("authorization_code");
        lists[2] = STR(TOKEN_DEVICE_GRANT);
        lists[3] = STR("client_secret_basic");
        lists[4] = STR("client_secret_post");
        lists[5] = STR("private_key_jwt");
        lists[6] = STR("none");
        for (unsigned alg = JOSE_NONE_GIVEN + 1; alg < JOSE_ALG_COUNT; alg++)
                if (JOSE_PUBLIC & JOSE_BIT(alg))
                        lists[7 + algs++] = str_from(jose_alg_name((enum jose_alg)alg));
        *out = (struct api_oauth_metadata){
                .issuer = url,
                .authorization_endpoint = arena_printf(req->arena, "%.*s/oauth2/authorize", STR_ARG(url)),
                .token_endpoint = arena_printf(req->arena, "%.*s/oauth2/token", STR_ARG(url)),
                .device_authorization_endpoint =
                        arena_printf(req->arena, "%.*s/oauth2/device_authorization", STR_ARG(url)),
                .response_types_supported = responses,
                .response_types_supported_count = 1,
                .grant_types_supported = lists,
                .grant_types_supported_count = 3,
                .token_endpoint_auth_methods_supported = lists + 3,
                .token_endpoint_auth_methods_supported_count = 4,
                .token_endpoint_auth_signing_alg_values_supported = lists + 7,
                .token_endpoint_auth_signing_alg_values_supported_count = algs,
                .code_challenge_methods_supported = challenges,
                .code_challenge_methods_supported_count = 1,
                .authorization_response_iss_parameter_supported = true,
        };
        return arena_check(req->arena, err);
}

/* ---- registered clients ----------------------------------------------------------------------------- */

static bool client_find(struct request *req, struct str id, struct identity_principal *ret, struct err *err)
{
        if (!identity_principal_get(req->tx, id, ret, err))
                return false;
        request_log_resource(req, "principal", id);
        return ret->kind == PRINCIPAL_SERVICE || ret->kind == PRINCIPAL_AGENT ||
               err_set(err, ERR_CONFLICT, "only services and agents get tokens of their own; people log in");
}

static bool client_answer(struct request *req, struct str id, struct api_token_client *out, struct err *err)
{
        struct sql_token_client_get_row row;
        bool found;

        if (!sql_token_client_get(req->tx, id, &row, &found, err))
                return false;
        *out = (struct api_token_client){
                .client_id = arena_printf(req->arena, "%.*s/%.*s", STR_ARG(req->tenant), STR_ARG(id))};
        if (!found)
                return arena_check(req->arena, err);
        out->workspace = row.workspace_id;
        out->agent_scope = row.agent_scope;
        out->risk_tier = row.risk_tier;
        out->has_changed_at = true;
        out->changed_at_ms = row.changed_ms;
        out->jwks = (struct api_json){.text = row.jwks};
        return arena_check(req->arena, err);
}

bool token_client_get(struct request *req, const struct api_token_client_get_in *in,
                      struct api_token_client *out, struct err *err)
{
        struct identity_principal principal;

        return client_find(req, in->principal, &principal, err) &&
               client_answer(req, in->principal, out, err);
}

struct client_update {
        struct str principal;
        const struct api_token_client_update *body;
        struct str jwks;
        struct api_token_client *out;
};

static bool client_update_work(struct request *req, void *arg, struct err *err)
{
        struct client_update *update = arg;
        const struct api_token_client_update *body = update->body;
        struct identity_principal principal;

        if (!client_find(req, update->principal, &principal, err) ||
            !access_check_reach(req, update->principal, err))
                return false;
        if (principal.kind != PRINCIPAL_AGENT && (body->agent_scope != 0 || body->risk_tier.ptr))
                return err_set_at(err, ERR_BAD_FIELD, body->agent_scope != 0 ? "/agent_scope" : "/risk_tier",
                                  "only agents have a scope and a risk tier");
        return sql_token_client_put(
                       req->tx,
                       &(struct sql_token_client_put_in){
                               .principal_id = update->principal,
                               .jwks = update->jwks,
                               .workspace_id = body->workspace,
                               .agent_scope = body->agent_scope != 0
                                                      ? str_from(api_token_client_update_agent_scope_name(
                                                                body->agent_scope))
                                                      : STR_NULL,
                               .risk_tier = body->risk_tier,
                               .now = req->now_ms,
                       },
                       err) &&
               client_answer(req, update->principal, update->out, err);
}

/* Public keys only: whoever sends a private one has shown it to us, and must make another. */
static bool check_jwks(struct request *req, const struct json *jwks, struct str *ret, struct err *err)
{
        __attribute__((cleanup(jose_keys_freep))) struct jose_keys *keys = NULL;
        const struct json *list = json_get(jwks, "keys");
        BUF_SCOPED text;

        buf_init(&text, JOSE_SET_MAX);
        json_append_canonical(&text, jwks);
        if (!buf_check(&text, "the key set", err))
                return false;
        for (uint32_t i = 0; list && list->type == JSON_ARRAY && i < list->count; i++)
                if (jose_jwk_is_private(&list->items[i]))
                        return err_set_at(err, ERR_BAD_FIELD, "/jwks",
                                          "this key is private: make another, and send its public half");
        if (!jose_keys_parse(buf_str(&text), JOSE_PUBLIC, &keys, err)) {
                (void)snprintf(err->place, sizeof(err->place), "/jwks");
                return false;
        }
        if (jose_keys_count(keys) == 0)
                return err_set_at(
                        err, ERR_BAD_FIELD, "/jwks",
                        "no key here can be used: RSA from 2048 bits, P-256, P-384, P-521, Ed25519");
        *ret = arena_str(req->arena, buf_str(&text));
        return arena_check(req->arena, err);
}

FIBER_FN bool token_client_update(struct request *req, const struct api_token_client_update_in *in,
                                  struct api_token_client *out, struct err *err)
{
        struct client_update update = {.principal = in->principal, .body = &in->body, .out = out};

        if (in->body.jwks.value && !check_jwks(req, in->body.jwks.value, &update.jwks, err))
                return false;
        if (in->body.workspace.ptr && !token_check_workspace(req, req->tenant, in->body.workspace, err)) {
                if (err->code == ERR_BAD_REQUEST)
                        return err_set_at(err, ERR_BAD_FIELD, "/workspace", "there is no such workspace");
                return false;
        }
        return request_write(req, client_update_work, &update, err);
}

struct workspace_look {
        struct str workspace;
        struct sql_token_workspace_tenant_row row;
        bool found;
};

static bool workspace_look_work(struct tx *tx, void *arg, struct err *err)
{
        struct workspace_look *look = arg;

        return sql_token_workspace_tenant(tx, look->workspace, &look->row, &look->found, err);
}

FIBER_FN bool token_check_workspace(struct request *req, struct str tenant, struct str workspace,
                                    struct err *err)
{
        struct workspace_look look = {.workspace = workspace};

        if (!cell_read(req->services->store, &CELL_DIRECTORY, req->arena, workspace_look_work, &look, err))
                return false;
        return (look.found && str_eq(look.row.tenant_id, tenant)) ||
               err_set(err, ERR_BAD_REQUEST, "there is no such workspace");
}
