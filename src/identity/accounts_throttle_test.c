/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "identity/accounts_throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct err err;

static bool tries(struct throttle *throttle, const char *account, const char *source, const char *device,
                  int64_t now_ms)
{
        const struct throttle_try try = {STR("ten_1"), str_from(account), str_from(source),
                                         str_from(device)};
        int64_t retry_ms;
        bool ok = throttle_take(throttle, &try, now_ms, &retry_ms, &err);

        assert_int_equal(ok, retry_ms == 0);
        if (!ok)
                assert_int_equal(err.code, ERR_RATE_LIMITED);
        return ok;
}

/* A million guesses in 1,000 seconds, from as many addresses as you like: a few get through. */
static void guessing_is_slow_and_the_owner_gets_in(void **state)
{
        struct throttle *throttle = throttle_new();
        int taken = 0;
        ARENA_SCOPED arena;

        (void)state;
        arena_init(&arena, 1 << 20);
        for (int64_t i = 0; i < 200000; i++) {
                struct arena_mark mark = arena_mark(&arena);
                struct str address = arena_printf(&arena, "10.%d.%d.%d", (int)(i >> 16 & 255),
                                                  (int)(i >> 8 & 255), (int)(i & 255));

                taken += tries(throttle, "ann", address.ptr, NULL, i);
                arena_rewind(&arena, mark);
        }
        /* 30 at once and one each 5 seconds. */
        assert_in_range(taken, 30, 75);
        (void)tries(throttle, "ann", "192.0.2.3", NULL, 200000); /* the one that these 5 seconds allow */
        assert_false(tries(throttle, "ann", "192.0.2.1", NULL, 200000));
        /* Her own browser, and everybody else's account. */
        assert_true(tries(throttle, "ann", "10.0.0.1", "her-laptop", 200000));
        assert_true(tries(throttle, "ben", "192.0.2.2", NULL, 200000));
        throttle_free(throttle);
}

static void a_stolen_device_cookie_is_slowed_too(void **state)
{
        struct throttle *throttle = throttle_new();
        int taken = 0;

        (void)state;
        for (int i = 0; i < 1000; i++)
                taken += tries(throttle, "ann", "192.0.2.1", "her-laptop", i);
        assert_int_equal(taken, 10);
        assert_true(tries(throttle, "ann", "192.0.2.1", "her-phone", 1000));
        assert_true(tries(throttle, "ann", "192.0.2.1", NULL, 1000));
        assert_true(tries(throttle, "ann", "192.0.2.1", "her-laptop", 16000));
        throttle_free(throttle);
}

static void one_source_that_tries_everybody_is_slowed(void **state)
{
        struct throttle *throttle = throttle_new();
        ARENA_SCOPED arena;
        int taken = 0;

        (void)state;
        arena_init(&arena, 4 << 20);
        for (int i = 0; i < 1000; i++)
                taken += tries(throttle, arena_printf(&arena, "person%d", i).ptr,
                               arena_printf(&arena, "2001:db8:1:2::%x", i).ptr, NULL, 5);
        assert_int_equal(taken, 50); /* all of one /64 */
        assert_true(tries(throttle, "person1", "2001:db8:1:3::1", NULL, 5));
        throttle_free(throttle);
}

static void what_was_right_costs_nothing(void **state)
{
        const struct throttle_try try = {STR("ten_1"), STR("ann"), STR("192.0.2.1"), STR_NULL};
        struct throttle *throttle = throttle_new();
        int64_t retry_ms;

        (void)state;
        for (int i = 0; i < 1000; i++) {
                assert_true(throttle_take(throttle, &try, 7, &retry_ms, &err));
                throttle_return(throttle, &try, 7);
        }
        throttle_free(throttle);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(guessing_is_slow_and_the_owner_gets_in),
                cmocka_unit_test(a_stolen_device_cookie_is_slowed_too),
                cmocka_unit_test(one_source_that_tries_everybody_is_slowed),
                cmocka_unit_test(what_was_right_costs_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
