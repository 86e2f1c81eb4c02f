/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/verify.h"

#include "documents/samples.h"
#include "documents/samples_passkey.h"
#include "executor/test_dir.h"

#include <stdlib.h>

enum { ANN = 1, BEN = 2, CLEO = 3, DORA = 4, ANN_TOO = 5, STRANGER = 6, KEYS = 7 };

/* Three approvers (ann has two keys), dora is an administrator only; prd's floor; an empty journal. */
struct world {
        struct arena arena;
        struct test_dir dir;
        struct ed25519_key *keys[KEYS];
        struct roster_member members[4];
        struct roster roster;
        struct floor floor;
        struct journal *journal;
        struct statement statement;
        struct str bytes;
        struct str action;
        struct verify_place place;
        int64_t now_ms;
        struct err err;
};

static void setup_members(struct world *w)
{
        struct str bytes;

        w->members[0] = sample_member(&w->arena, "usr", "ann", false, true, w->keys[ANN]);
        w->members[0].keys[1].public_key = *ed25519_key_public(w->keys[ANN_TOO]);
        w->members[0].key_count = 2;
        w->members[1] = sample_member(&w->arena, "usr", "ben", false, true, w->keys[BEN]);
        w->members[2] = sample_member(&w->arena, "usr", "cleo", false, true, w->keys[CLEO]);
        w->members[3] = sample_member(&w->arena, "usr", "dora", true, false, w->keys[DORA]);
        w->roster = (struct roster){.tenant = STR(SAMPLE_TENANT),
                                    .version = 1,
                                    .threshold = 1,
                                    .member_count = 4,
                                    .members = w->members,
                                    .created_ms = SAMPLE_NOW_MS};
        assert_true(roster_build(&w->arena, &w->roster, &bytes, &w->err));
        assert_true(roster_parse(&w->arena, bytes, &w->roster, &w->err));
}

static int setup(void **state)
{
        struct world *w = calloc(1, sizeof(*w));

        arena_init(&w->arena, 64 << 20);
        w->dir = test_dir_new();
        for (uint8_t i = 1; i < KEYS; i++)
                w->keys[i] = sample_key(i);
        setup_members(w);
        floor_built_in(STR("prd"), &w->floor);
        assert_true(journal_create(w->dir.path, NULL, &w->err));
        assert_true(journal_open(w->dir.path, NULL, &w->journal, &w->err));
        w->statement = sample_statement(&w->arena);
        w->bytes = sample_bytes(&w->arena, &w->statement);
        w->action = w->statement.action;
        w->place =
                (struct verify_place){w->statement.tenant, w->statement.workspace, w->statement.environment};
        w->now_ms = SAMPLE_NOW_MS + 1000;
        *state = w;
        return 0;
}

static int teardown(void **state)
{
        struct world *w = *state;

        journal_close(w->journal);
        for (size_t i = 1; i < KEYS; i++)
                ed25519_key_free(w->keys[i]);
        arena_done(&w->arena);
        test_dir_remove(&w->dir);
        free(w);
        return 0;
}

static enum err_code check_envelope(struct world *w, const struct dsse_envelope *envelope)
{
        struct verify_with with = {.place = w->place,
                                   .roster = &w->roster,
                                   .floor = &w->floor,
                                   .journal = w->journal,
                                   .now_ms = w->now_ms};
        struct arena_mark mark = arena_mark(&w->arena);
        struct verified verified;
        struct str digest;
        bool ok;

        w->err = (struct err){0};
        ok = verify_claim(&w->arena, &with, w->action, envelope, &verified, &digest, &w->err);
        assert_int_equal(digest.len, 64);
        if (ok) {
                assert_true(str_eq(verified.bytes, envelope->payload));
                assert_non_null(verified.operation);
        } else {
                assert_non_null(strstr(w->err.message, "check "));
        }
        arena_rewind(&w->arena, mark);
        return ok ? ERR_NONE : w->err.code;
}

/* The statement as it now is, signed by these. */
static enum err_code check(struct world *w, const uint8_t *signers)
{
        struct dsse_signature signatures[8];
        struct dsse_envelope envelope = {.payload_type = STR(STATEMENT_PAYLOAD_TYPE),
                                         .signatures = signatures};

        envelope.payload = sample_bytes(&w->arena, &w->statement);
        for (; *signers; signers++)
                signatures[envelope.count++] =
                        sample_sign(&w->arena, w->keys[*signers], STATEMENT_PAYLOAD_TYPE, envelope.payload);
        return check_envelope(w, &envelope);
}

#define BY(...) ((const uint8_t[]){__VA_ARGS__, 0})

