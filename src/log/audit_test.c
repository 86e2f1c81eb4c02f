/* SPDX-License-Identifier: Apache-2.0 */
/* An export is verified offline; whatever is done to it is found, and its place named. */
#include "base/heap.h"
#include "log/audit.h"
#include "log/audit_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ORIGIN STR("logs.example/ten_a/eu/1")

enum { LINES_MAX = 700, SIZE = 600 };

static struct err err;
static struct ed25519_key *key;
static struct str vkey;
static struct arena keep;

/* An export as lines, so that a test can move, drop and change them. */
struct export
{
        struct str lines[LINES_MAX]; /* with their newlines; in the arena */
        size_t count;
        struct arena arena;
};

static void sign(struct buf *note, uint64_t size, const struct sha256 *root)
{
        BUF_SCOPED text;
        buf_init(&text, 4096);
        struct tlog_checkpoint checkpoint = {
                .origin = ORIGIN, .size = size, .root = *root, .extensions = STR("")};
        tlog_checkpoint_append(&text, &checkpoint);
        assert_true(note_append_signed(note, buf_str(&text), ORIGIN, key, &err));
}

static void export_add(struct export *export, struct str line)
{
        assert_true(export->count < LINES_MAX);
        export->lines[export->count] = arena_str(&export->arena, line);
        assert_non_null(export->lines[export->count++].ptr);
}

static void export_make(struct export *export, unsigned size)
{
        struct merkle_frontier frontier;
        BUF_SCOPED line, hashes, note;
        merkle_frontier_init(&frontier);
        arena_init(&export->arena, 64 << 20);
        buf_init(&line, 1 << 20);
        buf_init(&hashes, 1 << 20);
        buf_init(&note, 1 << 20);
        export->count = 0;
        export_add(export, STR("header\n")); /* known only at the end */
        for (unsigned i = 0; i < size; i++) {
                struct sha256 hash;
                buf_reset(&line);
                buf_printf(&line, "{\"action_id\":1,\"api\":{\"operation\":\"test\"},\"time\":%u}", i);
                merkle_leaf(buf_str(&line), &hash);
                merkle_frontier_append(&frontier, &hash);
                buf_append_str(&hashes, sha256_str(&hash));
                buf_append_char(&line, '\n');
                export_add(export, buf_str(&line));
                if (i % TLOG_TILE_WIDTH == TLOG_TILE_WIDTH - 1 || i == size - 1) {
                        buf_reset(&line);
                        audit_append_tile(&line, i / TLOG_TILE_WIDTH, buf_str(&hashes));
                        export_add(export, buf_str(&line));
                        buf_reset(&hashes);
                }
        }
        struct sha256 root;
        merkle_frontier_root(&frontier, &root);
        sign(&note, size, &root);
        buf_reset(&line);
        audit_append_header(&line, buf_str(&note), vkey);
        export->lines[0] = arena_str(&export->arena, buf_str(&line));
}

struct memory {
        struct str rest;
        size_t step; /* at most so many bytes at once */
};

static bool memory_read(void *data, char *bytes, size_t size, size_t *ret_len, struct err *error)
{
        struct memory *memory = data;
        (void)error;
        size_t take = memory->rest.len < size ? memory->rest.len : size;
        if (take > memory->step)
                take = memory->step;
        if (take > 0)
                memcpy(bytes, memory->rest.ptr, take);
        memory->rest = str_slice(memory->rest, take, memory->rest.len);
        *ret_len = take;
        return true;
}

static bool verify_bytes(struct str bytes, size_t step, struct audit_report *report)
{
        struct memory memory = {bytes, step};
        struct audit_input input = {memory_read, &memory};
        err_clear(&err);
        return audit_verify_export(&input, vkey, report, &err);
}

static bool verify(const struct export *export, struct audit_report *report)
{
        BUF_SCOPED all;
        buf_init(&all, 64 << 20);
        for (size_t i = 0; i < export->count; i++)
                buf_append_str(&all, export->lines[i]);
        assert_true(buf_check(&all, "export", &err));
        return verify_bytes(buf_str(&all), 1 << 20, report);
}

