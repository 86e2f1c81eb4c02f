/* SPDX-License-Identifier: Apache-2.0 */
/* Answering many conditions: terms are looked at once, tests are compared, the rest is evaluated. */
#include "cel/ast.h"
#include "cel/many_parts.h"
#include "cel/network.h"

/* What is known of a term. */
struct cel_seen {
        struct cel_value
                value;   /* CEL_UNSET: not looked at yet; CEL_NULL also for what no test understands */
        uint64_t head;   /* of a text */
        uint8_t *spread; /* of a list of texts: where each is, by its hash; NULL: not made */
        struct network_address address; /* of a text; family 0: it is none */
        uint64_t cost;
        bool read; /* as an address */
};

/* A place in a list of at most this many texts, and so many slots for them. */
enum { SPREAD_ITEMS_MAX = 100, SPREAD_SLOTS = 256 };

enum { LOCALS_FEW = 8, KEPT_TEXT_MAX = 256 };

/* CEL's logic has three values. */
enum holds3 { NO = CEL_HOLDS_NOT, YES = CEL_HOLDS, FAILS = CEL_HOLDS_FAILED };

static inline unsigned opposite(unsigned holds)
{
        return holds == FAILS ? FAILS : 1 - holds;
}

/* ---- what has to be evaluated ---------------------------------------------------------------------- */

struct evaluated {
        struct cel_value
                value; /* of what lies in memory, only a short text that was asked for may be read */
        uint64_t cost;
        bool stopped;
};

/* Gives back the memory that was needed; a short text is copied out of it. CEL_NULL: it is long. */
static struct cel_value keep_text(struct cel_many_eval *e, struct arena_mark mark, struct cel_value value)
{
        char text[KEPT_TEXT_MAX];
        char *copy;

        if (value.len <= sizeof(text) && value.len > 0)
                memcpy(text, value.bytes, value.len);
        arena_rewind(e->scratch, mark);
        copy = value.len <= sizeof(text) ? arena_alloc_bytes(e->scratch, value.len) : NULL;
        if (!copy)
                return cel_null();
        memcpy(copy, text, value.len);
        return cel_string(str_make(copy, value.len));
}

static NOINLINE struct evaluated evaluate(struct cel_many_eval *e, const struct cel_program *program,
                                          uint32_t op, bool texts)
{
        struct arena_mark mark = arena_mark(e->scratch);
        struct cel_value few[LOCALS_FEW];
        struct cel_call call = {
                .program = program,
                .ops = program->ops,
                .operands = program->operands,
                .limit = e->many->cost_limit,
                .values = e->activation ? e->activation->values : NULL,
                .value_count = e->activation ? e->activation->count : 0,
                .locals = few,
                .arena = e->scratch,
                .activation = e->activation,
        };
        struct evaluated done = {0};

        e->evaluated++;
        if (program->locals > LOCALS_FEW)
                call.locals = ARENA_ARRAY(e->scratch, struct cel_value, program->locals);
        if (call.locals)
                done.value = eval_op(&call, op);
        done.stopped = !call.locals || call.stopped;
        done.cost = call.cost;
        if (texts && !done.stopped && done.value.kind == CEL_STRING)
                done.value = keep_text(e, mark, done.value);
        else
                arena_rewind(e->scratch, mark);
        return done;
}

static unsigned as_bool(const struct evaluated *done)
{
        return done->value.kind == CEL_BOOL ? done->value.boolean : FAILS;
}

/* The whole condition, as if it were alone. */
static unsigned alone(struct cel_many_eval *e, const struct cel_program *program)
{
        struct evaluated done = evaluate(e, program, program->root, false);

        return done.stopped ? FAILS : as_bool(&done);
}

/* A test whose term is not what the comparison is made for. */
static unsigned plainly(struct cel_many_eval *e, const struct test *t)
{
        struct evaluated done = evaluate(e, e->many->conditions[t->program].program, t->op, false);

        e->spent += done.cost;
        e->unsure = e->unsure || done.stopped;
        return as_bool(&done);
}

static unsigned shared(struct cel_many_eval *e, const struct test *t)
{
        struct cel_memo *memo = &e->memo[t->term - 1];

        if (!memo->known) {
                struct evaluated done = evaluate(e, e->many->conditions[t->program].program, t->op, false);

                memo->cost = done.cost;
                memo->stopped = done.stopped;
                memo->known = (uint8_t)(1 + as_bool(&done));
        }
        e->spent += memo->cost;
        e->unsure = e->unsure || memo->stopped;
        return memo->known - 1u;
}

