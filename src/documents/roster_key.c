/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/roster_key.h"

#include "base/base64.h"
#include "documents/fields.h"

#include <stdlib.h>

enum { CLIENT_DATA_ARENA_BYTES = 128 * 1024 };

/* ---- building ---------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
        return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static void write_origins(struct json_writer *w, const struct roster_key *key)
{
        struct str origins[WEBAUTHN_ORIGINS_MAX];

        memcpy(origins, key->origins, sizeof(origins));
        qsort(origins, key->origin_count, sizeof(origins[0]), by_text);
        json_key(w, "origins");
        json_array_begin(w);
        for (unsigned i = 0; i < key->origin_count; i++)
                json_str(w, origins[i]);
        json_array_end(w);
}

/* The members in RFC 8785's order. */
void roster_key_write(struct json_writer *w, const struct roster_key *key)
{
        json_object_begin(w);
        if (key->type == ROSTER_KEY_WEBAUTHN) {
                write_origins(w, key);
                json_key(w, "public");
                json_base64(w, key->cose);
                json_field_str(w, "rp_id", key->rp_id);
                json_field_c(w, "type", "webauthn");
        } else {
                json_key(w, "public");
                json_base64(w, ed25519_public_str(&key->public_key));
                json_field_c(w, "type", "ed25519");
        }
        json_object_end(w);
}

/* ---- parsing ----------------------------------------------------------------------------------- */

static bool parse_ed25519(struct arena *arena, const struct fields *fields, struct roster_key *ret,
                          struct err *err)
{
        static const char *const names[] = {"type", "public", NULL};
        struct str text, bytes;

        if (!fields_exact(fields, names, err) || !fields_text(fields, "public", 44, 44, &text, err))
                return false;
        if (!base64_decode(arena, text, &bytes) || !ed25519_public_from(bytes, &ret->public_key))
                return fields_refuse(fields, "public", err, "the public key is not 32 bytes in base64");
        ed25519_key_id(&ret->public_key, ret->keyid);
        return true;
}

static bool parse_origins(const struct fields *fields, struct roster_key *ret, struct err *err)
{
        const struct json *origins;

        if (!fields_of_type(fields, "origins", JSON_ARRAY, &origins, err))
                return false;
        if (origins->count == 0 || origins->count > WEBAUTHN_ORIGINS_MAX)
                return fields_refuse(fields, "origins", err, "a passkey has 1 to %d origins",
                                     WEBAUTHN_ORIGINS_MAX);
        for (uint32_t i = 0; i < origins->count; i++) {
                const struct json *item = &origins->items[i];

                if (item->type != JSON_STRING || !webauthn_origin_fits(item->string, ret->rp_id))
                        return fields_refuse(fields, "origins", err,
                                             "an origin is https://, a host within the RP id and a port");
                if (i > 0 && str_compare(ret->origins[i - 1], item->string) >= 0)
                        return fields_refuse(fields, "origins", err, "origins stand in order, each once");
                ret->origins[i] = item->string;
        }
        ret->origin_count = origins->count;
        return true;
}

static bool parse_webauthn(struct arena *arena, const struct fields *fields, struct roster_key *ret,
                           struct err *err)
{
        static const char *const names[] = {"type", "public", "rp_id", "origins", NULL};
        struct str text;
        struct err why;

        ret->type = ROSTER_KEY_WEBAUTHN;
        if (!fields_exact(fields, names, err) ||
            !fields_text(fields, "public", 4, WEBAUTHN_COSE_MAX * 4 / 3 + 4, &text, err) ||
            !fields_text(fields, "rp_id", 1, WEBAUTHN_RP_ID_MAX, &ret->rp_id, err) ||
            !parse_origins(fields, ret, err))
                return false;
        if (!base64_decode(arena, text, &ret->cose))
                return fields_refuse(fields, "public", err, "the public key is not in base64");
        if (!webauthn_key_check(ret->cose, NULL, &why))
                return fields_refuse(fields, "public", err, "%s", why.message);
        webauthn_key_id(ret->cose, ret->keyid);
        return true;
}

bool roster_key_parse(struct arena *arena, const struct json *value, struct roster_key *ret, struct err *err)
{
        struct fields fields = {.object = value, .path = "/members/keys"};
        struct str type;

        if (value->type != JSON_OBJECT)
                return fields_refuse(&fields, "", err, "a key must be an object");
        if (!fields_text(&fields, "type", 1, 32, &type, err))
                return false;
        if (str_is(type, "ed25519"))
                return parse_ed25519(arena, &fields, ret, err);
        if (str_is(type, "webauthn"))
                return parse_webauthn(arena, &fields, ret, err);
        return fields_refuse(&fields, "type", err, "keys of type \"%.*s\" are not known", STR_ARG(type));
}

/* ---- verifying --------------------------------------------------------------------------------- */

static bool verify_assertion(const struct roster_key *key, const struct dsse_envelope *envelope,
                             const struct dsse_signature *signature, struct err *err)
{
        struct webauthn_assertion assertion;
        struct sha256 challenge;
        ARENA_SCOPED arena;

        dsse_challenge(envelope->payload_type, envelope->payload, &challenge);
        const struct webauthn_expect expect = {
                .challenge = sha256_str(&challenge),
                .rp_id = key->rp_id,
                .origins = key->origins,
                .origin_count = key->origin_count,
                .user_verification = true,
        };

        arena_init(&arena, CLIENT_DATA_ARENA_BYTES);
        return webauthn_verify_assertion(&arena, &expect, key->cose, signature->authenticator_data,
                                         signature->client_data, signature->signature, &assertion, err);
}

bool roster_key_verify(const struct roster_key *key, const struct dsse_envelope *envelope,
                       const struct dsse_signature *signature, struct err *err)
{
        if (key->type == ROSTER_KEY_ED25519)
                return dsse_verify(envelope, signature, &key->public_key, err);
        if (!str_is(signature->key_id, key->keyid))
                return err_set(err, ERR_BAD_SIGNATURE, "the signature names another key");
        if (!dsse_is_assertion(signature))
                return err_set(err, ERR_BAD_SIGNATURE, "the key %.16s… signs by WebAuthn assertions only",
                               key->keyid);
        return verify_assertion(key, envelope, signature, err);
}
