/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What verifying a JSON Web Token costs over OpenSSL's own verification of the
 * same signature with the same parsed key. The two take turns, so that both
 * meet the same machine.
 *
 *   jose_bench [--seconds N]
 */
#include "base/base64.h"
#include "base/heap.h"
#include "crypto/jose.h"

#include <getopt.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TURN = 20, SIGNATURE_MAX = 1024 };

static int64_t run_us = 1000000;

static void check(bool ok, const char *what)
{
        if (!ok) {
                fprintf(stderr, "%s failed\n", what);
                exit(1);
        }
}

static int64_t cpu_ns(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static struct str bytes_of(struct arena *arena, EVP_PKEY *pkey, const char *name, size_t size)
{
        BIGNUM *number = NULL;
        char *bytes;
        size_t len;

        check(EVP_PKEY_get_bn_param(pkey, name, &number) == 1, name);
        len = size > 0 ? size : (size_t)BN_num_bytes(number);
        bytes = arena_alloc_bytes(arena, len);
        check(BN_bn2binpad(number, (uint8_t *)bytes, (int)len) == (int)len, name);
        BN_free(number);
        return base64url_encode(arena, str_make(bytes, len));
}

static struct str jwk_of(struct arena *arena, enum jose_alg alg, EVP_PKEY *pkey)
{
        uint8_t raw[32];
        size_t len = sizeof(raw);

        if (alg == JOSE_EDDSA) {
                check(EVP_PKEY_get_raw_public_key(pkey, raw, &len) == 1, "raw key");
                return arena_printf(arena,
                                    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"%.*s\"}",
                                    STR_ARG(base64url_encode(arena, str_make(raw, len))));
        }
        if (alg == JOSE_ES256)
                return arena_printf(
                        arena,
                        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"a\",\"x\":\"%.*s\",\"y\":\"%.*s\"}",
                        STR_ARG(bytes_of(arena, pkey, "qx", 32)), STR_ARG(bytes_of(arena, pkey, "qy", 32)));
        return arena_printf(arena, "{\"kty\":\"RSA\",\"kid\":\"a\",\"n\":\"%.*s\",\"e\":\"%.*s\"}",
                            STR_ARG(bytes_of(arena, pkey, "n", 0)), STR_ARG(bytes_of(arena, pkey, "e", 0)));
}

struct subject {
        enum jose_alg alg;
        EVP_PKEY *pkey;
        struct jose_keys *keys;
        struct str token;
        struct str text;
        uint8_t signature[SIGNATURE_MAX]; /* as OpenSSL has it */
        size_t signature_len;
};

static void set_padding(enum jose_alg alg, EVP_PKEY_CTX *settings)
{
        if (alg == JOSE_PS256)
                check(EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1 &&
                              EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) == 1,
                      "padding");
}

/* R and S as RFC 7518 section 3.4 has them. */
static struct str jose_form(struct arena *arena, const struct subject *subject)
{
        const uint8_t *at = subject->signature;
        ECDSA_SIG *parsed;
        char *raw;

        if (subject->alg != JOSE_ES256)
                return str_make(subject->signature, subject->signature_len);
        raw = arena_alloc_bytes(arena, 64);
        parsed = d2i_ECDSA_SIG(NULL, &at, (long)subject->signature_len);
        check(parsed && BN_bn2binpad(ECDSA_SIG_get0_r(parsed), (uint8_t *)raw, 32) == 32 &&
                      BN_bn2binpad(ECDSA_SIG_get0_s(parsed), (uint8_t *)raw + 32, 32) == 32,
              "signature");
        ECDSA_SIG_free(parsed);
        return str_make(raw, 64);
}

