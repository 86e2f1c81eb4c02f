/* SPDX-License-Identifier: Apache-2.0 */
/* What happens when two do the same to one action at once: one winner. */
#include "approvals/test_world.h"

#include <pthread.h>

enum { THREADS = 8 };

struct racer {
        struct world *world;
        pthread_barrier_t *start;
        store_work work;
        void *arg;
        bool won;
        struct err err;
};

static void *race(void *arg)
{
        struct racer *racer = arg;

        (void)pthread_barrier_wait(racer->start);
        racer->won = store_write(racer->world->services.store, &racer->world->cell, NULL, racer->work,
                                 racer->arg, &racer->err);
        return NULL;
}

/* Runs the racers together; how many won. */
static unsigned run_race(struct racer *racers, unsigned count)
{
        pthread_t threads[THREADS];
        pthread_barrier_t start;
        unsigned won = 0;

        assert_int_equal(pthread_barrier_init(&start, NULL, count), 0);
        for (unsigned i = 0; i < count; i++) {
                racers[i].start = &start;
                assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (unsigned i = 0; i < count; i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                won += racers[i].won ? 1 : 0;
        }
        (void)pthread_barrier_destroy(&start);
        return won;
}

static void a_claim_is_won_once(void **state)
{
        struct world *world = *state;

        for (int round = 0; round < 20; round++) {
                struct action action = submit(world, "container.remove", "test");
                struct claiming claiming[THREADS];
                struct racer racers[THREADS];
                struct id executors[THREADS];
                struct action after;

                must(approve(world, &action, 0));
                for (int i = 0; i < THREADS; i++) {
                        executors[i] = id_new("exe");
                        claiming[i] = claiming_of(world, &action);
                        claiming[i].claim.executor = id_str(&executors[i]);
                        racers[i] = (struct racer){.world = world, .work = claim_work, .arg = &claiming[i]};
                }
                assert_int_equal(run_race(racers, THREADS), 1);
                after = reload(world, &action);
                assert_int_equal(after.state, ACTION_CLAIMED);
                for (int i = 0; i < THREADS; i++) {
                        if (racers[i].won)
                                assert_true(str_is(after.row.executor_id, executors[i].text));
                        else
                                assert_int_equal(racers[i].err.code, ERR_ACTION_NOT_APPROVED);
                }
                /* The winner cannot claim again either. */
                assert_false(claim(world, &action, NULL));
                assert_int_equal(err.code, ERR_ACTION_NOT_APPROVED);
        }
}

static void two_deciders_at_once_make_one_approval(void **state)
{
        struct world *world = *state;

        for (int round = 0; round < 20; round++) {
                struct action action = submit(world, "container.remove", "test");
                struct decision decisions[3];
                struct racer racers[3];

                for (int i = 0; i < 3; i++) {
                        decisions[i] =
                                (struct decision){.decide = sign(world, &action, i, 0,
                                                                 i == 2 ? VERDICT_REJECT : VERDICT_APPROVE),
                                                  .now_ms = clock_now_ms()};
                        racers[i] =
                                (struct racer){.world = world, .work = decide_work, .arg = &decisions[i]};
                }
                assert_int_equal(run_race(racers, 3), 1);
                for (int i = 0; i < 3; i++)
                        if (!racers[i].won)
                                assert_int_equal(racers[i].err.code, ERR_ACTION_NOT_PENDING);
                assert_int_equal(reload(world, &action).state,
                                 racers[2].won ? ACTION_REJECTED : ACTION_APPROVED);
        }
}

static void one_person_twice_at_once_counts_once(void **state)
{
        struct world *world = *state;

        for (int round = 0; round < 20; round++) {
                struct action action = submit(world, "container.remove", "prd");
                struct decision decisions[THREADS];
                struct racer racers[THREADS];

                for (int i = 0; i < THREADS; i++) {
                        decisions[i] =
                                (struct decision){.decide = sign(world, &action, 0, i % 2, VERDICT_APPROVE),
                                                  .now_ms = clock_now_ms()};
                        racers[i] =
                                (struct racer){.world = world, .work = decide_work, .arg = &decisions[i]};
                }
                assert_int_equal(run_race(racers, THREADS), 1);
                assert_int_equal(reload(world, &action).state, ACTION_PENDING);
        }
}

static void cancels_and_claims_at_once_have_one_winner(void **state)
{
        struct world *world = *state;

        for (int round = 0; round < 20; round++) {
                struct action action = submit(world, "container.remove", "test");
                struct by_id cancels[4];
                struct claiming claims[4];
                struct racer racers[THREADS];
                enum action_state after;

                must(approve(world, &action, 0));
                for (int i = 0; i < 4; i++) {
                        cancels[i] = (struct by_id){
                                .world = world, .id = action.row.id, .now_ms = clock_now_ms()};
                        claims[i] = claiming_of(world, &action);
                        racers[2 * i] =
                                (struct racer){.world = world, .work = cancel_work, .arg = &cancels[i]};
                        racers[2 * i + 1] =
                                (struct racer){.world = world, .work = claim_work, .arg = &claims[i]};
                }
                assert_int_equal(run_race(racers, THREADS), 1);
                after = reload(world, &action).state;
                for (int i = 0; i < 4; i++) {
                        if (racers[2 * i].won)
                                assert_int_equal(after, ACTION_CANCELLED);
                        if (racers[2 * i + 1].won)
                                assert_int_equal(after, ACTION_CLAIMED);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_claim_is_won_once),
                TEST(two_deciders_at_once_make_one_approval),
                TEST(one_person_twice_at_once_counts_once),
                TEST(cancels_and_claims_at_once_have_one_winner),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
