/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a program: its operations, its costs, its text. */
#include "cel/env.h"
#include "cel/eval.h"

uint32_t op_children(const struct op *op)
{
        switch ((enum op_code)op->code) {
        case OP_LITERAL:
        case OP_VARIABLE:
        case OP_LOCAL:
        case OP_UNKNOWN:
                return 0;
        case OP_SELECT:
        case OP_SELECT_OPTIONAL:
        case OP_HAS:
        case OP_NEG:
        case OP_NOT:
        case OP_MATCHES:
                return 1;
        case OP_AND:
        case OP_OR:
        case OP_CONDITION:
        case OP_LIST:
        case OP_MAP:
        case OP_STRUCT:
        case OP_CALL:
        case OP_DISPATCH:
        case OP_LOOP:
        case OP_BLOCK:
                return op->count;
        default:
                return 2;
        }
}

uint32_t op_child(const struct cel_program *program, const struct op *op, uint32_t index)
{
        switch ((enum op_code)op->code) {
        case OP_AND:
        case OP_OR:
        case OP_CONDITION:
        case OP_LIST:
        case OP_MAP:
        case OP_STRUCT:
        case OP_CALL:
        case OP_DISPATCH:
        case OP_LOOP:
        case OP_BLOCK:
                return program->operands[op->a + index] & ~OPERAND_OPTIONAL;
        default:
                return index == 0 ? op->a : op->b;
        }
}

/* The word at an operation's position: the operator, or the function's name. */
struct str op_name(const struct cel_program *program, uint32_t op)
{
        const struct span *span = &program->spans[op];
        struct str text = str_slice(program->source, span->position, SIZE_MAX);
        size_t len = 0;

        if (program->ops[op].code == OP_AND)
                return STR("&&");
        if (program->ops[op].code == OP_OR)
                return STR("||");
        while (len < text.len && (text.ptr[len] == '_' || (text.ptr[len] >= 'a' && text.ptr[len] <= 'z') ||
                                  (text.ptr[len] >= 'A' && text.ptr[len] <= 'Z') ||
                                  (text.ptr[len] >= '0' && text.ptr[len] <= '9')))
                len++;
        if (len == 0)
                while (len < text.len && len < 2 && strchr("=!<>+-*/%?[.", text.ptr[len]))
                        len++;
        return str_slice(text, 0, len);
}

struct str cel_program_source(const struct cel_program *program)
{
        return program->source;
}

void cel_program_append_type(struct buf *buf, const struct cel_program *program)
{
        buf_append_str(buf, program->type);
}

size_t cel_program_size_bytes(const struct cel_program *program)
{
        return program->size_bytes;
}

bool cel_program_uses(const struct cel_program *program, uint32_t slot)
{
        for (uint32_t i = 0; i < program->op_count; i++)
                if (program->ops[i].code == OP_VARIABLE && program->ops[i].a == slot)
                        return true;
        return false;
}

struct cel_cost cel_program_cost(const struct cel_program *program)
{
        return program->cost;
}
