/* SPDX-License-Identifier: Apache-2.0 */
/* Who: login, tenants, workspaces, principals, API keys, signing keys. */
#include "cli/identity.h"

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/login.h"
#include "cli/output.h"
#include "cli/profile.h"
#include "cli/secret_input.h"
#include "cli/signing.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct out_column whoami_fields[] = {
        {"principal", "principal", 0},
        {"kind", "kind", 0},
        {"name", "name", 0},
        {"roles", "roles", 0},
        {"tenant", "tenant_name", 0},
        {"tenant id", "tenant", 0},
        {"region", "region", 0},
        {"organization", "organization", 0},
        {"workspace", "workspace", 0},
        {"credential", "credential", 0},
        {"realm", "realm", 0},
        {"methods", "methods", 0},
        {"limited to", "scopes", 0},
        {"agent scope", "agent_scope", 0},
        {"risk tier", "risk_tier", 0},
        {"since", "authenticated_at", 0},
        {"second factor", "second_factor_at", 0},
        {"holds until", "expires_at", 0},
        {NULL, NULL, 0},
};

static bool read_key(struct cli *cli, struct str *ret, struct err *err)
{
        if (!secret_input_read(&cli->arena, "API key", "give it with --key or on standard input", ret, err))
                return false;
        *ret = str_trim(*ret);
        return true;
}

/* The key as it was given, or piped; else the person logs in, in a browser here or on another device. */
static bool take_credential(struct cli *cli, struct str *key, struct err *err)
{
        if (cli_flag(cli, "device"))
                return login_device(cli, key, err);
        if (cli_flag(cli, "browser") || (!key->ptr && isatty(STDIN_FILENO)))
                return login_browser(cli, key, err);
        return (key->ptr && !str_is(*key, "-")) || read_key(cli, key, err);
}

bool login_run(struct cli *cli, struct err *err)
{
        struct profile *profile = &cli->profile;
        struct str key = cli_value(cli, "key");
        struct cli_reply who;

        if (!profile->server.ptr)
                return err_set(err, ERR_BAD_PARAMETER, "which server? --server URL");
        if (!key.ptr && (cli_flag(cli, "keep-key") || getenv("COUNTERSIGN_KEY")))
                key = profile->key;
        if (cli_value(cli, "ca").ptr)
                profile->ca = cli_value(cli, "ca");
        if (!take_credential(cli, &key, err))
                return false;
        profile->key = key;
        if (!cli_get(cli, &who, err, "/v1/whoami"))
                return false;
        profile->principal = json_get_string(&who.json, "principal");
        if (!str_eq(profile->tenant, json_get_string(&who.json, "tenant"))) {
                profile->tenant = json_get_string(&who.json, "tenant");
                profile->roster_version = 0;
        }
        if (!cli_value(cli, "workspace").ptr)
                profile->workspace = json_get_string(&who.json, "workspace");
        if (!profile_save(profile, err))
                return false;
        if (!cli->json)
                printf("Logged in; the profile is %s\n\n", profile->path.ptr);
        out_record(cli, &who, whoami_fields);
        return true;
}

bool whoami_run(struct cli *cli, struct err *err)
{
        return profile_need_server(cli, err) && out_show(cli, STR("/v1/whoami"), whoami_fields, err);
}

/* ---- tenants and workspaces ---- */

static const struct out_column tenant_columns[] = {
        {"id", "id", 0},         {"name", "name", 40},         {"tier", "tier", 0},
        {"region", "region", 0}, {"created", "created_at", 0}, {NULL, NULL, 0},
};

/* A profile file for somebody else's key, so that the secret need not be seen at all. */
static bool write_profile_for(const struct cli *cli, struct str path, struct str tenant,
                              struct str workspace, struct str principal, struct str key, struct err *err)
{
        struct profile other = {
                .path = path,
                .server = cli->profile.server,
                .ca = cli->profile.ca,
                .key = key,
                .tenant = tenant,
                .workspace = workspace,
                .principal = principal,
        };

        return profile_save(&other, err);
}

bool secret_show(struct cli *cli, struct str secret, struct str tenant, struct str workspace,
                 struct str principal, struct err *err)
{
        struct str path = cli_value(cli, "write-profile");

        if (path.ptr) {
                if (!write_profile_for(cli, path, tenant, workspace, principal, secret, err))
                        return false;
                printf("The key is in the profile %s and is not shown.\n", path.ptr);
                return true;
        }
        out_line(cli, "API key", secret);
        printf("It is shown once; keep it now.\n");
        return true;
}

