/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Torture: every write and every sync of the store fails in turn, memory runs
 * out at every allocation in turn, and the process is killed at every step and
 * at random. Whatever happened, after it: what was acknowledged is there,
 * whole; what was refused is not; nothing is half-done.
 */
#include "store/sqlite_fault.h"
#include "store/test/fixture.h"

#include "base/heap.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct cell_ref cell = {STR("ten_one"), STR("eu")};

enum { IDS = 24, PAIR = 100000, GROUP = 8 };
enum fate { UNTRIED, ACKNOWLEDGED, REFUSED, UNCERTAIN };

/* What became of each id. */
struct ledger {
        enum fate fate[IDS + 1];
        int uncertain;
};

struct request {
        int64_t id;
        bool change_mind;
        struct store_job job;
        sem_t *done;
};

static size_t body_bytes(int64_t id)
{
        return id == 11 ? (size_t)200 * 1024 : 100 + (size_t)id * 300;
}

static bool nothing(struct tx *tx, void *arg, struct err *err)
{
        (void)tx;
        (void)arg;
        (void)err;
        return true;
}

/* Two rows that must come together. */
static bool add_pair(struct tx *tx, void *arg, struct err *err)
{
        struct request *request = arg;
        size_t size = body_bytes(request->id);
        char *bytes = arena_alloc_bytes(tx_arena(tx), size);
        struct sql_note_add_in in = {.id = request->id, .title = STR("pair")};

        if (!bytes)
                return err_set(err, ERR_NO_MEMORY, "no memory");
        memset(bytes, (int)('a' + request->id % 26), size);
        in.body = str_make(bytes, size);
        if (!sql_note_add(tx, &in, err))
                return false;
        in.id += PAIR;
        if (!sql_note_add(tx, &in, err))
                return false;
        return !request->change_mind || err_set(err, ERR_CONFLICT, "on second thoughts, no");
}

static void pair_done(struct store_job *job)
{
        sem_post(((struct request *)job->data)->done);
}

static enum fate fate_of(bool ok, const struct err *err)
{
        if (ok)
                return ACKNOWLEDGED;
        assert_int_not_equal(err->code, ERR_NONE);
        assert_true(err->message[0] != '\0');
        return err->code == ERR_WRITE_UNCERTAIN ? UNCERTAIN : REFUSED;
}

static void write_single(struct store *store, struct ledger *ledger, int64_t id)
{
        struct request request = {.id = id};
        struct err err;
        bool ok = store_write(store, &cell, NULL, add_pair, &request, &err);

        ledger->fate[id] = fate_of(ok, &err);
        ledger->uncertain += ledger->fate[id] == UNCERTAIN;
}

static void write_group(struct store *store, struct ledger *ledger, int64_t first)
{
        struct request requests[GROUP];
        sem_t done;

        sem_init(&done, 0, 0);
        for (int i = 0; i < GROUP; i++) {
                struct request *request = &requests[i];
                *request = (struct request){.id = first + i, .change_mind = i == 3, .done = &done};
                request->job = (struct store_job){
                        .work = add_pair, .arg = request, .done = pair_done, .data = request};
                store_submit_write(store, &cell, &request->job);
        }
        for (int i = 0; i < GROUP; i++)
                sem_wait(&done);
        for (int i = 0; i < GROUP; i++) {
                enum fate fate = fate_of(requests[i].job.ok, &requests[i].job.err);
                assert_true(i != 3 || fate != ACKNOWLEDGED);
                ledger->fate[first + i] = fate;
                ledger->uncertain += fate == UNCERTAIN;
        }
        sem_destroy(&done);
}

static void scenario(struct store *store, struct ledger *ledger)
{
        for (int64_t id = 1; id <= 4; id++)
                write_single(store, ledger, id);
        write_group(store, ledger, 5);
        write_group(store, ledger, 13);
        for (int64_t id = 21; id <= IDS; id++)
                write_single(store, ledger, id);
}

struct check {
        struct ledger *ledger;
        bool present[IDS + 1];
};

static bool body_is_whole(const struct sql_note_body_row *row, int64_t id)
{
        if (row->body.len != body_bytes(id))
                return false;
        for (size_t i = 0; i < row->body.len; i++) {
                if (row->body.ptr[i] != (char)('a' + id % 26))
                        return false;
        }
        return true;
}

static bool look(struct tx *tx, void *arg, struct err *err)
{
        struct check *check = arg;
        struct sql_note_body_row row;
        bool first, second;

        for (int64_t id = 1; id <= IDS; id++) {
                if (!sql_note_body(tx, id, &row, &first, err))
                        return false;
                assert_true(!first || body_is_whole(&row, id));
                if (!sql_note_body(tx, id + PAIR, &row, &second, err))
                        return false;
                assert_true(!second || body_is_whole(&row, id));
                assert_int_equal(first, second);
                check->present[id] = first;
        }
        return true;
}

