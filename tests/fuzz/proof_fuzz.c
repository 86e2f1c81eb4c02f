/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts, tile paths and bundles: there is one spelling of each. */
#include "fuzz.h"

#include "crypto/tlog.h"

static void fuzz_tile(struct str path)
{
        struct tlog_tile tile;
        char again[TLOG_PATH_SIZE];
        if (!tlog_tile_parse(path, &tile))
                return;
        FUZZ_CHECK(tile.width >= 1 && tile.width <= TLOG_TILE_WIDTH);
        FUZZ_CHECK(str_eq(path, str_make(again, tlog_tile_path(&tile, again))));
}

static void fuzz_bundle(struct str bytes)
{
        BUF_SCOPED again;
        struct str rest = bytes, entry;
        buf_init(&again, bytes.len + 1);
        while (tlog_bundle_next(&rest, &entry))
                FUZZ_CHECK(tlog_bundle_append(&again, entry));
        FUZZ_CHECK(again.len + rest.len == bytes.len);
        FUZZ_CHECK(str_starts(bytes, buf_str(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        ARENA_SCOPED arena;
        BUF_SCOPED again;
        struct str text = str_make(data, size);
        struct tlog_proof proof;
        struct tlog_checkpoint checkpoint;
        struct note_verifier verifier = {.name = "example.com/log"};
        struct err err;
        arena_init(&arena, 8 << 20);
        buf_init(&again, size + 64);
        fuzz_tile(text);
        fuzz_bundle(text);
        if (!tlog_proof_parse(&arena, text, &proof, &err))
                return 0;
        tlog_proof_append(&again, &proof);
        FUZZ_CHECK(str_eq(buf_str(&again), text));
        FUZZ_CHECK(!tlog_proof_verify(&arena, &proof, STR("entry"), &verifier, &checkpoint, &err));
        return 0;
}
