/* SPDX-License-Identifier: Apache-2.0 */
/* Asking for an operation; its parameters are options, typed by the catalogue. */
#include "catalogue/catalogue.h"
#include "cli/actions.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/profile.h"

#include <stdio.h>

/* `--param name=value` says the same as `--name=value`. */
static bool take_params(struct cli *cli, const struct catalogue_operation *operation, struct err *err)
{
        for (unsigned n = 0; cli_value_at(cli, "param", n).ptr; n++) {
                struct str value = cli_value_at(cli, "param", n);
                struct str name;

                if (!str_cut(&value, '=', &name))
                        return err_set(err, ERR_BAD_PARAMETER, "--param takes NAME=VALUE");
                if (!operation || !catalogue_parameter_find(operation, name))
                        return err_set(err, ERR_BAD_PARAMETER, "the operation takes no parameter \"%.*s\"",
                                       STR_ARG(name));
                if (cli->parameter_count == CLI_OPTIONS_MAX)
                        return err_set(err, ERR_BAD_PARAMETER, "too many parameters");
                cli->parameters[cli->parameter_count++] = (struct cli_given){name, value};
        }
        return true;
}

static bool write_scalar(struct json_writer *w, const struct catalogue_parameter *parameter,
                         struct str value, struct err *err)
{
        int64_t number;

        switch (parameter->type) {
        case PARAMETER_BOOLEAN:
                if (!str_is(value, "true") && !str_is(value, "false"))
                        return err_set(err, ERR_BAD_PARAMETER, "--%s is true or false", parameter->name);
                json_bool(w, str_is(value, "true"));
                return true;
        case PARAMETER_INTEGER:
                if (!str_to_i64(value, &number))
                        return err_set(err, ERR_BAD_PARAMETER, "--%s takes a whole number", parameter->name);
                json_int(w, number);
                return true;
        default:
                json_str(w, value);
                return true;
        }
}

/* A list's or map's member: `value`, or `key=value`. */
static bool write_member(struct json_writer *w, const struct catalogue_parameter *parameter,
                         struct str value, struct err *err)
{
        struct str key;

        if (parameter->type == PARAMETER_STRING_LIST) {
                json_str(w, value);
                return true;
        }
        if (!str_cut(&value, '=', &key))
                return err_set(err, ERR_BAD_PARAMETER, "--%s takes KEY=VALUE", parameter->name);
        json_key_str(w, key);
        json_str(w, value);
        return true;
}

static bool write_parameter(struct cli *cli, struct json_writer *w,
                            const struct catalogue_parameter *parameter, struct err *err)
{
        bool list = parameter->type == PARAMETER_STRING_LIST;
        bool many = list || parameter->type == PARAMETER_STRING_MAP;
        unsigned found = 0;

        for (unsigned i = 0; i < cli->parameter_count; i++) {
                if (!str_is(cli->parameters[i].name, parameter->name))
                        continue;
                if (found++ == 0) {
                        json_key(w, parameter->name);
                        if (many && list)
                                json_array_begin(w);
                        else if (many)
                                json_object_begin(w);
                } else if (!many) {
                        return err_set(err, ERR_BAD_PARAMETER, "--%s is given twice", parameter->name);
                }
                if (!(many ? write_member : write_scalar)(w, parameter, cli->parameters[i].value, err))
                        return false;
        }
        if (found > 0 && list)
                json_array_end(w);
        else if (found > 0 && many)
                json_object_end(w);
        return true;
}

bool action_write_parameters(struct cli *cli, struct json_writer *w, struct err *err)
{
        const struct catalogue_operation *operation =
                catalogue_find(cli_argument(cli, 1), cli_argument(cli, 2));

        if (!take_params(cli, operation, err))
                return false;
        if (cli->parameter_count == 0)
                return true;
        json_key(w, "parameters");
        json_object_begin(w);
        for (unsigned i = 0; i < operation->parameter_count; i++)
                if (!write_parameter(cli, w, &operation->parameters[i], err))
                        return false;
        json_object_end(w);
        return true;
}

static bool submit(struct cli *cli, struct cli_reply *reply, struct err *err)
{
        struct cli_body body;
        struct str text;

        cli_body_begin(&body);
        cli_body_str(&body, "environment", cli_argument(cli, 0));
        cli_body_str(&body, "connector", cli_argument(cli, 1));
        cli_body_str(&body, "operation", cli_argument(cli, 2));
        cli_body_str(&body, "target", cli_argument(cli, 3));
        cli_body_str(&body, "expires_in", cli_value(cli, "expires-in"));
        cli_body_str(&body, "task_name", cli_value(cli, "task"));
        cli_body_str(&body, "instruction", cli_value(cli, "instruction"));
        if (!action_write_parameters(cli, &body.w, err)) {
                buf_done(&body.text);
                return false;
        }
        return cli_body_end(cli, &body, &text, err) && profile_need_workspace(cli, err) &&
               cli_post(cli, text, reply, err, "/v1/workspaces/%.*s/actions",
                        STR_ARG(cli->profile.workspace));
}

bool action_submit_run(struct cli *cli, struct err *err)
{
        struct cli_reply reply;
        int64_t timeout_ms;
        struct str state;
        struct str path;
        struct str id;

        if (!action_timeout(cli, &timeout_ms, err) || !submit(cli, &reply, err))
                return false;
        state = json_get_string(&reply.json, "state");
        id = json_get_string(&reply.json, "id");
        if (!cli_flag(cli, "wait") || action_is_final(state)) {
                if (!action_answer(cli, &reply, err))
                        return false;
                if (!action_is_final(state))
                        cli->exit_status = CLI_EXIT_OK;
                return true;
        }
        if (!cli->json) {
                printf("%.*s is %.*s; waiting for its end\n", STR_ARG(out_visible(cli, id)),
                       STR_ARG(out_visible(cli, state)));
                fflush(stdout);
        }
        path = arena_printf(&cli->arena, "/v1/workspaces/%.*s/actions/%.*s", STR_ARG(cli->profile.workspace),
                            STR_ARG(id));
        return arena_check(&cli->arena, err) && action_await(cli, path, timeout_ms, &reply, err) &&
               action_answer(cli, &reply, err);
}
