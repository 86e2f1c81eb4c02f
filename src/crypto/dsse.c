/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/dsse.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/json_write.h"

#include <stdint.h>
#include <stdio.h>

void dsse_append_pae(struct buf *buf, struct str payload_type, struct str payload)
{
        buf_append_c(buf, "DSSEv1 ");
        buf_append_u64(buf, payload_type.len);
        buf_append_char(buf, ' ');
        buf_append_str(buf, payload_type);
        buf_append_char(buf, ' ');
        buf_append_u64(buf, payload.len);
        buf_append_char(buf, ' ');
        buf_append_str(buf, payload);
}

/* The string member `name`, not empty; there is no other way to leave one out than to make it invalid. */
static bool dsse_string(const struct json *object, const char *prefix, const char *name, struct str *ret,
                        struct err *err)
{
        char place[ERR_PLACE_MAX];
        snprintf(place, sizeof(place), "%s/%s", prefix, name);
        const struct json *member = json_get(object, name);
        if (!member)
                return err_set_at(err, ERR_BAD_ENVELOPE, place, "the envelope has no \"%s\"", name);
        if (member->type != JSON_STRING)
                return err_set_at(err, ERR_BAD_ENVELOPE, place, "\"%s\" must be a string, not %s", name,
                                  json_type_name(member->type));
        *ret = member->string;
        return true;
}

static bool dsse_bytes(struct arena *arena, const struct json *object, const char *prefix, const char *name,
                       struct str *ret, struct err *err)
{
        struct str text = STR_NULL;
        if (!dsse_string(object, prefix, name, &text, err))
                return false;
        if (!base64_decode(arena, text, ret)) {
                char place[ERR_PLACE_MAX];
                snprintf(place, sizeof(place), "%s/%s", prefix, name);
                if (!arena_check(arena, err))
                        return false;
                return err_set_at(err, ERR_BAD_ENVELOPE, place, "\"%s\" is not standard base64", name);
        }
        return true;
}

static bool dsse_members(const struct json *object, const char *place, uint32_t count, const char *what,
                         struct err *err)
{
        if (object->type != JSON_OBJECT)
                return err_set_at(err, ERR_BAD_ENVELOPE, place, "%s must be an object, not %s", what,
                                  json_type_name(object->type));
        /* The members asked for are looked up by name: more than their number means an unknown one. */
        if (object->count > count)
                return err_set_at(err, ERR_BAD_ENVELOPE, place, "%s has unknown members", what);
        return true;
}

static bool dsse_parse_signature(struct arena *arena, const struct json *item, size_t index,
                                 struct dsse_signature *ret, struct err *err)
{
        char place[ERR_PLACE_MAX];
        snprintf(place, sizeof(place), "/signatures/%zu", index);
        bool assertion = json_get(item, "authenticatorData") || json_get(item, "clientDataJSON");
        if (!dsse_members(item, place, assertion ? 4 : 2, "a signature", err) ||
            !dsse_string(item, place, "keyid", &ret->key_id, err) ||
            !dsse_bytes(arena, item, place, "sig", &ret->signature, err))
                return false;
        if (assertion &&
            (!dsse_bytes(arena, item, place, "authenticatorData", &ret->authenticator_data, err) ||
             !dsse_bytes(arena, item, place, "clientDataJSON", &ret->client_data, err)))
                return false;
        if (ret->key_id.len == 0 || ret->signature.len == 0)
                return err_set_at(err, ERR_BAD_ENVELOPE, place, "keyid and sig must not be empty");
        if (assertion && (ret->authenticator_data.len == 0 || ret->client_data.len == 0))
                return err_set_at(err, ERR_BAD_ENVELOPE, place, "an assertion's members must not be empty");
        return true;
}

static bool dsse_parse_signatures(struct arena *arena, const struct json *list, size_t least,
                                  struct dsse_envelope *ret, struct err *err)
{
        if (!list || list->type != JSON_ARRAY)
                return err_set_at(err, ERR_BAD_ENVELOPE, "/signatures", "\"signatures\" must be an array");
        if (list->count < least || list->count > DSSE_SIGNATURES_MAX)
                return err_set_at(err, ERR_BAD_ENVELOPE, "/signatures",
                                  "an envelope has %zu to %d signatures, this one has %u", least,
                                  DSSE_SIGNATURES_MAX, list->count);
        struct dsse_signature *signatures = ARENA_ARRAY(arena, struct dsse_signature, list->count);
        if (!signatures)
                return arena_check(arena, err);
        for (size_t i = 0; i < list->count; i++) {
                if (!dsse_parse_signature(arena, &list->items[i], i, &signatures[i], err))
                        return false;
                /* One key counts once, and nobody shall have to remember that. */
                for (size_t j = 0; j < i; j++) {
                        if (str_eq(signatures[i].key_id, signatures[j].key_id))
                                return err_set_at(err, ERR_BAD_ENVELOPE, "/signatures",
                                                  "two signatures name the same keyid \"%.*s\"",
                                                  STR_ARG(str_slice(signatures[i].key_id, 0, 64)));
                }
        }
        ret->signatures = signatures;
        ret->count = list->count;
        return true;
}

