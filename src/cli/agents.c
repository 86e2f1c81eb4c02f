/* SPDX-License-Identifier: Apache-2.0 */
/* Agents: how far each may go, and what it is granted. */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/definitions.h"
#include "cli/identity.h"
#include "cli/output.h"
#include "cli/profile.h"

#include <stdio.h>

static const struct out_column agent_columns[] = {
        {"id", "id", 0},     {"name", "name", 40},        {"scope", "scope", 0},
        {"risk", "risk", 0}, {"disabled", "disabled", 0}, {NULL, NULL, 0},
};
static const struct out_column agent_fields[] = {
        {"id", "id", 0},
        {"name", "name", 0},
        {"scope", "scope", 0},
        {"risk", "risk", 0},
        {"definition", "definition", 0},
        {"disabled", "disabled", 0},
        {"revision", "revision", 0},
        {"changed", "changed_at", 0},
        {NULL, NULL, 0},
};
static const struct out_column grant_columns[] = {
        {"id", "id", 0},
        {"connector", "connector", 0},
        {"operation", "operation", 0},
        {"environment", "environment", 0},
        {"granted by", "granted_by", 0},
        {"granted", "granted_at", 0},
        {"revoked", "revoked_at", 0},
        {NULL, NULL, 0},
};

/* "/v1/tenants/ten_…/agents/agt_…" of the command's argument. */
static bool agent_path(struct cli *cli, unsigned argument, struct str *ret, struct err *err)
{
        struct str id;

        if (!principal_id(cli, cli_argument(cli, argument), &id, err))
                return false;
        *ret = tenant_path(cli, "agents/%.*s", STR_ARG(id));
        return arena_check(&cli->arena, err);
}

bool agent_list_run(struct cli *cli, struct err *err)
{
        return profile_need_tenant(cli, err) && out_list(cli, tenant_path(cli, "agents"), STR(""),
                                                         agent_columns, "There are no agents.", err);
}

bool agent_show_run(struct cli *cli, struct err *err)
{
        struct str path;

        return agent_path(cli, 0, &path, err) && out_show(cli, path, agent_fields, err);
}

/* If-Match: the revision that was told, or the one that stands. */
static bool put_revision(struct cli *cli, struct str path, struct err *err)
{
        struct str told = cli_value(cli, "version");
        struct cli_reply now;
        int64_t revision = 0;

        if (told.ptr && !str_to_i64(told, &revision))
                return err_set(err, ERR_BAD_PARAMETER, "--version wants a number");
        if (!told.ptr) {
                if (!cli_get(cli, &now, err, "%.*s", STR_ARG(path)))
                        return false;
                (void)json_get_int(&now.json, "revision", &revision);
        }
        cli->if_match = arena_printf(&cli->arena, "\"%lld\"", (long long)revision);
        return arena_check(&cli->arena, err);
}

bool agent_update_run(struct cli *cli, struct err *err)
{
        struct cli_body body;
        struct str path, text;

        cli_body_begin(&body);
        cli_body_str(&body, "scope", cli_value(cli, "scope"));
        cli_body_str(&body, "risk", cli_value(cli, "risk"));
        return cli_body_end(cli, &body, &text, err) && agent_path(cli, 0, &path, err) &&
               put_revision(cli, path, err) && out_change(cli, "PATCH", path, text, agent_fields, err);
}

bool agent_apply_run(struct cli *cli, struct err *err)
{
        struct cli_body body;
        struct str path, text, definition;

        if (!agent_path(cli, 0, &path, err) || !profile_need_workspace(cli, err) ||
            !definition_id(cli, cli_argument(cli, 1), &definition, err) || !put_revision(cli, path, err))
                return false;
        cli_body_begin(&body);
        cli_body_str(&body, "definition", definition);
        return cli_body_end(cli, &body, &text, err) &&
               out_change(cli, "PUT", arena_printf(&cli->arena, "%.*s/definition", STR_ARG(path)), text,
                          agent_fields, err);
}

bool grant_create_run(struct cli *cli, struct err *err)
{
        struct cli_body body;
        struct str path, text;

        cli_body_begin(&body);
        cli_body_str(&body, "connector", cli_argument(cli, 1));
        cli_body_str(&body, "operation", cli_argument(cli, 2).ptr ? cli_argument(cli, 2) : STR("*"));
        cli_body_str(&body, "environment", cli_value(cli, "environment"));
        return cli_body_end(cli, &body, &text, err) && agent_path(cli, 0, &path, err) &&
               out_change(cli, "POST", arena_printf(&cli->arena, "%.*s/grants", STR_ARG(path)), text,
                          grant_columns, err);
}

bool grant_list_run(struct cli *cli, struct err *err)
{
        struct str path;

        return agent_path(cli, 0, &path, err) &&
               out_list(cli, arena_printf(&cli->arena, "%.*s/grants", STR_ARG(path)), STR(""), grant_columns,
                        "It is granted nothing.", err);
}

bool grant_revoke_run(struct cli *cli, struct err *err)
{
        struct str grant = cli_argument(cli, 1);
        struct str path;

        if (!cli_check_id(grant, "gnt", "grant", err) || !agent_path(cli, 0, &path, err) ||
            !cli_delete(cli, err, "%.*s/grants/%.*s", STR_ARG(path), STR_ARG(grant)))
                return false;
        if (!cli->json)
                printf("It is revoked.\n");
        return true;
}