static struct dsse_envelope good(struct world *w)
{
        struct dsse_signature *signatures = ARENA_ARRAY(&w->arena, struct dsse_signature, 2);

        signatures[0] = sample_sign(&w->arena, w->keys[ANN], STATEMENT_PAYLOAD_TYPE, w->bytes);
        signatures[1] = sample_sign(&w->arena, w->keys[BEN], STATEMENT_PAYLOAD_TYPE, w->bytes);
        return (struct dsse_envelope){STR(STATEMENT_PAYLOAD_TYPE), w->bytes, signatures, 2};
}

static void what_was_approved_passes(void **state)
{
        struct world *w = *state;
        struct dsse_envelope envelope = good(w);

        assert_int_equal(check_envelope(w, &envelope), ERR_NONE);
}

static void any_changed_byte_of_the_statement_is_refused(void **state)
{
        struct world *w = *state;
        struct dsse_envelope envelope = good(w);
        struct str copy = arena_str(&w->arena, w->bytes);
        char *bytes = (char *)copy.ptr;

        envelope.payload = copy;
        for (size_t at = 0; at < copy.len; at++) {
                for (int bit = 0; bit < 8; bit += 3) {
                        bytes[at] = (char)(bytes[at] ^ 1 << bit);
                        assert_int_equal(check_envelope(w, &envelope), ERR_BAD_SIGNATURE);
                        bytes[at] = (char)(bytes[at] ^ 1 << bit);
                }
        }
        assert_int_equal(check_envelope(w, &envelope), ERR_NONE);
}

static void any_changed_byte_of_a_signature_is_refused(void **state)
{
        struct world *w = *state;
        struct dsse_envelope envelope = good(w);
        struct dsse_signature *signatures = (struct dsse_signature *)envelope.signatures;

        signatures[1].signature = arena_str(&w->arena, signatures[1].signature);
        for (size_t at = 0; at < signatures[1].signature.len; at++) {
                char *byte = (char *)signatures[1].signature.ptr + at;

                *byte = (char)(*byte ^ 0x40);
                assert_int_equal(check_envelope(w, &envelope), ERR_BAD_SIGNATURE);
                *byte = (char)(*byte ^ 0x40);
        }
        signatures[1].key_id = signatures[0].key_id;
        assert_int_equal(check_envelope(w, &envelope), ERR_BAD_SIGNATURE);
}

static void a_statement_cut_or_grown_is_refused(void **state)
{
        struct world *w = *state;
        struct dsse_envelope envelope = good(w);

        for (size_t len = 0; len < w->bytes.len; len++) {
                envelope.payload = str_slice(w->bytes, 0, len);
                assert_int_equal(check_envelope(w, &envelope), ERR_BAD_SIGNATURE);
        }
        envelope.payload = arena_printf(&w->arena, "%.*s ", STR_ARG(w->bytes));
        assert_int_equal(check_envelope(w, &envelope), ERR_BAD_SIGNATURE);
}

static void a_rejection_never_passes_as_an_approval(void **state)
{
        struct world *w = *state;
        struct dsse_envelope envelope = good(w);
        struct dsse_signature *signatures = (struct dsse_signature *)envelope.signatures;

        signatures[1] = sample_sign(&w->arena, w->keys[BEN], REJECTION_PAYLOAD_TYPE, w->bytes);
        assert_int_equal(check_envelope(w, &envelope), ERR_BAD_SIGNATURE);
        envelope.payload_type = STR(REJECTION_PAYLOAD_TYPE);
        assert_int_equal(check_envelope(w, &envelope), ERR_BAD_ENVELOPE);
}

static void who_may_not_sign_refuses_the_whole(void **state)
{
        struct world *w = *state;

        assert_int_equal(check(w, BY(ANN, BEN, STRANGER)), ERR_NOT_ON_ROSTER);
        assert_int_equal(check(w, BY(ANN, BEN, DORA)), ERR_FORBIDDEN);
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_NONE);
}

static void another_roster_knows_none_of_them(void **state)
{
        struct world *w = *state;
        struct dsse_envelope envelope = good(w);
        struct ed25519_key *key = sample_key(99);
        struct roster_member member = sample_member(&w->arena, "usr", "eve", true, true, key);
        struct str bytes;

        w->roster.member_count = 1;
        w->roster.members = &member;
        assert_true(roster_build(&w->arena, &w->roster, &bytes, &w->err));
        assert_true(roster_parse(&w->arena, bytes, &w->roster, &w->err));
        assert_int_equal(check_envelope(w, &envelope), ERR_NOT_ON_ROSTER);
        ed25519_key_free(key);
}

