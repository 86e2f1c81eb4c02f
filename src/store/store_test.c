/* SPDX-License-Identifier: Apache-2.0 */
/* Statements and cells, on either store. */
#include "store/test/notes.h"

#include "base/heap.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool every_type(struct tx *tx, void *arg, struct err *err)
{
        const struct sql_note_add_in full = {.id = INT64_MIN,
                                             .title = STR("gr\xc3\xbc\xc3\x9f"
                                                          "e"),
                                             .body = STR("\0\1\2"),
                                             .amount = &(const int64_t){INT64_MAX},
                                             .done = true,
                                             .shelf_id = STR("s1")};
        const struct sql_note_add_in bare = {.id = 2, .title = STR_NULL};
        const struct sql_note_add_in empty = {.id = 3, .body = STR(""), .shelf_id = STR_NULL};

        (void)arg;
        assert_true(str_eq(tx_tenant(tx), one.tenant));
        assert_true(str_eq(tx_region(tx), one.region));
        return sql_shelf_add(tx, STR("s1"), err) && sql_note_add(tx, &full, err) &&
               sql_note_add(tx, &bare, err) && sql_note_add(tx, &empty, err);
}

static bool read_every_type(struct tx *tx, void *arg, struct err *err)
{
        struct sql_note_get_row *rows = arg;
        bool found;

        for (int i = 0; i < 3; i++) {
                if (!sql_note_get(tx, i == 0 ? INT64_MIN : i + 1, &rows[i], &found, err))
                        return false;
                assert_true(found);
        }
        if (!sql_note_get(tx, 99, &rows[0], &found, err))
                return false;
        assert_false(found);
        return true;
}

static void every_type_comes_back_as_it_went(void **state)
{
        struct fixture *fixture = *state;
        struct sql_note_get_row rows[3];
        ARENA_SCOPED arena;
        struct err err;

        arena_init(&arena, 1 << 20);
        assert_true(store_write(fixture->store, &one, NULL, every_type, NULL, &err));
        assert_true(store_read(fixture->store, &one, &arena, read_every_type, rows, &err));
        assert_true(rows[0].id == INT64_MIN && rows[0].has_amount && rows[0].amount == INT64_MAX);
        assert_true(rows[0].done && str_is(rows[0].title, "gr\xc3\xbc\xc3\x9f"
                                                          "e"));
        assert_true(str_eq(rows[0].body, STR("\0\1\2")) && str_is(rows[0].shelf_id, "s1"));
        assert_true(rows[1].title.ptr && rows[1].title.len == 0);
        assert_true(!rows[1].body.ptr && !rows[1].has_amount && !rows[1].done && !rows[1].shelf_id.ptr);
        assert_true(rows[2].body.ptr && rows[2].body.len == 0);
}

static bool list(struct tx *tx, void *arg, struct err *err)
{
        SQL_SCOPED(note_list) cursor = {0};
        SQL_SCOPED(note_list) inner = {0};
        struct sql_note_get_row row;
        int64_t *sum = arg;
        bool has;

        if (!sql_note_list_open(tx, 1, 3, &cursor, err))
                return false;
        while (sql_note_list_next(&cursor, &row, &has, err) && has)
                *sum = *sum * 10 + row.id;
        /* The same statement again while the first run is open. */
        if (!sql_note_list_open(tx, 4, 3, &inner, err))
                return false;
        while (sql_note_list_next(&inner, &row, &has, err) && has)
                *sum = *sum * 10 + row.id;
        return true;
}

static void a_cursor_gives_its_rows_in_order(void **state)
{
        struct fixture *fixture = *state;
        int64_t sum = 0;
        struct err err;

        for (int64_t id = 5; id >= 1; id--)
                add(fixture->store, &one, id);
        assert_true(store_read(fixture->store, &one, NULL, list, &sum, &err));
        assert_int_equal(sum, 2345);
        sum = 0;
        assert_true(store_read(fixture->store, &one, NULL, list, &sum, &err));
        assert_int_equal(sum, 2345);
}

