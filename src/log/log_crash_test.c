/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGKILL between any two steps of signing: afterwards the log goes on in the
 * same epoch, and every note that anybody was given is of the one tree.
 */
#include "store/test/fixture.h"

#include "log/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct cell_ref cell = {STR("ten_crash"), STR("eu")};

struct place {
        struct fixture *fixture; /* its store is closed: a child opens it */
        char folder[64];
        char key[96], notes[96];
};

/* In a child: the store's threads do not survive a fork. */
struct child {
        const struct place *place;
        struct store *store;
        struct envelope *envelope;
        struct arena arena;
        struct err err;
};

static bool append_work(struct tx *tx, void *arg, struct err *err)
{
        (void)arg;
        for (int i = 0; i < 3; i++) {
                if (!log_append_raw(tx, STR("entry"), NULL, err))
                        return false;
        }
        return true;
}

static void child_fail(const struct child *child, const char *what)
{
        fprintf(stderr, "%s: %s: %s\n", what, err_name(child->err.code), child->err.message);
        _exit(1);
}

static void child_open(struct child *child)
{
        arena_init(&child->arena, 16 << 20);
        if (!store_open(&child->place->fixture->options, &child->store, &child->err) ||
            !envelope_open(child->place->key, &child->envelope, &child->err))
                child_fail(child, "open");
}

static struct str child_checkpoint(struct child *child)
{
        const struct log_signer signer = {child->envelope, "crash.example"};
        struct str note = STR_NULL;
        if (!log_checkpoint(&signer, child->store, &cell, &child->arena, &note, &child->err))
                child_fail(child, "checkpoint");
        return note;
}

/* Appends, signs, and hands the note out: to a file. */
static void child_work(const struct place *place)
{
        struct child child = {.place = place};
        child_open(&child);
        if (!store_write(child.store, &cell, NULL, append_work, NULL, &child.err))
                child_fail(&child, "append");
        struct str note = child_checkpoint(&child);
        FILE *file = fopen(place->notes, "ab");
        if (!file || fwrite(note.ptr, 1, note.len + 1, file) != note.len + 1 || fclose(file) != 0)
                _exit(1);
        store_close(child.store);
        _exit(0);
}

static bool judge_work(struct tx *tx, void *arg, struct err *err)
{
        const struct tlog_checkpoint *given = arg;
        struct sha256 root;
        if (!log_root(tx, 1, given->size, &root, err))
                return false;
        return sha256_eq(&root, &given->root) ||
               err_set(err, ERR_LOG_FORKED, "the root at size %llu differs",
                       (unsigned long long)given->size);
}

/* Opens again, signs, and compares all notes that were handed out. */
static void child_judge(const struct place *place)
{
        struct child child = {.place = place};
        static char notes[1 << 16];
        child_open(&child);
        FILE *file = fopen(place->notes, "rb");
        size_t len = file ? fread(notes, 1, sizeof(notes), file) : 0;
        struct str rest = str_make(notes, len), note = child_checkpoint(&child);
        do {
                struct note parsed;
                struct tlog_checkpoint given;
                if (!note_parse(&child.arena, note, &parsed, &child.err) ||
                    !tlog_checkpoint_parse(parsed.text, &given, &child.err))
                        child_fail(&child, "note");
                if (!str_is(given.origin, "crash.example/ten_crash/eu/1"))
                        child_fail(&child, "a new epoch was opened");
                if (!store_read(child.store, &cell, NULL, judge_work, &given, &child.err))
                        child_fail(&child, "judge");
        } while (str_cut(&rest, '\0', &note));
        store_close(child.store);
        _exit(0);
}

/* Returns the wait status. kill_at 0: lets it live. */
static int run(const struct place *place, void (*work)(const struct place *place), unsigned kill_at)
{
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                char number[16];
                snprintf(number, sizeof(number), "%u", kill_at);
                setenv("COUNTERSIGN_KILL_AT", number, 1);
                work(place);
        }
        int status = 0;
        while (waitpid(pid, &status, 0) < 0)
                assert_int_equal(errno, EINTR);
        return status;
}

/* An empty log, in a store that is closed. */
static void start_anew(struct place *place)
{
        fixture_free(place->fixture);
        place->fixture = fixture_new(NULL);
        fixture_cell(place->fixture, &cell);
        store_close(place->fixture->store);
        place->fixture->store = NULL;
        unlink(place->notes);
}

/* Kills at step 1, 2, …, until a run is over before its step comes; returns how many were killed. */
static unsigned kill_at_each_step(struct place *place, bool from_nothing)
{
        for (unsigned step = 1;; step++) {
                if (from_nothing)
                        start_anew(place);
                int status = run(place, child_work, step);
                bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
                if (!killed)
                        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
                status = run(place, child_judge, 0);
                if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                        fail_msg("after a kill at step %u", step);
                if (!killed)
                        return step - 1;
        }
}

static void a_log_goes_on_after_a_kill_at_any_step_of_signing(void **state)
{
        (void)state;
        struct place place = {.folder = "/tmp/countersign-crash-XXXXXX"};
        assert_non_null(mkdtemp(place.folder));
        snprintf(place.key, sizeof(place.key), "%s/root.key", place.folder);
        snprintf(place.notes, sizeof(place.notes), "%s/notes", place.folder);
        /* The first checkpoint of a log, and one of a log that has some. */
        assert_true(kill_at_each_step(&place, true) >= 4);
        assert_true(kill_at_each_step(&place, false) >= 3);
        fixture_free(place.fixture);
        unlink(place.key);
        unlink(place.notes);
        assert_int_equal(rmdir(place.folder), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_log_goes_on_after_a_kill_at_any_step_of_signing)};
        return cmocka_run_group_tests_name("log crash", tests, NULL, NULL);
}
