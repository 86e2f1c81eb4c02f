/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions that are signed by passkeys: WebAuthn assertions over the statement. */
#include "documents/quorum.h"
#include "documents/samples.h"
#include "documents/samples_passkey.h"

#define RP "login.example"
#define AT "https://login.example"

/* Two approvers: ann by a passkey, ben by an Ed25519 key. */
struct world {
        struct arena arena;
        struct sample_passkey passkey;
        struct ed25519_key *key;
        struct roster_member members[2];
        struct roster roster;
        struct str roster_bytes;
        struct statement statement;
        struct str bytes;
        struct err err;
};

static void world_init(struct world *world, enum webauthn_algorithm algorithm)
{
        *world = (struct world){0};
        arena_init(&world->arena, 64 << 20);
        world->passkey = sample_passkey_new(&world->arena, algorithm);
        world->key = sample_key(2);
        world->members[0] = sample_member(&world->arena, "usr", "ann", true, true, NULL);
        world->members[0].keys[0] = sample_roster_passkey(&world->passkey, RP, AT);
        world->members[0].key_count = 1;
        world->members[1] = sample_member(&world->arena, "usr", "ben", false, true, world->key);
        world->roster = (struct roster){.tenant = STR(SAMPLE_TENANT),
                                        .version = 1,
                                        .threshold = 1,
                                        .member_count = 2,
                                        .members = world->members,
                                        .created_ms = SAMPLE_NOW_MS};
        if (!roster_build(&world->arena, &world->roster, &world->roster_bytes, &world->err) ||
            !roster_parse(&world->arena, world->roster_bytes, &world->roster, &world->err))
                fail_msg("%s %s", world->err.place, world->err.message);
        world->statement = sample_statement(&world->arena);
        world->bytes = sample_bytes(&world->arena, &world->statement);
}

static void world_done(struct world *world)
{
        sample_passkey_free(&world->passkey);
        ed25519_key_free(world->key);
        arena_done(&world->arena);
}

/* Members stand in the order of their random ids. */
static const struct roster_key *passkey_of(const struct world *world)
{
        return &world->roster.members[str_is(world->roster.members[0].name, "ann") ? 0 : 1].keys[0];
}

static bool one(struct world *world, enum verdict verdict, const struct dsse_signature *signature)
{
        const struct roster_member *member;

        world->err = (struct err){0};
        return quorum_check_one(&world->roster, &world->statement, world->bytes, verdict, signature, &member,
                                &world->err);
}

static void a_passkey_counts_beside_a_key(void **state)
{
        static const enum webauthn_algorithm algorithms[] = {WEBAUTHN_ES256, WEBAUTHN_EDDSA, WEBAUTHN_RS256};
        struct world world;

        (void)state;
        for (size_t i = 0; i < 3; i++) {
                struct dsse_signature signatures[2];
                struct dsse_envelope envelope = {
                        .payload_type = STR(STATEMENT_PAYLOAD_TYPE), .signatures = signatures, .count = 2};
                struct dsse_envelope again;
                BUF_SCOPED text;

                world_init(&world, algorithms[i]);
                envelope.payload = world.bytes;
                signatures[0] = sample_sign_passkey(&world.arena, &world.passkey, STATEMENT_PAYLOAD_TYPE,
                                                    world.bytes, RP, AT);
                signatures[1] = sample_sign(&world.arena, world.key, STATEMENT_PAYLOAD_TYPE, world.bytes);
                if (!quorum_check(&world.roster, &world.statement, &envelope, 2, &world.err))
                        fail_msg("%s", world.err.message);
                /* And after a way through JSON. */
                buf_init(&text, 1 << 20);
                dsse_append(&text, &envelope);
                assert_true(dsse_parse(&world.arena, buf_str(&text), &again, &world.err));
                assert_true(quorum_check(&world.roster, &world.statement, &again, 2, &world.err));
                world_done(&world);
        }
}

