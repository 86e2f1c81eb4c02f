/* SPDX-License-Identifier: Apache-2.0 */
/* The interface, from a host's side: values of its own, limits, memory, threads. */
#include "cel/test_world.h"

/* The value as text; "error: …" when there is none. */
static const char *evaluate(struct world *w, const char *expression)
{
        struct cel_activation activation = {
                .values = w->values, .count = 3, .fetch = world_fetch, .data = w};
        struct cel_eval eval = {.arena = &w->arena, .activation = &activation};
        struct cel_program *program;
        struct cel_value value;
        struct err err;
        static char shown[4096];
        BUF_SCOPED text;

        buf_init(&text, sizeof(shown) - 1);
        if (!cel_compile(w->env, str_from(expression), NULL, &program, &err)) {
                snprintf(shown, sizeof(shown), "wrong: %s", err.message);
                return shown;
        }
        if (cel_eval(program, &eval, &value, &err))
                cel_append(&text, value);
        else
                buf_printf(&text, "error: %.*s", (int)strcspn(err.message, "\n"), err.message);
        snprintf(shown, sizeof(shown), "%.*s", STR_ARG(buf_str(&text)));
        cel_program_free(program);
        return shown;
}

static void a_hosts_list_is_read_in_place(void **state)
{
        struct world *w = *state;

        assert_string_equal(evaluate(w, "numbers"), "[0, 10, 20]");
        assert_string_equal(evaluate(w, "numbers[1] + size(numbers)"), "13");
        assert_string_equal(evaluate(w, "10 in numbers"), "true");
        assert_string_equal(evaluate(w, "numbers.map(n, n / 10)"), "[0, 1, 2]");
        assert_string_equal(evaluate(w, "numbers == [0, 10, 20]"), "true");
        assert_string_equal(evaluate(w, "numbers + [1]"), "[0, 10, 20, 1]");
        assert_string_equal(evaluate(w, "numbers.slice(1, 2)"), "[10]");
        assert_string_equal(evaluate(w, "math.greatest(numbers)"), "20");
        assert_string_equal(evaluate(w, "numbers.sort().reverse()"), "[20, 10, 0]");
        w->numbers.count = 4;
        assert_string_equal(evaluate(w, "numbers[3]"), "error: the fourth is lost");
        assert_string_equal(evaluate(w, "numbers.exists(n, n == 20)"), "true");
        assert_string_equal(evaluate(w, "numbers.exists(n, n == 30)"), "error: the fourth is lost");
        assert_string_equal(evaluate(w, "numbers.map(n, n)"), "error: the fourth is lost");
        assert_string_equal(evaluate(w, "numbers.exists_one(n, n == 1)"), "error: the fourth is lost");
        assert_string_equal(evaluate(w, "numbers.filter(n, n == 1)"), "error: the fourth is lost");
        assert_string_equal(evaluate(w, "math.least(numbers)"), "error: the fourth is lost");
        assert_string_equal(evaluate(w, "numbers.sort()"), "error: the fourth is lost");
}

static void a_hosts_map_is_asked_only_for_what_is_needed(void **state)
{
        struct world *w = *state;

        assert_string_equal(evaluate(w, "request.method == \"GET\""), "true");
        assert_int_equal(w->request.asked, 1);
        assert_string_equal(evaluate(w, "request.nothing"), "error: no such key: \"nothing\"");
        assert_string_equal(evaluate(w, "has(request.method) && !has(request.nothing)"), "true");
        assert_string_equal(evaluate(w, "request.secret"), "error: this is secret");
        assert_string_equal(evaluate(w, "has(request.secret)"), "error: this is secret");
        assert_string_equal(evaluate(w, "\"secret\" in request"), "error: this is secret");
        assert_string_equal(evaluate(w, "request.?secret"), "error: this is secret");
        assert_string_equal(evaluate(w, "request.map(k, k)"), "[\"method\", \"size\"]");
        assert_string_equal(evaluate(w, "request.transformList(k, v, v)"), "[\"GET\", 5]");
        assert_string_equal(evaluate(w, "request"), "{\"method\": \"GET\", \"size\": 5}");
        assert_string_equal(evaluate(w, "request == {\"method\": \"GET\", \"size\": 5}"), "true");
        assert_string_equal(evaluate(w, "size(request)"), "2");
}

