/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that others have left or hold: older, newer and other versions, which
 * are played here with SQLite alone, another process, and plain damage.
 */
#include "store/migrations.h"
#include "store/test/fixture.h"

#include <sqlite3.h>
#include <unistd.h>

static const struct cell_ref cell = {STR("ten_one"), STR("eu")};

static int setup(void **state)
{
        struct fixture *fixture = fixture_new(NULL);

        fixture_cell(fixture, &cell);
        *state = fixture;
        return 0;
}

static int teardown(void **state)
{
        fixture_free(*state);
        return 0;
}

static void edit(struct fixture *fixture, const char *file, const char *text)
{
        char path[300], *message = NULL;
        sqlite3 *db;

        snprintf(path, sizeof(path), "%s/%s", fixture->folder, file);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
                fail_msg("%s", message);
        sqlite3_close(db);
}

static int64_t number(struct fixture *fixture, const char *file, const char *text)
{
        char path[300];
        sqlite3 *db;
        sqlite3_stmt *statement;
        int64_t value;

        snprintf(path, sizeof(path), "%s/%s", fixture->folder, file);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        value = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        sqlite3_close(db);
        return value;
}

static bool touch(struct tx *tx, void *arg, struct err *err)
{
        struct sql_note_count_row row;
        bool found;

        (void)arg;
        return sql_note_count(tx, &row, &found, err);
}

static void expect_refusal(struct fixture *fixture, const char *words)
{
        struct err err;

        assert_false(store_read(fixture->store, &cell, NULL, touch, NULL, &err));
        assert_int_equal(err.code, ERR_STORE_FAILED);
        if (!strstr(err.message, words))
                fail_msg("\"%s\" is not in: %s", words, err.message);
        assert_false(store_write(fixture->store, &cell, NULL, touch, NULL, &err));
        assert_int_equal(err.code, ERR_STORE_FAILED);
}

static void a_new_cell_has_every_migration_recorded(void **state)
{
        struct fixture *fixture = *state;

        assert_int_equal(number(fixture, "cells/eu/ten_one.db",
                                "SELECT count(*) FROM store_migration WHERE length(sha256) = 64 AND "
                                "applied_ms > 1700000000000"),
                         migrations_cell.count);
        assert_int_equal(number(fixture, "cells/eu/ten_one.db", "PRAGMA user_version"),
                         migrations_cell.stamp);
        assert_int_equal(number(fixture, "directory.db", "SELECT count(*) FROM store_migration"),
                         migrations_directory.count);
}

/* As a version that did not know migration 0900 would have left the file. */
static void an_older_cell_is_migrated_when_it_is_opened(void **state)
{
        struct fixture *fixture = *state;
        struct err err;

        edit(fixture, "cells/eu/ten_one.db",
             "DROP TABLE note; DROP TABLE shelf; DELETE FROM store_migration WHERE number = 900;"
             "UPDATE store_migration SET applied_ms = 5; PRAGMA user_version = 77");
        assert_true(store_read(fixture->store, &cell, NULL, touch, NULL, &err));
        store_close(fixture->store);
        fixture->store = NULL;
        assert_int_equal(number(fixture, "cells/eu/ten_one.db", "SELECT count(*) FROM store_migration"),
                         migrations_cell.count);
        /* What had been applied was not applied again. */
        assert_int_equal(number(fixture, "cells/eu/ten_one.db",
                                "SELECT count(*) FROM store_migration WHERE applied_ms = 5"),
                         migrations_cell.count - 1);
        assert_int_equal(number(fixture, "cells/eu/ten_one.db", "PRAGMA user_version"),
                         migrations_cell.stamp);
}

static void a_changed_migration_is_refused(void **state)
{
        edit(*state, "cells/eu/ten_one.db",
             "UPDATE store_migration SET sha256 = 'x' WHERE number = 1; PRAGMA user_version = 77");
        expect_refusal(*state, "migration 0001 store was changed");
}

static void a_newer_version_s_data_is_refused(void **state)
{
        edit(*state, "cells/eu/ten_one.db",
             "INSERT INTO store_migration VALUES (9999, 'future', 'x', 1); PRAGMA user_version = 77");
        expect_refusal(*state, "newer version");
}

static void a_gap_in_the_history_is_refused(void **state)
{
        edit(*state, "cells/eu/ten_one.db",
             "DELETE FROM store_migration WHERE number = 1; PRAGMA user_version = 77");
        expect_refusal(*state, "another line of development");
}