static void verify(struct store *store, struct ledger *ledger)
{
        struct check check = {.ledger = ledger};
        struct err err;

        if (!store_read(store, &cell, NULL, look, &check, &err))
                fail_msg("%s: %s", err_name(err.code), err.message);
        for (int64_t id = 1; id <= IDS; id++) {
                if (ledger->fate[id] == ACKNOWLEDGED && !check.present[id])
                        fail_msg("%d was acknowledged and is gone", (int)id);
                if (ledger->fate[id] == REFUSED && check.present[id])
                        fail_msg("%d was refused and is there", (int)id);
        }
}

/* The store must work again, on what the fault has left. */
static void verify_life_goes_on(struct fixture *fixture, struct ledger *ledger)
{
        struct ledger after = {0};

        verify(fixture->store, ledger);
        fixture_reopen(fixture);
        verify(fixture->store, ledger);
        for (int64_t id = 1; id <= 3; id++) {
                if (ledger->fate[id] == REFUSED)
                        write_single(fixture->store, &after, id);
                assert_true(ledger->fate[id] != REFUSED || after.fate[id] == ACKNOWLEDGED);
        }
}

/* Migrated once, closed: every round begins with a copy, since that is quicker. */
static struct fixture *model;

static int make_model(void **state)
{
        (void)state;
        model = fixture_new(&(struct store_options){.writers = 1, .readers = 1});
        fixture_cell(model, &cell);
        fixture_close(model);
        return 0;
}

static int free_model(void **state)
{
        (void)state;
        fixture_free(model);
        return 0;
}

static struct fixture *fixture_ready(void)
{
        return fixture_copy(model);
}

/* Fails the n-th call for every n, until a run goes through without one. */
static void fail_every(enum fault_kind kind, bool once, int *ret_uncertain)
{
        int refused = 0, rounds = 0;

        for (uint64_t n = 1;; n += 1 + n / 30) {
                struct fixture *fixture = fixture_ready();
                struct ledger ledger = {0};
                uint64_t failed;

                sqlite_fault_set(kind, n, once);
                scenario(fixture->store, &ledger);
                failed = sqlite_fault_failed();
                sqlite_fault_set(FAULT_NONE, 0, false);
                *ret_uncertain += ledger.uncertain;
                for (int id = 1; id <= IDS; id++)
                        refused += ledger.fate[id] == REFUSED && id != 8 && id != 16;
                rounds++;
                verify_life_goes_on(fixture, &ledger);
                fixture_free(fixture);
                if (failed == 0)
                        break;
        }
        assert_true(rounds > 5);
        assert_true(refused + *ret_uncertain > 0);
}

static void a_full_disk_loses_nothing(void **state)
{
        int uncertain = 0;

        (void)state;
        fail_every(FAULT_FULL, false, &uncertain);
        fail_every(FAULT_FULL, true, &uncertain);
        assert_int_equal(uncertain, 0);
}

static void a_failing_write_loses_nothing(void **state)
{
        int uncertain = 0;

        (void)state;
        fail_every(FAULT_WRITE, true, &uncertain);
        assert_int_equal(uncertain, 0); /* the next write takes the failed one's place */
        fail_every(FAULT_WRITE, false, &uncertain);
}

static void a_failing_sync_loses_nothing(void **state)
{
        int uncertain = 0;

        (void)state;
        fail_every(FAULT_SYNC, true, &uncertain);
        assert_int_equal(uncertain, 0);
        fail_every(FAULT_SYNC, false, &uncertain);
        assert_true(uncertain > 0); /* there it truly is not known */
}

static void a_dead_disk_loses_nothing(void **state)
{
        int uncertain = 0;

        (void)state;
        fail_every(FAULT_IO, true, &uncertain);
        fail_every(FAULT_IO, false, &uncertain);
}

static bool count_cells(const struct cell_ref *found, void *arg, struct err *err)
{
        (void)found;
        (void)err;
        ++*(int *)arg;
        return true;
}

