/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/actions.h"

#include "base/base64.h"
#include "base/clock.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/profile.h"
#include "documents/rendering.h"
#include "documents/statement.h"

#include <stdio.h>

enum { WAIT_S = 30 };

bool action_path(struct cli *cli, const char *tail, struct str *ret, struct err *err)
{
        struct str action = cli_argument(cli, 0);

        if (!profile_need_workspace(cli, err) || !cli_check_id(action, "act", "action", err))
                return false;
        *ret = workspace_path(cli, "actions/%.*s%s", STR_ARG(action), tail);
        return arena_check(&cli->arena, err);
}

/* How each state ends the command that shows it. */
static const struct {
        const char *state;
        bool final;
        int exit_status;
} endings[] = {
        {"denied", true, CLI_EXIT_NOT_RUN},
        {"pending", false, CLI_EXIT_STILL_OPEN},
        {"approved", false, CLI_EXIT_STILL_OPEN},
        {"claimed", false, CLI_EXIT_STILL_OPEN},
        {"succeeded", true, CLI_EXIT_OK},
        {"failed", true, CLI_EXIT_RUN_FAILED},
        {"indeterminate", true, CLI_EXIT_RUN_UNKNOWN},
        {"rejected", true, CLI_EXIT_NOT_RUN},
        {"expired", true, CLI_EXIT_NOT_RUN},
        {"cancelled", true, CLI_EXIT_NOT_RUN},
        {"lapsed", true, CLI_EXIT_NOT_RUN},
};

bool action_is_final(struct str state)
{
        for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
                if (str_is(state, endings[i].state))
                        return endings[i].final;
        return false;
}

static int exit_for(struct str state)
{
        for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
                if (str_is(state, endings[i].state))
                        return endings[i].exit_status;
        return CLI_EXIT_SERVER;
}

static bool action_content_is_gone(const struct json *action)
{
        return str_is(json_get_string(action, "content"), "gone");
}

bool action_statement(struct cli *cli, const struct json *action, struct str *ret_bytes, struct err *err)
{
        struct str text = json_get_string(action, "statement");
        struct statement statement;
        struct str digest;

        if (action_content_is_gone(action))
                return err_set(err, ERR_CONTENT_GONE,
                               "what the action carried was erased when it closed: its workspace keeps "
                               "metadata only");
        if (!text.ptr || !base64_decode(&cli->arena, text, ret_bytes))
                return err_set(err, ERR_PROOF_INVALID, "the server's answer holds no statement");
        digest = statement_digest(&cli->arena, *ret_bytes);
        if (!str_eq(digest, json_get_string(action, "digest")))
                return err_set(err, ERR_PROOF_INVALID,
                               "the statement's digest is %.*s, and the server says %.*s", STR_ARG(digest),
                               STR_ARG(json_get_string(action, "digest")));
        if (!statement_parse(&cli->arena, *ret_bytes, &statement, err))
                return err_prefix(err, "the statement");
        if (!str_eq(statement.action, json_get_string(action, "id")) ||
            !str_eq(statement.workspace, cli->profile.workspace) ||
            (cli->profile.tenant.ptr && !str_eq(statement.tenant, cli->profile.tenant)))
                return err_set(err, ERR_PROOF_INVALID,
                               "the statement is about %.*s of another place or action",
                               STR_ARG(statement.action));
        return true;
}

static bool print_rendering(struct cli *cli, const struct json *action, struct err *err)
{
        struct rendering rendering;
        struct str bytes;
        size_t width = 0;

        if (!action_statement(cli, action, &bytes, err) ||
            !rendering_make(&cli->arena, bytes, &rendering, err))
                return false;
        for (unsigned i = 0; i < rendering.count; i++)
                if (rendering.lines[i].label.len > width)
                        width = rendering.lines[i].label.len;
        printf("\nWhat will be done, as the bytes of the statement say it\n");
        for (unsigned i = 0; i < rendering.count; i++)
                printf("  %-*.*s  %.*s%s\n", (int)width, STR_ARG(rendering.lines[i].label),
                       STR_ARG(rendering.lines[i].value),
                       rendering.lines[i].uninspectable ? "   (cannot be inspected)" : "");
        return true;
}

static void print_decisions(struct cli *cli, const struct json *action)
{
        const struct json *decisions = json_get(action, "decisions");

        for (uint32_t i = 0; decisions && i < decisions->count; i++) {
                const struct json *decision = &decisions->items[i];

                printf("%-14s %.*s by %.*s, %.*s\n", "decision", STR_ARG(out_text(cli, decision, "verdict")),
                       STR_ARG(out_text(cli, decision, "principal")),
                       STR_ARG(out_text(cli, decision, "decided_at")));
        }
}

