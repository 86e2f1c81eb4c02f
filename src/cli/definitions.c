/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions: documents with versions, and which of them an environment has. */
#include "cli/definitions.h"

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/profile.h"

#include <stdio.h>
#include <unistd.h>

enum { DOCUMENT_MAX = 256 * 1024, BUNDLE_MAX = 2 << 20, STDIN_CHUNK = 4096 };

static const struct out_column columns[] = {
        {"id", "id", 0},       {"kind", "kind", 0},
        {"name", "name", 40},  {"version", "version", 24},
        {"state", "state", 0}, {"environments", "environments", 40},
        {NULL, NULL, 0},
};
static const struct out_column fields[] = {
        {"id", "id", 0},
        {"kind", "kind", 0},
        {"name", "name", 0},
        {"version", "version", 0},
        {"title", "title", 0},
        {"state", "state", 0},
        {"digest", "digest", 0},
        {"environments", "environments", 0},
        {"created by", "created_by", 0},
        {"created", "created_at", 0},
        {"published by", "published_by", 0},
        {"published", "published_at", 0},
        {NULL, NULL, 0},
};

bool definition_read_file(struct cli *cli, struct str path, size_t most, struct str *ret, struct err *err)
{
        struct buf text;
        char chunk[STDIN_CHUNK];
        size_t got;

        if (!str_is(path, "-"))
                return file_read(&cli->arena, path, false, most, ret, err);
        buf_init(&text, most);
        while ((got = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
                buf_append(&text, chunk, got);
        *ret = arena_str(&cli->arena, buf_str(&text));
        if (!buf_check(&text, "standard input", err)) {
                buf_done(&text);
                return false;
        }
        buf_done(&text);
        return arena_check(&cli->arena, err);
}

/* An id; or KIND/NAME@VERSION. */
bool definition_id(struct cli *cli, struct str reference, struct str *ret_id, struct err *err)
{
        struct str version = reference;
        struct cli_reply list;
        struct str kind, name;
        const struct json *items;
        struct err ignored;

        if (cli_check_id(reference, "def", "definition", &ignored)) {
                *ret_id = reference;
                return true;
        }
        if (!str_cut(&version, '@', &name))
                return err_set(err, ERR_BAD_PARAMETER,
                               "a definition is an id (def_…) or KIND/NAME@VERSION, such as "
                               "workflow/nightly@1.0.0");
        if (!str_cut(&name, '/', &kind))
                return err_set(err, ERR_BAD_PARAMETER, "the kind is missing: workflow/%.*s@%.*s",
                               STR_ARG(kind), STR_ARG(version));
        for (size_t i = 0; i < kind.len + name.len; i++) {
                char c = i < kind.len ? kind.ptr[i] : name.ptr[i - kind.len];

                if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", c))
                        return err_set(err, ERR_BAD_PARAMETER, "\"%.*s\" is no name of a definition",
                                       STR_ARG(reference));
        }
        if (!cli_get_all(cli, workspace_path(cli, "definitions"),
                         arena_printf(&cli->arena, "kind=%.*s&name=%.*s", STR_ARG(kind), STR_ARG(name)),
                         &list, err))
                return false;
        items = json_get(&list.json, "items");
        for (uint32_t i = 0; items && i < items->count; i++)
                if (str_eq(json_get_string(&items->items[i], "version"), version)) {
                        *ret_id = json_get_string(&items->items[i], "id");
                        return true;
                }
        return err_set(err, ERR_NOT_FOUND, "the workspace has no definition %.*s", STR_ARG(reference));
}

static bool find_argument(struct cli *cli, unsigned n, struct str *ret_id, struct err *err)
{
        return profile_need_workspace(cli, err) && definition_id(cli, cli_argument(cli, n), ret_id, err);
}

/* {"kind": …, "content": …} of the command's arguments KIND FILE. */
static bool document_body(struct cli *cli, struct str *ret, struct err *err)
{
        struct cli_body body;
        struct str content;

        if (!definition_read_file(cli, cli_argument(cli, 1), DOCUMENT_MAX, &content, err))
                return false;
        cli_body_begin(&body);
        cli_body_str(&body, "kind", cli_argument(cli, 0));
        cli_body_str(&body, "content", content);
        return cli_body_end(cli, &body, ret, err);
}

/* ---- commands ------------------------------------------------------------------------------------ */

bool definition_check_run(struct cli *cli, struct err *err)
{
        struct cli_reply reply;
        const struct json *problems;
        bool valid;
        struct str body;

        if (!profile_need_workspace(cli, err) || !document_body(cli, &body, err) ||
            !cli_post(cli, body, &reply, err, "%.*s", STR_ARG(workspace_path(cli, "definition-checks"))))
                return false;
        valid = str_is(out_text(cli, &reply.json, "valid"), "yes");
        cli->exit_status = valid ? CLI_EXIT_OK : CLI_EXIT_BAD_INPUT;
        if (cli->json) {
                out_json(&reply);
                return true;
        }
        problems = json_get(&reply.json, "problems");
        for (uint32_t i = 0; problems && i < problems->count; i++)
                cli_print_problem(cli, stdout, &problems->items[i]);
        if (valid)
                printf("%s\n",
                       problems && problems->count > 0 ? "It can be published." : "No mistake was found.");
        return true;
}

bool definition_create_run(struct cli *cli, struct err *err)
{
        struct str body;

        return profile_need_workspace(cli, err) && document_body(cli, &body, err) &&
               out_change(cli, "POST", workspace_path(cli, "definitions"), body, fields, err);
}

static struct str list_query(struct cli *cli)
{
        static const char *const names[] = {"kind", "name", "state", "tag", "environment"};
        struct str query = STR("");

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                struct str value = cli_value(cli, names[i]);

                if (value.ptr)
                        query = arena_printf(&cli->arena, "%.*s%s%s=%.*s", STR_ARG(query),
                                             query.len ? "&" : "", names[i],
                                             STR_ARG(cli_query_escape(cli, value)));
        }
        return query;
}

bool definition_list_run(struct cli *cli, struct err *err)
{
        return profile_need_workspace(cli, err) &&
               out_list(cli, workspace_path(cli, "definitions"), list_query(cli), columns,
                        "There are no definitions.", err);
}

bool definition_show_run(struct cli *cli, struct err *err)
{
        struct cli_reply reply;
        struct str content;
        struct str id;

        if (!find_argument(cli, 0, &id, err) ||
            !cli_get(cli, &reply, err, "%.*s",
                     STR_ARG(workspace_path(cli, "definitions/%.*s", STR_ARG(id)))))
                return false;
        content = json_get_string(&reply.json, "content");
        if (cli_flag(cli, "bare")) {
                out_bytes(content);
                return true;
        }
        out_record(cli, &reply, fields);
        if (!cli->json)
                out_quarantined(cli, "The document:", content);
        return true;
}

bool definition_publish_run(struct cli *cli, struct err *err)
{
        struct cli_body body;
        struct str text;
        struct str id;

        cli_body_begin(&body);
        cli_body_str(&body, "digest", cli_value(cli, "digest"));
        return cli_body_end(cli, &body, &text, err) && find_argument(cli, 0, &id, err) &&
               out_change(cli, "POST", workspace_path(cli, "definitions/%.*s/publish", STR_ARG(id)), text,
                          fields, err);
}

bool definition_delete_run(struct cli *cli, struct err *err)
{
        struct str id;

        if (!find_argument(cli, 0, &id, err) ||
            !cli_delete(cli, err, "%.*s", STR_ARG(workspace_path(cli, "definitions/%.*s", STR_ARG(id)))))
                return false;
        if (!cli->json)
                printf("Deleted.\n");
        return true;
}

bool definition_ask(struct cli *cli, const char *operation, struct str target, const char *const *names,
                    const struct str *values, struct err *err)
{
        struct cli_body body;
        struct cli_reply reply;
        struct str text;

        cli->request_id = STR("");
        cli_body_begin(&body);
        cli_body_str(&body, "environment", STR("control-plane"));
        cli_body_str(&body, "connector", STR("countersign"));
        cli_body_str(&body, "operation", str_from(operation));
        cli_body_str(&body, "target", target);
        json_key(&body.w, "parameters");
        json_object_begin(&body.w);
        for (unsigned i = 0; names[i]; i++)
                if (values[i].len > 0)
                        json_field_str(&body.w, names[i], values[i]);
        json_object_end(&body.w);
        if (!cli_body_end(cli, &body, &text, err) ||
            !cli_post(cli, text, &reply, err, "%.*s", STR_ARG(workspace_path(cli, "actions"))))
                return false;
        if (cli->json) {
                out_json(&reply);
                return true;
        }
        printf("This must be approved first. Asked for as the action %.*s, which is %.*s.\n"
               "An approver reads and signs it:  countersign approve %.*s\n",
               STR_ARG(out_text(cli, &reply.json, "id")), STR_ARG(out_text(cli, &reply.json, "state")),
               STR_ARG(out_text(cli, &reply.json, "id")));
        return true;
}

/* Where people must approve it, the promotion is asked for as an action. */
static bool promote_by_action(struct cli *cli, struct str id, struct err *err)
{
        static const char *const names[] = {"environment", NULL};
        struct str value = cli_argument(cli, 1);

        return definition_ask(cli, "definition.promote", id, names, &value, err);
}

bool definition_promote_run(struct cli *cli, struct err *err)
{
        static const struct out_column promoted[] = {
                {"kind", "kind", 0},       {"name", "name", 0},
                {"version", "version", 0}, {"environment", "environment", 0},
                {"digest", "digest", 0},   {NULL, NULL, 0},
        };
        struct cli_body body;
        struct cli_reply reply;
        struct str text;
        struct str id;

        cli_body_begin(&body);
        cli_body_str(&body, "environment", cli_argument(cli, 1));
        if (!cli_body_end(cli, &body, &text, err) || !find_argument(cli, 0, &id, err))
                return false;
        if (!cli_post(cli, text, &reply, err, "%.*s",
                      STR_ARG(workspace_path(cli, "definitions/%.*s/promotions", STR_ARG(id))))) {
                if (err->code != ERR_APPROVAL_NEEDED)
                        return false;
                return promote_by_action(cli, id, err);
        }
        out_record(cli, &reply, promoted);
        return true;
}

bool definition_diff_run(struct cli *cli, struct err *err)
{
        const struct json *changes;
        struct cli_reply reply;
        struct str from, to;

        if (!find_argument(cli, 0, &from, err) || !find_argument(cli, 1, &to, err) ||
            !cli_get(cli, &reply, err, "%.*s",
                     STR_ARG(workspace_path(cli, "definitions/%.*s/diff?to=%.*s", STR_ARG(from),
                                            STR_ARG(to)))))
                return false;
        if (cli->json) {
                out_json(&reply);
                return true;
        }
        changes = json_get(&reply.json, "changes");
        if (!changes || changes->count == 0)
                printf("They say the same.\n");
        for (uint32_t i = 0; changes && i < changes->count; i++) {
                const struct json *change = &changes->items[i];
                struct str before = out_text(cli, change, "before");
                struct str after = out_text(cli, change, "after");

                printf("%.*s\n", STR_ARG(out_text(cli, change, "path")));
                if (before.len > 0)
                        printf("  - %.*s\n", STR_ARG(before));
                if (after.len > 0)
                        printf("  + %.*s\n", STR_ARG(after));
        }
        return true;
}

bool environment_show_run(struct cli *cli, struct err *err)
{
        static const struct out_column promoted[] = {
                {"kind", "kind", 0},        {"name", "name", 40},
                {"version", "version", 24}, {"definition", "definition", 0},
                {"action", "action", 0},    {NULL, NULL, 0},
        };
        struct str environment = cli_query_escape(cli, cli_argument(cli, 0));

        return profile_need_workspace(cli, err) &&
               out_list(cli, workspace_path(cli, "environments/%.*s/definitions", STR_ARG(environment)),
                        STR(""), promoted, "Nothing is promoted there.", err);
}

/* ---- export and import ------------------------------------------------------------------------------ */

bool definition_export_run(struct cli *cli, struct err *err)
{
        struct str file = cli_value(cli, "out");
        struct cli_reply reply;

        if (!profile_need_workspace(cli, err) ||
            !cli_get(cli, &reply, err, "%.*s", STR_ARG(workspace_path(cli, "definition-bundle"))))
                return false;
        if (!file.ptr) {
                out_bytes(reply.text);
                return true;
        }
        if (!file_write_private(file, reply.text, true, err))
                return false;
        if (!cli->json)
                printf("%zu bytes written to %.*s\n", reply.text.len, STR_ARG(file));
        return true;
}

/* One line of an export as an item of a bundle. */
static bool import_line(struct cli *cli, struct json_writer *w, struct str line, unsigned number,
                        struct err *err)
{
        static const char *const members[] = {"kind", "content", "digest"};
        const struct json *published;
        struct json item;

        if (!json_parse(&cli->arena, line, &item, err))
                return err_prefix(err, "line %u", number);
        published = json_get(&item, "published");
        json_object_begin(w);
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
                if (json_get_string(&item, members[i]).ptr)
                        json_field_str(w, members[i], json_get_string(&item, members[i]));
        json_field_bool(w, "published", published && published->type == JSON_BOOL && published->boolean);
        json_object_end(w);
        return true;
}

bool definition_import_run(struct cli *cli, struct err *err)
{
        struct cli_body body;
        struct cli_reply reply;
        unsigned number = 0;
        struct str text, line;
        bool ok = true;

        if (!profile_need_workspace(cli, err) ||
            !definition_read_file(cli, cli_argument(cli, 0), BUNDLE_MAX, &text, err))
                return false;
        cli_body_begin(&body);
        json_key(&body.w, "items");
        json_array_begin(&body.w);
        while (ok && text.len > 0) {
                (void)str_cut(&text, '\n', &line);
                number++;
                if (str_trim(line).len > 0)
                        ok = import_line(cli, &body.w, line, number, err);
        }
        json_array_end(&body.w);
        if (!ok) {
                buf_done(&body.text);
                return false;
        }
        if (!cli_body_end(cli, &body, &text, err) ||
            !cli_post(cli, text, &reply, err, "%.*s", STR_ARG(workspace_path(cli, "definition-bundle"))))
                return false;
        out_table(cli, &reply, columns, "Nothing was imported.");
        return true;
}
