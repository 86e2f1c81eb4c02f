/* SPDX-License-Identifier: Apache-2.0 */
/* A cell that lost what was signed, or part of it: no fork is ever signed. */
#include "log/test_bench.h"

#include <unistd.h>

static void cell_path(const struct bench *bench, char *ret_path, size_t size)
{
        snprintf(ret_path, size, "%s/cells/eu/ten_a.db", bench->fixture->folder);
}

/* On PostgreSQL one cell is not put back by itself: the database's own tools put all of it back. */
static void only_with_files(void)
{
        if (fixture_on_postgres()) {
                print_message("skipped: it puts back a cell's file, and PostgreSQL has none\n");
                skip();
        }
}

/* Puts the cell's file back to the copy, as a careless restore does. */
static void restore(struct bench *bench, const char *copy)
{
        char path[512], side[600];
        cell_path(bench, path, sizeof(path));
        store_close(bench->fixture->store);
        snprintf(side, sizeof(side), "%s-wal", path);
        unlink(side);
        snprintf(side, sizeof(side), "%s-shm", path);
        unlink(side);
        assert_int_equal(rename(copy, path), 0);
        fixture_open(bench->fixture);
}

static void snapshot(struct bench *bench, char *ret_copy, size_t size)
{
        snprintf(ret_copy, size, "%s/copy.db", bench->fixture->folder);
        must(store_cell_snapshot(bench->fixture->store, &cell, ret_copy, &err));
}

/* The first entry of epoch 2 names the code. */
static void expect_second_epoch(struct bench *bench, const char *code)
{
        struct tlog_checkpoint head = open_note(bench, checkpoint(bench));
        assert_true(str_is(head.origin, "logs.example/ten_a/eu/2"));
        struct query query = {.epoch = 2, .seq = 0};
        must(read_log(bench, entry_work, &query));
        assert_true(str_find_str(query.leaf, str_from(code)) >= 0);
        assert_true(str_find_str(query.leaf, STR("\"operation\":\"log.epoch.open\"")) >= 0);
}

static void a_cell_that_went_back_opens_a_new_epoch(void **state)
{
        struct bench *bench = *state;
        char copy[512];
        only_with_files();
        append(bench, "entry", 0, 10);
        struct str first = checkpoint(bench);
        snapshot(bench, copy, sizeof(copy));
        append(bench, "entry", 10, 10);
        checkpoint(bench);
        struct str vkey = head_of(bench, 1).vkey;
        restore(bench, copy);
        expect_second_epoch(bench, "LOG_WENT_BACK");
        /* What was signed before is served as it was, and nothing more is signed for it. */
        struct log_head old = head_of(bench, 1);
        assert_int_equal(old.signed_size, 10);
        assert_true(str_eq(old.note, first));
        BUF_SCOPED all;
        buf_init(&all, 1 << 20);
        export_all(bench, 1, &all);
        verify_export(buf_str(&all), vkey, 10);
        assert_int_equal(append(bench, "entry", 0, 1).epoch, 2);
        assert_int_equal(open_note(bench, checkpoint(bench)).size, 2);
}

static void a_cell_that_went_back_and_grew_another_way_opens_a_new_epoch(void **state)
{
        struct bench *bench = *state;
        char copy[512];
        only_with_files();
        append(bench, "entry", 0, 10);
        checkpoint(bench);
        snapshot(bench, copy, sizeof(copy));
        append(bench, "entry", 10, 10);
        checkpoint(bench);
        restore(bench, copy);
        append(bench, "another", 10, 30);
        expect_second_epoch(bench, "LOG_FORKED");
}

static void a_cell_that_lost_its_epoch_does_not_reuse_it(void **state)
{
        struct bench *bench = *state;
        char copy[512];
        only_with_files();
        snapshot(bench, copy, sizeof(copy));
        append(bench, "entry", 0, 10);
        checkpoint(bench);
        restore(bench, copy);
        expect_second_epoch(bench, "LOG_WENT_BACK");
}

static void a_cell_that_lost_only_unsigned_entries_continues(void **state)
{
        struct bench *bench = *state;
        char copy[512];
        only_with_files();
        append(bench, "entry", 0, 10);
        checkpoint(bench);
        snapshot(bench, copy, sizeof(copy));
        append(bench, "entry", 10, 10);
        restore(bench, copy);
        append(bench, "entry", 10, 3);
        struct tlog_checkpoint head = open_note(bench, checkpoint(bench));
        assert_int_equal(head.size, 13);
        assert_true(str_is(head.origin, "logs.example/ten_a/eu/1"));
}

static void a_failure_after_the_high_water_costs_nothing(void **state)
{
        struct bench *bench = *state;
        append(bench, "entry", 0, 10);
        checkpoint(bench);
        append(bench, "entry", 10, 10);
        /* The key cannot be unwrapped: it fails after the high water was raised to 20. */
        struct envelope *wrong = NULL;
        must(envelope_open_ephemeral(&wrong, &err));
        struct log_signer signer = {wrong, "logs.example"};
        struct str note;
        assert_false(log_checkpoint(&signer, bench->fixture->store, &cell, &bench->arena, &note, &err));
        envelope_free(wrong);
        assert_int_equal(head_of(bench, 0).signed_size, 10);
        struct tlog_checkpoint head = open_note(bench, checkpoint(bench));
        assert_int_equal(head.size, 20);
        assert_true(str_is(head.origin, "logs.example/ten_a/eu/1"));
}

static void a_log_keeps_its_key_while_the_root_key_rotates(void **state)
{
        struct bench *bench = *state;
        char path[512];
        struct str vkey = STR_NULL;
        snprintf(path, sizeof(path), "%s/root.key", bench->fixture->folder);
        for (uint64_t rotation = 0; rotation < 4; rotation++) {
                envelope_free(bench->envelope);
                must(envelope_open(path, &bench->envelope, &err));
                bench->signer.envelope = bench->envelope;
                append(bench, "entry", rotation, 1);
                assert_int_equal(open_note(bench, checkpoint(bench)).size, rotation + 1);
                if (rotation > 0)
                        assert_true(str_eq(vkey, head_of(bench, 0).vkey));
                vkey = head_of(bench, 0).vkey;
                must(envelope_rotate_file(path, &err));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                LOG_TEST(a_cell_that_went_back_opens_a_new_epoch),
                LOG_TEST(a_cell_that_went_back_and_grew_another_way_opens_a_new_epoch),
                LOG_TEST(a_cell_that_lost_its_epoch_does_not_reuse_it),
                LOG_TEST(a_cell_that_lost_only_unsigned_entries_continues),
                LOG_TEST(a_failure_after_the_high_water_costs_nothing),
                LOG_TEST(a_log_keeps_its_key_while_the_root_key_rotates),
        };

        return cmocka_run_group_tests_name("log_epochs", tests, NULL, NULL);
}
