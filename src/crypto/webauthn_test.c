/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/cbor.h"
#include "crypto/webauthn.h"
#include "crypto/webauthn_samples.h"

static struct arena arena;
static struct err err;

static int setup(void **state)
{
        (void)state;
        arena_init(&arena, 16 << 20);
        err = (struct err){0};
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        arena_done(&arena);
        return 0;
}

/* ---- the vectors of Web Authentication Level 3, section 16: RP id and origin are example.org ------------
 */

struct vector {
        const char *name;
        const char *challenge, *client_data, *attestation;
        enum webauthn_algorithm algorithm;
        bool attested; /* with certificates */
        const char *login_challenge, *login_data, *login_client_data, *login_signature;
};

#define REGISTERED "7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765223a22"
#define ASSERTED "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a22"
#define ORIGIN                                                                                              \
        "222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f7267222c2263726f73734f726967696e223a"
#define EXTRA                                                                                               \
        "2c22657874726144617461223a22636c69656e74446174614a534f4e206d617920626520657874656e646564207769746" \
        "8"                                                                                                 \
        "206164646974696f6e616c206669656c647320696e20746865206675747572652c207375636820617320746869733a20"
#define RP_HASH "bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b5"

static const struct vector vectors[] = {
        {
                .name = "16.2 ES256, no attestation",
                .algorithm = WEBAUTHN_ES256,
                .challenge = "00c30fb78531c464d2b6771dab8d7b603c01162f2fa486bea70f283ae556e130",
                .client_data = REGISTERED "414d4d507434557878475453746e63647134313759447742466938767049612d7"
                                          "077386f4f755657345441" ORIGIN "66616c7365" EXTRA
                                          "426b5165446a646354427258426941774a544c453551227d",
                .attestation = "a363666d74646e6f6e656761747453746d74a068617574684461746158a4" RP_HASH
                               "59000000008446ccb9ab1db374750b2367ff6f3a1f0020f91f391db4c9b2fde0ea70189cba3f"
                               "b63f579ba6"
                               "122b33ad94ff3ec330084be4a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d2"
                               "0db9085606"
                               "2eb249c33a9b672f26df61225820930a56b87a2fca66334b03458abf879717c12cc68ed73290"
                               "af2e2664796"
                               "b9220",
                .login_challenge = "39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408",
                .login_data = RP_HASH "1900000000",
                .login_client_data = ASSERTED "4f63446e55685158756c5455506f334a5558543049393770767a7a5942503"
                                              "9745a63685879617630314167" ORIGIN "66616c73657d",
                .login_signature =
                        "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd38022100848"
                        "0ac0f0b93538174f575bf11a1dd5d78c6e486013f937295ea13653e331e87",
        },
        {
                .name = "16.3 ES256, self attestation",
                .algorithm = WEBAUTHN_ES256,
                .challenge = "7869c2b772d4b58eba9378cf8f29e26cf935aa77df0da89fa99c0bdc0a76f7e5",
                .client_data = REGISTERED "65476e4374334c55745936366b336a506a796e6962506b31716e6666446169667"
                                          "15a774c33417032392d55" ORIGIN "66616c7365" EXTRA
                                          "5539685458764b453255526b4d6e625f307859485667227d",
                .attestation = "a363666d74667061636b65646761747453746d74a263616c672663736967584630440220067a"
                               "20754ab925"
                               "005dbf378097c92120031581c73228d1fb4f5b881bcd7da98302207fc7b147558c7c0eba3af1"
                               "8bd9d121fa"
                               "3d3a26d17fe3f220272178f473b6006d68617574684461746158a4" RP_HASH
                               "5d00000000df850e09db6afbdfab51697791506cfc0020455ef34e2043a87db3d4afeb39bbcb"
                               "6cc32df934"
                               "7c789a865ecdca129cbef58ca5010203262001215820eb151c8176b225cc651559fecf07af45"
                               "0fd85802046"
                               "656b34c18f6cf193843c5225820927b8aa427a2be1b8834d233a2d34f61f13bfd44119c325d5"
                               "896e183fee4"
                               "84f2",
                .login_challenge = "4478a10b1352348dd160c1353b0d469b5db19eb91c27f7dfa6fed39fe26af20b",
                .login_data = RP_HASH "0900000000",
                .login_client_data = ASSERTED "5248696843784e534e493352594d45314f7731476d3132786e726b634a5f6"
                                              "666707637546e2d4a71386773" ORIGIN "66616c7365" EXTRA
                                              "6754623533727a36456853576f6d58477a696d433151227d",
                .login_signature =
                        "304402203310b9431903c401f1be2bdc8d23a4007682dbbddcf846994947b7f465daf84002204e94dd0"
                        "0047b316061b3b99772b7efd95994a83ef584b3b6b825ea3550251b66",
        },
        {
                .name = "16.11 Ed25519, packed attestation with a certificate",
                .algorithm = WEBAUTHN_EDDSA,
                .attested = true,
                .challenge = "a8abf9dabdc6b0df63466b39bda9e8a34a34e185337a59f1c579990676d3b3bd",
                .client_data = REGISTERED "714b763532723347734e396a526d733576616e6f6f306f303459557a656c6e787"
                                          "8586d5a426e6254733730" ORIGIN "66616c7365" EXTRA
                                          "425f44543567375a445f2d394f544c59583549764551227d",
                .attestation = "a363666d74667061636b65646761747453746d74a363616c67266373696758483046022100d8"
                               "3f60bd8026"
                               "9537583218858aefb03ac57d45fa06e42feaae332d187f62da9f022100a02bd3cb6f7e1d283c"
                               "93bad1f3f4"
                               "b5a4c0494463da7fdbf256949116754d1f17637835638159022730820223308201c8a0030201"
                               "02021100b2"
                               "cfc9ea33c8643b0e1a760463eaf164300a06082a8648ce3d0403023062311e301c0603550403"
                               "0c15576562"
                               "417574686e207465737420766563746f7273310c300a060355040a0c03573343312530230603"
                               "55040b0c1c"
                               "41757468656e74696361746f72204174746573746174696f6e204341310b3009060355040613"
                               "0241413020"
                               "170d3234303130313030303030305a180f33303234303130313030303030305a305f311e301c"
                               "0603550403"
                               "0c15576562417574686e207465737420766563746f7273310c300a060355040a0c0357334331"
                               "2230200603"
                               "55040b0c1941757468656e74696361746f72204174746573746174696f6e310b300906035504"
                               "0613024141"
                               "3059301306072a8648ce3d020106082a8648ce3d03010703420004dd2b7a564b73b8c0b81c4c"
                               "62e521925c"
                               "4d1198ec9f583dbf1eebe364b65cd9c29a9bdf346aaa81fb6b9507e5249a52fdaf8e39e26b0b"
                               "7dc45992a7"
                               "e233b70f70a360305e300c0603551d130101ff04023000300e0603551d0f0101ff0404030207"
                               "80301d0603"
                               "551d0e041604140ae27546bc7eccb1b4b597bd354f0c0b1f1f8f8e301f0603551d2304183016"
                               "801445aff7"
                               "15b0dd786741fee996ebc16547a3931b1e300a06082a8648ce3d0403020349003046022100a0"
                               "d434ecb5fc"
                               "3bfd7da5f41904517ad2836249f561bd834ba7a438a8ab7a4ce8022100fac845bb7a02513b58"
                               "e9f319654d"
                               "be49b0f02b95835bac568c71f8a18cdde9ab68617574684461746158"
                               "81" RP_HASH "4100000000d5aa33581e8ca478e20fe713f5d32ff20020ce9f840ed96599580"
                               "cd140fbc7bb3230633f50f6"
                               "1041aff73308ae71caa8a2bda401010327200621582044e06ddd331c36a8dc667bab52bcae63"
                               "486c916aa5"
                               "e339e6acebaa84934bf832",
                .login_challenge = "895957e01c633a698348a2d8a31a54b7db27e8c1c43b2080d79ae2190267bfd2",
                .login_data = RP_HASH "0100000000",
                .login_client_data = ASSERTED "69566c583442786a4f6d6d44534b4c596f7870557439736e364d48454f794"
                                              "3413135726947514a6e763949" ORIGIN "66616c73657d",
                .login_signature = "f5c59c7e46c34f6f8cc197101ddf9934fa2595f68eb1913a637e8419eb9ba4cfdfc48f85"
                                   "393bc0d40b011"
                                   "f0d6fecb097d6607525713223a0dc0d453993dae00b",
        },
};

