/* SPDX-License-Identifier: Apache-2.0 */
/* What bounds the engine: cost, memory, stack, size; and that threads may share a program. */
#include "cel/many.h"
#include "cel/test_world.h"

#include "base/heap.h"

#include <pthread.h>
#include <time.h>

static const char *hostile_path;

/* ---- No allocation goes unseen: the linker sends ours here ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);

static _Atomic unsigned allocations;

void *__wrap_malloc(size_t size)
{
        allocations++;
        return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
        allocations++;
        return __real_calloc(count, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
        allocations++;
        return __real_realloc(ptr, size);
}

static void an_evaluation_costs_exactly_what_it_says(void **state)
{
        struct world *w = *state;
        struct cel_program *program = world_compile(w, "numbers.exists(n, n == 20) && request.size == 5");
        struct cel_activation activation = {.values = w->values, .count = 3};
        struct cel_eval eval = {.arena = &w->arena, .activation = &activation};
        struct err err;
        uint64_t cost;
        bool result;

        assert_true(cel_eval_bool(program, &eval, &result, &err));
        cost = eval.cost;
        assert_true(cost > 10 && cost < 40);
        eval.cost_limit = cost;
        assert_true(cel_eval_bool(program, &eval, &result, &err));
        assert_int_equal(eval.cost, cost);
        eval.cost_limit = cost - 1;
        assert_false(cel_eval_bool(program, &eval, &result, &err));
        assert_int_equal(err.code, ERR_COST_EXCEEDED);
        cel_program_free(program);
}

static void an_evaluation_never_touches_the_heap(void **state)
{
        static const char *const expressions[] = {
                "request.method == \"GET\" && request.size < 10",
                "numbers.map(n, n * 2).filter(n, n > 5).size() == 2",
                "(request.method + \"/\" + string(request.size)).startsWith(\"GET/5\")",
                "{\"a\": numbers, \"b\": request.size}.a[1] == 10",
                "\"%s:%d\".format([request.method, request.size]) == \"GET:5\"",
                "timestamp(\"2026-01-01T00:00:00Z\") + duration(string(request.size) + \"s\") > "
                "timestamp(request.size)",
                "ip(\"10.0.0.\" + string(request.size)).family() == 4 && "
                "base64.encode(bytes(request.method)) != \"\"",
                "[3, request.size, 1].sort()[2] == 5 && 1 / 0 == 1 || true",
                "lists.range(20).map(i, {i: i}).size() == 20",
        };
        struct world *w = *state;
        struct cel_activation activation = {.values = w->values, .count = 3};

        for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++) {
                struct cel_program *program = world_compile(w, expressions[i]);
                struct cel_eval eval = {.arena = &w->arena, .activation = &activation};
                struct err err;
                bool result;
                size_t heap;

                for (int warm = 0; warm < 2; warm++) {
                        arena_reset(&w->arena);
                        heap = heap_count();
                        allocations = 0;
                        if (!cel_eval_bool(program, &eval, &result, &err))
                                fail_msg("%s: %s", expressions[i], err.message);
                        assert_true(result);
                }
                assert_int_equal(allocations, 0);
                assert_int_equal(heap_count(), heap);
                cel_program_free(program);
        }
}

static void compiling_fails_cleanly_at_every_allocation(void **state)
{
        struct world *w = *state;
        struct cel_program *program = NULL;
        struct err err;
        size_t n = 1;
        bool done = false;

        for (; !done && n < 200; n++) {
                heap_fail_from(n);
                done = cel_compile(w->env,
                                   STR("request.a in [1, 2, 3] && {\"k\": [1, 2]}[\"k\"][0] == 1 && "
                                       "[[]].map(x, x) == [] && lazy.matches(\"a+\")"),
                                   NULL, &program, &err);
                heap_fail_from(0);
                if (!done)
                        assert_int_equal(err.code, ERR_NO_MEMORY);
        }
        assert_true(done && n > 2);
        cel_program_free(program);
        for (n = 1, done = false; !done && n < 200; n++) {
                struct cel_env *env;

                heap_fail_from(n);
                env = cel_env_new(&err);
                done = env && cel_env_variable(env, "x", "list(map(string, int))", NULL, &err);
                heap_fail_from(0);
                if (!done)
                        assert_int_equal(err.code, ERR_NO_MEMORY);
                cel_env_free(env);
        }
        assert_true(done);
}

struct shared {
        const struct cel_program *program;
        bool ok;
};

static void *evaluate_often(void *data)
{
        struct shared *shared = data;
        struct cel_value x = cel_int(20);
        struct cel_activation activation = {.values = &x, .count = 1};
        ARENA_SCOPED arena;

        arena_init(&arena, 1 << 20);
        shared->ok = true;
        for (int i = 0; i < 2000; i++) {
                struct cel_eval eval = {.arena = &arena, .activation = &activation};
                struct err err;
                bool result = false;

                shared->ok &= cel_eval_bool(shared->program, &eval, &result, &err) && result;
                arena_reset(&arena);
        }
        return NULL;
}

static void a_program_is_shared_by_threads(void **state)
{
        struct shared shared[4];
        pthread_t threads[4];
        struct cel_env *env;
        struct cel_program *program;
        struct err err;

        (void)state;
        env = cel_env_new(&err);
        assert_non_null(env);
        assert_true(cel_env_variable(env, "x", "int", NULL, &err));
        assert_true(cel_compile(env,
                                STR("[1, 2, 3].map(i, i * x) == [20, 40, 60] && "
                                    "string(x).matches(\"^[0-9]+$\") && "
                                    "timestamp(x).getHours(\"Europe/Berlin\") == 1"),
                                NULL, &program, &err));
        for (int i = 0; i < 4; i++) {
                shared[i].program = program;
                assert_int_equal(pthread_create(&threads[i], NULL, evaluate_often, &shared[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
                pthread_join(threads[i], NULL);
                assert_true(shared[i].ok);
        }
        cel_program_free(program);
        cel_env_free(env);
}

static void searching_a_large_object_costs(void **state)
{
        struct world *w = *state;
        struct cel_program *program;
        struct cel_eval eval = {.arena = &w->arena};
        struct cel_activation activation = {.count = 1};
        struct cel_value value;
        struct json document;
        struct cel_env *env;
        struct err err;
        BUF_SCOPED text;

        buf_init(&text, 1 << 20);
        buf_append_c(&text, "{\"k0\": 0");
        for (int i = 1; i < 3200; i++)
                buf_printf(&text, ", \"k%d\": %d", i, i);
        buf_append_c(&text, "}");
        env = cel_env_new(&err);
        assert_non_null(env);
        assert_true(cel_env_variable(env, "m", "dyn", NULL, &err));
        assert_true(json_parse(&w->arena, buf_str(&text), &document, &err));
        value = cel_json(&document);
        activation.values = &value;
        eval.activation = &activation;
        assert_true(cel_compile(env, STR("m.k3199 + m.k1 == 3200"), NULL, &program, &err));
        assert_true(cel_eval(program, &eval, &value, &err));
        assert_in_range(eval.cost, 400, 420);
        value = cel_json(&document);
        eval.cost_limit = 300;
        assert_false(cel_eval(program, &eval, &value, &err));
        assert_int_equal(err.code, ERR_COST_EXCEEDED);
        cel_program_free(program);
        cel_env_free(env);
}

/* ---- Limits ---- */

