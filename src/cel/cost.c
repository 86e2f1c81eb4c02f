/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The static estimate: for each operation what it charges at least and at
 * most, and how large its value can be. What depends on inputs is unbounded.
 */
#include "cel/cost.h"

#include "base/heap.h"
#include "cel/ast.h"
#include "cel/eval.h"

#define UNBOUNDED UINT64_MAX

struct estimate {
        uint64_t least;
        uint64_t most;
        uint64_t size; /* of the value, at most: bytes or items */
};

static uint64_t add(uint64_t a, uint64_t b)
{
        uint64_t sum;

        return __builtin_add_overflow(a, b, &sum) ? UNBOUNDED : sum;
}

static uint64_t multiply(uint64_t a, uint64_t b)
{
        uint64_t product;

        return __builtin_mul_overflow(a, b, &product) ? UNBOUNDED : product;
}

static uint64_t per_16(uint64_t bytes)
{
        return bytes == UNBOUNDED ? UNBOUNDED : bytes / 16 + 1;
}

/* Children come before their parents in a program: each is estimated once. */
struct estimator {
        const struct cel_program *program;
        struct estimate *done; /* by operation */
};

/* All children, one after the other, and 1 for the operation itself. */
static struct estimate sequence(const struct estimator *e, const struct op *op)
{
        struct estimate sum = {1, 1, 0};

        for (uint32_t i = 0; i < op_children(op); i++) {
                struct estimate child = e->done[op_child(e->program, op, i)];

                sum.least = add(sum.least, child.least);
                sum.most = add(sum.most, child.most);
                sum.size = add(sum.size, child.size);
        }
        return sum;
}

static bool is_simple(struct cel_value value)
{
        return value.kind != CEL_LIST && value.kind != CEL_MAP && value.kind != CEL_OPTIONAL;
}

static uint64_t literal_size(struct cel_value value)
{
        if (value.kind == CEL_STRING || value.kind == CEL_BYTES || !is_simple(value))
                return value.len;
        return 1;
}

/* Equality looks no further than the smaller side, and no deeper than a simple one. */
static struct estimate binary(const struct estimator *e, const struct op *op)
{
        struct estimate sum = sequence(e, op);
        const struct op *left = &e->program->ops[op_child(e->program, op, 0)];
        const struct op *right = &e->program->ops[op_child(e->program, op, 1)];
        uint64_t a = e->done[op_child(e->program, op, 0)].size;
        uint64_t b = e->done[op_child(e->program, op, 1)].size;
        uint64_t smaller = a < b ? a : b;
        bool simple = (left->code == OP_LITERAL && is_simple(left->value)) ||
                      (right->code == OP_LITERAL && is_simple(right->value));

        switch ((enum op_code)op->code) {
        case OP_EQ:
        case OP_NE:
                sum.most = simple ? add(sum.most, add(1, per_16(smaller))) : UNBOUNDED;
                sum.size = 1;
                break;
        case OP_LT:
        case OP_LE:
        case OP_GT:
        case OP_GE:
                sum.most = add(sum.most, per_16(smaller));
                sum.size = 1;
                break;
        case OP_IN:
                sum.most = add(sum.most, multiply(b, add(2, per_16(a))));
                sum.size = 1;
                break;
        case OP_ADD:
                sum.most = add(sum.most, add(sum.size, 1));
                break;
        case OP_INDEX:
        case OP_INDEX_OPTIONAL:
                sum.most = add(sum.most, 8);
                sum.size = UNBOUNDED;
                break;
        default:
                sum.size = 1;
                break;
        }
        return sum;
}

static struct estimate logical(const struct estimator *e, const struct op *op)
{
        struct estimate sum = sequence(e, op);

        sum.least = add(1, e->done[op_child(e->program, op, 0)].least);
        sum.size = 1;
        return sum;
}

static struct estimate condition(const struct estimator *e, const struct op *op)
{
        struct estimate test = e->done[op_child(e->program, op, 0)];
        struct estimate yes = e->done[op_child(e->program, op, 1)];
        struct estimate no = e->done[op_child(e->program, op, 2)];

        return (struct estimate){
                add(add(1, test.least), yes.least < no.least ? yes.least : no.least),
                add(add(1, test.most), yes.most > no.most ? yes.most : no.most),
                yes.size > no.size ? yes.size : no.size,
        };
}