static const struct str example_origin = {"https://example.org", 19};

static struct webauthn_expect expect_of(const char *challenge)
{
        return (struct webauthn_expect){.challenge = sample_hex(&arena, challenge),
                                        .rp_id = STR("example.org"),
                                        .origins = &example_origin,
                                        .origin_count = 1};
}

static void the_specifications_vectors_hold(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
                const struct vector *v = &vectors[i];
                struct webauthn_expect expect = expect_of(v->challenge);
                struct str attestation = sample_hex(&arena, v->attestation);
                struct str client_data = sample_hex(&arena, v->client_data);
                struct webauthn_registration made;
                struct webauthn_assertion assertion;

                if (!webauthn_verify_registration(&arena, &expect, WEBAUTHN_ATTESTATION_IGNORE, attestation,
                                                  client_data, &made, &err))
                        fail_msg("%s: %s", v->name, err.message);
                assert_int_equal(made.algorithm, v->algorithm);
                assert_int_equal(made.data.credential_id.len, 32);
                assert_int_equal(webauthn_verify_registration(&arena, &expect, WEBAUTHN_ATTESTATION_REFUSE,
                                                              attestation, client_data, &made, &err),
                                 !v->attested);
                expect = expect_of(v->login_challenge);
                if (!webauthn_verify_assertion(&arena, &expect, made.data.public_key,
                                               sample_hex(&arena, v->login_data),
                                               sample_hex(&arena, v->login_client_data),
                                               sample_hex(&arena, v->login_signature), &assertion, &err))
                        fail_msg("%s: %s", v->name, err.message);
                assert_int_equal(assertion.sign_count, 0);
        }
}

