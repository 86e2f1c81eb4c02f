/* SPDX-License-Identifier: Apache-2.0 */
/* The log over the store: what is appended is provable. */
#include "log/test_bench.h"

#include "base/heap.h"
#include "base/json.h"

#include <pthread.h>

/* ---- events ----------------------------------------------------------------------------------- */

static const struct log_resource resources[] = {{"action", STR("act_1")}, {"container", STR("sha256:77")}};
static const struct log_detail details[] = {
        {"digest", STR("ab")}, {"a_code", STR("x")}, {"left_out", STR("")}};

static struct log_event some_event(void)
{
        return (struct log_event){
                .time_ms = 1800000000123,
                .activity = LOG_DELETE,
                .denied = true,
                .operation = STR("action.decide"),
                .code = STR("SELF_APPROVAL"),
                .actor = LOG_AGENT,
                .actor_id = STR("agt_1"),
                .credential_id = STR("key_1"),
                .workspace = STR("wrk_1"),
                .request_id = STR("req_1"),
                .trace_id = STR("0af7651916cd43dd8448eb211c80319c"),
                .resources = resources,
                .resource_count = 2,
                .details = details,
                .detail_count = 3,
        };
}

static void an_event_has_exactly_these_bytes(void **state)
{
        (void)state;
        struct log_event event = some_event();
        BUF_SCOPED buf;
        buf_init(&buf, 1 << 16);
        must(log_event_format(&buf, STR("ten_a"), STR("eu"), STR("evt_1"), &event, &err));
        assert_true(str_is(
                buf_str(&buf),
                "{\"action_id\":2,\"activity_id\":4,"
                "\"actor\":{\"user\":{\"credential_uid\":\"key_1\",\"type\":\"agent\",\"type_"
                "id\":99,\"uid\":\"agt_1\"}},"
                "\"api\":{\"operation\":\"action.decide\",\"request\":{\"uid\":\"req_1\"}},"
                "\"category_uid\":6,\"class_uid\":6003,\"disposition\":\"Blocked\",\"disposition_id\":2,"
                "\"metadata\":{\"correlation_uid\":\"0af7651916cd43dd8448eb211c80319c\","
                "\"product\":{\"name\":\"Countersign\",\"vendor_name\":\"Countersign\"},"
                "\"profiles\":[\"security_control\"],\"tenant_uid\":\"ten_a\",\"uid\":\"evt_1\","
                "\"version\":\"1.8.0\"},"
                "\"resources\":[{\"type\":\"action\",\"uid\":\"act_1\"},{\"type\":\"container\","
                "\"uid\":\"sha256:77\"}],"
                "\"severity_id\":2,\"src_endpoint\":{\"name\":\"api\"},\"status_code\":\"SELF_"
                "APPROVAL\",\"status_id\":2,"
                "\"time\":1800000000123,\"type_uid\":600304,"
                "\"unmapped\":{\"a_code\":\"x\",\"digest\":\"ab\",\"region\":\"eu\","
                "\"workspace\":\"wrk_1\"}}"));
}

static void events_are_canonical_json(void **state)
{
        struct bench *bench = *state;
        for (unsigned variant = 0; variant < 16; variant++) {
                struct log_event event = some_event();
                event.denied = (variant & 1) != 0;
                event.activity = (variant & 2) != 0 ? LOG_OTHER : LOG_READ;
                event.actor = (variant & 4) != 0 ? LOG_ANONYMOUS : LOG_USER;
                if (variant & 8)
                        event = (struct log_event){.activity = LOG_CREATE,
                                                   .operation = STR("a\"\n\xc3\xa9")};
                BUF_SCOPED buf, canonical;
                struct json json;
                buf_init(&buf, 1 << 16);
                buf_init(&canonical, 1 << 16);
                must(log_event_format(&buf, STR("ten_a"), STR("eu"), STR("evt_1"), &event, &err));
                must(json_parse(&bench->arena, buf_str(&buf), &json, &err));
                json_append_canonical(&canonical, &json);
                assert_true(str_eq(buf_str(&buf), buf_str(&canonical)));
                assert_true(str_find(buf_str(&buf), '\n') < 0);
        }
}