static void fill(struct buf *buf, const char *before, const char *middle, const char *after, unsigned times)
{
        buf_reset(buf);
        for (unsigned i = 0; i < times; i++)
                buf_append_c(buf, before);
        buf_append_c(buf, middle);
        for (unsigned i = 0; i < times; i++)
                buf_append_c(buf, after);
}

static void *compile_and_evaluate(void *data)
{
        struct world *w = data;
        struct cel_program *program;
        struct cel_value value;
        struct cel_eval eval = {.arena = &w->arena, .cost_limit = 1000000};
        struct err err;
        BUF_SCOPED text;
        static const char *const shapes[][3] = {
                {"(", "1", ")"},
                {"[", "1", "]"},
                {"{1: ", "1", "}"},
                {"-(", "1", ")"},
                {"", "1", " + 1"},
                {"size([", "1", "])"},
                {"true ? (", "1", ") : 2"},
                {"[1].map(i, ", "1", ")"},
                {"1 == 1 && (true || (", "true", "))"},
        };

        buf_init(&text, 1 << 20);
        for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
                unsigned deepest = 0;

                for (unsigned times = 1; times < 120; times++) {
                        fill(&text, shapes[i][0], shapes[i][1], shapes[i][2], times);
                        if (!cel_compile(w->env, buf_str(&text), NULL, &program, &err))
                                continue;
                        deepest = times;
                        if (!cel_eval(program, &eval, &value, &err))
                                assert_string_equal(err.message, "");
                        cel_program_free(program);
                        arena_reset(&w->arena);
                }
                assert_in_range(deepest, 20, 119);
        }
        return NULL;
}

