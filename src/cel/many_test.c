/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions that are answered together come out as each of them does alone. */
#include "cel/many.h"

#include "base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { CONDITIONS = 40, ROUNDS = 120, FACTS = 25 };

enum { WHO, WHERE, ADDRESS, COUNT, WHEN, AGE, FLAG, GROUPS, LABELS, OTHER, SLOTS };
static const char *const declared[SLOTS][2] = {
        {"who", "string"},
        {"where", "string"},
        {"net.address", "string"},
        {"count", "int"},
        {"when", "timestamp"},
        {"age", "duration"},
        {"flag", "bool"},
        {"groups", "list(string)"},
        {"labels", "map(string, string)"},
        {"other", "map(string, dyn)"},
};

/* Leaves of all kinds: those that are compared, and those that have to be evaluated. */
static const char *const leaves[] = {
        "who == 'p%d'",
        "'p%d' == who",
        "who != 'p%d'",
        "who in ['p%d', 'p3', 'a long name of somebody %d']",
        "!(who in ['p%d', 'p7'])",
        "where == 'a long name of a place, longer than sixteen %d'",
        "where.startsWith('a')",
        "where.startsWith('a long name of a place, longer than %d')",
        "where.startsWith('')",
        "where.endsWith('%d')",
        "where.contains('sixteen %d')",
        "where.contains('')",
        "net.address.startsWith('10.%d.')",
        "cidr('10.%d.0.0/16').containsIP(net.address)",
        "cidr('10.0.0.0/1%d').containsIP(ip(net.address))",
        "cidr('2001:db8:%d::/48').containsIP(net.address)",
        "cidr('2001:db8::%d/127').containsIP(net.address)",
        "cidr('0.0.0.0/0').containsIP(net.address)",
        "cidr('10.%d.0.0/99').containsIP(net.address)",
        "count == %d",
        "count < %d",
        "count >= %d",
        "%d <= count",
        "count in [%d, 3, -1]",
        "count + 1 == %d",
        "when < timestamp('2026-01-01T00:00:0%dZ')",
        "when == timestamp('2026-01-01T00:00:0%d.5Z')",
        "timestamp('2026-01-01T00:00:0%dZ') <= when",
        "when.getHours() >= %d",
        "when.getHours('Europe/Prague') >= %d",
        "when.getHours('Nowhere/At%d') >= 1",
        "when.getDayOfWeek() in [%d, 6]",
        "age > duration('%ds')",
        "age <= duration('%ds')",
        "flag",
        "!flag",
        "flag == false",
        "flag != true",
        "'g%d%d' in groups",
        "!('g%d%d' in groups)",
        "size(groups) > %d",
        "groups.exists(g, g == 'g%d%d')",
        "labels.team == 't%d'",
        "labels['team'] == 't%d'",
        "labels.none == 't%d'",
        "labels.team.startsWith('t%d')",
        "has(labels.team)",
        "has(labels.none)",
        "'team' in labels",
        "'none%d' in labels",
        "other.n == %d",
        "other.n < %d",
        "other.deep.name == 'p%d'",
        "other.deep.none == 'p%d'",
        "other.name.startsWith('p%d')",
        "other.list[%d] == 1",
        "other.flag",
        "other.name",
        "'p%d' in other.list",
        "other.deep == {'name': 'p%d'}",
        "who.matches('^p[%d-9]$')",
        "who.size() < %d",
        "who + 'x' == 'p%dx'",
        "where.upperAscii() == 'A LONG NAME OF A PLACE, LONGER THAN %d'",
        "(who + where).startsWith('p%da')",
        "string(count) in ['%d', '3']",
        "(where + where + where + where + where + where + where + where).endsWith('sixteen %d')",
        "other.name + 'x' != 'p%dx'",
        "who == where",
        "1 / (count - %d) == 0",
        "(count == %d ? flag : !flag)",
        "true",
        "false",
};

static uint64_t random_state;