/* 16.4: made in a frame of another origin, which we refuse by our own rule. */
static void what_was_made_in_a_frame_is_refused(void **state)
{
        struct webauthn_expect expect =
                expect_of("3be5aacd03537142472340ab5969f240f1d87716e20b6807ac230655fa4b3b49");
        struct webauthn_registration made;

        (void)state;
        assert_false(webauthn_verify_registration(
                &arena, &expect, WEBAUTHN_ATTESTATION_IGNORE,
                sample_hex(&arena, "a363666d74646e6f6e656761747453746d74a068617574684461746158a4" RP_HASH
                                   "4500000000883f4f6014f19c09d87aa38123be48d000206e1050c0d2ca2f07c755cb2c66"
                                   "a74c64fa43065c"
                                   "18f938354d9915db2bd5ce57a501020326200121582022200a473f90b11078851550d03b"
                                   "4e44a2279f8c4e"
                                   "ca27b3153dedfe03e4e97d225820cbd0be95e746ad6f5a8191be11756e4c0420e72f65b4"
                                   "66d39bc56b8b12"
                                   "3a9c6e"),
                sample_hex(&arena, REGISTERED "4f2d57717a514e5463554a484930437257576e79515048596478626943326"
                                              "74872434d475666704c4f306b"
                                              "222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f726"
                                              "7222c2263726f73734f7269676"
                                              "96e223a74727565" EXTRA
                                              "7a5a7175457444523944577170573574425754467567227d"),
                &made, &err));
        assert_non_null(strstr(err.message, "frame"));
}

/* ---- an authenticator in software ------------------------------------------------------------------ */

#define RP "login.example"
#define AT "https://login.example"

static const struct str at_origin = {AT, sizeof(AT) - 1};

static struct webauthn_expect expect_here(struct str challenge)
{
        return (struct webauthn_expect){.challenge = challenge,
                                        .rp_id = STR(RP),
                                        .origins = &at_origin,
                                        .origin_count = 1,
                                        .user_verification = true};
}

static bool holds(const struct sample_passkey *key, const struct sample_assertion *assertion,
                  struct str challenge)
{
        struct webauthn_expect expect = expect_here(challenge);
        struct webauthn_assertion result;

        return webauthn_verify_assertion(&arena, &expect, key->cose, assertion->authenticator_data,
                                         assertion->client_data, assertion->signature, &result, &err);
}

static const enum webauthn_algorithm algorithms[] = {WEBAUTHN_ES256, WEBAUTHN_EDDSA, WEBAUTHN_RS256};

