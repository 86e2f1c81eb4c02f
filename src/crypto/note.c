/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/note.h"
#include "base/base64.h"
#include "crypto/sha256.h"

#include <inttypes.h>

/* The em dash and space that begin a signature line. */
#define NOTE_DASH STR("\xe2\x80\x94 ")

enum { NOTE_ALGORITHM_ED25519 = 1, NOTE_VKEY_MAX = NOTE_NAME_MAX + 64 };

/* White_Space of Unicode 15 beyond ASCII, as UTF-8: a key name must not have any. */
static bool note_has_unicode_space(struct str s)
{
        static const char *const spaces[] = {
                "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
                "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
                "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
                "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
        };
        for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
                if (str_find_str(s, str_from(spaces[i])) >= 0)
                        return true;
        }
        return false;
}

bool note_name_is_valid(struct str name)
{
        if (name.len == 0 || name.len > NOTE_NAME_MAX || !str_is_utf8(name))
                return false;
        for (size_t i = 0; i < name.len; i++) {
                unsigned char c = (unsigned char)name.ptr[i];
                if (c <= ' ' || c == '+' || c == 0x7f)
                        return false;
        }
        return !note_has_unicode_space(name);
}

uint32_t note_key_id(struct str name, const struct ed25519_public *public_key)
{
        const struct str parts[] = {name, STR("\n\x01"), ed25519_public_str(public_key)};
        struct sha256 hash;
        sha256_of_parts(parts, 3, &hash);
        return (uint32_t)hash.bytes[0] << 24 | (uint32_t)hash.bytes[1] << 16 | (uint32_t)hash.bytes[2] << 8 |
               hash.bytes[3];
}

bool note_verifier_init(struct note_verifier *verifier, struct str name,
                        const struct ed25519_public *public_key, struct err *err)
{
        if (!note_name_is_valid(name))
                return err_set(err, ERR_BAD_PARAMETER, "\"%.*s\" cannot be the name of a key",
                               STR_ARG(str_slice(name, 0, 64)));
        memcpy(verifier->name, name.ptr, name.len);
        verifier->name[name.len] = '\0';
        verifier->key_id = note_key_id(name, public_key);
        verifier->public_key = *public_key;
        return true;
}

static bool note_parse_key_id(struct str hex, uint32_t *ret)
{
        if (hex.len != 8)
                return false;
        uint32_t value = 0;
        for (size_t i = 0; i < hex.len; i++) {
                char c = hex.ptr[i];
                if (c >= '0' && c <= '9')
                        value = value << 4 | (uint32_t)(c - '0');
                else if (c >= 'a' && c <= 'f')
                        value = value << 4 | (uint32_t)(c - 'a' + 10);
                else
                        return false;
        }
        *ret = value;
        return true;
}

bool note_verifier_parse(struct str vkey, struct note_verifier *ret, struct err *err)
{
        struct str name, hex, key, bytes;
        struct str rest = vkey;
        uint32_t key_id;
        if (vkey.len > NOTE_VKEY_MAX || !str_cut(&rest, '+', &name) || !str_cut(&rest, '+', &hex) ||
            !note_parse_key_id(hex, &key_id))
                return err_set(err, ERR_BAD_PARAMETER,
                               "a log's key is written <name>+<8 hex digits>+<base64>, not like this");
        key = rest;
        ARENA_SCOPED arena;
        arena_init(&arena, 4096);
        if (!base64_decode(&arena, key, &bytes))
                return arena_check(&arena, err) &&
                       err_set(err, ERR_BAD_PARAMETER, "the last part of the log's key is not base64");
        struct ed25519_public public_key;
        if (bytes.len < 1 || bytes.ptr[0] != NOTE_ALGORITHM_ED25519 ||
            !ed25519_public_from(str_slice(bytes, 1, bytes.len), &public_key))
                return err_set(err, ERR_BAD_PARAMETER, "the log's key is not an Ed25519 key");
        if (!note_verifier_init(ret, name, &public_key, err))
                return false;
        if (ret->key_id != key_id)
                return err_set(err, ERR_BAD_PARAMETER,
                               "the log's key says id %08" PRIx32 ", but its id is %08" PRIx32
                               ": was it copied whole?",
                               key_id, ret->key_id);
        return true;
}

void note_verifier_append(struct buf *buf, const struct note_verifier *verifier)
{
        uint8_t bytes[1 + ED25519_PUBLIC_SIZE];
        bytes[0] = NOTE_ALGORITHM_ED25519;
        memcpy(bytes + 1, verifier->public_key.bytes, ED25519_PUBLIC_SIZE);
        buf_printf(buf, "%s+%08" PRIx32 "+", verifier->name, verifier->key_id);
        base64_append(buf, str_make(bytes, sizeof(bytes)));
}

static bool note_bad(struct err *err, const char *what)
{
        return err_set(err, ERR_PROOF_INVALID, "not a signed note: %s", what);
}

