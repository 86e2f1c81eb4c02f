/* SPDX-License-Identifier: Apache-2.0 */
/* From programs to terms, tests and groups. */
#include "base/heap.h"
#include "cel/ast.h"
#include "cel/env.h"
#include "cel/many_parts.h"
#include "cel/network.h"

enum {
        TERMS_MAX = 256,
        SHARED_MAX = 1024,
        LEAVES_MAX = 64,    /* of one condition */
        LEAF_COST_MAX = 16, /* of a comparison, without its texts */
};

/* The operation that a shared test stands for. */
struct shared {
        const struct cel_program *program;
        uint32_t op;
        uint64_t hash;
};

struct builder_of_many {
        struct cel_many *many;
        struct term *terms;
        struct shared *shared;
        struct test *tests;
        uint32_t test_count;
        uint32_t test_room;
        size_t test_most; /* as many as the arena holds */
        /* The condition at hand. */
        const struct cel_program *program;
        uint32_t index;
        uint32_t leaves;
        uint64_t cost; /* at most, of what is known beforehand */
        cel_function starts, ends, contains, contains_ip, to_cidr, to_ip;
};

static cel_function function_named(const struct library *library, const char *name)
{
        for (size_t i = 0; i < library->count; i++)
                if (strcmp(library->rows[i].name, name) == 0)
                        return library->rows[i].function;
        return NULL;
}

static const struct op *op_at(const struct builder_of_many *b, uint32_t op)
{
        return &b->program->ops[op];
}

static bool is_literal(const struct op *op, enum cel_kind kind)
{
        return op->code == OP_LITERAL && op->value.kind == kind;
}

/* ---- terms --------------------------------------------------------------------------------------- */

/* False: too many. */
static bool term_add(struct builder_of_many *b, uint32_t op, struct term term, uint16_t *ret)
{
        struct cel_many *many = b->many;

        term.program = b->program;
        term.op = op;
        term.hash = op_hash(b->program, op);
        for (uint32_t i = 0; i < many->term_count; i++)
                if (b->terms[i].hash == term.hash &&
                    op_same(b->terms[i].program, b->terms[i].op, b->program, op)) {
                        *ret = (uint16_t)i;
                        return true;
                }
        if (many->term_count == TERMS_MAX)
                return false;
        *ret = (uint16_t)many->term_count;
        b->terms[many->term_count++] = term;
        return true;
}

/* A variable, or a member of one: a.b["c"]. */
static bool path(struct builder_of_many *b, uint32_t op, uint16_t *ret)
{
        const struct op *o = op_at(b, op);
        struct term term = {.kind = TERM_MEMBER};

        switch ((enum op_code)o->code) {
        case OP_VARIABLE:
                term = (struct term){.kind = TERM_VARIABLE, .slot = o->a};
                return term_add(b, op, term, ret);
        case OP_SELECT:
                term.key = o->value;
                break;
        case OP_INDEX:
                if (!is_literal(op_at(b, o->b), CEL_STRING))
                        return false;
                term.key = op_at(b, o->b)->value;
                break;
        default:
                return false;
        }
        return path(b, o->a, &term.parent) && term_add(b, op, term, ret);
}

static bool path_or_value(struct builder_of_many *b, uint32_t op, uint16_t *ret)
{
        return path(b, op, ret) || term_add(b, op, (struct term){.kind = TERM_VALUE}, ret);
}

/* ---- tests --------------------------------------------------------------------------------------- */

/* Where it is remembered what comes out of an operation in one of its uses; false: too many. */
enum use { AS_TEST, AS_GROUP, AS_NEGATED_GROUP };
static bool memo_of(struct builder_of_many *b, uint32_t op, enum use use, uint16_t *ret)
{
        uint64_t hash = op_hash(b->program, op) * 3 + use;
        struct cel_many *many = b->many;
        uint32_t i = 0;

        while (i < many->shared_count && (b->shared[i].hash != hash ||
                                          !op_same(b->shared[i].program, b->shared[i].op, b->program, op)))
                i++;
        if (i == (use == AS_TEST ? SHARED_MAX : SHARED_MAX / 2))
                return false;
        if (i == many->shared_count)
                b->shared[many->shared_count++] = (struct shared){b->program, op, hash};
        *ret = (uint16_t)(i + 1);
        return true;
}

static void set_text(struct builder_of_many *b, struct test *t, enum test_kind kind, struct cel_value text)
{
        static const char ones[8] = {-1, -1, -1, -1, -1, -1, -1, -1};

        t->kind = (uint8_t)kind;
        t->expects = CEL_STRING;
        t->len = text.len;
        t->head = text_head(text.bytes, text.len);
        t->bytes = text.bytes;
        if (kind == TEST_STARTS && text.len <= 8) {
                t->kind = TEST_PREFIX;
                t->mask = text_head(ones, text.len);
        }
        b->cost += text.len / 16;
}