/* Every bit of every part: the signature covers all of it. */
static void every_altered_byte_is_refused(void **state)
{
        struct str challenge = STR("0123456789abcdef0123456789abcdef");

        (void)state;
        for (size_t a = 0; a < 3; a++) {
                struct sample_passkey key = sample_passkey_new(&arena, algorithms[a]);
                struct sample_assertion good = sample_assert(&arena, &key, challenge, RP, AT);
                struct str *parts[] = {&good.authenticator_data, &good.client_data, &good.signature,
                                       &key.cose};

                assert_true(holds(&key, &good, challenge));
                for (size_t p = 0; p < 4; p++)
                        for (size_t i = 0; i < parts[p]->len; i++) {
                                char *bytes = (char *)parts[p]->ptr;

                                bytes[i] ^= (char)(1 << (i % 8));
                                if (holds(&key, &good, challenge))
                                        fail_msg("algorithm %d, part %zu, byte %zu", algorithms[a], p, i);
                                bytes[i] ^= (char)(1 << (i % 8));
                        }
                for (size_t p = 0; p < 4; p++) {
                        size_t len = parts[p]->len--;

                        assert_false(holds(&key, &good, challenge));
                        parts[p]->len = len;
                }
                assert_true(holds(&key, &good, challenge));
                sample_passkey_free(&key);
        }
}

static bool signed_over(const struct sample_passkey *key, struct str data, struct str client_data)
{
        struct sample_assertion assertion = {.authenticator_data = data, .client_data = client_data};

        assertion.signature = sample_passkey_sign(&arena, key, data, client_data);
        return holds(key, &assertion, STR("c"));
}

static void what_was_signed_must_be_for_us(void **state)
{
        struct sample_passkey key = sample_passkey_new(&arena, WEBAUTHN_ES256);
        struct str data = sample_authenticator_data(&arena, RP, 0x05, 1);
        struct str client_data = sample_client_data(&arena, "webauthn.get", STR("c"), AT);
        static const char *const client_datas[] = {
                "{\"type\":\"webauthn.get\",\"challenge\":\"Yw\",\"origin\":\"https://login.example:444\"}",
                "{\"type\":\"webauthn.get\",\"challenge\":\"Yw\",\"origin\":\"https://login.example/\"}",
                "{\"type\":\"webauthn.get\",\"challenge\":\"Yw\",\"origin\":\"https://evil.example\"}",
                "{\"type\":\"webauthn.create\",\"challenge\":\"Yw\",\"origin\":\"" AT "\"}",
                "{\"type\":\"payment.get\",\"challenge\":\"Yw\",\"origin\":\"" AT "\"}",
                "{\"type\":\"webauthn.get\",\"challenge\":\"ZA\",\"origin\":\"" AT "\"}",
                "{\"type\":\"webauthn.get\",\"challenge\":\"\",\"origin\":\"" AT "\"}",
                "{\"type\":\"webauthn.get\",\"origin\":\"" AT "\"}",
                "{\"type\":\"webauthn.get\",\"challenge\":\"Yw\"}",
                "{\"type\":\"webauthn.get\",\"challenge\":\"Yw\",\"origin\":[\"" AT "\"]}",
                "{\"type\":\"webauthn.get\",\"challenge\":\"Yw\",\"origin\":\"" AT
                "\",\"crossOrigin\":true}",
                "{\"type\":\"webauthn.get\",\"challenge\":\"Yw\",\"origin\":\"" AT "\",\"topOrigin\":\"" AT
                "\"}",
                "{\"type\":\"webauthn.get\",\"challenge\":\"Yw\",\"origin\":\"" AT
                "\",\"tokenBinding\":{\"status\":\"present\",\"id\":\"Yw\"}}",
                "{\"type\":\"webauthn.get\",\"challenge\":\"Yw\",\"origin\":\"" AT "\",\"origin\":\"" AT
                "\"}",
                "",
                "null",
        };

        (void)state;
        assert_true(signed_over(&key, data, client_data));
        assert_true(signed_over(
                &key, data,
                STR("{\"type\":\"webauthn.get\",\"challenge\":\"Yw\",\"origin\":\"" AT
                    "\",\"crossOrigin\":false,\"tokenBinding\":{\"status\":\"supported\"},\"new\":[1]}")));
        for (size_t i = 0; i < sizeof(client_datas) / sizeof(client_datas[0]); i++)
                if (signed_over(&key, data, str_from(client_datas[i])))
                        fail_msg("%s", client_datas[i]);
        assert_false(
                signed_over(&key, sample_authenticator_data(&arena, "other.example", 0x05, 1), client_data));
        assert_false(signed_over(&key, sample_authenticator_data(&arena, RP, 0x04, 1), client_data));
        assert_false(signed_over(&key, sample_authenticator_data(&arena, RP, 0x01, 1), client_data));
        assert_false(signed_over(&key, sample_authenticator_data(&arena, RP, 0x15, 1), client_data));
        assert_true(signed_over(&key, sample_authenticator_data(&arena, RP, 0x1d, 1), client_data));
        /* Flags that announce what is not there, and bytes that nothing announces. */
        assert_false(signed_over(&key, sample_authenticator_data(&arena, RP, 0x45, 1), client_data));
        assert_false(signed_over(&key, sample_authenticator_data(&arena, RP, 0x85, 1), client_data));
        assert_false(signed_over(&key, arena_printf(&arena, "%.*s", (int)data.len, data.ptr), client_data));
        sample_passkey_free(&key);
}

