/* SPDX-License-Identifier: Apache-2.0 */
#include "tenancy/labels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct err err;

static bool formats(const char *key, const char *value)
{
        struct api_pair label = {str_from(key), str_from(value)};
        ARENA_SCOPED arena = {0};
        struct str json;

        arena_init(&arena, 64 * 1024);
        return labels_format(&arena, &label, 1, &json, &err);
}

static void keys_and_values_follow_the_rules_of_kubernetes(void **state)
{
        static const char *const good[] = {"a",       "A-b_c.d", "stage",         "example.com/name",
                                           "a-1.b/x", "9",       "k8s.io/App_1.x"};
        static const char *const bad[] = {"",       "-a",  "a-",       "a b",     "a/b/c",
                                          "/name",  "ex/", "Ex.com/a", "a..b/c",  "-a.b/c",
                                          "a.b-/c", "é",   "a=b",      ".hidden", "a-.b/c"};
        char long_name[66];

        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                assert_true(formats(good[i], ""));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                if (formats(bad[i], ""))
                        fail_msg("\"%s\" is no key", bad[i]);
        assert_true(formats("a", "") && formats("a", "v1.2_x-y"));
        assert_false(formats("a", "-v") || formats("a", "v w") || formats("a", "v/w"));
        memset(long_name, 'x', sizeof(long_name) - 1);
        long_name[63] = '\0';
        assert_true(formats(long_name, long_name));
        long_name[63] = 'x';
        long_name[64] = '\0';
        assert_false(formats(long_name, ""));
        assert_int_equal(err.code, ERR_BAD_FIELD);
}

static void what_is_stored_is_sorted_and_read_again(void **state)
{
        const struct api_pair labels[] = {{STR("b"), STR("2")}, {STR("a"), STR("1")}};
        const struct api_pair *again;
        ARENA_SCOPED arena = {0};
        struct str json;
        size_t count;

        (void)state;
        arena_init(&arena, 64 * 1024);
        assert_true(labels_format(&arena, labels, 2, &json, &err));
        assert_true(str_is(json, "{\"a\":\"1\",\"b\":\"2\"}"));
        assert_true(labels_parse(&arena, json, &again, &count, &err));
        assert_int_equal(count, 2);
        assert_true(str_is(again[0].key, "a") && str_is(again[1].value, "2"));
        assert_true(labels_parse(&arena, STR("{}"), &again, &count, &err));
        assert_int_equal(count, 0);
}

static bool selects(const char *text)
{
        static const struct api_pair labels[] = {{{"stage", 5}, {"prd", 3}}, {{"a.b/team", 8}, {"web", 3}}};
        struct selector selector;

        if (!selector_parse(str_from(text), &selector, &err))
                fail_msg("%s: %s", text, err.message);
        return selector_matches(&selector, labels, 2);
}

static void selectors_select(void **state)
{
        static const char *const bad[] = {"a b",        "a in b",   "a in (b", "a notin",    "=b",  "!",
                                          "a,,b",       ",",        "a=b c",   "a in (b c)", "a!b", "a in(b",
                                          "a near (b)", "a in ()x", "a=-b",    "a in (b),,c"};
        struct selector selector;

        (void)state;
        assert_true(selects("") && selects("stage") && selects("stage=prd") && selects("stage == prd"));
        assert_true(selects("stage!=test") && selects("other!=prd") && selects("!other"));
        assert_true(selects("stage in (test, prd),a.b/team=web") && selects("other notin (x)"));
        assert_false(selects("stage=test") || selects("other") || selects("!stage"));
        assert_false(selects("stage notin (prd,test)") || selects("stage=prd,a.b/team!=web"));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                if (selector_parse(str_from(bad[i]), &selector, &err))
                        fail_msg("\"%s\" is no selector", bad[i]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keys_and_values_follow_the_rules_of_kubernetes),
                cmocka_unit_test(what_is_stored_is_sorted_and_read_again),
                cmocka_unit_test(selectors_select),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