/* ---- looking at terms -------------------------------------------------------------------------------- */

static NOINLINE struct cel_value look_variable(const struct cel_many_eval *e, const struct term *term,
                                               uint64_t *ret_cost)
{
        const struct cel_activation *activation = e->activation;
        struct cel_call call = {.program = term->program,
                                .ops = term->program->ops,
                                .operands = term->program->operands,
                                .limit = e->many->cost_limit,
                                .arena = e->scratch,
                                .activation = activation};
        struct arena_mark mark = arena_mark(e->scratch);
        struct cel_value value = {0};

        if (activation && term->slot < activation->count)
                value = activation->values[term->slot];
        if (value.kind == CEL_UNSET && activation && activation->fetch)
                value = activation->fetch(activation->data, &call, term->slot);
        *ret_cost = 1 + call.cost;
        if (call.stopped)
                value = error_value(&failure_stopped);
        else if (value.kind == CEL_UNSET || is_error(value))
                value = error_value(&failure_no_key);
        if (is_error(value))
                arena_rewind(e->scratch, mark);
        return value;
}

static struct cel_value look_member(const struct cel_seen *parent, const struct term *term)
{
        struct cel_value found;

        if (is_error(parent->value))
                return parent->value;
        if (parent->value.kind == CEL_NULL || parent->value.kind == CEL_OPTIONAL)
                return cel_null();
        if (parent->value.kind != CEL_MAP)
                return error_value(&failure_no_key);
        found = cel_get_str(NULL, parent->value, cel_text(term->key));
        return found.kind == CEL_UNSET ? error_value(&failure_no_key) : found;
}

/* Numbers, times and short texts: anything else lies in memory that is used again. */
static NOINLINE struct cel_value look_value(struct cel_many_eval *e, const struct term *term,
                                            uint64_t *ret_cost)
{
        struct evaluated done = evaluate(e, term->program, term->op, true);

        *ret_cost = done.cost;
        if (done.stopped)
                return error_value(&failure_stopped);
        if (is_error(done.value))
                return error_value(&failure_no_key);
        return done.value.kind == CEL_INT || done.value.kind == CEL_DURATION ||
                               done.value.kind == CEL_TIMESTAMP || done.value.kind == CEL_STRING
                       ? done.value
                       : cel_null();
}

/* At most what operations charge for looking at it. */
static uint64_t cost_of(struct cel_value value)
{
        uint64_t cost = 0;

        if (value.kind == CEL_STRING)
                return value.len / 16 + 1;
        if (value.kind == CEL_MAP)
                return value.len / 16 + 1;
        if (value.kind != CEL_LIST)
                return 0;
        for (uint32_t i = 0, count = cel_count(value); i < count; i++) {
                struct cel_value item = cel_at(NULL, value, i);

                cost += 3 + (item.kind == CEL_STRING || item.kind == CEL_BYTES ? item.len / 16 : 0);
        }
        return cost;
}

static NOINLINE void look(struct cel_many_eval *e, uint32_t index)
{
        const struct term *term = &e->many->terms[index];
        struct cel_seen *seen = &e->seen[index];
        struct cel_seen *parent = &e->seen[term->parent];

        *seen = (struct cel_seen){0};
        switch ((enum term_kind)term->kind) {
        case TERM_VARIABLE:
                seen->value = look_variable(e, term, &seen->cost);
                break;
        case TERM_MEMBER:
                if (parent->value.kind == CEL_UNSET)
                        look(e, term->parent);
                seen->value = look_member(parent, term);
                seen->cost = parent->cost;
                break;
        case TERM_VALUE:
                seen->value = look_value(e, term, &seen->cost);
                break;
        }
        /* What a host keeps in its own way is asked by the evaluator only. */
        if ((seen->value.kind == CEL_LIST || seen->value.kind == CEL_MAP) &&
            seen->value.form == CEL_FORM_HOST)
                seen->value = cel_null();
        if (seen->value.kind == CEL_STRING)
                seen->head = text_head(seen->value.bytes, seen->value.len);
        seen->cost += cost_of(seen->value);
        if (seen->cost > e->dearest)
                e->dearest = seen->cost;
}