static void a_hosts_type_has_its_own_name_and_equality(void **state)
{
        struct world *w = *state;

        assert_string_equal(evaluate(w, "red == red"), "true");
        assert_string_equal(evaluate(w, "type(red) == acme.Color"), "true");
        assert_string_equal(evaluate(w, "red"), "acme.Color(\"#ff0000\")");
        assert_string_equal(evaluate(w, "[red] == [red]"), "true");
        assert_string_equal(evaluate(w, "dyn(red) == dyn(ip(\"::1\"))"), "false");
        assert_non_null(strstr(evaluate(w, "red + 1"), "does not take (acme.Color, int)"));
        assert_non_null(strstr(evaluate(w, "dyn(red) + 1"), "does not take an opaque value, int"));
}

static void a_variable_is_fetched_at_most_once(void **state)
{
        struct world *w = *state;

        assert_string_equal(evaluate(w, "numbers.all(n, lazy == \"fetched\") && lazy != \"\""), "true");
        assert_int_equal(w->fetched, 1);
        assert_string_equal(evaluate(w, "true || lazy == \"\""), "true");
        assert_int_equal(w->fetched, 1);
        assert_string_equal(evaluate(w, "unfetchable"), "error: cannot be fetched");
        assert_string_equal(evaluate(w, "absent"), "error: the variable has no value here");
        assert_string_equal(evaluate(w, "unfetchable == \"\" || true"), "true");
}

/* ---- Declarations ---- */

static void a_wrong_declaration_is_refused(void **state)
{
        struct world *w = *state;
        static const char *const unknown[] = {"acme.Nothing"};
        static const char *const one[] = {"int"};
        struct cel_function_decl decls[] = {
                {.name = "not a name", .result = "int"},
                {.name = "f", .member = true, .result = "int"},
                {.name = "f", .params = unknown, .param_count = 1, .result = "int"},
                {.name = "f", .params = one, .param_count = 1, .result = "nothing"},
        };
        static const char *const types[] = {
                "",         "nothing",  "list(int", "list(int)x",
                "map(int)", "int(int)", "list(",    "list(int,int,int,int,int,int,int,int,int)"};
        const struct cel_type *type;
        struct err err;
        uint32_t slot;

        for (size_t i = 0; i < sizeof(decls) / sizeof(decls[0]); i++)
                assert_false(cel_env_add_function(w->env, &decls[i], &err));
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
                assert_false(cel_type_parse(w->env, str_from(types[i]), &type, &err));
        assert_false(cel_env_variable(w->env, "numbers", "int", NULL, &err));
        assert_non_null(strstr(err.message, "declared already"));
        assert_false(cel_env_variable(w->env, "1a", "int", NULL, &err));
        assert_false(cel_env_variable(w->env, "a.", "int", NULL, &err));
        assert_false(cel_env_variable(w->env, "", "int", NULL, &err));
        assert_false(cel_env_slot(w->env, STR("nothing"), &slot));
        assert_true(cel_env_slot(w->env, STR("red"), &slot));
        assert_int_equal(slot, 2);
        assert_int_equal(cel_env_variable_count(w->env), 6);
        for (int i = 0; i < 10; i++)
                assert_true(cel_env_add_type(w->env, "acme.Pair", 2, &err));
        assert_true(cel_type_parse(w->env, STR("map(string, acme.Pair(int, T))"), &type, &err));
}