static void incomplete_and_oversize_events_are_refused(void **state)
{
        (void)state;
        BUF_SCOPED buf;
        buf_init(&buf, 1 << 20);
        struct log_event event = some_event();
        event.operation = STR("");
        assert_false(log_event_format(&buf, STR("t"), STR("r"), STR("e"), &event, &err));
        const struct log_detail twice[] = {{"a", STR("1")}, {"a", STR("2")}};
        event = some_event();
        event.details = twice;
        event.detail_count = 2;
        assert_false(log_event_format(&buf, STR("t"), STR("r"), STR("e"), &event, &err));
        const struct log_detail reserved[] = {{"region", STR("1")}};
        event.details = reserved;
        event.detail_count = 1;
        assert_false(log_event_format(&buf, STR("t"), STR("r"), STR("e"), &event, &err));
        static char large[TLOG_ENTRY_MAX + 1];
        memset(large, 'x', sizeof(large));
        const struct log_detail too_large[] = {{"a", str_make(large, sizeof(large))}};
        event.details = too_large;
        assert_false(log_event_format(&buf, STR("t"), STR("r"), STR("e"), &event, &err));
        assert_int_equal(err.code, ERR_BODY_TOO_LARGE);
}

/* ---- appending -------------------------------------------------------------------------------- */

static bool append_event_work(struct tx *tx, void *arg, struct err *error)
{
        struct log_event event = some_event();
        return log_append(tx, &event, arg, error);
}

static void entries_are_numbered_without_gaps_also_after_a_rollback(void **state)
{
        struct bench *bench = *state;
        struct log_position position;
        must(store_write(bench->fixture->store, &cell, NULL, append_event_work, &position, &err));
        assert_int_equal(position.epoch, 1);
        assert_int_equal(position.seq, 0);
        assert_int_equal(append(bench, "a", 0, 254).seq, 254);
        /* The rolled back transaction completes a tile, which must be gone as well. */
        struct append work = {.text = "gone", .count = 300, .fail = true};
        assert_false(store_write(bench->fixture->store, &cell, NULL, append_work, &work, &err));
        assert_int_equal(work.last.seq, 554);
        assert_int_equal(append(bench, "b", 0, 1).seq, 255);
        fixture_reopen(bench->fixture);
        assert_int_equal(append(bench, "b", 1, 300).seq, 555);
        struct query query = {.epoch = 1, .seq = 256};
        must(read_log(bench, entry_work, &query));
        assert_true(str_is(query.leaf, "b 1"));
        query.seq = 556;
        assert_false(read_log(bench, entry_work, &query));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        query.seq = UINT64_MAX;
        assert_false(read_log(bench, entry_work, &query));
        query = (struct query){.epoch = 2};
        assert_false(read_log(bench, entry_work, &query));
        assert_int_equal(err.code, ERR_NOT_FOUND);
}

static bool append_bad_work(struct tx *tx, void *arg, struct err *error)
{
        return log_append_raw(tx, *(const struct str *)arg, NULL, error);
}

static void entries_that_would_break_the_export_are_refused(void **state)
{
        struct bench *bench = *state;
        static char large[TLOG_ENTRY_MAX + 1];
        memset(large, 'x', sizeof(large));
        struct str bad[] = {STR("a\nb"), STR("{\"tile\":{\"hashes\":\""), str_make(large, sizeof(large))};
        for (size_t i = 0; i < 3; i++)
                assert_false(
                        store_write(bench->fixture->store, &cell, NULL, append_bad_work, &bad[i], &err));
        struct str largest = str_make(large, TLOG_ENTRY_MAX);
        must(store_write(bench->fixture->store, &cell, NULL, append_bad_work, &largest, &err));
        assert_int_equal(head_of(bench, 0).size, 1);
}

/* ---- tiles and roots --------------------------------------------------------------------------- */

/* Everything that is served for this size, against hashes made here from the leaves alone. */
struct model {
        uint64_t size;
        struct sha256 *leaves;
};

