/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The static estimate: for each operation what it charges at least and at
 * most, and how large its value can be. What depends on inputs is unbounded.
 */
#include "cel/cost.h"

#include "base/heap.h"
#include "cel/ast.h"
#include "cel/fn.h"

#define UNBOUNDED UINT64_MAX

/* A selection, in an object of up to 128 members: see value.c. */
enum { LOOKUP = 10 };

struct estimate {
        uint64_t least;
        uint64_t most;
        uint64_t size; /* of the value, at most: bytes or items */
        uint64_t deep; /* with all that is in it */
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
        struct estimate sum = {1, 1, 0, 0};

        for (uint32_t i = 0; i < op_children(op); i++) {
                struct estimate child = e->done[op_child(e->program, op, i)];

                sum.least = add(sum.least, child.least);
                sum.most = add(sum.most, child.most);
                sum.size = add(sum.size, child.size);
                sum.deep = add(sum.deep, child.deep);
        }
        return sum;
}

static uint64_t literal_size(struct cel_value value)
{
        switch ((enum cel_kind)value.kind) {
        case CEL_STRING:
        case CEL_BYTES:
        case CEL_LIST:
        case CEL_MAP:
                return value.len;
        default:
                return 1;
        }
}

static uint64_t literal_deep(struct cel_value value)
{
        uint64_t deep = literal_size(value) + 1;

        for (uint32_t i = 0; value.kind == CEL_LIST && i < value.len; i++)
                deep = add(deep, literal_deep(value.items[i]));
        for (uint32_t i = 0; value.kind == CEL_MAP && i < value.len; i++)
                deep = add(deep, add(literal_deep(value.map->entries[i].key),
                                     literal_deep(value.map->entries[i].value)));
        return deep;
}

static struct estimate scalar(struct estimate sum)
{
        sum.size = sum.deep = 1;
        return sum;
}

/* What nothing is known about. */
static struct estimate unknown(struct estimate sum)
{
        sum.size = sum.deep = UNBOUNDED;
        return sum;
}

/* A comparison looks no further than the smaller side goes. */
static struct estimate binary(const struct estimator *e, const struct op *op)
{
        struct estimate sum = sequence(e, op);
        const struct estimate *left = &e->done[op_child(e->program, op, 0)];
        const struct estimate *right = &e->done[op_child(e->program, op, 1)];
        uint64_t smaller = left->deep < right->deep ? left->deep : right->deep;

        switch ((enum op_code)op->code) {
        case OP_EQ:
        case OP_NE:
        case OP_LT:
        case OP_LE:
        case OP_GT:
        case OP_GE:
                sum.most = add(sum.most, add(2, multiply(smaller, 2)));
                return scalar(sum);
        case OP_IN:
                sum.most = add(sum.most, multiply(right->size, add(3, multiply(left->deep, 2))));
                return scalar(sum);
        case OP_ADD:
                sum.most = add(sum.most, add(sum.size, 1));
                return sum;
        case OP_INDEX:
        case OP_INDEX_OPTIONAL:
                sum.most = add(sum.most, LOOKUP);
                return unknown(sum);
        default:
                return scalar(sum);
        }
}

/* The first argument may fail at once, and the next one may absorb that. */
static struct estimate logical(const struct estimator *e, const struct op *op)
{
        struct estimate sum = sequence(e, op);

        sum.least = 1 + (e->program->ops[op_child(e->program, op, 0)].code != OP_LITERAL);
        return scalar(sum);
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
                yes.deep > no.deep ? yes.deep : no.deep,
        };
}

static struct estimate loop(const struct estimator *e, const struct op *op)
{
        struct estimate range = e->done[op_child(e->program, op, 0)];
        struct estimate last = {0};
        struct estimate sum = {add(1, range.least), 0, range.size, range.deep};
        uint64_t round = 5;

        for (uint32_t i = 1; i < op->count; i++) {
                last = e->done[op_child(e->program, op, i)];
                round = add(round, last.most);
        }
        switch ((enum loop_kind)(op->flags & ~LOOP_TWO)) {
        case LOOP_ALL:
        case LOOP_EXISTS:
        case LOOP_EXISTS_ONE:
                sum = scalar(sum);
                break;
        case LOOP_FILTER:
                break;
        case LOOP_MAP:
                sum.deep = multiply(range.size, add(1, last.deep));
                break;
        case LOOP_TRANSFORM_MAP:
                sum.deep = add(range.deep, multiply(range.size, add(1, last.deep)));
                break;
        case LOOP_TRANSFORM_MAP_ENTRY:
                sum.size = multiply(range.size, last.size);
                sum.deep = multiply(range.size, add(1, last.deep));
                round = add(round, multiply(last.size, 16));
                break;
        }
        sum.most = add(add(range.most, 8), multiply(range.size, round));
        return sum;
}

/* What a function charges, and makes, is at most in proportion to the product of its arguments. */
static struct estimate call(const struct estimator *e, const struct op *op)
{
        enum { FACTOR = 64, FLOOR = 80 };
        struct estimate sum = sequence(e, op);
        uint64_t product = FACTOR;

        for (uint32_t i = 0; i < op->count; i++)
                product = multiply(product, add(1, e->done[op_child(e->program, op, i)].deep));
        if (op->code == OP_CALL && op->function == lists_range) {
                const struct op *number = &e->program->ops[op_child(e->program, op, 0)];

                product = number->code != OP_LITERAL || number->value.kind != CEL_INT ? UNBOUNDED
                          : number->value.integer < 0                                 ? 0
                                                      : number->value.uinteger;
        }
        sum.most = op->code == OP_DISPATCH ? UNBOUNDED : add(sum.most, add(product, FLOOR));
        sum.size = product;
        sum.deep = multiply(product, 2);
        return sum;
}

static struct estimate unary(const struct estimator *e, const struct op *op)
{
        struct estimate sum = sequence(e, op);

        if (op->code == OP_MATCHES)
                sum.most = add(sum.most, multiply(per_16(sum.size), op->regex_cost));
        else if (op->code != OP_NEG && op->code != OP_NOT)
                sum.most = add(sum.most, LOOKUP);
        return op->code == OP_SELECT || op->code == OP_SELECT_OPTIONAL ? unknown(sum) : scalar(sum);
}

static struct estimate estimate(const struct estimator *e, uint32_t index)
{
        const struct op *op = &e->program->ops[index];
        struct estimate sum;

        switch ((enum op_code)op->code) {
        case OP_LITERAL:
                return (struct estimate){0, 0, literal_size(op->value), literal_deep(op->value)};
        case OP_VARIABLE:
                return unknown((struct estimate){1, add(1, e->program->variables), 0, 0});
        case OP_LOCAL:
                return unknown((struct estimate){1, 1, 0, 0});
        case OP_UNKNOWN:
                return scalar((struct estimate){1, 32, 0, 0});
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
                sum.deep = add(sum.deep, op->count);
                return sum;
        case OP_CALL:
        case OP_DISPATCH:
                return call(e, op);
        case OP_LOOP:
                return loop(e, op);
        case OP_BLOCK:
                sum = sequence(e, op);
                sum.least = add(1, e->done[op_child(e->program, op, op->count - 1u)].least);
                return unknown(sum);
        case OP_BIND:
                sum = sequence(e, op);
                sum.size = e->done[op->b].size;
                sum.deep = e->done[op->b].deep;
                return sum;
        case OP_OPT_MAP:
        case OP_OPT_OR:
                sum = sequence(e, op);
                sum.least = add(1, e->done[op->a].least);
                sum.most = add(sum.most, 2);
                return unknown(sum);
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