static void types_are_shown_as_they_are_written(void **state)
{
        static const char *const types[] = {
                "dyn",
                "bool",
                "list(int)",
                "map(string, list(dyn))",
                "optional_type(string)",
                "type(int)",
                "wrapper(uint)",
                "timestamp",
                "acme.Color",
                "A",
        };
        struct world *w = *state;
        const struct cel_type *type;
        const struct cel_type *again;
        struct err err;

        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
                BUF_SCOPED text;

                buf_init(&text, 1000);
                assert_true(cel_type_parse(w->env, str_from(types[i]), &type, &err));
                cel_type_append(&text, type);
                assert_true(str_is(buf_str(&text), types[i]));
                assert_true(cel_type_parse(w->env, buf_str(&text), &again, &err));
                assert_true(cel_type_equal(type, again));
        }
}

static void a_container_resolves_names_from_inside_out(void **state)
{
        struct world *w = *state;
        struct err err;

        assert_true(cel_env_set_container(w->env, STR("acme.team"), &err));
        assert_true(cel_env_variable(w->env, "acme.team.lazy", "int", NULL, &err));
        assert_true(cel_env_variable(w->env, "acme.deep.er", "int", NULL, &err));
        w->values[6] = cel_int(1);
        assert_non_null(strstr(evaluate(w, "lazy + \"\""), "(int, string)"));
        assert_string_equal(evaluate(w, ".lazy"), "\"fetched\"");
        assert_non_null(strstr(evaluate(w, "deep.er + \"\""), "(int, string)"));
        assert_string_equal(evaluate(w, "type(red) == Color"), "true");
        assert_string_equal(evaluate(w, "[{\"er\": 5}].map(deep, deep.er)"), "[5]");
}

/* ---- Explaining and printing ---- */

static void a_trace_tells_every_value(void **state)
{
        struct world *w = *state;
        struct cel_program *program = world_compile(w, "request.size > 3 || numbers.all(n, n < 1 / 0)");
        struct cel_activation activation = {.values = w->values, .count = 3};
        struct cel_trace *trace = cel_trace_new(&w->arena, program);
        struct cel_eval eval = {.arena = &w->arena, .activation = &activation, .trace = trace};
        struct cel_traced whole;
        struct err err;
        bool result;
        BUF_SCOPED text;

        buf_init(&text, 65536);
        assert_true(cel_eval_bool(program, &eval, &result, &err));
        whole = cel_trace_at(trace, 0);
        assert_true(str_eq(whole.text, cel_program_source(program)));
        assert_int_equal(whole.times, 1);
        assert_true(whole.value.boolean);
        cel_trace_append(&text, trace);
        assert_non_null(strstr(text.ptr, "request.size > 3 => true"));
        assert_non_null(strstr(text.ptr, "numbers.all(n, n < 1 / 0) => not evaluated"));
        assert_true(cel_trace_count(trace) >= 8);
        assert_true(cel_program_uses(program, 0));
        assert_false(cel_program_uses(program, 2));
        cel_program_free(program);

        program = world_compile(w, "numbers.exists(n, n == 20)");
        eval.trace = trace = cel_trace_new(&w->arena, program);
        assert_true(cel_eval_bool(program, &eval, &result, &err));
        buf_reset(&text);
        cel_trace_append(&text, trace);
        assert_non_null(strstr(text.ptr, "n == 20 => true (last of 3)"));
        cel_program_free(program);
}

static void a_condition_must_yield_a_bool(void **state)
{
        struct world *w = *state;
        struct cel_program *program = world_compile(w, "1 + 1");
        struct cel_eval eval = {.arena = &w->arena};
        struct err err;
        bool result;

        assert_false(cel_eval_bool(program, &eval, &result, &err));
        assert_non_null(strstr(err.message, "yields int, not a bool"));
        cel_program_free(program);
        program = world_compile(w, "numbers[0] == 0");
        assert_false(cel_eval_bool(program, &eval, &result, &err));
        assert_int_equal(err.code, ERR_EVALUATION);
        cel_program_free(program);
        cel_program_free(NULL);
}

