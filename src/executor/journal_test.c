/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/journal.h"

#include "base/id.h"
#include "executor/test_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

#define DIGEST_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct str STATEMENT = STR("{\"what\":\"line\\n\xc3\xa9\"}");
static const struct str REPORT = STR("{\"payload\":\"x\"}");
static const struct str REPORT_AS_JSON = STR("payload");

/* ---- disks that fail at the n-th call --------------------------------------------------------- */

static int fail_at; /* counts down; the call that makes it 0 fails, and all after it */
static bool fail_short;

static bool fails(void)
{
        return fail_at > 0 && --fail_at == 0 ? (fail_at = 1, true) : false;
}

static ssize_t bad_write(int fd, const void *bytes, size_t len)
{
        if (!fails())
                return write(fd, bytes, len);
        if (fail_short && len > 1)
                (void)!write(fd, bytes, len / 2);
        errno = ENOSPC;
        return -1;
}

static int bad_fsync(int fd)
{
        if (!fails())
                return fsync(fd);
        errno = EIO;
        return -1;
}

static int bad_ftruncate(int fd, off_t length)
{
        if (!fails())
                return ftruncate(fd, length);
        errno = EIO;
        return -1;
}

static int bad_rename(const char *from, const char *to)
{
        if (!fails())
                return rename(from, to);
        errno = EIO;
        return -1;
}

static const struct journal_io bad_io = {
        .write = bad_write, .fsync = bad_fsync, .ftruncate = bad_ftruncate, .rename = bad_rename};

/* ---- a story of three actions -------------------------------------------------------------------- */

struct story {
        struct id a, b, c, claim;
        unsigned done; /* steps that were acknowledged */
};

enum { STORY_STEPS = 9 };

static bool story_step(struct journal *journal, const struct story *s, unsigned step, struct err *err)
{
        struct journal_entry entry = {.action = id_str(&s->a),
                                      .claim = id_str(&s->claim),
                                      .digest = STR(DIGEST_A),
                                      .statement = STATEMENT,
                                      .begun_ms = 7};
        struct journal_result result = {.action = id_str(&s->a),
                                        .claim = id_str(&s->claim),
                                        .digest = STR(DIGEST_A),
                                        .report = REPORT};

        switch (step) {
        case 0:
                return journal_note_claiming(journal, id_str(&s->a), err);
        case 1:
                return journal_note_begun(journal, &entry, err);
        case 2:
                result.open = true;
                return journal_note_done(journal, &result, err);
        case 3:
                return journal_note_reported(journal, id_str(&s->a), err);
        case 4:
                return journal_note_done(journal, &result, err);
        case 5:
                return journal_note_reported(journal, id_str(&s->a), err);
        case 6:
                return journal_note_claiming(journal, id_str(&s->b), err);
        case 7:
                return journal_note_claiming(journal, id_str(&s->c), err);
        default:
                return journal_note_no_claim(journal, id_str(&s->c), err);
        }
}

static struct story story_new(void)
{
        return (struct story){
                .a = id_new("act"), .b = id_new("act"), .c = id_new("act"), .claim = id_new("clm")};
}

static void story_tell(const char *dir, struct story *s, const struct journal_io *io)
{
        struct journal *journal;
        struct err err;

        s->done = 0;
        if (!journal_create(dir, io, &err) || !journal_open(dir, io, &journal, &err))
                return;
        while (s->done < STORY_STEPS && story_step(journal, s, s->done, &err))
                s->done++;
        journal_close(journal);
}