/* ---- tests that need more than a comparison ------------------------------------------------------------
 */

static bool item_is(struct cel_value item, const struct test *t)
{
        return item.kind == CEL_STRING && item.len == t->len &&
               (t->len == 0 || memcmp(item.bytes, t->bytes, t->len) == 0);
}

/* A table of where texts are, open addressing; more than it holds are compared one by one. */
static void spread_items(struct cel_many_eval *e, struct cel_seen *seen)
{
        uint8_t *spread = (uint8_t *)arena_alloc_bytes(e->scratch, SPREAD_SLOTS);

        if (!spread)
                return;
        memset(spread, 0, SPREAD_SLOTS);
        for (uint32_t i = 0; i < cel_count(seen->value); i++) {
                struct cel_value item = cel_at(NULL, seen->value, i);
                uint32_t at;

                if (item.kind != CEL_STRING)
                        continue;
                at = text_spread(text_head(item.bytes, item.len), item.bytes, item.len);
                while (spread[at % SPREAD_SLOTS])
                        at++;
                spread[at % SPREAD_SLOTS] = (uint8_t)(i + 1);
        }
        seen->spread = spread;
}

static bool has_item(struct cel_many_eval *e, const struct test *t, struct cel_seen *seen)
{
        uint32_t count = cel_count(seen->value);

        if (!seen->spread && count > 2 && count <= SPREAD_ITEMS_MAX)
                spread_items(e, seen);
        if (seen->spread) {
                uint32_t at = text_spread(t->head, t->bytes, t->len);

                for (uint8_t found; (found = seen->spread[at % SPREAD_SLOTS]) != 0; at++)
                        if (item_is(cel_at(NULL, seen->value, found - 1u), t))
                                return true;
                return false;
        }
        for (uint32_t i = 0; i < count; i++)
                if (item_is(cel_at(NULL, seen->value, i), t))
                        return true;
        return false;
}

static NOINLINE void read_address(struct cel_seen *seen)
{
        if (!network_address(cel_text(seen->value), &seen->address))
                seen->address.family = 0;
        seen->read = true;
}

static inline unsigned in_network(struct cel_seen *seen, const struct test *t)
{
        if (!seen->read)
                read_address(seen);
        if (seen->address.family == 0)
                return FAILS;
        return seen->address.family == t->len >> 8 &&
               network_same(t->high, t->low, &seen->address, t->len & 255);
}

static bool text_rest_same(const struct cel_seen *seen, const struct test *t)
{
        return t->len <= 8 || memcmp(seen->value.bytes + 8, t->bytes + 8, t->len - 8) == 0;
}

static bool less(const struct cel_value *value, const struct test *t, bool or_equal)
{
        uint64_t low = value->kind == CEL_TIMESTAMP ? value->len : 0;

        if (value->integer != t->number)
                return value->integer < t->number;
        return or_equal ? low <= t->low : low < t->low;
}

static bool in_text(struct cel_many_eval *e, struct cel_seen *seen, const struct test *t)
{
        struct str asked = str_make(t->bytes, t->len);

        switch ((enum test_kind)t->kind) {
        case TEST_STARTS:
                return seen->value.len >= t->len && seen->head == t->head && text_rest_same(seen, t);
        case TEST_ENDS:
                return str_ends(cel_text(seen->value), asked);
        case TEST_CONTAINS:
                return t->len == 0 || (seen->value.len >= t->len &&
                                       memmem(seen->value.bytes, seen->value.len, t->bytes, t->len) != NULL);
        default:
                return has_item(e, t, seen);
        }
}

/* ---- tests ------------------------------------------------------------------------------------------- */

/* The term is of another kind than the comparison is made for, or has no value. */
static NOINLINE unsigned unfit(struct cel_many_eval *e, const struct test *t, const struct cel_seen *seen)
{
        unsigned holds;

        if (is_error(seen->value)) {
                e->unsure = e->unsure || seen->value.failure == &failure_stopped;
                return FAILS;
        }
        if (t->kind == TEST_ITEM && seen->value.kind == CEL_MAP)
                holds = cel_get_str(NULL, seen->value, str_make(t->bytes, t->len)).kind != CEL_UNSET;
        else
                holds = plainly(e, t);
        return t->flags & TEST_NOT ? opposite(holds) : holds;
}

