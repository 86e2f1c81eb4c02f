/* SPDX-License-Identifier: Apache-2.0 */
/* Compact JSON Web Signatures (RFC 7515). */
#include "crypto/jose_private.h"

#include "base/base64.h"
#include "crypto/secret.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

enum { KEYS_TRIED_MAX = 4, EC_BYTES_MAX = 66, EC_DER_MAX = 160 };

static const char *const alg_names[JOSE_ALG_COUNT] = {
        [JOSE_RS256] = "RS256", [JOSE_RS384] = "RS384", [JOSE_RS512] = "RS512", [JOSE_PS256] = "PS256",
        [JOSE_PS384] = "PS384", [JOSE_PS512] = "PS512", [JOSE_ES256] = "ES256", [JOSE_ES384] = "ES384",
        [JOSE_ES512] = "ES512", [JOSE_EDDSA] = "EdDSA", [JOSE_HS256] = "HS256", [JOSE_HS384] = "HS384",
        [JOSE_HS512] = "HS512",
};

const char *jose_alg_name(enum jose_alg alg)
{
        return alg_names[alg];
}

bool jose_alg_from(struct str name, enum jose_alg *ret)
{
        for (unsigned i = JOSE_RS256; i < JOSE_ALG_COUNT; i++)
                if (str_is(name, alg_names[i])) {
                        *ret = (enum jose_alg)i;
                        return true;
                }
        return false;
}

const EVP_MD *jose_alg_digest(enum jose_alg alg)
{
        switch (alg) {
        case JOSE_RS256:
        case JOSE_PS256:
        case JOSE_ES256:
        case JOSE_HS256:
                return EVP_sha256();
        case JOSE_RS384:
        case JOSE_PS384:
        case JOSE_ES384:
        case JOSE_HS384:
                return EVP_sha384();
        case JOSE_RS512:
        case JOSE_PS512:
        case JOSE_ES512:
        case JOSE_HS512:
                return EVP_sha512();
        default: /* Ed25519 hashes by itself */
                return NULL;
        }
}

/* ---- the form -------------------------------------------------------------------------------------- */

struct parts {
        struct str header;
        struct str payload;
        struct str signed_text; /* header "." payload */
        struct str signature;
};

static bool split(struct str token, struct parts *ret)
{
        struct str rest = token;

        if (token.len > JOSE_TOKEN_MAX || !str_cut(&rest, '.', &ret->header) ||
            !str_cut(&rest, '.', &ret->payload) || str_find(rest, '.') >= 0 || ret->header.len == 0 ||
            rest.len == 0)
                return false;
        ret->signature = rest;
        ret->signed_text = str_make(token.ptr, ret->header.len + 1 + ret->payload.len);
        return true;
}

static bool is_base64url(struct str text)
{
        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];

                if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
                    c != '-' && c != '_')
                        return false;
        }
        return true;
}

bool jose_looks_like_token(struct str text)
{
        struct parts parts;

        /* {" in base64url: the first two characters of every header that is JSON without white space. */
        return str_starts(text, STR("ey")) && split(text, &parts) && is_base64url(parts.header) &&
               is_base64url(parts.payload) && is_base64url(parts.signature);
}

static bool malformed(struct err *err, const char *why)
{
        return err_set(err, ERR_BAD_SIGNATURE, "the token cannot be read: %s", why);
}

static bool optional_string(const struct json *object, const char *name, struct str *ret)
{
        const struct json *value = json_get(object, name);

        *ret = STR_NULL;
        if (!value)
                return true;
        if (value->type != JSON_STRING)
                return false;
        *ret = value->string;
        return true;
}

