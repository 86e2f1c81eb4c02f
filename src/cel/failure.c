/* SPDX-License-Identifier: Apache-2.0 */
/* What stops an evaluation or gives it no value: cost, memory, errors; and how people hear of it. */
#include "cel/eval.h"

#include "cel/ast.h"

#include <stdio.h>

/* ---- Cost and memory ---- */

struct cel_value eval_stop(struct cel_call *call, enum err_code code)
{
        if (!call->stopped)
                call->stopped = code;
        call->special = true;
        return eval_stopped();
}

bool cel_charge(struct cel_call *call, uint64_t cost)
{
        if (__builtin_add_overflow(call->cost, cost, &call->cost) || call->cost > call->limit) {
                call->cost = call->cost < call->limit ? UINT64_MAX : call->cost;
                eval_stop(call, ERR_COST_EXCEEDED);
                return false;
        }
        return true;
}

void *eval_alloc(struct cel_call *call, size_t count, size_t size_bytes)
{
        void *memory;

        if (!charge_bytes(call, count * size_bytes))
                return NULL;
        memory = arena_alloc_array(call->arena, count, size_bytes);
        if (!memory)
                eval_stop(call, ERR_NO_MEMORY);
        return memory;
}

char *eval_alloc_bytes(struct cel_call *call, size_t len)
{
        char *memory;

        if (!charge_bytes(call, len))
                return NULL;
        memory = arena_alloc_bytes(call->arena, len);
        if (!memory)
                eval_stop(call, ERR_NO_MEMORY);
        return memory;
}

struct arena *cel_call_arena(struct cel_call *call)
{
        return call->arena;
}

/* ---- Errors as values ---- */

struct cel_value cel_fail(struct cel_call *call, const char *format, ...)
{
        char text[300];
        struct cel_failure *failure;
        va_list args;
        int len;

        va_start(args, format);
        len = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        failure = ARENA_NEW(call->arena, struct cel_failure);
        if (!failure)
                return eval_stop(call, ERR_NO_MEMORY);
        failure->text = arena_str(call->arena,
                                  str_make(text, len < (int)sizeof(text) ? (size_t)len : sizeof(text) - 1));
        return failure->text.ptr ? error_value(failure) : eval_stop(call, ERR_NO_MEMORY);
}

struct cel_value cel_fail_overload(struct cel_call *call)
{
        (void)call;
        return error_value(&failure_overload);
}

struct str cel_error_text(struct cel_value error)
{
        return error.kind == CEL_ERROR && error.failure ? error.failure->text : STR("");
}

/* ---- For people ---- */

/* "no such overload: + of int and string" */
static void describe_overload(struct cel_call *call, struct cel_value error, struct buf *buf)
{
        buf_append_c(buf, "no such overload");
        if (error.len == 0)
                return;
        buf_printf(buf, ": \"%.*s\" does not take", STR_ARG(op_name(call->program, error.len - 1)));
        for (uint32_t i = 0; i < 4 && error.reserved >> 4 * i; i++) {
                struct cel_value sample = {.kind = (uint8_t)(error.reserved >> 4 * i & 15)};

                buf_append_c(buf, i == 0 ? " " : ", ");
                buf_append_str(buf,
                               sample.kind == CEL_OPAQUE ? STR("an opaque value") : cel_type_name(sample));
        }
}

bool failure_report(struct cel_call *call, struct cel_value error, struct err *err)
{
        const struct cel_program *program = call->program;
        uint32_t position = error.len > 0 ? program->spans[error.len - 1].position : 0;
        char memory[256];
        struct buf text = {.ptr = memory, .size_bytes = sizeof(memory) - 1, .cap_bytes = sizeof(memory) - 1};

        memory[0] = '\0';
        if (call->stopped == ERR_COST_EXCEEDED)
                return cel_message_at(err, ERR_COST_EXCEEDED, program->source, 0,
                                      "the evaluation was stopped at its cost limit of %llu",
                                      (unsigned long long)call->limit);
        if (call->stopped)
                return err_set(err, call->stopped, "the evaluation needs more memory than it is given");
        if (error.failure == &failure_overload) {
                describe_overload(call, error, &text);
                return cel_message_at(err, ERR_EVALUATION, program->source, position, "%.*s",
                                      STR_ARG(buf_str(&text)));
        }
        return cel_message_at(err, ERR_EVALUATION, program->source, position, "%.*s",
                              STR_ARG(error.failure->text));
}