/* What must be known after `steps` steps, or after one more that was not acknowledged. */
static void story_check(struct journal *journal, const struct story *s, unsigned steps, bool maybe_one_more)
{
        ARENA_SCOPED arena;
        struct journal_item item;
        bool seen = journal_has_seen(journal, id_str(&s->a), STR_NULL);
        bool have;

        arena_init(&arena, 1 << 20);
        if (steps >= 2)
                assert_true(seen);
        else if (!(steps == 1 && maybe_one_more))
                assert_false(seen);
        assert_int_equal(seen, journal_has_seen(journal, id_str(&s->b), STR(DIGEST_A)));
        assert_false(journal_has_seen(journal, id_str(&s->b), STR(DIGEST_B)));

        have = journal_unfinished(journal, &arena, 0, &item);
        if (maybe_one_more || steps == 0)
                return;
        assert_int_equal(have, steps != 6);
        if (!have)
                return;
        if (steps < 6)
                assert_true(str_eq(item.entry.action, id_str(&s->a)));
        if (steps == 1)
                assert_int_equal(item.need, JOURNAL_NEEDS_CLAIM);
        if (steps >= 2 && steps <= 4)
                assert_int_equal(item.need, JOURNAL_NEEDS_RECONCILE);
        if (steps == 2) {
                assert_true(str_eq(item.entry.statement, STATEMENT));
                assert_int_equal(item.entry.begun_ms, 7);
        }
        if (steps == 3 || steps == 4)
                assert_int_equal(item.report_sent, steps == 4);
        if (steps == 5) {
                assert_int_equal(item.need, JOURNAL_NEEDS_REPORT);
                assert_true(str_eq(item.report, REPORT));
        }
        if (steps > 6)
                assert_true(str_eq(item.entry.action, id_str(&s->b)));
        assert_int_equal(journal_unfinished(journal, &arena, 1, &item), steps == 8);
}

/* ---- tests ------------------------------------------------------------------------------------------ */

static void what_was_noted_is_there_after_a_restart(void **state)
{
        for (unsigned steps = 0; steps <= STORY_STEPS; steps++) {
                TEST_DIR dir = test_dir_new();
                struct story s = story_new();
                struct journal *journal;
                struct err err;

                assert_true(journal_create(dir.path, NULL, &err));
                assert_true(journal_open(dir.path, NULL, &journal, &err));
                for (unsigned i = 0; i < steps; i++)
                        assert_true(story_step(journal, &s, i, &err));
                story_check(journal, &s, steps, false);
                journal_close(journal);
                assert_true(journal_open(dir.path, NULL, &journal, &err));
                story_check(journal, &s, steps, false);
                journal_close(journal);
        }
        (void)state;
}

static void begun_twice_is_refused(void **state)
{
        TEST_DIR dir = test_dir_new();
        struct story s = story_new();
        struct journal_entry entry = {
                .action = id_str(&s.a), .claim = id_str(&s.claim), .digest = STR(DIGEST_A)};
        struct journal *journal;
        struct err err;

        assert_true(journal_create(dir.path, NULL, &err));
        assert_true(journal_open(dir.path, NULL, &journal, &err));
        assert_true(journal_note_begun(journal, &entry, &err));
        assert_false(journal_note_begun(journal, &entry, &err));
        assert_int_equal(err.code, ERR_JOURNAL_REFUSED);
        assert_false(journal_note_claiming(journal, id_str(&s.a), &err));
        assert_int_equal(err.code, ERR_JOURNAL_REFUSED);

        /* Another action's id with the same statement is the same thing again. */
        entry.action = id_str(&s.b);
        assert_false(journal_note_begun(journal, &entry, &err));
        assert_int_equal(err.code, ERR_JOURNAL_REFUSED);
        journal_close(journal);
        (void)state;
}

static void a_refused_claim_is_seen_too(void **state)
{
        TEST_DIR dir = test_dir_new();
        struct story s = story_new();
        struct journal_result result = {.action = id_str(&s.a),
                                        .claim = id_str(&s.claim),
                                        .digest = STR(DIGEST_A),
                                        .report = REPORT};
        struct journal *journal;
        struct err err;

        assert_true(journal_create(dir.path, NULL, &err));
        assert_true(journal_open(dir.path, NULL, &journal, &err));
        assert_true(journal_note_done(journal, &result, &err));
        assert_true(journal_has_seen(journal, id_str(&s.a), STR_NULL));
        journal_close(journal);
        (void)state;
}