static void a_no_is_never_a_yes(void **state)
{
        struct world world;
        struct dsse_signature no, yes;

        (void)state;
        world_init(&world, WEBAUTHN_ES256);
        no = sample_sign_passkey(&world.arena, &world.passkey, REJECTION_PAYLOAD_TYPE, world.bytes, RP, AT);
        yes = sample_sign_passkey(&world.arena, &world.passkey, STATEMENT_PAYLOAD_TYPE, world.bytes, RP, AT);
        assert_true(one(&world, VERDICT_REJECT, &no));
        assert_true(one(&world, VERDICT_APPROVE, &yes));
        assert_false(one(&world, VERDICT_APPROVE, &no));
        assert_int_equal(world.err.code, ERR_BAD_SIGNATURE);
        assert_false(one(&world, VERDICT_REJECT, &yes));
        world_done(&world);
}

static void any_altered_byte_is_refused(void **state)
{
        struct world world;
        struct dsse_signature yes;
        struct str *parts[4];

        (void)state;
        world_init(&world, WEBAUTHN_ES256);
        yes = sample_sign_passkey(&world.arena, &world.passkey, STATEMENT_PAYLOAD_TYPE, world.bytes, RP, AT);
        parts[0] = &yes.signature;
        parts[1] = &yes.authenticator_data;
        parts[2] = &yes.client_data;
        parts[3] = &world.bytes;
        for (size_t p = 0; p < 4; p++)
                for (size_t i = 0; i < parts[p]->len; i++) {
                        char *at = (char *)parts[p]->ptr + i;

                        *at ^= (char)(1 << (i % 8));
                        if (one(&world, VERDICT_APPROVE, &yes))
                                fail_msg("part %zu, byte %zu", p, i);
                        assert_int_equal(world.err.code, ERR_BAD_SIGNATURE);
                        *at ^= (char)(1 << (i % 8));
                }
        assert_true(one(&world, VERDICT_APPROVE, &yes));
        world_done(&world);
}

static bool signed_with(struct world *world, const char *rp, const char *origin, uint8_t flags)
{
        struct dsse_signature signature = {.key_id = str_from(passkey_of(world)->keyid)};
        struct sha256 challenge;

        dsse_challenge(STR(STATEMENT_PAYLOAD_TYPE), world->bytes, &challenge);
        signature.authenticator_data = sample_authenticator_data(&world->arena, rp, flags, 0);
        signature.client_data =
                sample_client_data(&world->arena, "webauthn.get", sha256_str(&challenge), origin);
        signature.signature = sample_passkey_sign(&world->arena, &world->passkey,
                                                  signature.authenticator_data, signature.client_data);
        return one(world, VERDICT_APPROVE, &signature);
}

static void place_and_presence_are_checked(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, WEBAUTHN_ES256);
        assert_true(signed_with(&world, RP, AT, 0x05));
        assert_false(signed_with(&world, "other.example", AT, 0x05));
        assert_false(signed_with(&world, RP, "https://evil.example", 0x05));
        assert_false(signed_with(&world, RP, "http://login.example", 0x05));
        assert_false(signed_with(&world, RP, AT, 0x01)); /* not verified */
        assert_false(signed_with(&world, RP, AT, 0x04)); /* not present */
        world_done(&world);
}

/* What each kind of key signs is no signature by the other. */
static void kinds_do_not_mix(void **state)
{
        struct world world;
        struct dsse_signature passkey, key, mixed;

        (void)state;
        world_init(&world, WEBAUTHN_EDDSA);
        passkey = sample_sign_passkey(&world.arena, &world.passkey, STATEMENT_PAYLOAD_TYPE, world.bytes, RP,
                                      AT);
        key = sample_sign(&world.arena, world.key, STATEMENT_PAYLOAD_TYPE, world.bytes);
        assert_true(one(&world, VERDICT_APPROVE, &passkey));
        assert_true(one(&world, VERDICT_APPROVE, &key));
        /* A plain signature with an assertion's members, which nothing covers. */
        mixed = key;
        mixed.authenticator_data = passkey.authenticator_data;
        mixed.client_data = passkey.client_data;
        assert_false(one(&world, VERDICT_APPROVE, &mixed));
        mixed.client_data = STR_NULL;
        assert_false(one(&world, VERDICT_APPROVE, &mixed));
        /* An assertion without its members. */
        mixed = passkey;
        mixed.authenticator_data = mixed.client_data = STR_NULL;
        assert_false(one(&world, VERDICT_APPROVE, &mixed));
        mixed = passkey;
        mixed.client_data = STR_NULL;
        assert_false(one(&world, VERDICT_APPROVE, &mixed));
        world_done(&world);
}