bool tenant_create_run(struct cli *cli, struct err *err)
{
        struct cli_body body;
        struct cli_reply made;
        struct str text;
        const struct json *workspace;
        const struct json *tenant;

        cli_body_begin(&body);
        cli_body_str(&body, "name", cli_argument(cli, 0));
        cli_body_str(&body, "tier", cli_value(cli, "tier"));
        cli_body_str(&body, "region", cli_value(cli, "region"));
        cli_body_str(&body, "administrator", cli_value(cli, "administrator"));
        if (!cli_body_end(cli, &body, &text, err) || !profile_need_server(cli, err) ||
            !cli_post(cli, text, &made, err, "/v1/tenants"))
                return false;
        if (cli->json) {
                out_json(&made);
                return true;
        }
        tenant = json_get(&made.json, "tenant");
        workspace = json_get(&made.json, "workspace");
        out_fields(cli, tenant, tenant_columns);
        out_line(cli, "workspace", json_get_string(workspace, "id"));
        out_line(cli, "administrator", json_get_string(json_get(&made.json, "administrator"), "id"));
        return secret_show(cli, json_get_string(&made.json, "api_key"), json_get_string(tenant, "id"),
                           json_get_string(workspace, "id"),
                           json_get_string(json_get(&made.json, "administrator"), "id"), err);
}

/* ---- principals ---- */

static const struct out_column principal_columns[] = {
        {"id", "id", 0},       {"kind", "kind", 0},         {"name", "name", 40},
        {"roles", "roles", 0}, {"disabled", "disabled", 0}, {NULL, NULL, 0},
};

bool principal_find(struct cli *cli, struct str text, struct json *ret, struct err *err)
{
        struct cli_reply list;
        const struct json *items;
        const struct json *found = NULL;

        if (!profile_need_tenant(cli, err) ||
            !cli_get_all(cli, tenant_path(cli, "principals"), STR(""), &list, err))
                return false;
        items = json_get(&list.json, "items");
        for (uint32_t i = 0; items && i < items->count; i++) {
                const struct json *item = &items->items[i];

                if (!str_eq(json_get_string(item, "id"), text) &&
                    !str_eq(json_get_string(item, "name"), text))
                        continue;
                if (found)
                        return err_set(err, ERR_BAD_PARAMETER,
                                       "more than one principal is called \"%.*s\"; give the id",
                                       STR_ARG(text));
                found = item;
        }
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is no principal \"%.*s\"",
                               STR_ARG(str_slice(text, 0, 100)));
        *ret = *found;
        return true;
}

bool principal_id(struct cli *cli, struct str text, struct str *ret, struct err *err)
{
        struct err ignored;
        struct json found;

        if (cli_check_id(text, "", "principal", &ignored)) {
                *ret = text;
                return profile_need_tenant(cli, err);
        }
        if (!principal_find(cli, text, &found, err))
                return false;
        *ret = json_get_string(&found, "id");
        return true;
}

/* How far an agent may go; nothing where nothing was said. */
static void put_agent(struct cli *cli, struct cli_body *body)
{
        if (!cli_value(cli, "scope").ptr && !cli_value(cli, "risk").ptr && !cli_flag(cli, "no-grants"))
                return;
        json_key(&body->w, "agent");
        json_object_begin(&body->w);
        cli_body_str(body, "scope", cli_value(cli, "scope"));
        cli_body_str(body, "risk", cli_value(cli, "risk"));
        if (cli_flag(cli, "no-grants")) {
                json_key(&body->w, "tools");
                json_array_begin(&body->w);
                json_array_end(&body->w);
        }
        json_object_end(&body->w);
}

bool principal_create_run(struct cli *cli, struct err *err)
{
        struct cli_body body;
        struct str text;

        cli_body_begin(&body);
        cli_body_str(&body, "kind", cli_argument(cli, 0));
        cli_body_str(&body, "name", cli_argument(cli, 1));
        json_key(&body.w, "roles");
        json_array_begin(&body.w);
        for (unsigned n = 0; cli_value_at(cli, "role", n).ptr; n++)
                json_str(&body.w, cli_value_at(cli, "role", n));
        json_array_end(&body.w);
        put_agent(cli, &body);
        return cli_body_end(cli, &body, &text, err) && profile_need_tenant(cli, err) &&
               out_change(cli, "POST", tenant_path(cli, "principals"), text, principal_columns, err);
}

bool principal_list_run(struct cli *cli, struct err *err)
{
        return profile_need_tenant(cli, err) && out_list(cli, tenant_path(cli, "principals"), STR(""),
                                                         principal_columns, "There are no principals.", err);
}

bool principal_show_run(struct cli *cli, struct err *err)
{
        struct str id;

        return principal_id(cli, cli_argument(cli, 0), &id, err) &&
               out_show(cli, tenant_path(cli, "principals/%.*s", STR_ARG(id)), principal_columns, err);
}

bool principal_disable_run(struct cli *cli, struct err *err)
{
        struct str id;

        return principal_id(cli, cli_argument(cli, 0), &id, err) &&
               out_change(cli, "POST", tenant_path(cli, "principals/%.*s/disable", STR_ARG(id)), STR_NULL,
                          principal_columns, err);
}

/* ---- API keys ---- */

