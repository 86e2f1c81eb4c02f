/* SPDX-License-Identifier: Apache-2.0 */
/* Time passes by itself: for many cells, and for what an earlier process left. */
#include "store/test/fixture.h"

#include "api/cell.h"
#include "api/notify.h"
#include "api/services.h"
#include "approvals/approvals.h"
#include "approvals/deadlines.h"
#include "base/base64.h"
#include "base/clock.h"
#include "crypto/envelope.h"
#include "identity/authenticate.h"
#include "keys/tenant_keys.h"
#include "policy/policy.h"
#include "tenancy/tenancy.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

enum { TENANTS = 40, PATIENCE_MS = 20000 };

static struct err err;

struct world {
        struct fixture *fixture;
        struct loops *loops;
        struct envelope *envelope;
        struct tenant_keys *keys;
        struct services services;
        struct arena arena;
        struct tenancy_plan plans[TENANTS];
        struct id actions[TENANTS];
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
        must(loops_start(1, &world->loops, &err));
        must(envelope_open_ephemeral(&world->envelope, &err));
        must(tenant_keys_new(world->envelope, &world->keys, &err));
        store_set_keys(world->fixture->store, world->keys);
        arena_init(&world->arena, 64 << 20);
        world->services = (struct services){
                .store = world->fixture->store, .envelope = world->envelope, .region = STR("eu")};
        world->services.identity = identity_new(&world->services);
        for (int i = 0; i < TENANTS; i++) {
                world->plans[i] = (struct tenancy_plan){.name = arena_printf(&world->arena, "tenant-%d", i),
                                                        .tier = STR("basic"),
                                                        .region = STR("eu"),
                                                        .administrator = STR("ann")};
                must(tenancy_make(&world->services, &world->plans[i], STR(""), &err));
        }
        *state = world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;

        loops_free(world->loops);
        identity_free(world->services.identity);
        arena_done(&world->arena);
        fixture_free(world->fixture);
        tenant_keys_free(world->keys);
        envelope_free(world->envelope);
        free(world);
        return 0;
}

static bool submit_work(struct tx *tx, void *arg, struct err *error)
{
        struct action action;

        return approvals_submit(tx, arg, &action, error);
}

static struct cell_ref cell_of(struct world *world, int tenant)
{
        return (struct cell_ref){id_str(&world->plans[tenant].tenant), STR("eu")};
}

/* An action by the tenant's administrator that waits until then. */
static void submit(struct world *world, int tenant, int64_t expires_ms)
{
        struct cell_ref cell = cell_of(world, tenant);
        struct policy_input input = {.environment = STR("test"),
                                     .operation = catalogue_find(STR("docker"), STR("network.remove"))};
        struct policy_decision decision;
        struct statement statement;
        struct action_new action = {.statement = &statement};

        policy_decide(policy_set_builtin(), &input, &world->arena, NULL, &decision);
        world->actions[tenant] = id_new("act");
        statement = (struct statement){
                .action = id_str(&world->actions[tenant]),
                .tenant = cell.tenant,
                .workspace = id_str(&world->plans[tenant].workspace),
                .environment = STR("test"),
                .connector = STR("docker"),
                .operation = STR("network.remove"),
                .effect = EFFECT_DESTROYS,
                .has_target = true,
                .target_name = STR("net"),
                .fact_count = 1,
                .facts = {{STR("id"), decision.digest}},
                .parameters = {.type = JSON_OBJECT},
                .requester_id = id_str(&world->plans[tenant].principal),
                .requester_kind = STR("user"),
                .requester_name = STR("ann"),
                .rule = decision.rule,
                .decisions = decision.decisions,
                .role_count = 1,
                .roles = {decision.roles[0]},
                .policy = decision.digest,
                .nonce = STR("AAECAwQFBgcICQoLDA0ODw"),
                .created_ms = expires_ms - 1000,
                .expires_ms = expires_ms,
        };
        must(statement_build(&world->arena, &statement, &action.bytes, &err));
        action.digest = statement_digest(&world->arena, action.bytes);
        must(store_write(world->services.store, &cell, NULL, submit_work, &action, &err));
}

