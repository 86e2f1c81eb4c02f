/* SPDX-License-Identifier: Apache-2.0 */
/* Two cells with logs, a signer, and what one does to them. Included by tests only. */
#pragma once

#include "store/test/fixture.h"

#include "base/base64.h"
#include "log/audit.h"
#include "log/log.h"

#include <stdlib.h>

static const struct cell_ref cell = {STR("ten_a"), STR("eu")};
static const struct cell_ref other_cell = {STR("ten_b"), STR("eu")};

static struct err err;

struct bench {
        struct fixture *fixture;
        struct envelope *envelope;
        struct log_signer signer;
        struct arena arena;
};

static inline int setup(void **state)
{
        struct bench *bench = calloc(1, sizeof(*bench));
        assert_non_null(bench);
        bench->fixture = fixture_new(NULL);
        fixture_cell(bench->fixture, &cell);
        fixture_cell(bench->fixture, &other_cell);
        assert_true(envelope_open_ephemeral(&bench->envelope, &err));
        bench->signer = (struct log_signer){bench->envelope, "logs.example"};
        arena_init(&bench->arena, 256 << 20);
        *state = bench;
        return 0;
}

static inline int teardown(void **state)
{
        struct bench *bench = *state;
        arena_done(&bench->arena);
        envelope_free(bench->envelope);
        fixture_free(bench->fixture);
        free(bench);
        return 0;
}

static inline void must(bool ok)
{
        if (!ok)
                fail_msg("%s: %s", err_name(err.code), err.message);
}

/* ---- work for transactions ------------------------------------------------------------------- */

struct append {
        const char *text; /* a prefix of the leaves */
        uint64_t from, count;
        bool fail; /* at the end */
        struct log_position last;
};

static inline bool append_work(struct tx *tx, void *arg, struct err *error)
{
        struct append *append = arg;
        for (uint64_t i = 0; i < append->count; i++) {
                char leaf[64];
                int len = snprintf(leaf, sizeof(leaf), "%s %llu", append->text,
                                   (unsigned long long)(append->from + i));
                if (!log_append_raw(tx, str_make(leaf, (size_t)len), &append->last, error))
                        return false;
        }
        return !append->fail || err_set(error, ERR_CONFLICT, "as the test asked");
}

static inline struct log_position append(struct bench *bench, const char *text, uint64_t from,
                                         uint64_t count)
{
        struct append work = {.text = text, .from = from, .count = count};
        must(store_write(bench->fixture->store, &cell, NULL, append_work, &work, &err));
        return work.last;
}

struct query {
        struct arena *arena;
        int64_t epoch;
        uint64_t seq, size;
        struct tlog_tile tile;
        struct buf *buf;
        struct log_head head;
        struct str leaf;
        struct sha256 root;
        struct log_export export;
};

static inline bool head_work(struct tx *tx, void *arg, struct err *error)
{
        struct query *query = arg;
        return log_head(tx, query->epoch, &query->head, error);
}

static inline bool entry_work(struct tx *tx, void *arg, struct err *error)
{
        struct query *query = arg;
        return log_entry(tx, query->epoch, query->seq, &query->leaf, error);
}

static inline bool tile_work(struct tx *tx, void *arg, struct err *error)
{
        struct query *query = arg;
        return log_tile(tx, query->epoch, &query->tile, query->buf, error);
}

static inline bool root_work(struct tx *tx, void *arg, struct err *error)
{
        struct query *query = arg;
        return log_root(tx, query->epoch, query->size, &query->root, error);
}

static inline bool receipt_work(struct tx *tx, void *arg, struct err *error)
{
        struct query *query = arg;
        return log_receipt(tx, query->epoch, query->seq, query->buf, error);
}

static inline bool export_begin_work(struct tx *tx, void *arg, struct err *error)
{
        struct query *query = arg;
        return log_export_begin(tx, query->epoch, &query->export, query->buf, error);
}

static inline bool export_next_work(struct tx *tx, void *arg, struct err *error)
{
        struct query *query = arg;
        return log_export_next(tx, &query->export, query->buf, error);
}

static inline bool read_log(struct bench *bench, store_work work, struct query *query)
{
        return store_read(bench->fixture->store, &cell, &bench->arena, work, query, &err);
}

static inline struct log_head head_of(struct bench *bench, int64_t epoch)
{
        struct query query = {.epoch = epoch};
        must(read_log(bench, head_work, &query));
        return query.head;
}

static inline struct str checkpoint(struct bench *bench)
{
        struct str note = STR_NULL;
        must(log_checkpoint(&bench->signer, bench->fixture->store, &cell, &bench->arena, &note, &err));
        return note;
}

/* Opens the current epoch's note with the key that the head shows. */
static inline struct tlog_checkpoint open_note(struct bench *bench, struct str note)
{
        struct note_verifier verifier;
        struct tlog_checkpoint ret;
        must(note_verifier_parse(head_of(bench, 0).vkey, &verifier, &err));
        must(tlog_checkpoint_verify(&bench->arena, note, &verifier, &ret, &err));
        return ret;
}

static inline void export_all(struct bench *bench, int64_t epoch, struct buf *all)
{
        struct query query = {.epoch = epoch, .buf = all};
        must(read_log(bench, export_begin_work, &query));
        while (query.export.next < query.export.size)
                must(read_log(bench, export_next_work, &query));
}

static inline void verify_export(struct str bytes, struct str vkey, uint64_t size)
{
        FILE *file = fmemopen((char *)bytes.ptr, bytes.len, "r");
        assert_non_null(file);
        struct audit_input input = audit_input_file(file);
        struct audit_report report;
        must(audit_verify_export(&input, vkey, &report, &err));
        assert_int_equal(report.entries, size);
        fclose(file);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
