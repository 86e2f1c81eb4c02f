/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Web Signatures against Project Wycheproof and the examples of RFC 7520,
 * RFC 7797 and RFC 8037. Every case gets our verdict but those in the table of
 * what is out of scope, each with its reason; what is in the table must be there.
 */
#include "base/heap.h"
#include "crypto/jose.h"
#include "vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define EVERYTHING (JOSE_PUBLIC | JOSE_BIT(JOSE_HS256) | JOSE_BIT(JOSE_HS384) | JOSE_BIT(JOSE_HS512))

static struct err err;

static struct str text_of(struct arena *arena, const struct json *value)
{
        BUF_SCOPED buf;

        buf_init(&buf, 1 << 20);
        json_append_canonical(&buf, value);
        return arena_str(arena, buf_str(&buf));
}

static bool accepts(struct arena *arena, const struct json *key, struct str token)
{
        _cleanup_(jose_keys_freep) struct jose_keys *keys = NULL;
        struct str text = text_of(arena, key);
        struct jose_token parsed;

        if (json_get(key, "keys") ? !jose_keys_parse(text, EVERYTHING, &keys, &err)
                                  : !jose_key_parse(text, EVERYTHING, &keys, &err))
                return false;
        return jose_verify_bytes(arena, keys, EVERYTHING, token, &parsed, NULL, &err);
}

/* ---- Wycheproof ---------------------------------------------------------------------------------- */

static const struct {
        const char *file;
        const char *group; /* its comment; NULL: any */
        const char *test;  /* its comment; NULL: any */
        const char *reason;
        unsigned cases;
} out_of_scope[] = {
#include "jose_scope.def"
};
enum { OUT_OF_SCOPE = sizeof(out_of_scope) / sizeof(out_of_scope[0]) };
static unsigned left_out[OUT_OF_SCOPE];

static bool is_out_of_scope(const char *file, struct str group, struct str test)
{
        for (unsigned i = 0; i < OUT_OF_SCOPE; i++)
                if (strcmp(file, out_of_scope[i].file) == 0 &&
                    (!out_of_scope[i].group || str_is(group, out_of_scope[i].group)) &&
                    (!out_of_scope[i].test || str_is(test, out_of_scope[i].test))) {
                        left_out[i]++;
                        return true;
                }
        return false;
}

static unsigned disagreements;

static size_t run_group(struct arena *arena, const char *file, const struct json *group)
{
        const struct json *tests = json_get(group, "tests");
        const struct json *key = json_get(group, "public");
        size_t count = 0;

        if (!key)
                key = json_get(group, "private");
        for (size_t t = 0; t < tests->count; t++) {
                const struct json *test = &tests->items[t];
                struct str comment = json_get_string(test, "comment");
                bool valid = str_is(json_get_string(test, "result"), "valid");
                int64_t id = 0;

                if (is_out_of_scope(file, json_get_string(group, "comment"), comment))
                        continue;
                assert_true(json_get_int(test, "tcId", &id));
                count++;
                if (accepts(arena, key, json_get_string(test, "jws")) == valid)
                        continue;
                printf("%s: test %d (%.*s: %.*s) is %s, and we disagree: %s\n", file, (int)id,
                       STR_ARG(json_get_string(group, "comment")), STR_ARG(comment),
                       valid ? "valid" : "invalid", valid ? err.message : "accepted");
                disagreements++;
        }
        return count;
}

static size_t run_file(const char *file)
{
        ARENA_SCOPED arena;
        const struct json *groups;
        char path[128];
        size_t count = 0;

        arena_init(&arena, 256 << 20);
        (void)snprintf(path, sizeof(path), "wycheproof/%s.json", file);
        groups = json_get(vectors_read_json(&arena, path), "testGroups");
        assert_non_null(groups);
        for (size_t g = 0; g < groups->count; g++)
                count += run_group(&arena, file, &groups->items[g]);
        return count;
}

