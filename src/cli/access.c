/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what: roles, groups, bindings, and the question itself. */
#include "base/id.h"
#include "cli/commands.h"
#include "cli/identity.h"
#include "cli/output.h"
#include "cli/profile.h"

#include <stdio.h>

/* The item of a list that has this id or this name. */
static bool find_item(struct cli *cli, const char *what, const char *called, struct str text,
                      struct json *ret, struct err *err)
{
        struct cli_reply list;
        const struct json *items;

        if (!profile_need_tenant(cli, err) ||
            !cli_get_all(cli, tenant_path(cli, "%s", what), STR(""), &list, err))
                return false;
        items = json_get(&list.json, "items");
        for (uint32_t i = 0; items && i < items->count; i++)
                if (str_eq(json_get_string(&items->items[i], "id"), text) ||
                    str_eq(json_get_string(&items->items[i], "name"), text)) {
                        *ret = items->items[i];
                        return true;
                }
        return err_set(err, ERR_NOT_FOUND, "there is no %s \"%.*s\"", called,
                       STR_ARG(str_slice(text, 0, 100)));
}

static bool find_id(struct cli *cli, const char *what, const char *called, const char *prefix,
                    struct str text, struct str *ret, struct err *err)
{
        struct err ignored;
        struct json found;

        *ret = text;
        if (cli_check_id(text, prefix, called, &ignored))
                return profile_need_tenant(cli, err);
        if (!find_item(cli, what, called, text, &found, err))
                return false;
        *ret = json_get_string(&found, "id");
        return ret->ptr || err_set(err, ERR_BAD_PARAMETER, "%.*s is built in", STR_ARG(text));
}

static void put_list(struct cli *cli, struct cli_body *body, const char *key, const char *option,
                     bool always)
{
        if (!always && !cli_value(cli, option).ptr)
                return;
        json_key(&body->w, key);
        json_array_begin(&body->w);
        for (unsigned n = 0; cli_value_at(cli, option, n).ptr; n++)
                json_str(&body->w, cli_value_at(cli, option, n));
        json_array_end(&body->w);
}

/* ---- roles ---- */

static const struct out_column role_columns[] = {
        {"id", "id", 0},
        {"name", "name", 40},
        {"permissions", "permissions", 60},
        {"own things", "owner_permissions", 30},
        {NULL, NULL, 0},
};
static const struct out_column role_fields[] = {
        {"id", "id", 0},
        {"name", "name", 0},
        {"description", "description", 0},
        {"permissions", "permissions", 0},
        {"own things", "owner_permissions", 0},
        {"for", "kinds", 0},
        {NULL, NULL, 0},
};
static const struct out_column permission_columns[] = {
        {"name", "name", 0}, {"writes", "writes", 0}, {"what", "description", 70}, {NULL, NULL, 0}};

bool permission_list_run(struct cli *cli, struct err *err)
{
        struct cli_reply list;

        if (!profile_need_tenant(cli, err) ||
            !cli_get(cli, &list, err, "%.*s", STR_ARG(tenant_path(cli, "permissions"))))
                return false;
        out_table(cli, &list, permission_columns, "There are no permissions.");
        return true;
}

bool role_list_run(struct cli *cli, struct err *err)
{
        return profile_need_tenant(cli, err) &&
               out_list(cli, tenant_path(cli, "roles"), STR(""), role_columns, "There are no roles.", err);
}

bool role_show_run(struct cli *cli, struct err *err)
{
        struct cli_reply role;
        struct json found;

        if (!find_item(cli, "roles", "role", cli_argument(cli, 0), &found, err))
                return false;
        if (!json_get_string(&found, "id").ptr) {
                /* A built-in role has no address of its own. */
                role = (struct cli_reply){.json = found};
                if (!cli->json) {
                        out_fields(cli, &found, role_fields);
                        return true;
                }
                BUF_SCOPED text;
                buf_init(&text, 64 * 1024);
                json_append_canonical(&text, &found);
                role.text = arena_str(&cli->arena, buf_str(&text));
                out_json(&role);
                return arena_check(&cli->arena, err);
        }
        return out_show(cli, tenant_path(cli, "roles/%.*s", STR_ARG(json_get_string(&found, "id"))),
                        role_fields, err);
}