/* Conditions too that are answered together with others. */
static void *answer_together(void *data)
{
        static const char *const shapes[][3] = {
                {"lazy == 'fetched' && (lazy != 'fetched' || (", "lazy == 'fetched'", "))"},
                {"!(lazy in ['a', 'b'] || (", "[lazy].exists(x, x == 'a')", "))"},
                {"", "request.method", ".m"},
        };
        static const uint32_t first = 0;
        struct world *w = data;
        struct cel_activation activation = {
                .values = w->values, .count = 3, .fetch = world_fetch, .data = w};
        struct cel_eval eval = {.arena = &w->arena, .activation = &activation, .cost_limit = 100000};
        BUF_SCOPED text;

        buf_init(&text, 1 << 20);
        for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
                for (unsigned times = 1; times < 120; times++) {
                        struct cel_many_eval together;
                        const struct cel_many *many;
                        const struct cel_program *one;
                        struct cel_program *program;
                        enum cel_holds holds;
                        bool alone = false;
                        struct err err;
                        bool ok;

                        fill(&text, shapes[i][0], shapes[i][1], shapes[i][2], times);
                        if (!cel_compile(w->env, buf_str(&text), NULL, &program, &err))
                                break;
                        one = program;
                        ok = cel_eval_bool(program, &eval, &alone, &err);
                        assert_true(cel_many_new(&w->arena, &one, 1, 100000, &many, &err));
                        cel_many_begin(many, &activation, &w->arena, &together);
                        (void)cel_many_find(&together, &first, 0, 1, true, &holds);
                        assert_int_equal(holds, ok ? (alone ? CEL_HOLDS : CEL_HOLDS_NOT) : CEL_HOLDS_FAILED);
                        cel_program_free(program);
                        arena_reset(&w->arena);
                }
        return NULL;
}

static void run_on_a_fibers_stack(void *(*work)(void *), void *data)
{
        pthread_attr_t attributes;
        pthread_t thread;
        size_t stack = 64 * 1024;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        stack *= 16; /* sanitizers make frames larger */
#endif
        pthread_attr_init(&attributes);
        assert_int_equal(pthread_attr_setstacksize(&attributes, stack), 0);
        assert_int_equal(pthread_create(&thread, &attributes, work, data), 0);
        pthread_join(thread, NULL);
        pthread_attr_destroy(&attributes);
}

/* The deepest expressions compile and run within a fiber's stack of 64 KiB. */
static void the_deepest_expression_fits_a_fiber(void **state)
{
        run_on_a_fibers_stack(compile_and_evaluate, *state);
        run_on_a_fibers_stack(answer_together, *state);
}

static void refuse(struct world *w, struct str source, const struct cel_options *options, const char *why)
{
        struct cel_program *program;
        struct err err;

        assert_false(cel_compile(w->env, source, options, &program, &err));
        if (!strstr(err.message, why))
                fail_msg("expected \"%s\" in \"%s\"", why, err.message);
        assert_null(program);
}

static void what_is_too_large_is_refused(void **state)
{
        struct world *w = *state;
        struct cel_options small = {.source_max_bytes = 10};
        struct cel_options cheap = {.cost_max = 2};
        const struct cel_type *boolean;
        struct cel_options condition = {0};
        struct err err;
        BUF_SCOPED text;

        buf_init(&text, 1 << 20);
        assert_true(cel_type_parse(w->env, STR("bool"), &boolean, &err));
        condition.result = boolean;
        refuse(w, STR("1 + 1 + 1 + 1"), &small, "13 bytes; 10 are allowed");
        refuse(w, STR("numbers[0] + numbers[1] == 1"), &cheap, "costs at least");
        refuse(w, STR("1 + 1"), &condition, "must yield bool, not int");
        refuse(w, STR("1 + \xff"), NULL, "not UTF-8");
        fill(&text, "(", "1", ")", 60);
        refuse(w, buf_str(&text), NULL, "parentheses and brackets are open");
        fill(&text, "", "1", " + 1", 200);
        refuse(w, buf_str(&text), NULL, "nested deeper than");
        fill(&text, "", "[1", ",1", 20000);
        refuse(w, buf_str(&text), NULL, "more than 16384 parts");
        fill(&text, "", "1", " ", 70000);
        refuse(w, buf_str(&text), NULL, "65536 are allowed");
        fill(&text, "true && ", "true", "", 500);
        cel_program_free(world_compile(w, buf_str(&text).ptr));
}