static bool leave_cursor_open(struct tx *tx, void *arg, struct err *err)
{
        struct sql_note_list_cursor cursor;
        struct sql_note_get_row row;
        bool has;

        (void)arg;
        return sql_note_list_open(tx, 0, 9, &cursor, err) && sql_note_list_next(&cursor, &row, &has, err);
}

static void a_cursor_left_open_is_our_bug(void **state)
{
        struct fixture *fixture = *state;
        struct err err;

        add(fixture->store, &one, 1);
        assert_false(store_read(fixture->store, &one, NULL, leave_cursor_open, NULL, &err));
        assert_int_equal(err.code, ERR_INTERNAL);
        assert_false(store_write(fixture->store, &one, NULL, leave_cursor_open, NULL, &err));
        assert_int_equal(err.code, ERR_INTERNAL);
        assert_int_equal(count(fixture->store, &one), 1);
}

static bool finish(struct tx *tx, void *arg, struct err *err)
{
        return sql_note_finish(tx, 1, arg, err);
}

static void a_claim_is_won_once(void **state)
{
        struct fixture *fixture = *state;
        int64_t changes[2] = {-1, -1};
        struct err err;

        add(fixture->store, &one, 1);
        assert_true(store_write(fixture->store, &one, NULL, finish, &changes[0], &err));
        assert_true(store_write(fixture->store, &one, NULL, finish, &changes[1], &err));
        assert_int_equal(changes[0], 1);
        assert_int_equal(changes[1], 0);
}

static bool next_note(struct tx *tx, void *arg, struct err *err)
{
        struct sql_note_next_row row;
        bool found;

        if (!sql_note_next(tx, STR("next"), &row, &found, err))
                return false;
        *(int64_t *)arg = found ? row.id : -1;
        return true;
}

static void returning_gives_the_row_that_was_made(void **state)
{
        struct fixture *fixture = *state;
        int64_t id;
        struct err err;

        add(fixture->store, &one, 41);
        assert_true(store_write(fixture->store, &one, NULL, next_note, &id, &err));
        assert_int_equal(id, 42);
        assert_int_equal(count(fixture->store, &one), 2);
}

static bool any_note(struct tx *tx, void *arg, struct err *err)
{
        struct sql_note_any_row row;
        bool found;

        (void)arg;
        return sql_note_any(tx, &row, &found, err);
}

static void a_second_row_of_one_is_an_error(void **state)
{
        struct fixture *fixture = *state;
        struct err err;

        add(fixture->store, &one, 1);
        assert_true(store_read(fixture->store, &one, NULL, any_note, NULL, &err));
        add(fixture->store, &one, 2);
        assert_false(store_read(fixture->store, &one, NULL, any_note, NULL, &err));
        assert_int_equal(err.code, ERR_INTERNAL);
}

static void statements_run_where_they_belong(void **state)
{
        struct fixture *fixture = *state;
        int64_t id = 1;
        struct err err;

        assert_true(store_write(fixture->store, &CELL_DIRECTORY, NULL, add_book, NULL, &err));
        assert_false(store_write(fixture->store, &one, NULL, add_book, NULL, &err));
        assert_int_equal(err.code, ERR_INTERNAL);
        assert_false(store_write(fixture->store, &CELL_DIRECTORY, NULL, add_note, &id, &err));
        assert_int_equal(err.code, ERR_INTERNAL);
        assert_false(store_read(fixture->store, &one, NULL, add_note, &id, &err));
        assert_int_equal(err.code, ERR_INTERNAL);
        assert_int_equal(count(fixture->store, &one), 0);
}

static bool add_orphan(struct tx *tx, void *arg, struct err *err)
{
        const struct sql_note_add_in in = {.id = 7, .shelf_id = STR("nowhere")};

        (void)arg;
        return sql_note_add(tx, &in, err);
}

