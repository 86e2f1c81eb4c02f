/* SPDX-License-Identifier: Apache-2.0 */
/* Local accounts and second factors. */
#include "cli/commands.h"
#include "cli/identity.h"
#include "cli/output.h"
#include "cli/profile.h"
#include "cli/secret_input.h"

#include <stdio.h>

static const struct out_column account_columns[] = {
        {"principal", "principal", 0},       {"name", "name", 30},        {"login", "login", 40},
        {"has password", "has_password", 0}, {"disabled", "disabled", 0}, {NULL, NULL, 0},
};

static const struct out_column link_columns[] = {
        {"principal", "account.principal", 0},
        {"login", "account.login", 0},
        {"link", "link", 0},
        {"until", "expires_at", 0},
        {NULL, NULL, 0},
};

static const struct out_column factor_columns[] = {
        {"one-time passwords since", "totp_at", 0},
        {"recovery codes left", "recovery_codes", 0},
        {NULL, NULL, 0},
};

static const struct out_column passkey_columns[] = {
        {"id", "id", 0}, {"name", "name", 30}, {"key", "keyid", 0}, {"used", "used_at", 0}, {NULL, NULL, 0},
};

/* Whose: the argument, else one's own. */
static bool whose(struct cli *cli, struct str *ret, struct err *err)
{
        if (cli->argument_count > 0)
                return principal_id(cli, cli_argument(cli, 0), ret, err);
        *ret = cli->profile.principal;
        return profile_need_tenant(cli, err) && cli_check_id(*ret, "", "principal", err);
}

static bool own(struct cli *cli, struct str *ret, struct err *err)
{
        *ret = cli->profile.principal;
        return profile_need_tenant(cli, err) && cli_check_id(*ret, "", "principal", err);
}

/* ---- accounts ---- */

bool account_create_run(struct cli *cli, struct err *err)
{
        struct cli_body body;
        struct str id, text;

        if (!principal_id(cli, cli_argument(cli, 0), &id, err))
                return false;
        cli_body_begin(&body);
        cli_body_str(&body, "principal", id);
        cli_body_str(&body, "login", cli_value(cli, "login"));
        return cli_body_end(cli, &body, &text, err) &&
               out_change(cli, "POST", tenant_path(cli, "accounts"), text, link_columns, err);
}

bool account_list_run(struct cli *cli, struct err *err)
{
        return profile_need_tenant(cli, err) &&
               out_list(cli, tenant_path(cli, "accounts"), STR(""), account_columns,
                        "Nobody has a local account.", err);
}

static bool change(struct cli *cli, const char *what, const struct out_column *columns, struct err *err)
{
        struct str id;

        return principal_id(cli, cli_argument(cli, 0), &id, err) &&
               out_change(cli, "POST", tenant_path(cli, "principals/%.*s/account/%s", STR_ARG(id), what),
                          STR_NULL, columns, err);
}

bool account_link_run(struct cli *cli, struct err *err)
{
        return change(cli, "links", link_columns, err);
}

bool account_disable_run(struct cli *cli, struct err *err)
{
        return change(cli, "disable", account_columns, err);
}

bool account_enable_run(struct cli *cli, struct err *err)
{
        return change(cli, "enable", account_columns, err);
}

static bool read_password(struct cli *cli, const char *what, struct str *ret, struct err *err)
{
        return secret_input_read(&cli->arena, what, "give both on standard input, a line each", ret, err);
}

bool account_password_run(struct cli *cli, struct err *err)
{
        struct str id, current, password, text;
        struct cli_reply reply;
        struct cli_body body;

        if (!own(cli, &id, err) || !read_password(cli, "current password", &current, err) ||
            !read_password(cli, "new password", &password, err))
                return false;
        cli_body_begin(&body);
        cli_body_str(&body, "current", current);
        cli_body_str(&body, "password", password);
        if (!cli_body_end(cli, &body, &text, err) ||
            !cli_post(cli, text, &reply, err, "/v1/tenants/%.*s/principals/%.*s/account/password",
                      STR_ARG(cli->profile.tenant), STR_ARG(id)))
                return false;
        if (!cli->json)
                printf("The new password holds; your other sessions have ended.\n");
        return true;
}

