/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/quorum.h"
#include "documents/samples.h"

/* Three approvers (keys 1, 2, 3; the first has key 5 too) and an administrator (key 4). */
struct world {
        struct arena arena;
        struct ed25519_key *keys[7];
        struct roster_member members[4];
        struct roster roster;
        struct statement statement;
        struct str bytes;
        struct err err;
};

static void world_init(struct world *world)
{
        struct str bytes;

        *world = (struct world){0};
        arena_init(&world->arena, 8 << 20);
        for (uint8_t i = 0; i < 7; i++)
                world->keys[i] = sample_key(i);
        world->members[0] = sample_member(&world->arena, "usr", "ann", false, true, world->keys[1]);
        world->members[0].keys[1].public_key = *ed25519_key_public(world->keys[5]);
        world->members[0].key_count = 2;
        world->members[1] = sample_member(&world->arena, "usr", "ben", false, true, world->keys[2]);
        world->members[2] = sample_member(&world->arena, "usr", "cleo", false, true, world->keys[3]);
        world->members[3] = sample_member(&world->arena, "usr", "dora", true, false, world->keys[4]);
        world->roster = (struct roster){.tenant = STR(SAMPLE_TENANT),
                                        .version = 1,
                                        .threshold = 1,
                                        .member_count = 4,
                                        .members = world->members,
                                        .created_ms = SAMPLE_NOW_MS};
        assert_true(roster_build(&world->arena, &world->roster, &bytes, &world->err));
        assert_true(roster_parse(&world->arena, bytes, &world->roster, &world->err));
        world->statement = sample_statement(&world->arena);
        world->bytes = sample_bytes(&world->arena, &world->statement);
}

static void world_done(struct world *world)
{
        for (size_t i = 0; i < 7; i++)
                ed25519_key_free(world->keys[i]);
        arena_done(&world->arena);
}

static enum err_code check(struct world *world, const uint8_t *signers, unsigned least)
{
        struct dsse_signature signatures[8];
        struct dsse_envelope envelope = {.payload_type = STR(STATEMENT_PAYLOAD_TYPE),
                                         .payload = world->bytes,
                                         .signatures = signatures};

        for (; *signers; signers++)
                signatures[envelope.count++] = sample_sign(&world->arena, world->keys[*signers],
                                                           STATEMENT_PAYLOAD_TYPE, world->bytes);
        world->err = (struct err){0};
        return quorum_check(&world->roster, &world->statement, &envelope, least, &world->err)
                       ? ERR_NONE
                       : world->err.code;
}

#define BY(...) ((const uint8_t[]){__VA_ARGS__, 0})

static void enough_distinct_approvers_are_enough(void **state)
{
        struct world world;

        (void)state;
        world_init(&world);
        assert_int_equal(check(&world, BY(1, 2), 0), ERR_NONE);
        assert_int_equal(check(&world, BY(3, 5), 0), ERR_NONE);
        assert_int_equal(check(&world, BY(1, 2, 3), 3), ERR_NONE);
        assert_int_equal(check(&world, BY(1), 0), ERR_BAD_ENVELOPE);
        assert_int_equal(check(&world, BY(0), 0), ERR_BAD_ENVELOPE);
        world_done(&world);
}

static void one_person_counts_once_with_any_number_of_keys(void **state)
{
        struct world world;

        (void)state;
        world_init(&world);
        assert_int_equal(check(&world, BY(1, 5), 0), ERR_BAD_ENVELOPE);
        assert_int_equal(check(&world, BY(1, 1), 0), ERR_BAD_ENVELOPE);
        assert_int_equal(check(&world, BY(1, 5, 2), 0), ERR_NONE);
        world_done(&world);
}

static void the_requester_never_counts(void **state)
{
        struct world world;

        (void)state;
        world_init(&world);
        world.statement.requester_id = world.members[1].principal;
        world.statement.requester_kind = STR("user");
        world.bytes = sample_bytes(&world.arena, &world.statement);
        assert_int_equal(check(&world, BY(1, 2), 0), ERR_SELF_APPROVAL);
        assert_int_equal(check(&world, BY(1, 2, 3), 0), ERR_SELF_APPROVAL);
        assert_int_equal(check(&world, BY(1, 3), 0), ERR_NONE);
        world_done(&world);
}

static void strangers_and_non_approvers_refuse_the_whole(void **state)
{
        struct world world;

        (void)state;
        world_init(&world);
        assert_int_equal(check(&world, BY(1, 2, 6), 0), ERR_NOT_ON_ROSTER);
        assert_int_equal(check(&world, BY(1, 2, 4), 0), ERR_FORBIDDEN);
        world_done(&world);
}