/* xorshift; the same sequence in each run. */
static uint32_t dice(uint32_t sides)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (uint32_t)(random_state >> 32) % sides;
}

/* Each %d becomes a small number. */
static void append_template(struct buf *buf, const char *text)
{
        for (; *text; text++)
                if (text[0] == '%' && text[1] == 'd') {
                        buf_printf(buf, "%u", dice(8));
                        text++;
                } else {
                        buf_append_str(buf, str_make(text, 1));
                }
}

static void append_expression(struct buf *buf, unsigned depth)
{
        const char *joint = dice(2) ? " && " : " || ";
        uint32_t count = 1 + dice(4);

        if (depth == 0 || dice(3) == 0) {
                append_template(buf, leaves[dice(sizeof(leaves) / sizeof(leaves[0]))]);
                return;
        }
        buf_append_c(buf, dice(4) == 0 ? "!(" : "(");
        for (uint32_t i = 0; i < count; i++) {
                if (i > 0)
                        buf_append_c(buf, joint);
                append_expression(buf, depth - 1);
        }
        buf_append_c(buf, ")");
}

/* ---- facts --------------------------------------------------------------------------------------- */

struct facts {
        struct cel_value values[SLOTS]; /* CEL_UNSET: cannot be had */
        struct json labels;
        struct json other;
        unsigned asked;
};

static struct cel_value fetch(void *data, struct cel_call *call, uint32_t slot)
{
        struct facts *facts = data;

        facts->asked++;
        if (facts->values[slot].kind == CEL_UNSET)
                return cel_fail(call, "it is not known");
        return facts->values[slot];
}

static struct str made_from(struct arena *arena, const char *template)
{
        BUF_SCOPED buf;

        buf_init(&buf, 4096);
        append_template(&buf, template);
        return arena_str(arena, buf_str(&buf));
}

static struct cel_value one_of(struct arena *arena, const char *const *texts, uint32_t count)
{
        return cel_string(made_from(arena, texts[dice(count)]));
}

static void parse(struct arena *arena, struct json *into, const char *text)
{
        struct err err;

        assert_true(json_parse(arena, made_from(arena, text), into, &err));
}

