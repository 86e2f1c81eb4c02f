/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "cli/client.h"
#include "cli/output.h"
#include "cli/profile.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLI_ARENA_BYTES = 256 * 1024 * 1024 };

int cli_exit_from(const struct err *err)
{
        int status = err_status(err->code);

        switch (err->code) {
        case ERR_PROOF_INVALID:
        case ERR_BAD_SIGNATURE:
        case ERR_BAD_ENVELOPE:
        case ERR_LOG_FORKED:
                return CLI_EXIT_PROOF;
        case ERR_UPSTREAM_UNREACHABLE:
        case ERR_UPSTREAM_PROTOCOL:
        case ERR_UPSTREAM_TIMEOUT:
        case ERR_TLS:
                return CLI_EXIT_UNREACHABLE;
        case ERR_SYSTEM:
        case ERR_CANCELLED:
        case ERR_NO_MEMORY:
                return CLI_EXIT_FAILED;
        default:
                break;
        }
        if (status == 401 || status == 403)
                return CLI_EXIT_DENIED;
        if (status == 404)
                return CLI_EXIT_NOT_FOUND;
        if (status == 409 || status == 410 || status == 412 || status == 428)
                return CLI_EXIT_CONFLICT;
        return status < 500 ? CLI_EXIT_BAD_INPUT : CLI_EXIT_SERVER;
}

void cli_print_problem(struct cli *cli, FILE *file, const struct json *problem)
{
        struct str path = out_text(cli, problem, "path");

        fprintf(file, "%.*s:%.*s: %s%.*s", STR_ARG(out_text(cli, problem, "line")),
                STR_ARG(out_text(cli, problem, "column")),
                str_is(json_get_string(problem, "severity"), "warning") ? "warning: " : "",
                STR_ARG(out_text(cli, problem, "message")));
        fprintf(file, path.len > 0 ? " (at %.*s)\n" : "%.*s\n", STR_ARG(path));
}

void cli_print_error(struct cli *cli, const struct err *err)
{
        /* A problem's words are the server's. */
        struct str message = out_visible(cli, str_from(err->message));

        fflush(stdout);
        fprintf(stderr, "countersign: %.*s",
                STR_ARG(message.ptr ? message : str_from(err_title(err->code))));
        if (err->place[0])
                fprintf(stderr, " (at %.*s)", STR_ARG(out_visible(cli, str_from(err->place))));
        if (cli->request_id.len > 0)
                fprintf(stderr, " [%s, %.*s]", err_name(err->code),
                        STR_ARG(out_visible(cli, cli->request_id)));
        fprintf(stderr, "\n");
        for (uint32_t i = 0; cli->problems && i < cli->problems->count; i++)
                cli_print_problem(cli, stderr, &cli->problems->items[i]);
}

static int usage(const struct err *err)
{
        fprintf(stderr, "countersign: %s\n", err->message);
        return CLI_EXIT_USAGE;
}

static int run(struct cli *cli, struct err *err)
{
        int status;

        if (!profile_load(cli, err) || !cli->command->run(cli, err)) {
                cli_print_error(cli, err);
                /* What no server was asked about is a mistake of the line, or of this machine. */
                status = err->code == ERR_BAD_PARAMETER && cli->request_id.len == 0 ? CLI_EXIT_USAGE
                                                                                    : cli_exit_from(err);
        } else if (fflush(stdout) != 0) {
                status = CLI_EXIT_FAILED;
        } else {
                status = cli->exit_status;
        }
        cli_client_done(cli);
        return status;
}

static int run_command(const struct cli_command *command, const struct cli_program *programs, int argc,
                       char **argv)
{
        struct cli *cli = calloc(1, sizeof(*cli));
        struct err err = {0};
        int status;

        if (!cli)
                return CLI_EXIT_FAILED;
        arena_init(&cli->arena, CLI_ARENA_BYTES);
        cli->command = command;
        cli->programs = programs;
        if (!cli_parse(cli, argc, argv, &err)) {
                status = usage(&err);
        } else if (cli_flag(cli, "help")) {
                cli_print_command(command);
                status = CLI_EXIT_OK;
        } else {
                status = run(cli, &err);
        }
        arena_done(&cli->arena);
        free(cli);
        return status;
}

static int unknown(int argc, char **argv, const struct cli_program *programs)
{
        struct err err;
        int words;
        bool asks = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);

        if (argc > 1 && strcmp(argv[0], "help") == 0 && cli_find(argc - 1, argv + 1, &words)) {
                cli_print_command(cli_find(argc - 1, argv + 1, &words));
                return CLI_EXIT_OK;
        }
        if (strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
                cli_print_page(programs);
                return CLI_EXIT_OK;
        }
        if ((argc == 1 || asks) && cli_print_group(argv[0], programs))
                return argc == 1 ? CLI_EXIT_USAGE : CLI_EXIT_OK;
        err_set(&err, ERR_BAD_PARAMETER, "there is no command \"%s%s%s\"; `countersign --help` lists them",
                argv[0], argc > 1 && argv[1][0] != '-' ? " " : "",
                argc > 1 && argv[1][0] != '-' ? argv[1] : "");
        return usage(&err);
}

/* How many words name the program, if the line begins with them; 0 if it does not. */
static int program_words(const struct cli_program *program, int argc, char **argv)
{
        struct str rest = str_from(program->name), word;
        bool more = true;
        int words = 0;

        while (more) {
                more = str_cut(&rest, ' ', &word);
                if (words == argc || !str_is(word, argv[words]))
                        return 0;
                words++;
        }
        return words;
}

int cli_main(int argc, char **argv, const struct cli_program *programs)
{
        const struct cli_command *command;
        int words = 0;

        if (argc < 2) {
                cli_print_page(programs);
                return CLI_EXIT_USAGE;
        }
        /* Commands first: `executor create` is the client's, `executor --state …` the role. */
        command = cli_find(argc - 1, argv + 1, &words);
        if (command)
                return run_command(command, programs, argc - 1 - words, argv + 1 + words);
        for (const struct cli_program *program = programs; program && program->name; program++) {
                words = program_words(program, argc - 1, argv + 1);
                if (words > 0)
                        return program->main(argc - words, argv + words);
        }
        return unknown(argc - 1, argv + 1, programs);
}
