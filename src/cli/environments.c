/* SPDX-License-Identifier: Apache-2.0 */
/* Where actions land: executors, and what can be asked of them. */
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/profile.h"

#include <stdio.h>

static const struct out_column executor_columns[] = {
        {"id", "id", 0},
        {"name", "name", 40},
        {"environment", "environment", 0},
        {"enrolled", "enrolled", 0},
        {"connected", "connected", 0},
        {"revoked", "revoked", 0},
        {NULL, NULL, 0},
};

bool executor_create_run(struct cli *cli, struct err *err)
{
        struct str file = cli_value(cli, "token-file");
        struct cli_body body;
        struct cli_reply made;
        struct str token;
        struct str text;

        cli_body_begin(&body);
        cli_body_str(&body, "name", cli_argument(cli, 0));
        cli_body_str(&body, "environment", cli_argument(cli, 1));
        if (!cli_body_end(cli, &body, &text, err) || !profile_need_workspace(cli, err) ||
            !cli_post(cli, text, &made, err, "%.*s", STR_ARG(workspace_path(cli, "executors"))))
                return false;
        token = json_get_string(&made.json, "token");
        if (file.ptr && !file_write_private(file, token, false, err))
                return false;
        if (cli->json && !file.ptr) {
                out_json(&made);
                return true;
        }
        out_fields(cli, json_get(&made.json, "executor"), executor_columns);
        if (file.ptr) {
                printf("The token is in %s and is not shown; it works once.\n", file.ptr);
                return true;
        }
        out_line(cli, "token", token);
        out_line(cli, "expires", out_text(cli, &made.json, "expires_at"));
        printf("\nThe token works once and is shown once. On the machine that holds the privilege:\n"
               "  countersign executor --state DIR --server %.*s --token %.*s\n",
               STR_ARG(cli->profile.server), STR_ARG(out_visible(cli, token)));
        return true;
}

bool executor_list_run(struct cli *cli, struct err *err)
{
        return profile_need_workspace(cli, err) &&
               out_list(cli, workspace_path(cli, "executors"), STR(""), executor_columns,
                        "There are no executors.", err);
}

bool executor_revoke_run(struct cli *cli, struct err *err)
{
        struct str id = cli_argument(cli, 0);

        if (!profile_need_workspace(cli, err) || !cli_check_id(id, "exe", "executor", err) ||
            !cli_delete(cli, err, "%.*s", STR_ARG(workspace_path(cli, "executors/%.*s", STR_ARG(id)))))
                return false;
        if (!cli->json)
                printf("Revoked.\n");
        return true;
}

/* ---- the catalogue ---- */

static void print_operation(struct cli *cli, const struct json *operation)
{
        static const struct out_column fields[] = {
                {"connector", "connector", 0},
                {"operation", "operation", 0},
                {"what", "summary", 0},
                {"effect", "effect", 0},
                {"target", "target", 0},
                {"repeatable", "repeatable", 0},
                {NULL, NULL, 0},
        };
        const struct json *parameters = json_get(operation, "parameters");

        out_fields(cli, operation, fields);
        for (uint32_t i = 0; parameters && i < parameters->count; i++) {
                const struct json *parameter = &parameters->items[i];

                printf("  --%-20.*s %-12.*s %.*s%s\n", STR_ARG(out_text(cli, parameter, "name")),
                       STR_ARG(out_text(cli, parameter, "type")),
                       STR_ARG(out_text(cli, parameter, "summary")),
                       str_is(out_text(cli, parameter, "required"), "yes") ? " (required)" : "");
        }
        printf("\n");
}

bool catalogue_run(struct cli *cli, struct err *err)
{
        static const struct out_column columns[] = {
                {"connector", "connector", 0}, {"operation", "operation", 0}, {"effect", "effect", 0},
                {"target", "target", 0},       {"what", "summary", 60},       {NULL, NULL, 0},
        };
        struct str wanted = cli_argument(cli, 0);
        struct cli_reply list;
        const struct json *items;
        bool found = false;

        if (!profile_need_server(cli, err) || !cli_get(cli, &list, err, "/v1/catalogue"))
                return false;
        if (!wanted.ptr) {
                out_table(cli, &list, columns, "The catalogue is empty.");
                return true;
        }
        items = json_get(&list.json, "items");
        for (uint32_t i = 0; items && i < items->count; i++) {
                if (!str_eq(json_get_string(&items->items[i], "operation"), wanted))
                        continue;
                found = true;
                if (!cli->json)
                        print_operation(cli, &items->items[i]);
        }
        if (found && cli->json)
                out_json(&list);
        return found || err_set(err, ERR_NOT_FOUND, "the catalogue has no operation \"%.*s\"",
                                STR_ARG(str_slice(wanted, 0, 64)));
}
