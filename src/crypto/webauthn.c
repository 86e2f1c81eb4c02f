/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/webauthn.h"

#include "base/base64.h"
#include "base/json.h"
#include "crypto/cbor.h"
#include "crypto/webauthn_key.h"

enum { AAGUID_SIZE = 16, AUTHENTICATOR_DATA_MIN = SHA256_SIZE + 1 + 4 };

static bool refuse(struct err *err, const char *what)
{
        return err_set(err, ERR_BAD_SIGNATURE, "WebAuthn: %s", what);
}

bool webauthn_origin_fits(struct str origin, struct str rp_id)
{
        bool https = str_starts(origin, STR("https://"));
        struct str rest = str_slice(origin, https ? 8 : 7, origin.len);
        struct str host;
        int64_t port = 443;

        if (origin.len > WEBAUTHN_ORIGIN_MAX || rp_id.len == 0 || rp_id.len > WEBAUTHN_RP_ID_MAX)
                return false;
        if (str_cut(&rest, ':', &host) && (!str_to_i64(rest, &port) || port < 1 || port > 65535))
                return false;
        /* A path, a query or a user would end up in the host or the port; none has such characters. */
        for (size_t i = 0; i < host.len; i++) {
                char c = host.ptr[i];

                if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
                        return false;
        }
        if (!https && !(str_starts(origin, STR("http://")) && str_is(host, "localhost")))
                return false;
        /* HTML, "is a registrable domain suffix of or is equal to", but for the list of public suffixes. */
        return str_eq(host, rp_id) || (host.len > rp_id.len + 1 && str_ends(host, rp_id) &&
                                       host.ptr[host.len - rp_id.len - 1] == '.');
}

/* ---- client data: section 5.8.1 ------------------------------------------------------------------- */

static bool check_origin(const struct webauthn_expect *expect, const struct json *data, struct err *err)
{
        struct str origin = json_get_string(data, "origin");
        const struct json *cross = json_get(data, "crossOrigin");
        bool known = false;

        for (size_t i = 0; i < expect->origin_count; i++)
                known |= origin.ptr != NULL && str_eq(origin, expect->origins[i]);
        if (!known)
                return err_set(err, ERR_BAD_SIGNATURE, "WebAuthn: the origin \"%.*s\" is not an allowed one",
                               STR_ARG(str_slice(origin, 0, 100)));
        /* We are framed by nobody (frame-ancestors 'none'): an assertion made in a frame is not for us. */
        if ((cross && (cross->type != JSON_BOOL || cross->boolean)) || json_get(data, "topOrigin"))
                return refuse(err, "it was made in a frame of another origin");
        return true;
}

static bool check_client_data(struct arena *arena, const struct webauthn_expect *expect, const char *type,
                              struct str text, struct err *err)
{
        const struct json *binding;
        struct str challenge;
        struct json data;

        if (text.len > WEBAUTHN_CLIENT_DATA_MAX)
                return refuse(err, "the client data is too long");
        if (!json_parse(arena, text, &data, err)) {
                if (err->code == ERR_BAD_JSON)
                        err->code = ERR_BAD_SIGNATURE;
                return err_prefix(err, "WebAuthn: the client data");
        }
        if (!str_is(json_get_string(&data, "type"), type))
                return refuse(err, "the client data is of another type");
        if (!base64url_decode(arena, json_get_string(&data, "challenge"), &challenge))
                return arena_failed(arena) ? arena_check(arena, err)
                                           : refuse(err, "the challenge is not base64url");
        if (expect->challenge.len == 0 || !str_eq_secret(challenge, expect->challenge))
                return refuse(err, "it answers another challenge");
        /* Steps 7.1-10 and 7.2-14. We negotiate no token binding, so that none can be present. */
        binding = json_get(&data, "tokenBinding");
        if (binding && !str_is(json_get_string(binding, "status"), "supported"))
                return refuse(err, "it is bound to a token that we did not negotiate");
        return check_origin(expect, &data, err);
}

/* ---- authenticator data: section 6.1 ---------------------------------------------------------------- */

