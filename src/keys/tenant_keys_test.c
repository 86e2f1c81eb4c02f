/* SPDX-License-Identifier: Apache-2.0 */
/* The tenants' own keys, over a real store. */
#include "store/test/fixture.h"

#include "crypto/envelope.h"
#include "crypto/sealed.h"
#include "keys/keys_sql.h"
#include "keys/tenant_keys.h"

#include <stdlib.h>

static struct err err;

struct world {
        struct fixture *fixture;
        struct envelope *envelope;
        struct tenant_keys *keys;
        struct arena arena;
        struct cell_ref one, two;
};

static void must(bool ok)
{
        if (!ok)
                fail_msg("%s: %s", err_name(err.code), err.message);
}

static int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        assert_non_null(world);
        world->fixture = fixture_new(NULL);
        world->one = (struct cell_ref){STR("ten_one"), STR("eu")};
        world->two = (struct cell_ref){STR("ten_two"), STR("eu")};
        fixture_cell(world->fixture, &world->one);
        fixture_cell(world->fixture, &world->two);
        must(envelope_open_ephemeral(&world->envelope, &err));
        must(tenant_keys_new(world->envelope, &world->keys, &err));
        store_set_keys(world->fixture->store, world->keys);
        arena_init(&world->arena, 16 << 20);
        *state = world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;

        fixture_free(world->fixture);
        tenant_keys_free(world->keys);
        envelope_free(world->envelope);
        arena_done(&world->arena);
        free(world);
        return 0;
}

/* One seal or open, as a job. */
struct turn {
        struct str row[2];
        struct str in, out;
        bool fails_after;
};

static bool seal_work(struct tx *tx, void *arg, struct err *error)
{
        struct turn *turn = arg;

        struct str back;

        if (!tenant_key_seal(tx, turn->row, 2, turn->in, &turn->out, error))
                return false;
        /* Opened in the same transaction, so that what is remembered is of a row that may not stay. */
        if (turn->fails_after && !tenant_key_open(tx, tx_arena(tx), turn->row, 2, turn->out, &back, error))
                return false;
        return !turn->fails_after || err_set(error, ERR_CONFLICT, "taken back");
}

static bool open_work(struct tx *tx, void *arg, struct err *error)
{
        struct turn *turn = arg;

        return tenant_key_open(tx, tx_arena(tx), turn->row, 2, turn->in, &turn->out, error);
}

static struct str seal(struct world *world, const struct cell_ref *cell, const char *text)
{
        struct turn turn = {{STR("thing"), STR("1")}, str_from(text), STR_NULL, false};

        must(store_write(world->fixture->store, cell, &world->arena, seal_work, &turn, &err));
        return turn.out;
}

static bool opens(struct world *world, const struct cell_ref *cell, const char *id, struct str sealed,
                  const char *want)
{
        struct turn turn = {{STR("thing"), str_from(id)}, sealed, STR_NULL, false};

        if (!store_read(world->fixture->store, cell, &world->arena, open_work, &turn, &err))
                return false;
        assert_true(str_is(turn.out, want));
        return true;
}

static void what_is_sealed_opens_there_and_nowhere_else(void **state)
{
        struct world *world = *state;
        struct str sealed = seal(world, &world->one, "a secret");

        (void)seal(world, &world->two, "makes the other tenant's key");
        assert_true(str_find_str(sealed, STR("a secret")) < 0);
        must(opens(world, &world->one, "1", sealed, "a secret"));
        assert_false(opens(world, &world->one, "2", sealed, ""));
        assert_int_equal(err.code, ERR_BAD_SIGNATURE);
        assert_false(opens(world, &world->two, "1", sealed, ""));
        assert_int_equal(err.code, ERR_BAD_SIGNATURE);
}

static void every_altered_byte_is_found(void **state)
{
        struct world *world = *state;
        struct str sealed = seal(world, &world->one, "secret");
        char *bytes = arena_alloc_bytes(&world->arena, sealed.len);

        for (size_t i = 0; i < sealed.len; i++) {
                memcpy(bytes, sealed.ptr, sealed.len);
                bytes[i] = (char)(bytes[i] ^ 1);
                assert_false(opens(world, &world->one, "1", str_make(bytes, sealed.len), ""));
                assert_int_equal(err.code, ERR_BAD_SIGNATURE);
                assert_false(opens(world, &world->one, "1", str_slice(sealed, 0, i), ""));
        }
}

