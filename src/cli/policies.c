/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: trying them, putting them into force, asking why. */
#include "cli/actions.h"
#include "cli/commands.h"
#include "cli/definitions.h"
#include "cli/output.h"
#include "cli/profile.h"

#include <stdio.h>

enum { DOCUMENT_MAX = 256 * 1024 };

static struct str place(struct cli *cli, const char *what)
{
        return arena_printf(&cli->arena, "/v1/workspaces/%.*s/%s", STR_ARG(cli->profile.workspace), what);
}

/* ---- a decision for people ----------------------------------------------------------------------- */

static void print_indented(struct cli *cli, struct str text, const char *indent)
{
        while (text.len > 0) {
                struct str line;

                (void)str_cut(&text, '\n', &line);
                if (line.len > 0)
                        printf("%s%.*s\n", indent, STR_ARG(out_visible(cli, line)));
        }
}

static void print_step(struct cli *cli, const struct json *step, const char *indent)
{
        struct str outcome = out_text(cli, step, "outcome");

        if (str_is(outcome, "other"))
                return;
        printf("%s%.*s  %.*s  %.*s %.*s: %.*s\n", indent, STR_ARG(out_text(cli, step, "layer")),
               STR_ARG(out_text(cli, step, "policy")), STR_ARG(out_text(cli, step, "effect")),
               STR_ARG(out_text(cli, step, "rule")), STR_ARG(outcome));
        print_indented(cli, out_text(cli, step, "error"), arena_printf(&cli->arena, "%s    ", indent).ptr);
        print_indented(cli, json_get_string(step, "values"),
                       arena_printf(&cli->arena, "%s    ", indent).ptr);
}

static void print_why(struct cli *cli, const struct json *decision, const char *indent)
{
        const struct json *steps = json_get(decision, "steps");
        struct str advice = json_get_string(decision, "advice");

        for (uint32_t i = 0; steps && i < steps->count; i++)
                print_step(cli, &steps->items[i], indent);
        if (advice.len > 0)
                printf("%sFor a milder answer:\n", indent);
        print_indented(cli, advice, arena_printf(&cli->arena, "%s  ", indent).ptr);
}

static struct str verdict_text(struct cli *cli, const struct json *decision)
{
        struct str verdict = out_text(cli, decision, "verdict");

        return str_is(verdict, "require") ? arena_printf(&cli->arena, "require %.*s",
                                                         STR_ARG(out_text(cli, decision, "decisions")))
                                          : verdict;
}

/* ---- trying ---------------------------------------------------------------------------------------- */

static bool is_yes(struct cli *cli, const struct json *object, const char *key)
{
        return str_is(out_text(cli, object, key), "yes");
}

static void print_example(struct cli *cli, const struct json *example)
{
        const struct json *decision = json_get(example, "decision");
        bool holds = is_yes(cli, example, "holds");

        printf("%s  %.*s: %.*s by %.*s\n", holds ? "ok  " : "FAIL", STR_ARG(out_text(cli, example, "name")),
               STR_ARG(verdict_text(cli, decision)), STR_ARG(out_text(cli, decision, "rule")));
        if (!holds)
                printf("      line %.*s expects %.*s %.*s\n", STR_ARG(out_text(cli, example, "line")),
                       STR_ARG(out_text(cli, example, "expected")),
                       STR_ARG(out_text(cli, example, "expected_rule")));
        if (cli_flag(cli, "explain"))
                print_why(cli, decision, "      ");
}

bool policy_test_run(struct cli *cli, struct err *err)
{
        const struct json *problems, *examples;
        struct cli_body body;
        struct cli_reply reply;
        struct str content, text;

        if (!profile_need_workspace(cli, err) ||
            !definition_read_file(cli, cli_argument(cli, 0), DOCUMENT_MAX, &content, err))
                return false;
        cli_body_begin(&body);
        cli_body_str(&body, "content", content);
        if (!cli_body_end(cli, &body, &text, err) ||
            !cli_post(cli, text, &reply, err, "%.*s", STR_ARG(place(cli, "policy-checks"))))
                return false;
        cli->exit_status = is_yes(cli, &reply.json, "valid") ? CLI_EXIT_OK : CLI_EXIT_BAD_INPUT;
        if (cli->json) {
                out_json(&reply);
                return true;
        }
        problems = json_get(&reply.json, "problems");
        for (uint32_t i = 0; problems && i < problems->count; i++)
                cli_print_problem(cli, stdout, &problems->items[i]);
        examples = json_get(&reply.json, "examples");
        for (uint32_t i = 0; examples && i < examples->count; i++)
                print_example(cli, &examples->items[i]);
        if (problems && problems->count == 0 && examples && examples->count == 0)
                printf("The policy has no mistake, and no examples.\n");
        return true;
}

