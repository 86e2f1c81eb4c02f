/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, the rotation of keys, and how services and agents get tokens. */
#include "cli/commands.h"
#include "cli/identity.h"
#include "cli/output.h"
#include "cli/profile.h"

#include <stdio.h>

enum { JWKS_MAX = 64 * 1024 };

static const struct out_column session_columns[] = {
        {"id", "id", 0},        {"kind", "kind", 0},        {"current", "current", 0},
        {"realm", "realm", 0},  {"methods", "methods", 40}, {"since", "authenticated_at", 0},
        {"seen", "seen_at", 0}, {"until", "expires_at", 0}, {NULL, NULL, 0},
};

/* Whose: the argument, else one's own. */
static bool whose(struct cli *cli, unsigned argument, struct str *ret, struct err *err)
{
        if (cli->argument_count > argument)
                return principal_id(cli, cli_argument(cli, argument), ret, err);
        *ret = cli->profile.principal;
        return profile_need_tenant(cli, err) && cli_check_id(*ret, "", "principal", err);
}

bool logout_run(struct cli *cli, struct err *err)
{
        struct cli_reply reply;

        if (!profile_need_server(cli, err))
                return false;
        /* A session that has ended already is what was wanted. */
        if (str_starts(cli->profile.key, STR("css_")) &&
            !cli_post(cli, STR_NULL, &reply, err, "/v1/logout") && err->code != ERR_UNAUTHENTICATED)
                return false;
        cli->profile.key = STR_NULL;
        if (!profile_save(&cli->profile, err))
                return false;
        if (!cli->json)
                printf("Logged out; the profile %s has no credential any more.\n", cli->profile.path.ptr);
        return true;
}

bool session_list_run(struct cli *cli, struct err *err)
{
        struct str id;

        return whose(cli, 0, &id, err) &&
               out_list(cli, tenant_path(cli, "principals/%.*s/sessions", STR_ARG(id)), STR(""),
                        session_columns, "There are no sessions.", err);
}

bool session_revoke_run(struct cli *cli, struct err *err)
{
        struct str session = cli_argument(cli, 0);
        struct cli_reply reply;
        struct str id;

        if (!whose(cli, 1, &id, err))
                return false;
        if (str_is(session, "all")) {
                if (!cli_request(cli, "DELETE", tenant_path(cli, "principals/%.*s/sessions", STR_ARG(id)),
                                 STR_NULL, &reply, err))
                        return false;
                if (cli->json)
                        out_json(&reply);
                else
                        printf("Ended.\n");
                return true;
        }
        if (!cli_check_id(session, "ses", "session", err) ||
            !cli_delete(cli, err, "/v1/tenants/%.*s/principals/%.*s/sessions/%.*s",
                        STR_ARG(cli->profile.tenant), STR_ARG(id), STR_ARG(session)))
                return false;
        if (!cli->json)
                printf("Ended.\n");
        return true;
}

bool key_rotate_run(struct cli *cli, struct err *err)
{
        struct str key = cli_argument(cli, 1);
        struct cli_body body;
        struct cli_reply made;
        struct str text;
        struct str id;

        cli_body_begin(&body);
        cli_body_str(&body, "overlap", cli_value(cli, "overlap"));
        if (!cli_body_end(cli, &body, &text, err) || !principal_id(cli, cli_argument(cli, 0), &id, err) ||
            !cli_check_id(key, "key", "key", err) ||
            !cli_post(cli, text, &made, err, "/v1/tenants/%.*s/principals/%.*s/keys/%.*s/rotate",
                      STR_ARG(cli->profile.tenant), STR_ARG(id), STR_ARG(key)))
                return false;
        if (cli->json) {
                out_json(&made);
                return true;
        }
        out_line(cli, "key", json_get_string(json_get(&made.json, "key"), "id"));
        return secret_show(cli, json_get_string(&made.json, "secret"), cli->profile.tenant,
                           cli->profile.workspace, id, err);
}

/* ---- clients of the token endpoint ---- */

static const struct out_column client_fields[] = {
        {"client id", "client_id", 0}, {"workspace", "workspace", 0}, {"agent scope", "agent_scope", 0},
        {"risk tier", "risk_tier", 0}, {"changed", "changed_at", 0},  {NULL, NULL, 0},
};

bool token_client_show_run(struct cli *cli, struct err *err)
{
        struct str id;

        return principal_id(cli, cli_argument(cli, 0), &id, err) &&
               out_show(cli, tenant_path(cli, "principals/%.*s/token-client", STR_ARG(id)), client_fields,
                        err);
}

bool token_client_set_run(struct cli *cli, struct err *err)
{
        struct str file = cli_value(cli, "jwks");
        struct cli_body body;
        struct json keys;
        struct str text;
        struct str id;

        cli_body_begin(&body);
        if (file.ptr) {
                if (!file_read(&cli->arena, file, false, JWKS_MAX, &text, err) ||
                    !json_parse(&cli->arena, text, &keys, err)) {
                        buf_done(&body.text);
                        return false;
                }
                json_key(&body.w, "jwks");
                json_raw(&body.w, text);
        }
        cli_body_str(&body, "workspace", cli_value(cli, "bind"));
        cli_body_str(&body, "agent_scope", cli_value(cli, "agent-scope"));
        cli_body_str(&body, "risk_tier", cli_value(cli, "risk-tier"));
        return cli_body_end(cli, &body, &text, err) && principal_id(cli, cli_argument(cli, 0), &id, err) &&
               out_change(cli, "PUT", tenant_path(cli, "principals/%.*s/token-client", STR_ARG(id)), text,
                          client_fields, err);
}
