/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times the CEL engine on cases.json: the median over rounds of one evaluation,
 * and of compiling a 100-character expression. One line of JSON each.
 *
 *   cel_bench CASES
 */
#include "base/heap.h"
#include "cel/cel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Short rounds, many of them: most are not interrupted, even on a busy machine. */
enum { ROUNDS = 301, ROUND_NS = 200000 };

static double now_ns(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
        return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

struct subject {
        struct cel_env *env;
        struct str source;
        struct cel_program *program;
        struct cel_value values[8];
        uint32_t count;
        struct arena arena;
};

static void die(const char *what, const struct err *err)
{
        fprintf(stderr, "cel_bench: %s: %s\n", what, err->message);
        exit(1);
}

static void evaluate(struct subject *s)
{
        struct cel_activation activation = {.values = s->values, .count = s->count};
        struct cel_eval eval = {.arena = &s->arena, .activation = &activation};
        struct arena_mark mark = arena_mark(&s->arena);
        struct err err;
        bool result;

        if (!cel_eval_bool(s->program, &eval, &result, &err))
                die("evaluation", &err);
        arena_rewind(&s->arena, mark);
        __asm__ volatile("" : : "r"(result) : "memory");
}

static void compile(struct subject *s)
{
        struct cel_program *program;
        struct err err;

        if (!cel_compile(s->env, s->source, NULL, &program, &err))
                die("compilation", &err);
        cel_program_free(program);
}

/* The median over rounds; each round repeats until it has lasted long enough to be timed. */
static double median_ns(void (*work)(struct subject *), struct subject *s)
{
        double rounds[ROUNDS];
        uint64_t times = 1;

        for (;;) {
                double start = now_ns();

                for (uint64_t i = 0; i < times; i++)
                        work(s);
                if (now_ns() - start > ROUND_NS)
                        break;
                times *= 2;
        }
        for (int round = 0; round < ROUNDS; round++) {
                double start = now_ns();

                for (uint64_t i = 0; i < times; i++)
                        work(s);
                rounds[round] = (now_ns() - start) / (double)times;
        }
        qsort(rounds, ROUNDS, sizeof(rounds[0]), by_value);
        return rounds[ROUNDS / 2];
}

static void prepare(struct subject *s, const struct json *vars)
{
        struct err err;

        arena_init(&s->arena, 1 << 20);
        s->env = cel_env_new(&err);
        if (!s->env)
                die("environment", &err);
        for (uint32_t i = 0; i < vars->count; i++) {
                if (!cel_env_variable(s->env, vars->members[i].key.ptr, "dyn", NULL, &err))
                        die("variable", &err);
                s->values[i] = cel_json(&vars->members[i].value);
        }
        s->count = vars->count;
        if (!cel_compile(s->env, s->source, NULL, &s->program, &err))
                die("compilation", &err);
}

static void run_case(const struct json *item)
{
        struct subject s = {.source = json_get_string(item, "expr")};
        size_t before;
        double evaluation;

        prepare(&s, json_get(item, "vars"));
        evaluate(&s);
        heap_fail_from(0);
        before = heap_count();
        evaluation = median_ns(evaluate, &s);
        printf("{\"name\": \"%.*s\", \"eval_ns\": %.1f, \"compile_ns\": %.0f, \"bytes\": %zu, "
               "\"heap_allocations\": %zu}\n",
               STR_ARG(json_get_string(item, "name")), evaluation, median_ns(compile, &s),
               cel_program_size_bytes(s.program), heap_count() - before);
        cel_program_free(s.program);
        cel_env_free(s.env);
        arena_done(&s.arena);
}

/* 100 characters of an ordinary condition. */
static void run_compile(void)
{
        static const char text[] = "request.environment == \"prd\" && size(request.tags) < 12 && "
                                   "request.owner in [\"ada\", \"bob\", \"cyrill\"]";
        struct subject s = {.source = str_make(text, sizeof(text) - 1)};
        struct err err;

        s.env = cel_env_new(&err);
        if (!s.env || !cel_env_variable(s.env, "request", "map(string, dyn)", NULL, &err) ||
            !cel_compile(s.env, s.source, NULL, &s.program, &err))
                die("compilation", &err);
        printf("{\"name\": \"compile_100\", \"characters\": %zu, \"compile_ns\": %.0f, \"bytes\": %zu}\n",
               s.source.len, median_ns(compile, &s), cel_program_size_bytes(s.program));
        cel_program_free(s.program);
        cel_env_free(s.env);
}

int main(int argc, char **argv)
{
        static char text[1 << 20];
        ARENA_SCOPED arena;
        struct json cases;
        struct err err;
        FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
        size_t len;

        arena_init(&arena, 16 << 20);
        if (!file) {
                fprintf(stderr, "usage: cel_bench CASES\n");
                return 2;
        }
        len = fread(text, 1, sizeof(text), file);
        fclose(file);
        if (!json_parse(&arena, str_make(text, len), &cases, &err))
                die("cases", &err);
        for (uint32_t i = 0; i < cases.count; i++)
                run_case(&cases.items[i]);
        run_compile();
        return 0;
}
