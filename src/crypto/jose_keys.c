/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037 section 2). */
#include "crypto/jose_private.h"

#include "base/base64.h"
#include "base/heap.h"
#include "crypto/ed25519.h"
#include "crypto/secret.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

enum { SCRATCH_BYTES = 2 << 20, EC_BYTES_MAX = 66, SECRET_BYTES_MAX = 4096 };

#define RSA_ALGS                                                                                            \
        (JOSE_BIT(JOSE_RS256) | JOSE_BIT(JOSE_RS384) | JOSE_BIT(JOSE_RS512) | JOSE_BIT(JOSE_PS256) |        \
         JOSE_BIT(JOSE_PS384) | JOSE_BIT(JOSE_PS512))
#define HS_ALGS (JOSE_BIT(JOSE_HS256) | JOSE_BIT(JOSE_HS384) | JOSE_BIT(JOSE_HS512))

static bool refuse(struct err *err, const char *why)
{
        return err_set(err, ERR_BAD_FIELD, "the key cannot be used: %s", why);
}

static bool member_bytes(struct arena *arena, const struct json *jwk, const char *name, struct str *ret)
{
        struct str text = json_get_string(jwk, name);

        return text.len > 0 && base64url_decode(arena, text, ret) && ret->len > 0;
}

bool jose_jwk_is_private(const struct json *jwk)
{
        static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (json_get(jwk, names[i]))
                        return true;
        return false;
}

/* ---- RSA ------------------------------------------------------------------------------------------- */

/*
 * Keys of a faulty generator (CVE-2017-15361) are products of primes
 * k·M + (65537^a mod M); modulo each small prime they are therefore powers of 65537.
 */
static bool has_roca_fingerprint(const BIGNUM *n)
{
        static const unsigned primes[] = {11, 13, 17,  19,  37,  53,  61,  71, 73,
                                          79, 97, 103, 107, 109, 127, 151, 157};

        for (size_t i = 0; i < sizeof(primes) / sizeof(primes[0]); i++) {
                unsigned long wanted = BN_mod_word(n, primes[i]);
                unsigned long power = 1;
                bool found = false;

                for (unsigned k = 0; k < primes[i] && !found; k++) {
                        found = power == wanted;
                        power = power * (65537 % primes[i]) % primes[i];
                }
                if (!found)
                        return false;
        }
        return true;
}

/* NULL, or why the modulus and exponent are none that we would trust. */
static const char *rsa_weakness(const BIGNUM *n, const BIGNUM *e)
{
        if (BN_num_bits(n) < JOSE_RSA_BITS_MIN)
                return "an RSA modulus of less than 2048 bits";
        if (BN_num_bits(n) > JOSE_RSA_BITS_MAX)
                return "an RSA modulus of more than 8192 bits";
        if (!BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e) || BN_num_bits(e) > 64)
                return "an RSA exponent or modulus that is unsound";
        if (has_roca_fingerprint(n))
                return "made by a faulty generator (CVE-2017-15361)";
        return NULL;
}

static EVP_PKEY *pkey_from(const char *type, OSSL_PARAM *parameters)
{
        EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
        EVP_PKEY *pkey = NULL;

        if (!parameters || !context || EVP_PKEY_fromdata_init(context) != 1 ||
            EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
                pkey = NULL;
        EVP_PKEY_CTX_free(context);
        ERR_clear_error();
        return pkey;
}

static bool read_rsa(struct arena *arena, const struct json *jwk, struct jose_key *ret, struct err *err)
{
        OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
        OSSL_PARAM *parameters = NULL;
        const char *weakness = "n and e are needed";
        BIGNUM *n = NULL;
        BIGNUM *e = NULL;
        struct str bytes;

        if (member_bytes(arena, jwk, "n", &bytes) && bytes.len <= JOSE_RSA_BITS_MAX / 8 + 1)
                n = BN_bin2bn((const uint8_t *)bytes.ptr, (int)bytes.len, NULL);
        if (member_bytes(arena, jwk, "e", &bytes) && bytes.len <= 16)
                e = BN_bin2bn((const uint8_t *)bytes.ptr, (int)bytes.len, NULL);
        if (n && e)
                weakness = rsa_weakness(n, e);
        if (!weakness && builder && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
            OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
                parameters = OSSL_PARAM_BLD_to_param(builder);
        ret->public_key = pkey_from("RSA", parameters);
        ret->algs = RSA_ALGS;
        OSSL_PARAM_free(parameters);
        OSSL_PARAM_BLD_free(builder);
        BN_free(n);
        BN_free(e);
        return ret->public_key || refuse(err, weakness ? weakness : "OpenSSL refuses it");
}

/* ---- elliptic curves --------------------------------------------------------------------------------- */

static const struct curve {
        const char *crv;
        size_t bytes;
        enum jose_alg alg;
} curves[] = {{"P-256", 32, JOSE_ES256}, {"P-384", 48, JOSE_ES384}, {"P-521", 66, JOSE_ES512}};

/* RFC 7518 section 6.2.1.2: the coordinates have the full length of the curve's field. */
static EVP_PKEY *point_key(const struct curve *curve, struct str x, struct str y)
{
        uint8_t point[1 + 2 * EC_BYTES_MAX] = {0x04};
        OSSL_PARAM parameters[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)curve->crv, 0),
                OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * curve->bytes),
                OSSL_PARAM_construct_end(),
        };
        EVP_PKEY_CTX *context;
        EVP_PKEY *pkey;

        memcpy(point + 1, x.ptr, x.len);
        memcpy(point + 1 + x.len, y.ptr, y.len);
        pkey = pkey_from("EC", parameters);
        if (!pkey)
                return NULL;
        context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
        if (!context || EVP_PKEY_public_check(context) != 1) { /* on the curve, of the right order */
                EVP_PKEY_free(pkey);
                pkey = NULL;
        }
        EVP_PKEY_CTX_free(context);
        ERR_clear_error();
        return pkey;
}