static void a_key_outlives_the_process(void **state)
{
        struct world *world = *state;
        struct str sealed = seal(world, &world->one, "kept");

        assert_int_equal(tenant_keys_count(world->keys), 0); /* the first one is not remembered */
        must(opens(world, &world->one, "1", sealed, "kept"));
        assert_int_equal(tenant_keys_count(world->keys), 1);
        tenant_keys_forget(world->keys, STR("ten_two"));
        assert_int_equal(tenant_keys_count(world->keys), 1);
        tenant_keys_forget(world->keys, STR("ten_one"));
        assert_int_equal(tenant_keys_count(world->keys), 0);
        must(opens(world, &world->one, "1", sealed, "kept"));
        fixture_reopen(world->fixture);
        tenant_keys_forget(world->keys, STR("ten_one"));
        store_set_keys(world->fixture->store, world->keys);
        must(opens(world, &world->one, "1", sealed, "kept"));
}

static void a_first_key_that_was_taken_back_is_used_by_nobody(void **state)
{
        struct world *world = *state;
        struct turn turn = {{STR("thing"), STR("1")}, STR("lost"), STR_NULL, true};

        assert_false(store_write(world->fixture->store, &world->one, &world->arena, seal_work, &turn, &err));
        struct str sealed = seal(world, &world->one, "kept");

        must(opens(world, &world->one, "1", sealed, "kept"));
        assert_false(opens(world, &world->one, "1", turn.out, ""));
        tenant_keys_forget(world->keys, STR("ten_one"));
        must(opens(world, &world->one, "1", sealed, "kept"));
}

static void reading_makes_no_key(void **state)
{
        struct world *world = *state;
        struct turn turn = {{STR("thing"), STR("1")}, STR("x"), STR_NULL, false};

        assert_false(store_read(world->fixture->store, &world->one, &world->arena, seal_work, &turn, &err));
        assert_int_equal(err.code, ERR_INTERNAL);
}

static void another_root_key_opens_nothing(void **state)
{
        struct world *world = *state;
        struct str sealed = seal(world, &world->one, "kept");
        struct envelope *envelope;
        struct tenant_keys *keys;

        must(envelope_open_ephemeral(&envelope, &err));
        must(tenant_keys_new(envelope, &keys, &err));
        store_set_keys(world->fixture->store, keys);
        assert_false(opens(world, &world->one, "1", sealed, ""));
        assert_int_equal(err.code, ERR_BAD_SIGNATURE);
        store_set_keys(world->fixture->store, world->keys);
        must(opens(world, &world->one, "1", sealed, "kept"));
        tenant_keys_free(keys);
        envelope_free(envelope);
}

static bool count_key(struct tx *tx, void *arg, struct err *error)
{
        struct turn turn = {{STR("thing"), STR("1")}, STR("x"), STR_NULL, false};

        (void)arg;
        return tenant_key_seal(tx, turn.row, 2, turn.in, &turn.out, error) &&
               tenant_key_open(tx, tx_arena(tx), turn.row, 2, turn.out, &turn.in, error);
}

static void what_is_remembered_is_bounded(void **state)
{
        struct world *world = *state;
        struct tenant_keys *keys = world->keys;

        /* Many more tenants than there is room for: each works, few are remembered. */
        for (int i = 0; i < 40; i++) {
                char name[32];

                (void)snprintf(name, sizeof(name), "ten_%d", i);
                struct cell_ref cell = {str_from(name), STR("eu")};

                fixture_cell(world->fixture, &cell);
                must(store_write(world->fixture->store, &cell, NULL, count_key, NULL, &err));
                must(store_write(world->fixture->store, &cell, NULL, count_key, NULL, &err));
        }
        assert_in_range(tenant_keys_count(keys), 30, 40);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_is_sealed_opens_there_and_nowhere_else),
                TEST(every_altered_byte_is_found),
                TEST(a_key_outlives_the_process),
                TEST(a_first_key_that_was_taken_back_is_used_by_nobody),
                TEST(reading_makes_no_key),
                TEST(another_root_key_opens_nothing),
                TEST(what_is_remembered_is_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
