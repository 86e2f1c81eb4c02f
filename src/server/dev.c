/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `countersign dev`: the server in this process and one executor for `test` as
 * a child of it, for a laptop and the first five minutes.
 *
 * What makes the place usable (profiles, signing key, roster, agent, executor)
 * is done with the client's own commands over the API, as a person would do it.
 */
#include "base/json_write.h"
#include "base/log_line.h"
#include "cli/cli.h"
#include "executor/executor.h"
#include "server/dev_postgres.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEV_PATH_MAX = 4096, DEV_FLAGS_MAX = 64 };

static const char page[] =
        "countersign dev: server and one executor for `test`, on an embedded store\n"
        "\n"
        "  countersign dev [--data FOLDER] [--store postgres] [--docker-socket PATH] [--json]\n"
        "                  [--KEY VALUE …]\n"
        "\n"
        "On an empty folder (./data unless told) it makes a tenant with an administrator\n"
        "who is also an approver, an agent, and an executor; their profiles are\n"
        "FOLDER/admin.json and FOLDER/agent.json. A second run keeps all of it. Ctrl-C\n"
        "ends all. Keys of `countersign config reference` are flags here too. With --json it\n"
        "prints one line of JSON instead of the page.\n"
        "\n"
        "  --store postgres        on a PostgreSQL of its own in FOLDER/postgres, which this starts and\n"
        "                          ends; Debian's package postgresql-15 has the programs\n"
        "  --postgres-bin FOLDER   where they are, if not under /usr/lib/postgresql\n"
        "  --store-url URL         on a PostgreSQL that runs already (docs/scaling.md)\n";

struct dev {
        const char *data;
        const char *docker_socket; /* NULL: the executor's default */
        const char *postgres_bin;  /* NULL: where Debian has it */
        bool on_postgres;          /* one of our own */
        struct dev_postgres postgres;
        bool json;
        char *flags[DEV_FLAGS_MAX];
        int flag_count;
        char admin[DEV_PATH_MAX], agent[DEV_PATH_MAX], state[DEV_PATH_MAX], token[DEV_PATH_MAX];
        struct server *server;
        pid_t executor;
};

static bool path_in(char *ret, const char *folder, const char *name, struct err *err)
{
        if (snprintf(ret, DEV_PATH_MAX, "%s/%s", folder, name) < DEV_PATH_MAX)
                return true;
        return err_set(err, ERR_SYSTEM, "the path of the data folder is too long");
}

static bool parse_store(struct dev *dev, const char *name, struct err *err)
{
        dev->on_postgres = strcmp(name, "postgres") == 0;
        return dev->on_postgres || strcmp(name, "sqlite") == 0 ||
               err_set(err, ERR_BAD_PARAMETER, "--store is sqlite or postgres, not \"%s\"", name);
}

static bool parse(struct dev *dev, int argc, char **argv, struct err *err)
{
        dev->data = "data";
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--store") == 0 && i + 1 < argc) {
                        if (!parse_store(dev, argv[++i], err))
                                return false;
                        continue;
                }
                if (strcmp(argv[i], "--postgres-bin") == 0 && i + 1 < argc) {
                        dev->postgres_bin = argv[++i];
                        continue;
                }
                if (strcmp(argv[i], "--data") == 0 && i + 1 < argc)
                        dev->data = argv[++i];
                else if (strcmp(argv[i], "--docker-socket") == 0 && i + 1 < argc)
                        dev->docker_socket = argv[++i];
                else if (strcmp(argv[i], "--json") == 0)
                        dev->json = true;
                else if (dev->flag_count < DEV_FLAGS_MAX - 4)
                        dev->flags[dev->flag_count++] = argv[i];
                else
                        return err_set(err, ERR_BAD_PARAMETER, "too many flags");
        }
        dev->flags[dev->flag_count++] = (char *)"--data-folder";
        dev->flags[dev->flag_count++] = (char *)dev->data;
        if (mkdir(dev->data, 0700) < 0 && errno != EEXIST)
                return err_set_errno(err, ERR_SYSTEM, errno, "%s", dev->data);
        return path_in(dev->admin, dev->data, "admin.json", err) &&
               path_in(dev->agent, dev->data, "agent.json", err) &&
               path_in(dev->state, dev->data, "executor", err) &&
               path_in(dev->token, dev->data, "executor.token", err);
}