static void another_key_or_algorithm_does_not_verify(void **state)
{
        struct str challenge = STR("challenge");

        (void)state;
        for (size_t a = 0; a < 3; a++) {
                struct sample_passkey key = sample_passkey_new(&arena, algorithms[a]);
                struct sample_passkey other = sample_passkey_new(&arena, algorithms[(a + 1) % 3]);
                struct sample_passkey same = sample_passkey_new(&arena, algorithms[a]);
                struct sample_assertion good = sample_assert(&arena, &key, challenge, RP, AT);

                assert_true(holds(&key, &good, challenge));
                assert_false(holds(&other, &good, challenge));
                assert_false(holds(&same, &good, challenge));
                sample_passkey_free(&key);
                sample_passkey_free(&other);
                sample_passkey_free(&same);
        }
}

/* One key has one text, so that it has one id. */
static void keys_have_one_form(void **state)
{
        static const char x[] = "afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61";
        static const char y[] = "930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220";
        enum webauthn_algorithm algorithm;
        static const char *const bad[] = {
                "a50102032620012158%s225820%s",         /* a length that is cut off */
                "a5030201022620012158%s20225820%s",     /* another order */
                "a5010203382600012158%s20225820%s",     /* a longer number than need be */
                "a601020326200121582%s0225820%s02f5",   /* a member more */
                "bf0102032620012158%s20225820%sff",     /* indefinite */
                "a5010203262002215820%s225820%s",       /* P-384 */
                "a5010203382220015820%s225820%s",       /* ES384 */
                "a5010203262001215820%s22582100%s",     /* a coordinate too long */
                "d9d9f7a5010203262001215820%s225820%s", /* a tag */
        };

        (void)state;
        assert_true(webauthn_key_check(
                sample_hex(&arena, arena_printf(&arena, "a5010203262001215820%s225820%s", x, y).ptr),
                &algorithm, &err));
        assert_int_equal(algorithm, WEBAUTHN_ES256);
        /* x and y changed places: not on the curve. */
        assert_false(webauthn_key_check(
                sample_hex(&arena, arena_printf(&arena, "a5010203262001215820%s225820%s", y, x).ptr), NULL,
                &err));
        assert_false(webauthn_key_check(
                sample_hex(&arena, arena_printf(&arena, "a5010203262001215820%s225820%s00", x, y).ptr), NULL,
                &err));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                char text[400];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                (void)snprintf(text, sizeof(text), bad[i], x, y);
#pragma GCC diagnostic pop
                struct str bytes;

                if (hex_decode(&arena, str_from(text), &bytes) && webauthn_key_check(bytes, NULL, &err))
                        fail_msg("%s", text);
        }
        /* Ed25519 of small order, RSA with exponent 3 and with 1024 bits. */
        assert_false(webauthn_key_check(
                sample_hex(&arena, "a4010103272006215820"
                                   "0100000000000000000000000000000000000000000000000000000000000000"),
                NULL, &err));
        assert_false(
                webauthn_key_check(sample_hex(&arena, "a401030339010020430100012143010001"), NULL, &err));
}