/* Cut anywhere, the file opens and holds exactly the lines that were whole. */
static void torn_at_every_byte_only_the_last_line_is_lost(void **state)
{
        TEST_DIR dir = test_dir_new();
        TEST_DIR cut = test_dir_new();
        struct story s = story_new();
        size_t len;
        _cleanup_(heap_freep) char *whole = NULL;

        story_tell(dir.path, &s, NULL);
        assert_int_equal(s.done, STORY_STEPS);
        whole = test_file_read(&dir, "journal", &len);
        for (size_t keep = 0; keep < len; keep++) {
                struct journal *journal;
                struct err err;
                unsigned lines = 0;

                for (size_t i = 0; i < keep; i++)
                        lines += whole[i] == '\n';
                test_file_write(&cut, "journal", str_make(whole, keep));
                if (lines == 0) {
                        assert_false(journal_open(cut.path, NULL, &journal, &err));
                        continue;
                }
                assert_true(journal_open(cut.path, NULL, &journal, &err));
                story_check(journal, &s, lines - 1, false);
                /* And goes on from there. */
                assert_true(journal_note_claiming(journal, id_str(&s.c), &err));
                journal_close(journal);
                assert_true(journal_open(cut.path, NULL, &journal, &err));
                story_check(journal, &s, lines - 1, true);
                journal_close(journal);
        }
        (void)state;
}

static void any_changed_byte_is_refused(void **state)
{
        TEST_DIR dir = test_dir_new();
        struct story s = story_new();
        size_t len;
        _cleanup_(heap_freep) char *whole = NULL;

        story_tell(dir.path, &s, NULL);
        whole = test_file_read(&dir, "journal", &len);
        for (size_t at = 0; at < len; at++) {
                struct journal *journal;
                struct err err;

                whole[at] = (char)(whole[at] ^ (at % 2 ? 0x01 : 0x10));
                test_file_write(&dir, "journal", str_make(whole, len));
                whole[at] = (char)(whole[at] ^ (at % 2 ? 0x01 : 0x10));
                assert_false(journal_open(dir.path, NULL, &journal, &err));
                assert_non_null(strstr(err.message, "journal"));
        }
        (void)state;
}

static void a_missing_line_end_with_a_line_after_it_is_refused(void **state)
{
        TEST_DIR dir = test_dir_new();
        struct journal *journal;
        struct err err;

        test_file_write(&dir, "journal", STR("countersign-journal/1\n00000000 {\"kind\":\"begun\"\n"));
        assert_false(journal_open(dir.path, NULL, &journal, &err));
        assert_non_null(strstr(err.message, "line 2"));
        assert_non_null(strstr(err.message, "backup"));
        (void)state;
}

static void a_missing_journal_is_refused(void **state)
{
        TEST_DIR dir = test_dir_new();
        struct journal *journal;
        struct err err;

        assert_false(journal_open(dir.path, NULL, &journal, &err));
        assert_non_null(strstr(err.message, "missing"));
        (void)state;
}

/* The n-th write, fsync or ftruncate fails, for every n: nothing acknowledged is lost. */
static void every_failing_disk_call_loses_nothing(void **state)
{
        for (int kind = 0; kind < 2; kind++) {
                for (int n = 1;; n++) {
                        TEST_DIR dir = test_dir_new();
                        struct story s = story_new();
                        struct journal *journal;
                        struct err err;

                        fail_short = kind == 1;
                        fail_at = n;
                        story_tell(dir.path, &s, &bad_io);
                        if (s.done == STORY_STEPS)
                                break;
                        fail_at = 0;
                        if (access(dir.path, F_OK) == 0 && journal_create(dir.path, NULL, &err) &&
                            journal_open(dir.path, NULL, &journal, &err)) {
                                story_check(journal, &s, s.done, true);
                                journal_close(journal);
                        } else {
                                /* Only a file that never became a journal may be beyond use. */
                                assert_int_equal(s.done, 0);
                        }
                }
                fail_at = 0;
        }
        (void)state;
}

static void after_a_failed_write_nothing_more_is_taken(void **state)
{
        TEST_DIR dir = test_dir_new();
        struct story s = story_new();
        struct journal *journal;
        struct err err;

        assert_true(journal_create(dir.path, NULL, &err));
        fail_at = 0;
        assert_true(journal_open(dir.path, &bad_io, &journal, &err));
        fail_at = 1;
        assert_false(journal_note_claiming(journal, id_str(&s.a), &err));
        assert_int_equal(err.code, ERR_STORE_FAILED);
        fail_at = 0;
        assert_false(journal_note_claiming(journal, id_str(&s.b), &err));
        assert_non_null(strstr(err.message, "start the executor again"));
        journal_close(journal);
        (void)state;
}