bool role_create_run(struct cli *cli, struct err *err)
{
        struct cli_body body;
        struct str text;

        cli_body_begin(&body);
        cli_body_str(&body, "name", cli_argument(cli, 0));
        cli_body_str(&body, "description", cli_value(cli, "description"));
        put_list(cli, &body, "permissions", "permission", true);
        put_list(cli, &body, "owner_permissions", "owner-permission", false);
        return cli_body_end(cli, &body, &text, err) && profile_need_tenant(cli, err) &&
               out_change(cli, "POST", tenant_path(cli, "roles"), text, role_fields, err);
}

bool role_update_run(struct cli *cli, struct err *err)
{
        struct cli_body body;
        struct str text, id;

        if (!find_id(cli, "roles", "role", "rol", cli_argument(cli, 0), &id, err))
                return false;
        cli_body_begin(&body);
        cli_body_str(&body, "description", cli_value(cli, "description"));
        put_list(cli, &body, "permissions", "permission", false);
        put_list(cli, &body, "owner_permissions", "owner-permission", false);
        return cli_body_end(cli, &body, &text, err) &&
               out_change(cli, "PATCH", tenant_path(cli, "roles/%.*s", STR_ARG(id)), text, role_fields, err);
}

bool role_delete_run(struct cli *cli, struct err *err)
{
        struct str id;

        return find_id(cli, "roles", "role", "rol", cli_argument(cli, 0), &id, err) &&
               cli_delete(cli, err, "%.*s", STR_ARG(tenant_path(cli, "roles/%.*s", STR_ARG(id))));
}

/* ---- groups ---- */

static const struct out_column group_columns[] = {
        {"id", "id", 0}, {"name", "name", 40}, {"description", "description", 60}, {NULL, NULL, 0}};
static const struct out_column member_columns[] = {{"id", "principal", 0},
                                                   {"kind", "kind", 0},
                                                   {"name", "name", 40},
                                                   {"added", "added_at", 0},
                                                   {NULL, NULL, 0}};

bool group_list_run(struct cli *cli, struct err *err)
{
        return profile_need_tenant(cli, err) && out_list(cli, tenant_path(cli, "groups"), STR(""),
                                                         group_columns, "There are no groups.", err);
}

bool group_create_run(struct cli *cli, struct err *err)
{
        struct cli_body body;
        struct str text;

        cli_body_begin(&body);
        cli_body_str(&body, "name", cli_argument(cli, 0));
        cli_body_str(&body, "description", cli_value(cli, "description"));
        return cli_body_end(cli, &body, &text, err) && profile_need_tenant(cli, err) &&
               out_change(cli, "POST", tenant_path(cli, "groups"), text, group_columns, err);
}

bool group_show_run(struct cli *cli, struct err *err)
{
        struct str id;

        return find_id(cli, "groups", "group", "grp", cli_argument(cli, 0), &id, err) &&
               out_show(cli, tenant_path(cli, "groups/%.*s", STR_ARG(id)), group_columns, err);
}

bool group_delete_run(struct cli *cli, struct err *err)
{
        struct str id;

        return find_id(cli, "groups", "group", "grp", cli_argument(cli, 0), &id, err) &&
               cli_delete(cli, err, "%.*s", STR_ARG(tenant_path(cli, "groups/%.*s", STR_ARG(id))));
}

bool group_members_run(struct cli *cli, struct err *err)
{
        struct str id;

        return find_id(cli, "groups", "group", "grp", cli_argument(cli, 0), &id, err) &&
               out_list(cli, tenant_path(cli, "groups/%.*s/members", STR_ARG(id)), STR(""), member_columns,
                        "Nobody is in it.", err);
}

static bool member_path(struct cli *cli, struct str *ret, struct err *err)
{
        struct str group, principal;

        if (!find_id(cli, "groups", "group", "grp", cli_argument(cli, 0), &group, err) ||
            !principal_id(cli, cli_argument(cli, 1), &principal, err))
                return false;
        *ret = tenant_path(cli, "groups/%.*s/members/%.*s", STR_ARG(group), STR_ARG(principal));
        return arena_check(&cli->arena, err);
}

bool group_add_run(struct cli *cli, struct err *err)
{
        struct cli_reply done;
        struct str path;

        return member_path(cli, &path, err) && cli_put(cli, STR_NULL, &done, err, "%.*s", STR_ARG(path));
}

bool group_remove_run(struct cli *cli, struct err *err)
{
        struct str path;

        return member_path(cli, &path, err) && cli_delete(cli, err, "%.*s", STR_ARG(path));
}