static bool read_ec(struct arena *arena, const struct json *jwk, struct jose_key *ret, struct err *err)
{
        struct str crv = json_get_string(jwk, "crv");
        const struct curve *curve = NULL;
        struct str x;
        struct str y;

        for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
                if (str_is(crv, curves[i].crv))
                        curve = &curves[i];
        if (!curve)
                return refuse(err, "its curve is none of P-256, P-384, P-521");
        if (!member_bytes(arena, jwk, "x", &x) || !member_bytes(arena, jwk, "y", &y) ||
            x.len != curve->bytes || y.len != curve->bytes)
                return refuse(err, "x and y of the curve's length are needed");
        ret->public_key = point_key(curve, x, y);
        ret->algs = JOSE_BIT(curve->alg);
        return ret->public_key || refuse(err, "its point is not on the curve");
}

static bool read_okp(struct arena *arena, const struct json *jwk, struct jose_key *ret, struct err *err)
{
        struct ed25519_public public_key;
        struct str x;

        if (!str_is(json_get_string(jwk, "crv"), "Ed25519"))
                return refuse(err, "its curve is not Ed25519");
        if (!member_bytes(arena, jwk, "x", &x) || !ed25519_public_from(x, &public_key))
                return refuse(err, "x is no Ed25519 public key");
        ret->public_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key.bytes,
                                                      sizeof(public_key.bytes));
        ret->algs = JOSE_BIT(JOSE_EDDSA);
        return ret->public_key || refuse(err, "OpenSSL refuses it");
}

/* RFC 7518 section 3.2: a key at least as long as the hash. */
static bool read_oct(struct arena *arena, const struct json *jwk, struct jose_key *ret, struct err *err)
{
        struct str k;

        if (!member_bytes(arena, jwk, "k", &k) || k.len < 32 || k.len > SECRET_BYTES_MAX)
                return refuse(err, "k of 32 bytes or more is needed");
        ret->secret = heap_alloc(k.len);
        if (!ret->secret)
                return err_set(err, ERR_NO_MEMORY, "no memory for a key");
        memcpy(ret->secret, k.ptr, k.len);
        ret->secret_len = k.len;
        ret->algs = JOSE_BIT(JOSE_HS256) | (k.len >= 48 ? JOSE_BIT(JOSE_HS384) : 0) |
                    (k.len >= 64 ? JOSE_BIT(JOSE_HS512) : 0);
        return true;
}

/* ---- any ------------------------------------------------------------------------------------------- */

static bool has_word(const struct json *list, const char *word)
{
        if (list->type != JSON_ARRAY)
                return false;
        for (uint32_t i = 0; i < list->count; i++)
                if (list->items[i].type == JSON_STRING && str_is(list->items[i].string, word))
                        return true;
        return false;
}

static bool read_kid(const struct json *jwk, struct jose_key *key, struct err *err)
{
        const struct json *kid = json_get(jwk, "kid");

        if (!kid)
                return true;
        if (kid->type != JSON_STRING || kid->string.len > JOSE_KID_MAX)
                return refuse(err, "its kid is no string of at most 256 bytes");
        key->has_kid = true;
        key->kid_len = kid->string.len;
        if (key->kid_len > 0)
                memcpy(key->kid, kid->string.ptr, key->kid_len);
        return true;
}

/* RFC 7517 sections 4.2 to 4.4: what the key says that it is for. Leaves in *algs those that it allows. */
static bool read_purpose(const struct json *jwk, uint32_t *algs, struct err *err)
{
        const struct json *use = json_get(jwk, "use");
        const struct json *operations = json_get(jwk, "key_ops");
        const struct json *alg = json_get(jwk, "alg");
        enum jose_alg only;

        if (use && (use->type != JSON_STRING || !str_is(use->string, "sig")))
                return refuse(err, "its use is not sig");
        if (operations && !has_word(operations, "verify"))
                return refuse(err, "its key_ops do not allow to verify");
        if (alg) {
                if (alg->type != JSON_STRING || !jose_alg_from(alg->string, &only) ||
                    !(*algs & JOSE_BIT(only)))
                        return refuse(err, "its alg is none of ours, or does not go with it");
                *algs = JOSE_BIT(only);
        }
        return *algs != 0 || refuse(err, "none of its algorithms is allowed here");
}