static bool is_ordered(struct cel_value value)
{
        return value.kind == CEL_INT || value.kind == CEL_DURATION || value.kind == CEL_TIMESTAMP;
}

static void set_number(struct test *t, enum test_kind kind, struct cel_value number)
{
        t->kind = (uint8_t)kind;
        t->expects = number.kind;
        t->number = number.integer;
        t->low = number.kind == CEL_TIMESTAMP ? number.len : 0;
}

static bool equal_test(struct builder_of_many *b, uint32_t looked_at, struct cel_value with, struct test *t)
{
        if (with.kind == CEL_STRING && path_or_value(b, looked_at, &t->term)) {
                set_text(b, t, TEST_TEXT, with);
                return true;
        }
        if (is_ordered(with) && path_or_value(b, looked_at, &t->term)) {
                set_number(t, TEST_SAME, with);
                return true;
        }
        if (with.kind != CEL_BOOL || !path(b, looked_at, &t->term))
                return false;
        t->kind = TEST_BOOL;
        t->expects = CEL_BOOL;
        if (!with.boolean)
                t->flags ^= TEST_OPPOSITE;
        return true;
}

static bool order_test(struct builder_of_many *b, enum op_code code, uint32_t looked_at,
                       struct cel_value with, struct test *t)
{
        if (!is_ordered(with) || !path_or_value(b, looked_at, &t->term))
                return false;
        set_number(t, code == OP_LT || code == OP_GE ? TEST_LESS : TEST_LESS_EQUAL, with);
        if (code == OP_GT || code == OP_GE)
                t->flags ^= TEST_OPPOSITE;
        return true;
}

/* The same question with its sides exchanged. */
static enum op_code turned(enum op_code code)
{
        switch (code) {
        case OP_LT:
                return OP_GT;
        case OP_LE:
                return OP_GE;
        case OP_GT:
                return OP_LT;
        case OP_GE:
                return OP_LE;
        default:
                return code;
        }
}

static bool comparison(struct builder_of_many *b, const struct op *op, struct test *t)
{
        bool left = op_at(b, op->a)->code == OP_LITERAL;
        uint32_t looked_at = left ? op->b : op->a;
        const struct op *with = op_at(b, left ? op->a : op->b);
        enum op_code code = left ? turned(op->code) : (enum op_code)op->code;

        if (with->code != OP_LITERAL)
                return false;
        if (code == OP_NE)
                t->flags ^= TEST_OPPOSITE;
        if (code == OP_EQ || code == OP_NE)
                return equal_test(b, looked_at, with->value, t);
        return order_test(b, code, looked_at, with->value, t);
}

/* cidr("…").containsIP(term), or ip(term) */
static bool network_test(struct builder_of_many *b, const struct op *op, struct test *t)
{
        const uint32_t *operands = b->program->operands;
        const struct op *network = op_at(b, operands[op->a]);
        uint32_t looked_at = operands[op->a + 1];
        struct network_address range;
        const struct op *text;
        uint32_t prefix;

        if (network->code != OP_CALL || network->function != b->to_cidr || network->count != 1)
                return false;
        text = op_at(b, operands[network->a]);
        if (!is_literal(text, CEL_STRING) || !network_range(cel_text(text->value), &range, &prefix))
                return false;
        if (op_at(b, looked_at)->code == OP_CALL && op_at(b, looked_at)->function == b->to_ip)
                looked_at = operands[op_at(b, looked_at)->a];
        if (!path(b, looked_at, &t->term))
                return false;
        t->kind = TEST_NETWORK;
        t->expects = CEL_STRING;
        t->len = prefix | (uint32_t)range.family << 8;
        t->high = range.high;
        t->low = range.low;
        return true;
}

static bool call_test(struct builder_of_many *b, const struct op *op, struct test *t)
{
        const uint32_t *operands = b->program->operands;
        const struct op *text;

        if (op->count != 2)
                return false;
        if (op->function == b->contains_ip)
                return network_test(b, op, t);
        if (op->function != b->starts && op->function != b->ends && op->function != b->contains)
                return false;
        text = op_at(b, operands[op->a + 1]);
        if (!is_literal(text, CEL_STRING) || !path_or_value(b, operands[op->a], &t->term))
                return false;
        set_text(b, t,
                 op->function == b->starts ? TEST_STARTS
                 : op->function == b->ends ? TEST_ENDS
                                           : TEST_CONTAINS,
                 text->value);
        return true;
}

