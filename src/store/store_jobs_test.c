/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs in groups and side by side, and copies that are taken meanwhile. */
#include "store/test/notes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

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

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(a_group_commits_once_and_each_answers_for_itself),
                T(a_job_whose_last_statement_fails_fails_alone),
                T(a_refused_write_does_not_hold_the_cell_from_another_node),
                T(a_read_sees_every_write_acknowledged_before_it),
                T(a_slow_read_does_not_hold_up_the_others),
                T(a_store_thread_never_waits_for_the_store),
                T(a_snapshot_of_rows_is_a_cell_of_files),
        };
        const struct CMUnitTest of_files[] = {
                T(a_snapshot_is_a_cell),
                T(a_snapshot_is_taken_while_writing_goes_on),
                T(the_directory_can_be_copied),
        };
        int failed = cmocka_run_group_tests(tests, NULL, NULL);

        return failed + (fixture_on_postgres() ? 0 : cmocka_run_group_tests(of_files, NULL, NULL));
}