static void origins_belong_to_the_relying_party(void **state)
{
        (void)state;
        assert_true(webauthn_origin_fits(STR("https://a.example"), STR("a.example")));
        assert_true(webauthn_origin_fits(STR("https://a.example:8443"), STR("a.example")));
        assert_true(webauthn_origin_fits(STR("https://b.a.example"), STR("a.example")));
        assert_true(webauthn_origin_fits(STR("http://localhost:7070"), STR("localhost")));
        assert_false(webauthn_origin_fits(STR("http://a.example"), STR("a.example")));
        assert_false(webauthn_origin_fits(STR("https://ba.example"), STR("a.example")));
        assert_false(webauthn_origin_fits(STR("https://a.example/"), STR("a.example")));
        assert_false(webauthn_origin_fits(STR("https://a.example:0"), STR("a.example")));
        assert_false(webauthn_origin_fits(STR("https://a.example:"), STR("a.example")));
        assert_false(webauthn_origin_fits(STR("https://u@a.example"), STR("a.example")));
        assert_false(webauthn_origin_fits(STR("https://A.example"), STR("A.example")));
        assert_false(webauthn_origin_fits(STR("null"), STR("localhost")));
        assert_false(webauthn_origin_fits(STR(""), STR("")));
}

static void the_counter_must_grow(void **state)
{
        (void)state;
        assert_true(webauthn_counter_goes_on(0, 0));
        assert_true(webauthn_counter_goes_on(0, 1));
        assert_true(webauthn_counter_goes_on(7, 8));
        assert_false(webauthn_counter_goes_on(7, 7));
        assert_false(webauthn_counter_goes_on(7, 6));
        assert_false(webauthn_counter_goes_on(7, 0));
}

/* ---- CBOR ------------------------------------------------------------------------------------------ */

static void cbor_has_one_form(void **state)
{
        static const char *const good[] = {"00",
                                           "17",
                                           "1818",
                                           "18ff",
                                           "190100",
                                           "1affffffff",
                                           "1b0000000100000000",
                                           "20",
                                           "3903e7",
                                           "40",
                                           "4401020304",
                                           "60",
                                           "6161",
                                           "80",
                                           "83010203",
                                           "a0",
                                           "a2616101616202",
                                           "f4",
                                           "f5",
                                           "f6",
                                           "8181818100"};
        static const char *const bad[] = {"",
                                          "18",
                                          "1817",
                                          "1900ff",
                                          "1a0000ffff",
                                          "1b00000000ffffffff",
                                          "1c",
                                          "1f",
                                          "5f4100ff",
                                          "7f6100ff",
                                          "9f00ff",
                                          "bf0000ff",
                                          "c000",
                                          "f7",
                                          "f0",
                                          "f90000",
                                          "fb0000000000000000",
                                          "f800",
                                          "ff",
                                          "4401",
                                          "61ff",
                                          "8201",
                                          "a101",
                                          "818181818100",
                                          "9bffffffffffffffff",
                                          "bbffffffffffffffff",
                                          "5bffffffffffffffff"};

        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                struct cbor cbor = cbor_of(sample_hex(&arena, good[i]));

                if (!cbor_skip(&cbor) || !cbor_is_over(&cbor))
                        fail_msg("%s", good[i]);
        }
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct cbor cbor = cbor_of(sample_hex(&arena, bad[i]));

                if (cbor_skip(&cbor))
                        fail_msg("%s", bad[i]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_specifications_vectors_hold, setup, teardown),
                cmocka_unit_test_setup_teardown(what_was_made_in_a_frame_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(every_altered_byte_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(what_was_signed_must_be_for_us, setup, teardown),
                cmocka_unit_test_setup_teardown(another_key_or_algorithm_does_not_verify, setup, teardown),
                cmocka_unit_test_setup_teardown(keys_have_one_form, setup, teardown),
                cmocka_unit_test_setup_teardown(origins_belong_to_the_relying_party, setup, teardown),
                cmocka_unit_test_setup_teardown(the_counter_must_grow, setup, teardown),
                cmocka_unit_test_setup_teardown(cbor_has_one_form, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
