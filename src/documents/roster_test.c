/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/roster.h"
#include "documents/samples.h"

/* Two administrators (keys 1, 2) and an approver (key 3); two must sign a change. */
struct world {
        struct arena arena;
        struct ed25519_key *keys[6];
        struct roster_member members[8];
        struct roster roster;
        struct str bytes;
        struct err err;
};

static struct str build(struct world *world)
{
        struct str bytes;

        if (!roster_build(&world->arena, &world->roster, &bytes, &world->err))
                fail_msg("%s %s", world->err.place, world->err.message);
        return bytes;
}

static void world_init(struct world *world)
{
        *world = (struct world){0};
        arena_init(&world->arena, 8 << 20);
        for (uint8_t i = 0; i < 6; i++)
                world->keys[i] = sample_key(i);
        world->members[0] = sample_member(&world->arena, "usr", "ann", true, true, world->keys[1]);
        world->members[1] = sample_member(&world->arena, "usr", "ben", true, false, world->keys[2]);
        world->members[2] = sample_member(&world->arena, "usr", "cleo", false, true, world->keys[3]);
        world->roster = (struct roster){.tenant = STR(SAMPLE_TENANT),
                                        .version = 1,
                                        .previous = STR(""),
                                        .threshold = 2,
                                        .member_count = 3,
                                        .members = world->members,
                                        .created_ms = SAMPLE_NOW_MS};
        world->bytes = build(world);
}

static void world_done(struct world *world)
{
        for (size_t i = 0; i < 6; i++)
                ed25519_key_free(world->keys[i]);
        arena_done(&world->arena);
}

/* Signed by the keys whose numbers are given; 0 ends. */
static struct dsse_envelope sign(struct world *world, struct str bytes, const uint8_t *signers)
{
        struct dsse_signature *signatures = ARENA_ARRAY(&world->arena, struct dsse_signature, 8);
        struct dsse_envelope envelope = {
                .payload_type = STR(ROSTER_PAYLOAD_TYPE), .payload = bytes, .signatures = signatures};

        assert_non_null(signatures);
        for (; *signers; signers++)
                signatures[envelope.count++] =
                        sample_sign(&world->arena, world->keys[*signers], ROSTER_PAYLOAD_TYPE, bytes);
        return envelope;
}

#define BY(...) ((const uint8_t[]){__VA_ARGS__, 0})

static enum err_code accept(struct world *world, const struct roster *standing,
                            const struct dsse_envelope *envelope, struct roster *ret)
{
        world->err.code = ERR_NONE;
        return roster_accept(&world->arena, standing, STR(SAMPLE_TENANT), envelope, ret, &world->err)
                       ? ERR_NONE
                       : world->err.code;
}

/* Version 1, accepted, and the makings of version 2 in world->roster. */
static struct roster stand(struct world *world)
{
        struct dsse_envelope first = sign(world, world->bytes, BY(1, 2));
        struct roster standing;

        assert_int_equal(accept(world, NULL, &first, &standing), ERR_NONE);
        world->roster.version = 2;
        world->roster.previous = standing.digest;
        return standing;
}

static void the_first_version_is_signed_by_its_own(void **state)
{
        struct world world;
        struct dsse_envelope envelope;
        struct roster roster;
        const struct roster_key *key;

        (void)state;
        world_init(&world);
        envelope = sign(&world, world.bytes, BY(1, 2));
        assert_int_equal(accept(&world, NULL, &envelope, &roster), ERR_NONE);
        assert_int_equal(roster.member_count, 3);
        assert_non_null(roster_find(&roster, world.members[2].principal));
        assert_true(str_eq(roster_find_key(&roster, str_from(roster.members[0].keys[0].keyid), &key)->name,
                           roster.members[0].name));
        envelope = sign(&world, world.bytes, BY(1));
        assert_int_equal(accept(&world, NULL, &envelope, &roster), ERR_BAD_ENVELOPE);
        envelope = sign(&world, world.bytes, BY(1, 2, 3)); /* an approver may not sign it */
        assert_int_equal(accept(&world, NULL, &envelope, &roster), ERR_NOT_ON_ROSTER);
        envelope = sign(&world, world.bytes, BY(1, 4)); /* a stranger */
        assert_int_equal(accept(&world, NULL, &envelope, &roster), ERR_NOT_ON_ROSTER);
        world_done(&world);
}