static void model_make(struct model *model, const char *text, uint64_t size)
{
        model->size = size;
        model->leaves = calloc(size, sizeof(struct sha256));
        assert_non_null(model->leaves);
        for (uint64_t i = 0; i < size; i++) {
                char leaf[64];
                int len = snprintf(leaf, sizeof(leaf), "%s %llu", text, (unsigned long long)i);
                merkle_leaf(str_make(leaf, (size_t)len), &model->leaves[i]);
        }
}

static void model_root(const struct model *model, uint64_t from, uint64_t count, struct sha256 *ret)
{
        struct merkle_frontier frontier;
        merkle_frontier_init(&frontier);
        for (uint64_t i = from; i < from + count; i++)
                merkle_frontier_append(&frontier, &model->leaves[i]);
        merkle_frontier_root(&frontier, ret);
}

static void check_tile(struct bench *bench, const struct model *model, unsigned level, uint64_t index)
{
        unsigned width = tlog_tile_width(level, index, model->size);
        BUF_SCOPED served;
        buf_init(&served, 1 << 20);
        struct query query = {.epoch = 1, .tile = {false, level, index, width}, .buf = &served};
        must(read_log(bench, tile_work, &query));
        assert_int_equal(served.len, width * SHA256_SIZE);
        for (unsigned i = 0; i < width; i++) {
                struct sha256 expected;
                uint64_t span = UINT64_C(1) << (level * TLOG_TILE_HEIGHT);
                model_root(model, (index * TLOG_TILE_WIDTH + i) * span, span, &expected);
                assert_memory_equal(served.ptr + i * SHA256_SIZE, expected.bytes, SHA256_SIZE);
        }
}

static void tiles_and_roots_are_right_at_every_edge(void **state)
{
        struct bench *bench = *state;
        static const uint64_t sizes[] = {1, 2, 255, 256, 257, 511, 512, 700};
        struct model model;
        uint64_t size = 0;
        model_make(&model, "entry", 700);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                append(bench, "entry", size, sizes[i] - size);
                size = sizes[i];
                struct query query = {.epoch = 1, .size = size};
                struct sha256 expected;
                model.size = size;
                model_root(&model, 0, size, &expected);
                must(read_log(bench, root_work, &query));
                assert_true(sha256_eq(&expected, &query.root));
                for (unsigned level = 0; level < 2; level++) {
                        for (uint64_t index = 0; tlog_tile_width(level, index, size) > 0; index++)
                                check_tile(bench, &model, level, index);
                }
                /* Not a hash further */
                BUF_SCOPED buf;
                buf_init(&buf, 1 << 20);
                query = (struct query){.epoch = 1, .buf = &buf};
                query.tile = (struct tlog_tile){false, 0, size / 256, (unsigned)(size % 256) + 1};
                assert_false(read_log(bench, tile_work, &query));
                assert_int_equal(err.code, ERR_NOT_FOUND);
        }
        free(model.leaves);
}

static void entry_bundles_hold_the_exact_bytes(void **state)
{
        struct bench *bench = *state;
        append(bench, "entry", 0, 300);
        static const struct tlog_tile tiles[] = {{true, 0, 0, 256}, {true, 0, 0, 7}, {true, 0, 1, 44}};
        for (size_t i = 0; i < 3; i++) {
                BUF_SCOPED buf;
                buf_init(&buf, 1 << 20);
                struct query query = {.tile = tiles[i], .buf = &buf};
                must(read_log(bench, tile_work, &query));
                struct str rest = buf_str(&buf), entry;
                for (unsigned e = 0; e < tiles[i].width; e++) {
                        char expected[64];
                        snprintf(expected, sizeof(expected), "entry %u", (unsigned)tiles[i].index * 256 + e);
                        assert_true(tlog_bundle_next(&rest, &entry));
                        assert_true(str_is(entry, expected));
                }
                assert_int_equal(rest.len, 0);
        }
        BUF_SCOPED buf;
        buf_init(&buf, 1 << 20);
        struct query query = {.tile = {true, 0, 1, 45}, .buf = &buf};
        assert_false(read_log(bench, tile_work, &query));
}