static bool question_body(struct cli *cli, struct str *ret, struct err *err)
{
        static const char *const names[] = {"kind", "risk", "scope"};
        struct cli_body body;

        cli_body_begin(&body);
        cli_body_str(&body, "environment", cli_argument(cli, 0));
        cli_body_str(&body, "connector", cli_argument(cli, 1));
        cli_body_str(&body, "operation", cli_argument(cli, 2));
        cli_body_str(&body, "target", cli_argument(cli, 3));
        cli_body_str(&body, "time", cli_value(cli, "time"));
        if (!action_write_parameters(cli, &body.w, err)) {
                buf_done(&body.text);
                return false;
        }
        if (cli_value(cli, "kind").ptr || cli_value(cli, "risk").ptr || cli_value(cli, "scope").ptr ||
            cli_value(cli, "requester").ptr) {
                json_key(&body.w, "requester");
                json_object_begin(&body.w);
                cli_body_str(&body, "id", cli_value(cli, "requester"));
                for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                        cli_body_str(&body, names[i], cli_value(cli, names[i]));
                json_object_end(&body.w);
        }
        return cli_body_end(cli, &body, ret, err);
}

bool policy_explain_run(struct cli *cli, struct err *err)
{
        struct cli_reply reply;
        struct str body;

        if (!profile_need_workspace(cli, err) || !question_body(cli, &body, err) ||
            !cli_post(cli, body, &reply, err, "%.*s", STR_ARG(place(cli, "policy-explanations"))))
                return false;
        if (cli->json) {
                out_json(&reply);
                return true;
        }
        out_line(cli, "verdict", verdict_text(cli, &reply.json));
        out_line(cli, "rule", json_get_string(&reply.json, "rule"));
        out_line(cli, "reason", json_get_string(&reply.json, "reason"));
        out_line(cli, "policy", json_get_string(&reply.json, "digest"));
        print_why(cli, &reply.json, "");
        return true;
}

/* ---- what is in force -------------------------------------------------------------------------------- */

bool policy_list_run(struct cli *cli, struct err *err)
{
        static const struct out_column columns[] = {
                {"layer", "layer", 0}, {"name", "name", 40},    {"version", "version", 24},
                {"rules", "rules", 0}, {"digest", "digest", 0}, {NULL, NULL, 0},
        };
        struct cli_reply reply;

        if (!profile_need_workspace(cli, err) ||
            !cli_get(cli, &reply, err, "%.*s", STR_ARG(place(cli, "policies"))))
                return false;
        out_table(cli, &reply, columns, "There are no policies.");
        if (!cli->json && is_yes(cli, &reply.json, "protected"))
                printf("They are protected: every change needs approval.\n");
        return true;
}

bool policy_show_run(struct cli *cli, struct err *err)
{
        const struct json *items;
        struct cli_reply reply;

        if (!profile_need_workspace(cli, err) ||
            !cli_get(cli, &reply, err, "%.*s", STR_ARG(place(cli, "policies"))))
                return false;
        items = json_get(&reply.json, "items");
        for (uint32_t i = 0; items && i < items->count; i++)
                if (str_eq(json_get_string(&items->items[i], "name"), cli_argument(cli, 0))) {
                        reply.json = items->items[i];
                        if (cli->json) {
                                BUF_SCOPED text;

                                buf_init(&text, 1 << 20);
                                json_append_canonical(&text, &reply.json);
                                printf("%.*s\n", STR_ARG(buf_str(&text)));
                        } else {
                                print_indented(cli, json_get_string(&reply.json, "content"), "");
                        }
                        return true;
                }
        return err_set(err, ERR_NOT_FOUND, "no policy %.*s is in force in this workspace",
                       STR_ARG(cli_argument(cli, 0)));
}

/* ---- changing it ------------------------------------------------------------------------------- */

struct where {
        struct str layer, tier; /* "": none */
        bool above;             /* not the workspace's */
};

