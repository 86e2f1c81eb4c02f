/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exports of a log. The input is what follows the header; the header is signed
 * here, for the entries that the input seems to have, so that the fuzzer gets
 * past the signature. What is accepted must be exactly what a log would write.
 */
#include "fuzz.h"

#include "log/audit.h"
#include "log/audit_format.h"

#define ORIGIN STR("example.com/log")

struct memory {
        struct str rest;
        size_t step;
};

static bool memory_read(void *data, char *bytes, size_t size, size_t *ret_len, struct err *err)
{
        struct memory *memory = data;
        (void)err;
        *ret_len = memory->rest.len < size ? memory->rest.len : size;
        if (*ret_len > memory->step)
                *ret_len = memory->step;
        if (*ret_len > 0)
                memcpy(bytes, memory->rest.ptr, *ret_len);
        memory->rest = str_slice(memory->rest, *ret_len, memory->rest.len);
        return true;
}

/* The export that a log with these lines as entries would write, after the header. */
static void expected(struct str input, struct buf *body, struct merkle_frontier *frontier)
{
        struct str rest = input, line;
        BUF_SCOPED hashes;
        buf_init(&hashes, 1 << 16);
        merkle_frontier_init(frontier);
        while (str_cut(&rest, '\n', &line)) {
                struct sha256 hash;
                if (str_starts(line, AUDIT_TILE_LINE))
                        continue;
                merkle_leaf(line, &hash);
                merkle_frontier_append(frontier, &hash);
                buf_append_str(body, line);
                buf_append_char(body, '\n');
                buf_append_str(&hashes, sha256_str(&hash));
                if (frontier->size % TLOG_TILE_WIDTH == 0) {
                        audit_append_tile(body, frontier->size / TLOG_TILE_WIDTH - 1, buf_str(&hashes));
                        buf_reset(&hashes);
                }
        }
        if (hashes.len > 0)
                audit_append_tile(body, frontier->size / TLOG_TILE_WIDTH, buf_str(&hashes));
}

static void append_header(struct buf *all, const struct merkle_frontier *frontier, struct buf *vkey)
{
        static struct ed25519_key *key;
        const uint8_t seed[ED25519_SEED_SIZE] = {1};
        struct tlog_checkpoint checkpoint = {
                .origin = ORIGIN, .size = frontier->size, .extensions = STR("")};
        struct note_verifier verifier;
        struct err err;
        BUF_SCOPED text, note;
        buf_init(&text, 4096);
        buf_init(&note, 4096);
        if (!key)
                FUZZ_CHECK(ed25519_key_from_seed(seed, &key, &err));
        merkle_frontier_root(frontier, &checkpoint.root);
        tlog_checkpoint_append(&text, &checkpoint);
        FUZZ_CHECK(note_append_signed(&note, buf_str(&text), ORIGIN, key, &err));
        FUZZ_CHECK(note_verifier_init(&verifier, ORIGIN, ed25519_key_public(key), &err));
        note_verifier_append(vkey, &verifier);
        audit_append_header(all, buf_str(&note), buf_str(vkey));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct str input = str_make(data, size);
        struct merkle_frontier frontier;
        struct audit_report report;
        struct err err;
        BUF_SCOPED body, all, vkey;
        buf_init(&body, 64 << 20);
        buf_init(&all, 64 << 20);
        buf_init(&vkey, 4096);
        expected(input, &body, &frontier);
        append_header(&all, &frontier, &vkey);
        buf_append_str(&all, input);
        struct memory memory = {buf_str(&all), size % 3 == 0 ? 7 : SIZE_MAX};
        struct audit_input reader = {memory_read, &memory};
        bool accepted = audit_verify_export(&reader, buf_str(&vkey), &report, &err);
        FUZZ_CHECK(!accepted || str_eq(buf_str(&body), input));
        FUZZ_CHECK(accepted || (err.place[0] && report.bad_line > 0));
        /* And the input as a whole file, whatever it is */
        memory = (struct memory){input, SIZE_MAX};
        FUZZ_CHECK(!audit_verify_export(&reader, buf_str(&vkey), &report, &err));
        return 0;
}