/* ---- groups -------------------------------------------------------------------------------------- */

/* Room for the tests of a group, side by side; false: no memory. */
static bool reserve(struct builder_of_many *b, uint32_t count, uint32_t *ret_first)
{
        if (b->test_count + count > b->test_room) {
                uint32_t room = (b->test_count + count) * 2;
                struct test *more = heap_realloc(b->tests, room * sizeof(*more));

                if (!more)
                        return false;
                b->tests = more;
                b->test_room = room;
        }
        *ret_first = b->test_count;
        b->test_count += count;
        return true;
}

static bool make_test(struct builder_of_many *b, uint32_t op, bool negated, struct test *ret);

static void set_group(struct test *t, bool decisive, uint32_t first, uint32_t count)
{
        *t = (struct test){.kind = TEST_GROUP, .flags = decisive ? TEST_IS_DECISIVE : 0};
        t->first = first;
        t->len = count;
}

/* In the order of the text: then no more is evaluated than would be alone, and the cost limit means the
 * same. */
static bool logical(struct builder_of_many *b, const struct op *op, bool negated, struct test *ret)
{
        uint32_t first;

        if (!reserve(b, op->count, &first))
                return false;
        for (uint32_t i = 0; i < op->count; i++) {
                struct test t;

                if (!make_test(b, b->program->operands[op->a + i], negated, &t))
                        return false;
                if (t.kind == TEST_GROUP && !memo_of(b, b->program->operands[op->a + i],
                                                     negated ? AS_NEGATED_GROUP : AS_GROUP, &t.term))
                        t.term = 0;
                b->tests[first + i] = t;
        }
        set_group(ret, (op->code == OP_OR) != negated, first, op->count);
        return true;
}

/* term in ["a", "b"]: one test for each; where the term is no text, each of them asks the whole operation.
 */
static bool member_of_list(struct builder_of_many *b, const struct op *op, const struct test *base,
                           struct test *ret)
{
        struct cel_value list = op_at(b, op->b)->value;
        bool negated = base->flags & TEST_NOT;
        uint32_t first;

        if (list.form != CEL_FORM_NATIVE || list.len == 0 || list.len > LEAVES_MAX)
                return false;
        for (uint32_t i = 0; i < list.len; i++) {
                struct test probe = *base;

                if (!equal_test(b, op->a, list.items[i], &probe) || list.items[i].kind != list.items[0].kind)
                        return false;
        }
        if (!reserve(b, list.len, &first))
                return false;
        for (uint32_t i = 0; i < list.len; i++) {
                b->tests[first + i] = *base;
                (void)equal_test(b, op->a, list.items[i], &b->tests[first + i]);
        }
        b->leaves += list.len - 1;
        set_group(ret, !negated, first, list.len);
        return true;
}

static bool membership(struct builder_of_many *b, const struct op *op, const struct test *base,
                       struct test *ret)
{
        if (is_literal(op_at(b, op->b), CEL_LIST))
                return member_of_list(b, op, base, ret);
        if (!is_literal(op_at(b, op->a), CEL_STRING) || !path(b, op->b, &ret->term))
                return false;
        set_text(b, ret, TEST_ITEM, op_at(b, op->a)->value);
        ret->expects = CEL_LIST;
        return true;
}

/* False: none of the quick ones. */
static bool quick_test(struct builder_of_many *b, uint32_t index, const struct test *base, struct test *ret)
{
        const struct op *op = op_at(b, index);

        switch ((enum op_code)op->code) {
        case OP_VARIABLE:
        case OP_SELECT:
        case OP_INDEX:
                ret->kind = TEST_BOOL;
                ret->expects = CEL_BOOL;
                return path(b, index, &ret->term);
        case OP_EQ:
        case OP_NE:
        case OP_LT:
        case OP_LE:
        case OP_GT:
        case OP_GE:
                return comparison(b, op, ret);
        case OP_IN:
                return membership(b, op, base, ret);
        case OP_CALL:
                return call_test(b, op, ret);
        default:
                return false;
        }
}

/* False: no memory, or too much of it; then the condition is evaluated plainly. */
static bool make_test(struct builder_of_many *b, uint32_t index, bool negated, struct test *ret)
{
        const struct op *op = op_at(b, index);
        struct test base = {
                .flags = negated ? TEST_NOT | TEST_OPPOSITE : 0, .program = b->index, .op = (uint16_t)index};

        if (op->code == OP_NOT)
                return make_test(b, op->a, !negated, ret);
        if (op->code == OP_AND || op->code == OP_OR)
                return logical(b, op, negated, ret);
        if (++b->leaves > LEAVES_MAX)
                return false;
        b->cost += LEAF_COST_MAX;
        *ret = base;
        if (quick_test(b, index, &base, ret))
                return b->leaves <= LEAVES_MAX;
        *ret = base;
        ret->kind = TEST_SHARED;
        return memo_of(b, index, AS_TEST, &ret->term);
}

