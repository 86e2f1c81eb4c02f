/* SPDX-License-Identifier: Apache-2.0 */
/* Signed notes, checkpoints, verifier keys: what is read is what would be written. */
#include "fuzz.h"

#include "crypto/tlog.h"

static void fuzz_checkpoint(struct str text)
{
        struct tlog_checkpoint checkpoint;
        struct err err;
        if (!tlog_checkpoint_parse(text, &checkpoint, &err)) {
                FUZZ_CHECK(err.code == ERR_PROOF_INVALID);
                return;
        }
        BUF_SCOPED again;
        buf_init(&again, text.len + 256);
        tlog_checkpoint_append(&again, &checkpoint);
        FUZZ_CHECK(str_eq(buf_str(&again), text));
}

static void fuzz_vkey(struct str text)
{
        struct note_verifier verifier;
        struct err err;
        if (!note_verifier_parse(text, &verifier, &err)) {
                FUZZ_CHECK(err.code == ERR_BAD_PARAMETER);
                return;
        }
        BUF_SCOPED again;
        buf_init(&again, text.len + 256);
        note_verifier_append(&again, &verifier);
        FUZZ_CHECK(str_eq(buf_str(&again), text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        ARENA_SCOPED arena;
        struct str text = str_make(data, size);
        struct note note;
        struct err err;
        arena_init(&arena, 8 << 20);
        fuzz_checkpoint(text);
        fuzz_vkey(text);
        if (!note_parse(&arena, text, &note, &err))
                return 0;
        /* Text and signatures are all there is, and nothing signed it. */
        FUZZ_CHECK(note.count > 0 && note.text.len + 1 < text.len);
        FUZZ_CHECK(note.text.ptr[note.text.len - 1] == '\n');
        struct note_verifier verifier = {.name = "example.com/log"};
        if (note.signatures[0].name.len < sizeof(verifier.name))
                memcpy(verifier.name, note.signatures[0].name.ptr, note.signatures[0].name.len);
        verifier.key_id = note.signatures[0].key_id;
        FUZZ_CHECK(!note_verify(&note, &verifier, &err));
        fuzz_checkpoint(note.text);
        return 0;
}