static void the_requester_does_not_count(void **state)
{
        struct world *w = *state;

        w->statement.requester_id = w->members[0].principal;
        w->statement.requester_kind = STR("user");
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_SELF_APPROVAL);
        assert_int_equal(check(w, BY(BEN, CLEO)), ERR_NONE);
}

static void one_person_with_two_keys_is_one_person(void **state)
{
        struct world *w = *state;

        assert_int_equal(check(w, BY(ANN, ANN_TOO)), ERR_BAD_ENVELOPE);
        assert_int_equal(check(w, BY(ANN, ANN_TOO, BEN)), ERR_NONE);
}

static void an_expired_or_future_statement_is_refused(void **state)
{
        struct world *w = *state;

        w->now_ms = w->statement.expires_ms - 1;
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_NONE);
        w->now_ms = w->statement.expires_ms;
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_ACTION_EXPIRED);
        w->now_ms = w->statement.created_ms - VERIFY_FUTURE_MAX_MS;
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_NONE);
        w->now_ms--;
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_BAD_ENVELOPE);
        assert_non_null(strstr(w->err.message, "clock"));
}

static void another_place_is_refused(void **state)
{
        struct world *w = *state;
        struct verify_place place = w->place;

        w->place.environment = STR("test");
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_BAD_ENVELOPE);
        assert_non_null(strstr(w->err.message, "environment \"prd\", not for \"test\""));
        w->place = place;
        w->place.tenant = STR("ten_01jd3q4r5s6t7v8w9x0y1z2a3c");
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_BAD_ENVELOPE);
        w->place = place;
        w->place.workspace = STR("wsp_01jd3q4r5s6t7v8w9x0y1z2a3c");
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_BAD_ENVELOPE);
        w->place = place;
        w->action = STR("act_01jd3q4r5s6t7v8w9x0y1z2a3c");
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_BAD_ENVELOPE);
        assert_non_null(strstr(w->err.message, "action"));
}

static void the_floor_may_demand_more(void **state)
{
        struct world *w = *state;

        w->statement.decisions = 1;
        assert_int_equal(check(w, BY(ANN)), ERR_FLOOR_REFUSED);
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_NONE);
        w->floor.rules[EFFECT_DESTROYS].refuse = true;
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_FLOOR_REFUSED);
        assert_non_null(strstr(w->err.message, "check 4"));
}

static void a_read_needs_no_signature_unless_the_floor_says_so(void **state)
{
        struct world *w = *state;

        w->statement.operation = STR("container.list");
        w->statement.effect = EFFECT_READS;
        w->statement.has_target = false;
        w->statement.fact_count = 0;
        w->statement.decisions = 0;
        w->statement.role_count = 0;
        assert_true(json_parse(&w->arena, STR("{\"all\":true}"), &w->statement.parameters, &w->err));
        assert_int_equal(check(w, BY(0)), ERR_NONE);
        w->floor.rules[EFFECT_READS].decisions = 1;
        assert_int_equal(check(w, BY(0)), ERR_FLOOR_REFUSED);
        assert_int_equal(check(w, BY(ANN)), ERR_NONE);
}

static void what_destroys_can_never_go_unsigned(void **state)
{
        struct world *w = *state;
        struct dsse_envelope envelope = {.payload_type = STR(STATEMENT_PAYLOAD_TYPE)};

        /* The requirement left out, as a taken-over server would write it. */
        w->floor.rules[EFFECT_DESTROYS].decisions = 0;
        envelope.payload = sample_replace(&w->arena, w->bytes,
                                          "\"requirement\":{\"decisions\":2,\"roles\":[\"approver\"]},", "");
        assert_int_equal(check_envelope(w, &envelope), ERR_BAD_ENVELOPE);
        /* Or called a read. */
        envelope.payload = sample_replace(&w->arena, envelope.payload, "\"destroys\"", "\"reads\"");
        assert_int_equal(check_envelope(w, &envelope), ERR_BAD_ENVELOPE);
        /* Or zero. */
        envelope.payload = sample_replace(&w->arena, w->bytes, "\"decisions\":2", "\"decisions\":0");
        assert_int_equal(check_envelope(w, &envelope), ERR_BAD_ENVELOPE);
}

