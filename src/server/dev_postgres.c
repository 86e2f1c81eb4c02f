/* SPDX-License-Identifier: Apache-2.0 */
#include "server/dev_postgres.h"

#include "base/buf.h"
#include "base/log_line.h"
#include "store/postgres_migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OWNER_ROLE "countersign_owner"
#define SERVER_ROLE "countersign_server"
#define DATABASE "countersign"
#define FOLDER_NAME "postgres"
/* Where it is made; then renamed, so that a half-made one is never used. */
#define UNFINISHED ".new"

enum { WORDS_MAX = 24, WORD_MAX = DEV_POSTGRES_PATH_MAX + 64, START_TRIES = 3000, START_LOOK_MS = 20 };

static bool path_make(char *ret, struct err *err, const char *first, const char *second)
{
        if (snprintf(ret, DEV_POSTGRES_PATH_MAX, "%s%s", first, second) < DEV_POSTGRES_PATH_MAX)
                return true;
        return err_set(err, ERR_SYSTEM, "the path of the data folder is too long");
}

static bool is_there(const char *folder, const char *name)
{
        char path[DEV_POSTGRES_PATH_MAX];
        struct err err;

        return path_make(path, &err, folder, name) && access(path, F_OK) == 0;
}

bool dev_postgres_is_in(const char *data_folder)
{
        return is_there(data_folder, "/" FOLDER_NAME "/data/PG_VERSION");
}

/* ---- finding it -------------------------------------------------------------------------------- */

/* Debian keeps each version's programs in a folder of its own: the newest. */
static bool find_programs(struct dev_postgres *pg)
{
        glob_t found = {0};
        long best = 0;

        if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0)
                for (size_t i = 0; i < found.gl_pathc; i++) {
                        long version = strtol(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"), NULL, 10);

                        if (version > best) {
                                best = version;
                                (void)snprintf(pg->programs, sizeof(pg->programs), "%.*s",
                                               (int)(strlen(found.gl_pathv[i]) - strlen("/initdb")),
                                               found.gl_pathv[i]);
                        }
                }
        globfree(&found);
        return best > 0;
}

/* A connection string of libpq: https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING */
static bool url_of(const char *folder, const char *role, char *ret, size_t size, struct err *err)
{
        BUF_SCOPED text;

        buf_init(&text, size - 1);
        buf_append_c(&text, "host='");
        for (const char *c = folder; *c; c++) {
                if (*c == '\'' || *c == '\\')
                        buf_append_c(&text, "\\");
                buf_append_char(&text, *c);
        }
        buf_printf(&text, "' user=%s dbname=" DATABASE " options='-c client_min_messages=error'", role);
        if (!buf_check(&text, "the path of the data folder", err))
                return false;
        (void)snprintf(ret, size, "%.*s", STR_ARG(buf_str(&text)));
        return true;
}

bool dev_postgres_init(struct dev_postgres *pg, const char *data_folder, const char *programs,
                       struct err *err)
{
        char absolute[PATH_MAX];
        struct sockaddr_un address;

        *pg = (struct dev_postgres){.pid = 0};
        if (programs)
                (void)snprintf(pg->programs, sizeof(pg->programs), "%s", programs);
        else
                (void)find_programs(pg);
        if (!pg->programs[0] || !is_there(pg->programs, "/initdb"))
                return err_set(
                        err, ERR_CONFIG,
                        "PostgreSQL is not installed%s%s; on Debian: apt install postgresql-15; or leave "
                        "out --store postgres",
                        programs ? " in " : "", programs ? programs : "");
        if (!realpath(data_folder, absolute))
                return err_set_errno(err, ERR_SYSTEM, errno, "%s", data_folder);
        if (!path_make(pg->folder, err, absolute, "/" FOLDER_NAME))
                return false;
        if (strlen(pg->folder) + strlen(UNFINISHED "/.s.PGSQL.5432") >= sizeof(address.sun_path))
                return err_set(err, ERR_CONFIG,
                               "the path %s is too long for a socket; take a shorter one with --data",
                               pg->folder);
        return url_of(pg->folder, SERVER_ROLE, pg->url, sizeof(pg->url), err);
}