static bool roster_stands(struct world *world, const char *piece, const char *by)
{
        struct roster roster;

        return roster_parse(&world->arena, sample_replace(&world->arena, world->roster_bytes, piece, by),
                            &roster, &world->err);
}

static void a_roster_names_a_passkey_in_one_form(void **state)
{
        struct world world;

        (void)state;
        world_init(&world, WEBAUTHN_ES256);
        assert_int_equal(passkey_of(&world)->type, ROSTER_KEY_WEBAUTHN);
        assert_true(str_is(passkey_of(&world)->rp_id, RP));
        assert_true(roster_stands(&world, "\"" AT "\"", "\"" AT "\",\"" AT ":8443\""));
        assert_false(roster_stands(&world, "\"" AT "\"", "\"" AT ":8443\",\"" AT "\""));
        assert_false(roster_stands(&world, "\"" AT "\"", "\"" AT "\",\"" AT "\""));
        assert_false(roster_stands(&world, "\"" AT "\"", ""));
        assert_false(roster_stands(&world, "\"" AT "\"", "1"));
        assert_false(roster_stands(&world, "\"" AT "\"", "\"http://login.example\""));
        assert_false(roster_stands(&world, "\"" AT "\"", "\"https://evil.example\""));
        assert_false(roster_stands(&world, "\"" RP "\"", "\"evil.example\""));
        assert_false(roster_stands(&world, "\"" RP "\"", "\"\""));
        assert_false(roster_stands(&world, "\"type\":\"webauthn\"", "\"type\":\"ed25519\""));
        assert_false(roster_stands(&world, "\"type\":\"webauthn\"", "\"type\":\"webauthn2\""));
        assert_false(roster_stands(&world, "\"public\":\"pQEC", "\"public\":\"pQED"));
        world_done(&world);
}

/* An administrator may sign the next version by passkey as well. */
static void a_roster_is_signed_by_passkey(void **state)
{
        struct world world;
        struct roster next, standing;
        struct dsse_signature signature;
        struct dsse_envelope envelope = {
                .payload_type = STR(ROSTER_PAYLOAD_TYPE), .signatures = &signature, .count = 1};

        (void)state;
        world_init(&world, WEBAUTHN_ES256);
        envelope.payload = world.roster_bytes;
        signature = sample_sign_passkey(&world.arena, &world.passkey, ROSTER_PAYLOAD_TYPE,
                                        world.roster_bytes, RP, AT);
        assert_true(roster_accept(&world.arena, NULL, STR(SAMPLE_TENANT), &envelope, &standing, &world.err));
        next = standing;
        next.version = 2;
        next.previous = standing.digest;
        assert_true(roster_build(&world.arena, &next, &envelope.payload, &world.err));
        /* The signature of version 1 is none of version 2. */
        assert_false(
                roster_accept(&world.arena, &standing, STR(SAMPLE_TENANT), &envelope, &next, &world.err));
        signature = sample_sign_passkey(&world.arena, &world.passkey, ROSTER_PAYLOAD_TYPE, envelope.payload,
                                        RP, AT);
        assert_true(
                roster_accept(&world.arena, &standing, STR(SAMPLE_TENANT), &envelope, &next, &world.err));
        world_done(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_passkey_counts_beside_a_key),
                cmocka_unit_test(a_no_is_never_a_yes),
                cmocka_unit_test(any_altered_byte_is_refused),
                cmocka_unit_test(place_and_presence_are_checked),
                cmocka_unit_test(kinds_do_not_mix),
                cmocka_unit_test(a_roster_names_a_passkey_in_one_form),
                cmocka_unit_test(a_roster_is_signed_by_passkey),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