/* `--expires 30d` from now on. */
static bool expiry(struct cli *cli, struct cli_body *body, struct err *err)
{
        struct str text = cli_value(cli, "expires");
        int64_t ms;

        if (!text.ptr)
                return true;
        if (!duration_parse(text, &ms))
                return err_set(err, ERR_BAD_PARAMETER, "--expires takes a duration such as 12h or 30d");
        json_key(&body->w, "expires_at");
        json_time(&body->w, clock_now_ms() + ms);
        return true;
}

bool key_create_run(struct cli *cli, struct err *err)
{
        struct str name = cli_value(cli, "name");
        struct cli_body body;
        struct cli_reply made;
        struct str text;
        struct str id;

        if (!principal_id(cli, cli_argument(cli, 0), &id, err))
                return false;
        cli_body_begin(&body);
        cli_body_str(&body, "name", name.ptr ? name : STR("cli"));
        if (cli_value(cli, "scope").ptr) {
                json_key(&body.w, "scopes");
                json_array_begin(&body.w);
                for (unsigned n = 0; cli_value_at(cli, "scope", n).ptr; n++)
                        json_str(&body.w, cli_value_at(cli, "scope", n));
                json_array_end(&body.w);
        }
        if (!expiry(cli, &body, err)) {
                buf_done(&body.text);
                return false;
        }
        if (!cli_body_end(cli, &body, &text, err) ||
            !cli_post(cli, text, &made, err, "/v1/tenants/%.*s/principals/%.*s/keys",
                      STR_ARG(cli->profile.tenant), STR_ARG(id)))
                return false;
        if (cli->json) {
                out_json(&made);
                return true;
        }
        out_line(cli, "key", json_get_string(json_get(&made.json, "key"), "id"));
        return secret_show(cli, json_get_string(&made.json, "secret"), cli->profile.tenant,
                           cli->profile.workspace, id, err);
}

bool key_list_run(struct cli *cli, struct err *err)
{
        static const struct out_column columns[] = {
                {"id", "id", 0},
                {"prefix", "prefix", 0},
                {"name", "name", 40},
                {"created", "created_at", 0},
                {"expires", "expires_at", 0},
                {"revoked", "revoked_at", 0},
                {"used", "used_at", 0},
                {"limited to", "scopes", 40},
                {NULL, NULL, 0},
        };
        struct str id;

        return principal_id(cli, cli_argument(cli, 0), &id, err) &&
               out_list(cli, tenant_path(cli, "principals/%.*s/keys", STR_ARG(id)), STR(""), columns,
                        "There are no keys.", err);
}

bool key_revoke_run(struct cli *cli, struct err *err)
{
        struct str key = cli_argument(cli, 1);
        struct str id;

        if (!principal_id(cli, cli_argument(cli, 0), &id, err) || !cli_check_id(key, "key", "key", err) ||
            !cli_delete(cli, err, "/v1/tenants/%.*s/principals/%.*s/keys/%.*s", STR_ARG(cli->profile.tenant),
                        STR_ARG(id), STR_ARG(key)))
                return false;
        if (!cli->json)
                printf("Revoked.\n");
        return true;
}

/* ---- signing keys ---- */

static const struct out_column signing_key_columns[] = {
        {"keyid", "keyid", 0},
        {"public key", "public_key", 0},
        {"offered", "created_at", 0},
        {NULL, NULL, 0},
};

bool signing_key_create_run(struct cli *cli, struct err *err)
{
        _cleanup_(ed25519_key_freep) struct ed25519_key *key = NULL;
        const char *path = cli->profile.signing_key.ptr;
        struct cli_body body;
        struct cli_reply made;
        struct str text;
        bool there = access(path, F_OK) == 0;

        if (!profile_need_tenant(cli, err))
                return false;
        if (!(there ? signing_file_load(cli, &key, err) : signing_file_create(cli, &key, err)))
                return false;
        cli_body_begin(&body);
        json_key(&body.w, "public_key");
        json_base64(&body.w, ed25519_public_str(ed25519_key_public(key)));
        if (!cli_body_end(cli, &body, &text, err) ||
            !cli_post(cli, text, &made, err, "/v1/tenants/%.*s/principals/%.*s/signing-keys",
                      STR_ARG(cli->profile.tenant), STR_ARG(cli->profile.principal)))
                return false;
        if (!cli->json)
                printf("The private key %s %s. Its public half is offered; it counts once an\n"
                       "administrator has put it on the roster. Let them compare the keyid.\n\n",
                       there ? "was already in" : "is in", path);
        out_record(cli, &made, signing_key_columns);
        return true;
}

bool signing_key_list_run(struct cli *cli, struct err *err)
{
        struct cli_reply list;
        struct str id = cli->profile.principal;

        if (cli->argument_count > 0 && !principal_id(cli, cli_argument(cli, 0), &id, err))
                return false;
        if (!profile_need_tenant(cli, err) ||
            !cli_get(cli, &list, err, "/v1/tenants/%.*s/principals/%.*s/signing-keys",
                     STR_ARG(cli->profile.tenant), STR_ARG(id)))
                return false;
        out_table(cli, &list, signing_key_columns, "No key has been offered.");
        return true;
}