/* The export is refused, at this line and entry (-1: none), with these words. */
static void expect_bad(const struct export *export, uint64_t line, int64_t entry, const char *words)
{
        struct audit_report report;
        if (verify(export, &report))
                fail_msg("an altered export was accepted");
        if (report.bad_line != line || report.bad_entry != entry || !strstr(err.message, words))
                fail_msg("line %d, entry %d: %s", (int)report.bad_line, (int)report.bad_entry, err.message);
        assert_int_equal(err.code, ERR_PROOF_INVALID);
        assert_non_null(strstr(err.place, "line "));
}

static void good_exports_verify_however_they_are_read(void **state)
{
        (void)state;
        static const unsigned sizes[] = {0, 1, 2, 255, 256, 257, 512, 600};
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                struct export export;
                struct audit_report report;
                export_make(&export, sizes[i]);
                if (!verify(&export, &report))
                        fail_msg("size %u: %s", sizes[i], err.message);
                assert_int_equal(report.entries, sizes[i]);
                assert_string_equal(report.origin, ORIGIN.ptr);
                BUF_SCOPED all;
                buf_init(&all, 64 << 20);
                for (size_t l = 0; l < export.count; l++)
                        buf_append_str(&all, export.lines[l]);
                assert_true(verify_bytes(buf_str(&all), 1, &report));
                assert_true(verify_bytes(buf_str(&all), 777, &report));
                arena_done(&export.arena);
        }
}

static void every_altered_byte_is_found(void **state)
{
        (void)state;
        struct export export;
        struct audit_report report;
        export_make(&export, 5);
        BUF_SCOPED all;
        buf_init(&all, 64 << 20);
        for (size_t l = 0; l < export.count; l++)
                buf_append_str(&all, export.lines[l]);
        for (size_t i = 0; i < all.len; i++) {
                for (unsigned bit = 0; bit < 8; bit++) {
                        all.ptr[i] = (char)(all.ptr[i] ^ (1 << bit));
                        if (verify_bytes(buf_str(&all), 1 << 20, &report))
                                fail_msg("byte %zu, bit %u went unnoticed", i, bit);
                        assert_true(report.bad_line > 0);
                        all.ptr[i] = (char)(all.ptr[i] ^ (1 << bit));
                }
                assert_false(verify_bytes(str_make(all.ptr, i), 1 << 20, &report));
                assert_true(report.bad_line > 0);
        }
        assert_true(verify_bytes(buf_str(&all), 1 << 20, &report));
        arena_done(&export.arena);
}

/* Line numbers from 1: the header; entry e of tile t stands in line 2 + e + t. */
static void changed_entries_are_named(void **state)
{
        (void)state;
        static const unsigned entries[] = {0, 1, 255, 256, 300, 599};
        for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
                struct export export;
                unsigned line = 2 + entries[i] + entries[i] / 256;
                export_make(&export, SIZE);
                ((char *)export.lines[line - 1].ptr)[14] ^= 1;
                expect_bad(&export, line, entries[i], "its bytes were changed");
                arena_done(&export.arena);
        }
}

static void changed_hashes_are_told_from_changed_entries(void **state)
{
        (void)state;
        struct export export;
        export_make(&export, SIZE);
        /* Tile 1 stands in line 1 + 256 + 1 + 256 + 1 = 515; its first hash is entry 256's. */
        char *line = (char *)export.lines[514].ptr;
        line[AUDIT_TILE_LINE.len + 3] = line[AUDIT_TILE_LINE.len + 3] == 'A' ? 'B' : 'A';
        expect_bad(&export, 515, 256, "the entries are right");
        arena_done(&export.arena);
}

static void moved_entries_are_named(void **state)
{
        (void)state;
        struct export export;
        export_make(&export, SIZE);
        struct str line = export.lines[10];
        export.lines[10] = export.lines[20];
        export.lines[20] = line;
        expect_bad(&export, 11, 9, "holds entry 19 in the place of entry 9");
        export.lines[20] = export.lines[10];
        expect_bad(&export, 11, 9, "holds entry 19 in the place of entry 9");
        arena_done(&export.arena);
}

static void remove_line(struct export *export, size_t number)
{
        memmove(&export->lines[number - 1], &export->lines[number],
                (export->count - number) * sizeof(export->lines[0]));
        export->count--;
}

