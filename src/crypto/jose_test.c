/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/jose.h"

#include "base/base64.h"
#include "base/heap.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define HS JOSE_BIT(JOSE_HS256)
#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW_S 1800000000LL

static struct arena arena;
static struct err err;

static int setup(void **state)
{
        (void)state;
        arena_init(&arena, 32 << 20);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        arena_done(&arena);
        return 0;
}

static struct str jwk(struct str secret, const char *kid)
{
        return arena_printf(&arena, "{\"kty\":\"oct\",\"k\":\"%.*s\"%s%s%s}",
                            STR_ARG(base64url_encode(&arena, secret)), kid ? ",\"kid\":\"" : "",
                            kid ? kid : "", kid ? "\"" : "");
}

static struct str sign_hs256(struct str secret, const char *header, const char *payload)
{
        struct str text =
                arena_printf(&arena, "%.*s.%.*s", STR_ARG(base64url_encode(&arena, str_from(header))),
                             STR_ARG(base64url_encode(&arena, str_from(payload))));
        uint8_t mac[32];
        unsigned len;

        HMAC(EVP_sha256(), secret.ptr, (int)secret.len, (const uint8_t *)text.ptr, text.len, mac, &len);
        return arena_printf(&arena, "%.*s.%.*s", STR_ARG(text),
                            STR_ARG(base64url_encode(&arena, str_make(mac, len))));
}

static enum jose_why verdict(struct str set, uint32_t algs, struct str token)
{
        _cleanup_(jose_keys_freep) struct jose_keys *keys = NULL;
        enum jose_why why = JOSE_OK;
        struct jose_token parsed;
        bool ok;

        assert_true(jose_keys_parse(set, algs, &keys, &err));
        ok = jose_verify(&arena, keys, algs, token, &parsed, &why, &err);
        assert_int_equal(ok, why == JOSE_OK);
        return why;
}

