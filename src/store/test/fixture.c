/* SPDX-License-Identifier: Apache-2.0 */
#include "store/test/fixture.h"

#include "store/postgres_migrate.h"

#include <ftw.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct store_region regions[] = {{"eu", NULL}, {"us", NULL}};

bool fixture_on_postgres(void)
{
        const char *which = getenv("COUNTERSIGN_TEST_STORE");

        return which && strcmp(which, "postgres") == 0;
}

/* As the superuser, who is not there for the store. */
static void execute_in(const char *database, const char *text)
{
        char url[256];

        snprintf(url, sizeof(url), "%s user=postgres dbname=%s", getenv("COUNTERSIGN_TEST_POSTGRES"),
                 database);
        PGconn *pq = PQconnectdb(url);
        PGresult *result = PQexec(pq, text);
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
                fail_msg("%s: %s", text, PQerrorMessage(pq));
        PQclear(result);
        PQfinish(pq);
}

static void execute(const char *before, const char *name, const char *after)
{
        char text[256];

        snprintf(text, sizeof(text), "%s %s %s", before, name, after);
        execute_in("postgres", text);
}

void fixture_policies(struct fixture *fixture, bool on)
{
        execute_in(fixture->database, on ? "ALTER TABLE countersign_eu.note ENABLE ROW LEVEL SECURITY"
                                         : "ALTER TABLE countersign_eu.note DISABLE ROW LEVEL SECURITY");
}

static void migrate(const char *database)
{
        static const char *const names[] = {"eu", "us"};
        char owner[256];
        struct err err;

        snprintf(owner, sizeof(owner), "%s user=countersign_owner dbname=%s",
                 getenv("COUNTERSIGN_TEST_POSTGRES"), database);
        const struct store_migrate_options options = {.url = owner,
                                                      .server_role = "countersign_server",
                                                      .directory = true,
                                                      .regions = names,
                                                      .region_count = 2};
        if (!store_migrate(&options, &err))
                fail_msg("%s: %s", err_name(err.code), err.message);
}

/* Migrated once for each program; every test's database is a copy of it. */
static const char *migrated(void)
{
        static char name[32];

        if (!name[0]) {
                char text[32];
                snprintf(text, sizeof(text), "t_migrated_%d", (int)getpid());
                execute("CREATE DATABASE", text, "OWNER countersign_owner");
                migrate(text);
                memcpy(name, text, sizeof(name));
        }
        return name;
}

static void make_database(struct fixture *fixture)
{
        char how[96];

        snprintf(fixture->database, sizeof(fixture->database), "t_%s", strrchr(fixture->folder, '-') + 1);
        for (char *c = fixture->database; *c; c++)
                *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
        /* Upper and lower case letters of the folder's name are one here. */
        snprintf(fixture->database + strlen(fixture->database), 16, "_%d", (int)getpid());
        snprintf(how, sizeof(how), "OWNER countersign_owner TEMPLATE %s", migrated());
        execute("CREATE DATABASE", fixture->database, how);
        snprintf(fixture->url, sizeof(fixture->url), "%s user=countersign_server dbname=%s",
                 getenv("COUNTERSIGN_TEST_POSTGRES"), fixture->database);
        fixture->options.url = fixture->url;
        fixture->options.regions = regions;
        fixture->options.region_count = 2;
}

static struct fixture *make(const struct store_options *options)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));
        const char *base = getenv("TMPDIR");

        assert_non_null(fixture);
        snprintf(fixture->folder, sizeof(fixture->folder), "%s/store-test-XXXXXX", base ? base : "/tmp");
        assert_non_null(mkdtemp(fixture->folder));
        if (options)
                fixture->options = *options;
        fixture->options.folder = fixture->folder;
        return fixture;
}

struct fixture *fixture_new(const struct store_options *options)
{
        struct fixture *fixture = make(options);

        if (fixture_on_postgres())
                make_database(fixture);
        fixture_open(fixture);
        return fixture;
}

static void copy_file(const char *from, const char *to)
{
        static char bytes[65536];
        FILE *in = fopen(from, "rb"), *out = fopen(to, "wbx");
        size_t got;

        assert_non_null(in);
        assert_non_null(out);
        while ((got = fread(bytes, 1, sizeof(bytes), in)) > 0)
                assert_int_equal(fwrite(bytes, 1, got, out), got);
        assert_int_equal(ferror(in), 0);
        fclose(in);
        assert_int_equal(fclose(out), 0);
}

/* nftw has no argument of its own. */
static const char *copy_from, *copy_to;

static int copy_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
        char to[sizeof(((struct fixture *)0)->folder) * 2];

        if (at->level == 0)
                return 0;
        snprintf(to, sizeof(to), "%s%s", copy_to, path + strlen(copy_from));
        if (type == FTW_D)
                return mkdir(to, info->st_mode & 0777);
        copy_file(path, to);
        return chmod(to, info->st_mode & 0777);
}

struct fixture *fixture_copy(const struct fixture *like)
{
        struct fixture *fixture = make(&like->options);

        assert_null(like->store);
        copy_from = like->folder;
        copy_to = fixture->folder;
        assert_int_equal(nftw(like->folder, copy_one, 16, FTW_PHYS), 0);
        fixture_open(fixture);
        return fixture;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
        (void)info;
        (void)type;
        (void)at;
        return remove(path);
}

void fixture_free(struct fixture *fixture)
{
        if (!fixture)
                return;
        store_close(fixture->store);
        nftw(fixture->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        if (fixture->options.url)
                execute("DROP DATABASE", fixture->database, "WITH (FORCE)");
        free(fixture);
}

void fixture_open(struct fixture *fixture)
{
        struct err err;

        fixture->store = NULL;
        if (!store_open(&fixture->options, &fixture->store, &err))
                fail_msg("%s: %s", err_name(err.code), err.message);
}

void fixture_close(struct fixture *fixture)
{
        store_close(fixture->store);
        fixture->store = NULL;
}

void fixture_reopen(struct fixture *fixture)
{
        fixture_close(fixture);
        fixture_open(fixture);
}

void fixture_cell(struct fixture *fixture, const struct cell_ref *cell)
{
        struct err err;

        if (!store_cell_create(fixture->store, cell, &err))
                fail_msg("%s: %s", err_name(err.code), err.message);
}