static void prepare(struct arena *arena, struct subject *subject)
{
        static const char payload[] =
                "{\"iss\":\"https://id.example.com\",\"sub\":\"0123456789abcdef\",\"aud\":\"https://"
                "api.example\","
                "\"exp\":1800000000,\"iat\":1799999700,\"jti\":\"0123456789abcdef\",\"client_id\":\"app\","
                "\"scope\":\"read write\",\"groups\":[\"ops\",\"dev\",\"on-call\"],\"name\":\"Alice\"}";
        struct str header = arena_printf(arena, "{\"alg\":\"%s\",\"kid\":\"a\",\"typ\":\"at+jwt\"}",
                                         jose_alg_name(subject->alg));
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        const EVP_MD *digest = subject->alg == JOSE_EDDSA ? NULL : EVP_sha256();
        EVP_PKEY_CTX *settings;
        struct err err;

        subject->pkey = subject->alg == JOSE_EDDSA   ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                        : subject->alg == JOSE_ES256 ? EVP_EC_gen("P-256")
                                                     : EVP_RSA_gen(2048);
        check(subject->pkey && jose_key_parse(jwk_of(arena, subject->alg, subject->pkey), JOSE_PUBLIC,
                                              &subject->keys, &err),
              "the key");
        subject->text = arena_printf(arena, "%.*s.%.*s", STR_ARG(base64url_encode(arena, header)),
                                     STR_ARG(base64url_encode(arena, str_from(payload))));
        subject->signature_len = sizeof(subject->signature);
        check(EVP_DigestSignInit(context, &settings, digest, NULL, subject->pkey) == 1, "signing");
        set_padding(subject->alg, settings);
        check(EVP_DigestSign(context, subject->signature, &subject->signature_len,
                             (const uint8_t *)subject->text.ptr, subject->text.len) == 1,
              "signing");
        EVP_MD_CTX_free(context);
        subject->token = arena_printf(arena, "%.*s.%.*s", STR_ARG(subject->text),
                                      STR_ARG(base64url_encode(arena, jose_form(arena, subject))));
        check(arena_check(arena, &err), "memory");
}

static void openssl_once(const struct subject *subject)
{
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        EVP_PKEY_CTX *settings;

        check(EVP_DigestVerifyInit(context, &settings, subject->alg == JOSE_EDDSA ? NULL : EVP_sha256(),
                                   NULL, subject->pkey) == 1,
              "verifying");
        set_padding(subject->alg, settings);
        check(EVP_DigestVerify(context, subject->signature, subject->signature_len,
                               (const uint8_t *)subject->text.ptr, subject->text.len) == 1,
              "verifying");
        EVP_MD_CTX_free(context);
}

static void ours_once(struct arena *arena, const struct subject *subject)
{
        const struct jose_expect expect = {.issuer = STR("https://id.example.com"),
                                           .audience = STR("https://api.example"),
                                           .typ = "at+jwt",
                                           .now_ms = INT64_C(1799999800000)};
        struct jose_claims claims;
        struct jose_token token;
        struct err err;

        arena_reset(arena);
        check(jose_verify(arena, subject->keys, JOSE_PUBLIC, subject->token, &token, NULL, &err) &&
                      jose_claims_check(&token, &expect, &claims, &err),
              err.message);
}

static void measure(enum jose_alg alg)
{
        static struct subject subject;
        struct arena kept;
        struct arena scratch;
        int64_t theirs = 0;
        int64_t ours = 0;
        int64_t count = 0;

        subject = (struct subject){.alg = alg};
        arena_init(&kept, 1 << 20);
        arena_init(&scratch, 1 << 20);
        prepare(&kept, &subject);
        for (int i = 0; i < TURN; i++) {
                openssl_once(&subject);
                ours_once(&scratch, &subject);
        }
        while (theirs + ours < run_us * 1000) {
                int64_t start = cpu_ns();
                int64_t middle;

                for (int i = 0; i < TURN; i++)
                        openssl_once(&subject);
                middle = cpu_ns();
                for (int i = 0; i < TURN; i++)
                        ours_once(&scratch, &subject);
                theirs += middle - start;
                ours += cpu_ns() - middle;
                count += TURN;
        }
        printf("{\"bench\": \"jwt %s\", \"ns\": %.0f, \"openssl_ns\": %.0f, \"ratio\": %.3f}\n",
               jose_alg_name(alg), (double)ours / (double)count, (double)theirs / (double)count,
               (double)ours / (double)theirs);
        jose_keys_free(subject.keys);
        EVP_PKEY_free(subject.pkey);
        arena_done(&kept);
        arena_done(&scratch);
}

int main(int argc, char **argv)
{
        static const struct option options[] = {{"seconds", required_argument, NULL, 's'}, {0}};
        static const enum jose_alg algs[] = {JOSE_RS256, JOSE_PS256, JOSE_ES256, JOSE_EDDSA};

        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;)
                if (c == 's')
                        run_us = (int64_t)(atof(optarg) * 1e6);
        for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++)
                measure(algs[i]);
        return 0;
}
