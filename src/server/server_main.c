/* SPDX-License-Identifier: Apache-2.0 */
/* `countersign server` and `countersign config`. */
#include "base/json_write.h"
#include "base/log_line.h"
#include "server/server.h"

#include <malloc.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONFIG_MOST_BYTES = 4 << 20, EXIT_USAGE = 2 };

static const char server_page[] =
        "countersign server: the control plane\n"
        "\n"
        "  countersign server [--config FILE] [--KEY VALUE …] [--bootstrap-key-file FILE]\n"
        "                     [--json]\n"
        "\n"
        "Serves the API until SIGTERM or SIGINT; then what runs may end (limits.drain).\n"
        "SIGHUP reads the TLS files again. On an empty data folder it makes the tenant\n"
        "`default` and prints its administrator's API key, once; or writes it into FILE.\n"
        "With --json it prints one line of JSON once it serves, and logs in JSON.\n"
        "\n"
        "Every key of the configuration is a flag (listen.port is --listen-port) and an\n"
        "environment variable (COUNTERSIGN_LISTEN_PORT). `countersign config reference`\n"
        "lists them, `countersign config check` explains every mistake.\n";

static const char config_page[] =
        "countersign config: the configuration\n"
        "\n"
        "  countersign config check [--config FILE] [--KEY VALUE …]\n"
        "                              says what is wrong with file, environment and flags\n"
        "  countersign config show [--config FILE] [--KEY VALUE …]\n"
        "                              prints the values that would hold, as YAML\n"
        "  countersign config reference\n"
        "                              prints every key, its default and its meaning\n"
        "\n"
        "With --json each prints JSON; check then prints {\"ok\", \"problems\"} and still ends\n"
        "with status 2 when there are any.\n";

static bool wants_help(int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
                        return true;
        return false;
}

/* Takes a flag without a value that is no key of the configuration out of the list. */
static bool take_flag(int *argc, char **argv, const char *name)
{
        for (int i = 1; i < *argc; i++) {
                if (strcmp(argv[i], name) != 0)
                        continue;
                for (int j = i; j + 1 < *argc; j++)
                        argv[j] = argv[j + 1];
                (*argc)--;
                return true;
        }
        return false;
}

static bool load(struct arena *arena, int argc, char **argv, struct config *config)
{
        BUF_SCOPED problems;
        bool ok;

        arena_init(arena, CONFIG_MOST_BYTES);
        buf_init(&problems, 1 << 20);
        ok = config_load(arena, argc, argv, environ, config, &problems);
        if (!ok)
                (void)fprintf(stderr, "%.*s", STR_ARG(buf_str(&problems)));
        return ok;
}

static void configure_log(const struct config *config)
{
        static const char *const levels[] = {"debug", "info", "warn", "error"};
        enum log_level level = LOG_INFO;

        for (int i = 0; i < 4; i++)
                if (str_is(config->log_level, levels[i]))
                        level = (enum log_level)i;
        log_configure(level, str_is(config->log_format, "json") ? LOG_JSON : LOG_TEXT);
}

/* Only its owner may read it. */
static bool write_key(const char *path, const char *key, struct err *err)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        bool ok = fd >= 0 && dprintf(fd, "%s\n", key) > 0 && fsync(fd) == 0;

        if (!ok)
                (void)err_set_errno(err, ERR_SYSTEM, errno,
                                    "the administrator's key cannot be written to %s", path);
        if (fd >= 0)
                close(fd);
        return ok;
}

enum { LINK_BYTES = 600 };

/* Where the first administrator sets a password. A secret: wipe it when it was shown. */
static void first_link(const struct server *server, const struct server_first *first, char ret[LINK_BYTES])
{
        struct str url = server_public_url(server);

        (void)snprintf(ret, LINK_BYTES, "%.*s/login/link?tenant=%s&link=%s", STR_ARG(url), first->tenant,
                       first->link);
}

static void print_json(const struct server *server, const struct server_first *first, bool with_key)
{
        struct json_writer w;
        char link[LINK_BYTES];
        BUF_SCOPED text;

        buf_init(&text, 1 << 16);
        text.zeroing = true;
        json_writer_init(&w, &text);
        json_object_begin(&w);
        json_field_c(&w, "url", server_url(server));
        if (first->made) {
                json_field_c(&w, "tenant", first->tenant);
                json_field_c(&w, "workspace", first->workspace);
        }
        if (with_key) {
                json_field_c(&w, "api_key", first->api_key);
                first_link(server, first, link);
                json_field_c(&w, "link", link);
                explicit_bzero(link, sizeof(link));
        }
        json_object_end(&w);
        (void)printf("%.*s\n", STR_ARG(buf_str(&text)));
        (void)fflush(stdout);
}

static void print_first(const struct server *server, const struct server_first *first)
{
        char link[LINK_BYTES];

        first_link(server, first, link);
        (void)printf("server:     %s\ntenant:     %s\nworkspace:  %s\nAPI key:    %s\n"
                     "This administrator's key is shown once. Next:\n"
                     "  countersign login --server %s --key %s\n"
                     "Or become the first administrator in a browser, by this one-time link:\n"
                     "  %s\n",
                     server_url(server), first->tenant, first->workspace, first->api_key, server_url(server),
                     first->api_key, link);
        (void)fflush(stdout);
        explicit_bzero(link, sizeof(link));
}

