/* SPDX-License-Identifier: Apache-2.0 */
#include "store/test/fixture.h"

#include "base/heap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct cell_ref one = {STR("ten_one"), STR("eu")};
static const struct cell_ref two = {STR("ten_two"), STR("eu")};

static int setup(void **state)
{
        struct fixture *fixture = fixture_new(NULL);

        fixture_cell(fixture, &one);
        *state = fixture;
        return 0;
}

static int teardown(void **state)
{
        fixture_free(*state);
        return 0;
}

static bool add_note(struct tx *tx, void *arg, struct err *err)
{
        const struct sql_note_add_in in = {.id = *(const int64_t *)arg, .title = STR("a title")};

        return sql_note_add(tx, &in, err);
}

static bool count_notes(struct tx *tx, void *arg, struct err *err)
{
        struct sql_note_count_row row;
        bool found;

        if (!sql_note_count(tx, &row, &found, err))
                return false;
        *(int64_t *)arg = row.count;
        return found;
}

static int64_t count(struct store *store, const struct cell_ref *cell)
{
        int64_t n = -1;
        struct err err;

        if (!store_read(store, cell, NULL, count_notes, &n, &err))
                fail_msg("%s: %s", err_name(err.code), err.message);
        return n;
}

static void add(struct store *store, const struct cell_ref *cell, int64_t id)
{
        struct err err;

        if (!store_write(store, cell, NULL, add_note, &id, &err))
                fail_msg("%s: %s", err_name(err.code), err.message);
}

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

