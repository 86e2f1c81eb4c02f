/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed notes (https://c2sp.org/signed-note@v1.0.0) with Ed25519 keys, and
 * their verifier keys in text: "<name>+<hex key id>+<base64(0x01 || key)>".
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "crypto/ed25519.h"

enum { NOTE_SIGNATURES_MAX = 64, NOTE_NAME_MAX = 255, NOTE_SIZE_MAX = 1 << 20 };

struct note_signature {
        struct str name;
        uint32_t key_id;
        struct str signature; /* raw bytes after the key id */
};

struct note {
        struct str text; /* ends with a newline */
        const struct note_signature *signatures;
        size_t count;
};

struct note_verifier {
        char name[NOTE_NAME_MAX + 1];
        uint32_t key_id;
        struct ed25519_public public_key;
};

/* Non-empty UTF-8 without spaces, control characters or '+', at most NOTE_NAME_MAX bytes. */
bool note_name_is_valid(struct str name);

/* First four bytes of SHA-256(name || "\n" || 0x01 || key), big-endian. */
uint32_t note_key_id(struct str name, const struct ed25519_public *public_key);

bool note_verifier_init(struct note_verifier *verifier, struct str name,
                        const struct ed25519_public *public_key, struct err *err) MUST_USE;
/* ERR_BAD_PARAMETER for a malformed key, another algorithm, or a key id that does not fit. */
bool note_verifier_parse(struct str vkey, struct note_verifier *ret, struct err *err) MUST_USE;
void note_verifier_append(struct buf *buf, const struct note_verifier *verifier);

/* Splits and checks the form only. Views into `bytes`; the array and raw signatures in the arena. */
bool note_parse(struct arena *arena, struct str bytes, struct note *ret, struct err *err) MUST_USE;

/*
 * Whether the note is signed by this key: a signature line with its name and id
 * exists and every such line verifies. ERR_BAD_SIGNATURE otherwise.
 */
bool note_verify(const struct note *note, const struct note_verifier *verifier, struct err *err) MUST_USE;

/* text, blank line, one signature line. The text must end with a newline. */
bool note_append_signed(struct buf *buf, struct str text, struct str name, const struct ed25519_key *key,
                        struct err *err) MUST_USE;
