/* SPDX-License-Identifier: Apache-2.0 */
/* cases.txt, line by line: once as it is, once with a trace, and once more with too little of everything. */
#include "cel/cel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *cases_path;

static struct cel_value twice(struct cel_call *call, const struct cel_value *args, uint32_t count,
                              void *data)
{
        struct str text;

        (void)count, (void)data;
        if (args[0].kind == CEL_INT)
                return cel_int(args[0].integer * 2);
        if (!cel_charge(call, args[0].len))
                return cel_fail_overload(call);
        text = arena_printf(cel_call_arena(call), "%.*s%.*s", STR_ARG(cel_text(args[0])),
                            STR_ARG(cel_text(args[0])));
        return text.ptr ? cel_string(text) : cel_fail(call, "no room");
}

static struct cel_value shout(struct cel_call *call, const struct cel_value *args, uint32_t count,
                              void *data)
{
        (void)call, (void)args, (void)count;
        return cel_string(str_from(data));
}

static struct cel_value broken(struct cel_call *call, const struct cel_value *args, uint32_t count,
                               void *data)
{
        (void)args, (void)count, (void)data;
        return cel_fail(call, "it broke %d times", 2);
}

struct world {
        struct arena arena;
        struct cel_env *env;
        struct json json;
        struct cel_value values[16];
        uint32_t count;
};

static void variable(struct world *w, const char *name, const char *type, struct cel_value value)
{
        struct err err;
        uint32_t slot;

        if (!cel_env_variable(w->env, name, type, &slot, &err))
                fail_msg("%s", err.message);
        w->values[slot] = value;
        w->count = slot + 1;
}

static void function(struct world *w, struct cel_function_decl decl)
{
        struct err err;

        if (!cel_env_add_function(w->env, &decl, &err))
                fail_msg("%s", err.message);
}

static void world_init(struct world *w)
{
        static const char document[] =
                "{\"k\": \"v\", \"content-type\": \"json\", \"nested\": {\"deep\": [1, {\"a\": true}]}, "
                "\"list\": [1, 2.5], \"big\": 18446744073709551615}";
        static const struct cel_value numbers[] = {{.kind = CEL_INT, .integer = 1},
                                                   {.kind = CEL_INT, .integer = 2},
                                                   {.kind = CEL_INT, .integer = 3}};
        static const struct cel_value five = {.kind = CEL_INT, .integer = 5};
        static const char *const an_int[] = {"int"};
        static const char *const a_string[] = {"string"};
        struct err err;

        arena_init(&w->arena, 1 << 24);
        w->env = cel_env_new(&err);
        assert_non_null(w->env);
        assert_true(json_parse(&w->arena, str_from(document), &w->json, &err));
        variable(w, "x", "int", cel_int(7));
        variable(w, "s", "string", cel_string(STR("text")));
        variable(w, "m", "map(string, dyn)", cel_json(&w->json));
        variable(w, "l", "list(int)", cel_list(numbers, 3));
        variable(w, "d", "dyn", cel_null());
        variable(w, "b", "bool", cel_bool(true));
        variable(w, "t", "timestamp", cel_timestamp(1234567890, 0));
        variable(w, "o", "optional_type(int)", cel_optional(&five));
        variable(w, "w", "wrapper(int)", cel_null());
        variable(w, "a.b.c", "string", cel_string(STR("deep")));
        variable(w, "without", "int", (struct cel_value){0});
        function(w, (struct cel_function_decl){"twice", false, an_int, 1, "int", twice, NULL, 1});
        function(w, (struct cel_function_decl){"twice", false, a_string, 1, "string", twice, NULL, 0});
        function(w, (struct cel_function_decl){"shout", true, a_string, 1, "string", shout, "TEXT!", 5});
        function(w, (struct cel_function_decl){"broken", false, NULL, 0, "int", broken, NULL, 1});
        function(w, (struct cel_function_decl){"unbound", false, an_int, 1, "int", NULL, NULL, 1});
}

static void world_done(struct world *w)
{
        cel_env_free(w->env);
        arena_done(&w->arena);
}

static unsigned failures;

/* Says what is wrong with a case and goes on: one run shows all. */
#define COMPLAIN(...)                                                                                       \
        do {                                                                                                \
                print_error(__VA_ARGS__);                                                                   \
                print_error("\n");                                                                          \
                failures++;                                                                                 \
        } while (0)

/* Splits at the last separator of its kind. */
static bool split_case(struct str line, struct str *ret_expression, char *ret_kind, struct str *ret_expected)
{
        static const char *const separators[] = {" => ", " ?? ", " !! "};

        for (size_t at = line.len; at-- > 0;) {
                for (size_t i = 0; i < 3; i++) {
                        if (!str_starts(str_slice(line, at, SIZE_MAX), str_from(separators[i])))
                                continue;
                        *ret_expression = str_slice(line, 0, at);
                        *ret_kind = separators[i][1];
                        *ret_expected = str_slice(line, at + 4, SIZE_MAX);
                        return true;
                }
        }
        return false;
}

