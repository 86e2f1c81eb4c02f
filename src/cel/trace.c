/* SPDX-License-Identifier: Apache-2.0 */
#include "cel/eval.h"

struct seen {
        struct cel_value value;
        uint32_t times;
};

struct place {
        uint32_t op;
        uint32_t depth;
};

struct cel_trace {
        const struct cel_program *program;
        struct seen *seen;    /* by operation */
        struct place *places; /* operations in the order of the source, parents first */
        uint32_t count;
};

static void list_places(struct cel_trace *trace, uint32_t index, uint32_t depth)
{
        const struct op *op = &trace->program->ops[index];

        trace->places[trace->count++] = (struct place){index, depth};
        for (uint32_t i = 0; i < op_children(op); i++)
                list_places(trace, op_child(trace->program, op, i), depth + 1);
}

struct cel_trace *cel_trace_new(struct arena *arena, const struct cel_program *program)
{
        struct cel_trace *trace = ARENA_NEW(arena, struct cel_trace);

        if (!trace)
                return NULL;
        trace->program = program;
        trace->seen = ARENA_ARRAY(arena, struct seen, program->op_count);
        trace->places = ARENA_ARRAY(arena, struct place, program->op_count);
        if (!trace->seen || !trace->places)
                return NULL;
        list_places(trace, program->root, 0);
        return trace;
}

void trace_record(struct cel_trace *trace, uint32_t op, struct cel_value value)
{
        trace->seen[op].value = value;
        trace->seen[op].times++;
}

uint32_t cel_trace_count(const struct cel_trace *trace)
{
        return trace->count;
}

struct cel_traced cel_trace_at(const struct cel_trace *trace, uint32_t index)
{
        const struct place *place = &trace->places[index];
        const struct span *span = &trace->program->spans[place->op];
        const struct seen *seen = &trace->seen[place->op];

        return (struct cel_traced){
                .text = str_slice(trace->program->source, span->start, span->end - span->start),
                .offset = span->start,
                .depth = place->depth,
                .times = seen->times,
                .constant = trace->program->ops[place->op].code == OP_LITERAL,
                .value = seen->value,
        };
}

void cel_trace_append(struct buf *buf, const struct cel_trace *trace)
{
        for (uint32_t i = 0; i < trace->count; i++) {
                struct cel_traced t = cel_trace_at(trace, i);

                if (t.constant && t.depth > 0)
                        continue;
                for (uint32_t d = 0; d < t.depth; d++)
                        buf_append_c(buf, "  ");
                buf_append_str(buf, t.text);
                buf_append_c(buf, " => ");
                if (t.times == 0)
                        buf_append_c(buf, "not evaluated");
                else if (t.value.kind == CEL_ERROR)
                        buf_printf(buf, "error: %.*s", STR_ARG(cel_error_text(t.value)));
                else
                        cel_append(buf, t.value);
                if (t.times > 1)
                        buf_printf(buf, " (last of %u)", t.times);
                buf_append_char(buf, '\n');
        }
}