/* Fills alg (JOSE_NONE_GIVEN for one that is not ours), kid and typ. */
static bool read_header(struct arena *arena, struct str text, struct jose_token *ret, struct err *err)
{
        struct str bytes;
        struct str alg;

        if (text.len > JOSE_HEADER_MAX * 4 / 3 || !base64url_decode(arena, text, &bytes))
                return malformed(err, "its header is no base64url, or is too large");
        if (!json_parse(arena, bytes, &ret->header, err) || ret->header.type != JSON_OBJECT)
                return malformed(err, "its header is no JSON object with each member once");
        /* RFC 7515 section 4.1.11: an extension that is not understood refuses the token. */
        if (json_get(&ret->header, "crit") || json_get(&ret->header, "b64") || json_get(&ret->header, "zip"))
                return malformed(err, "its header asks for an extension");
        if (!optional_string(&ret->header, "alg", &alg) || !alg.ptr ||
            !optional_string(&ret->header, "kid", &ret->kid) || ret->kid.len > JOSE_KID_MAX ||
            !optional_string(&ret->header, "typ", &ret->typ))
                return malformed(err, "alg, kid and typ of its header must be strings");
        if (!jose_alg_from(alg, &ret->alg))
                ret->alg = JOSE_NONE_GIVEN;
        return true;
}

/* ---- signatures ------------------------------------------------------------------------------------ */

/* RFC 7518 section 3.4: R and S, each as long as the curve's order; OpenSSL wants DER. */
static int der_signature(enum jose_alg alg, struct str raw, uint8_t der[EC_DER_MAX])
{
        size_t half = alg == JOSE_ES256 ? 32 : alg == JOSE_ES384 ? 48 : EC_BYTES_MAX;
        const uint8_t *bytes = (const uint8_t *)raw.ptr;
        ECDSA_SIG *signature;
        uint8_t *at = der;
        BIGNUM *r;
        BIGNUM *s;
        int len = 0;

        if (raw.len != 2 * half)
                return 0;
        signature = ECDSA_SIG_new();
        r = BN_bin2bn(bytes, (int)half, NULL);
        s = BN_bin2bn(bytes + half, (int)half, NULL);
        if (signature && r && s && ECDSA_SIG_set0(signature, r, s) == 1) {
                r = s = NULL; /* the signature's own now */
                if (i2d_ECDSA_SIG(signature, NULL) <= EC_DER_MAX)
                        len = i2d_ECDSA_SIG(signature, &at);
        }
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(signature);
        return len;
}

static bool is_pss(enum jose_alg alg)
{
        return alg == JOSE_PS256 || alg == JOSE_PS384 || alg == JOSE_PS512;
}

static bool verify_public(const struct jose_key *key, enum jose_alg alg, struct str text,
                          struct str signature)
{
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        uint8_t der[EC_DER_MAX];
        EVP_PKEY_CTX *settings = NULL;
        bool ok;

        if (JOSE_BIT(alg) & (JOSE_BIT(JOSE_ES256) | JOSE_BIT(JOSE_ES384) | JOSE_BIT(JOSE_ES512)))
                signature = str_make(der, (size_t)der_signature(alg, signature, der));
        ok = context && signature.len > 0 &&
             EVP_DigestVerifyInit(context, &settings, jose_alg_digest(alg), NULL, key->public_key) == 1;
        /* RFC 7518 section 3.5: MGF1 with the same hash, a salt as long as the hash. */
        if (ok && is_pss(alg))
                ok = EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1 &&
                     EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) == 1;
        ok = ok && EVP_DigestVerify(context, (const uint8_t *)signature.ptr, signature.len,
                                    (const uint8_t *)text.ptr, text.len) == 1;
        EVP_MD_CTX_free(context);
        ERR_clear_error();
        return ok;
}

static bool verify_secret(const struct jose_key *key, enum jose_alg alg, struct str text,
                          struct str signature)
{
        uint8_t mac[EVP_MAX_MD_SIZE];
        unsigned len = 0;
        bool ok = HMAC(jose_alg_digest(alg), key->secret, (int)key->secret_len, (const uint8_t *)text.ptr,
                       text.len, mac, &len) &&
                  str_eq_secret(str_make(mac, len), signature);

        secret_wipe(mac, sizeof(mac));
        return ok;
}