static void the_floor_may_ask_for_more_never_for_less(void **state)
{
        struct world world;

        (void)state;
        world_init(&world);
        assert_int_equal(check(&world, BY(1, 2), 2), ERR_NONE);
        assert_int_equal(check(&world, BY(1, 2), 3), ERR_FLOOR_REFUSED);
        assert_int_equal(check(&world, BY(1), 1), ERR_BAD_ENVELOPE);
        world_done(&world);
}

static void a_no_is_never_a_yes(void **state)
{
        struct world world;
        struct dsse_signature no;
        const struct roster_member *member;
        struct dsse_envelope envelope = {.payload_type = STR(STATEMENT_PAYLOAD_TYPE), .count = 1};

        (void)state;
        world_init(&world);
        no = sample_sign(&world.arena, world.keys[1], REJECTION_PAYLOAD_TYPE, world.bytes);
        assert_true(quorum_check_one(&world.roster, &world.statement, world.bytes, VERDICT_REJECT, &no,
                                     &member, &world.err));
        assert_true(str_is(member->name, "ann"));
        assert_false(quorum_check_one(&world.roster, &world.statement, world.bytes, VERDICT_APPROVE, &no,
                                      &member, &world.err));
        assert_int_equal(world.err.code, ERR_BAD_SIGNATURE);
        world.statement.decisions = 1;
        envelope.payload = world.bytes;
        envelope.signatures = &no;
        assert_false(quorum_check(&world.roster, &world.statement, &envelope, 0, &world.err));
        assert_int_equal(world.err.code, ERR_BAD_SIGNATURE);
        /* Nor does the whole envelope count under another type. */
        envelope.payload_type = STR(REJECTION_PAYLOAD_TYPE);
        assert_false(quorum_check(&world.roster, &world.statement, &envelope, 0, &world.err));
        assert_int_equal(world.err.code, ERR_BAD_ENVELOPE);
        world_done(&world);
}

static void a_signature_holds_for_its_own_bytes_only(void **state)
{
        struct world world;
        struct dsse_signature yes;
        const struct roster_member *member;
        char *copy;

        (void)state;
        world_init(&world);
        yes = sample_sign(&world.arena, world.keys[1], STATEMENT_PAYLOAD_TYPE, world.bytes);
        copy = arena_alloc_bytes(&world.arena, world.bytes.len);
        assert_non_null(copy);
        for (size_t i = 0; i < world.bytes.len; i++) {
                memcpy(copy, world.bytes.ptr, world.bytes.len);
                copy[i] ^= 0x20;
                assert_false(quorum_check_one(&world.roster, &world.statement,
                                              str_make(copy, world.bytes.len), VERDICT_APPROVE, &yes,
                                              &member, &world.err));
                assert_int_equal(world.err.code, ERR_BAD_SIGNATURE);
        }
        for (size_t i = 0; i < yes.signature.len; i++) {
                char signature[ED25519_SIGNATURE_SIZE];
                struct dsse_signature other = {.key_id = yes.key_id,
                                               .signature = str_make(signature, sizeof(signature))};

                memcpy(signature, yes.signature.ptr, sizeof(signature));
                signature[i] ^= 1;
                assert_false(quorum_check_one(&world.roster, &world.statement, world.bytes, VERDICT_APPROVE,
                                              &other, &member, &world.err));
        }
        world_done(&world);
}

static void a_role_that_nobody_can_hold_is_never_met(void **state)
{
        struct world world;

        (void)state;
        world_init(&world);
        world.statement.roles[0] = STR("auditor");
        world.bytes = sample_bytes(&world.arena, &world.statement);
        assert_int_equal(check(&world, BY(1, 2, 3), 0), ERR_BAD_ENVELOPE);
        world_done(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(enough_distinct_approvers_are_enough),
                cmocka_unit_test(one_person_counts_once_with_any_number_of_keys),
                cmocka_unit_test(the_requester_never_counts),
                cmocka_unit_test(strangers_and_non_approvers_refuse_the_whole),
                cmocka_unit_test(the_floor_may_ask_for_more_never_for_less),
                cmocka_unit_test(a_no_is_never_a_yes),
                cmocka_unit_test(a_signature_holds_for_its_own_bytes_only),
                cmocka_unit_test(a_role_that_nobody_can_hold_is_never_met),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