static void expect_message(struct str line, const struct err *err, struct str expected)
{
        if (str_find_str(str_from(err->message), expected) < 0)
                COMPLAIN("%.*s\nfails with: %s", STR_ARG(line), err->message);
        assert_true(err->place[0] != '\0');
        assert_true(strchr(err->message, '^') != NULL);
}

/* Any budget below what it took stops it, and nothing else happens. */
static void starve(struct world *w, const struct cel_program *program, uint64_t cost)
{
        struct cel_activation activation = {.values = w->values, .count = w->count};
        struct cel_value value;
        struct err err;

        for (uint64_t limit = 1; limit<cost; limit += cost> 200 ? cost / 50 : 1) {
                struct cel_eval eval = {.arena = &w->arena, .activation = &activation, .cost_limit = limit};

                assert_false(cel_eval(program, &eval, &value, &err));
                assert_int_equal(err.code, ERR_COST_EXCEEDED);
        }
        for (size_t room = 0; room < 2048; room += 48) {
                struct cel_eval eval = {.activation = &activation};
                ARENA_SCOPED small;

                arena_init(&small, room);
                eval.arena = &small;
                if (!cel_eval(program, &eval, &value, &err))
                        assert_true(err.code == ERR_NO_MEMORY || err.code == ERR_EVALUATION);
        }
}

static void run_case(struct world *w, struct str line)
{
        struct cel_activation activation = {.values = w->values, .count = w->count};
        struct cel_eval eval = {.arena = &w->arena, .activation = &activation};
        struct arena_mark mark = arena_mark(&w->arena);
        struct cel_options options = {.unchecked = str_starts(line, STR("~ "))};
        struct cel_program *program;
        struct cel_value value;
        struct str expression;
        struct str expected;
        struct err err = {0};
        BUF_SCOPED text;
        char kind;

        buf_init(&text, 65536);
        if (!split_case(line, &expression, &kind, &expected))
                COMPLAIN("no case: %.*s", STR_ARG(line));
        if (options.unchecked)
                expression = str_slice(expression, 2, SIZE_MAX);
        if (!cel_compile(w->env, expression, &options, &program, &err)) {
                if (kind != '!')
                        COMPLAIN("%.*s\ndoes not compile: %s", STR_ARG(line), err.message);
                expect_message(line, &err, expected);
                return;
        }
        if (kind == '!')
                COMPLAIN("%.*s\ncompiles", STR_ARG(line));
        eval.trace = cel_trace_new(&w->arena, program);
        assert_non_null(eval.trace);
        if (cel_eval(program, &eval, &value, &err)) {
                cel_append(&text, value);
                if (kind != '=' || !str_eq(buf_str(&text), expected))
                        COMPLAIN("%.*s\nyields %.*s", STR_ARG(line), STR_ARG(buf_str(&text)));
        } else {
                if (kind != '?')
                        COMPLAIN("%.*s\nfails with: %s", STR_ARG(line), err.message);
                expect_message(line, &err, expected);
        }
        if ((kind == '=' && cel_program_cost(program).least > eval.cost) ||
            cel_program_cost(program).most < eval.cost)
                COMPLAIN("%.*s\ncosts %u, estimated %u to %u", STR_ARG(line), (unsigned)eval.cost,
                         (unsigned)cel_program_cost(program).least,
                         (unsigned)cel_program_cost(program).most);
        buf_reset(&text);
        cel_trace_append(&text, eval.trace);
        assert_true(text.len > 0);
        starve(w, program, eval.cost);
        cel_program_free(program);
        arena_rewind(&w->arena, mark);
}

static void every_case_yields_what_it_says(void **state)
{
        static char line[4096];
        FILE *file = fopen(cases_path, "r");
        struct world w = {0};
        unsigned count = 0;

        (void)state;
        assert_non_null(file);
        world_init(&w);
        while (fgets(line, sizeof(line), file)) {
                struct str text = str_trim(str_from(line));

                if (text.len == 0 || (str_starts(text, STR("#")) && !str_starts(text, STR("# !!"))) ||
                    (str_starts(text, STR("//")) && str_find_str(text, STR("=>")) < 0))
                        continue;
                run_case(&w, text);
                count++;
        }
        fclose(file);
        world_done(&w);
        print_message("%u cases\n", count);
        assert_true(count > 600);
        assert_int_equal(failures, 0);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_yields_what_it_says)};

        if (argc < 2) {
                fprintf(stderr, "usage: %s cases.txt\n", argv[0]);
                return 2;
        }
        cases_path = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