bool dsse_parse(struct arena *arena, struct str text, struct dsse_envelope *ret, struct err *err)
{
        struct json root;
        if (!json_parse(arena, text, &root, err)) {
                if (err->code == ERR_BAD_JSON)
                        err->code = ERR_BAD_ENVELOPE;
                return false;
        }
        return dsse_read(arena, &root, 1, ret, err);
}

bool dsse_read(struct arena *arena, const struct json *root, size_t least, struct dsse_envelope *ret,
               struct err *err)
{
        *ret = (struct dsse_envelope){0};
        if (!dsse_members(root, "", 3, "the envelope", err) ||
            !dsse_string(root, "", "payloadType", &ret->payload_type, err) ||
            !dsse_bytes(arena, root, "", "payload", &ret->payload, err))
                return false;
        if (ret->payload_type.len == 0 || ret->payload_type.len > DSSE_PAYLOAD_TYPE_MAX)
                return err_set_at(err, ERR_BAD_ENVELOPE, "/payloadType",
                                  "the payload type must have 1 to %d bytes", DSSE_PAYLOAD_TYPE_MAX);
        return dsse_parse_signatures(arena, json_get(root, "signatures"), least, ret, err);
}

void dsse_append_signature(struct json_writer *w, const struct dsse_signature *signature)
{
        json_object_begin(w);
        if (dsse_is_assertion(signature)) {
                json_key(w, "authenticatorData");
                json_base64(w, signature->authenticator_data);
                json_key(w, "clientDataJSON");
                json_base64(w, signature->client_data);
        }
        json_field_str(w, "keyid", signature->key_id);
        json_key(w, "sig");
        json_base64(w, signature->signature);
        json_object_end(w);
}

void dsse_append(struct buf *buf, const struct dsse_envelope *envelope)
{
        struct json_writer w;
        json_writer_init(&w, buf);
        json_object_begin(&w);
        json_key(&w, "payload");
        json_base64(&w, envelope->payload);
        json_field_str(&w, "payloadType", envelope->payload_type);
        json_key(&w, "signatures");
        json_array_begin(&w);
        for (size_t i = 0; i < envelope->count; i++) {
                dsse_append_signature(&w, &envelope->signatures[i]);
        }
        json_array_end(&w);
        json_object_end(&w);
}

static void dsse_pae_init(struct buf *buf, struct str payload_type, struct str payload)
{
        /* "DSSEv1", four spaces and two numbers of at most 20 digits */
        buf_init(buf, payload_type.len + payload.len + 64);
        dsse_append_pae(buf, payload_type, payload);
}

void dsse_challenge(struct str payload_type, struct str payload, struct sha256 *ret)
{
        /* The PAE without copying the payload: it is the last thing in it. */
        char numbers[2][24];
        (void)snprintf(numbers[0], sizeof(numbers[0]), "%zu ", payload_type.len);
        (void)snprintf(numbers[1], sizeof(numbers[1]), " %zu ", payload.len);
        const struct str parts[] = {STR("DSSEv1 "), str_from(numbers[0]), payload_type, str_from(numbers[1]),
                                    payload};
        sha256_of_parts(parts, 5, ret);
}

bool dsse_sign(struct arena *arena, const struct ed25519_key *key, struct str payload_type,
               struct str payload, struct dsse_signature *ret, struct err *err)
{
        BUF_SCOPED pae = {0};
        dsse_pae_init(&pae, payload_type, payload);
        struct ed25519_signature signature;
        char key_id[ED25519_KEY_ID_SIZE];
        if (!buf_check(&pae, "the text to sign", err) || !ed25519_sign(key, buf_str(&pae), &signature, err))
                return false;
        ed25519_key_id(ed25519_key_public(key), key_id);
        ret->key_id = arena_str(arena, str_from(key_id));
        ret->signature = arena_str(arena, ed25519_signature_str(&signature));
        return arena_check(arena, err);
}

bool dsse_verify(const struct dsse_envelope *envelope, const struct dsse_signature *signature,
                 const struct ed25519_public *public_key, struct err *err)
{
        char key_id[ED25519_KEY_ID_SIZE];
        ed25519_key_id(public_key, key_id);
        if (dsse_is_assertion(signature))
                return err_set(err, ERR_BAD_SIGNATURE, "the key %.16s… makes no WebAuthn assertions",
                               key_id);
        if (!str_is(signature->key_id, key_id))
                return err_set(err, ERR_BAD_SIGNATURE, "the signature names key %.*s, not %.16s…",
                               STR_ARG(str_slice(signature->key_id, 0, 64)), key_id);
        BUF_SCOPED pae = {0};
        dsse_pae_init(&pae, envelope->payload_type, envelope->payload);
        return buf_check(&pae, "the text to verify", err) &&
               ed25519_verify(public_key, buf_str(&pae), signature->signature, err);
}
