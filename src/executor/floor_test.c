/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/floor.h"

#include "executor/test_dir.h"

#include <stdio.h>

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

static bool parse(struct arena *arena, const char *text, const char *environment, struct floor *ret,
                  struct err *err)
{
        arena_init(arena, 1 << 20);
        return floor_parse(arena, str_from(text), str_from(environment), ret, err);
}

/* -1: refused. */
static int demands(const struct floor *floor, const char *operation, enum effect effect)
{
        unsigned decisions;
        struct err err;

        if (floor_check(floor, STR("docker"), str_from(operation), effect, &decisions, &err))
                return (int)decisions;
        assert_int_equal(err.code, ERR_FLOOR_REFUSED);
        return -1;
}

static void without_a_file_production_needs_two_to_destroy(void **state)
{
        struct floor floor;

        floor_built_in(STR("test"), &floor);
        assert_int_equal(demands(&floor, "container.list", EFFECT_READS), 0);
        assert_int_equal(demands(&floor, "container.start", EFFECT_CHANGES), 1);
        assert_int_equal(demands(&floor, "container.remove", EFFECT_DESTROYS), 1);
        floor_built_in(STR("prd"), &floor);
        assert_int_equal(demands(&floor, "container.start", EFFECT_CHANGES), 1);
        assert_int_equal(demands(&floor, "container.remove", EFFECT_DESTROYS), 2);
        (void)state;
}

static void an_environments_section_wins_over_default(void **state)
{
        static const char text[] = "environments:\n"
                                   "  prd: {destroys: 4, reads: refuse}\n"
                                   "  other: {destroys: 7}\n"
                                   "default:\n"
                                   "  reads: 1\n"
                                   "  changes: 3\n"
                                   "  destroys: refuse\n";
        struct floor floor;
        ARENA_SCOPED arena, again;
        struct err err;

        assert_true(parse(&arena, text, "prd", &floor, &err));
        assert_int_equal(demands(&floor, "container.list", EFFECT_READS), -1);
        assert_int_equal(demands(&floor, "container.start", EFFECT_CHANGES), 3);
        assert_int_equal(demands(&floor, "container.remove", EFFECT_DESTROYS), 4);
        assert_true(parse(&again, text, "test", &floor, &err));
        assert_int_equal(demands(&floor, "container.list", EFFECT_READS), 1);
        assert_int_equal(demands(&floor, "container.remove", EFFECT_DESTROYS), -1);
        (void)state;
}

static void a_default_never_lowers_production_unsaid(void **state)
{
        struct floor floor;
        ARENA_SCOPED arena, again;
        struct err err;

        assert_true(parse(&arena, "default: {destroys: 1}\n", "prd", &floor, &err));
        assert_int_equal(demands(&floor, "container.remove", EFFECT_DESTROYS), 2);
        assert_true(parse(&again, "environments: {prd: {destroys: 1}}\n", "prd", &floor, &err));
        assert_int_equal(demands(&floor, "container.remove", EFFECT_DESTROYS), 1);
        (void)state;
}

static void only_listed_operations_run(void **state)
{
        struct floor floor;
        ARENA_SCOPED arena;
        struct err err;

        assert_true(
                parse(&arena, "default:\n  operations:\n  - docker container.list\n", "test", &floor, &err));
        assert_int_equal(demands(&floor, "container.list", EFFECT_READS), 0);
        assert_int_equal(demands(&floor, "container.lis", EFFECT_READS), -1);
        assert_int_equal(demands(&floor, "container.remove", EFFECT_DESTROYS), -1);
        (void)state;
}

static void an_empty_list_of_operations_refuses_all(void **state)
{
        struct floor floor;
        ARENA_SCOPED arena;
        struct err err;

        assert_true(parse(&arena, "default: {operations: []}\n", "test", &floor, &err));
        assert_int_equal(demands(&floor, "container.list", EFFECT_READS), -1);
        (void)state;
}