/* ---- running its programs ---------------------------------------------------------------------- */

/* A command; its words must outlive it. */
struct words {
        char program[WORD_MAX];
        const char *argv[WORDS_MAX + 1];
        int count;
};

static void word(struct words *words, const char *text)
{
        if (words->count == WORDS_MAX)
                abort();
        words->argv[words->count++] = text;
}

/*
 * PostgreSQL refuses to run as root. And whatever ends this process ends it,
 * so that nothing is left running: PR_SET_PDEATHSIG.
 */
static void begin_words(struct words *words, const struct dev_postgres *pg, const char *program)
{
        memset(words, 0, sizeof(*words));
        word(words, "setpriv");
        word(words, "--pdeathsig=INT");
        if (geteuid() == 0) {
                word(words, "--reuid=postgres");
                word(words, "--regid=postgres");
                word(words, "--clear-groups");
        }
        (void)snprintf(words->program, sizeof(words->program), "%s/%s", pg->programs, program);
        word(words, words->program);
}

/* In a group of its own: Ctrl-C is ours to pass on, when the server has let go of it. */
static bool spawn(struct words *words, const char *folder, pid_t *ret_pid, struct err *err)
{
        char log[WORD_MAX];
        posix_spawn_file_actions_t files;
        posix_spawnattr_t attributes;
        sigset_t none;
        int code;

        (void)snprintf(log, sizeof(log), "%s/log", folder);
        sigemptyset(&none);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
        posix_spawn_file_actions_addchdir_np(&files, "/");
        code = posix_spawnp(ret_pid, words->argv[0], &files, &attributes, (char **)(uintptr_t)words->argv,
                            environ);
        posix_spawn_file_actions_destroy(&files);
        posix_spawnattr_destroy(&attributes);
        return code == 0 || err_set_errno(err, ERR_SYSTEM, code, "starting %s", words->argv[0]);
}

static bool failed(const char *what, const char *folder, struct err *err)
{
        return err_set(
                err, ERR_SYSTEM, "%s failed%s; %s/log says why", what,
                geteuid() == 0
                        ? " (as root it runs as the user postgres, who must be able to reach the folder)"
                        : "",
                folder);
}

static bool run_words(struct words *words, const char *folder, const char *what, struct err *err)
{
        pid_t pid;
        int status = 0;

        if (!spawn(words, folder, &pid, err))
                return false;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return (WIFEXITED(status) && WEXITSTATUS(status) == 0) || failed(what, folder, err);
}

/* ---- start and end ----------------------------------------------------------------------------- */

/* The last line but one of its pid file: https://www.postgresql.org/docs/15/storage-file-layout.html */
static bool is_ready(const char *folder)
{
        char path[WORD_MAX], line[256];
        bool ready = false;
        FILE *file;

        (void)snprintf(path, sizeof(path), "%s/data/postmaster.pid", folder);
        file = fopen(path, "re");
        while (file && fgets(line, sizeof(line), file))
                ready = strncmp(line, "ready", 5) == 0;
        if (file)
                (void)fclose(file);
        return ready;
}

static bool wait_until_ready(struct dev_postgres *pg, const char *folder, struct err *err)
{
        const struct timespec pause = {.tv_nsec = START_LOOK_MS * 1000000L};

        for (int i = 0; i < START_TRIES; i++) {
                if (waitpid(pg->pid, NULL, WNOHANG) != 0) {
                        pg->pid = 0;
                        return failed("starting PostgreSQL", folder, err);
                }
                if (is_ready(folder))
                        return true;
                (void)nanosleep(&pause, NULL);
        }
        dev_postgres_stop(pg);
        return failed("starting PostgreSQL within a minute", folder, err);
}

static bool start_in(struct dev_postgres *pg, const char *folder, struct err *err)
{
        struct words words;
        char data[WORD_MAX];

        (void)snprintf(data, sizeof(data), "%s/data", folder);
        begin_words(&words, pg, "postgres");
        word(&words, "-D");
        word(&words, data);
        word(&words, "-k");
        word(&words, folder);
        word(&words, "-c");
        word(&words, "listen_addresses=");
        word(&words, "-c");
        word(&words, "unix_socket_permissions=0700");
        return spawn(&words, folder, &pg->pid, err) && wait_until_ready(pg, folder, err);
}