static void a_program_is_small(void **state)
{
        struct world *w = *state;
        struct cel_program *program =
                world_compile(w, "request.environment == \"prd\" && size(numbers) < 12 && "
                                 "request.owner in [\"ada\", \"bob\", \"cyril\", \"d\"]");
        BUF_SCOPED type;

        buf_init(&type, 100);
        assert_true(cel_program_source(program).len >= 95);
        assert_true(cel_program_size_bytes(program) <= 2048);
        cel_program_append_type(&type, program);
        assert_true(str_is(buf_str(&type), "bool"));
        cel_program_free(program);
}

static void values_become_json(void **state)
{
        struct world *w = *state;
        struct cel_activation activation = {.values = w->values, .count = 3};
        struct cel_eval eval = {.arena = &w->arena, .activation = &activation};
        struct cel_program *program = world_compile(
                w,
                "{\"n\": null, \"b\": true, \"i\": -1, \"u\": 18446744073709551615u, \"d\": 1.5, \"s\": "
                "\"a\\n\", "
                "\"y\": b\"hi\", \"l\": [1], \"t\": timestamp(0), \"p\": duration(\"1.5s\"), \"ty\": int, "
                "\"o\": optional.of(1), \"none\": optional.none(), \"c\": red, \"m\": {1: 1, true: 2, 3u: "
                "3}}");
        struct json_writer writer;
        struct cel_value value;
        struct err err;
        BUF_SCOPED text;

        buf_init(&text, 65536);
        assert_true(cel_eval(program, &eval, &value, &err));
        json_writer_init(&writer, &text);
        cel_write_json(&writer, value);
        assert_string_equal(
                text.ptr,
                "{\"n\":null,\"b\":true,\"i\":-1,\"u\":18446744073709551615,\"d\":1.5,\"s\":\"a\\n\","
                "\"y\":\"aGk=\",\"l\":[1],\"t\":\"1970-01-01T00:00:00Z\",\"p\":\"1.5s\",\"ty\":\"int\","
                "\"o\":1,\"none\":null,\"c\":\"#ff0000\",\"m\":{\"1\":1,\"true\":2,\"3\":3}}");
        cel_program_free(program);
}

static void values_are_made_by_hand(void **state)
{
        struct world *w = *state;
        struct cel_entry entries[] = {{cel_string(STR("a")), cel_uint(1)}, {cel_bool(true), cel_double(2)}};
        struct cel_value map;
        struct err err;

        assert_true(cel_map_make(&w->arena, entries, 2, &map, &err));
        assert_true(cel_equal(cel_get_str(NULL, map, STR("a")), cel_int(1)));
        assert_true(cel_equal(cel_get(NULL, map, cel_bool(true)), cel_int(2)));
        assert_int_equal(cel_get(NULL, map, cel_bool(false)).kind, CEL_UNSET);
        entries[1].key = entries[0].key;
        assert_false(cel_map_make(&w->arena, entries, 2, &map, &err));
        entries[1].key = cel_null();
        assert_false(cel_map_make(&w->arena, entries, 2, &map, &err));
        assert_true(cel_equal(cel_bytes(STR("a")), cel_bytes(STR("a"))));
        assert_true(cel_equal(cel_duration(5), cel_duration(5)));
        assert_true(str_is(cel_type_name(cel_timestamp(0, 0)), "google.protobuf.Timestamp"));
        assert_true(str_is(cel_error_text(cel_null()), ""));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        const struct CMUnitTest tests[] = {
                TEST(a_hosts_list_is_read_in_place),
                TEST(a_hosts_map_is_asked_only_for_what_is_needed),
                TEST(a_hosts_type_has_its_own_name_and_equality),
                TEST(a_variable_is_fetched_at_most_once),
                TEST(a_wrong_declaration_is_refused),
                TEST(types_are_shown_as_they_are_written),
                TEST(a_container_resolves_names_from_inside_out),
                TEST(a_trace_tells_every_value),
                TEST(a_condition_must_yield_a_bool),
                TEST(a_program_is_small),
                TEST(values_become_json),
                TEST(values_are_made_by_hand),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
