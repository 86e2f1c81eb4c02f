/* SPDX-License-Identifier: Apache-2.0 */
/* What the server runs itself: once, whoever comes to it and when. */
#include "approvals/control.h"
#include "approvals/test_world.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { THREADS = 8, ROUNDS = 10, YIELDS = 200 };

static atomic_int prepared, ran, finished, inside, together;

static bool resolve(struct tx *tx, struct str workspace, struct str target, const struct json *parameters,
                    struct json *facts, struct err *error)
{
        (void)workspace;
        (void)parameters;
        (void)error;
        control_fact(tx_arena(tx), facts, "id", target);
        return true;
}

static bool prepare(struct control_run *run, struct err *error)
{
        (void)run;
        (void)error;
        if (atomic_fetch_add(&inside, 1) > 0)
                atomic_fetch_add(&together, 1);
        atomic_fetch_add(&prepared, 1);
        /* So that whoever could come in between does. */
        for (int i = 0; i < YIELDS; i++)
                (void)sched_yield();
        return true;
}

static bool effect(struct tx *tx, struct control_run *run, struct err *error)
{
        (void)tx;
        (void)run;
        (void)error;
        atomic_fetch_add(&ran, 1);
        return true;
}

static bool finish(const struct control_run *run, struct err *error)
{
        (void)run;
        (void)error;
        atomic_fetch_add(&finished, 1);
        atomic_fetch_sub(&inside, 1);
        return true;
}

static const struct control_operation unprotect = {
        .name = "policy.unprotect", .resolve = resolve, .prepare = prepare, .run = effect, .finish = finish};

struct comer {
        struct world *world;
        pthread_barrier_t *start;
        struct str action;
        bool ok;
        struct err err;
};

static void *come(void *arg)
{
        struct comer *comer = arg;

        (void)pthread_barrier_wait(comer->start);
        comer->ok = control_execute(&comer->world->services, &comer->world->cell, comer->world->workspace,
                                    comer->action, &comer->err);
        return NULL;
}

static struct action approved(struct world *world)
{
        struct wish wish = {.connector = CONTROL_CONNECTOR,
                            .environment = CONTROL_ENVIRONMENT,
                            .operation = "policy.unprotect",
                            .target = world->cell.tenant};
        struct action action;

        must(try_submit(world, &wish, &action));
        for (int i = 0; i < PEOPLE && action.state == ACTION_PENDING; i++)
                must(approve(world, &action, i));
        assert_int_equal(action.state, ACTION_APPROVED);
        return action;
}

static void all_come_at_once(struct world *world, const struct action *action)
{
        struct comer comers[THREADS];
        pthread_t threads[THREADS];
        pthread_barrier_t start;

        assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
        for (int i = 0; i < THREADS; i++) {
                comers[i] = (struct comer){.world = world, .start = &start, .action = action->row.id};
                assert_int_equal(pthread_create(&threads[i], NULL, come, &comers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                if (!comers[i].ok)
                        fail_msg("%s", comers[i].err.message);
        }
        (void)pthread_barrier_destroy(&start);
}

/* The decision that approved it and the sweep after a restart, in the same moment. */
static void what_several_come_to_is_begun_and_ended_once(void **state)
{
        struct world *world = *state;

        world->services.control = control_new();
        assert_non_null(world->services.control);
        control_register(world->services.control, &unprotect);
        prepared = ran = finished = inside = together = 0;
        for (int round = 1; round <= ROUNDS; round++) {
                struct action action = approved(world);

                all_come_at_once(world, &action);
                assert_int_equal(reload(world, &action).state, ACTION_SUCCEEDED);
                assert_int_equal(prepared, round);
                assert_int_equal(ran, round);
                assert_int_equal(finished, round);
                assert_int_equal(together, 0);
        }
        control_free(world->services.control);
}

/* As the tenant whose deletion it was. */
static void what_is_gone_needs_no_running(void **state)
{
        struct world *world = *state;
        struct id gone = id_new("act");

        world->services.control = control_new();
        assert_non_null(world->services.control);
        must(control_execute(&world->services, &world->cell, world->workspace, id_str(&gone), &err));
        control_free(world->services.control);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_several_come_to_is_begun_and_ended_once),
                TEST(what_is_gone_needs_no_running),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
