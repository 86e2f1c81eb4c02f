/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/renderings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_same(const struct rendering *a, const struct rendering *b)
{
        assert_int_equal(a->count, b->count);
        for (unsigned i = 0; i < a->count; i++) {
                assert_true(str_eq(a->lines[i].label, b->lines[i].label));
                assert_true(str_eq(a->lines[i].value, b->lines[i].value));
                assert_int_equal(a->lines[i].uninspectable, b->lines[i].uninspectable);
        }
}

static void what_is_found_again_is_what_was_made(void **state)
{
        struct rendering made, first, again;
        ARENA_SCOPED arena;
        struct err err;

        (void)state;
        arena_init(&arena, 1 << 20);
        struct str statement = STR("{\"no\":\"statement \xE2\x80\xAE\"}");
        assert_true(rendering_make(&arena, statement, &made, &err));
        assert_true(renderings_make(&arena, STR("00"), statement, &first, &err));
        assert_true(renderings_make(&arena, STR("00"), statement, &again, &err));
        assert_same(&first, &made);
        assert_same(&again, &made);
}

/* One byte differs and the place is the same: the bytes decide. */
static void other_bytes_are_rendered_anew(void **state)
{
        struct rendering one, other, made;
        ARENA_SCOPED arena;
        struct err err;

        (void)state;
        arena_init(&arena, 1 << 20);
        assert_true(renderings_make(&arena, STR("11"), STR("bytes A"), &one, &err));
        assert_true(renderings_make(&arena, STR("11"), STR("bytes B"), &other, &err));
        assert_true(rendering_make(&arena, STR("bytes B"), &made, &err));
        assert_same(&other, &made);
        assert_false(str_eq(one.lines[1].value, other.lines[1].value));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_found_again_is_what_was_made),
                cmocka_unit_test(other_bytes_are_rendered_anew),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