/* ---- all of them ---------------------------------------------------------------------------------- */

static void add_condition(struct builder_of_many *b, const struct cel_program *program, uint32_t index,
                          struct many_condition *ret)
{
        uint32_t before = b->test_count;
        uint64_t limit = b->many->cost_limit < UINT32_MAX ? b->many->cost_limit : UINT32_MAX;
        struct test whole;
        uint32_t first;

        *ret = (struct many_condition){.program = program};
        b->program = program;
        b->index = index;
        b->leaves = 0;
        /* Each operation once, and the array of what was fetched. */
        b->cost = program->op_count + program->variables + 2u;
        if (!make_test(b, program->root, false, &whole) || b->cost > limit ||
            b->test_count >= b->test_most) {
                b->test_count = before;
                return;
        }
        if (whole.kind != TEST_GROUP) {
                if (!reserve(b, 1, &first))
                        return;
                b->tests[first] = whole;
                set_group(&whole, false, first, 1);
        }
        if (whole.len > UINT16_MAX)
                return;
        ret->first = (uint32_t)whole.first;
        ret->count = (uint16_t)whole.len;
        ret->decisive = whole.flags & TEST_IS_DECISIVE ? 1 : 0;
        ret->leaves = (uint16_t)b->leaves;
        ret->room = (uint32_t)(limit - b->cost);
}

/* What grew on the heap, into the arena, at once. Without room everything is evaluated plainly. */
static void settle(struct builder_of_many *b, struct arena *arena, struct many_condition *conditions)
{
        struct cel_many *many = b->many;
        size_t tests_bytes = b->test_count * sizeof(struct test);
        size_t terms_bytes = many->term_count * sizeof(struct term);
        char *room = arena_alloc(arena, tests_bytes + terms_bytes + 1);

        if (!room) {
                for (uint32_t i = 0; i < many->count; i++)
                        conditions[i].count = 0;
                many->term_count = 0;
                many->shared_count = 0;
                return;
        }
        if (tests_bytes > 0)
                memcpy(room, b->tests, tests_bytes);
        memcpy(room + tests_bytes, b->terms, terms_bytes);
        many->tests = (const struct test *)(const void *)room;
        many->terms = (const struct term *)(const void *)(room + tests_bytes);
}

/* Beside the terms, however many there come to be. */
static size_t tests_that_fit(const struct arena *arena)
{
        size_t room = arena->cap_bytes - arena->used_bytes;
        size_t terms = TERMS_MAX * sizeof(struct term) + 64;

        return room > terms ? (room - terms) / sizeof(struct test) : 0;
}

bool cel_many_new(struct arena *arena, const struct cel_program *const *programs, uint32_t count,
                  uint64_t cost_limit, const struct cel_many **ret, struct err *err)
{
        struct cel_many *many = ARENA_NEW(arena, struct cel_many);
        struct many_condition *conditions = ARENA_ARRAY(arena, struct many_condition, count);
        _cleanup_(heap_freep) struct term *terms = heap_alloc_zeroed(TERMS_MAX, sizeof(*terms));
        _cleanup_(heap_freep) struct shared *shared = heap_alloc_zeroed(SHARED_MAX, sizeof(*shared));
        struct builder_of_many b = {
                .many = many,
                .terms = terms,
                .shared = shared,
                .starts = function_named(&library_string, "startsWith"),
                .ends = function_named(&library_string, "endsWith"),
                .contains = function_named(&library_string, "contains"),
                .contains_ip = function_named(&library_network, "containsIP"),
                .to_cidr = function_named(&library_network, "cidr"),
                .to_ip = function_named(&library_network, "ip"),
        };

        if (!many || (count > 0 && !conditions) || !terms || !shared)
                return err_set(err, ERR_NO_MEMORY, "no memory for conditions");
        *many = (struct cel_many){.conditions = conditions,
                                  .count = count,
                                  .cost_limit = cost_limit ? cost_limit : CEL_COST_DEFAULT};
        b.test_most = tests_that_fit(arena);
        for (uint32_t i = 0; i < count; i++)
                add_condition(&b, programs[i], i, &conditions[i]);
        settle(&b, arena, conditions);
        heap_free(b.tests);
        *ret = many;
        return true;
}