static void a_log_of_more_than_a_tile_of_tiles_is_right(void **state)
{
        struct bench *bench = *state;
        enum { SIZE = 65536 + 300 };
        struct model model;
        struct sha256 expected;
        for (uint64_t at = 0; at < SIZE; at += 8192)
                append(bench, "entry", at, SIZE - at < 8192 ? SIZE - at : 8192);
        model_make(&model, "entry", SIZE);
        model_root(&model, 0, SIZE, &expected);
        struct tlog_checkpoint signed_head = open_note(bench, checkpoint(bench));
        assert_true(sha256_eq(&expected, &signed_head.root));
        check_tile(bench, &model, 2, 0);
        check_tile(bench, &model, 1, 1);
        check_tile(bench, &model, 1, 0);
        static const uint64_t entries[] = {0, 255, 65535, 65536, SIZE - 1};
        for (size_t i = 0; i < 5; i++) {
                BUF_SCOPED buf;
                buf_init(&buf, 1 << 20);
                struct query query = {.seq = entries[i], .buf = &buf};
                char leaf[64];
                snprintf(leaf, sizeof(leaf), "entry %llu", (unsigned long long)entries[i]);
                must(read_log(bench, receipt_work, &query));
                struct audit_receipt receipt;
                must(audit_verify_receipt(str_from(leaf), buf_str(&buf), head_of(bench, 0).vkey, &receipt,
                                          &err));
                assert_int_equal(receipt.index, entries[i]);
        }
        free(model.leaves);
}

/* ---- checkpoints, receipts, export ------------------------------------------------------------- */

static void checkpoints_cover_what_is_durable_and_stay_until_the_log_grows(void **state)
{
        struct bench *bench = *state;
        struct tlog_checkpoint empty = open_note(bench, checkpoint(bench));
        assert_int_equal(empty.size, 0);
        assert_true(str_is(empty.origin, "logs.example/ten_a/eu/1"));
        append(bench, "entry", 0, 3);
        struct str note = checkpoint(bench);
        assert_int_equal(open_note(bench, note).size, 3);
        assert_true(str_eq(note, checkpoint(bench)));
        fixture_reopen(bench->fixture);
        assert_true(str_eq(note, checkpoint(bench)));
        append(bench, "entry", 3, 1);
        assert_int_equal(open_note(bench, checkpoint(bench)).size, 4);
}

