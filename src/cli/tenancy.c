/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants, organizations, workspaces. */
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/profile.h"

#include <stdio.h>

static const struct out_column tenant_columns[] = {
        {"id", "id", 0},           {"name", "name", 40},         {"tier", "tier", 0},
        {"region", "region", 0},   {"state", "state", 0},        {"labels", "labels", 60},
        {"version", "version", 0}, {"created", "created_at", 0}, {NULL, NULL, 0},
};
static const struct out_column organization_columns[] = {
        {"id", "id", 0},       {"name", "name", 40},      {"labels", "labels", 60},
        {"owner", "owner", 0}, {"version", "version", 0}, {"created", "created_at", 0},
        {NULL, NULL, 0},
};
static const struct out_column workspace_columns[] = {
        {"id", "id", 0},
        {"name", "name", 40},
        {"organization", "organization", 0},
        {"region", "region", 0},
        {"state", "state", 0},
        {"data mode", "data_mode", 0},
        {"labels", "labels", 60},
        {"owner", "owner", 0},
        {"version", "version", 0},
        {"created", "created_at", 0},
        {NULL, NULL, 0},
};
/* The same without what a table has no room for. */
static const struct out_column tenant_table[] = {
        {"id", "id", 0},       {"name", "name", 40},         {"tier", "tier", 0}, {"region", "region", 0},
        {"state", "state", 0}, {"created", "created_at", 0}, {NULL, NULL, 0},
};
static const struct out_column workspace_table[] = {
        {"id", "id", 0},         {"name", "name", 40},  {"organization", "organization", 0},
        {"region", "region", 0}, {"state", "state", 0}, {"created", "created_at", 0},
        {NULL, NULL, 0},
};

struct kind {
        const char *word;   /* "workspace" */
        const char *prefix; /* of its ids */
        const char *plural;
        const struct out_column *columns;
        bool platform; /* its path is the platform's, not the tenant's */
};

static const struct kind tenants = {"tenant", "ten", "tenants", tenant_columns, true};
static const struct kind organizations = {"organization", "org", "organizations", organization_columns,
                                          false};
static const struct kind workspaces = {"workspace", "wsp", "workspaces", workspace_columns, false};

/* "/v1/tenants/ten_…/workspaces" */
static struct str collection(struct cli *cli, const struct kind *kind)
{
        if (kind->platform)
                return STR("/v1/tenants");
        return tenant_path(cli, "%s", kind->plural);
}

static struct str path_of(struct cli *cli, const struct kind *kind, struct str id)
{
        if (kind->platform)
                return arena_printf(&cli->arena, "/v1/platform/tenants/%.*s", STR_ARG(id));
        return arena_printf(&cli->arena, "%.*s/%.*s", STR_ARG(collection(cli, kind)), STR_ARG(id));
}

/* Whether the text can stand in a query as it is. */
static bool is_name(struct str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (!(text.ptr[i] >= 'a' && text.ptr[i] <= 'z') &&
                    !(text.ptr[i] >= '0' && text.ptr[i] <= '9') && text.ptr[i] != '-')
                        return false;
        return text.len > 0;
}

/* An id, or a name that only one has. */
static bool find_id(struct cli *cli, const struct kind *kind, struct str text, struct str *ret,
                    struct err *err)
{
        struct cli_reply list;
        struct str query = STR("");
        const struct json *items;
        unsigned found = 0;
        struct err ignored;

        *ret = text;
        if (cli_check_id(text, kind->prefix, kind->word, &ignored))
                return true;
        if (!is_name(text))
                return err_set(err, ERR_BAD_PARAMETER, "\"%.*s\" is neither the id nor the name of %s %s",
                               STR_ARG(str_slice(text, 0, 64)), kind == &organizations ? "an" : "a",
                               kind->word);
        if (kind->platform)
                query = arena_printf(&cli->arena, "name=%.*s", STR_ARG(text));
        if (!cli_get_all(cli, collection(cli, kind), query, &list, err))
                return false;
        items = json_get(&list.json, "items");
        for (uint32_t i = 0; items && i < items->count; i++)
                if (str_eq(json_get_string(&items->items[i], "name"), text)) {
                        *ret = json_get_string(&items->items[i], "id");
                        found++;
                }
        if (found > 1)
                return err_set(err, ERR_BAD_PARAMETER, "%u are called \"%.*s\"; give the id", found,
                               STR_ARG(text));
        return found == 1 ||
               err_set(err, ERR_NOT_FOUND, "no %s is called \"%.*s\"", kind->word, STR_ARG(text));
}

