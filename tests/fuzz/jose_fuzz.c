/* SPDX-License-Identifier: Apache-2.0 */
/* The first line is a token, the rest a key set: neither crashes, and nothing that is not signed is
 * accepted. */
#include "fuzz.h"

#include "crypto/jose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct str rest = str_make(data, size);
        struct jose_keys *keys = NULL;
        struct jose_expect expect = {
                .issuer = STR("i"), .audience = STR("a"), .azp = STR("a"), .needs_sub = true};
        struct jose_claims claims;
        struct jose_token token;
        enum jose_why why = JOSE_OK;
        ARENA_SCOPED arena;
        struct str line;
        struct err err;

        arena_init(&arena, 16 << 20);
        (void)str_cut(&rest, '\n', &line);
        if (jose_peek(&arena, line, &token, &err))
                (void)jose_claims_check(&token, &expect, &claims, &err);
        if (!jose_keys_parse(rest, JOSE_PUBLIC, &keys, &err) &&
            !jose_key_parse(rest, JOSE_PUBLIC, &keys, &err))
                return 0;
        FUZZ_CHECK(jose_keys_count(keys) <= JOSE_SET_KEYS_MAX);
        if (jose_verify(&arena, keys, JOSE_PUBLIC, line, &token, &why, &err))
                FUZZ_CHECK(why == JOSE_OK && token.payload.type == JSON_OBJECT);
        else
                FUZZ_CHECK(why != JOSE_OK);
        jose_keys_free(keys);
        return 0;
}