static inline unsigned compare(struct cel_many_eval *e, const struct test *t)
{
        struct cel_seen *seen = &e->seen[t->term];
        unsigned holds;

        if (__builtin_expect(seen->value.kind != t->expects, false)) {
                if (seen->value.kind == CEL_UNSET)
                        look(e, t->term);
                if (seen->value.kind != t->expects)
                        return unfit(e, t, seen);
        }
        switch ((enum test_kind)t->kind) {
        case TEST_TEXT:
                holds = seen->value.len == t->len && seen->head == t->head && text_rest_same(seen, t);
                break;
        case TEST_PREFIX:
                holds = seen->value.len >= t->len && (seen->head & t->mask) == t->head;
                break;
        case TEST_SAME:
                holds = seen->value.integer == t->number &&
                        (t->expects != CEL_TIMESTAMP || seen->value.len == t->low);
                break;
        case TEST_LESS:
        case TEST_LESS_EQUAL:
                holds = less(&seen->value, t, t->kind == TEST_LESS_EQUAL);
                break;
        case TEST_BOOL:
                holds = seen->value.boolean;
                break;
        case TEST_NETWORK:
                holds = in_network(seen, t);
                break;
        default:
                holds = in_text(e, seen, t);
                break;
        }
        return t->flags & TEST_OPPOSITE ? opposite(holds) : holds;
}

static unsigned group(struct cel_many_eval *e, const struct test *tests, uint32_t count, unsigned decisive);

/* A group within a group: remembered, unless it cost something that each condition has to be charged for. */
static NOINLINE unsigned inner_group(struct cel_many_eval *e, const struct test *t)
{
        uint64_t spent = e->spent;
        unsigned holds = group(e, &e->many->tests[t->first], t->len, t->flags & TEST_IS_DECISIVE ? YES : NO);

        if (t->term > 0 && e->spent == spent && !e->unsure)
                e->memo[t->term - 1].known = (uint8_t)(1 + holds);
        return holds;
}

/* langdef "Logical Operators": one decisive value wins over any error, in any order. */
static unsigned group(struct cel_many_eval *e, const struct test *tests, uint32_t count, unsigned decisive)
{
        unsigned worst = 1 - decisive;

        for (uint32_t i = 0; i < count; i++) {
                const struct test *t = &tests[i];
                unsigned holds;

                if (t->kind < TEST_SHARED)
                        holds = compare(e, t);
                else if (t->kind == TEST_GROUP)
                        holds = t->term > 0 && e->memo[t->term - 1].known ? e->memo[t->term - 1].known - 1u
                                                                          : inner_group(e, t);
                else
                        holds = t->flags & TEST_NOT ? opposite(shared(e, t)) : shared(e, t);
                if (holds == decisive)
                        return holds;
                if (holds == FAILS)
                        worst = FAILS;
        }
        return worst;
}

/* ---- conditions ----------------------------------------------------------------------------------------
 */

void cel_many_begin(const struct cel_many *many, const struct cel_activation *activation,
                    struct arena *scratch, struct cel_many_eval *ret)
{
        *ret = (struct cel_many_eval){.many = many, .activation = activation, .scratch = scratch};
        ret->seen = ARENA_ARRAY(scratch, struct cel_seen, many->term_count + 1);
        ret->memo = ARENA_ARRAY(scratch, struct cel_memo, many->shared_count + 1);
        if (!ret->memo)
                ret->seen = NULL;
}

uint32_t cel_many_find(struct cel_many_eval *eval, const uint32_t *conditions, uint32_t from, uint32_t count,
                       bool failed, enum cel_holds *ret)
{
        const struct cel_many *many = eval->many;

        *ret = CEL_HOLDS_NOT;
        for (uint32_t i = from; i < count; i++) {
                const struct many_condition *c = &many->conditions[conditions[i]];
                unsigned holds = FAILS;

                eval->spent = 0;
                eval->unsure = c->count == 0 || !eval->seen;
                if (!eval->unsure)
                        holds = group(eval, &many->tests[c->first], c->count, c->decisive);
                /* Where it might have cost too much, or nothing was decided, it is asked alone. */
                if (eval->unsure || eval->spent + c->leaves * eval->dearest > c->room)
                        holds = alone(eval, c->program);
                if (holds == NO || (holds == FAILS && !failed))
                        continue;
                *ret = (enum cel_holds)holds;
                return i;
        }
        return count;
}