static uint32_t read_u32(const char *bytes)
{
        const uint8_t *at = (const uint8_t *)bytes;

        return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Section 6.5.1; *rest is moved past it. */
static bool parse_attested(struct str *rest, struct webauthn_authenticator_data *ret)
{
        struct cbor cbor;
        size_t len;

        if (rest->len < AAGUID_SIZE + 2)
                return false;
        ret->aaguid = str_slice(*rest, 0, AAGUID_SIZE);
        len = (size_t)(uint8_t)rest->ptr[AAGUID_SIZE] << 8 | (uint8_t)rest->ptr[AAGUID_SIZE + 1];
        *rest = str_slice(*rest, AAGUID_SIZE + 2, rest->len);
        if (len == 0 || len > WEBAUTHN_CREDENTIAL_ID_MAX || rest->len < len)
                return false;
        ret->credential_id = str_slice(*rest, 0, len);
        *rest = str_slice(*rest, len, rest->len);
        /* The key's length is known only by reading it. */
        cbor = cbor_of(*rest);
        if (!cbor_skip(&cbor))
                return false;
        ret->public_key = str_slice(*rest, 0, rest->len - (size_t)(cbor.end - cbor.at));
        *rest = str_make(cbor.at, (size_t)(cbor.end - cbor.at));
        return true;
}

bool webauthn_authenticator_data_parse(struct str bytes, struct webauthn_authenticator_data *ret,
                                       struct err *err)
{
        struct str rest;

        *ret = (struct webauthn_authenticator_data){0};
        if (bytes.len < AUTHENTICATOR_DATA_MIN || bytes.len > WEBAUTHN_AUTHENTICATOR_DATA_MAX)
                return refuse(err, "the authenticator data has a length that cannot be");
        ret->rp_id_hash = str_slice(bytes, 0, SHA256_SIZE);
        ret->flags = (uint8_t)bytes.ptr[SHA256_SIZE];
        ret->sign_count = read_u32(bytes.ptr + SHA256_SIZE + 1);
        rest = str_slice(bytes, AUTHENTICATOR_DATA_MIN, bytes.len);
        if ((ret->flags & WEBAUTHN_ATTESTED) && !parse_attested(&rest, ret))
                return refuse(err, "the attested credential data is malformed");
        if (ret->flags & WEBAUTHN_EXTENSIONS) {
                struct cbor cbor = cbor_of(rest);
                struct cbor map = cbor;
                uint64_t pairs;

                if (!cbor_read_map(&map, &pairs) || !cbor_skip(&cbor))
                        return refuse(err, "the extensions are malformed");
                rest = str_make(cbor.at, (size_t)(cbor.end - cbor.at));
        }
        if (rest.len > 0)
                return refuse(err, "something stands behind the authenticator data");
        return true;
}

static bool check_authenticator_data(const struct webauthn_expect *expect,
                                     const struct webauthn_authenticator_data *data, struct err *err)
{
        struct sha256 hash;

        sha256_of(expect->rp_id, &hash);
        if (!str_eq(data->rp_id_hash, sha256_str(&hash)))
                return refuse(err, "it is for another relying party");
        if (!(data->flags & WEBAUTHN_USER_PRESENT))
                return refuse(err, "nobody was present");
        if (expect->user_verification && !(data->flags & WEBAUTHN_USER_VERIFIED))
                return refuse(err, "the authenticator did not verify who was present");
        /* Level 3, section 6.1: a credential that cannot be backed up is not backed up. */
        if ((data->flags & WEBAUTHN_BACKED_UP) && !(data->flags & WEBAUTHN_BACKUP_ELIGIBLE))
                return refuse(err, "its flags contradict each other");
        return true;
}

/* Section 7.2 steps 19 and 20: over the authenticator data and the hash of the client data. */
static bool check_signature(struct str cose_key, struct str authenticator_data, struct str client_data,
                            struct str signature, struct err *err)
{
        struct sha256 hash;

        sha256_of(client_data, &hash);
        const struct str parts[] = {authenticator_data, sha256_str(&hash)};

        return webauthn_key_verify(cose_key, parts, 2, signature, err);
}

bool webauthn_verify_assertion(struct arena *arena, const struct webauthn_expect *expect,
                               struct str cose_key, struct str authenticator_data, struct str client_data,
                               struct str signature, struct webauthn_assertion *ret, struct err *err)
{
        struct webauthn_authenticator_data data;

        if (!check_client_data(arena, expect, "webauthn.get", client_data, err) ||
            !webauthn_authenticator_data_parse(authenticator_data, &data, err) ||
            !check_authenticator_data(expect, &data, err) ||
            !check_signature(cose_key, authenticator_data, client_data, signature, err))
                return false;
        *ret = (struct webauthn_assertion){.flags = data.flags, .sign_count = data.sign_count};
        return true;
}

/* ---- registration: sections 6.5.4 and 8 ------------------------------------------------------------- */

struct attestation {
        struct str format;
        struct str statement; /* CBOR */
        struct str data;
};

static bool parse_attestation(struct str object, struct attestation *ret)
{
        struct cbor cbor = cbor_of(object);
        const uint8_t *at;
        struct str name;
        uint64_t pairs;

        if (!cbor_read_map(&cbor, &pairs) || pairs != 3)
                return false;
        for (uint64_t i = 0; i < pairs; i++) {
                bool ok = false;

                if (!cbor_read_text(&cbor, &name))
                        return false;
                at = cbor.at;
                if (str_is(name, "fmt") && !ret->format.ptr)
                        ok = cbor_read_text(&cbor, &ret->format);
                else if (str_is(name, "authData") && !ret->data.ptr)
                        ok = cbor_read_bytes(&cbor, &ret->data);
                else if (str_is(name, "attStmt") && !ret->statement.ptr) {
                        ok = cbor_skip(&cbor);
                        ret->statement = str_make(at, (size_t)(cbor.at - at));
                }
                if (!ok)
                        return false;
        }
        return cbor_is_over(&cbor);
}

struct packed {
        bool has_algorithm;
        int64_t algorithm;
        struct str signature;
        bool certificates;
};

/* Section 8.2. */
static bool parse_packed(struct str statement, struct packed *ret)
{
        struct cbor cbor = cbor_of(statement);
        struct str name;
        uint64_t pairs;

        if (!cbor_read_map(&cbor, &pairs))
                return false;
        for (uint64_t i = 0; i < pairs; i++) {
                bool ok = false;

                if (!cbor_read_text(&cbor, &name))
                        return false;
                if (str_is(name, "alg") && !ret->has_algorithm)
                        ok = ret->has_algorithm = cbor_read_int(&cbor, &ret->algorithm);
                else if (str_is(name, "sig") && !ret->signature.ptr)
                        ok = cbor_read_bytes(&cbor, &ret->signature);
                else if (str_is(name, "x5c") && !ret->certificates)
                        ok = ret->certificates = cbor_skip(&cbor);
                if (!ok)
                        return false;
        }
        return cbor_is_over(&cbor) && ret->has_algorithm && ret->signature.ptr;
}

static bool check_attestation(enum webauthn_attestation policy, const struct attestation *attestation,
                              const struct webauthn_registration *registration, struct str client_data,
                              struct err *err)
{
        struct packed packed = {0};

        if (str_is(attestation->format, "none")) {
                /* Section 8.7: an empty map. */
                if (!str_eq(attestation->statement, STR("\xa0")))
                        return refuse(err, "an attestation of the format \"none\" says something");
                return true;
        }
        if (str_is(attestation->format, "packed")) {
                if (!parse_packed(attestation->statement, &packed))
                        return refuse(err, "the packed attestation is malformed");
                if (!packed.certificates)
                        return packed.algorithm == (int64_t)registration->algorithm
                                       ? check_signature(registration->data.public_key, attestation->data,
                                                         client_data, packed.signature, err)
                                       : refuse(err, "the attestation has another algorithm than the key");
        }
        if (policy == WEBAUTHN_ATTESTATION_IGNORE)
                return true;
        return err_set(err, ERR_BAD_SIGNATURE,
                       "WebAuthn: attestations of the format \"%.*s\"%s are refused here",
                       STR_ARG(str_slice(attestation->format, 0, 32)),
                       packed.certificates ? " with certificates" : "");
}

bool webauthn_verify_registration(struct arena *arena, const struct webauthn_expect *expect,
                                  enum webauthn_attestation policy, struct str attestation_object,
                                  struct str client_data, struct webauthn_registration *ret, struct err *err)
{
        struct attestation attestation = {0};

        *ret = (struct webauthn_registration){0};
        if (!check_client_data(arena, expect, "webauthn.create", client_data, err))
                return false;
        if (attestation_object.len > WEBAUTHN_ATTESTATION_MAX ||
            !parse_attestation(attestation_object, &attestation))
                return refuse(err, "the attestation object is malformed");
        if (!webauthn_authenticator_data_parse(attestation.data, &ret->data, err) ||
            !check_authenticator_data(expect, &ret->data, err))
                return false;
        if (!(ret->data.flags & WEBAUTHN_ATTESTED))
                return refuse(err, "the registration holds no credential");
        ret->format = attestation.format;
        return webauthn_key_check(ret->data.public_key, &ret->algorithm, err) &&
               check_attestation(policy, &attestation, ret, client_data, err);
}