static bool read_key(struct arena *arena, const struct json *jwk, uint32_t algs, struct jose_key *ret,
                     struct err *err)
{
        struct str kty = json_get_string(jwk, "kty");
        bool ok;

        if (str_is(kty, "RSA"))
                ok = read_rsa(arena, jwk, ret, err);
        else if (str_is(kty, "EC"))
                ok = read_ec(arena, jwk, ret, err);
        else if (str_is(kty, "OKP"))
                ok = read_okp(arena, jwk, ret, err);
        else if (str_is(kty, "oct") && (algs & HS_ALGS))
                ok = read_oct(arena, jwk, ret, err);
        else
                return refuse(err, "its kty is none of ours");
        ret->algs &= algs;
        return ok && read_purpose(jwk, &ret->algs, err) && read_kid(jwk, ret, err);
}

/*
 * A key that says it is for us but is broken: its kid stays, with no algorithm, so
 * that a second key of that kid is ambiguous and not the only one.
 */
static bool keep_kid(const struct json *jwk, uint32_t algs, struct jose_key *key)
{
        struct err ignored;

        return read_purpose(jwk, &algs, &ignored) && read_kid(jwk, key, &ignored) && key->has_kid;
}

static void key_done(struct jose_key *key)
{
        EVP_PKEY_free(key->public_key);
        if (key->secret)
                secret_wipe(key->secret, key->secret_len);
        heap_free(key->secret);
        *key = (struct jose_key){0};
}

void jose_keys_free(struct jose_keys *keys)
{
        if (!keys)
                return;
        for (size_t i = 0; i < keys->count; i++)
                key_done(&keys->keys[i]);
        heap_free(keys);
}

static struct jose_keys *keys_new(size_t count)
{
        return heap_alloc_zeroed(1, sizeof(struct jose_keys) + count * sizeof(struct jose_key));
}

static bool parse_text(struct arena *arena, struct str json, struct json *ret, struct err *err)
{
        if (json.len > JOSE_SET_MAX)
                return err_set(err, ERR_BAD_FIELD, "keys of %zu bytes; at most %d are read", json.len,
                               JOSE_SET_MAX);
        return json_parse(arena, json, ret, err);
}

bool jose_key_parse(struct str json, uint32_t algs, struct jose_keys **ret, struct err *err)
{
        ARENA_SCOPED scratch;
        struct jose_keys *keys;
        struct json jwk;

        arena_init_zeroing(&scratch, SCRATCH_BYTES);
        if (!parse_text(&scratch, json, &jwk, err))
                return false;
        keys = keys_new(1);
        if (!keys)
                return err_set(err, ERR_NO_MEMORY, "no memory for a key");
        keys->count = 1;
        if (!read_key(&scratch, &jwk, algs, &keys->keys[0], err)) {
                jose_keys_free(keys);
                return false;
        }
        *ret = keys;
        return true;
}

bool jose_keys_parse(struct str json, uint32_t algs, struct jose_keys **ret, struct err *err)
{
        ARENA_SCOPED scratch;
        const struct json *list;
        struct jose_keys *keys;
        struct json document;
        bool symmetric = false;
        bool public = false;
        struct err ignored;

        arena_init_zeroing(&scratch, SCRATCH_BYTES);
        if (!parse_text(&scratch, json, &document, err))
                return false;
        list = json_get(&document, "keys");
        if (!list || list->type != JSON_ARRAY)
                return err_set(err, ERR_BAD_FIELD, "this is no JWK set: it has no array \"keys\"");
        if (list->count > JOSE_SET_KEYS_MAX)
                return err_set(err, ERR_BAD_FIELD, "a set of %u keys; at most %d are read", list->count,
                               JOSE_SET_KEYS_MAX);
        keys = keys_new(list->count);
        if (!keys)
                return err_set(err, ERR_NO_MEMORY, "no memory for keys");
        for (uint32_t i = 0; i < list->count; i++) {
                struct jose_key *key = &keys->keys[keys->count];

                if (read_key(&scratch, &list->items[i], algs, key, &ignored)) {
                        symmetric |= key->secret != NULL;
                        public |= key->public_key != NULL;
                        keys->count++;
                } else {
                        key_done(key);
                        keys->count += keep_kid(&list->items[i], algs, key);
                }
        }
        /* Secrets beside public keys: what is public here must never be taken for a secret. */
        if (symmetric && public) {
                jose_keys_free(keys);
                return err_set(err, ERR_BAD_FIELD, "the set mixes symmetric and public keys");
        }
        *ret = keys;
        return true;
}

size_t jose_keys_count(const struct jose_keys *keys)
{
        size_t count = 0;

        for (size_t i = 0; i < keys->count; i++)
                count += keys->keys[i].algs != 0;
        return count;
}

bool jose_keys_have(const struct jose_keys *keys, struct str kid)
{
        for (size_t i = 0; i < keys->count; i++)
                if (keys->keys[i].has_kid && str_eq(str_make(keys->keys[i].kid, keys->keys[i].kid_len), kid))
                        return true;
        return false;
}
