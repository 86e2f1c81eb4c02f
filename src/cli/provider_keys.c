/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of model providers. A secret comes from a file or standard input, never from the command line. */
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/profile.h"
#include "cli/secret_input.h"
#include "crypto/secret.h"

#include <stdio.h>

enum { SECRET_TEXT_MAX = 1024 };

static const struct out_column columns[] = {
        {"id", "id", 0},
        {"name", "name", 40},
        {"provider", "provider", 0},
        {"base url", "base_url", 60},
        {"region", "region", 0},
        {"created", "created_at", 0},
        {"used", "used_at", 0},
        {"revoked", "revoked_at", 0},
        {NULL, NULL, 0},
};

static bool take_secret(struct cli *cli, struct arena *secrets, struct str *ret, struct err *err)
{
        struct str file = cli_value(cli, "secret-file");

        if (file.ptr ? !file_read(secrets, file, true, SECRET_TEXT_MAX, ret, err)
                     : !secret_input_read(secrets, "The provider's key",
                                          "give it on standard input or with --secret-file", ret, err))
                return false;
        *ret = str_trim(*ret);
        return true;
}

static void show(struct cli *cli, const struct cli_reply *reply)
{
        const struct json *versions = json_get(&reply->json, "versions");

        if (cli->json) {
                out_json(reply);
                return;
        }
        out_fields(cli, &reply->json, columns);
        for (uint32_t i = 0; versions && i < versions->count; i++) {
                const struct json *version = &versions->items[i];
                struct str retires = out_text(cli, version, "retires_at");

                printf("%-14s ends in %.*s, %.*s, fingerprint %.*s%s%.*s\n",
                       i == 0 ? "secret" : "older secret", STR_ARG(out_text(cli, version, "last_four")),
                       STR_ARG(out_text(cli, version, "state")),
                       STR_ARG(out_text(cli, version, "fingerprint")), retires.len > 0 ? ", until " : "",
                       STR_ARG(retires));
        }
}

/* Sends a body that holds the secret. */
static bool send(struct cli *cli, struct cli_body *body, struct str path, struct cli_reply *ret,
                 struct err *err)
{
        struct str text;

        return cli_body_end(cli, body, &text, err) && cli_post(cli, text, ret, err, "%.*s", STR_ARG(path));
}

bool provider_key_add_run(struct cli *cli, struct err *err)
{
        ARENA_SCOPED secrets;
        struct cli_reply reply;
        struct cli_body body;
        struct str secret;

        arena_init_zeroing(&secrets, 64 * 1024);
        if (!profile_need_workspace(cli, err) || !take_secret(cli, &secrets, &secret, err))
                return false;
        cli_body_begin(&body);
        cli_body_str(&body, "provider", cli_argument(cli, 0));
        cli_body_str(&body, "name", cli_argument(cli, 1));
        cli_body_str(&body, "base_url", cli_value(cli, "base-url"));
        cli_body_str(&body, "secret", secret);
        if (!send(cli, &body, workspace_path(cli, "provider-keys"), &reply, err))
                return false;
        show(cli, &reply);
        return true;
}

static bool one_path(struct cli *cli, const char *tail, struct str *ret, struct err *err)
{
        struct str id = cli_argument(cli, 0);

        if (!profile_need_workspace(cli, err) || !cli_check_id(id, "pvk", "provider key", err))
                return false;
        *ret = workspace_path(cli, "provider-keys/%.*s%s", STR_ARG(id), tail);
        return arena_check(&cli->arena, err);
}

bool provider_key_rotate_run(struct cli *cli, struct err *err)
{
        ARENA_SCOPED secrets;
        struct cli_reply reply;
        struct cli_body body;
        struct str secret, path;

        arena_init_zeroing(&secrets, 64 * 1024);
        if (!one_path(cli, "/rotate", &path, err) || !take_secret(cli, &secrets, &secret, err))
                return false;
        cli_body_begin(&body);
        cli_body_str(&body, "secret", secret);
        cli_body_str(&body, "overlap", cli_value(cli, "overlap"));
        if (!send(cli, &body, path, &reply, err))
                return false;
        show(cli, &reply);
        return true;
}

bool provider_key_show_run(struct cli *cli, struct err *err)
{
        struct cli_reply reply;
        struct str path;

        if (!one_path(cli, "", &path, err) || !cli_get(cli, &reply, err, "%.*s", STR_ARG(path)))
                return false;
        show(cli, &reply);
        return true;
}

bool provider_key_list_run(struct cli *cli, struct err *err)
{
        return profile_need_workspace(cli, err) &&
               out_list(cli, workspace_path(cli, "provider-keys"), STR(""), columns,
                        "There are no keys of model providers.", err);
}

bool provider_key_revoke_run(struct cli *cli, struct err *err)
{
        struct str path;

        if (!one_path(cli, "", &path, err) || !cli_delete(cli, err, "%.*s", STR_ARG(path)))
                return false;
        if (!cli->json)
                printf("Revoked. Its secrets are erased.\n");
        return true;
}