static bool take_where(struct cli *cli, struct where *ret, struct err *err)
{
        struct str layer = cli_value(cli, "layer");
        struct str tier = cli_value(cli, "tier");

        *ret = (struct where){.layer = layer.ptr ? layer : STR("workspace"),
                              .tier = tier.ptr ? tier : STR(""),
                              .above = layer.ptr && !str_is(layer, "workspace")};
        if (ret->tier.len > 0 && !str_is(ret->layer, "tier"))
                return err_set(err, ERR_BAD_PARAMETER, "--tier goes with --layer tier");
        return profile_need_workspace(cli, err) && (!ret->above || profile_need_tenant(cli, err));
}

static struct str collection(struct cli *cli, const struct where *where)
{
        return where->above
                       ? arena_printf(&cli->arena, "/v1/tenants/%.*s/policies", STR_ARG(cli->profile.tenant))
                       : place(cli, "policies");
}

static bool ask(struct cli *cli, const char *operation, struct str id, const struct where *where,
                struct err *err)
{
        static const char *const names[] = {"layer", "tier", NULL};
        const struct str values[] = {where->layer, where->tier};

        return definition_ask(cli, operation, id, names, values, err);
}

bool policy_activate_run(struct cli *cli, struct err *err)
{
        static const struct out_column fields[] = {
                {"layer", "layer", 0}, {"name", "name", 0},     {"version", "version", 0},
                {"rules", "rules", 0}, {"digest", "digest", 0}, {NULL, NULL, 0},
        };
        struct cli_body body;
        struct cli_reply reply;
        struct where where;
        struct str id, text;

        if (!take_where(cli, &where, err) || !definition_id(cli, cli_argument(cli, 0), &id, err))
                return false;
        cli_body_begin(&body);
        cli_body_str(&body, "definition", id);
        if (where.above)
                cli_body_str(&body, "layer", where.layer);
        if (where.tier.len > 0)
                cli_body_str(&body, "tier", where.tier);
        if (!cli_body_end(cli, &body, &text, err))
                return false;
        if (!cli_post(cli, text, &reply, err, "%.*s", STR_ARG(collection(cli, &where))))
                return err->code == ERR_APPROVAL_NEEDED && ask(cli, "policy.activate", id, &where, err);
        out_record(cli, &reply, fields);
        return true;
}

bool policy_deactivate_run(struct cli *cli, struct err *err)
{
        struct where where;
        struct str query, id;

        if (!take_where(cli, &where, err) || !definition_id(cli, cli_argument(cli, 0), &id, err))
                return false;
        query = !where.above         ? STR("")
                : where.tier.len > 0 ? arena_printf(&cli->arena, "?layer=tier&tier=%.*s",
                                                    STR_ARG(cli_query_escape(cli, where.tier)))
                                     : arena_printf(&cli->arena, "?layer=%.*s",
                                                    STR_ARG(cli_query_escape(cli, where.layer)));
        if (!cli_delete(cli, err, "%.*s/%.*s%.*s", STR_ARG(collection(cli, &where)), STR_ARG(id),
                        STR_ARG(query)))
                return err->code == ERR_APPROVAL_NEEDED && ask(cli, "policy.deactivate", id, &where, err);
        if (!cli->json)
                printf("It is not in force any more.\n");
        return true;
}

static bool put_protection(struct cli *cli, bool protected, struct cli_reply *reply, struct err *err)
{
        return profile_need_tenant(cli, err) &&
               cli_put(cli, protected ? STR("{\"protected\":true}") : STR("{\"protected\":false}"), reply,
                       err, "/v1/tenants/%.*s/policy-protection", STR_ARG(cli->profile.tenant));
}

bool policy_protect_run(struct cli *cli, struct err *err)
{
        struct cli_reply reply;

        if (!put_protection(cli, true, &reply, err))
                return false;
        if (cli->json)
                out_json(&reply);
        else
                printf("From now on every change of the tenant's policies needs approval.\n");
        return true;
}

bool policy_unprotect_run(struct cli *cli, struct err *err)
{
        static const char *const names[] = {NULL};
        struct cli_reply reply;

        if (!put_protection(cli, false, &reply, err))
                return err->code == ERR_APPROVAL_NEEDED && profile_need_workspace(cli, err) &&
                       definition_ask(cli, "policy.unprotect", cli->profile.tenant, names, NULL, err);
        if (cli->json)
                out_json(&reply);
        else
                printf("They were not protected.\n");
        return true;
}
