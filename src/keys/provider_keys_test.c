/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of model providers as their users get them, over a real store. */
#include "store/test/fixture.h"

#include "base/id.h"
#include "crypto/envelope.h"
#include "keys/keys_test_sql.h"
#include "keys/provider_keys.h"
#include "keys/tenant_keys.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WORKSPACE STR("wsp_1")
#define OTHER_WORKSPACE STR("wsp_two")

static struct err err;

struct world {
        struct fixture *fixture;
        struct envelope *envelope;
        struct tenant_keys *keys;
        struct arena arena;
        struct cell_ref cell;
        struct str id;
        atomic_bool stop;
        atomic_long uses, failures;
};

static void must(bool ok)
{
        if (!ok)
                fail_msg("%s: %s", err_name(err.code), err.message);
}

static bool write_to(struct world *world, store_work work, void *arg)
{
        return store_write(world->fixture->store, &world->cell, &world->arena, work, arg, &err);
}

static bool workspace_work(struct tx *tx, void *arg, struct err *error)
{
        (void)arg;
        return sql_test_organization_insert(tx, error) && sql_test_workspace_insert(tx, WORKSPACE, error) &&
               sql_test_workspace_insert(tx, OTHER_WORKSPACE, error);
}

struct new_key {
        struct provider_key_new key;
};

static bool create_work(struct tx *tx, void *arg, struct err *error)
{
        struct new_key *new_key = arg;

        return provider_key_create(tx, &new_key->key, 1000, error);
}

static struct str create(struct world *world, const char *name, const char *secret)
{
        struct id id = id_new("pvk");
        struct new_key made = {
                {.id = arena_str(&world->arena, id_str(&id)),
                 .workspace = WORKSPACE,
                 .name = str_from(name),
                 .base_url = STR("https://api.openai.com/v1"),
                 .created_by = STR("usr_1"),
                 .provider = PROVIDER_OPENAI,
                 .secret = {.secret = str_from(secret), .fingerprint = STR("f"), .valid = true}}};

        must(write_to(world, create_work, &made));
        return made.key.id;
}

static int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        assert_non_null(world);
        world->fixture = fixture_new(NULL);
        world->cell = (struct cell_ref){STR("ten_one"), STR("eu")};
        fixture_cell(world->fixture, &world->cell);
        must(envelope_open_ephemeral(&world->envelope, &err));
        must(tenant_keys_new(world->envelope, &world->keys, &err));
        store_set_keys(world->fixture->store, world->keys);
        arena_init(&world->arena, 64 << 20);
        must(write_to(world, workspace_work, NULL));
        world->id = create(world, "main", "sk-one");
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

struct use {
        struct arena *secrets;
        struct str workspace; /* {NULL, 0}: WORKSPACE */
        enum provider provider;
        int64_t now_ms;
        struct provider_key_used ret;
};

static bool use_work(struct tx *tx, void *arg, struct err *error)
{
        struct use *use = arg;

        return provider_key_use(tx, use->secrets, use->workspace.ptr ? use->workspace : WORKSPACE,
                                use->provider, use->now_ms, &use->ret, error);
}

static bool use_at(struct world *world, int64_t now_ms, struct provider_key_used *ret)
{
        struct use use = {.secrets = &world->arena, .provider = PROVIDER_OPENAI, .now_ms = now_ms};
        bool ok = store_read(world->fixture->store, &world->cell, NULL, use_work, &use, &err);

        *ret = use.ret;
        return ok;
}

struct rotate {
        struct world *world;
        const char *secret;
        int64_t overlap_ms, now_ms;
};

static bool rotate_work(struct tx *tx, void *arg, struct err *error)
{
        struct rotate *rotate = arg;
        struct provider_secret_new secret = {str_from(rotate->secret), STR("f"), true};
        struct sql_provider_key_get_row row;

        return provider_key_find(tx, WORKSPACE, rotate->world->id, &row, error) &&
               provider_key_rotate(tx, &row, &secret, rotate->overlap_ms, rotate->now_ms, error);
}

static void rotate(struct world *world, const char *secret, int64_t overlap_ms, int64_t now_ms)
{
        struct rotate arg = {world, secret, overlap_ms, now_ms};

        must(write_to(world, rotate_work, &arg));
}

static void the_older_secret_stays_for_the_overlap(void **state)
{
        struct world *world = *state;
        struct provider_key_used used;

        must(use_at(world, 1000, &used));
        assert_true(str_is(used.secret, "sk-one"));
        assert_null(used.previous.ptr);
        rotate(world, "sk-two", 500, 2000);
        must(use_at(world, 2499, &used));
        assert_true(str_is(used.secret, "sk-two") && str_is(used.previous, "sk-one"));
        must(use_at(world, 2500, &used));
        assert_true(str_is(used.secret, "sk-two"));
        assert_null(used.previous.ptr);
}

