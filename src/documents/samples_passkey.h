/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: documents signed by a passkey in software. After documents/samples.h. */
#pragma once

#include "crypto/webauthn_samples.h"
#include "documents/roster.h"

static inline struct roster_key sample_roster_passkey(const struct sample_passkey *passkey,
                                                      const char *rp_id, const char *origin)
{
        struct roster_key key = {.type = ROSTER_KEY_WEBAUTHN,
                                 .cose = passkey->cose,
                                 .rp_id = str_from(rp_id),
                                 .origin_count = 1,
                                 .origins = {str_from(origin)}};

        webauthn_key_id(key.cose, key.keyid);
        return key;
}

static inline struct dsse_signature sample_sign_passkey(struct arena *arena,
                                                        const struct sample_passkey *passkey,
                                                        const char *type, struct str payload,
                                                        const char *rp_id, const char *origin)
{
        struct sample_assertion assertion;
        struct sha256 challenge;
        char keyid[WEBAUTHN_KEY_ID_SIZE];

        dsse_challenge(str_from(type), payload, &challenge);
        webauthn_key_id(passkey->cose, keyid);
        assertion = sample_assert(arena, passkey, sha256_str(&challenge), rp_id, origin);
        return (struct dsse_signature){.key_id = arena_str(arena, str_from(keyid)),
                                       .signature = assertion.signature,
                                       .authenticator_data = assertion.authenticator_data,
                                       .client_data = assertion.client_data};
}
