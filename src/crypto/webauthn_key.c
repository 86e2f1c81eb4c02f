/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/webauthn_key.h"

#include "base/buf.h"
#include "base/heap.h"
#include "crypto/cbor.h"
#include "crypto/ed25519.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

enum {
        COORDINATE_SIZE = 32,
        RSA_MIN_BYTES = 256,
        RSA_MAX_BYTES = 512,
        SIGNED_MAX_BYTES = WEBAUTHN_AUTHENTICATOR_DATA_MAX + SHA256_SIZE,
};

/* COSE key types and curves (IANA). */
enum { COSE_OKP = 1, COSE_EC2 = 2, COSE_RSA = 3, COSE_P256 = 1, COSE_ED25519 = 6 };

struct cose_key {
        enum webauthn_algorithm algorithm;
        struct str a; /* x; or the modulus */
        struct str b; /* y; or the exponent */
};

static bool refuse(struct err *err, const char *what)
{
        ERR_clear_error(); /* the queue belongs to the thread: leave nothing in it for TLS to trip over */
        return err_set(err, ERR_BAD_SIGNATURE, "WebAuthn: %s", what);
}

/* The next pair must be label: value. */
static bool expect_int(struct cbor *cbor, int64_t label, int64_t value)
{
        int64_t read_label, read_value;

        return cbor_read_int(cbor, &read_label) && read_label == label && cbor_read_int(cbor, &read_value) &&
               read_value == value;
}

static bool expect_bytes(struct cbor *cbor, int64_t label, size_t min, size_t max, struct str *ret)
{
        int64_t read_label;

        return cbor_read_int(cbor, &read_label) && read_label == label && cbor_read_bytes(cbor, ret) &&
               ret->len >= min && ret->len <= max;
}

static bool parse_ec(struct cbor *cbor, struct cose_key *ret)
{
        return expect_int(cbor, -1, COSE_P256) &&
               expect_bytes(cbor, -2, COORDINATE_SIZE, COORDINATE_SIZE, &ret->a) &&
               expect_bytes(cbor, -3, COORDINATE_SIZE, COORDINATE_SIZE, &ret->b);
}

static bool parse_rsa(struct cbor *cbor, struct cose_key *ret)
{
        /* RFC 8230 section 4: unsigned, no leading zero. */
        return expect_bytes(cbor, -1, RSA_MIN_BYTES, RSA_MAX_BYTES, &ret->a) && ret->a.ptr[0] != 0 &&
               expect_bytes(cbor, -2, 3, 3, &ret->b) && str_eq(ret->b, STR("\x01\x00\x01"));
}

/* Labels in the CTAP2 canonical order: 1, 3, -1, -2, -3. */
static bool parse(struct str bytes, struct cose_key *ret)
{
        struct cbor cbor = cbor_of(bytes);
        int64_t label, type, algorithm;
        uint64_t pairs;
        bool ok = false;

        if (bytes.len > WEBAUTHN_COSE_MAX || !cbor_read_map(&cbor, &pairs) ||
            !cbor_read_int(&cbor, &label) || label != 1 || !cbor_read_int(&cbor, &type) ||
            !cbor_read_int(&cbor, &label) || label != 3 || !cbor_read_int(&cbor, &algorithm))
                return false;
        if (type == COSE_EC2 && algorithm == WEBAUTHN_ES256)
                ok = pairs == 5 && parse_ec(&cbor, ret);
        else if (type == COSE_OKP && algorithm == WEBAUTHN_EDDSA)
                ok = pairs == 4 && expect_int(&cbor, -1, COSE_ED25519) &&
                     expect_bytes(&cbor, -2, ED25519_PUBLIC_SIZE, ED25519_PUBLIC_SIZE, &ret->a);
        else if (type == COSE_RSA && algorithm == WEBAUTHN_RS256)
                ok = pairs == 4 && parse_rsa(&cbor, ret);
        ret->algorithm = (enum webauthn_algorithm)algorithm;
        return ok && cbor_is_over(&cbor);
}

static void pkey_freep(EVP_PKEY **pkey)
{
        EVP_PKEY_free(*pkey);
}

static void pkey_context_freep(EVP_PKEY_CTX **context)
{
        EVP_PKEY_CTX_free(*context);
}

static void digest_context_freep(EVP_MD_CTX **context)
{
        EVP_MD_CTX_free(*context);
}

static void builder_freep(OSSL_PARAM_BLD **builder)
{
        OSSL_PARAM_BLD_free(*builder);
}

static void params_freep(OSSL_PARAM **params)
{
        OSSL_PARAM_free(*params);
}

