/* SPDX-License-Identifier: Apache-2.0 */
/* When two operations mean the same, so that one evaluation is enough for both. */
#include "cel/ast.h"
#include "cel/many_parts.h"

static bool literal_same(struct cel_value a, struct cel_value b)
{
        if (a.kind != b.kind || a.len != b.len)
                return false;
        switch ((enum cel_kind)a.kind) {
        case CEL_STRING:
        case CEL_BYTES:
        case CEL_TYPE:
                return a.len == 0 || memcmp(a.bytes, b.bytes, a.len) == 0;
        case CEL_LIST:
                if (a.form != CEL_FORM_NATIVE || b.form != CEL_FORM_NATIVE)
                        return false;
                for (uint32_t i = 0; i < a.len; i++)
                        if (!literal_same(a.items[i], b.items[i]))
                                return false;
                return true;
        case CEL_NULL:
                return true;
        case CEL_BOOL:
        case CEL_INT:
        case CEL_UINT:
        case CEL_DOUBLE:
        case CEL_TIMESTAMP:
        case CEL_DURATION:
                return a.uinteger == b.uinteger;
        default:
                return false;
        }
}

static struct str text_of(const struct cel_program *program, uint32_t op)
{
        const struct span *span = &program->spans[op];

        return str_slice(program->source, span->start, span->end - span->start);
}

/* What an operation is besides its operands. */
static bool head_same(const struct cel_program *pa, uint32_t in_a, const struct cel_program *pb,
                      uint32_t in_b)
{
        const struct op *a = &pa->ops[in_a];
        const struct op *b = &pb->ops[in_b];

        if (a->code != b->code || a->flags != b->flags || op_children(a) != op_children(b))
                return false;
        switch ((enum op_code)a->code) {
        case OP_LITERAL:
        case OP_UNKNOWN:
        case OP_SELECT:
        case OP_SELECT_OPTIONAL:
        case OP_HAS:
        case OP_STRUCT:
                return literal_same(a->value, b->value);
        case OP_VARIABLE:
        case OP_LOCAL:
                return a->a == b->a;
        case OP_CALL:
                return a->function == b->function && a->data == b->data;
        case OP_DISPATCH:
                return a->overloads == b->overloads;
        case OP_MATCHES: /* the pattern is no operand any more */
                return str_eq(text_of(pa, in_a), text_of(pb, in_b));
        case OP_LOOP:
        case OP_BIND:
        case OP_BLOCK:
        case OP_OPT_MAP:
                return a->c == b->c;
        default:
                return true;
        }
}

/* The mark of an operand that is written with '?'. */
static bool marks_same(const struct cel_program *pa, const struct op *a, const struct cel_program *pb,
                       const struct op *b)
{
        if (a->code != OP_LIST && a->code != OP_MAP && a->code != OP_STRUCT)
                return true;
        for (uint32_t i = 0; i < a->count; i++)
                if ((pa->operands[a->a + i] ^ pb->operands[b->a + i]) & OPERAND_OPTIONAL)
                        return false;
        return true;
}

bool op_same(const struct cel_program *a, uint32_t in_a, const struct cel_program *b, uint32_t in_b)
{
        const struct op *one = &a->ops[in_a];
        const struct op *two = &b->ops[in_b];

        if (a == b && in_a == in_b)
                return true;
        if (!head_same(a, in_a, b, in_b) || !marks_same(a, one, b, two))
                return false;
        for (uint32_t i = 0, count = op_children(one); i < count; i++)
                if (!op_same(a, op_child(a, one, i), b, op_child(b, two, i)))
                        return false;
        return true;
}

static uint64_t mix(uint64_t hash, uint64_t with)
{
        hash = (hash ^ with) * UINT64_C(0x9E3779B97F4A7C15);
        return hash ^ hash >> 29;
}

uint64_t op_hash(const struct cel_program *program, uint32_t in)
{
        const struct op *op = &program->ops[in];
        uint64_t hash = mix(op->code, op->flags);

        switch ((enum op_code)op->code) {
        case OP_LITERAL:
        case OP_SELECT:
        case OP_SELECT_OPTIONAL:
        case OP_HAS:
                hash = mix(hash, op->value.kind);
                hash = mix(hash, op->value.len);
                if (op->value.kind == CEL_STRING || op->value.kind == CEL_BYTES)
                        for (uint32_t i = 0; i < op->value.len; i++)
                                hash = mix(hash, (uint8_t)op->value.bytes[i]);
                else if (op->value.kind == CEL_INT || op->value.kind == CEL_DURATION)
                        hash = mix(hash, op->value.uinteger);
                break;
        case OP_VARIABLE:
                hash = mix(hash, op->a);
                break;
        default:
                break;
        }
        for (uint32_t i = 0, count = op_children(op); i < count; i++)
                hash = mix(hash, op_hash(program, op_child(program, op, i)));
        return hash;
}