/* A cell is there and works, or is not there and can be made. */
static void a_cell_is_never_half_made(void **state)
{
        static const enum fault_kind kinds[] = {FAULT_FULL, FAULT_SYNC, FAULT_IO};
        const struct cell_ref next = {STR("ten_next"), STR("us")};

        (void)state;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                bool made = false;
                for (uint64_t n = 1; !made; n++) {
                        struct fixture *fixture = fixture_ready();
                        int found = 0;
                        struct err err;
                        sqlite_fault_set(kinds[i], n, false);
                        made = store_cell_create(fixture->store, &next, &err);
                        sqlite_fault_set(FAULT_NONE, 0, false);
                        if (!made)
                                assert_int_equal(err.code,
                                                 kinds[i] == FAULT_FULL ? ERR_STORE_FULL : ERR_STORE_FAILED);
                        assert_true(store_cell_list(fixture->store, next.region, count_cells, &found, &err));
                        bool exists;
                        assert_true(store_cell_exists(fixture->store, &next, &exists, &err));
                        assert_int_equal(found, exists);
                        if (found == 0)
                                assert_true(store_cell_create(fixture->store, &next, &err));
                        assert_true(store_write(fixture->store, &next, NULL, nothing, NULL, &err));
                        fixture_free(fixture);
                }
        }
}

static void a_full_disk_is_said_to_be_full(void **state)
{
        struct fixture *fixture = fixture_ready();
        struct request request = {.id = 1};
        struct err err;

        (void)state;
        sqlite_fault_set(FAULT_FULL, 1, false);
        assert_false(store_write(fixture->store, &cell, NULL, add_pair, &request, &err));
        sqlite_fault_set(FAULT_NONE, 0, false);
        assert_int_equal(err.code, ERR_STORE_FULL);
        assert_null(strstr(err.message, fixture->folder));
        assert_true(store_write(fixture->store, &cell, NULL, add_pair, &request, &err));
        fixture_free(fixture);
}

static void no_memory_at_any_point_loses_nothing(void **state)
{
        bool more = true;

        (void)state;
        for (size_t n = 1; more; n += 1 + n / 40) {
                struct fixture *fixture = fixture_ready();
                struct ledger ledger = {0};

                heap_fail_from(n);
                scenario(fixture->store, &ledger);
                more = heap_count() >= n;
                heap_fail_from(0);
                verify_life_goes_on(fixture, &ledger);
                fixture_free(fixture);
        }
}

static void opening_without_memory_fails_and_leaks_nothing(void **state)
{
        struct fixture *fixture = fixture_ready();
        bool ok = false;

        (void)state;
        for (size_t n = 1; !ok; n++) {
                struct store *store = NULL;
                struct err err;
                fixture_close(fixture);
                heap_fail_from(n);
                ok = store_open(&fixture->options, &store, &err);
                heap_fail_from(0);
                store_close(store);
                fixture_open(fixture);
        }
        fixture_free(fixture);
}

/* Killed. The child is this program again; it acknowledges through a pipe. */

static int child_main(const char *folder)
{
        struct store_options options = {.folder = folder, .writers = 1, .readers = 1};
        struct ledger ledger = {0};
        struct store *store;
        struct err err;

        if (!store_open(&options, &store, &err))
                return 3;
        for (int64_t id = 1; id <= IDS; id++) {
                char told = (char)id;
                write_single(store, &ledger, id);
                if (ledger.fate[id] == ACKNOWLEDGED && write(STDOUT_FILENO, &told, 1) != 1)
                        return 4;
        }
        store_close(store);
        return 0;
}

/* Its second commit fails at the sync, with all its frames in the log; it hears of that, and dies. */
static int refused_child_main(const char *folder)
{
        struct store_options options = {.folder = folder};
        struct ledger ledger = {0};
        struct store *store;
        struct err err;
        char told;

        if (!store_open(&options, &store, &err))
                return 3;
        write_single(store, &ledger, 1);
        sqlite_fault_set(FAULT_SYNC, 1, true);
        write_single(store, &ledger, 2);
        told = ledger.fate[2] == REFUSED ? 'r' : '?';
        if (write(STDOUT_FILENO, &told, 1) != 1)
                return 4;
        raise(SIGKILL);
        return 5;
}

static int migrating_child_main(const char *folder)
{
        struct store_options options = {.folder = folder};
        struct store *store;
        struct err err;
        bool ok;

        if (!store_open(&options, &store, &err))
                return 3;
        ok = store_write(store, &cell, NULL, nothing, NULL, &err);
        store_close(store);
        return ok ? 0 : 4;
}

