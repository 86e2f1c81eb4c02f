/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: a plain client of the public API. One row of the table in
 * commands.c says all about a command: name, syntax, help, options, examples,
 * function. Parsing, help pages and completions come from the table.
 *
 * Everything here lives for one command: one arena, one thread.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/heap.h"
#include "base/json.h"

#include <stdio.h>

/*
 * Exit statuses; README.md explains them. Statuses 10 and above say how an
 * action ended, for `action submit --wait`, `action wait` and `action show`.
 */
enum cli_exit {
        CLI_EXIT_OK = 0,
        CLI_EXIT_FAILED = 1,       /* none of the others; a local file, the system */
        CLI_EXIT_USAGE = 2,        /* the command line itself */
        CLI_EXIT_DENIED = 3,       /* 401, 403 */
        CLI_EXIT_NOT_FOUND = 4,    /* 404 */
        CLI_EXIT_CONFLICT = 5,     /* 409, 412, 428 */
        CLI_EXIT_BAD_INPUT = 6,    /* other 4xx */
        CLI_EXIT_UNREACHABLE = 7,  /* no answer, or none in time */
        CLI_EXIT_SERVER = 8,       /* 5xx */
        CLI_EXIT_PROOF = 9,        /* a signature, digest or proof does not hold */
        CLI_EXIT_NOT_RUN = 10,     /* denied, rejected, expired, cancelled, lapsed */
        CLI_EXIT_RUN_FAILED = 11,  /* it ran and failed */
        CLI_EXIT_RUN_UNKNOWN = 12, /* indeterminate */
        CLI_EXIT_STILL_OPEN = 13,  /* the waiting time is up */
};

enum { CLI_ARGUMENTS_MAX = 8, CLI_OPTIONS_MAX = 96 };

struct cli;

struct cli_option {
        const char *name;  /* without the dashes; NULL ends a list */
        const char *value; /* what its value is called; NULL: a flag */
        const char *help;
};

struct cli_command {
        const char *group; /* heading of the help page */
        const char *name;  /* "action submit" */
        const char *syntax;
        const char *summary;
        const char *description; /* NULL: the summary says it */
        const char *examples;    /* lines of commands, without the prompt */
        const struct cli_option *options;
        unsigned least, most; /* arguments */
        bool parameters;      /* other options are parameters of the operation named by arguments 1 and 2 */
        bool (*run)(struct cli *cli, struct err *err);
};

/*
 * A role of the program with a command line of its own (server, executor, dev,
 * …), which the client does not know and main.c brings along.
 */
struct cli_program {
        const char *name; /* one word, or two: "tenant move"; NULL ends a list */
        const char *summary;
        int (*main)(int argc, char **argv); /* argv[0] is the last word of the name */
};

/* In the order of the help page; the last one's name is NULL. */
extern const struct cli_command cli_commands[];
/* Taken by every command. */
extern const struct cli_option cli_common_options[];

struct cli_given {
        struct str name;
        struct str value;
};

struct profile {
        struct str path; /* of the file */
        struct str server, key, ca;
        struct str tenant, workspace, principal;
        struct str signing_key; /* path of the key file */
        int64_t roster_version; /* the last one that this profile has verified; 0: none */
        struct str roster_digest;
};

struct cli {
        const struct cli_command *command;
        const struct cli_program *programs;
        unsigned argument_count;
        struct str arguments[CLI_ARGUMENTS_MAX];
        unsigned option_count;
        struct cli_given options[CLI_OPTIONS_MAX];
        unsigned parameter_count;
        struct cli_given parameters[CLI_OPTIONS_MAX];

        struct arena arena;
        struct profile profile;
        struct http_client *http; /* made at the first call */
        struct tls_client *tls;
        bool json;
        int exit_status;
        struct str if_match;         /* sent with the next request; {NULL, 0}: nothing */
        struct str request_id;       /* of the last problem, for the message */
        const struct json *problems; /* all mistakes of a document that was refused; NULL: none */
};

/* `countersign …`, whole; `programs` may be NULL. */
int cli_main(int argc, char **argv, const struct cli_program *programs);

/* ---- the command line ---- */

/* Finds the command and fills everything that the words say. ERR_BAD_PARAMETER. */
bool cli_parse(struct cli *cli, int argc, char **argv, struct err *err) MUST_USE;
/* The command that the words begin with, and how many words name it; or NULL. */
const struct cli_command *cli_find(int argc, char **argv, int *ret_words);
bool cli_flag(const struct cli *cli, const char *name);
/* {NULL, 0} when it was not given. */
struct str cli_value(const struct cli *cli, const char *name);
/* The n-th value of an option that may be repeated, from 0. */
struct str cli_value_at(const struct cli *cli, const char *name, unsigned n);
/* {NULL, 0} beyond the last. */
struct str cli_argument(const struct cli *cli, unsigned n);

void cli_print_page(const struct cli_program *programs);
void cli_print_command(const struct cli_command *command);
/* Those of the programs too whose name begins with the word. False when there is no such group. */
bool cli_print_group(const char *group_word, const struct cli_program *programs);

/* ---- what comes back ---- */

int cli_exit_from(const struct err *err);
/* To standard error. */
void cli_print_error(struct cli *cli, const struct err *err);
/* "12:5: message (at /path)": one mistake of a document. */
void cli_print_problem(struct cli *cli, FILE *file, const struct json *problem);