/* What lies in the data folder stays in use; two stores would be two truths. */
static bool choose_store(struct dev *dev, struct err *err)
{
        char embedded[DEV_PATH_MAX];

        if (!path_in(embedded, dev->data, "directory.db", err))
                return false;
        if (dev->on_postgres && access(embedded, F_OK) == 0)
                return err_set(
                        err, ERR_CONFIG,
                        "%s holds an embedded store; take another folder with --data, or leave out --store "
                        "postgres",
                        dev->data);
        if (!dev->on_postgres)
                return !dev_postgres_is_in(dev->data) ||
                       err_set(err, ERR_CONFIG,
                               "%s holds a PostgreSQL; say --store postgres again, or take another folder "
                               "with "
                               "--data",
                               dev->data);
        if (!dev_postgres_init(&dev->postgres, dev->data, dev->postgres_bin, err))
                return false;
        dev->flags[dev->flag_count++] = (char *)"--store-url";
        dev->flags[dev->flag_count++] = dev->postgres.url;
        return true;
}

/* One command of the client, without its output unless it fails; its exit status. */
static int client(const char *profile, const char *const *words)
{
        const char *argv[16] = {"countersign"};
        int argc = 1;
        int kept = dup(STDOUT_FILENO);
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        int status;

        while (*words && argc < 13)
                argv[argc++] = *words++;
        argv[argc++] = "--profile";
        argv[argc++] = profile;
        if (kept < 0 || nowhere < 0 || fflush(stdout) != 0 || dup2(nowhere, STDOUT_FILENO) < 0)
                return CLI_EXIT_FAILED;
        status = cli_main(argc, (char **)argv, NULL);
        (void)fflush(stdout);
        (void)dup2(kept, STDOUT_FILENO);
        close(kept);
        close(nowhere);
        return status;
}

#define CLIENT(profile, ...) client((profile), (const char *const[]){__VA_ARGS__, NULL})

static bool step(int status, const char *what, struct err *err)
{
        if (status == CLI_EXIT_OK)
                return true;
        return err_set(err, ERR_SYSTEM, "%s failed; empty the data folder to begin anew", what);
}

static bool make_people(const struct dev *dev, const struct server_first *first, struct err *err)
{
        const char *url = server_url(dev->server);

        return step(CLIENT(dev->admin, "login", "--server", url, "--key", first->api_key), "logging in",
                    err) &&
               step(CLIENT(dev->admin, "signing-key", "create"), "making the signing key", err) &&
               step(CLIENT(dev->admin, "roster", "init", "--approver", "--yes"), "making the roster", err) &&
               step(CLIENT(dev->admin, "principal", "create", "agent", "agent", "--role", "agent"),
                    "making the agent", err) &&
               step(CLIENT(dev->admin, "key", "create", "agent", "--write-profile", dev->agent),
                    "making the agent's key", err);
}

static bool announce_executor(const struct dev *dev, struct err *err)
{
        return step(CLIENT(dev->admin, "executor", "create", "dev", "test", "--token-file", dev->token),
                    "announcing the executor", err);
}

/* The port may be another one than last time. */
static bool follow_url(const struct dev *dev, struct err *err)
{
        const char *url = server_url(dev->server);

        return step(CLIENT(dev->admin, "login", "--server", url, "--keep-key"), "logging in", err) &&
               step(CLIENT(dev->agent, "login", "--server", url, "--keep-key"), "logging the agent in", err);
}

static bool start_executor(struct dev *dev, bool enrolled, struct err *err)
{
        const char *argv[12] = {"countersign", "executor", "--state",
                                dev->state,    "--server", server_url(dev->server)};
        posix_spawnattr_t attributes;
        sigset_t none;
        int argc = 6;
        int code;

        if (!enrolled) {
                argv[argc++] = "--token-file";
                argv[argc++] = dev->token;
        }
        if (dev->docker_socket) {
                argv[argc++] = "--docker-socket";
                argv[argc++] = dev->docker_socket;
        }
        sigemptyset(&none);
        posix_spawnattr_init(&attributes);
        /* A group of its own: Ctrl-C is ours to pass on, after the server's last word. */
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setpgroup(&attributes, 0);
        code = posix_spawn(&dev->executor, "/proc/self/exe", NULL, &attributes, (char **)argv, environ);
        posix_spawnattr_destroy(&attributes);
        return code == 0 || err_set_errno(err, ERR_SYSTEM, code, "starting the executor");
}

static void print_page(const struct dev *dev, const struct server_first *first)
{
        printf("\nCountersign is at %s\n\n", server_url(dev->server));
        if (first->made)
                printf("  administrator's API key (shown once):  %s\n"
                       "  the same in a browser, once:\n  %.*s/login/link?tenant=%s&link=%s\n\n",
                       first->api_key, STR_ARG(server_public_url(dev->server)), first->tenant, first->link);
        printf("  profiles   %s (administrator, approver)\n"
               "             %s (an agent)\n\n"
               "Try, in another terminal:\n\n"
               "  %s action submit test docker container.list --wait --profile %s\n\n"
               "Ctrl-C ends server and executor%s; the data stays in %s.\n\n",
               dev->admin, dev->agent, program_invocation_name, dev->agent,
               dev->on_postgres ? " and PostgreSQL" : "", dev->data);
        (void)fflush(stdout);
}