static void every_mistake_names_its_line(void **state)
{
        static const struct {
                const char *text, *place, *words;
        } cases[] = {
                {"default:\n  reads: allow\n  writes: 1\n", "3:3", "\"writes\" is not known"},
                {"defaults:\n  reads: allow\n", "1:1", "\"defaults\" is not known"},
                {"default:\n  changes: 0\n", "2:12", "\"0\" is not possible"},
                {"default:\n  changes: allow\n", "2:12", "\"allow\" is not possible"},
                {"default:\n  destroys: 17\n", "2:13", "1 to 16"},
                {"default:\n  destroys: -1\n", "2:13", "1 to 16"},
                {"default:\n  destroys: 1.0\n", "2:13", "1 to 16"},
                {"default:\n  destroys:\n", "2:3", "is not possible"},
                {"default:\n  reads: allow\n  reads: refuse\n", "3:3", "twice"},
                {"default: {}\ndefault: {}\n", "2:1", "twice"},
                {"environments:\n  prd: {}\n  prd: {}\n", "3:3", "twice"},
                {"environments: 1\n", "1:15", "mapping"},
                {"- default\n", "1:1", "mapping"},
                {"default: {operations: [docker container.eat]}\n", "1:24", "no operation"},
                {"default: {operations: [container.list]}\n", "1:24", "no operation"},
                {"default: {operations: docker container.list}\n", "1:23", "list"},
                {"default: &a {}\nenvironments: {prd: *a}\n", "1:13", "anchors"},
                {"default: !!map {}\n", "1:16", "anchors"},
                {"default: {}\n---\ndefault: {}\n", "2:1", "one document"},
                {"default: {reads: {}}\n", "1:18", "number of decisions"},
                {"default:\n\treads: allow\n", "yaml", "not YAML"},
                {"default: {\n", "yaml", "not YAML"},
                {"# nothing\n", "", ""},
                {"", "", "1 to"},
                {"default: {reads: \xff}\n", "", "UTF-8"},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct floor floor;
                ARENA_SCOPED arena;
                struct err err = {0};

                assert_false(parse(&arena, cases[i].text, "test", &floor, &err));
                assert_int_equal(err.code, ERR_CONFIG);
                if (cases[i].place[0] && strcmp(err.place, cases[i].place) != 0)
                        fail_msg("%s: at %s, not %s: %s", cases[i].text, err.place, cases[i].place,
                                 err.message);
                if (!strstr(err.message, cases[i].words))
                        fail_msg("%s: %s", cases[i].text, err.message);
        }
        (void)state;
}

static void a_file_is_read_and_a_missing_one_refused(void **state)
{
        TEST_DIR dir = test_dir_new();
        struct floor floor;
        ARENA_SCOPED arena;
        char path[128];
        struct err err;

        arena_init(&arena, 1 << 20);
        snprintf(path, sizeof(path), "%s/floor.yaml", dir.path);
        assert_false(floor_load(&arena, path, STR("test"), &floor, &err));
        assert_non_null(strstr(err.message, path));
        test_file_write(&dir, "floor.yaml", STR("default: {destroys: 3}\n"));
        assert_true(floor_load(&arena, path, STR("test"), &floor, &err));
        assert_int_equal(demands(&floor, "container.remove", EFFECT_DESTROYS), 3);
        test_file_write(&dir, "floor.yaml", STR("default: {destroys: 0}\n"));
        assert_false(floor_load(&arena, path, STR("test"), &floor, &err));
        assert_non_null(strstr(err.message, path));
        assert_true(floor_load(&arena, NULL, STR("test"), &floor, &err));
        (void)state;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_a_file_production_needs_two_to_destroy),
                cmocka_unit_test(an_environments_section_wins_over_default),
                cmocka_unit_test(a_default_never_lowers_production_unsaid),
                cmocka_unit_test(only_listed_operations_run),
                cmocka_unit_test(an_empty_list_of_operations_refuses_all),
                cmocka_unit_test(every_mistake_names_its_line),
                cmocka_unit_test(a_file_is_read_and_a_missing_one_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
