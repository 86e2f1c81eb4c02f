/* SPDX-License-Identifier: Apache-2.0 */
/* The golden log's entries, put into a log of ours, give its tiles, bundles and roots at every size. */
#include "store/test/fixture.h"

#include "log/log.h"
#include "vectors.h"

enum { GOLDEN_SIZE = 15 };

static const struct cell_ref cell = {STR("ten_golden"), STR("eu")};

struct golden {
        struct arena arena;
        struct str entries[GOLDEN_SIZE];
        unsigned size;
};

static struct err err;

static struct str read_tile(struct arena *arena, bool of_entries, unsigned width)
{
        const struct tlog_tile tile = {.entries = of_entries, .width = width};
        char path[TLOG_PATH_SIZE + 8] = "tlog/";
        tlog_tile_path(&tile, path + 5);
        return vectors_read(arena, path);
}

static bool append_work(struct tx *tx, void *arg, struct err *error)
{
        struct golden *golden = arg;
        return log_append_raw(tx, golden->entries[golden->size], NULL, error);
}

static bool check_work(struct tx *tx, void *arg, struct err *error)
{
        struct golden *golden = arg;
        struct tlog_checkpoint theirs;
        struct note note;
        struct sha256 root;
        char path[64];
        for (int of_entries = 0; of_entries < 2; of_entries++) {
                BUF_SCOPED ours;
                const struct tlog_tile tile = {.entries = of_entries, .width = golden->size};
                buf_init(&ours, 1 << 20);
                if (!log_tile(tx, 0, &tile, &ours, error))
                        return false;
                assert_true(str_eq(buf_str(&ours), read_tile(&golden->arena, of_entries, golden->size)));
        }
        snprintf(path, sizeof(path), "tlog/checkpoint.%u", golden->size);
        if (!note_parse(&golden->arena, vectors_read(&golden->arena, path), &note, error) ||
            !tlog_checkpoint_parse(note.text, &theirs, error) ||
            !log_root(tx, 1, golden->size, &root, error))
                return false;
        assert_true(sha256_eq(&root, &theirs.root));
        return true;
}

static void same_entries_give_the_same_log(void **state)
{
        (void)state;
        struct fixture *fixture = fixture_new(NULL);
        struct golden golden = {.size = 0};
        arena_init(&golden.arena, 8 << 20);
        fixture_cell(fixture, &cell);
        struct str rest = read_tile(&golden.arena, true, GOLDEN_SIZE);
        for (unsigned i = 0; i < GOLDEN_SIZE; i++)
                assert_true(tlog_bundle_next(&rest, &golden.entries[i]));
        while (golden.size < GOLDEN_SIZE) {
                assert_true(store_write(fixture->store, &cell, NULL, append_work, &golden, &err));
                golden.size++;
                assert_true(store_read(fixture->store, &cell, NULL, check_work, &golden, &err));
        }
        arena_done(&golden.arena);
        fixture_free(fixture);
}

int main(void)
{
        vectors_require("tlog");
        const struct CMUnitTest tests[] = {cmocka_unit_test(same_entries_give_the_same_log)};
        return cmocka_run_group_tests_name("golden log in our store", tests, NULL, NULL);
}