/* Until SIGTERM or SIGINT. */
static void wait_for_end(struct server *server)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        for (;;) {
                struct err err;
                int number = 0;

                if (sigwait(&set, &number) != 0)
                        continue;
                if (number != SIGHUP)
                        return;
                if (server_reload(server, &err))
                        log_line(LOG_INFO, "read the TLS files again");
                else
                        log_line(LOG_ERROR, "the TLS files cannot be used; the old ones stay",
                                 LOG_C("error", err.message));
        }
}

struct start {
        const char *key_file; /* where the first administrator's key goes; NULL: it is printed */
        bool json;
};

static int serve(struct server *server, struct server_first *first, const struct start *start)
{
        bool prints_key = first->made && !start->key_file;
        struct err err;
        bool ok = true;

        if (first->made && start->key_file)
                ok = write_key(start->key_file, first->api_key, &err);
        if (ok && start->json)
                print_json(server, first, prints_key);
        else if (ok && prints_key)
                print_first(server, first);
        explicit_bzero(first, sizeof(*first));
        if (ok) {
                log_line(LOG_INFO, "serving", LOG_C("url", server_url(server)));
                wait_for_end(server);
                log_line(LOG_INFO, "draining");
        } else {
                (void)fprintf(stderr, "countersign server: %s\n", err.message);
        }
        server_stop(server);
        return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Takes the flag that is no key of the configuration out of the list. */
static const char *take_key_file(int *argc, char **argv)
{
        for (int i = 1; i + 1 < *argc; i++) {
                const char *value = argv[i + 1];

                if (strcmp(argv[i], "--bootstrap-key-file") != 0)
                        continue;
                for (int j = i; j + 2 < *argc; j++)
                        argv[j] = argv[j + 2];
                *argc -= 2;
                return value;
        }
        return NULL;
}

/*
 * What one request frees the next one takes. Giving it back to the system in
 * between, as malloc does above 128 KiB, costs page faults at every request.
 */
static void configure_memory(void)
{
        mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
        mallopt(M_TOP_PAD, 128 * 1024);
}

int server_main(int argc, char **argv)
{
        struct start start = {take_key_file(&argc, argv), take_flag(&argc, argv, "--json")};
        struct server_first first;
        struct server *server;
        ARENA_SCOPED arena;
        struct config config;
        struct err err;

        arena_init(&arena, 0);
        if (wants_help(argc, argv)) {
                (void)fputs(server_page, stdout);
                return EXIT_SUCCESS;
        }
        if (!load(&arena, argc - 1, argv + 1, &config))
                return EXIT_USAGE;
        if (start.json)
                config.log_format = STR("json");
        configure_log(&config);
        configure_memory();
        server_block_signals();
        if (!server_start(&config, &server, &first, &err)) {
                (void)fprintf(stderr, "countersign server: %s\n", err.message);
                return EXIT_FAILURE;
        }
        return serve(server, &first, &start);
}

/* Every mistake, one a line in `problems`. */
static void print_check(struct str problems, struct buf *text)
{
        struct json_writer w;
        struct str line;

        json_writer_init(&w, text);
        json_object_begin(&w);
        json_field_bool(&w, "ok", problems.len == 0);
        json_key(&w, "problems");
        json_array_begin(&w);
        while (problems.len > 0) {
                (void)str_cut(&problems, '\n', &line);
                json_str(&w, line);
        }
        json_array_end(&w);
        json_object_end(&w);
        buf_append_char(text, '\n');
}

static int check_or_show(int argc, char **argv, bool shows, bool json, struct buf *text)
{
        struct config config;
        ARENA_SCOPED arena;
        BUF_SCOPED problems;
        bool ok;

        arena_init(&arena, CONFIG_MOST_BYTES);
        buf_init(&problems, 1 << 20);
        ok = config_load(&arena, argc, argv, environ, &config, &problems);
        if (json && !shows)
                print_check(buf_str(&problems), text);
        else if (!ok)
                (void)fprintf(stderr, "%.*s", STR_ARG(buf_str(&problems)));
        else if (!shows)
                buf_append_c(text, "The configuration has no mistake.\n");
        if (ok && shows)
                (json ? config_print_json : config_print)(&config, text);
        return ok ? EXIT_SUCCESS : EXIT_USAGE;
}

int config_main(int argc, char **argv)
{
        bool json = take_flag(&argc, argv, "--json");
        const char *verb = argc > 1 ? argv[1] : "";
        bool shows = strcmp(verb, "show") == 0;
        int status = EXIT_SUCCESS;
        BUF_SCOPED text;

        buf_init(&text, 1 << 20);
        if (wants_help(argc, argv) || argc < 2) {
                (void)fputs(config_page, argc < 2 ? stderr : stdout);
                return argc < 2 ? EXIT_USAGE : EXIT_SUCCESS;
        }
        if (strcmp(verb, "reference") == 0) {
                (json ? config_reference_json : config_reference)(&text);
        } else if (shows || strcmp(verb, "check") == 0) {
                status = check_or_show(argc - 2, argv + 2, shows, json, &text);
        } else {
                (void)fprintf(stderr, "countersign config: there is no command %s\n\n%s", verb, config_page);
                return EXIT_USAGE;
        }
        if (text.len > 0) /* an empty buffer has no memory, and fwrite wants some */
                (void)fwrite(text.ptr, 1, text.len, stdout);
        return status;
}