/* What it is and what became of it. */
static void print_summary(struct cli *cli, const struct json *action)
{
        static const struct out_column head[] = {
                {"action", "id", 0},
                {"state", "state", 0},
                {"operation", "operation", 0},
                {"target", "target", 0},
                {"environment", "environment", 0},
                {"rule", "rule", 0},
                {"approvals", "requirement.decisions", 0},
                {"expires", "expires_at", 0},
                {"digest", "digest", 0},
                {NULL, NULL, 0},
        };
        static const struct out_column outcome[] = {
                {"executor", "executor", 0},
                {"outcome", "outcome.message", 0},
                {"settled by", "outcome.settled_by", 0},
                {"ended", "outcome.ended_at", 0},
                {"output bytes", "outcome.output_bytes", 0},
                {"output sha256", "outcome.output_sha256", 0},
                {NULL, NULL, 0},
        };

        out_fields(cli, action, head);
        print_decisions(cli, action);
        out_fields(cli, action, outcome);
}

bool action_print(struct cli *cli, const struct json *action, struct err *err)
{
        print_summary(cli, action);
        if (action_content_is_gone(action)) {
                printf("\nWhat it carried was erased when it closed: its workspace keeps metadata only.\n");
                return true;
        }
        if (!print_rendering(cli, action, err))
                return false;
        if (json_get(action, "task_name") || json_get(action, "instruction"))
                printf("\nThe asker's own words. Nothing here trusts them, and nor should you:\n");
        out_quarantined(cli, "  task", json_get_string(action, "task_name"));
        out_quarantined(cli, "  instruction", json_get_string(action, "instruction"));
        return true;
}

bool action_answer(struct cli *cli, const struct cli_reply *reply, struct err *err)
{
        struct str bytes;

        cli->exit_status = exit_for(json_get_string(&reply->json, "state"));
        if (!action_content_is_gone(&reply->json) && !action_statement(cli, &reply->json, &bytes, err))
                return false;
        if (cli->json)
                out_json(reply);
        else
                print_summary(cli, &reply->json);
        return true;
}

bool action_timeout(struct cli *cli, int64_t *ret_ms, struct err *err)
{
        struct str text = cli_value(cli, "timeout");

        *ret_ms = INT64_MAX;
        if (text.ptr && !duration_parse(text, ret_ms))
                return err_set(err, ERR_BAD_PARAMETER, "--timeout takes a duration such as 90s or 10m");
        return true;
}

bool action_await(struct cli *cli, struct str path, int64_t timeout_ms, struct cli_reply *reply,
                  struct err *err)
{
        int64_t begun_us = clock_mono_us();
        int64_t left_ms = timeout_ms;

        for (;;) {
                int64_t wait_ms = left_ms < WAIT_S * 1000 ? left_ms : WAIT_S * 1000;
                struct arena_mark mark = arena_mark(&cli->arena);

                if (!cli_get(cli, reply, err, "%.*s?wait=%lldms", STR_ARG(path), (long long)wait_ms))
                        return false;
                if (timeout_ms != INT64_MAX)
                        left_ms = timeout_ms - (clock_mono_us() - begun_us) / 1000;
                if (action_is_final(json_get_string(&reply->json, "state")) || left_ms <= 0)
                        return true;
                arena_rewind(&cli->arena, mark);
        }
}

bool action_show_run(struct cli *cli, struct err *err)
{
        struct cli_reply reply;
        struct str path;

        if (!action_path(cli, "", &path, err) || !cli_get(cli, &reply, err, "%.*s", STR_ARG(path)))
                return false;
        if (!cli->json)
                return action_print(cli, &reply.json, err);
        out_json(&reply);
        return true;
}

bool action_wait_run(struct cli *cli, struct err *err)
{
        struct cli_reply reply;
        int64_t timeout_ms;
        struct str path;

        return action_timeout(cli, &timeout_ms, err) && action_path(cli, "", &path, err) &&
               action_await(cli, path, timeout_ms, &reply, err) && action_answer(cli, &reply, err);
}