static void the_same_again_is_refused(void **state)
{
        struct world *w = *state;
        struct id claim = id_new("clm"), other = id_new("act");
        struct journal_entry entry = {.action = w->statement.action,
                                      .claim = id_str(&claim),
                                      .digest = statement_digest(&w->arena, w->bytes),
                                      .statement = w->bytes};

        assert_int_equal(check(w, BY(ANN, BEN)), ERR_NONE);
        assert_true(journal_note_begun(w->journal, &entry, &w->err));
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_JOURNAL_REFUSED);
        /* A statement of the same action with other bytes. */
        w->statement.expires_ms++;
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_JOURNAL_REFUSED);
        /* Another action is another matter. */
        w->statement.action = w->action = arena_str(&w->arena, id_str(&other));
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_NONE);
        /* And the journal remembers after a restart. */
        journal_close(w->journal);
        assert_true(journal_open(w->dir.path, NULL, &w->journal, &w->err));
        w->statement = sample_statement(&w->arena);
        w->action = w->statement.action;
        assert_int_equal(check(w, BY(ANN, BEN)), ERR_JOURNAL_REFUSED);
}

/* Cleo's passkey: the executor checks it as it checks Ed25519, against the roster that it pinned. */
static void a_passkey_is_verified_as_any_key(void **state)
{
        static const char rp[] = "login.example", at[] = "https://login.example";
        struct world *w = *state;
        struct sample_passkey passkey = sample_passkey_new(&w->arena, WEBAUTHN_ES256);
        struct dsse_signature signatures[2];
        struct dsse_envelope envelope = {.payload_type = STR(STATEMENT_PAYLOAD_TYPE),
                                         .payload = w->bytes,
                                         .signatures = signatures,
                                         .count = 2};
        struct str *parts[] = {&signatures[1].signature, &signatures[1].authenticator_data,
                               &signatures[1].client_data};
        struct str bytes;

        signatures[0] = sample_sign(&w->arena, w->keys[ANN], STATEMENT_PAYLOAD_TYPE, w->bytes);
        signatures[1] = sample_sign_passkey(&w->arena, &passkey, STATEMENT_PAYLOAD_TYPE, w->bytes, rp, at);
        assert_int_equal(check_envelope(w, &envelope), ERR_NOT_ON_ROSTER);
        for (unsigned i = 0; i < w->roster.member_count; i++)
                if (str_is(w->roster.members[i].name, "cleo"))
                        w->roster.members[i].keys[0] = sample_roster_passkey(&passkey, rp, at);
        assert_true(roster_build(&w->arena, &w->roster, &bytes, &w->err));
        assert_true(roster_parse(&w->arena, bytes, &w->roster, &w->err));
        assert_int_equal(check_envelope(w, &envelope), ERR_NONE);
        for (size_t p = 0; p < 3; p++)
                for (size_t i = 0; i < parts[p]->len; i++) {
                        ((char *)parts[p]->ptr)[i] ^= 1;
                        assert_int_equal(check_envelope(w, &envelope), ERR_BAD_SIGNATURE);
                        ((char *)parts[p]->ptr)[i] ^= 1;
                }
        signatures[1] = sample_sign_passkey(&w->arena, &passkey, REJECTION_PAYLOAD_TYPE, w->bytes, rp, at);
        assert_int_equal(check_envelope(w, &envelope), ERR_BAD_SIGNATURE);
        signatures[1] = sample_sign_passkey(&w->arena, &passkey, STATEMENT_PAYLOAD_TYPE, w->bytes, rp,
                                            "https://evil.example");
        assert_int_equal(check_envelope(w, &envelope), ERR_BAD_SIGNATURE);
        /* One person's key and passkey are one person. */
        signatures[0] = sample_sign(&w->arena, w->keys[BEN], STATEMENT_PAYLOAD_TYPE, w->bytes);
        signatures[1] = sample_sign_passkey(&w->arena, &passkey, STATEMENT_PAYLOAD_TYPE, w->bytes, rp, at);
        assert_int_equal(check_envelope(w, &envelope), ERR_NONE);
        sample_passkey_free(&passkey);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_was_approved_passes),
                TEST(any_changed_byte_of_the_statement_is_refused),
                TEST(any_changed_byte_of_a_signature_is_refused),
                TEST(a_statement_cut_or_grown_is_refused),
                TEST(a_rejection_never_passes_as_an_approval),
                TEST(who_may_not_sign_refuses_the_whole),
                TEST(another_roster_knows_none_of_them),
                TEST(the_requester_does_not_count),
                TEST(one_person_with_two_keys_is_one_person),
                TEST(an_expired_or_future_statement_is_refused),
                TEST(another_place_is_refused),
                TEST(the_floor_may_demand_more),
                TEST(a_read_needs_no_signature_unless_the_floor_says_so),
                TEST(what_destroys_can_never_go_unsigned),
                TEST(the_same_again_is_refused),
                TEST(a_passkey_is_verified_as_any_key),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