static struct estimate loop(const struct estimator *e, const struct op *op)
{
        struct estimate range = e->done[op_child(e->program, op, 0)];
        uint64_t round = 3;
        uint64_t size = 1;

        for (uint32_t i = 1; i < op->count; i++) {
                struct estimate part = e->done[op_child(e->program, op, i)];

                round = add(round, part.most);
                size = part.size;
        }
        switch ((enum loop_kind)(op->flags & ~LOOP_TWO)) {
        case LOOP_ALL:
        case LOOP_EXISTS:
        case LOOP_EXISTS_ONE:
                size = 1;
                break;
        case LOOP_TRANSFORM_MAP_ENTRY:
                size = multiply(range.size, size);
                round = add(round, multiply(size, 8));
                break;
        default:
                size = range.size;
                break;
        }
        return (struct estimate){add(1, range.least), add(add(range.most, 8), multiply(range.size, round)),
                                 size};
}

static struct estimate call(const struct estimator *e, const struct op *op)
{
        struct estimate sum = sequence(e, op);

        /* What functions charge is at most in proportion to the product of their arguments' sizes. */
        uint64_t product = 1;

        for (uint32_t i = 0; i < op->count; i++)
                product = multiply(product, add(1, e->done[op_child(e->program, op, i)].size));
        sum.most = op->code == OP_DISPATCH ? UNBOUNDED : add(sum.most, multiply(product, 4));
        sum.size = multiply(product, 4);
        return sum;
}

static struct estimate unary(const struct estimator *e, const struct op *op)
{
        struct estimate sum = sequence(e, op);

        if (op->code == OP_MATCHES)
                sum.most = add(sum.most, multiply(per_16(sum.size), op->regex_cost));
        else if (op->code != OP_NEG && op->code != OP_NOT && op->code != OP_HAS) {
                sum.most = add(sum.most, 8);
                sum.size = UNBOUNDED;
                return sum;
        }
        sum.size = 1;
        return sum;
}

static struct estimate estimate(const struct estimator *e, uint32_t index)
{
        const struct op *op = &e->program->ops[index];
        struct estimate sum;

        switch ((enum op_code)op->code) {
        case OP_LITERAL:
                return (struct estimate){0, 0, literal_size(op->value)};
        case OP_VARIABLE:
                return (struct estimate){1, add(1, e->program->variables), UNBOUNDED};
        case OP_LOCAL:
                return (struct estimate){1, 1, UNBOUNDED};
        case OP_UNKNOWN:
                return (struct estimate){1, 32, 1};
        case OP_SELECT:
        case OP_SELECT_OPTIONAL:
        case OP_HAS:
        case OP_NEG:
        case OP_NOT:
        case OP_MATCHES:
                return unary(e, op);
        case OP_AND:
        case OP_OR:
                return logical(e, op);
        case OP_CONDITION:
                return condition(e, op);
        case OP_LIST:
        case OP_MAP:
        case OP_STRUCT:
                sum = sequence(e, op);
                sum.most = add(sum.most, (uint64_t)op->count * 4 + 8);
                sum.size = op->count;
                return sum;
        case OP_CALL:
        case OP_DISPATCH:
                return call(e, op);
        case OP_LOOP:
                return loop(e, op);
        case OP_BLOCK:
                sum = sequence(e, op);
                sum.least = add(1, e->done[op_child(e->program, op, op->count - 1u)].least);
                return sum;
        case OP_BIND:
                sum = sequence(e, op);
                sum.size = e->done[op->b].size;
                return sum;
        case OP_OPT_MAP:
        case OP_OPT_OR:
                sum = sequence(e, op);
                sum.least = add(1, e->done[op->a].least);
                sum.most = add(sum.most, 2);
                sum.size = UNBOUNDED;
                return sum;
        default:
                return binary(e, op);
        }
}

bool cost_estimate(const struct cel_program *program, struct cel_cost *ret)
{
        struct estimator e = {program, heap_alloc_zeroed(program->op_count, sizeof(struct estimate))};

        if (!e.done)
                return false;
        for (uint32_t i = 0; i < program->op_count; i++)
                e.done[i] = estimate(&e, i);
        *ret = (struct cel_cost){e.done[program->root].least, e.done[program->root].most};
        heap_free(e.done);
        return true;
}