static void insert_line(struct export *export, size_t number, struct str line)
{
        memmove(&export->lines[number], &export->lines[number - 1],
                (export->count - number + 1) * sizeof(export->lines[0]));
        export->lines[number - 1] = line;
        export->count++;
}

static void removed_lines_are_named(void **state)
{
        (void)state;
        struct export export;
        export_make(&export, SIZE);
        remove_line(&export, 12);
        expect_bad(&export, 12, 10, "entry 10 is missing");
        arena_done(&export.arena);
        export_make(&export, SIZE);
        remove_line(&export, 258); /* the first line of hashes */
        expect_bad(&export, 258, -1, "are missing");
        arena_done(&export.arena);
        export_make(&export, SIZE);
        remove_line(&export, 1);
        expect_bad(&export, 1, -1, "first line");
        arena_done(&export.arena);
        /* A whole tile with its hashes */
        export_make(&export, SIZE);
        for (int i = 0; i < 257; i++)
                remove_line(&export, 2);
        expect_bad(&export, 258, -1, "of tile 1");
        arena_done(&export.arena);
}

static void duplicated_and_foreign_lines_are_named(void **state)
{
        (void)state;
        struct export export;
        export_make(&export, SIZE);
        insert_line(&export, 12, export.lines[10]);
        expect_bad(&export, 12, 9, "once more");
        arena_done(&export.arena);
        export_make(&export, SIZE);
        insert_line(&export, 12, STR("{}\n"));
        expect_bad(&export, 12, -1, "put in");
        arena_done(&export.arena);
        export_make(&export, SIZE);
        insert_line(&export, export.count + 1, STR("{}\n"));
        expect_bad(&export, export.count, -1, "after the last");
        arena_done(&export.arena);
        export_make(&export, SIZE);
        insert_line(&export, 12, STR("\n"));
        expect_bad(&export, 12, -1, "put in");
        arena_done(&export.arena);
}

static void truncated_exports_say_where(void **state)
{
        (void)state;
        struct export export;
        export_make(&export, SIZE);
        size_t count = export.count;
        export.count = 300; /* lines; line 301 would be entry 298 */
        expect_bad(&export, 301, 298, "cut off");
        export.count = count - 1;
        expect_bad(&export, count, -1, "are missing");
        export.count = count;
        export.lines[count - 1].len--;
        expect_bad(&export, count, -1, "cut off");
        export.count = 0;
        expect_bad(&export, 1, -1, "empty");
        arena_done(&export.arena);
}

static void oversize_lines_are_named(void **state)
{
        (void)state;
        struct export export;
        export_make(&export, SIZE);
        size_t len = 1 << 20;
        char *large = malloc(len);
        assert_non_null(large);
        memset(large, 'x', len);
        large[len - 1] = '\n';
        struct str line = export.lines[11];
        export.lines[11] = str_make(large, len);
        expect_bad(&export, 12, 10, "longer than any line");
        large[TLOG_ENTRY_MAX + 1] = '\n';
        export.lines[11] = str_make(large, TLOG_ENTRY_MAX + 2);
        expect_bad(&export, 12, 10, "65536 bytes");
        export.lines[11] = line;
        struct audit_report report;
        assert_true(verify(&export, &report));
        free(large);
        arena_done(&export.arena);
}

static void hashes_changed_with_their_entry_do_not_help(void **state)
{
        (void)state;
        struct export export;
        export_make(&export, 300);
        struct str note, their_vkey, header = export.lines[0];
        /* The last 44 entries and their hashes from another log, under the first one's checkpoint */
        struct export other;
        export_make(&other, 300);
        ((char *)other.lines[299].ptr)[14] ^= 1;
        BUF_SCOPED hashes, line;
        buf_init(&hashes, 1 << 20);
        buf_init(&line, 1 << 20);
        for (size_t i = 258; i < 302; i++) {
                struct sha256 hash;
                merkle_leaf(str_slice(other.lines[i], 0, other.lines[i].len - 1), &hash);
                buf_append_str(&hashes, sha256_str(&hash));
        }
        audit_append_tile(&line, 1, buf_str(&hashes));
        other.lines[302] = buf_str(&line);
        assert_true(
                audit_parse_header(&keep, str_slice(header, 0, header.len - 1), &note, &their_vkey, &err));
        expect_bad(&other, 1, -1, "changed together");
        arena_done(&export.arena);
        arena_done(&other.arena);
}

