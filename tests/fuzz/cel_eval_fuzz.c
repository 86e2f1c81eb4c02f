/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evaluating CEL: within the budget, within the estimate, the same again, the
 * same when it is traced, the same whether it was type-checked or not, and the
 * same when it is answered together with others (cel/many.h), at every limit.
 */
#include "cel_world.h"

#include "cel/many.h"

enum { LIMIT = 20000, MEMORY = 4 << 20 };

struct outcome {
        bool ok;
        enum err_code code;
        uint64_t cost;
        struct buf text;
};

static void run(struct world *w, const struct cel_program *program, bool traced, struct outcome *ret)
{
        struct cel_activation activation = {.values = w->values, .count = WORLD_VARIABLES};
        struct cel_eval eval = {.activation = &activation, .cost_limit = LIMIT};
        struct json_writer writer;
        struct cel_value value;
        struct err err = {0};
        ARENA_SCOPED arena;
        BUF_SCOPED json;

        arena_init(&arena, MEMORY);
        buf_init(&json, 1 << 20);
        buf_init(&ret->text, 1 << 20);
        eval.arena = &arena;
        if (traced)
                eval.trace = cel_trace_new(&arena, program);
        ret->ok = cel_eval(program, &eval, &value, &err);
        ret->code = err.code;
        ret->cost = eval.cost;
        if (ret->ok) {
                cel_append(&ret->text, value);
                json_writer_init(&writer, &json);
                cel_write_json(&writer, value);
        } else {
                FUZZ_CHECK(err.code == ERR_EVALUATION || err.code == ERR_COST_EXCEEDED ||
                           err.code == ERR_NO_MEMORY);
        }
        if (eval.trace)
                cel_trace_append(&json, eval.trace);
}

static void compare(const struct outcome *a, const struct outcome *b)
{
        if (a->code == ERR_NO_MEMORY || b->code == ERR_NO_MEMORY)
                return;
        FUZZ_CHECK(a->ok == b->ok && a->code == b->code);
        FUZZ_CHECK(a->text.failed || str_eq(buf_str(&a->text), buf_str(&b->text)));
}

/* Twice, so that what they share is shared. */
static void together(struct world *w, const struct cel_program *program, uint64_t limit)
{
        const struct cel_program *const programs[] = {program, program};
        static const uint32_t order[] = {1, 0};
        struct cel_activation activation = {.values = w->values, .count = WORLD_VARIABLES};
        struct cel_eval eval = {.activation = &activation, .cost_limit = limit};
        struct cel_many_eval many_eval;
        const struct cel_many *many;
        enum cel_holds holds;
        bool alone = false;
        struct err err;
        bool ok;
        ARENA_SCOPED arena;
        ARENA_SCOPED scratch;

        arena_init(&arena, MEMORY);
        arena_init(&scratch, MEMORY);
        eval.arena = &arena;
        ok = cel_eval_bool(program, &eval, &alone, &err);
        if (!ok && err.code == ERR_NO_MEMORY)
                return;
        FUZZ_CHECK(cel_many_new(&arena, programs, 2, limit, &many, &err) || arena.failed);
        if (arena.failed)
                return;
        cel_many_begin(many, &activation, &scratch, &many_eval);
        for (uint32_t i = 0; i < 2; i++) {
                uint32_t found = cel_many_find(&many_eval, order, i, 2, true, &holds);

                FUZZ_CHECK(found == (ok && !alone ? 2 : i));
                FUZZ_CHECK(found == 2 || holds == (ok ? CEL_HOLDS : CEL_HOLDS_FAILED));
        }
}

static void fuzz_program(struct world *w, const struct cel_program *program, struct outcome *first)
{
        struct outcome again;
        struct outcome traced;

        run(w, program, false, first);
        run(w, program, false, &again);
        run(w, program, true, &traced);
        compare(first, &again);
        compare(first, &traced);
        together(w, program, LIMIT);
        if (first->cost > 1) {
                together(w, program, first->cost);
                together(w, program, first->cost - 1);
                together(w, program, first->cost / 2);
        }
        FUZZ_CHECK(first->cost == again.cost || first->code == ERR_NO_MEMORY);
        if (first->ok) {
                FUZZ_CHECK(first->cost <= LIMIT);
                FUZZ_CHECK(first->cost <= cel_program_cost(program).most);
                FUZZ_CHECK(first->cost >= cel_program_cost(program).least);
        }
        buf_done(&again.text);
        buf_done(&traced.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct cel_options unchecked = {.unchecked = true};
        static struct world w;
        struct cel_program *program;
        struct outcome strict = {0};
        struct outcome loose = {0};
        struct err err;
        bool checked;

        if (!w.env)
                world_init(&w);
        checked = cel_compile(w.env, str_make(data, size), NULL, &program, &err);
        if (checked) {
                fuzz_program(&w, program, &strict);
                cel_program_free(program);
        }
        if (cel_compile(w.env, str_make(data, size), &unchecked, &program, &err)) {
                fuzz_program(&w, program, &loose);
                cel_program_free(program);
                if (checked)
                        compare(&strict, &loose);
        } else {
                FUZZ_CHECK(!checked);
        }
        buf_done(&strict.text);
        buf_done(&loose.text);
        return 0;
}