static void bignum_freep(BIGNUM **number)
{
        BN_free(*number);
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
        _cleanup_(pkey_context_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
        EVP_PKEY *pkey = NULL;

        if (!context || EVP_PKEY_fromdata_init(context) != 1 ||
            EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
                return NULL;
        return pkey;
}

/* NULL when the point is not on the curve. */
static EVP_PKEY *ec_key(const struct cose_key *key)
{
        char group[] = "P-256";
        uint8_t point[1 + 2 * COORDINATE_SIZE] = {0x04};
        OSSL_PARAM params[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
                OSSL_PARAM_construct_end(),
        };

        memcpy(point + 1, key->a.ptr, COORDINATE_SIZE);
        memcpy(point + 1 + COORDINATE_SIZE, key->b.ptr, COORDINATE_SIZE);
        return from_params("EC", params);
}

static EVP_PKEY *rsa_key(const struct cose_key *key)
{
        _cleanup_(bignum_freep) BIGNUM *n = BN_bin2bn((const uint8_t *)key->a.ptr, (int)key->a.len, NULL);
        _cleanup_(bignum_freep) BIGNUM *e = BN_bin2bn((const uint8_t *)key->b.ptr, (int)key->b.len, NULL);
        _cleanup_(builder_freep) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
        _cleanup_(params_freep) OSSL_PARAM *params = NULL;

        if (!n || !e || !builder || OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
            OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) != 1)
                return NULL;
        params = OSSL_PARAM_BLD_to_param(builder);
        return params ? from_params("RSA", params) : NULL;
}

/* Ed25519 keys have their own way: crypto/ed25519.h refuses those of small order. */
static bool load(const struct cose_key *key, EVP_PKEY **ret, struct err *err)
{
        struct ed25519_public public_key;

        *ret = NULL;
        if (key->algorithm == WEBAUTHN_EDDSA)
                return ed25519_public_from(key->a, &public_key) || refuse(err, "the key is of small order");
        *ret = key->algorithm == WEBAUTHN_ES256 ? ec_key(key) : rsa_key(key);
        return *ret || refuse(err, "OpenSSL does not take the public key");
}

bool webauthn_key_check(struct str cose_key, enum webauthn_algorithm *ret, struct err *err)
{
        _cleanup_(pkey_freep) EVP_PKEY *pkey = NULL;
        struct cose_key key = {0};

        if (!parse(cose_key, &key))
                return refuse(err, "the public key is not a COSE key for ES256, EdDSA or RS256");
        if (!load(&key, &pkey, err))
                return false;
        if (ret)
                *ret = key.algorithm;
        return true;
}

void webauthn_key_id(struct str cose_key, char ret_id[WEBAUTHN_KEY_ID_SIZE])
{
        struct sha256 hash;

        sha256_of(cose_key, &hash);
        sha256_format(&hash, ret_id);
}

static bool verify_ed25519(const struct cose_key *key, const struct str *parts, size_t count,
                           struct str signature, struct err *err)
{
        struct ed25519_public public_key;
        BUF_SCOPED message = {0};

        buf_init(&message, SIGNED_MAX_BYTES);
        for (size_t i = 0; i < count; i++)
                buf_append_str(&message, parts[i]);
        return buf_check(&message, "what was signed", err) &&
               (ed25519_public_from(key->a, &public_key) || refuse(err, "the key is of small order")) &&
               ed25519_verify(&public_key, buf_str(&message), signature, err);
}

bool webauthn_key_verify(struct str cose_key, const struct str *parts, size_t count, struct str signature,
                         struct err *err)
{
        _cleanup_(digest_context_freep) EVP_MD_CTX *context = NULL;
        _cleanup_(pkey_freep) EVP_PKEY *pkey = NULL;
        struct cose_key key = {0};

        if (!parse(cose_key, &key))
                return refuse(err, "the public key is not a COSE key for ES256, EdDSA or RS256");
        if (signature.len == 0 || signature.len > WEBAUTHN_SIGNATURE_MAX)
                return refuse(err, "the signature has a length that cannot be");
        if (key.algorithm == WEBAUTHN_EDDSA)
                return verify_ed25519(&key, parts, count, signature, err);
        if (!load(&key, &pkey, err))
                return false;
        context = EVP_MD_CTX_new();
        /* RSA: PKCS #1 v1.5 is OpenSSL's default for RSA keys, and what RS256 means (RFC 8812). */
        if (!context || EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, pkey) != 1) {
                ERR_clear_error();
                return err_set(err, ERR_NO_MEMORY, "cannot prepare to verify a signature");
        }
        for (size_t i = 0; i < count; i++)
                if (EVP_DigestVerifyUpdate(context, parts[i].ptr, parts[i].len) != 1)
                        return refuse(err, "the signature cannot be verified");
        if (EVP_DigestVerifyFinal(context, (const uint8_t *)signature.ptr, signature.len) != 1)
                return refuse(err, "the signature does not fit the bytes");
        return true;
}