static void broken_rules_are_conflicts(void **state)
{
        struct fixture *fixture = *state;
        int64_t id = 1;
        struct err err;

        add(fixture->store, &one, 1);
        assert_false(store_write(fixture->store, &one, NULL, add_note, &id, &err));
        assert_int_equal(err.code, ERR_STORE_CONFLICT);
        assert_false(store_write(fixture->store, &one, NULL, add_orphan, NULL, &err));
        assert_int_equal(err.code, ERR_STORE_CONFLICT);
        assert_int_equal(count(fixture->store, &one), 1);
}

static void cells_do_not_meet(void **state)
{
        struct fixture *fixture = *state;
        const struct cell_ref elsewhere = {STR("ten_one"), STR("us")};

        fixture_cell(fixture, &two);
        fixture_cell(fixture, &elsewhere);
        add(fixture->store, &one, 1);
        assert_int_equal(count(fixture->store, &one), 1);
        assert_int_equal(count(fixture->store, &two), 0);
        assert_int_equal(count(fixture->store, &elsewhere), 0);
}

static bool exists(struct store *store, const struct cell_ref *cell)
{
        struct err err;
        bool found;

        assert_true(store_cell_exists(store, cell, &found, &err));
        return found;
}

static void a_missing_cell_is_not_found(void **state)
{
        struct fixture *fixture = *state;
        int64_t id = 1;
        struct err err;
        struct store_stats stats;

        assert_false(exists(fixture->store, &two));
        assert_false(store_write(fixture->store, &two, NULL, add_note, &id, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_false(store_read(fixture->store, &two, NULL, count_notes, &id, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_false(exists(fixture->store, &two));
        store_stats(fixture->store, &stats);
        assert_int_equal(stats.writes_failed, 1);
        assert_int_equal(stats.reads_failed, 1);
}

static void names_cannot_leave_the_folder(void **state)
{
        static const char *const bad[] = {"", "..", "a/b", "../directory", "A", "a.b", "a b", "\xc3\xa9"};
        struct fixture *fixture = *state;
        int64_t id = 1;
        struct err err;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                const struct cell_ref tenant = {str_from(bad[i]), STR("eu")};
                const struct cell_ref region = {STR("ten_one"), str_from(bad[i])};
                assert_false(store_cell_create(fixture->store, &tenant, &err));
                assert_int_equal(err.code, ERR_BAD_PARAMETER);
                assert_false(store_cell_create(fixture->store, &region, &err));
                assert_int_equal(err.code, ERR_BAD_PARAMETER);
                assert_false(store_write(fixture->store, &tenant, NULL, add_note, &id, &err));
                assert_int_equal(err.code, ERR_BAD_PARAMETER);
                bool exists;
                assert_false(store_cell_exists(fixture->store, &region, &exists, &err));
                assert_int_equal(err.code, ERR_BAD_PARAMETER);
        }
}

static void a_cell_is_made_once(void **state)
{
        struct fixture *fixture = *state;
        struct err err;

        add(fixture->store, &one, 1);
        assert_true(exists(fixture->store, &one));
        assert_false(store_cell_create(fixture->store, &one, &err));
        assert_int_equal(err.code, ERR_ALREADY_EXISTS);
        assert_int_equal(count(fixture->store, &one), 1);
}

static bool count_cell(const struct cell_ref *cell, void *arg, struct err *err)
{
        (void)err;
        assert_true(str_starts(cell->tenant, STR("ten_")) && str_is(cell->region, "eu"));
        ++*(int *)arg;
        return true;
}

static void cells_are_listed_by_region(void **state)
{
        struct fixture *fixture = *state;
        const struct cell_ref elsewhere = {STR("ten_x"), STR("us")};
        int n = 0;
        struct err err;

        fixture_cell(fixture, &two);
        fixture_cell(fixture, &elsewhere);
        add(fixture->store, &one, 1); /* -wal and -shm files appear beside it */
        assert_true(store_cell_list(fixture->store, STR("eu"), count_cell, &n, &err));
        assert_int_equal(n, 2);
        assert_true(store_cell_list(fixture->store, STR("nowhere"), count_cell, &n, &err));
        assert_int_equal(n, 2);
}

static void data_outlives_the_process(void **state)
{
        struct fixture *fixture = *state;

        add(fixture->store, &one, 1);
        fixture_reopen(fixture);
        assert_int_equal(count(fixture->store, &one), 1);
}

static void a_folder_has_one_owner(void **state)
{
        struct fixture *fixture = *state;
        struct store_options options = {.folder = fixture->folder};
        struct store *other;
        struct err err;

        assert_false(store_open(&options, &other, &err));
        assert_int_equal(err.code, ERR_STORE_BUSY);
}

/* Group commit. */

static void more_cells_than_handles(void **state)
{
        struct fixture *fixture = *state;
        struct store_stats stats;
        char names[40][16];

        fixture->options.handles_max = 8;
        fixture_reopen(fixture);
        for (int i = 0; i < 40; i++) {
                snprintf(names[i], sizeof(names[i]), "ten_%02d", i);
                const struct cell_ref cell = {str_from(names[i]), STR("eu")};
                fixture_cell(fixture, &cell);
        }
        for (int round = 1; round <= 3; round++) {
                for (int i = 0; i < 40; i++) {
                        const struct cell_ref cell = {str_from(names[i]), STR("eu")};
                        add(fixture->store, &cell, round);
                        assert_int_equal(count(fixture->store, &cell), round);
                        store_stats(fixture->store, &stats);
                        assert_true(stats.handles_open <= 8);
                }
        }
        assert_true(stats.closes > 100);
}

static void files_are_for_their_owner_only(void **state)
{
        struct fixture *fixture = *state;
        char path[300];
        struct stat info;

        snprintf(path, sizeof(path), "%s/cells/eu/ten_one.db", fixture->folder);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
        snprintf(path, sizeof(path), "%s/directory.db", fixture->folder);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
}

static bool add_nul(struct tx *tx, void *arg, struct err *err)
{
        const struct sql_note_add_in in = {.id = 1, .title = STR("a\0b")};

        (void)arg;
        return sql_note_add(tx, &in, err);
}

/* PostgreSQL's text has none: what one store refuses, the other refuses too. */
static void a_text_with_a_nul_is_refused(void **state)
{
        struct fixture *fixture = *state;
        struct err err;

        assert_false(store_write(fixture->store, &one, NULL, add_nul, NULL, &err));
        assert_int_equal(err.code, ERR_BAD_PARAMETER);
        assert_int_equal(count(fixture->store, &one), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(every_type_comes_back_as_it_went),
                T(a_cursor_gives_its_rows_in_order),
                T(a_cursor_left_open_is_our_bug),
                T(a_claim_is_won_once),
                T(returning_gives_the_row_that_was_made),
                T(a_second_row_of_one_is_an_error),
                T(statements_run_where_they_belong),
                T(broken_rules_are_conflicts),
                T(cells_do_not_meet),
                T(a_missing_cell_is_not_found),
                T(names_cannot_leave_the_folder),
                T(a_cell_is_made_once),
                T(cells_are_listed_by_region),
                T(data_outlives_the_process),
                T(more_cells_than_handles),
                T(a_text_with_a_nul_is_refused),
        };
        const struct CMUnitTest of_files[] = {
                T(a_folder_has_one_owner),
                T(files_are_for_their_owner_only),
        };
        int failed = cmocka_run_group_tests(tests, NULL, NULL);

        return failed + (fixture_on_postgres() ? 0 : cmocka_run_group_tests(of_files, NULL, NULL));
}
