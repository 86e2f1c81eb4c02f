/* SPDX-License-Identifier: Apache-2.0 */
/* Where a tenant's people sign in. */
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/profile.h"

#include <errno.h>
#include <stdio.h>

enum { SECRET_MAX = 512 };

static const struct out_column realm_fields[] = {
        {"id", "id", 0},
        {"name", "name", 0},
        {"issuer", "issuer", 0},
        {"client", "client_id", 0},
        {"authentication", "client_authentication", 0},
        {"algorithms", "algorithms", 0},
        {"audience", "audience", 0},
        {"scopes", "scopes", 0},
        {"roles", "roles_expression", 0},
        {"second factor", "second_factor_acr", 0},
        {"redirect URI", "redirect_uri", 0},
        {"logout URI", "backchannel_logout_uri", 0},
        {"version", "version", 0},
        {NULL, NULL, 0},
};

static struct str realms_path(struct cli *cli)
{
        return arena_printf(&cli->arena, "/v1/tenants/%.*s/realms", STR_ARG(cli->profile.tenant));
}

/* The first line of a file, or of standard input for "-": a secret has no place in a list of processes. */
static bool read_secret(struct cli *cli, struct str path, struct str *ret, struct err *err)
{
        bool standard = str_is(path, "-");
        FILE *file = standard ? stdin : fopen(arena_str(&cli->arena, path).ptr, "re");
        char line[SECRET_MAX + 2];
        bool ok;

        if (!file)
                return err_set_errno(err, ERR_SYSTEM, errno, "%.*s", STR_ARG(path));
        ok = fgets(line, sizeof(line), file) != NULL;
        if (!standard)
                (void)fclose(file);
        *ret = ok ? arena_str(&cli->arena, str_trim(str_from(line))) : STR_NULL;
        return (ok && ret->len > 0) ||
               err_set(err, ERR_BAD_PARAMETER, "there is no secret in %.*s", STR_ARG(path));
}

static bool write_fields(struct cli *cli, struct cli_body *body, struct err *err)
{
        struct str secret_file = cli_value(cli, "client-secret-file");
        struct str skew = cli_value(cli, "clock-skew");
        struct str secret;
        int64_t seconds;

        cli_body_str(body, "issuer", cli_value(cli, "issuer"));
        cli_body_str(body, "client_id", cli_value(cli, "client-id"));
        cli_body_str(body, "client_authentication", cli_value(cli, "authentication"));
        cli_body_str(body, "audience", cli_value(cli, "audience"));
        cli_body_str(body, "scopes", cli_value(cli, "scopes"));
        cli_body_str(body, "roles_expression", cli_value(cli, "roles"));
        cli_body_str(body, "name_claim", cli_value(cli, "name-claim"));
        cli_body_str(body, "email_claim", cli_value(cli, "email-claim"));
        cli_body_str(body, "second_factor_acr", cli_value(cli, "second-factor-acr"));
        if (cli_value_at(cli, "algorithm", 0).ptr) {
                json_key(&body->w, "algorithms");
                json_array_begin(&body->w);
                for (unsigned n = 0; cli_value_at(cli, "algorithm", n).ptr; n++)
                        json_str(&body->w, cli_value_at(cli, "algorithm", n));
                json_array_end(&body->w);
        }
        if (skew.ptr) {
                if (!str_to_i64(skew, &seconds))
                        return err_set(err, ERR_BAD_PARAMETER, "--clock-skew takes seconds");
                json_field_int(&body->w, "clock_skew_s", seconds);
        }
        if (!secret_file.ptr)
                return true;
        if (!read_secret(cli, secret_file, &secret, err))
                return false;
        cli_body_str(body, "client_secret", secret);
        return true;
}

/* The whole body; `name` {NULL, 0} for a change. */
static bool realm_body(struct cli *cli, struct str name, struct str *ret, struct err *err)
{
        struct cli_body body;

        cli_body_begin(&body);
        cli_body_str(&body, "name", name);
        if (!write_fields(cli, &body, err)) {
                buf_done_zeroing(&body.text);
                return false;
        }
        return cli_body_end(cli, &body, ret, err);
}

/* By name or id. */
static bool realm_find(struct cli *cli, struct str text, struct str *ret_path, struct err *err)
{
        struct cli_reply list;
        const struct json *items;

        if (!profile_need_tenant(cli, err) || !cli_get(cli, &list, err, "%.*s", STR_ARG(realms_path(cli))))
                return false;
        items = json_get(&list.json, "items");
        for (uint32_t i = 0; items && i < items->count; i++) {
                struct str id = json_get_string(&items->items[i], "id");

                if (str_eq(text, id) || str_eq(text, json_get_string(&items->items[i], "name"))) {
                        *ret_path = arena_printf(&cli->arena, "%.*s/%.*s", STR_ARG(realms_path(cli)),
                                                 STR_ARG(id));
                        return arena_check(&cli->arena, err);
                }
        }
        return err_set(err, ERR_NOT_FOUND, "there is no realm \"%.*s\"", STR_ARG(str_slice(text, 0, 100)));
}

bool realm_create_run(struct cli *cli, struct err *err)
{
        struct cli_reply made;
        struct str text;

        if (!profile_need_tenant(cli, err) || !realm_body(cli, cli_argument(cli, 0), &text, err) ||
            !cli_post(cli, text, &made, err, "%.*s", STR_ARG(realms_path(cli))))
                return false;
        out_record(cli, &made, realm_fields);
        return true;
}

bool realm_list_run(struct cli *cli, struct err *err)
{
        static const struct out_column columns[] = {
                {"id", "id", 0}, {"name", "name", 0}, {"issuer", "issuer", 60}, {"client", "client_id", 40},
                {NULL, NULL, 0},
        };
        struct cli_reply list;

        if (!profile_need_tenant(cli, err) || !cli_get(cli, &list, err, "%.*s", STR_ARG(realms_path(cli))))
                return false;
        out_table(cli, &list, columns, "There are no realms; people sign in with local accounts.");
        return true;
}

bool realm_show_run(struct cli *cli, struct err *err)
{
        struct cli_reply realm;
        struct str path;

        if (!realm_find(cli, cli_argument(cli, 0), &path, err) ||
            !cli_get(cli, &realm, err, "%.*s", STR_ARG(path)))
                return false;
        out_record(cli, &realm, realm_fields);
        return true;
}

bool realm_update_run(struct cli *cli, struct err *err)
{
        struct cli_reply realm;
        struct str path;
        struct str text;

        if (!realm_find(cli, cli_argument(cli, 0), &path, err) || !realm_body(cli, STR_NULL, &text, err) ||
            !cli_request(cli, "PATCH", path, text, &realm, err))
                return false;
        out_record(cli, &realm, realm_fields);
        return true;
}

bool realm_delete_run(struct cli *cli, struct err *err)
{
        struct str path;

        if (!realm_find(cli, cli_argument(cli, 0), &path, err))
                return false;
        if (!cli_flag(cli, "yes") &&
            !out_ask("Everybody who signed in through it is signed out. Delete it?"))
                return err_set(err, ERR_CANCELLED, "the realm stays");
        if (!cli_delete(cli, err, "%.*s", STR_ARG(path)))
                return false;
        if (!cli->json)
                printf("The realm is deleted.\n");
        return true;
}