/* The keys that the token may mean; 0 when there are none, or when its kid names several. */
static size_t choose_keys(const struct jose_keys *keys, const struct jose_token *token,
                          const struct jose_key *chosen[KEYS_TRIED_MAX])
{
        size_t count = 0;

        for (size_t i = 0; i < keys->count; i++) {
                const struct jose_key *key = &keys->keys[i];
                bool named = key->has_kid && token->kid.ptr &&
                             str_eq(str_make(key->kid, key->kid_len), token->kid);

                if (named && key->algs == 0)
                        return 0;
                if (!(key->algs & JOSE_BIT(token->alg)) || (token->kid.ptr && !named))
                        continue;
                if (named && count == 1)
                        return 0;
                if (count < KEYS_TRIED_MAX)
                        chosen[count++] = key;
        }
        return count;
}

static bool give_up(enum jose_why *ret_why, enum jose_why why)
{
        if (ret_why)
                *ret_why = why;
        return false;
}

bool jose_verify_bytes(struct arena *arena, const struct jose_keys *keys, uint32_t algs, struct str token,
                       struct jose_token *ret, enum jose_why *ret_why, struct err *err)
{
        const struct jose_key *chosen[KEYS_TRIED_MAX];
        struct parts parts;
        struct str signature;
        size_t count;

        *ret = (struct jose_token){0};
        if (!split(token, &parts)) {
                (void)malformed(err, "it has not three parts, or is too large");
                return give_up(ret_why, JOSE_MALFORMED);
        }
        if (!read_header(arena, parts.header, ret, err))
                return give_up(ret_why, JOSE_MALFORMED);
        if (ret->alg == JOSE_NONE_GIVEN || !(algs & JOSE_BIT(ret->alg))) {
                (void)err_set(err, ERR_BAD_SIGNATURE, "the token's algorithm is not allowed here");
                return give_up(ret_why, JOSE_ALG_REFUSED);
        }
        if (!base64url_decode(arena, parts.payload, &ret->payload_bytes) ||
            !base64url_decode(arena, parts.signature, &signature)) {
                (void)malformed(err, "payload or signature is no base64url");
                return give_up(ret_why, JOSE_MALFORMED);
        }
        count = choose_keys(keys, ret, chosen);
        if (count == 0) {
                (void)err_set(err, ERR_BAD_SIGNATURE, "no single key fits the token's kid and algorithm");
                return give_up(ret_why, JOSE_NO_KEY);
        }
        for (size_t i = 0; i < count; i++)
                if (chosen[i]->public_key
                            ? verify_public(chosen[i], ret->alg, parts.signed_text, signature)
                            : verify_secret(chosen[i], ret->alg, parts.signed_text, signature)) {
                        if (ret_why)
                                *ret_why = JOSE_OK;
                        return true;
                }
        (void)err_set(err, ERR_BAD_SIGNATURE, "the token's signature does not fit");
        return give_up(ret_why, JOSE_BAD);
}

bool jose_verify(struct arena *arena, const struct jose_keys *keys, uint32_t algs, struct str token,
                 struct jose_token *ret, enum jose_why *ret_why, struct err *err)
{
        if (!jose_verify_bytes(arena, keys, algs, token, ret, ret_why, err))
                return false;
        if (json_parse(arena, ret->payload_bytes, &ret->payload, err) && ret->payload.type == JSON_OBJECT)
                return true;
        (void)malformed(err, "its payload is no JSON object with each member once");
        return give_up(ret_why, JOSE_MALFORMED);
}

bool jose_peek(struct arena *arena, struct str token, struct jose_token *ret, struct err *err)
{
        struct parts parts;
        struct err ignored;

        *ret = (struct jose_token){0};
        if (!split(token, &parts) || !is_base64url(parts.signature))
                return malformed(err, "it has not three parts, or is too large");
        if (!read_header(arena, parts.header, ret, err))
                return false;
        if (!base64url_decode(arena, parts.payload, &ret->payload_bytes))
                return malformed(err, "its payload is no base64url");
        if (!json_parse(arena, ret->payload_bytes, &ret->payload, &ignored))
                ret->payload = (struct json){0};
        return true;
}