static double thread_ms(void);

/* cel.bind(a, {1: []}, cel.bind(b, {a: a}, …)): the type doubles each time. */
static void a_huge_type_takes_no_time(void **state)
{
        static const char *const firsts[] = {"[]", "1", "{1: []}", "optional.none()"};
        struct world *w = *state;

        for (size_t first = 0; first < sizeof(firsts) / sizeof(firsts[0]); first++) {
                struct cel_program *program;
                struct err err;
                double start;
                BUF_SCOPED text;

                buf_init(&text, 65536);
                buf_printf(&text, "cel.bind(v0, %s, ", firsts[first]);
                for (int i = 1; i < 40; i++)
                        buf_printf(&text, "cel.bind(v%d, {v%d: [v%d, v%d]}, ", i, i - 1, i - 1, i - 1);
                buf_append_c(&text, "v39 == v39");
                for (int i = 0; i < 40; i++)
                        buf_append_char(&text, ')');
                start = thread_ms();
                if (!cel_compile(w->env, buf_str(&text), NULL, &program, &err))
                        fail_msg("%s", err.message);
                assert_true(thread_ms() - start < 100);
                cel_program_free(program);
        }
}

static double thread_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* The best of a few: what the expression itself takes, without its first page faults. */
static double time_bomb(struct world *w, const struct cel_program *program, const char *text)
{
        struct cel_activation activation = {
                .values = w->values, .count = 3, .fetch = world_fetch, .data = w};
        struct cel_eval eval = {.arena = &w->arena, .activation = &activation, .cost_limit = 5000};
        double best = 1e9;

        for (int i = 0; i < 3; i++) {
                struct cel_value value;
                struct err err;
                double start = thread_ms();

                if (cel_eval(program, &eval, &value, &err) || err.code != ERR_COST_EXCEEDED)
                        fail_msg("%s is not stopped", text);
                best = thread_ms() - start < best ? thread_ms() - start : best;
                arena_reset(&w->arena);
        }
        return best;
}

/* hostile.txt: each is stopped by a budget of 5000, within a millisecond in all. */
static void a_bomb_is_stopped_by_its_budget(void **state)
{
        static char line[4096];
        struct world *w = *state;
        FILE *file = fopen(hostile_path, "r");
        double allowed_ms = 1;
        unsigned count = 0;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
        allowed_ms = 100; /* instrumented code is no measure of time */
#endif
        assert_non_null(file);
        while (fgets(line, sizeof(line), file)) {
                struct cel_program *program;
                double took;

                if (line[0] == '#')
                        continue;
                line[strcspn(line, "\n")] = '\0';
                program = world_compile(w, line);
                took = time_bomb(w, program, line);
                if (took > allowed_ms)
                        fail_msg("%s takes %.2f ms", line, took);
                cel_program_free(program);
                count++;
        }
        fclose(file);
        assert_true(count > 30);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        const struct CMUnitTest tests[] = {
                TEST(an_evaluation_costs_exactly_what_it_says),
                TEST(an_evaluation_never_touches_the_heap),
                TEST(searching_a_large_object_costs),
                TEST(compiling_fails_cleanly_at_every_allocation),
                TEST(a_program_is_shared_by_threads),
                TEST(the_deepest_expression_fits_a_fiber),
                TEST(what_is_too_large_is_refused),
                TEST(a_huge_type_takes_no_time),
                TEST(a_bomb_is_stopped_by_its_budget),
        };

        if (argc < 2) {
                fprintf(stderr, "usage: %s hostile.txt\n", argv[0]);
                return 2;
        }
        hostile_path = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
