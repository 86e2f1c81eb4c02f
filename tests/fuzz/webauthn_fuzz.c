/* SPDX-License-Identifier: Apache-2.0 */
/* What an authenticator sends: attestation objects, keys, authenticator data. The first byte says which. */
#include "fuzz.h"

#include "crypto/webauthn.h"

static const char client_data[] =
        "{\"type\":\"webauthn.create\",\"challenge\":\"Yw\",\"origin\":\"https://a\"}";

static bool inside(struct str part, struct str whole)
{
        return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct str origin = {"https://a", 9};
        const struct webauthn_expect expect = {
                .challenge = STR("c"), .rp_id = STR("a"), .origins = &origin, .origin_count = 1};
        struct str input = str_make(data + 1, size > 0 ? size - 1 : 0);
        struct webauthn_authenticator_data parsed;
        struct webauthn_registration made;
        struct webauthn_assertion assertion;
        ARENA_SCOPED arena;
        struct err err;

        arena_init(&arena, 1 << 20);
        if (size == 0)
                return 0;
        switch (data[0] % 4) {
        case 0:
                if (webauthn_verify_registration(&arena, &expect, WEBAUTHN_ATTESTATION_IGNORE, input,
                                                 str_from(client_data), &made, &err))
                        FUZZ_CHECK(inside(made.data.public_key, input) &&
                                   webauthn_key_check(made.data.public_key, NULL, &err));
                break;
        case 1:
                if (webauthn_authenticator_data_parse(input, &parsed, &err) && parsed.public_key.ptr)
                        FUZZ_CHECK(inside(parsed.public_key, input) && inside(parsed.credential_id, input));
                break;
        case 2:
                (void)webauthn_key_check(input, NULL, &err);
                break;
        default:
                /* Without the private key nothing verifies. */
                FUZZ_CHECK(!webauthn_verify_assertion(&arena, &expect, STR(""), input, input, input,
                                                      &assertion, &err));
        }
        return 0;
}