static bool add_book(struct tx *tx, void *arg, struct err *err)
{
        (void)arg;
        return sql_book_add(tx, STR("b"), STR("eu"), err);
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

static void a_missing_cell_is_not_found(void **state)
{
        struct fixture *fixture = *state;
        int64_t id = 1;
        struct err err;
        struct store_stats stats;

        assert_false(store_cell_exists(fixture->store, &two));
        assert_false(store_write(fixture->store, &two, NULL, add_note, &id, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_false(store_read(fixture->store, &two, NULL, count_notes, &id, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_false(store_cell_exists(fixture->store, &two));
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
                assert_false(store_cell_exists(fixture->store, &region));
        }
}

static void a_cell_is_made_once(void **state)
{
        struct fixture *fixture = *state;
        struct err err;

        add(fixture->store, &one, 1);
        assert_true(store_cell_exists(fixture->store, &one));
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

struct crowd {
        struct store *store;
        struct store_job jobs[64];
        int64_t ids[64];
        bool answered[64];
        _Atomic int done, hooks;
        pthread_mutex_t gate;
};

/* Of all crowds: whoever is told last may still hold it when the test and its crowd are gone. */
static pthread_mutex_t crowd_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t crowd_changed = PTHREAD_COND_INITIALIZER;

static bool wait_at_gate(struct tx *tx, void *arg, struct err *err)
{
        struct crowd *crowd = arg;

        (void)tx;
        (void)err;
        pthread_mutex_lock(&crowd->gate);
        pthread_mutex_unlock(&crowd->gate);
        return true;
}

static void hook(void *arg)
{
        struct store_job *job = arg;
        struct crowd *crowd = job->data;

        assert_false(crowd->answered[job - crowd->jobs]);
        crowd->hooks++;
}

static bool crowd_work(struct tx *tx, void *arg, struct err *err)
{
        struct store_job *job = arg;
        struct crowd *crowd = job->data;
        int64_t id = crowd->ids[job - crowd->jobs];

        tx_on_commit(tx, hook, job);
        if (!add_note(tx, &id, err))
                return false;
        /* Every third takes back what it has done, in the middle of the group. */
        return id % 3 != 0 || err_set(err, ERR_CONFLICT, "taken back");
}

static void crowd_done(struct store_job *job)
{
        struct crowd *crowd = job->data;

        if (job >= crowd->jobs && job < crowd->jobs + 64)
                crowd->answered[job - crowd->jobs] = true;
        pthread_mutex_lock(&crowd_lock);
        crowd->done++;
        pthread_cond_broadcast(&crowd_changed);
        pthread_mutex_unlock(&crowd_lock);
}

static void wait_done(struct crowd *crowd, int n)
{
        pthread_mutex_lock(&crowd_lock);
        while (crowd->done < n)
                pthread_cond_wait(&crowd_changed, &crowd_lock);
        pthread_mutex_unlock(&crowd_lock);
}

static void a_group_commits_once_and_each_answers_for_itself(void **state)
{
        struct fixture *fixture = *state;
        struct crowd crowd = {.store = fixture->store, .gate = PTHREAD_MUTEX_INITIALIZER};
        struct store_job blocker = {.work = wait_at_gate, .arg = &crowd, .done = crowd_done, .data = &crowd};
        struct store_stats before, after;

        store_stats(fixture->store, &before);
        pthread_mutex_lock(&crowd.gate);
        store_submit_write(fixture->store, &one, &blocker);
        for (int i = 0; i < 64; i++) {
                struct store_job *job = &crowd.jobs[i];
                *job = (struct store_job){
                        .work = crowd_work, .arg = job, .done = crowd_done, .data = &crowd};
                crowd.ids[i] = i;
                store_submit_write(fixture->store, &one, job);
        }
        pthread_mutex_unlock(&crowd.gate);
        wait_done(&crowd, 65);
        for (int i = 0; i < 64; i++) {
                assert_int_equal(crowd.jobs[i].ok, i % 3 != 0);
                if (i % 3 == 0)
                        assert_int_equal(crowd.jobs[i].err.code, ERR_CONFLICT);
        }
        assert_int_equal(crowd.hooks, 42);
        assert_int_equal(count(fixture->store, &one), 42);
        store_stats(fixture->store, &after);
        /* The blocker may have taken the first of them with it. */
        assert_true(after.commits - before.commits <= 3);
}

static bool look_then_add(struct tx *tx, void *arg, struct err *err)
{
        struct store_job *job = arg;
        struct crowd *crowd = job->data;
        int64_t n;

        tx_on_commit(tx, hook, job);
        return count_notes(tx, &n, err) && add_note(tx, &crowd->ids[job - crowd->jobs], err);
}

/* Nothing comes after the statement that fails: its job fails all the same, and no other does. */
static void a_job_whose_last_statement_fails_fails_alone(void **state)
{
        struct fixture *fixture = *state;
        struct crowd crowd = {.store = fixture->store, .gate = PTHREAD_MUTEX_INITIALIZER};
        struct store_job blocker = {.work = wait_at_gate, .arg = &crowd, .done = crowd_done, .data = &crowd};

        add(fixture->store, &one, 1000);
        pthread_mutex_lock(&crowd.gate);
        store_submit_write(fixture->store, &one, &blocker);
        for (int i = 0; i < 64; i++) {
                struct store_job *job = &crowd.jobs[i];
                *job = (struct store_job){
                        .work = look_then_add, .arg = job, .done = crowd_done, .data = &crowd};
                crowd.ids[i] = i % 3 == 0 ? 1000 : i;
                store_submit_write(fixture->store, &one, job);
        }
        pthread_mutex_unlock(&crowd.gate);
        wait_done(&crowd, 65);
        for (int i = 0; i < 64; i++) {
                assert_int_equal(crowd.jobs[i].ok, i % 3 != 0);
                if (i % 3 == 0)
                        assert_int_equal(crowd.jobs[i].err.code, ERR_STORE_CONFLICT);
        }
        assert_int_equal(crowd.hooks, 42);
        assert_int_equal(count(fixture->store, &one), 43);
}

static bool look_and_refuse(struct tx *tx, void *arg, struct err *err)
{
        struct sql_note_count_row row;
        bool found;

        (void)arg;
        return sql_note_count(tx, &row, &found, err) && err_set(err, ERR_CONFLICT, "refused after a look");
}

/* On one database, as another server would be. */
static void a_refused_write_does_not_hold_the_cell_from_another_node(void **state)
{
        struct fixture *fixture = *state;
        struct store_options options = fixture->options;
        struct store *other;
        struct err err;

        if (!fixture_on_postgres()) {
                print_message("skipped: an embedded store has one process\n");
                skip();
        }
        options.lock_timeout_ms = 1000;
        if (!store_open(&options, &other, &err))
                fail_msg("%s: %s", err_name(err.code), err.message);
        for (int64_t id = 1; id <= 4; id++) {
                assert_false(store_write(fixture->store, &one, NULL, look_and_refuse, NULL, &err));
                assert_int_equal(err.code, ERR_CONFLICT);
                add(other, &one, id);
        }
        assert_int_equal(count(fixture->store, &one), 4);
        store_close(other);
}

static bool empty_job(struct tx *tx, void *arg, struct err *err)
{
        (void)tx;
        (void)arg;
        (void)err;
        return true;
}

static void a_read_sees_every_write_acknowledged_before_it(void **state)
{
        struct fixture *fixture = *state;

        for (int64_t id = 1; id <= 200; id++) {
                add(fixture->store, &one, id);
                assert_int_equal(count(fixture->store, &one), id);
        }
}

static _Atomic int slow_hooks;

static void slow_hook(void *arg)
{
        slow_hooks += *(int *)arg;
}

static bool slow_read(struct tx *tx, void *arg, struct err *err)
{
        static int one_more = 1;
        struct sql_note_slow_row row;
        bool found;

        tx_on_commit(tx, slow_hook, &one_more); /* outlasts the answers given meanwhile */
        return sql_note_slow(tx, *(int64_t *)arg, &row, &found, err);
}

static void a_slow_read_does_not_hold_up_the_others(void **state)
{
        struct fixture *fixture = *state;
        struct crowd slow = {.gate = PTHREAD_MUTEX_INITIALIZER}, quick = {.gate = PTHREAD_MUTEX_INITIALIZER};
        int64_t most = 0;
        struct store_job job = {.work = slow_read, .arg = &most, .done = crowd_done, .data = &slow};

        for (int64_t id = 1; id <= 250; id++)
                add(fixture->store, &one, id);
        store_submit_read(fixture->store, &one, &job);
        for (int i = 0; i < 64; i++) {
                quick.jobs[i] = (struct store_job){.work = empty_job, .done = crowd_done, .data = &quick};
                store_submit_read(fixture->store, &one, &quick.jobs[i]);
        }
        wait_done(&quick, 64);
        assert_int_equal(slow.done, 0);
        wait_done(&slow, 1);
        assert_true(job.ok);
        assert_int_equal(slow_hooks, 1);
}

static bool nested(struct tx *tx, void *arg, struct err *err)
{
        (void)tx;
        return store_write(arg, &one, NULL, empty_job, NULL, err);
}

static void a_store_thread_never_waits_for_the_store(void **state)
{
        struct fixture *fixture = *state;
        struct err err;

        assert_false(store_write(fixture->store, &one, NULL, nested, fixture->store, &err));
        assert_int_equal(err.code, ERR_INTERNAL);
}

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

static void a_snapshot_is_a_cell(void **state)
{
        struct fixture *fixture = *state;
        char path[300], place[300];
        struct err err;

        add(fixture->store, &one, 1);
        snprintf(path, sizeof(path), "%s/copy.db", fixture->folder);
        assert_true(store_cell_snapshot(fixture->store, &one, path, &err));
        assert_false(store_cell_snapshot(fixture->store, &one, path, &err));
        assert_int_equal(err.code, ERR_ALREADY_EXISTS);
        add(fixture->store, &one, 2);
        snprintf(place, sizeof(place), "%s/cells/eu/ten_one.db", fixture->folder);
        store_close(fixture->store);
        assert_int_equal(rename(path, place), 0);
        fixture_open(fixture);
        assert_int_equal(count(fixture->store, &one), 1);
        add(fixture->store, &one, 3);
}

/* Whatever store it comes from: a file that the embedded store serves, with every row of that moment. */
static void a_snapshot_of_rows_is_a_cell_of_files(void **state)
{
        struct fixture *fixture = *state;
        char path[300], folder[300], place[400];
        struct store_options options = {.folder = folder};
        struct store *files;
        struct err err;

        for (int64_t id = 0; id < 1200; id++) /* several pages */
                add(fixture->store, &one, id);
        fixture_cell(fixture, &two);
        add(fixture->store, &two, 7);
        snprintf(path, sizeof(path), "%s/copy.db", fixture->folder);
        if (!store_cell_snapshot(fixture->store, &one, path, &err))
                fail_msg("%s", err.message);
        assert_false(store_cell_snapshot(fixture->store, &one, path, &err));
        assert_int_equal(err.code, ERR_ALREADY_EXISTS);
        add(fixture->store, &one, 5000);

        snprintf(folder, sizeof(folder), "%s/files", fixture->folder);
        assert_true(store_open(&options, &files, &err));
        assert_true(store_cell_create(files, &two, &err)); /* makes the region's folder */
        snprintf(place, sizeof(place), "%s/cells/eu/ten_one.db", folder);
        assert_int_equal(rename(path, place), 0);
        assert_int_equal(count(files, &one), 1200);
        add(files, &one, 5000);
        store_close(files);
}

static void a_snapshot_is_taken_while_writing_goes_on(void **state)
{
        struct fixture *fixture = *state;
        struct crowd crowd = {.store = fixture->store, .gate = PTHREAD_MUTEX_INITIALIZER};
        char path[300], place[300];
        struct err err;

        snprintf(path, sizeof(path), "%s/copy.db", fixture->folder);
        for (int i = 0; i < 64; i++) {
                struct store_job *job = &crowd.jobs[i];
                *job = (struct store_job){
                        .work = crowd_work, .arg = job, .done = crowd_done, .data = &crowd};
                crowd.ids[i] = 3 * i + 1; /* none is taken back */
                store_submit_write(fixture->store, &one, job);
                if (i == 20)
                        wait_done(&crowd, 10);
        }
        assert_true(store_cell_snapshot(fixture->store, &one, path, &err));
        wait_done(&crowd, 64);
        snprintf(place, sizeof(place), "%s/cells/eu/ten_one.db", fixture->folder);
        store_close(fixture->store);
        assert_int_equal(rename(path, place), 0);
        fixture_open(fixture);
        assert_in_range(count(fixture->store, &one), 10, 64);
}

static void the_directory_can_be_copied(void **state)
{
        struct fixture *fixture = *state;
        char path[300];
        struct err err;

        snprintf(path, sizeof(path), "%s/copy.db", fixture->folder);
        assert_true(store_write(fixture->store, &CELL_DIRECTORY, NULL, add_book, NULL, &err));
        assert_true(store_cell_snapshot(fixture->store, &CELL_DIRECTORY, path, &err));
        assert_int_equal(access(path, R_OK), 0);
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
                T(a_group_commits_once_and_each_answers_for_itself),
                T(a_job_whose_last_statement_fails_fails_alone),
                T(a_refused_write_does_not_hold_the_cell_from_another_node),
                T(a_read_sees_every_write_acknowledged_before_it),
                T(a_slow_read_does_not_hold_up_the_others),
                T(a_store_thread_never_waits_for_the_store),
                T(more_cells_than_handles),
                T(a_text_with_a_nul_is_refused),
                T(a_snapshot_of_rows_is_a_cell_of_files),
        };
        const struct CMUnitTest of_files[] = {
                T(a_folder_has_one_owner),
                T(a_snapshot_is_a_cell),
                T(a_snapshot_is_taken_while_writing_goes_on),
                T(the_directory_can_be_copied),
                T(files_are_for_their_owner_only),
        };
        int failed = cmocka_run_group_tests(tests, NULL, NULL);

        return failed + (fixture_on_postgres() ? 0 : cmocka_run_group_tests(of_files, NULL, NULL));
}
