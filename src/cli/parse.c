/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include "catalogue/catalogue.h"

#include <stdio.h>

const struct cli_option cli_common_options[] = {
        {"json", NULL, "print what the server answered, as JSON"},
        {"profile", "FILE", "another profile than ~/.config/countersign/profile.json"},
        {"server", "URL", "another server than the profile's"},
        {"tenant", "ID", "another tenant than the profile's"},
        {"workspace", "ID", "another workspace than the profile's"},
        {"help", NULL, "this page"},
        {NULL, NULL, NULL},
};

/* How many of the words name the command: its words are all there, in order. */
static int words_match(const char *name, int argc, char **argv)
{
        struct str rest = str_from(name);
        struct str word;
        int words = 0;
        bool more = true;

        while (more) {
                more = str_cut(&rest, ' ', &word);
                if (words >= argc || !str_is(word, argv[words]))
                        return 0;
                words++;
        }
        return words;
}

const struct cli_command *cli_find(int argc, char **argv, int *ret_words)
{
        *ret_words = 0;
        for (const struct cli_command *command = cli_commands; command->name; command++) {
                *ret_words = words_match(command->name, argc, argv);
                if (*ret_words > 0)
                        return command;
        }
        return NULL;
}

static const struct cli_option *option_find(const struct cli_option *options, struct str name)
{
        for (; options && options->name; options++)
                if (str_is(name, options->name))
                        return options;
        return NULL;
}

static bool add(struct cli_given *list, unsigned *count, struct str name, struct str value, struct err *err)
{
        if (*count == CLI_OPTIONS_MAX)
                return err_set(err, ERR_BAD_PARAMETER, "more than %d options", CLI_OPTIONS_MAX);
        list[(*count)++] = (struct cli_given){name, value};
        return true;
}

/* One of the operation's parameters, as the catalogue knows it: --force, --timeout 10, --env A=b. */
static bool parse_parameter(struct cli *cli, struct str name, bool has_value, struct str *value,
                            char **next_word, int *ret_taken, struct err *err)
{
        const struct catalogue_operation *operation;
        const struct catalogue_parameter *parameter;

        if (cli->argument_count < 3)
                return err_set(err, ERR_BAD_PARAMETER,
                               "--%.*s is no option of this command; parameters of the operation come after "
                               "its name",
                               STR_ARG(name));
        operation = catalogue_find(cli->arguments[1], cli->arguments[2]);
        if (!operation)
                return err_set(err, ERR_BAD_PARAMETER,
                               "the catalogue has no %.*s %.*s; `countersign catalogue` lists what there is",
                               STR_ARG(cli->arguments[1]), STR_ARG(cli->arguments[2]));
        parameter = catalogue_parameter_find(operation, name);
        if (!parameter)
                return err_set(err, ERR_BAD_PARAMETER,
                               "%s takes no --%.*s; `countersign catalogue %s` lists its parameters",
                               operation->name, STR_ARG(name), operation->name);
        if (!has_value && parameter->type == PARAMETER_BOOLEAN) {
                *value = STR("true");
        } else if (!has_value) {
                if (!*next_word)
                        return err_set(err, ERR_BAD_PARAMETER, "--%.*s needs a value", STR_ARG(name));
                *value = str_from(*next_word);
                *ret_taken = 1;
        }
        return add(cli->parameters, &cli->parameter_count, name, *value, err);
}

/* `--name`, `--name=value` or `--name value`; *ret_taken words beyond the first. */
static bool parse_option(struct cli *cli, char **words, int *ret_taken, struct err *err)
{
        struct str value = str_from(words[0] + 2);
        struct str name;
        bool has_value = str_cut(&value, '=', &name);
        const struct cli_option *option = option_find(cli->command->options, name);

        *ret_taken = 0;
        if (!option)
                option = option_find(cli_common_options, name);
        if (!option && cli->command->parameters)
                return parse_parameter(cli, name, has_value, &value, words + 1, ret_taken, err);
        if (!option)
                return err_set(err, ERR_BAD_PARAMETER, "--%.*s is no option of this command", STR_ARG(name));
        if (!option->value && has_value)
                return err_set(err, ERR_BAD_PARAMETER, "--%.*s takes no value", STR_ARG(name));
        if (!option->value)
                value = STR("true");
        if (option->value && !has_value) {
                if (!words[1])
                        return err_set(err, ERR_BAD_PARAMETER, "--%.*s needs a value: %s", STR_ARG(name),
                                       option->value);
                value = str_from(words[1]);
                *ret_taken = 1;
        }
        return add(cli->options, &cli->option_count, name, value, err);
}

static bool check_arguments(const struct cli *cli, struct err *err)
{
        const struct cli_command *command = cli->command;

        if (cli->argument_count >= command->least && cli->argument_count <= command->most)
                return true;
        if (!*command->syntax)
                return err_set(err, ERR_BAD_PARAMETER, "`countersign %s` takes no arguments", command->name);
        return err_set(err, ERR_BAD_PARAMETER, "`countersign %s` is used as: countersign %s %s",
                       command->name, command->name, command->syntax);
}

bool cli_parse(struct cli *cli, int argc, char **argv, struct err *err)
{
        bool only_arguments = false;
        int taken = 0;

        for (int i = 0; i < argc; i += 1 + taken) {
                taken = 0;
                if (!only_arguments && strcmp(argv[i], "--") == 0) {
                        only_arguments = true;
                } else if (!only_arguments && strcmp(argv[i], "-h") == 0) {
                        if (!add(cli->options, &cli->option_count, STR("help"), STR("true"), err))
                                return false;
                } else if (!only_arguments && strncmp(argv[i], "--", 2) == 0) {
                        if (!parse_option(cli, argv + i, &taken, err))
                                return false;
                } else {
                        if (cli->argument_count == CLI_ARGUMENTS_MAX)
                                return err_set(err, ERR_BAD_PARAMETER, "too many arguments");
                        cli->arguments[cli->argument_count++] = str_from(argv[i]);
                }
        }
        cli->json = cli_flag(cli, "json");
        return cli_flag(cli, "help") || check_arguments(cli, err);
}

bool cli_flag(const struct cli *cli, const char *name)
{
        return cli_value(cli, name).ptr != NULL;
}

struct str cli_value(const struct cli *cli, const char *name)
{
        /* The last one counts, so that a line can be repeated with something added. */
        for (unsigned i = cli->option_count; i > 0; i--)
                if (str_is(cli->options[i - 1].name, name))
                        return cli->options[i - 1].value;
        return STR_NULL;
}

struct str cli_value_at(const struct cli *cli, const char *name, unsigned n)
{
        for (unsigned i = 0; i < cli->option_count; i++)
                if (str_is(cli->options[i].name, name) && n-- == 0)
                        return cli->options[i].value;
        return STR_NULL;
}

struct str cli_argument(const struct cli *cli, unsigned n)
{
        return n < cli->argument_count ? cli->arguments[n] : STR_NULL;
}
