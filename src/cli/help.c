/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

enum { NAME_WIDTH = 22 };

static void print_row(const char *name, const char *summary)
{
        printf("  %-*s %s\n", NAME_WIDTH, name, summary);
}

void cli_print_page(const struct cli_program *programs)
{
        const char *group = "";

        printf("countersign: the second signature for agents and dangerous automation\n\n"
               "An agent asks, a person sees exactly what would happen and signs, an executor\n"
               "that alone holds the privilege does it once, and everything leaves proof.\n\n"
               "Usage: countersign COMMAND [ARGUMENT…] [--OPTION…]\n");
        if (programs && programs->name)
                printf("\nRun it\n");
        for (; programs && programs->name; programs++)
                print_row(programs->name, programs->summary);
        for (const struct cli_command *command = cli_commands; command->name; command++) {
                if (strcmp(command->group, group) != 0) {
                        group = command->group;
                        printf("\n%s\n", group);
                }
                print_row(command->name, command->summary);
        }
        printf("\nAll client commands take --json for programs, --help for their own page with\n"
               "examples, and exit with a status that says what happened:\n\n"
               "  0 done  1 failed here  2 wrong command line  3 not allowed  4 not there\n"
               "  5 conflict  6 refused input  7 no answer  8 server error  9 proof does not hold\n"
               "  10 the action did not run  11 it failed  12 nobody knows  13 still open\n\n"
               "First time?  countersign dev --data ./data     then, in another terminal,\n"
               "             countersign catalogue             what can be asked for\n");
}

static void print_options(const struct cli_option *options)
{
        char name[64];

        for (; options && options->name; options++) {
                snprintf(name, sizeof(name), "--%s%s%s", options->name, options->value ? " " : "",
                         options->value ? options->value : "");
                print_row(name, options->help);
        }
}

static void print_examples(const char *examples)
{
        struct str rest = str_from(examples);
        struct str line;
        bool more = true;

        printf("\nExamples\n");
        while (more) {
                more = str_cut(&rest, '\n', &line);
                printf("  %.*s\n", STR_ARG(line));
        }
}

void cli_print_command(const struct cli_command *command)
{
        printf("countersign %s%s%s\n\n%s.\n", command->name, *command->syntax ? " " : "", command->syntax,
               command->summary);
        if (command->description)
                printf("\n%s\n", command->description);
        if (command->options) {
                printf("\nOptions\n");
                print_options(command->options);
        }
        if (command->parameters)
                printf("  %-*s parameters of the operation, as `countersign catalogue OPERATION` lists "
                       "them\n",
                       NAME_WIDTH, "--NAME[=VALUE]");
        printf("\nOptions of every command\n");
        print_options(cli_common_options);
        if (command->examples)
                print_examples(command->examples);
}

bool cli_print_group(const char *group_word, const struct cli_program *programs)
{
        size_t len = strlen(group_word);
        bool found = false;

        for (const struct cli_command *command = cli_commands; command->name; command++) {
                if (strncmp(command->name, group_word, len) != 0 || command->name[len] != ' ')
                        continue;
                if (!found)
                        printf("countersign %s …\n\n", group_word);
                print_row(command->name, command->summary);
                found = true;
        }
        for (; found && programs && programs->name; programs++) {
                if (strncmp(programs->name, group_word, len) == 0 && programs->name[len] == ' ')
                        print_row(programs->name, programs->summary);
        }
        return found;
}