/* ---- erasing ------------------------------------------------------------------------------------------ */

/* a is finished, b waits for a claim, c has begun. */
static void tell_for_erasing(struct journal *journal, struct story *s)
{
        struct journal_entry entry = {.action = id_str(&s->c),
                                      .claim = id_str(&s->claim),
                                      .digest = STR(DIGEST_B),
                                      .statement = STR("statement of c"),
                                      .begun_ms = 8};
        struct err err;

        for (unsigned i = 0; i < 7; i++)
                assert_true(story_step(journal, s, i, &err));
        assert_true(journal_note_begun(journal, &entry, &err));
}

/* Nothing of the truth is lost, whether the content is there or not. */
static void check_after_erasing(const char *path, const struct story *s)
{
        ARENA_SCOPED arena;
        struct journal_item item;
        struct journal *journal;
        struct err err;

        arena_init(&arena, 1 << 20);
        assert_true(journal_open(path, NULL, &journal, &err));
        assert_false(journal_note_claiming(journal, id_str(&s->a), &err));
        assert_int_equal(err.code, ERR_JOURNAL_REFUSED);
        assert_true(journal_has_seen(journal, id_str(&s->b), STR(DIGEST_A)));
        assert_true(journal_unfinished(journal, &arena, 0, &item));
        assert_true(str_eq(item.entry.action, id_str(&s->b)));
        assert_int_equal(item.need, JOURNAL_NEEDS_CLAIM);
        assert_true(journal_unfinished(journal, &arena, 1, &item));
        assert_true(str_eq(item.entry.action, id_str(&s->c)));
        assert_true(str_eq(item.entry.statement, STR("statement of c")));
        assert_int_equal(item.entry.begun_ms, 8);
        assert_false(journal_unfinished(journal, &arena, 2, &item));
        journal_close(journal);
}

static bool file_has(const struct test_dir *dir, struct str word)
{
        size_t len;
        _cleanup_(heap_freep) char *bytes = test_file_read(dir, "journal", &len);

        return str_find_str(str_make(bytes, len), word) >= 0;
}

static void what_is_reported_is_erased_and_not_forgotten(void **state)
{
        TEST_DIR dir = test_dir_new();
        struct story s = story_new();
        struct journal_result result = {.action = id_str(&s.c),
                                        .claim = id_str(&s.claim),
                                        .digest = STR(DIGEST_B),
                                        .report = STR("report of c"),
                                        .outcome = STR("failed")};
        struct journal *journal;
        size_t len;
        struct err err;

        assert_true(journal_create(dir.path, NULL, &err));
        assert_true(journal_open(dir.path, NULL, &journal, &err));
        tell_for_erasing(journal, &s);
        assert_true(file_has(&dir, REPORT_AS_JSON));
        assert_true(journal_erase_closed(journal, &err));
        assert_false(file_has(&dir, REPORT_AS_JSON));
        assert_true(file_has(&dir, STR(DIGEST_A)));
        check_after_erasing(dir.path, &s);
        /* It goes on in the new file, and a second time around keeps what the first has kept. */
        assert_true(journal_note_done(journal, &result, &err));
        assert_true(journal_note_reported(journal, id_str(&s.c), &err));
        assert_true(journal_erase_closed(journal, &err));
        journal_close(journal);
        assert_true(journal_open(dir.path, NULL, &journal, &err));
        assert_true(journal_has_seen(journal, id_str(&s.a), STR_NULL));
        assert_true(journal_has_seen(journal, id_str(&s.c), STR(DIGEST_B)));
        assert_true(file_has(&dir, STR("\"outcome\":\"failed\"")));
        assert_false(file_has(&dir, STR("report of c")));
        journal_close(journal);
        heap_free(test_file_read(&dir, "journal", &len));
        assert_in_range(len, 1, 2 * 400);
        (void)state;
}

