/* SPDX-License-Identifier: Apache-2.0 */
/* `countersign executor`: flags in, executor_run, exit status out. */
#include "base/arena.h"
#include "base/log_line.h"
#include "executor/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, TOKEN_MAX_BYTES = 256 };

static const char page[] =
        "countersign executor: holds a privilege, takes claims, verifies and runs them\n"
        "\n"
        "  countersign executor --state FOLDER\n"
        "  countersign executor --state FOLDER --server URL --token-file FILE\n"
        "\n"
        "An executor connects out to the server; nothing connects to it. It is announced on\n"
        "the server (`countersign executor create`), which gives a token that counts once.\n"
        "With the token it enrols: it makes a key of its own in FOLDER, gets its credential,\n"
        "and pins the roster. Later starts need --state only.\n"
        "\n"
        "  --state FOLDER        its key, credential, roster and journal; mode 0700\n"
        "  --server URL          the server; as enrolled unless told\n"
        "  --token TOKEN         the enrolment token; better --token-file or the environment's\n"
        "                        COUNTERSIGN_EXECUTOR_TOKEN, which others cannot list\n"
        "  --token-file FILE     a file that holds it\n"
        "  --roster-digest HEX   the digest of the roster that enrolment must find\n"
        "  --enrol-only          enrol, and end\n"
        "  --floor FILE          what this executor demands by itself, whatever the server says\n"
        "  --docker-socket PATH  the Docker Engine's socket; /var/run/docker.sock unless told\n"
        "  --parallel N          items in work at a time; 8 unless told, at most 64\n"
        "  --ca-file FILE        PEM certificates to trust for https, instead of the system's\n"
        "  --log-format FORMAT   text or json; --json is the same as json\n"
        "\n"
        "Never run two executors on copies of one FOLDER, and never delete only its journal:\n"
        "the journal is why nothing runs twice.\n"
        "\n"
        "Exit status: 0 ended by a signal, 1 it cannot go on (the last line says why), 2 the\n"
        "command line is wrong.\n";

struct flags {
        struct executor_config config;
        const char *token_file;
        enum log_format log_format;
};

static bool parse_value(struct flags *flags, const char *name, const char *value, struct err *err)
{
        uint64_t number;

        if (strcmp(name, "--state") == 0)
                flags->config.state_dir = value;
        else if (strcmp(name, "--server") == 0)
                flags->config.server_url = value;
        else if (strcmp(name, "--token") == 0)
                flags->config.token = value;
        else if (strcmp(name, "--token-file") == 0)
                flags->token_file = value;
        else if (strcmp(name, "--roster-digest") == 0)
                flags->config.roster_digest = value;
        else if (strcmp(name, "--floor") == 0)
                flags->config.floor_path = value;
        else if (strcmp(name, "--docker-socket") == 0)
                flags->config.docker_socket = value;
        else if (strcmp(name, "--ca-file") == 0)
                flags->config.ca_file = value;
        else if (strcmp(name, "--log-format") == 0 && strcmp(value, "json") == 0)
                flags->log_format = LOG_JSON;
        else if (strcmp(name, "--log-format") == 0 && strcmp(value, "text") == 0)
                flags->log_format = LOG_TEXT;
        else if (strcmp(name, "--parallel") == 0 && str_to_u64(str_from(value), &number) && number >= 1 &&
                 number <= 64)
                flags->config.parallel = (unsigned)number;
        else if (strcmp(name, "--parallel") == 0 || strcmp(name, "--log-format") == 0)
                return err_set(err, ERR_BAD_PARAMETER, "%s cannot be \"%s\"", name, value);
        else
                return err_set(err, ERR_BAD_PARAMETER, "the flag %s is not known", name);
        return true;
}

static bool parse(struct flags *flags, int argc, char **argv, struct err *err)
{
        *flags = (struct flags){.log_format = LOG_TEXT};
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--enrol-only") == 0) {
                        flags->config.enrol_only = true;
                        continue;
                }
                if (strcmp(argv[i], "--json") == 0) {
                        flags->log_format = LOG_JSON;
                        continue;
                }
                if (argv[i][0] != '-')
                        return err_set(err, ERR_BAD_PARAMETER, "\"%s\" is no flag", argv[i]);
                if (i + 1 == argc)
                        return err_set(err, ERR_BAD_PARAMETER, "%s is not known or needs a value", argv[i]);
                if (!parse_value(flags, argv[i], argv[i + 1], err))
                        return false;
                i++;
        }
        if (!flags->config.state_dir)
                return err_set(err, ERR_BAD_PARAMETER,
                               "--state is needed: the folder for its key and journal");
        if (flags->config.token && flags->token_file)
                return err_set(err, ERR_BAD_PARAMETER, "--token and --token-file exclude each other");
        return true;
}

/* From its file, or from the environment, once enrolment needs one. */
static bool find_token(struct flags *flags, char token[TOKEN_MAX_BYTES], struct err *err)
{
        ssize_t len;
        int fd;

        if (!flags->config.token && !flags->token_file)
                flags->config.token = getenv("COUNTERSIGN_EXECUTOR_TOKEN");
        if (!flags->token_file)
                return true;
        fd = open(flags->token_file, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
                /* A unit may name a file that was taken away after the enrolment. */
                if (errno == ENOENT && executor_is_enrolled(flags->config.state_dir))
                        return true;
                return err_set_errno(err, ERR_CONFIG, errno, "cannot open %s", flags->token_file);
        }
        len = read(fd, token, TOKEN_MAX_BYTES - 1);
        close(fd);
        if (len <= 0)
                return err_set(err, ERR_CONFIG, "%s holds no token", flags->token_file);
        token[len] = '\0';
        token[strcspn(token, "\r\n")] = '\0';
        flags->config.token = token;
        return true;
}

/* ---- the end by a signal ------------------------------------------------------------------------------ */

static int stop_fd = -1;

static void on_signal(int number)
{
        uint64_t one = 1;
        int saved = errno;

        (void)number;
        (void)!write(stop_fd, &one, sizeof(one));
        errno = saved;
}

static bool catch_signals(struct err *err)
{
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

        stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (stop_fd < 0)
                return err_set_errno(err, ERR_SYSTEM, errno, "cannot make an eventfd");
        sigemptyset(&action.sa_mask);
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGINT, &action, NULL);
        signal(SIGPIPE, SIG_IGN);
        return true;
}

static bool run(struct flags *flags, struct err *err)
{
        /* An arena for each of many short-lived threads would cost more memory than all else. */
        mallopt(M_ARENA_MAX, 2);
        mallopt(M_TRIM_THRESHOLD, 256 * 1024);
        return catch_signals(err) && executor_run(&flags->config, stop_fd, err);
}

int executor_main(int argc, char **argv)
{
        char token[TOKEN_MAX_BYTES];
        struct flags flags;
        struct err err;

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
                        (void)fputs(page, stdout);
                        return EXIT_SUCCESS;
                }
        }
        if (!parse(&flags, argc, argv, &err)) {
                (void)fprintf(stderr, "countersign executor: %s\nTry: countersign executor --help\n",
                              err.message);
                return EXIT_USAGE;
        }
        log_configure(LOG_INFO, flags.log_format);
        if (find_token(&flags, token, &err) && run(&flags, &err))
                return EXIT_SUCCESS;
        log_line(LOG_ERROR, "the executor cannot go on", LOG_C("code", err_name(err.code)),
                 LOG_C("why", err.message));
        return EXIT_FAILURE;
}
