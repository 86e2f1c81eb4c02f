/* SPDX-License-Identifier: Apache-2.0 */
/* DSSE envelopes: what is read can be written, and is read again as the same. */
#include "fuzz.h"

#include "crypto/dsse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        ARENA_SCOPED arena;
        BUF_SCOPED text;
        struct dsse_envelope first, again;
        struct err err;
        arena_init(&arena, 64 << 20);
        buf_init(&text, 64 << 20);
        if (!dsse_parse(&arena, str_make(data, size), &first, &err)) {
                FUZZ_CHECK(err.code == ERR_BAD_ENVELOPE || err.code == ERR_NO_MEMORY);
                return 0;
        }
        FUZZ_CHECK(first.count >= 1 && first.count <= DSSE_SIGNATURES_MAX);
        dsse_append(&text, &first);
        FUZZ_CHECK(buf_check(&text, "envelope", &err));
        FUZZ_CHECK(dsse_parse(&arena, buf_str(&text), &again, &err));
        FUZZ_CHECK(str_eq(first.payload_type, again.payload_type) && str_eq(first.payload, again.payload));
        FUZZ_CHECK(first.count == again.count);
        const struct ed25519_public nobody = {{0}};
        for (size_t i = 0; i < first.count; i++) {
                FUZZ_CHECK(str_eq(first.signatures[i].key_id, again.signatures[i].key_id));
                FUZZ_CHECK(str_eq(first.signatures[i].signature, again.signatures[i].signature));
                FUZZ_CHECK(str_eq(first.signatures[i].authenticator_data,
                                  again.signatures[i].authenticator_data));
                FUZZ_CHECK(str_eq(first.signatures[i].client_data, again.signatures[i].client_data));
                FUZZ_CHECK(!dsse_verify(&first, &first.signatures[i], &nobody, &err));
        }
        return 0;
}