static void wycheproof_is_judged_rightly(void **state)
{
        size_t count = run_file("json_web_signature_test") + run_file("json_web_key_test") +
                       run_file("json_web_crypto_test");

        (void)state;
        for (unsigned i = 0; i < OUT_OF_SCOPE; i++) {
                printf("out of scope: %u of %s (%s, %s): %s\n", left_out[i], out_of_scope[i].file,
                       out_of_scope[i].group ? out_of_scope[i].group : "all groups",
                       out_of_scope[i].test ? out_of_scope[i].test : "all tests", out_of_scope[i].reason);
                assert_int_equal(left_out[i], out_of_scope[i].cases);
        }
        printf("%zu cases judged\n", count);
        assert_int_equal(disagreements, 0);
        assert_in_range(count, 440, 510);
}

/* ---- RFC 7520, RFC 8037: the compact form -------------------------------------------------------- */

static void judge_example(const char *path, bool wanted)
{
        ARENA_SCOPED arena;
        const struct json *example;
        struct str compact;

        arena_init(&arena, 8 << 20);
        example = vectors_read_json(&arena, path);
        compact = json_get_string(json_get(example, "output"), "compact");
        if (!compact.ptr)
                fail_msg("%s has no compact form", path);
        if (accepts(&arena, json_get(json_get(example, "input"), "key"), compact) != wanted)
                fail_msg("%s: not as expected: %s", path, err.message);
}

static void rfc_examples_verify(void **state)
{
        (void)state;
        judge_example("jose/jws/4_1.rsa_v15_signature.json", true);
        judge_example("jose/jws/4_2.rsa-pss_signature.json", true);
        judge_example("jose/jws/4_3.ecdsa_signature.json", true);
        judge_example("jose/jws/4_4.hmac-sha2_integrity_protection.json", true);
        judge_example("jose/curve25519/jws.json", true);
}

/* Detached content has an empty payload in the compact form: its signature is over another text. */
static void detached_content_is_refused(void **state)
{
        (void)state;
        judge_example("jose/jws/4_5.signature_with_detached_content.json", false);
}

/* RFC 7797's unencoded payload comes with `crit`, and we understand no extension. */
static void unencoded_payloads_are_refused(void **state)
{
        static const char token[] = "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19."
                                    "VGhpcw.A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY";
        ARENA_SCOPED arena;
        const struct json *example;

        (void)state;
        arena_init(&arena, 8 << 20);
        example = vectors_read_json(&arena, "jose/rfc7797/4.2.hmac-sha2_b64_false.json");
        assert_false(accepts(&arena, json_get(json_get(example, "input"), "key"), str_from(token)));
        assert_non_null(strstr(err.message, "extension"));
}

/* The JSON serializations (RFC 7520 sections 4.6 to 4.8) are no compact tokens. */
static void json_serializations_are_refused(void **state)
{
        static const char *const paths[] = {"jose/jws/4_6.protecting_specific_header_fields.json",
                                            "jose/jws/4_7.protecting_content_only.json",
                                            "jose/jws/4_8.multiple_signatures.json"};

        (void)state;
        for (size_t i = 0; i < 3; i++) {
                ARENA_SCOPED arena;
                const struct json *output;
                const struct json *key;

                arena_init(&arena, 8 << 20);
                output = json_get(vectors_read_json(&arena, paths[i]), "output");
                key = json_get(
                        json_get(vectors_read_json(&arena, "jose/jws/4_1.rsa_v15_signature.json"), "input"),
                        "key");
                assert_null(json_get(output, "compact"));
                assert_false(accepts(&arena, key, text_of(&arena, json_get(output, "json"))));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(wycheproof_is_judged_rightly),
                cmocka_unit_test(rfc_examples_verify),
                cmocka_unit_test(detached_content_is_refused),
                cmocka_unit_test(unencoded_payloads_are_refused),
                cmocka_unit_test(json_serializations_are_refused),
        };

        vectors_require("wycheproof");
        vectors_require("jose");
        return cmocka_run_group_tests_name("conformance-jose", tests, NULL, NULL);
}