static pid_t spawn(const char *as, const char *folder, const char *fault, int *ret_fd)
{
        int fds[2];
        pid_t pid;

        assert_int_equal(pipe(fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                dup2(fds[1], STDOUT_FILENO);
                close(fds[0]);
                close(fds[1]);
                if (fault)
                        setenv("COUNTERSIGN_STORE_FAULT", fault, 1);
                execl("/proc/self/exe", "store_fault_test", as, folder, (char *)NULL);
                _exit(5);
        }
        close(fds[1]);
        *ret_fd = fds[0];
        return pid;
}

/* Reads what the child acknowledges; kills it when it has said `kill_after`. The wait status. */
static int watch(pid_t pid, int fd, int kill_after, struct ledger *ledger)
{
        int status, heard = 0;
        char id;

        while (read(fd, &id, 1) == 1) {
                ledger->fate[(int)id] = ACKNOWLEDGED;
                if (++heard == kill_after)
                        kill(pid, SIGKILL);
        }
        close(fd);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

static struct fixture *fixture_closed(void)
{
        struct fixture *fixture = fixture_ready();

        fixture_close(fixture);
        return fixture;
}

static void killed_at_every_write_and_sync(void **state)
{
        bool killed = true;

        (void)state;
        for (unsigned n = 1; killed; n += 1 + n / 10) {
                struct fixture *fixture = fixture_closed();
                struct ledger ledger = {0};
                char fault[40];
                int fd, status;
                pid_t pid;

                snprintf(fault, sizeof(fault), "kill@%u", n);
                pid = spawn("child", fixture->folder, fault, &fd);
                status = watch(pid, fd, -1, &ledger);
                killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
                assert_true(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
                fixture_open(fixture);
                verify_life_goes_on(fixture, &ledger);
                fixture_free(fixture);
        }
}

/* As a version that did not know the tests' migration would have left the file. */
static void forget_migration(const char *folder)
{
        char path[300], *message = NULL;
        sqlite3 *db;

        snprintf(path, sizeof(path), "%s/cells/eu/ten_one.db", folder);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (sqlite3_exec(db,
                         "DROP TABLE note; DROP TABLE shelf; DELETE FROM store_migration WHERE number = 900;"
                         "PRAGMA user_version = 77",
                         NULL, NULL, &message) != SQLITE_OK)
                fail_msg("%s", message);
        sqlite3_close(db);
}

static void killed_while_migrating(void **state)
{
        bool killed = true;
        int kills = 0;

        (void)state;
        for (unsigned n = 1; killed; n++) {
                struct fixture *fixture = fixture_closed();
                struct ledger ledger = {0};
                char fault[40];
                int fd, status;
                pid_t pid;

                forget_migration(fixture->folder);
                snprintf(fault, sizeof(fault), "kill@%u", n);
                pid = spawn("migrating", fixture->folder, fault, &fd);
                status = watch(pid, fd, -1, &ledger);
                killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
                kills += killed;
                assert_true(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
                fixture_open(fixture);
                write_single(fixture->store, &ledger, 1);
                assert_int_equal(ledger.fate[1], ACKNOWLEDGED);
                verify_life_goes_on(fixture, &ledger);
                fixture_free(fixture);
        }
        assert_true(kills > 5);
}

static void killed_at_random(void **state)
{
        unsigned seed = 20;

        (void)state;
        for (int round = 0; round < 50; round++) {
                struct fixture *fixture = fixture_closed();
                struct ledger ledger = {0};
                int fd;
                pid_t pid = spawn("child", fixture->folder, NULL, &fd);

                watch(pid, fd, 1 + rand_r(&seed) % IDS, &ledger);
                fixture_open(fixture);
                verify_life_goes_on(fixture, &ledger);
                fixture_free(fixture);
        }
}

static void a_refused_commit_stays_away_after_a_crash(void **state)
{
        struct fixture *fixture = fixture_closed();
        struct ledger ledger = {.fate = {[1] = ACKNOWLEDGED, [2] = REFUSED}};
        int fd, status;
        char told;
        pid_t pid = spawn("refused", fixture->folder, NULL, &fd);

        (void)state;
        assert_int_equal(read(fd, &told, 1), 1);
        assert_int_equal(told, 'r');
        close(fd);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        fixture_open(fixture);
        verify_life_goes_on(fixture, &ledger);
        fixture_free(fixture);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_full_disk_loses_nothing),
                cmocka_unit_test(a_failing_write_loses_nothing),
                cmocka_unit_test(a_failing_sync_loses_nothing),
                cmocka_unit_test(a_dead_disk_loses_nothing),
                cmocka_unit_test(a_cell_is_never_half_made),
                cmocka_unit_test(a_full_disk_is_said_to_be_full),
                cmocka_unit_test(no_memory_at_any_point_loses_nothing),
                cmocka_unit_test(opening_without_memory_fails_and_leaks_nothing),
                cmocka_unit_test(killed_at_every_write_and_sync),
                cmocka_unit_test(killed_while_migrating),
                cmocka_unit_test(killed_at_random),
                cmocka_unit_test(a_refused_commit_stays_away_after_a_crash),
        };

        if (argc == 3 && strcmp(argv[1], "child") == 0)
                return child_main(argv[2]);
        if (argc == 3 && strcmp(argv[1], "refused") == 0)
                return refused_child_main(argv[2]);
        if (argc == 3 && strcmp(argv[1], "migrating") == 0)
                return migrating_child_main(argv[2]);
        return cmocka_run_group_tests(tests, make_model, free_model);
}