/* ---- bindings ---- */

static const struct out_column binding_columns[] = {
        {"id", "id", 0},
        {"principal", "principal", 0},
        {"group", "group", 0},
        {"effect", "effect", 0},
        {"role", "role", 40},
        {"level", "level", 0},
        {"organization", "organization", 0},
        {"workspace", "workspace", 0},
        {"condition", "condition", 60},
        {NULL, NULL, 0},
};

bool binding_list_run(struct cli *cli, struct err *err)
{
        struct str query = STR("");
        struct str id;

        if (cli_value(cli, "principal").ptr) {
                if (!principal_id(cli, cli_value(cli, "principal"), &id, err))
                        return false;
                query = arena_printf(&cli->arena, "principal=%.*s", STR_ARG(id));
        } else if (cli_value(cli, "group").ptr) {
                if (!find_id(cli, "groups", "group", "grp", cli_value(cli, "group"), &id, err))
                        return false;
                query = arena_printf(&cli->arena, "group=%.*s", STR_ARG(id));
        }
        return profile_need_tenant(cli, err) && out_list(cli, tenant_path(cli, "bindings"), query,
                                                         binding_columns, "There are no bindings.", err);
}

bool binding_show_run(struct cli *cli, struct err *err)
{
        struct str id = cli_argument(cli, 0);

        return cli_check_id(id, "bnd", "binding", err) && profile_need_tenant(cli, err) &&
               out_show(cli, tenant_path(cli, "bindings/%.*s", STR_ARG(id)), binding_columns, err);
}

bool binding_create_run(struct cli *cli, struct err *err)
{
        bool group = cli_flag(cli, "group");
        struct str organization = cli_value(cli, "organization");
        struct str workspace = cli_value(cli, "workspace-id");
        struct cli_body body;
        struct str text, id;

        if (group ? !find_id(cli, "groups", "group", "grp", cli_argument(cli, 0), &id, err)
                  : !principal_id(cli, cli_argument(cli, 0), &id, err))
                return false;
        if (organization.ptr &&
            !find_id(cli, "organizations", "organization", "org", organization, &organization, err))
                return false;
        if (workspace.ptr && !find_id(cli, "workspaces", "workspace", "wsp", workspace, &workspace, err))
                return false;
        cli_body_begin(&body);
        cli_body_str(&body, group ? "group" : "principal", id);
        cli_body_str(&body, "role", cli_argument(cli, 1));
        cli_body_str(&body, "organization", organization);
        cli_body_str(&body, "workspace", workspace);
        cli_body_str(&body, "effect", cli_flag(cli, "forbid") ? STR("forbid") : STR_NULL);
        cli_body_str(&body, "condition", cli_value(cli, "condition"));
        return cli_body_end(cli, &body, &text, err) &&
               out_change(cli, "POST", tenant_path(cli, "bindings"), text, binding_columns, err);
}

bool binding_delete_run(struct cli *cli, struct err *err)
{
        struct str id = cli_argument(cli, 0);

        return cli_check_id(id, "bnd", "binding", err) && profile_need_tenant(cli, err) &&
               cli_delete(cli, err, "%.*s", STR_ARG(tenant_path(cli, "bindings/%.*s", STR_ARG(id))));
}

/* ---- names elsewhere ---- */

static const struct out_column subject_columns[] = {
        {"type", "type", 0}, {"id", "id", 0}, {"named", "created_at", 0}, {NULL, NULL, 0}};

static bool subjects_path(struct cli *cli, struct str *ret, struct err *err)
{
        struct str id;

        if (!principal_id(cli, cli_argument(cli, 0), &id, err))
                return false;
        *ret = tenant_path(cli, "principals/%.*s/subjects", STR_ARG(id));
        return arena_check(&cli->arena, err);
}

bool subject_list_run(struct cli *cli, struct err *err)
{
        struct cli_reply list;
        struct str path;

        if (!subjects_path(cli, &path, err) || !cli_get(cli, &list, err, "%.*s", STR_ARG(path)))
                return false;
        out_table(cli, &list, subject_columns, "No other program has a name for it.");
        return true;
}

bool subject_add_run(struct cli *cli, struct err *err)
{
        struct cli_body body;
        struct str path, text;

        cli_body_begin(&body);
        cli_body_str(&body, "type", cli_argument(cli, 1));
        cli_body_str(&body, "id", cli_argument(cli, 2));
        return cli_body_end(cli, &body, &text, err) && subjects_path(cli, &path, err) &&
               out_change(cli, "POST", path, text, subject_columns, err);
}

