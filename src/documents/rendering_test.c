/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/rendering.h"
#include "documents/samples.h"

static const struct rendering_line *line(const struct rendering *rendering, const char *label)
{
        for (unsigned i = 0; i < rendering->count; i++)
                if (str_is(rendering->lines[i].label, label))
                        return &rendering->lines[i];
        fail_msg("no line \"%s\"", label);
        return NULL;
}

static struct rendering render(struct arena *arena, struct str bytes)
{
        struct rendering rendering;
        struct err err = {0};

        if (!rendering_make(arena, bytes, &rendering, &err))
                fail_msg("%s", err.message);
        return rendering;
}

static void everything_that_would_happen_is_shown(void **state)
{
        ARENA_SCOPED arena;
        struct statement statement;
        struct rendering rendering;
        struct str bytes;

        (void)state;
        arena_init(&arena, 4 << 20);
        statement = sample_statement(&arena);
        bytes = sample_bytes(&arena, &statement);
        rendering = render(&arena, bytes);
        assert_string_equal(line(&rendering, "What")->value.ptr, "Remove a container");
        assert_string_equal(line(&rendering, "Operation")->value.ptr, "docker container.remove");
        assert_string_equal(line(&rendering, "Environment")->value.ptr, "prd");
        assert_string_equal(line(&rendering, "Target")->value.ptr, "web");
        assert_true(str_eq(line(&rendering, "Container id")->value, statement.facts[0].value));
        assert_string_equal(line(&rendering, "Force: even while it runs")->value.ptr, "yes");
        assert_string_equal(line(&rendering, "Rule")->value.ptr, "destroys-elsewhere");
        assert_true(str_eq(line(&rendering, "Digest")->value, statement_digest(&arena, bytes)));
        for (unsigned i = 0; i < rendering.count; i++)
                assert_false(rendering.lines[i].uninspectable);
}

static void a_command_is_marked_and_keeps_its_borders(void **state)
{
        ARENA_SCOPED arena;
        struct statement statement;
        struct rendering rendering;
        struct err err;

        (void)state;
        arena_init(&arena, 4 << 20);
        statement = sample_statement(&arena);
        statement.operation = STR("container.run");
        statement.effect = EFFECT_CHANGES;
        statement.fact_count = 1;
        statement.facts[0].value = arena_printf(&arena, "sha256:%.*s", STR_ARG(statement.policy));
        assert_true(json_parse(&arena,
                               STR("{\"auto_remove\":false,\"command\":[\"sh\",\"-c\",\"a b\"],\"env\":{},"
                                   "\"labels\":{},\"network\":\"none\",\"ports\":{},\"wait_seconds\":0}"),
                               &statement.parameters, &err));
        rendering = render(&arena, sample_bytes(&arena, &statement));
        assert_string_equal(line(&rendering, "Command inside the container")->value.ptr,
                            "[\"sh\",\"-c\",\"a b\"]");
        assert_true(line(&rendering, "Command inside the container")->uninspectable);
        assert_false(line(&rendering, "Network")->uninspectable);
}

static void what_is_not_understood_is_shown_as_such(void **state)
{
        ARENA_SCOPED arena;
        struct statement statement;
        struct rendering rendering;
        struct str bytes;

        (void)state;
        arena_init(&arena, 8 << 20);
        statement = sample_statement(&arena);
        bytes = sample_bytes(&arena, &statement);

        rendering = render(&arena, sample_replace(&arena, bytes, "container.remove", "container.vanish"));
        assert_true(line(&rendering, "Operation")->uninspectable);
        assert_true(line(&rendering, "force")->uninspectable);

        rendering = render(
                &arena, sample_replace(&arena, bytes, "\"volumes\":false", "\"volumes\":false,\"x\":\"y\""));
        assert_true(line(&rendering, "x")->uninspectable);

        rendering = render(&arena, sample_replace(&arena, bytes, "\"destroys\"", "\"reads\""));
        assert_true(line(&rendering, "Effect")->uninspectable);

        rendering = render(&arena, sample_replace(&arena, bytes, "\"known_as\"", "\"knower\""));
        assert_true(line(&rendering, "knower")->uninspectable);

        rendering = render(&arena, STR("{\"no\":\"statement\"}"));
        assert_true(line(&rendering, "Not a statement")->uninspectable);
        assert_string_equal(line(&rendering, "Bytes")->value.ptr, "{\"no\":\"statement\"}");
}

static void characters_that_would_deceive_are_written_out(void **state)
{
        static const struct {
                const char *text, *shown;
        } cases[] = {
                {"plain", "plain"},
                {"caf\xC3\xA9", "caf\xC3\xA9"},
                {"a\xE2\x80\xAE"
                 "b",
                 "a<U+202E>b"},
                {"a\x1b[2Jb", "a<U+001B>[2Jb"},
                {"a\nb", "a<U+000A>b"},
                {"a\xC2\xA0"
                 "b",
                 "a<U+00A0>b"},
                {"a\xE2\x80\x8B"
                 "b",
                 "a<U+200B>b"},
                {"\xF3\xA0\x81\x81", "<U+E0041>"},
                {"a\xFF"
                 "b",
                 "a<0xFF>b"},
                {"\xC0\x80", "<0xC0><0x80>"},
        };
        ARENA_SCOPED arena;

        (void)state;
        arena_init(&arena, 1 << 16);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_string_equal(rendering_visible(&arena, str_from(cases[i].text)).ptr, cases[i].shown);
}

static void no_line_is_dropped_for_want_of_memory(void **state)
{
        struct rendering whole;
        ARENA_SCOPED good;
        struct statement statement;
        struct str bytes;

        (void)state;
        arena_init(&good, 4 << 20);
        statement = sample_statement(&good);
        bytes = sample_bytes(&good, &statement);
        whole = render(&good, bytes);
        for (size_t cap = 256; cap < 65536; cap += 512) {
                ARENA_SCOPED arena;
                struct rendering rendering;
                struct err err = {0};

                arena_init(&arena, cap);
                if (rendering_make(&arena, bytes, &rendering, &err))
                        assert_int_equal(rendering.count, whole.count);
                else
                        assert_int_equal(err.code, ERR_NO_MEMORY);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(everything_that_would_happen_is_shown),
                cmocka_unit_test(a_command_is_marked_and_keeps_its_borders),
                cmocka_unit_test(what_is_not_understood_is_shown_as_such),
                cmocka_unit_test(characters_that_would_deceive_are_written_out),
                cmocka_unit_test(no_line_is_dropped_for_want_of_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