bool action_list_run(struct cli *cli, struct err *err)
{
        static const struct out_column columns[] = {
                {"action", "id", 0},           {"state", "state", 0},    {"environment", "environment", 0},
                {"operation", "operation", 0}, {"target", "target", 40}, {"requester", "requester", 0},
                {"created", "created_at", 0},  {NULL, NULL, 0},
        };
        struct str state = cli_value(cli, "state");

        for (size_t i = 0; i < state.len; i++)
                if (state.ptr[i] < 'a' || state.ptr[i] > 'z')
                        return err_set(err, ERR_BAD_PARAMETER, "\"%s\" is no state", state.ptr);
        return profile_need_workspace(cli, err) &&
               out_list(cli, workspace_path(cli, "actions"),
                        state.ptr ? arena_printf(&cli->arena, "state=%.*s", STR_ARG(state)) : STR(""),
                        columns, "There are no such actions.", err);
}

bool action_settle_run(struct cli *cli, struct err *err)
{
        struct cli_body body;
        struct cli_reply reply;
        struct str path, text;

        cli_body_begin(&body);
        cli_body_str(&body, "outcome", cli_argument(cli, 1));
        cli_body_str(&body, "note", cli_argument(cli, 2));
        if (!cli_body_end(cli, &body, &text, err) || !action_path(cli, "/settle", &path, err) ||
            !cli_post(cli, text, &reply, err, "%.*s", STR_ARG(path)))
                return false;
        if (cli->json)
                out_json(&reply);
        else
                printf("Settled.\n");
        return true;
}

bool action_cancel_run(struct cli *cli, struct err *err)
{
        struct cli_reply reply;
        struct str path;

        if (!action_path(cli, "/cancel", &path, err) ||
            !cli_post(cli, STR_NULL, &reply, err, "%.*s", STR_ARG(path)))
                return false;
        if (cli->json)
                out_json(&reply);
        else
                printf("Cancelled.\n");
        return true;
}

/* Bytes of somebody's program: as they are into a file or pipe, made visible on a terminal. */
static bool print_output(struct cli *cli, const struct json *piece, struct str *ret_bytes, struct err *err)
{
        struct str rest;
        struct str line;

        if (!base64_decode(&cli->arena, json_get_string(piece, "data"), ret_bytes))
                return err_set(err, ERR_UPSTREAM_PROTOCOL, "the server's output is not base64");
        if (cli->json)
                return true;
        if (cli_flag(cli, "raw")) {
                out_bytes(*ret_bytes);
                return true;
        }
        rest = *ret_bytes;
        while (rest.len > 0) {
                bool more = str_cut(&rest, '\n', &line);

                line = rendering_visible(&cli->arena, line);
                printf("%.*s%s", STR_ARG(line), more ? "\n" : "");
                if (!more)
                        break;
        }
        return arena_check(&cli->arena, err);
}

bool action_output_run(struct cli *cli, struct err *err)
{
        bool follow = cli_flag(cli, "follow");
        int64_t offset = 0;
        struct str path;

        if (!action_path(cli, "/output", &path, err))
                return false;
        for (;;) {
                struct arena_mark mark = arena_mark(&cli->arena);
                const struct json *final;
                struct cli_reply reply;
                struct str bytes;

                if (!cli_get(cli, &reply, err, "%.*s?offset=%lld%s", STR_ARG(path), (long long)offset,
                             follow ? "&wait=30s" : ""))
                        return false;
                if (cli->json)
                        out_json(&reply);
                if (!print_output(cli, &reply.json, &bytes, err))
                        return false;
                fflush(stdout);
                offset += (int64_t)bytes.len;
                final = json_get(&reply.json, "final");
                if ((final && final->type == JSON_BOOL && final->boolean) || (!follow && bytes.len == 0))
                        return true;
                arena_rewind(&cli->arena, mark);
        }
}

/* The answer as it is, to standard output or --out FILE: made for programs anyway. */
static bool save_part(struct cli *cli, const char *tail, struct err *err)
{
        struct str file = cli_value(cli, "out");
        struct cli_reply reply;
        struct str path;

        if (!action_path(cli, tail, &path, err) || !cli_get(cli, &reply, err, "%.*s", STR_ARG(path)))
                return false;
        if (!file.ptr) {
                out_json(&reply);
                return true;
        }
        if (!file_write_private(file, reply.text, false, err))
                return false;
        printf("Written to %s\n", file.ptr);
        return true;
}

bool action_envelope_run(struct cli *cli, struct err *err)
{
        return save_part(cli, "/envelope", err);
}

bool action_receipt_run(struct cli *cli, struct err *err)
{
        return save_part(cli, "/receipt", err);
}