/* ---- what options say -------------------------------------------------------------------------- */

static bool is_removed(const struct cli *cli, struct str key)
{
        struct str removed;

        for (unsigned i = 0; (removed = cli_value_at(cli, "remove-label", i)).ptr; i++)
                if (str_eq(removed, key))
                        return true;
        return false;
}

static bool is_given(const struct cli *cli, struct str key)
{
        struct str given, name;

        for (unsigned i = 0; (given = cli_value_at(cli, "label", i)).ptr; i++)
                if (str_cut(&given, '=', &name) && str_eq(name, key))
                        return true;
        return false;
}

/* The labels of --label and --remove-label over those that are there. */
static bool put_labels(struct cli *cli, struct cli_body *body, const struct json *there, struct err *err)
{
        struct str given, name;
        struct str any = cli_value(cli, "label");

        if (!any.ptr && !cli_value(cli, "remove-label").ptr)
                return true;
        json_key(&body->w, "labels");
        json_object_begin(&body->w);
        for (uint32_t i = 0; there && i < there->count; i++) {
                const struct json_member *label = &there->members[i];

                if (is_removed(cli, label->key) || is_given(cli, label->key))
                        continue;
                json_key_str(&body->w, label->key);
                json_str(&body->w, label->value.string);
        }
        for (unsigned i = 0; (given = cli_value_at(cli, "label", i)).ptr; i++) {
                if (!str_cut(&given, '=', &name))
                        return err_set(err, ERR_BAD_PARAMETER, "--label wants KEY=VALUE");
                json_key_str(&body->w, name);
                json_str(&body->w, given);
        }
        json_object_end(&body->w);
        return true;
}

static void put_mode(struct cli *cli, struct cli_body *body)
{
        struct str mode = cli_value(cli, "data-mode");

        cli_body_str(body, "data_mode", str_is(mode, "metadata-only") ? STR("metadata_only") : mode);
}

static struct str selector_query(struct cli *cli)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
        struct str selector = cli_value(cli, "selector");
        struct str query = STR("");
        BUF_SCOPED buf;

        buf_init(&buf, 8192);
        buf_append_c(&buf, "selector=");
        for (size_t i = 0; i < selector.len; i++) {
                if (strchr(plain, selector.ptr[i]))
                        buf_append_char(&buf, selector.ptr[i]);
                else
                        buf_printf(&buf, "%%%02X", (unsigned char)selector.ptr[i]);
        }
        if (selector.ptr && !buf.failed)
                query = arena_str(&cli->arena, buf_str(&buf));
        return query;
}

/* ---- for all three ----------------------------------------------------------------------------- */

static bool need(struct cli *cli, const struct kind *kind, struct err *err)
{
        return kind->platform ? profile_need_server(cli, err) : profile_need_tenant(cli, err);
}

static bool list(struct cli *cli, const struct kind *kind, const struct out_column *columns, struct err *err)
{
        return need(cli, kind, err) &&
               out_list(cli, collection(cli, kind), selector_query(cli), columns, "There are none.", err);
}

static bool show(struct cli *cli, const struct kind *kind, struct err *err)
{
        struct str id;

        return need(cli, kind, err) && find_id(cli, kind, cli_argument(cli, 0), &id, err) &&
               out_show(cli, path_of(cli, kind, id), kind->columns, err);
}

/* Changes what was just read, and nothing that came between; --version names what was read before. */
static bool update(struct cli *cli, const struct kind *kind, struct err *err)
{
        struct str owner = cli_value(cli, "owner"), version = cli_value(cli, "version"), text, id;
        struct cli_reply now;
        struct cli_body body;
        int64_t seen = 0;
        bool ok;

        if (!need(cli, kind, err) || !find_id(cli, kind, cli_argument(cli, 0), &id, err) ||
            !cli_get(cli, &now, err, "%.*s", STR_ARG(path_of(cli, kind, id))))
                return false;
        (void)json_get_int(&now.json, "version", &seen);
        if (version.ptr && !str_to_i64(version, &seen))
                return err_set(err, ERR_BAD_PARAMETER, "--version wants a number");
        cli_body_begin(&body);
        cli_body_str(&body, "name", cli_value(cli, "name"));
        cli_body_str(&body, "tier", cli_value(cli, "tier"));
        cli_body_str(&body, "owner", str_is(owner, "none") ? STR("") : owner);
        put_mode(cli, &body);
        ok = put_labels(cli, &body, json_get(&now.json, "labels"), err);
        if (!cli_body_end(cli, &body, &text, ok ? err : &(struct err){0}) || !ok)
                return false;
        cli->if_match = arena_printf(&cli->arena, "\"%lld\"", (long long)seen);
        return out_change(cli, "PATCH", path_of(cli, kind, id), text, kind->columns, err);
}

