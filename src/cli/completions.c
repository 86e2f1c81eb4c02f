/* SPDX-License-Identifier: Apache-2.0 */
/* Completions for bash and zsh, made from the table of commands. */
#include "cli/commands.h"

#include <stdio.h>

static void print_quoted(const char *text)
{
        putchar('\'');
        for (; *text; text++) {
                if (*text == '\'')
                        printf("'\\''");
                else
                        putchar(*text);
        }
        putchar('\'');
}

static void each_command(const struct cli *cli, void (*row)(const char *name, const char *summary,
                                                            const struct cli_option *options))
{
        for (const struct cli_program *program = cli->programs; program && program->name; program++)
                row(program->name, program->summary, NULL);
        for (const struct cli_command *command = cli_commands; command->name; command++)
                row(command->name, command->summary, command->options);
}

/* ---- bash ---- */

static void bash_row(const char *name, const char *summary, const struct cli_option *options)
{
        (void)summary;
        printf("        [");
        print_quoted(name);
        printf("]='");
        for (; options && options->name; options++)
                printf("--%s ", options->name);
        printf("'\n");
}

static void print_bash(const struct cli *cli)
{
        printf("# bash completion for countersign; countersign completions bash >"
               " /etc/bash_completion.d/countersign\n"
               "_countersign()\n{\n"
               "        local word=${COMP_WORDS[COMP_CWORD]} words='' name i\n"
               "        local -A commands=(\n");
        each_command(cli, bash_row);
        printf("        )\n        local common='");
        for (const struct cli_option *option = cli_common_options; option->name; option++)
                printf("--%s ", option->name);
        printf("'\n"
               "        for ((i = 1; i < COMP_CWORD; i++)); do\n"
               "                [[ ${COMP_WORDS[i]} == -* ]] || words+=\"${words:+ }${COMP_WORDS[i]}\"\n"
               "        done\n"
               "        if [[ $word == -* ]]; then\n"
               "                for name in \"${!commands[@]}\"; do\n"
               "                        [[ \"$words \" == \"$name \"* ]] || continue\n"
               "                        COMPREPLY=($(compgen -W \"${commands[$name]}$common\" -- "
               "\"$word\"))\n"
               "                done\n"
               "                return\n"
               "        fi\n"
               "        local next=()\n"
               "        for name in \"${!commands[@]}\"; do\n"
               "                if [[ -z $words ]]; then next+=(\"${name%%%% *}\")\n"
               "                elif [[ $name == \"$words \"* ]]; then next+=(\"${name#\"$words \"}\"); fi\n"
               "        done\n"
               "        if ((${#next[@]})); then\n"
               "                COMPREPLY=($(compgen -W \"${next[*]}\" -- \"$word\"))\n"
               "        else\n"
               "                COMPREPLY=($(compgen -f -- \"$word\"))\n"
               "        fi\n"
               "}\n"
               "complete -o filenames -F _countersign countersign\n");
}

/* ---- zsh ---- */

static void zsh_row(const char *name, const char *summary, const struct cli_option *options)
{
        printf("        ");
        print_quoted(name);
        printf(" ");
        print_quoted(summary);
        printf(" '");
        for (; options && options->name; options++)
                printf("--%s ", options->name);
        printf("'\n");
}

static void print_zsh(const struct cli *cli)
{
        printf("#compdef countersign\n"
               "# zsh completion for countersign; countersign completions zsh > ~/.zfunc/_countersign\n"
               "_countersign() {\n"
               "        local -a table next\n"
               "        local typed=\"${(j: :)${words[2,CURRENT-1]:#-*}}\" name\n"
               "        table=(\n");
        each_command(cli, zsh_row);
        printf("        )\n        local -a common=(");
        for (const struct cli_option *option = cli_common_options; option->name; option++)
                printf("--%s ", option->name);
        printf(")\n"
               "        local i\n"
               "        for ((i = 1; i <= $#table; i += 3)); do\n"
               "                name=$table[i]\n"
               "                if [[ $words[CURRENT] == -* && \"$typed \" == \"$name \"* ]]; then\n"
               "                        compadd -- ${=table[i+2]} $common\n"
               "                        return\n"
               "                elif [[ -z $typed ]]; then\n"
               "                        next+=(\"${name%%%% *}:$table[i+1]\")\n"
               "                elif [[ $name == \"$typed \"* ]]; then\n"
               "                        next+=(\"${name#$typed }:$table[i+1]\")\n"
               "                fi\n"
               "        done\n"
               "        if (($#next)); then\n"
               "                _describe command next\n"
               "        else\n"
               "                _files\n"
               "        fi\n"
               "}\n"
               "compdef _countersign countersign 2>/dev/null || _countersign \"$@\"\n");
}

bool completions_run(struct cli *cli, struct err *err)
{
        struct str shell = cli_argument(cli, 0);

        if (str_is(shell, "bash"))
                print_bash(cli);
        else if (str_is(shell, "zsh"))
                print_zsh(cli);
        else
                return err_set(err, ERR_BAD_PARAMETER, "completions are for bash and zsh");
        return true;
}