static void a_change_needs_the_old_versions_threshold(void **state)
{
        struct world world;
        struct dsse_envelope envelope;
        struct roster standing, roster;
        struct str bytes;

        (void)state;
        world_init(&world);
        standing = stand(&world);
        /* The attack: a version that lowers the threshold to one, signed by one. */
        world.roster.threshold = 1;
        bytes = build(&world);
        envelope = sign(&world, bytes, BY(1));
        assert_int_equal(accept(&world, &standing, &envelope, &roster), ERR_BAD_ENVELOPE);
        envelope = sign(&world, bytes, BY(1, 1)); /* the same person twice */
        assert_int_equal(accept(&world, &standing, &envelope, &roster), ERR_BAD_ENVELOPE);
        envelope = sign(&world, bytes, BY(1, 2));
        assert_int_equal(accept(&world, &standing, &envelope, &roster), ERR_NONE);
        assert_int_equal(roster.threshold, 1);
        world_done(&world);
}

static void newcomers_cannot_vote_themselves_in(void **state)
{
        struct world world;
        struct dsse_envelope envelope;
        struct roster standing, roster;

        (void)state;
        world_init(&world);
        standing = stand(&world);
        world.members[3] = sample_member(&world.arena, "usr", "dan", true, true, world.keys[4]);
        world.roster.member_count = 4;
        envelope = sign(&world, build(&world), BY(1, 4));
        assert_int_equal(accept(&world, &standing, &envelope, &roster), ERR_NOT_ON_ROSTER);
        envelope = sign(&world, build(&world), BY(1, 2));
        assert_int_equal(accept(&world, &standing, &envelope, &roster), ERR_NONE);
        world_done(&world);
}

static void a_person_with_two_keys_signs_once(void **state)
{
        struct world world;
        struct dsse_envelope envelope;
        struct roster standing, roster;

        (void)state;
        world_init(&world);
        world.members[0].key_count = 2;
        world.members[0].keys[1].public_key = *ed25519_key_public(world.keys[5]);
        world.bytes = build(&world);
        envelope = sign(&world, world.bytes, BY(1, 5));
        assert_int_equal(accept(&world, NULL, &envelope, &roster), ERR_BAD_ENVELOPE);
        envelope = sign(&world, world.bytes, BY(5, 2));
        assert_int_equal(accept(&world, NULL, &envelope, &standing), ERR_NONE);
        world_done(&world);
}

static void forks_rollbacks_and_gaps_are_refused(void **state)
{
        struct world world;
        struct dsse_envelope first, second, fork, third;
        struct roster standing, next, other;

        (void)state;
        world_init(&world);
        first = sign(&world, world.bytes, BY(1, 2));
        standing = stand(&world);
        world.roster.threshold = 1;
        second = sign(&world, build(&world), BY(1, 2));
        assert_int_equal(accept(&world, &standing, &second, &next), ERR_NONE);
        /* Back to the first, or the same again. */
        assert_int_equal(accept(&world, &next, &first, &other), ERR_ROSTER_CONFLICT);
        assert_int_equal(accept(&world, &next, &second, &other), ERR_ROSTER_CONFLICT);
        /* A third version on another second one, properly signed. */
        world.roster.created_ms++;
        fork = sign(&world, build(&world), BY(1, 2));
        assert_int_equal(accept(&world, &standing, &fork, &other), ERR_NONE);
        world.roster.version = 3;
        world.roster.previous = other.digest;
        third = sign(&world, build(&world), BY(1, 2));
        assert_int_equal(accept(&world, &next, &third, &other), ERR_ROSTER_CONFLICT);
        /* And one that leaves a version out. */
        world.roster.version = 4;
        world.roster.previous = next.digest;
        third = sign(&world, build(&world), BY(1, 2));
        assert_int_equal(accept(&world, &next, &third, &other), ERR_ROSTER_CONFLICT);
        /* A later version cannot be a first one. */
        assert_int_equal(accept(&world, NULL, &second, &other), ERR_ROSTER_CONFLICT);
        world_done(&world);
}

