/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/totp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define SEED STR("12345678901234567890")

/* RFC 6238 appendix B, SHA-1; RFC 4226 appendix D. */
static void the_vectors_hold(void **state)
{
        static const struct {
                int64_t time_s;
                const char *code;
        } by_time[] = {{59, "94287082"},         {1111111109, "07081804"}, {1111111111, "14050471"},
                       {1234567890, "89005924"}, {2000000000, "69279037"}, {20000000000, "65353130"}};
        static const char *const by_counter[] = {"755224", "287082", "359152", "969429", "338314",
                                                 "254676", "287922", "162583", "399871", "520489"};
        char code[9];

        (void)state;
        for (size_t i = 0; i < sizeof(by_time) / sizeof(by_time[0]); i++) {
                totp_code(SEED, by_time[i].time_s / 30, 8, code);
                assert_string_equal(code, by_time[i].code);
        }
        for (int i = 0; i < 10; i++) {
                totp_code(SEED, i, 6, code);
                assert_string_equal(code, by_counter[i]);
        }
}

static void one_step_beside_is_taken_and_none_twice(void **state)
{
        const int64_t now = 1111111111000;
        int64_t step = 0, again;
        char code[TOTP_CODE_SIZE];

        (void)state;
        for (int64_t beside = -2; beside <= 2; beside++) {
                totp_code(SEED, now / TOTP_STEP_MS + beside, 6, code);
                assert_int_equal(totp_check(SEED, str_from(code), now, 0, &step),
                                 beside >= -1 && beside <= 1);
                if (beside < -1 || beside > 1)
                        continue;
                assert_int_equal(step, now / TOTP_STEP_MS + beside);
                assert_false(totp_check(SEED, str_from(code), now, step, &again));
                assert_false(totp_check(SEED, str_from(code), now, step + 1, &again));
                assert_true(totp_check(SEED, str_from(code), now, step - 1, &again));
        }
}

static void only_six_digits_are_a_code(void **state)
{
        const int64_t now = 59000;
        int64_t step;

        (void)state;
        assert_true(totp_check(SEED, STR("287082"), now, 0, &step));
        assert_true(totp_check(SEED, STR("287 082"), now, 0, &step));
        assert_false(totp_check(SEED, STR("2870820"), now, 0, &step));
        assert_false(totp_check(SEED, STR("28708"), now, 0, &step));
        assert_false(totp_check(SEED, STR(""), now, 0, &step));
        assert_false(totp_check(SEED, STR("28708a"), now, 0, &step));
        assert_false(totp_check(SEED, STR("-87082"), now, 0, &step));
        assert_false(totp_check(STR("12345678901234567891"), STR("287082"), now, 0, &step));
}

static void a_seed_can_be_typed_and_scanned(void **state)
{
        ARENA_SCOPED arena;

        (void)state;
        arena_init(&arena, 64 * 1024);
        assert_true(str_is(totp_seed_text(&arena, SEED), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"));
        /* RFC 4648 section 10 */
        assert_true(str_is(totp_seed_text(&arena, STR("f")), "MY"));
        assert_true(str_is(totp_seed_text(&arena, STR("foob")), "MZXW6YQ"));
        assert_true(str_is(totp_seed_text(&arena, STR("fooba")), "MZXW6YTB"));
        assert_true(str_is(totp_uri(&arena, STR("Acme & Co"), STR("ann@x"), STR("foobar")),
                           "otpauth://totp/Acme%20%26%20Co:ann%40x?secret=MZXW6YTBOI&issuer=Acme%20%26%20Co"
                           "&algorithm=SHA1&digits=6&period=30"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_vectors_hold),
                cmocka_unit_test(one_step_beside_is_taken_and_none_twice),
                cmocka_unit_test(only_six_digits_are_a_code),
                cmocka_unit_test(a_seed_can_be_typed_and_scanned),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