static bool set_state(struct cli *cli, const struct kind *kind, const char *verb, struct err *err)
{
        struct str id;

        return need(cli, kind, err) && find_id(cli, kind, cli_argument(cli, 0), &id, err) &&
               out_change(cli, "POST",
                          arena_printf(&cli->arena, "%.*s/%s", STR_ARG(path_of(cli, kind, id)), verb),
                          STR_NULL, kind->columns, err);
}

static bool create(struct cli *cli, const struct kind *kind, struct str organization, struct err *err)
{
        struct cli_body body;
        struct str text;
        bool ok;

        cli_body_begin(&body);
        cli_body_str(&body, "name", cli_argument(cli, 0));
        cli_body_str(&body, "organization", organization);
        cli_body_str(&body, "region", cli_value(cli, "region"));
        cli_body_str(&body, "owner", cli_value(cli, "owner"));
        put_mode(cli, &body);
        ok = put_labels(cli, &body, NULL, err);
        return cli_body_end(cli, &body, &text, ok ? err : &(struct err){0}) && ok &&
               out_change(cli, "POST", collection(cli, kind), text, kind->columns, err);
}

/* ---- the commands ------------------------------------------------------------------------------ */

bool tenant_list_run(struct cli *cli, struct err *err)
{
        return list(cli, &tenants, tenant_table, err);
}

bool tenant_get_run(struct cli *cli, struct err *err)
{
        return show(cli, &tenants, err);
}

bool tenant_show_run(struct cli *cli, struct err *err)
{
        struct cli_reply tenant;
        struct str id = cli->argument_count > 0 ? cli_argument(cli, 0) : cli->profile.tenant;

        if (!profile_need_tenant(cli, err) || !cli_check_id(id, "ten", "tenant", err) ||
            !cli_get(cli, &tenant, err, "/v1/tenants/%.*s", STR_ARG(id)))
                return false;
        out_record(cli, &tenant, tenant_columns);
        return true;
}

bool tenant_update_run(struct cli *cli, struct err *err)
{
        return update(cli, &tenants, err);
}

bool tenant_suspend_run(struct cli *cli, struct err *err)
{
        return set_state(cli, &tenants, "suspend", err);
}

bool tenant_resume_run(struct cli *cli, struct err *err)
{
        return set_state(cli, &tenants, "resume", err);
}

bool tenant_archive_run(struct cli *cli, struct err *err)
{
        return set_state(cli, &tenants, "archive", err);
}

bool organization_create_run(struct cli *cli, struct err *err)
{
        return need(cli, &organizations, err) && create(cli, &organizations, STR_NULL, err);
}

bool organization_list_run(struct cli *cli, struct err *err)
{
        return list(cli, &organizations, organization_columns, err);
}

bool organization_get_run(struct cli *cli, struct err *err)
{
        return show(cli, &organizations, err);
}

bool organization_update_run(struct cli *cli, struct err *err)
{
        return update(cli, &organizations, err);
}

bool workspace_create_run(struct cli *cli, struct err *err)
{
        struct str organization = cli_value(cli, "organization");

        return need(cli, &workspaces, err) &&
               (!organization.ptr || find_id(cli, &organizations, organization, &organization, err)) &&
               create(cli, &workspaces, organization, err);
}

bool workspace_list_run(struct cli *cli, struct err *err)
{
        return list(cli, &workspaces, workspace_table, err);
}

bool workspace_get_run(struct cli *cli, struct err *err)
{
        return show(cli, &workspaces, err);
}

bool workspace_update_run(struct cli *cli, struct err *err)
{
        return update(cli, &workspaces, err);
}

bool workspace_suspend_run(struct cli *cli, struct err *err)
{
        return set_state(cli, &workspaces, "suspend", err);
}

bool workspace_resume_run(struct cli *cli, struct err *err)
{
        return set_state(cli, &workspaces, "resume", err);
}

bool workspace_archive_run(struct cli *cli, struct err *err)
{
        return set_state(cli, &workspaces, "archive", err);
}