/* ---- factors ---- */

bool factor_show_run(struct cli *cli, struct err *err)
{
        struct cli_reply reply;
        const struct json *items;
        struct str id;

        if (!whose(cli, &id, err) || !cli_get(cli, &reply, err, "/v1/tenants/%.*s/principals/%.*s/factors",
                                              STR_ARG(cli->profile.tenant), STR_ARG(id)))
                return false;
        out_record(cli, &reply, factor_columns);
        items = json_get(&reply.json, "passkeys");
        for (uint32_t i = 0; !cli->json && items && i < items->count; i++) {
                printf("\n");
                out_fields(cli, &items->items[i], passkey_columns);
        }
        return true;
}

bool factor_reset_run(struct cli *cli, struct err *err)
{
        struct str id;

        if (!principal_id(cli, cli_argument(cli, 0), &id, err) ||
            !cli_delete(cli, err, "/v1/tenants/%.*s/principals/%.*s/factors", STR_ARG(cli->profile.tenant),
                        STR_ARG(id)))
                return false;
        if (!cli->json)
                printf("All second factors are gone.\n");
        return true;
}

bool factor_totp_run(struct cli *cli, struct err *err)
{
        static const struct out_column columns[] = {{"seed", "seed", 0}, {"uri", "uri", 0}, {NULL, NULL, 0}};
        struct cli_reply reply;
        struct str id;

        if (!own(cli, &id, err) ||
            !cli_post(cli, STR_NULL, &reply, err, "/v1/tenants/%.*s/principals/%.*s/totp",
                      STR_ARG(cli->profile.tenant), STR_ARG(id)))
                return false;
        out_record(cli, &reply, columns);
        if (!cli->json)
                printf("\nPut it into your authenticator app; `countersign factor totp-confirm CODE` begins "
                       "it.\n");
        return true;
}

bool factor_totp_confirm_run(struct cli *cli, struct err *err)
{
        struct cli_reply reply;
        struct cli_body body;
        struct str id, text;

        if (!own(cli, &id, err))
                return false;
        cli_body_begin(&body);
        cli_body_str(&body, "code", cli_argument(cli, 0));
        if (!cli_body_end(cli, &body, &text, err) ||
            !cli_post(cli, text, &reply, err, "/v1/tenants/%.*s/principals/%.*s/totp/confirm",
                      STR_ARG(cli->profile.tenant), STR_ARG(id)))
                return false;
        if (!cli->json)
                printf("Log-ins ask for a code from now on.\n");
        return true;
}

bool factor_totp_remove_run(struct cli *cli, struct err *err)
{
        struct str id;

        return own(cli, &id, err) && cli_delete(cli, err, "/v1/tenants/%.*s/principals/%.*s/totp",
                                                STR_ARG(cli->profile.tenant), STR_ARG(id));
}

bool factor_recovery_codes_run(struct cli *cli, struct err *err)
{
        struct cli_reply reply;
        const struct json *codes;
        struct str id;

        if (!own(cli, &id, err) ||
            !cli_post(cli, STR_NULL, &reply, err, "/v1/tenants/%.*s/principals/%.*s/recovery-codes",
                      STR_ARG(cli->profile.tenant), STR_ARG(id)))
                return false;
        codes = json_get(&reply.json, "codes");
        if (cli->json)
                out_json(&reply);
        for (uint32_t i = 0; !cli->json && codes && i < codes->count; i++)
                printf("%.*s\n", STR_ARG(out_visible(cli, codes->items[i].string)));
        return true;
}

bool factor_passkey_remove_run(struct cli *cli, struct err *err)
{
        struct str id, passkey = cli_argument(cli, 0);

        return own(cli, &id, err) && cli_check_id(passkey, "pky", "PASSKEY", err) &&
               cli_delete(cli, err, "/v1/tenants/%.*s/principals/%.*s/passkeys/%.*s",
                          STR_ARG(cli->profile.tenant), STR_ARG(id), STR_ARG(passkey));
}