struct look {
        struct world *world;
        int tenant;
        enum action_state state;
};

static bool look_work(struct tx *tx, void *arg, struct err *error)
{
        struct look *look = arg;
        struct action action;

        if (!approvals_get(tx, id_str(&look->world->plans[look->tenant].workspace),
                           id_str(&look->world->actions[look->tenant]), &action, error))
                return false;
        look->state = action.state;
        return true;
}

struct expiry {
        struct look look;
        bool seen;
        sem_t over;
};

/* Closing an action wakes who waits for it. */
static FIBER_ENTRY void see_it_expire(void *arg)
{
        struct expiry *expiry = arg;
        struct world *world = expiry->look.world;
        struct cell_ref cell = cell_of(world, expiry->look.tenant);
        int64_t deadline_us = clock_mono_us() + PATIENCE_MS * INT64_C(1000);
        struct notify_waiter waiter;
        struct err why;

        notify_begin(&waiter, cell.tenant, id_str(&world->actions[expiry->look.tenant]));
        while (cell_read(world->services.store, &cell, NULL, look_work, &expiry->look, &why)) {
                expiry->seen = expiry->look.state == ACTION_EXPIRED;
                if (expiry->seen || !notify_wait(&waiter, deadline_us))
                        break;
        }
        notify_end(&waiter);
        sem_post(&expiry->over);
}

static void wait_until_expired(struct world *world, int tenant)
{
        struct expiry expiry = {.look = {world, tenant, ACTION_NEW}};

        assert_int_equal(sem_init(&expiry.over, 0, 0), 0);
        must(fiber_spawn(loops_at(world->loops, 0), see_it_expire, &expiry, &err));
        while (sem_wait(&expiry.over) != 0)
                assert_int_equal(errno, EINTR);
        sem_destroy(&expiry.over);
        if (!expiry.seen)
                fail_msg("the action of tenant %d has not expired by itself", tenant);
}

static enum action_state state_of(struct world *world, int tenant)
{
        struct cell_ref cell = cell_of(world, tenant);
        struct look look = {world, tenant, ACTION_NEW};

        must(store_read(world->services.store, &cell, NULL, look_work, &look, &err));
        return look.state;
}

/* On a plain thread, as here, it blocks. */
static bool (*const tell)(struct deadlines *, const struct cell_ref *, int64_t,
                          struct err *) = deadlines_expect;

static void expect(struct deadlines *deadlines, struct world *world, int tenant, int64_t due_ms)
{
        struct cell_ref cell = cell_of(world, tenant);

        must(tell(deadlines, &cell, due_ms, &err));
}

static void actions_of_many_cells_expire_by_themselves(void **state)
{
        struct world *world = *state;
        int64_t now_ms = clock_now_ms();
        struct deadlines *deadlines;

        must(deadlines_start(&world->services, &deadlines, &err));
        for (int i = 0; i < TENANTS; i++) {
                /* The even ones soon, the odd ones much later. */
                int64_t expires_ms = now_ms + (i % 2 ? 3600000 : 20 + i);

                submit(world, i, expires_ms);
                expect(deadlines, world, i, expires_ms);
        }
        for (int i = 0; i < TENANTS; i += 2)
                wait_until_expired(world, i);
        for (int i = 1; i < TENANTS; i += 2)
                assert_int_equal(state_of(world, i), ACTION_PENDING);
        deadlines_stop(deadlines);
}

static void what_an_earlier_process_left_expires_after_the_start(void **state)
{
        struct world *world = *state;
        int64_t expires_ms = clock_now_ms() + 3600000;
        struct deadlines *deadlines;

        /* It knew of the cell, but ended before the time was up. */
        must(deadlines_start(&world->services, &deadlines, &err));
        expect(deadlines, world, 3, expires_ms);
        deadlines_stop(deadlines);
        submit(world, 3, clock_now_ms());
        assert_int_equal(state_of(world, 3), ACTION_PENDING);

        must(deadlines_start(&world->services, &deadlines, &err));
        wait_until_expired(world, 3);
        deadlines_stop(deadlines);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(actions_of_many_cells_expire_by_themselves),
                TEST(what_an_earlier_process_left_expires_after_the_start),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