void dev_postgres_stop(struct dev_postgres *pg)
{
        if (pg->pid <= 0)
                return;
        /* A fast shutdown: https://www.postgresql.org/docs/15/server-shutdown.html */
        kill(pg->pid, SIGINT);
        while (waitpid(pg->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        pg->pid = 0;
}

/* ---- making it --------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
        (void)status;
        (void)type;
        (void)walk;
        return remove(path);
}

static bool make_folder(const char *folder, const char *data_folder, struct err *err)
{
        const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;

        (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        if (mkdir(folder, 0700) != 0)
                return err_set_errno(err, ERR_SYSTEM, errno, "%s", folder);
        if (geteuid() != 0)
                return true;
        if (!user)
                return err_set(err, ERR_CONFIG,
                               "as root PostgreSQL runs as the user postgres, and there is none");
        /* The user passes through the data folder, and sees nothing of it. */
        if (chown(folder, user->pw_uid, user->pw_gid) != 0 || chmod(data_folder, 0711) != 0)
                return err_set_errno(err, ERR_SYSTEM, errno, "giving %s to the user postgres", folder);
        return true;
}

static bool init_data(const struct dev_postgres *pg, const char *folder, struct err *err)
{
        struct words words;
        char data[WORD_MAX];

        (void)snprintf(data, sizeof(data), "%s/data", folder);
        begin_words(&words, pg, "initdb");
        word(&words, "-D");
        word(&words, data);
        word(&words, "--username=postgres");
        word(&words, "--auth=trust");
        word(&words, "--encoding=UTF8");
        word(&words, "--locale=C.UTF-8");
        return run_words(&words, folder, "initdb", err);
}

static bool run_client(const struct dev_postgres *pg, const char *folder, const char *program,
                       const char *const *arguments, struct err *err)
{
        struct words words;

        begin_words(&words, pg, program);
        word(&words, "--no-password");
        word(&words, "--username=postgres");
        word(&words, "--host");
        word(&words, folder);
        for (; *arguments; arguments++)
                word(&words, *arguments);
        return run_words(&words, folder, program, err);
}

static bool make_roles(const struct dev_postgres *pg, const char *folder, struct err *err)
{
        static const char *const owner[] = {OWNER_ROLE, NULL};
        static const char *const server[] = {SERVER_ROLE, NULL};
        static const char *const database[] = {"--owner", OWNER_ROLE, DATABASE, NULL};

        return run_client(pg, folder, "createuser", owner, err) &&
               run_client(pg, folder, "createuser", server, err) &&
               run_client(pg, folder, "createdb", database, err);
}

static bool make(struct dev_postgres *pg, struct err *err)
{
        char unfinished[DEV_POSTGRES_PATH_MAX], data_folder[DEV_POSTGRES_PATH_MAX];
        bool ok;

        (void)snprintf(data_folder, sizeof(data_folder), "%.*s",
                       (int)(strlen(pg->folder) - strlen("/" FOLDER_NAME)), pg->folder);
        if (!path_make(unfinished, err, pg->folder, UNFINISHED) ||
            !make_folder(unfinished, data_folder, err) || !init_data(pg, unfinished, err) ||
            !start_in(pg, unfinished, err))
                return false;
        ok = make_roles(pg, unfinished, err);
        dev_postgres_stop(pg);
        if (ok && rename(unfinished, pg->folder) != 0)
                return err_set_errno(err, ERR_SYSTEM, errno, "%s", pg->folder);
        return ok;
}

bool dev_postgres_start(struct dev_postgres *pg, const char *region, struct err *err)
{
        char owner[sizeof(pg->url)];
        struct store_migrate_options options = {.url = owner,
                                                .server_role = SERVER_ROLE,
                                                .directory = true,
                                                .regions = &region,
                                                .region_count = 1};

        if (!is_there(pg->folder, "/data/PG_VERSION") && !make(pg, err))
                return false;
        return start_in(pg, pg->folder, err) && url_of(pg->folder, OWNER_ROLE, owner, sizeof(owner), err) &&
               store_migrate(&options, err);
}