static void exports_of_other_logs_are_refused(void **state)
{
        (void)state;
        struct export export;
        struct audit_report report;
        export_make(&export, 3);
        struct str mine = vkey;
        vkey = STR("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx");
        assert_false(verify(&export, &report));
        assert_non_null(strstr(err.message, "not of the one asked for"));
        vkey = STR("nonsense");
        assert_false(verify(&export, &report));
        vkey = mine;
        assert_true(verify(&export, &report));
        arena_done(&export.arena);
}

static void a_receipt_is_verified_with_its_entry_and_key_alone(void **state)
{
        (void)state;
        struct sha256 leaf;
        BUF_SCOPED note, text;
        buf_init(&note, 4096);
        buf_init(&text, 8192);
        merkle_leaf(STR("entry"), &leaf);
        sign(&note, 1, &leaf);
        struct tlog_proof proof = {.checkpoint = buf_str(&note)};
        tlog_proof_append(&text, &proof);
        struct audit_receipt receipt;
        assert_true(audit_verify_receipt(STR("entry"), buf_str(&text), vkey, &receipt, &err));
        assert_true(audit_verify_receipt(STR("entry\n"), buf_str(&text), vkey, &receipt, &err));
        assert_int_equal(receipt.size, 1);
        assert_false(audit_verify_receipt(STR("entrz"), buf_str(&text), vkey, &receipt, &err));
        assert_false(audit_verify_receipt(STR("entry\n\n"), buf_str(&text), vkey, &receipt, &err));
        assert_false(audit_verify_receipt(STR("entry"), STR("nonsense"), vkey, &receipt, &err));
}

static void running_out_of_memory_is_an_error_at_every_allocation(void **state)
{
        (void)state;
        struct export export;
        struct audit_report report;
        BUF_SCOPED all;
        export_make(&export, 300);
        buf_init(&all, 64 << 20);
        for (size_t l = 0; l < export.count; l++)
                buf_append_str(&all, export.lines[l]);
        bool ok = false;
        size_t nth = 1;
        for (; !ok && nth < 1000; nth++) {
                heap_fail_from(nth);
                ok = verify_bytes(buf_str(&all), 1 << 20, &report);
                heap_fail_from(0);
                /* Never an accusation */
                if (!ok && err.code != ERR_NO_MEMORY)
                        fail_msg("allocation %zu: %s: %s", nth, err_name(err.code), err.message);
        }
        assert_true(ok);
        assert_true(nth > 4); /* it did fail before */
        arena_done(&export.arena);
}

static int setup(void **state)
{
        (void)state;
        uint8_t seed[ED25519_SEED_SIZE] = {5};
        struct note_verifier verifier;
        BUF_SCOPED text;
        arena_init(&keep, 1 << 20);
        buf_init(&text, 4096);
        if (!ed25519_key_from_seed(seed, &key, &err) ||
            !note_verifier_init(&verifier, ORIGIN, ed25519_key_public(key), &err))
                return -1;
        note_verifier_append(&text, &verifier);
        vkey = arena_str(&keep, buf_str(&text));
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        ed25519_key_free(key);
        arena_done(&keep);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(good_exports_verify_however_they_are_read),
                cmocka_unit_test(every_altered_byte_is_found),
                cmocka_unit_test(changed_entries_are_named),
                cmocka_unit_test(changed_hashes_are_told_from_changed_entries),
                cmocka_unit_test(moved_entries_are_named),
                cmocka_unit_test(removed_lines_are_named),
                cmocka_unit_test(duplicated_and_foreign_lines_are_named),
                cmocka_unit_test(truncated_exports_say_where),
                cmocka_unit_test(oversize_lines_are_named),
                cmocka_unit_test(hashes_changed_with_their_entry_do_not_help),
                cmocka_unit_test(exports_of_other_logs_are_refused),
                cmocka_unit_test(running_out_of_memory_is_an_error_at_every_allocation),
                cmocka_unit_test(a_receipt_is_verified_with_its_entry_and_key_alone),
        };
        return cmocka_run_group_tests_name("audit", tests, setup, teardown);
}