static void print_json(const struct dev *dev, const struct server_first *first)
{
        struct json_writer w;
        BUF_SCOPED text;

        buf_init(&text, 1 << 16);
        json_writer_init(&w, &text);
        json_object_begin(&w);
        json_field_c(&w, "url", server_url(dev->server));
        if (first->made)
                json_field_c(&w, "api_key", first->api_key);
        json_key(&w, "profiles");
        json_object_begin(&w);
        json_field_c(&w, "administrator", dev->admin);
        json_field_c(&w, "agent", dev->agent);
        json_object_end(&w);
        json_object_end(&w);
        printf("%.*s\n", STR_ARG(buf_str(&text)));
        (void)fflush(stdout);
        explicit_bzero(text.ptr, text.len);
}

/* Whether the child has ended by itself; then all ends. */
static bool has_ended(pid_t *pid, const char *what)
{
        int status;

        if (*pid <= 0 || waitpid(*pid, &status, WNOHANG) != *pid)
                return false;
        *pid = 0;
        log_line(LOG_ERROR, "it ended by itself; so does the server", LOG_C("what", what),
                 LOG_INT("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1));
        return true;
}

/* Until somebody ends us, or a child ends by itself. */
static int wait_for_end(struct dev *dev)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGCHLD);
        for (;;) {
                int number = 0;

                if (sigwait(&set, &number) != 0)
                        continue;
                if (number != SIGCHLD)
                        return EXIT_SUCCESS;
                if (has_ended(&dev->executor, "the executor") || has_ended(&dev->postgres.pid, "PostgreSQL"))
                        return EXIT_FAILURE;
        }
}

static void stop_executor(struct dev *dev)
{
        if (dev->executor <= 0)
                return;
        kill(dev->executor, SIGTERM);
        while (waitpid(dev->executor, NULL, 0) < 0 && errno == EINTR)
                ;
        dev->executor = 0;
}

static bool prepare(struct dev *dev, const struct server_first *first, struct err *err)
{
        bool enrolled = executor_is_enrolled(dev->state);

        if (first->made ? !make_people(dev, first, err) : !follow_url(dev, err))
                return false;
        return (enrolled || announce_executor(dev, err)) && start_executor(dev, enrolled, err);
}

static int run(struct dev *dev, struct arena *arena, const struct config *config, struct err *err)
{
        struct server_first first = {0};
        const char *region = arena_str(arena, config->region).ptr;
        sigset_t child;
        int status = EXIT_FAILURE;

        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        pthread_sigmask(SIG_BLOCK, &child, NULL);
        server_block_signals();
        if ((!dev->on_postgres || dev_postgres_start(&dev->postgres, region, err)) &&
            server_start(config, &dev->server, &first, err) && prepare(dev, &first, err)) {
                (dev->json ? print_json : print_page)(dev, &first);
                status = wait_for_end(dev);
        } else {
                (void)fprintf(stderr, "countersign dev: %s\n", err->message);
        }
        explicit_bzero(&first, sizeof(first));
        stop_executor(dev);
        server_stop(dev->server);
        dev_postgres_stop(&dev->postgres);
        return status;
}

int dev_main(int argc, char **argv)
{
        struct dev *dev;
        ARENA_SCOPED arena;
        BUF_SCOPED problems;
        struct config config;
        struct err err;
        int status = CLI_EXIT_USAGE;

        arena_init(&arena, 4 << 20);
        buf_init(&problems, 1 << 20);
        /* Whoever is logged in elsewhere is not who sets this place up. */
        (void)unsetenv("COUNTERSIGN_KEY");
        (void)unsetenv("COUNTERSIGN_SERVER");
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
                        (void)fputs(page, stdout);
                        return EXIT_SUCCESS;
                }
        }
        dev = arena_alloc(&arena, sizeof(*dev));
        if (!dev)
                return EXIT_FAILURE;
        if (!parse(dev, argc, argv, &err) || !choose_store(dev, &err)) {
                (void)fprintf(stderr, "countersign dev: %s\n", err.message);
        } else if (!config_load(&arena, dev->flag_count, dev->flags, environ, &config, &problems)) {
                (void)fprintf(stderr, "%.*s", STR_ARG(buf_str(&problems)));
        } else {
                /* A line for each request would hide what a beginner is to read. */
                log_configure(LOG_WARN, LOG_TEXT);
                status = run(dev, &arena, &config, &err);
        }
        return status;
}