bool subject_remove_run(struct cli *cli, struct err *err)
{
        struct str path;

        return subjects_path(cli, &path, err) &&
               cli_delete(cli, err, "%.*s?type=%.*s&id=%.*s", STR_ARG(path),
                          STR_ARG(cli_query_escape(cli, cli_argument(cli, 1))),
                          STR_ARG(cli_query_escape(cli, cli_argument(cli, 2))));
}

/* ---- the question ---- */

/* An id says what it is; other things are TYPE:ID. */
static void put_resource(struct cli_body *body, struct str text)
{
        static const struct {
                const char *prefix;
                const char *type;
        } known[] = {{"ten", "tenant"}, {"org", "organization"}, {"wsp", "workspace"}, {"act", "action"}};
        struct str rest = text;
        struct str type;

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (id_is(text, known[i].prefix)) {
                        cli_body_str(body, "resource_type", str_from(known[i].type));
                        cli_body_str(body, "resource", text);
                        return;
                }
        if (!text.ptr || !str_cut(&rest, ':', &type))
                rest = text;
        else
                cli_body_str(body, "resource_type", type);
        cli_body_str(body, "resource", rest);
}

static void show_rule(struct cli *cli, const struct json *rule)
{
        struct str values = json_get_string(rule, "values");

        printf("  %.*s %.*s %.*s at the %.*s: %.*s%s\n", STR_ARG(out_text(cli, rule, "binding")),
               STR_ARG(out_text(cli, rule, "effect")), STR_ARG(out_text(cli, rule, "role")),
               STR_ARG(out_text(cli, rule, "level")), STR_ARG(out_text(cli, rule, "outcome")),
               str_is(out_text(cli, rule, "decided"), "yes") ? ", decided" : "");
        if (json_get_string(rule, "condition").ptr)
                printf("    if %.*s\n", STR_ARG(out_text(cli, rule, "condition")));
        while (values.len > 0) {
                struct json line = {.type = JSON_STRING};
                struct json_member member = {.key = STR("line")};
                struct json holder = {.type = JSON_OBJECT, .count = 1, .members = &member};

                (void)str_cut(&values, '\n', &line.string);
                member.value = line;
                printf("      %.*s\n", STR_ARG(out_text(cli, &holder, "line")));
        }
}

static void explain(struct cli *cli, const struct json *answer)
{
        const struct json *rules = json_get(answer, "rules");
        const struct json *changes = json_get(answer, "changes");

        for (uint32_t i = 0; rules && i < rules->count; i++)
                show_rule(cli, &rules->items[i]);
        if (changes && changes->count > 0)
                printf("For the other answer:\n");
        for (uint32_t i = 0; changes && i < changes->count; i++)
                printf("  %.*s\n", STR_ARG(out_visible(cli, changes->items[i].string)));
}

bool can_run(struct cli *cli, struct err *err)
{
        struct str what = cli_argument(cli, 1);
        bool permission = str_find(what, '.') >= 0 || str_starts(what, STR("x:"));
        struct cli_reply answer;
        struct cli_body body;
        struct str text, id;
        bool yes;

        if (!principal_id(cli, cli_argument(cli, 0), &id, err))
                return false;
        cli_body_begin(&body);
        cli_body_str(&body, "principal", id);
        cli_body_str(&body, permission ? "permission" : "operation", what);
        put_resource(&body, cli_argument(cli, 2));
        cli_body_str(&body, "environment", cli_value(cli, "environment"));
        cli_body_str(&body, "network_address", cli_value(cli, "address"));
        cli_body_str(&body, "time", cli_value(cli, "time"));
        if (!cli_body_end(cli, &body, &text, err) ||
            !cli_post(cli, text, &answer, err, "%.*s", STR_ARG(tenant_path(cli, "access/explain"))))
                return false;
        yes = str_is(out_text(cli, &answer.json, "decision"), "yes");
        if (!yes)
                cli->exit_status = CLI_EXIT_DENIED;
        if (cli->json) {
                out_json(&answer);
                return true;
        }
        printf("%s: %.*s\n", yes ? "yes" : "no", STR_ARG(out_text(cli, &answer.json, "reason")));
        if (cli_flag(cli, "explain"))
                explain(cli, &answer.json);
        return true;
}