#define ONE_OF(arena, ...)                                                                                  \
        one_of(arena, (const char *const[]){__VA_ARGS__},                                                   \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* The same texts and members, as a host would give them. */
struct host_texts {
        struct cel_host_list list;
        struct cel_value native;
};

static uint32_t host_count(const struct cel_host_list *self)
{
        return ((const struct host_texts *)self)->native.len;
}

static struct cel_value host_at(const struct cel_host_list *self, struct cel_call *call, uint32_t index)
{
        assert_non_null(call); /* what a host does may cost */
        return ((const struct host_texts *)self)->native.items[index];
}

struct host_members {
        struct cel_host_map map;
        const struct json *json;
};

static struct cel_value host_get(const struct cel_host_map *self, struct cel_call *call, struct str key)
{
        const struct json *found = json_get_str(((const struct host_members *)self)->json, key);

        assert_non_null(call);
        return found ? cel_json(found) : (struct cel_value){0};
}

static uint32_t host_members(const struct cel_host_map *self)
{
        return ((const struct host_members *)self)->json->count;
}

static struct str host_key(const struct cel_host_map *self, uint32_t index)
{
        return ((const struct host_members *)self)->json->members[index].key;
}

static void as_host(struct facts *facts, struct arena *arena)
{
        struct host_texts *texts = ARENA_NEW(arena, struct host_texts);
        struct host_members *members = ARENA_NEW(arena, struct host_members);

        assert_non_null(texts);
        assert_non_null(members);
        *texts = (struct host_texts){{host_count, host_at}, facts->values[GROUPS]};
        *members = (struct host_members){{host_get, host_members, host_key}, &facts->labels};
        facts->values[GROUPS] =
                (struct cel_value){.kind = CEL_LIST, .form = CEL_FORM_HOST, .host_list = &texts->list};
        facts->values[LABELS] =
                (struct cel_value){.kind = CEL_MAP, .form = CEL_FORM_HOST, .host_map = &members->map};
}

static void throw_facts(struct facts *facts, struct arena *arena)
{
        struct cel_value *groups = ARENA_ARRAY(arena, struct cel_value, 120);
        static const uint32_t sizes[] = {0, 1, 2, 3, 8, 110};

        assert_non_null(groups);
        *facts = (struct facts){0};
        facts->values[WHO] = ONE_OF(arena, "p%d", "p%d", "", "a long name of somebody %d");
        facts->values[WHERE] =
                ONE_OF(arena, "a", "", "b%d", "a long name of a place, longer than sixteen %d",
                       "a long name of a place, longer than %d");
        facts->values[ADDRESS] = ONE_OF(arena, "10.%d.0.1", "10.0.0.%d", "2001:db8:%d::1", "2001:db8::%d",
                                        "", "no address", "::ffff:10.1.0.1", "192.0.2.%d");
        facts->values[COUNT] = cel_int((int64_t)dice(9) - 1);
        facts->values[WHEN] =
                cel_timestamp(1767225600 + dice(9) + 3600 * (int64_t)dice(24), dice(2) * 500000000);
        facts->values[AGE] = cel_duration((int64_t)dice(9) * 1000000000);
        facts->values[FLAG] = cel_bool(dice(2));
        for (uint32_t i = 0; i < 120; i++)
                groups[i] =
                        i == 5 ? cel_string(STR("a longer name of a group")) : ONE_OF(arena, "g%d%d", "h%d");
        facts->values[GROUPS] = cel_list(groups, sizes[dice(6)]);
        parse(arena, &facts->labels, dice(3) ? "{\"team\": \"t%d\"}" : "{}");
        facts->values[LABELS] = cel_json(&facts->labels);
        parse(arena, &facts->other,
              dice(2) ? "{\"n\": %d, \"name\": \"p%d\", \"deep\": {\"name\": \"p1\"}, \"list\": [1, \"p1\"]}"
              : dice(2) ? "{\"n\": 2.5, \"name\": 7, \"deep\": \"x\", \"flag\": true, \"list\": {\"p2\": 1}}"
                        : "{\"flag\": \"yes\", \"n\": null, \"deep\": null}");
        facts->values[OTHER] = cel_json(&facts->other);
        for (uint32_t i = 0; i < SLOTS; i++)
                if (dice(30) == 0 || (i == AGE && dice(3) == 0))
                        facts->values[i] = (struct cel_value){0};
}

/* ---- the property --------------------------------------------------------------------------------- */

struct set {
        struct cel_env *env;
        struct cel_program *programs[CONDITIONS];
        uint32_t count;
        struct arena arena;
        const struct cel_many *many;
        uint64_t limit;
};

static struct cel_env *make_env(void)
{
        struct err err;
        struct cel_env *env = cel_env_new(&err);
        uint32_t slot;

        assert_non_null(env);
        for (uint32_t i = 0; i < SLOTS; i++)
                assert_true(cel_env_variable(env, declared[i][0], declared[i][1], &slot, &err));
        return env;
}

static void set_add(struct set *set, const char *text)
{
        struct err err;

        if (!cel_compile(set->env, str_from(text), NULL, &set->programs[set->count], &err))
                fail_msg("%s: %s", text, err.message);
        set->count++;
}

static void set_close(struct set *set, size_t memory)
{
        struct err err;

        arena_init(&set->arena, memory);
        assert_true(cel_many_new(&set->arena, (const struct cel_program *const *)set->programs, set->count,
                                 set->limit, &set->many, &err));
}

static void set_free(struct set *set)
{
        for (uint32_t i = 0; i < set->count; i++)
                cel_program_free(set->programs[i]);
        arena_done(&set->arena);
}

static uint32_t tally[3]; /* by enum cel_holds: that all three are met */

static enum cel_holds alone(const struct set *set, uint32_t condition, struct facts *facts)
{
        struct cel_activation activation = {.fetch = fetch, .data = facts};
        struct cel_eval eval = {.activation = &activation, .cost_limit = set->limit};
        enum cel_holds outcome = CEL_HOLDS_FAILED;
        struct err err;
        ARENA_SCOPED scratch;
        bool holds;

        arena_init(&scratch, 1 << 20);
        eval.arena = &scratch;
        if (cel_eval_bool(set->programs[condition], &eval, &holds, &err))
                outcome = holds ? CEL_HOLDS : CEL_HOLDS_NOT;
        tally[outcome]++;
        return outcome;
}

/* Every condition in turn; those that are passed over must be false. Returns how many were evaluated. */
static uint32_t agree(const struct set *set, struct facts *facts, size_t memory)
{
        struct cel_activation activation = {.fetch = fetch, .data = facts};
        struct cel_many_eval eval;
        uint32_t order[CONDITIONS];
        bool failed = facts->values[COUNT].uinteger % 4 > 0;
        ARENA_SCOPED scratch;

        for (uint32_t i = 0; i < set->count; i++)
                order[i] = set->count - 1 - i;
        arena_init(&scratch, memory);
        cel_many_begin(set->many, &activation, &scratch, &eval);
        for (uint32_t i = 0; i < set->count; i++) {
                enum cel_holds holds;
                uint32_t found = cel_many_find(&eval, order, i, set->count, failed, &holds);

                for (; i < found; i++)
                        if (alone(set, order[i], facts) == CEL_HOLDS ||
                            (failed && alone(set, order[i], facts) == CEL_HOLDS_FAILED))
                                fail_msg("passed over: %.*s",
                                         STR_ARG(cel_program_source(set->programs[order[i]])));
                if (found < set->count && alone(set, order[found], facts) != holds)
                        fail_msg("%d, not %d: %.*s", holds, alone(set, order[found], facts),
                                 STR_ARG(cel_program_source(set->programs[order[found]])));
        }
        return eval.evaluated;
}

static void answers_are_those_of_each_alone(void **state)
{
        static const uint64_t limits[] = {5000, 5000, 200, 60, 30, 5};

        random_state = 20261121;
        (void)state;
        for (unsigned round = 0; round < ROUNDS; round++) {
                struct set set = {.env = make_env(), .limit = limits[dice(6)]};

                for (unsigned i = 0; i < CONDITIONS; i++) {
                        BUF_SCOPED text;

                        buf_init(&text, 64 * 1024);
                        append_expression(&text, dice(4));
                        set_add(&set, buf_str(&text).ptr);
                }
                set_close(&set, dice(8) ? 1 << 20 : 8192);
                for (unsigned i = 0; i < FACTS; i++) {
                        struct facts facts;
                        ARENA_SCOPED arena;

                        arena_init(&arena, 1 << 20);
                        throw_facts(&facts, &arena);
                        if (facts.values[GROUPS].kind && facts.values[LABELS].kind && dice(6) == 0)
                                as_host(&facts, &arena);
                        agree(&set, &facts, 1 << 20);
                }
                set_free(&set);
                cel_env_free(set.env);
        }
        for (unsigned i = 0; i < 3; i++)
                assert_true(tally[i] > ROUNDS * FACTS * CONDITIONS / 10);
}

/* ---- that it is quick ------------------------------------------------------------------------------ */

static void comparisons_evaluate_nothing(void **state)
{
        struct set set = {.env = make_env(), .limit = 5000};
        struct facts facts;
        ARENA_SCOPED arena;

        (void)state;
        set_add(&set, "who == 'p1' && where.startsWith('a long name of a place')");
        set_add(&set, "who in ['p1', 'p2'] || !(labels.team == 't1')");
        set_add(&set, "cidr('10.0.0.0/8').containsIP(net.address) && 'g1' in groups");
        set_add(&set,
                "count < 3 && when > timestamp('2026-01-01T00:00:00Z') && age < duration('5m') && flag");
        set_add(&set, "labels.none == 'x'");
        set_close(&set, 1 << 20);
        arena_init(&arena, 1 << 20);
        random_state = 7;
        for (unsigned i = 0; i < 50; i++) {
                throw_facts(&facts, &arena);
                assert_int_equal(agree(&set, &facts, 1 << 20), 0);
        }
        set_free(&set);
        cel_env_free(set.env);
}

static void what_is_alike_is_evaluated_once(void **state)
{
        struct set set = {.env = make_env(), .limit = 5000};
        struct facts facts;
        char text[200];
        ARENA_SCOPED arena;

        (void)state;
        for (unsigned i = 0; i < 30; i++) {
                (void)snprintf(
                        text, sizeof(text),
                        "(%s && count == %u) || (when.getHours('Europe/Prague') < 0 && has(labels.none))",
                        "groups.exists(g, g.startsWith('none')) || who.matches('^x$')", i);
                set_add(&set, text);
        }
        set_close(&set, 1 << 20);
        arena_init(&arena, 1 << 20);
        random_state = 9;
        do
                throw_facts(&facts, &arena);
        while (facts.values[WHO].kind == CEL_UNSET || facts.values[GROUPS].kind == CEL_UNSET ||
               facts.values[COUNT].kind == CEL_UNSET || facts.values[WHEN].kind == CEL_UNSET);
        facts.values[COUNT] = cel_int(7); /* so that one of them asks for the groups */
        assert_in_range(agree(&set, &facts, 1 << 20), 1, 4);
        set_free(&set);
        cel_env_free(set.env);
}

/* ---- bounds ---------------------------------------------------------------------------------------- */

static void without_memory_they_are_answered_alone(void **state)
{
        struct set set = {.env = make_env(), .limit = 5000};
        struct facts facts;
        char text[100];
        ARENA_SCOPED arena;

        (void)state;
        for (unsigned i = 0; i < CONDITIONS; i++) {
                (void)snprintf(text, sizeof(text), "labels.k%u == 'x' || count == %u", i, i);
                set_add(&set, text);
        }
        set_close(&set, 4096);
        arena_init(&arena, 1 << 20);
        random_state = 11;
        throw_facts(&facts, &arena);
        assert_true(agree(&set, &facts, 1 << 20) >=
                    CONDITIONS); /* the tests did not fit beside the conditions */
        arena_done(&set.arena);
        set_close(&set, 18 * 1024);
        assert_in_range(agree(&set, &facts, 1 << 20), 1, CONDITIONS - 1); /* some did */
        arena_done(&set.arena);
        set_close(&set, 1 << 20);
        assert_int_equal(agree(&set, &facts, 1 << 20), 0);
        assert_true(agree(&set, &facts, 1024) > 0); /* and neither did what is seen, in so small a scratch */
        set_free(&set);
        cel_env_free(set.env);
}

static void a_long_list_is_searched_whole(void **state)
{
        struct facts facts = {0};
        struct cel_value groups[110];
        ARENA_SCOPED arena;

        (void)state;
        arena_init(&arena, 1 << 20);
        for (unsigned i = 0; i < 110; i++)
                groups[i] = cel_string(arena_printf(&arena, "team-%u-of-%u", i * 7919 % 1000, i));
        for (uint32_t count = 0; count <= 110; count += 5) {
                struct set set = {.env = make_env(), .limit = 5000};

                facts.values[GROUPS] = cel_list(groups, count);
                for (unsigned i = 0; i < CONDITIONS; i++)
                        set_add(&set,
                                arena_printf(&arena, "'team-%u-of-%u' in groups", i * 2 * 7919 % 1000, i * 2)
                                        .ptr);
                set_close(&set, 1 << 20);
                assert_int_equal(agree(&set, &facts, 1 << 20), 0);
                set_free(&set);
                cel_env_free(set.env);
        }
}

static void each_allocation_may_fail(void **state)
{
        struct set set = {.env = make_env(), .limit = 5000};
        struct facts facts;
        bool made = false;
        ARENA_SCOPED arena;

        (void)state;
        for (unsigned i = 0; i < CONDITIONS; i++)
                set_add(&set,
                        i % 2 ? "who == 'a' || where in ['b', 'c', 'd']" : "who.size() > 3 && count < 3");
        arena_init(&arena, 1 << 20);
        random_state = 19;
        throw_facts(&facts, &arena);
        for (size_t nth = 1; !made; nth++) {
                struct err err = {0};

                arena_init(&set.arena, 1 << 20);
                heap_fail_from(nth);
                made = cel_many_new(&set.arena, (const struct cel_program *const *)set.programs, set.count,
                                    set.limit, &set.many, &err);
                made = made && heap_count() < nth;
                heap_fail_from(0);
                if (err.code)
                        assert_int_equal(err.code, ERR_NO_MEMORY);
                else
                        agree(&set, &facts, 1 << 20);
                arena_done(&set.arena);
        }
        set_free(&set);
        cel_env_free(set.env);
}

/* Whatever the limit: also where each part is within it and the whole is not. */
static void the_cost_limit_is_that_of_the_whole(void **state)
{
        struct facts facts;
        ARENA_SCOPED arena;

        (void)state;
        arena_init(&arena, 1 << 20);
        random_state = 17;
        do
                throw_facts(&facts, &arena);
        while (facts.values[GROUPS].len < 8 || facts.values[WHO].kind == CEL_UNSET);
        for (uint64_t limit = 1; limit < 1200; limit += limit < 100 ? 1 : 7) {
                struct set set = {.env = make_env(), .limit = limit};

                set_add(&set, "groups.exists(g, g == 'x') || groups.exists(g, g == 'y') || who != 'nobody'");
                set_add(&set, "groups.exists(g, g == 'y') || groups.exists(g, g == 'x') || who == 'nobody'");
                set_add(&set, "who == 'nobody' || groups.exists(g, g == 'y') || true || 'a' in groups");
                set_add(&set, "who + 'a' == 'b' || who + 'a' == 'c' || where == 'd' || flag || !flag");
                set_close(&set, 1 << 20);
                agree(&set, &facts, 1 << 20);
                set_free(&set);
                cel_env_free(set.env);
        }
}

/* More terms than are kept, more expressions than are shared, a condition with too many comparisons. */
static void beyond_the_bounds_they_are_answered_all_the_same(void **state)
{
        struct set set = {.env = make_env(), .limit = 5000};
        struct facts facts;
        ARENA_SCOPED arena;

        (void)state;
        for (unsigned i = 0; i < CONDITIONS; i++) {
                BUF_SCOPED text;

                buf_init(&text, 64 * 1024);
                buf_printf(&text, "count == 100");
                for (unsigned j = 0; j < 20 + 2 * i; j++)
                        buf_printf(&text, j % 2 ? " || labels.k%ux%u == 'x'" : " || size(who) == %u%u", i,
                                   j);
                set_add(&set, buf_str(&text).ptr);
        }
        set_close(&set, 1 << 20);
        arena_init(&arena, 1 << 20);
        random_state = 13;
        for (unsigned i = 0; i < 10; i++) {
                throw_facts(&facts, &arena);
                agree(&set, &facts, 1 << 20);
        }
        set_free(&set);
        cel_env_free(set.env);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(answers_are_those_of_each_alone),
                cmocka_unit_test(comparisons_evaluate_nothing),
                cmocka_unit_test(what_is_alike_is_evaluated_once),
                cmocka_unit_test(without_memory_they_are_answered_alone),
                cmocka_unit_test(each_allocation_may_fail),
                cmocka_unit_test(the_cost_limit_is_that_of_the_whole),
                cmocka_unit_test(a_long_list_is_searched_whole),
                cmocka_unit_test(beyond_the_bounds_they_are_answered_all_the_same),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
