/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebAuthn Level 2 (https://www.w3.org/TR/webauthn-2/) as a relying party
 * verifies it: section 7.1 (registration) and 7.2 (assertion), as far as it
 * needs neither a store nor a clock. What the caller does besides: challenges
 * that are used once, whose credential it is, the sign counter of the credential
 * (webauthn_counter_goes_on), and that a credential id is registered once.
 *
 * Algorithms: ES256 (P-256, RFC 9053), EdDSA (Ed25519), RS256 (2048 to 4096
 * bits, exponent 65537). A public key is kept and named as its COSE_Key bytes
 * (RFC 9052 section 7), of which exactly one text is accepted for a key: the
 * required parameters, each once, in the CTAP2 canonical order, nothing else.
 *
 * Attestation: the formats "none" and "packed" with self attestation are
 * verified. Statements that name certificates, and other formats, say something
 * about the maker of the authenticator, which nobody here has decided to trust:
 * WEBAUTHN_ATTESTATION_IGNORE treats them as "none" (section 7.1, step 19 with
 * no trust anchors), WEBAUTHN_ATTESTATION_REFUSE does not register.
 *
 * Every failure is ERR_BAD_SIGNATURE with what was wrong. Safe from any thread.
 */
#pragma once

#include "base/arena.h"
#include "crypto/sha256.h"

enum {
        WEBAUTHN_CREDENTIAL_ID_MAX = 1023, /* section 4, "Credential ID" */
        WEBAUTHN_COSE_MAX = 600,           /* RS256 with 4096 bits */
        WEBAUTHN_CLIENT_DATA_MAX = 4096,
        WEBAUTHN_AUTHENTICATOR_DATA_MAX = 4096,
        WEBAUTHN_ATTESTATION_MAX = 32 * 1024,
        WEBAUTHN_SIGNATURE_MAX = 512,
        WEBAUTHN_RP_ID_MAX = 253,
        WEBAUTHN_ORIGINS_MAX = 4,
        WEBAUTHN_ORIGIN_MAX = 300,
        WEBAUTHN_KEY_ID_SIZE = SHA256_HEX_SIZE,
};

/* COSE algorithm numbers (IANA). */
enum webauthn_algorithm {
        WEBAUTHN_ES256 = -7,
        WEBAUTHN_EDDSA = -8,
        WEBAUTHN_RS256 = -257,
};

/* Authenticator data's flags, section 6.1. */
enum {
        WEBAUTHN_USER_PRESENT = 0x01,
        WEBAUTHN_USER_VERIFIED = 0x04,
        WEBAUTHN_BACKUP_ELIGIBLE = 0x08, /* Level 3 */
        WEBAUTHN_BACKED_UP = 0x10,
        WEBAUTHN_ATTESTED = 0x40,
        WEBAUTHN_EXTENSIONS = 0x80,
};

enum webauthn_attestation { WEBAUTHN_ATTESTATION_IGNORE, WEBAUTHN_ATTESTATION_REFUSE };

struct webauthn_expect {
        struct str challenge;      /* raw bytes */
        struct str rp_id;          /* "countersign.example" */
        const struct str *origins; /* "https://countersign.example", … */
        size_t origin_count;
        bool user_verification; /* the flag UV is demanded; UP always is */
};

/* What section 6.1 calls authenticator data. Views into the bytes. */
struct webauthn_authenticator_data {
        struct str rp_id_hash;
        uint8_t flags;
        uint32_t sign_count;
        struct str aaguid; /* these three only with the flag AT */
        struct str credential_id;
        struct str public_key; /* COSE_Key */
};

struct webauthn_assertion {
        uint8_t flags;
        uint32_t sign_count;
};

struct webauthn_registration {
        struct webauthn_authenticator_data data;
        enum webauthn_algorithm algorithm;
        struct str format; /* "none", "packed", … */
};

/* Whether these are a COSE_Key that we take; `ret` may be NULL. */
bool webauthn_key_check(struct str cose_key, enum webauthn_algorithm *ret, struct err *err) MUST_USE;
/* Lower-case hex SHA-256 of the COSE_Key's bytes: the key's id on rosters and in envelopes. */
void webauthn_key_id(struct str cose_key, char ret_id[WEBAUTHN_KEY_ID_SIZE]);

/* "https://name[:port]", or "http://localhost[:port]" (a secure context too); within or equal to the RP id.
 */
bool webauthn_origin_fits(struct str origin, struct str rp_id);

bool webauthn_authenticator_data_parse(struct str bytes, struct webauthn_authenticator_data *ret,
                                       struct err *err) MUST_USE;

/* Section 7.2, steps 11 to 20. The arena is for the client data's JSON. */
bool webauthn_verify_assertion(struct arena *arena, const struct webauthn_expect *expect,
                               struct str cose_key, struct str authenticator_data, struct str client_data,
                               struct str signature, struct webauthn_assertion *ret,
                               struct err *err) MUST_USE;

/* Section 7.1, steps 5 to 21. */
bool webauthn_verify_registration(struct arena *arena, const struct webauthn_expect *expect,
                                  enum webauthn_attestation attestation, struct str attestation_object,
                                  struct str client_data, struct webauthn_registration *ret,
                                  struct err *err) MUST_USE;

/* Section 7.2, step 21: a counter that does not grow is a sign of a clone; both 0: the authenticator keeps
 * none.
 */
static inline bool webauthn_counter_goes_on(uint32_t stored, uint32_t now)
{
        return (stored == 0 && now == 0) || now > stored;
}