/* A migration that fails leaves the file as it was. */
static void a_failing_migration_changes_nothing(void **state)
{
        struct fixture *fixture = *state;

        edit(fixture, "cells/eu/ten_one.db",
             "DROP TABLE note; DELETE FROM store_migration WHERE number = 900; PRAGMA user_version = 77");
        expect_refusal(fixture, "migration 0900"); /* its first table, shelf, is still there */
        store_close(fixture->store);
        fixture->store = NULL;
        assert_int_equal(number(fixture, "cells/eu/ten_one.db", "PRAGMA user_version"), 77);
        assert_int_equal(number(fixture, "cells/eu/ten_one.db",
                                "SELECT count(*) FROM sqlite_schema WHERE name = 'note'"),
                         0);
}

static void one_refused_cell_leaves_the_others_alone(void **state)
{
        struct fixture *fixture = *state;
        const struct cell_ref other = {STR("ten_two"), STR("eu")};
        struct err err;

        fixture_cell(fixture, &other);
        edit(fixture, "cells/eu/ten_one.db",
             "INSERT INTO store_migration VALUES (9999, 'future', 'x', 1); PRAGMA user_version = 77");
        expect_refusal(fixture, "newer version");
        assert_true(store_write(fixture->store, &other, NULL, touch, NULL, &err));
}

static void a_newer_directory_ends_the_start(void **state)
{
        struct fixture *fixture = *state;
        struct store *store = NULL;
        struct err err;

        store_close(fixture->store);
        fixture->store = NULL;
        edit(fixture, "directory.db",
             "INSERT INTO store_migration VALUES (9999, 'future', 'x', 1); PRAGMA user_version = 77");
        assert_false(store_open(&fixture->options, &store, &err));
        assert_int_equal(err.code, ERR_STORE_FAILED);
        assert_non_null(strstr(err.message, "newer version"));
}

static void a_file_that_is_no_database_says_so(void **state)
{
        struct fixture *fixture = *state;
        char path[300];
        struct err err;
        FILE *file;

        snprintf(path, sizeof(path), "%s/cells/eu/ten_one.db", fixture->folder);
        file = fopen(path, "w");
        assert_non_null(file);
        for (int i = 0; i < 10000; i++)
                fputs("not a database", file);
        fclose(file);
        assert_false(store_read(fixture->store, &cell, NULL, touch, NULL, &err));
        assert_int_equal(err.code, ERR_STORE_FAILED);
        assert_non_null(strstr(err.message, "backup"));
        assert_null(strstr(err.message, fixture->folder));
}

static bool write_note(struct tx *tx, void *arg, struct err *err)
{
        const struct sql_note_add_in in = {.id = *(const int64_t *)arg};

        return sql_note_add(tx, &in, err);
}

static void a_file_that_another_holds_is_busy_and_then_works(void **state)
{
        struct fixture *fixture = *state;
        char path[300];
        int64_t id = 1;
        struct err err;
        sqlite3 *db;

        fixture->options.busy_timeout_ms = 20;
        fixture_reopen(fixture);
        assert_true(store_read(fixture->store, &cell, NULL, touch, NULL, &err));
        snprintf(path, sizeof(path), "%s/cells/eu/ten_one.db", fixture->folder);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        assert_false(store_write(fixture->store, &cell, NULL, write_note, &id, &err));
        assert_int_equal(err.code, ERR_STORE_BUSY);
        assert_true(store_read(fixture->store, &cell, NULL, touch, NULL, &err)); /* reading goes on */
        sqlite3_close(db);
        assert_true(store_write(fixture->store, &cell, NULL, write_note, &id, &err));
}

static void a_page_that_is_damaged_says_so(void **state)
{
        struct fixture *fixture = *state;
        char path[300];
        struct err err;
        FILE *file;

        for (int64_t id = 1; id <= 500; id++)
                assert_true(store_write(fixture->store, &cell, NULL, write_note, &id, &err));
        store_close(fixture->store);
        snprintf(path, sizeof(path), "%s/cells/eu/ten_one.db", fixture->folder);
        file = fopen(path, "r+");
        assert_non_null(file);
        for (long at = 4096; fseek(file, at, SEEK_SET) == 0 && at < 400 * 1024L; at += 4096)
                fputs("\xff\xff\xff\xff\xff\xff\xff\xff", file);
        fclose(file);
        fixture_open(fixture);
        assert_false(store_read(fixture->store, &cell, NULL, touch, NULL, &err));
        assert_int_equal(err.code, ERR_STORE_FAILED);
        assert_non_null(strstr(err.message, "backup"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(a_new_cell_has_every_migration_recorded),
                T(an_older_cell_is_migrated_when_it_is_opened),
                T(a_changed_migration_is_refused),
                T(a_newer_version_s_data_is_refused),
                T(a_gap_in_the_history_is_refused),
                T(a_failing_migration_changes_nothing),
                T(one_refused_cell_leaves_the_others_alone),
                T(a_newer_directory_ends_the_start),
                T(a_file_that_is_no_database_says_so),
                T(a_file_that_another_holds_is_busy_and_then_works),
                T(a_page_that_is_damaged_says_so),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