/* UTF-8 without control characters other than the newline. */
static bool note_check_bytes(struct str bytes, struct err *err)
{
        if (bytes.len > NOTE_SIZE_MAX)
                return note_bad(err, "it is larger than 1 MiB");
        if (!str_is_utf8(bytes))
                return note_bad(err, "it is not UTF-8");
        for (size_t i = 0; i < bytes.len; i++) {
                if ((unsigned char)bytes.ptr[i] < ' ' && bytes.ptr[i] != '\n')
                        return note_bad(err, "it has control characters");
        }
        return true;
}

static bool note_parse_signature(struct arena *arena, struct str line, struct note_signature *ret,
                                 struct err *err)
{
        struct str rest, bytes;
        if (!str_starts(line, NOTE_DASH))
                return note_bad(err, "a signature line does not begin with an em dash");
        rest = str_slice(line, NOTE_DASH.len, line.len);
        if (!str_cut(&rest, ' ', &ret->name) || !note_name_is_valid(ret->name))
                return note_bad(err, "a signature line has no valid key name");
        if (!base64_decode(arena, rest, &bytes))
                return arena_check(arena, err) && note_bad(err, "a signature is not base64");
        if (bytes.len < 5)
                return note_bad(err, "a signature is too short");
        const unsigned char *id = (const unsigned char *)bytes.ptr;
        ret->key_id = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
        ret->signature = str_slice(bytes, 4, bytes.len);
        return true;
}

/* Where the last empty line ends: the start of the signatures; 0 when there is none. */
static size_t note_find_signatures(struct str bytes)
{
        for (size_t i = bytes.len; i >= 2; i--) {
                if (bytes.ptr[i - 1] == '\n' && bytes.ptr[i - 2] == '\n')
                        return i;
        }
        return 0;
}

bool note_parse(struct arena *arena, struct str bytes, struct note *ret, struct err *err)
{
        if (!note_check_bytes(bytes, err))
                return false;
        size_t at = note_find_signatures(bytes);
        if (at == 0 || at == bytes.len)
                return note_bad(err, "it has no text, blank line and signatures");
        if (bytes.ptr[bytes.len - 1] != '\n')
                return note_bad(err, "it does not end with a newline");
        struct str lines = str_slice(bytes, at, bytes.len), line;
        size_t count = 0;
        for (size_t i = 0; i < lines.len; i++)
                count += lines.ptr[i] == '\n';
        if (count > NOTE_SIGNATURES_MAX)
                return note_bad(err, "it has too many signatures");
        struct note_signature *signatures = ARENA_ARRAY(arena, struct note_signature, count);
        if (!signatures)
                return arena_check(arena, err);
        for (size_t i = 0; i < count; i++) {
                if (!str_cut(&lines, '\n', &line) || !note_parse_signature(arena, line, &signatures[i], err))
                        return false;
        }
        *ret = (struct note){.text = str_slice(bytes, 0, at - 1), .signatures = signatures, .count = count};
        return true;
}

bool note_verify(const struct note *note, const struct note_verifier *verifier, struct err *err)
{
        bool found = false;
        for (size_t i = 0; i < note->count; i++) {
                const struct note_signature *signature = &note->signatures[i];
                /* "Verifiers MUST ignore signatures from unknown keys, even if they share a name or ID" */
                if (signature->key_id != verifier->key_id || !str_is(signature->name, verifier->name))
                        continue;
                if (!ed25519_verify(&verifier->public_key, note->text, signature->signature, err))
                        return err_prefix(err, "note signed by %s", verifier->name);
                found = true;
        }
        if (!found)
                return err_set(err, ERR_BAD_SIGNATURE, "the note is not signed by %s+%08" PRIx32,
                               verifier->name, verifier->key_id);
        return true;
}

bool note_append_signed(struct buf *buf, struct str text, struct str name, const struct ed25519_key *key,
                        struct err *err)
{
        if (!note_name_is_valid(name) || text.len == 0 || text.ptr[text.len - 1] != '\n')
                return err_set(err, ERR_INTERNAL, "a note needs a valid name and a text that ends its line");
        if (!note_check_bytes(text, err))
                return false;
        struct ed25519_signature signature;
        if (!ed25519_sign(key, text, &signature, err))
                return false;
        uint32_t id = note_key_id(name, ed25519_key_public(key));
        uint8_t bytes[4 + ED25519_SIGNATURE_SIZE] = {(uint8_t)(id >> 24), (uint8_t)(id >> 16),
                                                     (uint8_t)(id >> 8), (uint8_t)id};
        memcpy(bytes + 4, signature.bytes, ED25519_SIGNATURE_SIZE);
        buf_append_str(buf, text);
        buf_append_char(buf, '\n');
        buf_append_str(buf, NOTE_DASH);
        buf_append_str(buf, name);
        buf_append_char(buf, ' ');
        base64_append(buf, str_make(bytes, sizeof(bytes)));
        buf_append_char(buf, '\n');
        return buf_check(buf, "a signed note", err);
}