static void erasing_on_a_failing_disk_loses_nothing(void **state)
{
        bool ok = false;

        for (int n = 1; !ok; n++) {
                TEST_DIR dir = test_dir_new();
                struct story s = story_new();
                struct journal *journal;
                struct err err;

                assert_in_range(n, 1, 50);
                fail_at = 0;
                assert_true(journal_create(dir.path, NULL, &err));
                assert_true(journal_open(dir.path, &bad_io, &journal, &err));
                tell_for_erasing(journal, &s);
                fail_at = n;
                ok = journal_erase_closed(journal, &err);
                fail_at = 0;
                journal_close(journal);
                check_after_erasing(dir.path, &s);
        }
        (void)state;
}

#ifdef COUNTERSIGN_TEST_HOOKS
/* In a process of its own, killed at its n-th step; false when it came to its end. */
static bool erase_killed(const char *path, unsigned n)
{
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0) {
                char text[16];

                /* Anew, since the hooks of this process have read its environment. */
                (void)snprintf(text, sizeof(text), "%u", n);
                (void)setenv("COUNTERSIGN_KILL_AT", text, 1);
                (void)execl("/proc/self/exe", "journal_test", "erase", path, (char *)NULL);
                _exit(1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        return WIFSIGNALED(status);
}

static int erase_main(const char *path)
{
        struct journal *journal;
        struct err err;
        bool ok;

        if (!journal_open(path, NULL, &journal, &err))
                return 1;
        ok = journal_erase_closed(journal, &err);
        journal_close(journal);
        return ok ? 0 : 1;
}

static void killed_at_every_step_of_erasing_nothing_is_lost(void **state)
{
        bool killed = true;
        unsigned n;
        size_t len;

        for (n = 1; killed; n++) {
                TEST_DIR dir = test_dir_new();
                struct story s = story_new();
                struct journal *journal;
                struct err err;

                assert_true(journal_create(dir.path, NULL, &err));
                assert_true(journal_open(dir.path, NULL, &journal, &err));
                tell_for_erasing(journal, &s);
                journal_close(journal);
                killed = erase_killed(dir.path, n);
                check_after_erasing(dir.path, &s);
                /* The next start ends what was cut off, and nothing lies about. */
                assert_true(journal_open(dir.path, NULL, &journal, &err));
                assert_true(journal_erase_closed(journal, &err));
                journal_close(journal);
                assert_false(file_has(&dir, REPORT_AS_JSON));
                assert_null(test_file_read(&dir, "journal.new", &len));
                check_after_erasing(dir.path, &s);
        }
        assert_int_equal(n - 2, 6);
        (void)state;
}
#endif

static void crc32c_is_castagnolis(void **state)
{
        /* RFC 3720 appendix B.4. */
        char zeros[32] = {0};

        assert_int_equal(crc32c(str_make(zeros, 32)), 0x8a9136aa);
        assert_int_equal(crc32c(STR("123456789")), 0xe3069283);
        (void)state;
}

int main(int argc, char **argv)
{
#ifdef COUNTERSIGN_TEST_HOOKS
        if (argc == 3)
                return erase_main(argv[2]);
#endif
        (void)argc;
        (void)argv;

        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_noted_is_there_after_a_restart),
                cmocka_unit_test(begun_twice_is_refused),
                cmocka_unit_test(a_refused_claim_is_seen_too),
                cmocka_unit_test(torn_at_every_byte_only_the_last_line_is_lost),
                cmocka_unit_test(any_changed_byte_is_refused),
                cmocka_unit_test(a_missing_line_end_with_a_line_after_it_is_refused),
                cmocka_unit_test(a_missing_journal_is_refused),
                cmocka_unit_test(every_failing_disk_call_loses_nothing),
                cmocka_unit_test(after_a_failed_write_nothing_more_is_taken),
                cmocka_unit_test(what_is_reported_is_erased_and_not_forgotten),
                cmocka_unit_test(erasing_on_a_failing_disk_loses_nothing),
#ifdef COUNTERSIGN_TEST_HOOKS
                cmocka_unit_test(killed_at_every_step_of_erasing_nothing_is_lost),
#endif
                cmocka_unit_test(crc32c_is_castagnolis),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