static void what_a_header_may_not_say(void **state)
{
        static const struct {
                const char *header;
                enum jose_why why;
        } cases[] = {
                {"{\"alg\":\"HS256\"}", JOSE_OK},
                {"{\"alg\":\"HS256\",\"kid\":\"a\",\"typ\":\"JWT\",\"jku\":\"https://evil\",\"x\":[1]}",
                 JOSE_OK},
                {"{\"alg\":\"none\"}", JOSE_ALG_REFUSED},
                {"{\"alg\":\"None\"}", JOSE_ALG_REFUSED},
                {"{\"alg\":\"hs256\"}", JOSE_ALG_REFUSED},
                {"{\"alg\":\"HS384\"}", JOSE_ALG_REFUSED},
                {"{\"alg\":\"\"}", JOSE_ALG_REFUSED},
                {"{}", JOSE_MALFORMED},
                {"{\"alg\":[\"HS256\"]}", JOSE_MALFORMED},
                {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", JOSE_MALFORMED},
                {"{\"alg\":\"HS256\",\"crit\":[]}", JOSE_MALFORMED},
                {"{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", JOSE_MALFORMED},
                {"{\"alg\":\"HS256\",\"b64\":true}", JOSE_MALFORMED},
                {"{\"alg\":\"HS256\",\"kid\":1}", JOSE_MALFORMED},
                {"{\"alg\":\"HS256\",\"kid\":\"b\"}", JOSE_NO_KEY},
                {"{\"alg\":\"HS256\",\"kid\":\"../../dev/null\"}", JOSE_NO_KEY},
                {"{\"alg\":\"HS256\",\"kid\":\"' OR 1=1 --\"}", JOSE_NO_KEY},
                {"{\"alg\":\"HS256\",\"kid\":\"\"}", JOSE_NO_KEY},
                {"[]", JOSE_MALFORMED},
                {"", JOSE_MALFORMED},
        };
        struct str set = arena_printf(&arena, "{\"keys\":[%.*s]}", STR_ARG(jwk(STR(SECRET), "a")));

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                if (verdict(set, HS, sign_hs256(STR(SECRET), cases[i].header, "{}")) != cases[i].why)
                        fail_msg("%s: not the expected verdict: %s", cases[i].header, err.message);
}

static void payloads_are_objects(void **state)
{
        static const char *const bad[] = {"[]", "1", "\"x\"", "null", "{\"a\":1,\"a\":2}", "{", ""};
        struct str set = arena_printf(&arena, "{\"keys\":[%.*s]}", STR_ARG(jwk(STR(SECRET), NULL)));

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(verdict(set, HS, sign_hs256(STR(SECRET), "{\"alg\":\"HS256\"}", bad[i])),
                                 JOSE_MALFORMED);
}

static void tokens_have_limits(void **state)
{
        struct str set = arena_printf(&arena, "{\"keys\":[%.*s]}", STR_ARG(jwk(STR(SECRET), NULL)));
        char *huge = arena_alloc_bytes(&arena, 40000);
        char deep[600];
        struct str header;

        (void)state;
        memset(huge, 'a', 40000);
        memcpy(huge, "{\"a\":\"", 6);
        memcpy(huge + 20000, "\"}", 3);
        assert_int_equal(verdict(set, HS, sign_hs256(STR(SECRET), "{\"alg\":\"HS256\"}", huge)),
                         JOSE_MALFORMED);
        header = arena_printf(&arena, "{\"alg\":\"HS256\",\"x\":\"%.5000s\"}", huge + 6);
        assert_int_equal(verdict(set, HS, sign_hs256(STR(SECRET), header.ptr, "{}")), JOSE_MALFORMED);
        memset(deep, '[', 200);
        memset(deep + 200, ']', 200);
        deep[400] = '\0';
        assert_int_equal(verdict(set, HS,
                                 sign_hs256(STR(SECRET), "{\"alg\":\"HS256\"}",
                                            arena_printf(&arena, "{\"a\":%s}", deep).ptr)),
                         JOSE_MALFORMED);
}

static void any_changed_byte_is_refused(void **state)
{
        struct str set = arena_printf(&arena, "{\"keys\":[%.*s]}", STR_ARG(jwk(STR(SECRET), NULL)));
        struct str token = sign_hs256(STR(SECRET), "{\"alg\":\"HS256\"}", "{\"sub\":\"a\"}");
        char *copy = arena_strdup(&arena, token.ptr);

        (void)state;
        assert_int_equal(verdict(set, HS, token), JOSE_OK);
        for (size_t i = 0; i < token.len; i++) {
                copy[i] = copy[i] == 'A' ? 'B' : 'A';
                assert_int_not_equal(verdict(set, HS, str_from(copy)), JOSE_OK);
                copy[i] = token.ptr[i];
        }
}

/* ---- keys ------------------------------------------------------------------------------------------ */

/* The classic: a token "signed" by HMAC with the bytes of the public key (CVE-2015-9235). */
static void a_public_key_is_never_a_secret(void **state)
{
        EVP_PKEY *pkey = EVP_RSA_gen(2048);
        _cleanup_(jose_keys_freep) struct jose_keys *keys = NULL;
        struct str n, set, token;
        BIGNUM *number = NULL;
        uint8_t bytes[256];
        enum jose_why why;
        struct jose_token parsed;

        (void)state;
        assert_true(EVP_PKEY_get_bn_param(pkey, "n", &number) == 1 &&
                    BN_bn2binpad(number, bytes, 256) == 256);
        n = str_make(bytes, 256);
        set = arena_printf(&arena,
                           "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%.*s\",\"e\":\"AQAB\",\"kid\":\"a\"}]}",
                           STR_ARG(base64url_encode(&arena, n)));
        token = sign_hs256(n, "{\"alg\":\"HS256\",\"kid\":\"a\"}", "{}");
        assert_int_equal(verdict(set, JOSE_PUBLIC, token), JOSE_ALG_REFUSED);
        /* Not even where a caller takes both kinds. */
        assert_true(jose_keys_parse(set, JOSE_PUBLIC | HS, &keys, &err));
        assert_false(jose_verify(&arena, keys, JOSE_PUBLIC | HS, token, &parsed, &why, &err));
        assert_int_equal(why, JOSE_NO_KEY);
        BN_free(number);
        EVP_PKEY_free(pkey);
}

static void sets_leave_out_what_is_not_for_us(void **state)
{
        struct str key = jwk(STR(SECRET), "a");
        struct str set =
                arena_printf(&arena,
                             "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\"},{\"kty\":\"AKP\"},{},1,"
                             "{\"kty\":\"RSA\",\"use\":\"enc\",\"kid\":\"a\"},%.*s]}",
                             STR_ARG(key));
        _cleanup_(jose_keys_freep) struct jose_keys *keys = NULL;
        _cleanup_(jose_keys_freep) struct jose_keys *none = NULL;

        (void)state;
        assert_true(jose_keys_parse(set, HS, &keys, &err));
        assert_int_equal(jose_keys_count(keys), 1);
        assert_true(jose_keys_have(keys, STR("a")));
        assert_true(jose_keys_parse(set, JOSE_PUBLIC, &none, &err));
        assert_int_equal(jose_keys_count(none), 0);
}

static void one_kid_names_one_key(void **state)
{
        struct str a = jwk(STR(SECRET), "a");
        struct str b = jwk(STR("another secret of thirty-two byte"), "a");
        struct str token = sign_hs256(STR(SECRET), "{\"alg\":\"HS256\",\"kid\":\"a\"}", "{}");
        struct str nameless = sign_hs256(STR(SECRET), "{\"alg\":\"HS256\"}", "{}");
        struct str set = arena_printf(&arena, "{\"keys\":[%.*s,%.*s]}", STR_ARG(a), STR_ARG(b));

        (void)state;
        assert_int_equal(verdict(set, HS, token), JOSE_NO_KEY);
        assert_int_equal(verdict(set, HS, nameless), JOSE_OK);
}

static void strange_sets_are_refused(void **state)
{
        static const char *const bad[] = {
                "", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}", "{\"keys\":["};
        struct jose_keys *keys = NULL;
        BUF_SCOPED many;

        (void)state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_false(jose_keys_parse(str_from(bad[i]), JOSE_PUBLIC, &keys, &err));
        buf_init(&many, 1 << 20);
        buf_append_c(&many, "{\"keys\":[1");
        for (int i = 0; i < JOSE_SET_KEYS_MAX; i++)
                buf_append_c(&many, ",1");
        buf_append_c(&many, "]}");
        assert_false(jose_keys_parse(buf_str(&many), JOSE_PUBLIC, &keys, &err));
        buf_reset(&many);
        buf_append_c(&many, "{\"keys\":[],\"x\":\"");
        for (int i = 0; i < JOSE_SET_MAX; i++)
                buf_append_char(&many, 'a');
        buf_append_c(&many, "\"}");
        assert_false(jose_keys_parse(buf_str(&many), JOSE_PUBLIC, &keys, &err));
}

/* ---- claims ---------------------------------------------------------------------------------------- */

static bool fits(const char *header, const char *payload, const struct jose_expect *expect)
{
        struct jose_token token = {0};
        struct jose_claims claims;

        assert_true(json_parse(&arena, str_from(payload), &token.payload, &err));
        assert_true(json_parse(&arena, str_from(header), &token.header, &err));
        token.typ = json_get_string(&token.header, "typ");
        return jose_claims_check(&token, expect, &claims, &err);
}

static void times_are_held(void **state)
{
        static const struct {
                const char *claims;
                bool good;
        } cases[] = {
                {"\"exp\":1800000001", true},
                {"\"exp\":1799999941", true}, /* within the leeway of 60 s */
                {"\"exp\":1799999940", false},
                {"\"exp\":1800000000.5", true},
                {"\"exp\":\"1800000001\"", false},
                {"\"exp\":null", false},
                {"\"exp\":-1", false},
                {"\"exp\":1e300", false},
                {"\"exp\":9223372036854775807", false},
                {"\"nbf\":1", false}, /* no exp */
                {"\"exp\":1800000100,\"nbf\":1800000060", true},
                {"\"exp\":1800000100,\"nbf\":1800000061", false},
                {"\"exp\":1800000100,\"iat\":1800000060", true},
                {"\"exp\":1800000100,\"iat\":1800000061", false},
                {"\"exp\":1800000100,\"iat\":{}", false},
        };
        struct jose_expect expect = {.now_ms = NOW_S * 1000, .leeway_ms = 60000};

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                if (fits("{}", arena_printf(&arena, "{%s}", cases[i].claims).ptr, &expect) != cases[i].good)
                        fail_msg("%s: %s", cases[i].claims, err.message);
        /* No caller can ask for more than five minutes. */
        expect.leeway_ms = INT64_MAX;
        assert_true(fits("{}", "{\"exp\":1799999701}", &expect));
        assert_false(fits("{}", "{\"exp\":1799999700}", &expect));
        expect.max_lifetime_ms = 300000;
        assert_false(fits("{}", "{\"exp\":1800000100}", &expect));
        assert_true(fits("{}", "{\"exp\":1800000100,\"iat\":1799999800}", &expect));
        assert_false(fits("{}", "{\"exp\":1800000101,\"iat\":1799999800}", &expect));
}

static void names_are_held(void **state)
{
        static const struct {
                const char *claims;
                bool good;
        } cases[] = {
                {"\"iss\":\"i\",\"aud\":\"c\",\"sub\":\"s\",\"nonce\":\"n\"", true},
                {"\"iss\":\"i\",\"aud\":[\"c\"],\"sub\":\"s\",\"nonce\":\"n\",\"azp\":\"c\"", true},
                {"\"iss\":\"i\",\"aud\":[\"c\",\"d\"],\"sub\":\"s\",\"nonce\":\"n\",\"azp\":\"c\"", true},
                {"\"iss\":\"i\",\"aud\":[\"c\",\"d\"],\"sub\":\"s\",\"nonce\":\"n\"", false},
                {"\"iss\":\"i\",\"aud\":[\"c\",\"d\"],\"sub\":\"s\",\"nonce\":\"n\",\"azp\":\"d\"", false},
                {"\"iss\":\"i\",\"aud\":\"d\",\"sub\":\"s\",\"nonce\":\"n\"", false},
                {"\"iss\":\"i\",\"aud\":[],\"sub\":\"s\",\"nonce\":\"n\"", false},
                {"\"iss\":\"i\",\"aud\":{\"c\":1},\"sub\":\"s\",\"nonce\":\"n\"", false},
                {"\"iss\":\"i\",\"aud\":[\"c\",1],\"sub\":\"s\",\"nonce\":\"n\",\"azp\":\"c\"", false},
                {"\"iss\":\"i\",\"sub\":\"s\",\"nonce\":\"n\"", false},
                {"\"iss\":\"i/\",\"aud\":\"c\",\"sub\":\"s\",\"nonce\":\"n\"", false},
                {"\"aud\":\"c\",\"sub\":\"s\",\"nonce\":\"n\"", false},
                {"\"iss\":[\"i\"],\"aud\":\"c\",\"sub\":\"s\",\"nonce\":\"n\"", false},
                {"\"iss\":\"i\",\"aud\":\"c\",\"sub\":\"\",\"nonce\":\"n\"", false},
                {"\"iss\":\"i\",\"aud\":\"c\",\"nonce\":\"n\"", false},
                {"\"iss\":\"i\",\"aud\":\"c\",\"sub\":\"s\"", false},
                {"\"iss\":\"i\",\"aud\":\"c\",\"sub\":\"s\",\"nonce\":\"m\"", false},
        };
        struct jose_expect expect = {.issuer = STR("i"),
                                     .audience = STR("c"),
                                     .azp = STR("c"),
                                     .nonce = STR("n"),
                                     .needs_sub = true,
                                     .now_ms = NOW_S * 1000};

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                if (fits("{}", arena_printf(&arena, "{\"exp\":1800000001,%s}", cases[i].claims).ptr,
                         &expect) != cases[i].good)
                        fail_msg("%s: %s", cases[i].claims, err.message);
        expect.audience_alone = true;
        assert_false(
                fits("{}",
                     "{\"exp\":1800000001,\"iss\":\"i\",\"aud\":[\"c\",\"d\"],\"sub\":\"s\",\"nonce\":\"n\","
                     "\"azp\":\"c\"}",
                     &expect));
}

static void types_are_held(void **state)
{
        struct jose_expect expect = {.typ = "at+jwt", .now_ms = NOW_S * 1000};
        const char *payload = "{\"exp\":1800000001}";

        (void)state;
        assert_true(fits("{\"typ\":\"at+jwt\"}", payload, &expect));
        assert_true(fits("{\"typ\":\"application/AT+JWT\"}", payload, &expect));
        assert_false(fits("{\"typ\":\"JWT\"}", payload, &expect));
        assert_false(fits("{}", payload, &expect));
}

static void only_tokens_look_like_tokens(void **state)
{
        (void)state;
        assert_true(jose_looks_like_token(STR("eyJhIjoxfQ.e30.YQ")));
        assert_false(jose_looks_like_token(STR("cs_abc_def")));
        assert_false(jose_looks_like_token(STR("eyJhIjoxfQ.e30.YQ.YQ")));
        assert_false(jose_looks_like_token(STR("eyJhIjoxfQ.e30")));
        assert_false(jose_looks_like_token(STR("eyJhIjoxfQ.e3 0.YQ")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_a_header_may_not_say),
                TEST(payloads_are_objects),
                TEST(tokens_have_limits),
                TEST(any_changed_byte_is_refused),
                TEST(a_public_key_is_never_a_secret),
                TEST(sets_leave_out_what_is_not_for_us),
                TEST(one_kid_names_one_key),
                TEST(strange_sets_are_refused),
                TEST(times_are_held),
                TEST(names_are_held),
                TEST(types_are_held),
                TEST(only_tokens_look_like_tokens),
        };

        return cmocka_run_group_tests_name("jose", tests, NULL, NULL);
}