static void every_entry_has_a_receipt_once_a_checkpoint_reaches_it(void **state)
{
        struct bench *bench = *state;
        append(bench, "entry", 0, 270);
        BUF_SCOPED buf;
        buf_init(&buf, 1 << 20);
        struct query query = {.seq = 5, .buf = &buf};
        assert_false(read_log(bench, receipt_work, &query));
        assert_int_equal(err.code, ERR_CONFLICT);
        checkpoint(bench);
        append(bench, "entry", 270, 300);
        for (uint64_t seq = 0; seq < 270; seq += 7) {
                char leaf[64];
                struct audit_receipt receipt;
                buf_reset(&buf);
                query.seq = seq;
                must(read_log(bench, receipt_work, &query));
                snprintf(leaf, sizeof(leaf), "entry %llu", (unsigned long long)seq);
                must(audit_verify_receipt(str_from(leaf), buf_str(&buf), head_of(bench, 0).vkey, &receipt,
                                          &err));
                assert_int_equal(receipt.index, seq);
                assert_int_equal(receipt.size, 270);
        }
        query.seq = 270;
        assert_false(read_log(bench, receipt_work, &query));
        assert_int_equal(err.code, ERR_CONFLICT);
        query.seq = 570;
        assert_false(read_log(bench, receipt_work, &query));
        assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void an_export_verifies_offline(void **state)
{
        struct bench *bench = *state;
        static const uint64_t sizes[] = {0, 1, 256, 600};
        uint64_t size = 0;
        struct query query = {.epoch = 0};
        BUF_SCOPED none;
        buf_init(&none, 1 << 20);
        query.buf = &none;
        assert_false(read_log(bench, export_begin_work, &query));
        assert_int_equal(err.code, ERR_CONFLICT);
        for (size_t i = 0; i < 4; i++) {
                BUF_SCOPED all;
                buf_init(&all, 64 << 20);
                append(bench, "entry", size, sizes[i] - size);
                size = sizes[i];
                checkpoint(bench);
                append(bench, "entry", size, 1); /* not covered, not exported */
                size++;
                export_all(bench, 0, &all);
                verify_export(buf_str(&all), head_of(bench, 0).vkey, size - 1);
        }
}

/* ---- a cell that lost what was signed ------------------------------------------------------------ */

/* ---- at once ------------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 25 };

struct worker {
        struct bench *bench;
        unsigned number;
        struct arena arena;
        struct str notes[ROUNDS];
        struct err err;
        bool ok;
};

static void *work(void *arg)
{
        struct worker *worker = arg;
        char text[16];
        snprintf(text, sizeof(text), "thread %u,", worker->number);
        worker->ok = true;
        for (unsigned i = 0; i < ROUNDS && worker->ok; i++) {
                struct append one = {.text = text, .from = i, .count = 1 + i % 30};
                worker->ok = store_write(worker->bench->fixture->store, &cell, NULL, append_work, &one,
                                         &worker->err) &&
                             log_checkpoint(&worker->bench->signer, worker->bench->fixture->store, &cell,
                                            &worker->arena, &worker->notes[i], &worker->err);
        }
        return NULL;
}

static void checkpoints_made_at_once_are_all_of_one_tree(void **state)
{
        struct bench *bench = *state;
        struct worker workers[THREADS] = {0};
        pthread_t threads[THREADS];
        for (unsigned i = 0; i < THREADS; i++) {
                workers[i] = (struct worker){.bench = bench, .number = i};
                arena_init(&workers[i].arena, 16 << 20);
                assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++) {
                pthread_join(threads[i], NULL);
                if (!workers[i].ok)
                        fail_msg("%s: %s", err_name(workers[i].err.code), workers[i].err.message);
        }
        for (unsigned i = 0; i < THREADS; i++) {
                for (unsigned n = 0; n < ROUNDS; n++) {
                        struct tlog_checkpoint head = open_note(bench, workers[i].notes[n]);
                        struct query query = {.epoch = 1, .size = head.size};
                        must(read_log(bench, root_work, &query));
                        assert_true(sha256_eq(&head.root, &query.root));
                }
                arena_done(&workers[i].arena);
        }
        assert_int_equal(head_of(bench, 0).epoch, 1);
}

static void cells_have_logs_of_their_own(void **state)
{
        struct bench *bench = *state;
        append(bench, "entry", 0, 3);
        struct str mine = checkpoint(bench), theirs;
        must(log_checkpoint(&bench->signer, bench->fixture->store, &other_cell, &bench->arena, &theirs,
                            &err));
        assert_true(str_starts(theirs, STR("logs.example/ten_b/eu/1\n0\n")));
        assert_true(str_starts(mine, STR("logs.example/ten_a/eu/1\n3\n")));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                LOG_TEST(an_event_has_exactly_these_bytes),
                LOG_TEST(events_are_canonical_json),
                LOG_TEST(incomplete_and_oversize_events_are_refused),
                LOG_TEST(entries_are_numbered_without_gaps_also_after_a_rollback),
                LOG_TEST(entries_that_would_break_the_export_are_refused),
                LOG_TEST(tiles_and_roots_are_right_at_every_edge),
                LOG_TEST(entry_bundles_hold_the_exact_bytes),
                LOG_TEST(a_log_of_more_than_a_tile_of_tiles_is_right),
                LOG_TEST(checkpoints_cover_what_is_durable_and_stay_until_the_log_grows),
                LOG_TEST(every_entry_has_a_receipt_once_a_checkpoint_reaches_it),
                LOG_TEST(an_export_verifies_offline),
                LOG_TEST(checkpoints_made_at_once_are_all_of_one_tree),
                LOG_TEST(cells_have_logs_of_their_own),
        };

        return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