static bool note_work(struct tx *tx, void *arg, struct err *error)
{
        struct world *world = arg;

        return provider_key_note_use(tx, world->id, 120500, error);
}

static void a_use_is_noted_to_the_minute(void **state)
{
        struct world *world = *state;
        struct provider_key_used used;

        must(use_at(world, 120500, &used));
        assert_true(used.worth_noting);
        must(write_to(world, note_work, world));
        must(use_at(world, 179999, &used));
        assert_false(used.worth_noting);
        must(use_at(world, 180000, &used));
        assert_true(used.worth_noting);
}

static bool revoke_work(struct tx *tx, void *arg, struct err *error)
{
        struct world *world = arg;

        return provider_key_revoke(tx, world->id, 5000, error);
}

static void a_revoked_key_is_used_by_nobody(void **state)
{
        struct world *world = *state;
        struct provider_key_used used;

        must(write_to(world, revoke_work, world));
        assert_false(use_at(world, 5000, &used));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_null(used.secret.ptr);
        (void)create(world, "main", "sk-again");
        must(use_at(world, 5000, &used));
        assert_true(str_is(used.secret, "sk-again"));
}

static bool region_work(struct tx *tx, void *arg, struct err *error)
{
        return sql_test_provider_key_region(tx, ((const struct world *)arg)->id, STR("us"), error);
}

static void a_key_is_used_in_its_workspace_in_its_region_and_for_its_provider(void **state)
{
        struct world *world = *state;
        struct provider_key_used used;
        const struct use others[] = {
                {.secrets = &world->arena, .workspace = OTHER_WORKSPACE, .provider = PROVIDER_OPENAI},
                {.secrets = &world->arena, .workspace = STR("wsp_none"), .provider = PROVIDER_OPENAI},
                {.secrets = &world->arena, .provider = PROVIDER_ANTHROPIC},
        };

        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
                struct use use = others[i];

                assert_false(store_read(world->fixture->store, &world->cell, NULL, use_work, &use, &err));
                assert_int_equal(err.code, ERR_NOT_FOUND);
                assert_null(use.ret.secret.ptr);
        }
        must(use_at(world, 2000, &used));
        assert_true(str_is(used.secret, "sk-one"));
        /* Of several that stand, the newest. */
        struct str first = world->id;
        world->id = create(world, "second", "sk-two");
        must(use_at(world, 2000, &used));
        assert_true(str_is(used.secret, "sk-two") && str_eq(used.id, world->id));
        /* One that says it is another region's is not used here. */
        must(write_to(world, region_work, world));
        must(use_at(world, 2000, &used));
        assert_true(str_is(used.secret, "sk-one") && str_eq(used.id, first));
        world->id = first;
        must(write_to(world, region_work, world));
        assert_false(use_at(world, 2000, &used));
        assert_int_equal(err.code, ERR_NOT_FOUND);
}

/* Uses it without a pause: each gets a whole secret, whatever happens to the key meanwhile. */
static void *use_main(void *arg)
{
        struct world *world = arg;
        struct arena secrets;

        arena_init_zeroing(&secrets, 1 << 20);
        while (!atomic_load(&world->stop)) {
                struct use use = {.secrets = &secrets, .provider = PROVIDER_OPENAI, .now_ms = 3000};
                struct err ignored;
                bool ok = store_read(world->fixture->store, &world->cell, NULL, use_work, &use, &ignored);

                atomic_fetch_add(&world->uses, 1);
                if (!ok || use.ret.secret.len != 10 || !str_starts(use.ret.secret, STR("sk-")))
                        atomic_fetch_add(&world->failures, 1);
                arena_reset(&secrets);
        }
        arena_done(&secrets);
        return NULL;
}

static void rotations_fail_no_use(void **state)
{
        struct world *world = *state;
        pthread_t threads[4];
        char secret[16];

        rotate(world, "sk-0000000", 0, 2000);
        for (int i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, use_main, world), 0);
        for (int i = 1; i <= 200; i++) {
                (void)snprintf(secret, sizeof(secret), "sk-%07d", i);
                rotate(world, secret, i % 2 ? 0 : 1000, 2000);
        }
        atomic_store(&world->stop, true);
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        assert_true(atomic_load(&world->uses) > 0);
        assert_int_equal(atomic_load(&world->failures), 0);
        print_message("%ld uses during 200 rotations, none failed\n", atomic_load(&world->uses));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(the_older_secret_stays_for_the_overlap),
                TEST(a_use_is_noted_to_the_minute),
                TEST(a_revoked_key_is_used_by_nobody),
                TEST(a_key_is_used_in_its_workspace_in_its_region_and_for_its_provider),
                TEST(rotations_fail_no_use),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