static void a_chain_is_followed_from_nothing_or_from_a_pin(void **state)
{
        struct world world;
        struct dsse_envelope chain[2];
        struct roster pinned, last;

        (void)state;
        world_init(&world);
        chain[0] = sign(&world, world.bytes, BY(1, 2));
        pinned = stand(&world);
        world.roster.threshold = 1;
        chain[1] = sign(&world, build(&world), BY(2, 1));
        assert_true(roster_follow(&world.arena, NULL, STR(SAMPLE_TENANT), chain, 2, &last, &world.err));
        assert_int_equal(last.version, 2);
        assert_true(
                roster_follow(&world.arena, &pinned, STR(SAMPLE_TENANT), chain + 1, 1, &last, &world.err));
        assert_int_equal(last.version, 2);
        assert_false(roster_follow(&world.arena, &pinned, STR(SAMPLE_TENANT), chain, 2, &last, &world.err));
        assert_false(roster_follow(&world.arena, NULL, STR(SAMPLE_TENANT), chain, 0, &last, &world.err));
        assert_false(roster_follow(&world.arena, NULL, STR("ten_01jd3q4r5s6t7v8w9x0y1z2a3c"), chain, 2,
                                   &last, &world.err));
        world_done(&world);
}

static void altered_bytes_and_signatures_are_refused(void **state)
{
        struct world world;
        struct dsse_envelope envelope;
        struct roster roster;
        char *copy;

        (void)state;
        world_init(&world);
        copy = arena_alloc_bytes(&world.arena, world.bytes.len);
        assert_non_null(copy);
        for (size_t i = 0; i < world.bytes.len; i++) {
                envelope = sign(&world, world.bytes, BY(1, 2));
                memcpy(copy, world.bytes.ptr, world.bytes.len);
                copy[i] ^= 1;
                envelope.payload = str_make(copy, world.bytes.len);
                if (accept(&world, NULL, &envelope, &roster) == ERR_NONE)
                        fail_msg("byte %zu altered and taken", i);
                arena_reset(&world.arena);
                world_done(&world);
                world_init(&world);
                copy = arena_alloc_bytes(&world.arena, world.bytes.len);
                assert_non_null(copy);
        }
        envelope = sign(&world, world.bytes, BY(1, 2));
        envelope.payload_type = STR("application/json");
        assert_int_equal(accept(&world, NULL, &envelope, &roster), ERR_BAD_ENVELOPE);
        world_done(&world);
}

static void a_roster_that_cannot_stand_is_not_built(void **state)
{
        struct world world;
        struct str bytes;

        (void)state;
        world_init(&world);
        world.roster.threshold = 3; /* of two administrators */
        assert_false(roster_build(&world.arena, &world.roster, &bytes, &world.err));
        world.roster.threshold = 0;
        assert_false(roster_build(&world.arena, &world.roster, &bytes, &world.err));
        world.roster.threshold = 2;
        world.members[1].key_count = 0; /* an administrator without a key cannot sign */
        assert_false(roster_build(&world.arena, &world.roster, &bytes, &world.err));
        world.members[1].key_count = 1;
        world.members[2].keys[0] = world.members[0].keys[0]; /* one key, two people */
        assert_false(roster_build(&world.arena, &world.roster, &bytes, &world.err));
        assert_non_null(strstr(world.err.message, "twice"));
        world.members[2].keys[0].public_key = *ed25519_key_public(world.keys[3]);
        world.members[2].principal = world.members[0].principal; /* one person twice */
        assert_false(roster_build(&world.arena, &world.roster, &bytes, &world.err));
        world_done(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_first_version_is_signed_by_its_own),
                cmocka_unit_test(a_change_needs_the_old_versions_threshold),
                cmocka_unit_test(newcomers_cannot_vote_themselves_in),
                cmocka_unit_test(a_person_with_two_keys_signs_once),
                cmocka_unit_test(forks_rollbacks_and_gaps_are_refused),
                cmocka_unit_test(a_chain_is_followed_from_nothing_or_from_a_pin),
                cmocka_unit_test(altered_bytes_and_signatures_are_refused),
                cmocka_unit_test(a_roster_that_cannot_stand_is_not_built),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
