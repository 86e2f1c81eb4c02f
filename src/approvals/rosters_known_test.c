/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/rosters_known.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_same_text(struct str a, struct str b)
{
        assert_int_equal(a.ptr == NULL, b.ptr == NULL);
        assert_true(str_eq(a, b));
}

static void assert_same_key(const struct roster_key *a, const struct roster_key *b)
{
        assert_int_equal(a->type, b->type);
        assert_memory_equal(&a->public_key, &b->public_key, sizeof(a->public_key));
        assert_same_text(a->cose, b->cose);
        assert_same_text(a->rp_id, b->rp_id);
        assert_int_equal(a->origin_count, b->origin_count);
        for (unsigned i = 0; i < a->origin_count; i++)
                assert_same_text(a->origins[i], b->origins[i]);
        assert_string_equal(a->keyid, b->keyid);
}

static void assert_same(const struct roster *a, const struct roster *b)
{
        assert_same_text(a->tenant, b->tenant);
        assert_int_equal(a->version, b->version);
        assert_same_text(a->previous, b->previous);
        assert_int_equal(a->threshold, b->threshold);
        assert_int_equal(a->created_ms, b->created_ms);
        assert_same_text(a->digest, b->digest);
        assert_int_equal(a->member_count, b->member_count);
        for (unsigned i = 0; i < a->member_count; i++) {
                const struct roster_member *x = &a->members[i], *y = &b->members[i];

                assert_same_text(x->principal, y->principal);
                assert_same_text(x->name, y->name);
                assert_int_equal(x->administrator, y->administrator);
                assert_int_equal(x->approver, y->approver);
                assert_int_equal(x->key_count, y->key_count);
                for (unsigned j = 0; j < x->key_count; j++)
                        assert_same_key(&x->keys[j], &y->keys[j]);
        }
}

/* Everything that a roster can have, in memory that the caller may overwrite. */
struct sample {
        char text[16];
        struct roster_key keys[2];
        struct roster_member members[2];
        struct roster roster;
};

static void sample_make(struct sample *ret, int64_t version)
{
        struct str text = str_make(ret->text, 4);

        *ret = (struct sample){.text = "abcd"};
        ret->keys[0] = (struct roster_key){.type = ROSTER_KEY_ED25519, .keyid = "01"};
        ret->keys[0].public_key.bytes[3] = 9;
        ret->keys[1] = (struct roster_key){.type = ROSTER_KEY_WEBAUTHN,
                                           .cose = text,
                                           .rp_id = text,
                                           .origin_count = 2,
                                           .origins = {text, str_make(ret->text, 2)},
                                           .keyid = "02"};
        ret->members[0] = (struct roster_member){
                .principal = text, .name = text, .administrator = true, .key_count = 2, .keys = ret->keys};
        ret->members[1] = (struct roster_member){.principal = str_make(ret->text, 1), .approver = true};
        ret->roster = (struct roster){.tenant = text,
                                      .version = version,
                                      .previous = STR(""),
                                      .threshold = 1,
                                      .member_count = 2,
                                      .members = ret->members,
                                      .created_ms = 7,
                                      .digest = text};
}

static void what_is_found_again_is_what_was_kept(void **state)
{
        struct sample sample, same;
        struct roster first, again;
        ARENA_SCOPED arena;

        (void)state;
        arena_init(&arena, 1 << 20);
        sample_make(&sample, 1);
        sample_make(&same, 1);
        assert_false(rosters_recall(&arena, STR("envelope of version 1"), &first));
        rosters_keep(STR("envelope of version 1"), &sample.roster);
        /* Neither what was kept nor what was found depends on its source. */
        memset(&sample, 'x', sizeof(sample));
        assert_true(rosters_recall(&arena, STR("envelope of version 1"), &first));
        assert_same(&first, &same.roster);
        memset(first.members, 'x', sizeof(first.members[0]));
        assert_true(rosters_recall(&arena, STR("envelope of version 1"), &again));
        assert_same(&again, &same.roster);
}

/* Their last 64 bytes, and so their places, are the same: the bytes decide. */
static void other_bytes_are_not_known(void **state)
{
#define END "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        struct sample one, other;
        struct roster found;
        ARENA_SCOPED arena;

        (void)state;
        arena_init(&arena, 1 << 20);
        sample_make(&one, 1);
        sample_make(&other, 2);
        rosters_keep(STR("1" END), &one.roster);
        assert_false(rosters_recall(&arena, STR("2" END), &found));
        rosters_keep(STR("2" END), &other.roster);
        assert_true(rosters_recall(&arena, STR("2" END), &found));
        assert_same(&found, &other.roster);
        assert_false(rosters_recall(&arena, STR("1" END), &found));
#undef END
}

static void a_full_arena_is_told(void **state)
{
        struct sample sample;
        struct roster found;
        ARENA_SCOPED arena;
        struct err err;

        (void)state;
        arena_init(&arena, 64);
        sample_make(&sample, 1);
        rosters_keep(STR("envelope for a full arena"), &sample.roster);
        assert_false(rosters_recall(&arena, STR("envelope for a full arena"), &found));
        assert_false(arena_check(&arena, &err));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_found_again_is_what_was_kept),
                cmocka_unit_test(other_bytes_are_not_known),
                cmocka_unit_test(a_full_arena_is_told),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
