/* SPDX-License-Identifier: Apache-2.0 */
/*
 * langdef "Macros", and those of the extensions two-variable comprehensions,
 * bindings, optionals, block and math (whose greatest and least take any
 * number of arguments).
 */
#include "cel/ast.h"

struct macro {
        const char *name;
        bool member;
        uint8_t loop;
        uint8_t variables;
        uint8_t least; /* arguments */
        uint8_t most;
        bool (*expand)(struct parser *p, const struct macro *macro, struct str name, struct node *target,
                       struct node **args, uint32_t count, uint32_t start, uint32_t position,
                       struct node **ret);
};

/* The name that a macro's argument introduces: a plain identifier (or cel.iterVar's). */
static bool variable_name(struct parser *p, const struct node *node, struct str *ret)
{
        if (node->kind != NODE_IDENT || node->leading_dot || node->parenthesized) {
                parser_fail(p, node->start, "expected the name of a variable, a plain identifier");
                return false;
        }
        *ret = node->name;
        return true;
}

static bool expand_has(struct parser *p, const struct macro *macro, struct str name, struct node *target,
                       struct node **args, uint32_t count, uint32_t start, uint32_t position,
                       struct node **ret)
{
        struct node *select = args[0];

        (void)macro, (void)name, (void)target, (void)count, (void)position;
        if (select->kind != NODE_SELECT || select->test || select->parenthesized) {
                parser_fail(p, select->start, "has() takes a field selection, as in has(a.b)");
                return false;
        }
        select->test = true;
        select->start = start;
        select->end = p->last_end;
        *ret = select;
        return true;
}

static bool expand_loop(struct parser *p, const struct macro *macro, struct str name, struct node *target,
                        struct node **args, uint32_t count, uint32_t start, uint32_t position,
                        struct node **ret)
{
        struct node *node = parser_node(p, NODE_COMPREHENSION, start, position);
        struct node *parts[3] = {target, NULL, NULL};
        uint32_t used = macro->variables;

        if (!node || !variable_name(p, args[0], &node->name))
                return false;
        if (used == 2) {
                if (!variable_name(p, args[1], &node->name2))
                        return false;
                if (str_eq(node->name, node->name2)) {
                        parser_fail(p, args[1]->start, "the two variables need different names");
                        return false;
                }
        }
        (void)name;
        node->loop = macro->loop;
        for (uint32_t i = used; i < count; i++)
                parts[1 + i - used] = args[i];
        *ret = parser_finish(p, node, parts, 1 + count - used);
        return *ret != NULL;
}

static bool is_named(const struct node *target, const char *name)
{
        return target->kind == NODE_IDENT && !target->leading_dot && str_is(target->name, name);
}

static bool expand_bind(struct parser *p, const struct macro *macro, struct str name, struct node *target,
                        struct node **args, uint32_t count, uint32_t start, uint32_t position,
                        struct node **ret)
{
        struct node *node;

        (void)macro, (void)name, (void)count;
        if (!is_named(target, "cel"))
                return true;
        node = parser_node(p, NODE_BIND, start, position);
        if (!node || !variable_name(p, args[0], &node->name))
                return false;
        *ret = parser_finish(p, node, args + 1, 2);
        return *ret != NULL;
}

static bool expand_block(struct parser *p, const struct macro *macro, struct str name, struct node *target,
                         struct node **args, uint32_t count, uint32_t start, uint32_t position,
                         struct node **ret)
{
        struct node *node;
        struct node **parts;

        (void)macro, (void)name, (void)count;
        if (!is_named(target, "cel"))
                return true;
        if (args[0]->kind != NODE_LIST) {
                parser_fail(p, args[0]->start, "cel.block() takes a list of values first");
                return false;
        }
        node = parser_node(p, NODE_BLOCK, start, position);
        parts = ARENA_ARRAY(p->arena, struct node *, (size_t)args[0]->count + 1);
        if (!node || !parts)
                return node && arena_check(p->arena, p->err);
        memcpy(parts, args[0]->args, args[0]->count * sizeof(parts[0]));
        parts[args[0]->count] = args[1];
        *ret = parser_finish(p, node, parts, args[0]->count + 1);
        return *ret != NULL;
}

/* cel.index(i), cel.iterVar(d, i), cel.accuVar(d, i): names that no source text can spell. */
static bool expand_block_name(struct parser *p, const struct macro *macro, struct str name,
                              struct node *target, struct node **args, uint32_t count, uint32_t start,
                              uint32_t position, struct node **ret)
{
        struct node *node;
        struct str text = STR_NULL;

        (void)macro;
        if (!is_named(target, "cel"))
                return true;
        for (uint32_t i = 0; i < count; i++) {
                if (args[i]->kind != NODE_LITERAL || args[i]->literal.kind != CEL_INT ||
                    args[i]->literal.integer < 0) {
                        parser_fail(p, args[i]->start, "cel.%.*s() takes literal numbers, not negative",
                                    STR_ARG(name));
                        return false;
                }
                text = i == 0 ? name : text;
                text = arena_printf(p->arena, "%.*s:%lld", STR_ARG(text),
                                    (long long)args[i]->literal.integer);
        }
        node = parser_node(p, NODE_IDENT, start, position);
        if (!node)
                return false;
        node->name = arena_printf(p->arena, "@%.*s", STR_ARG(text));
        *ret = node;
        return arena_check(p->arena, p->err);
}

static bool expand_opt_map(struct parser *p, const struct macro *macro, struct str name, struct node *target,
                           struct node **args, uint32_t count, uint32_t start, uint32_t position,
                           struct node **ret)
{
        struct node *node = parser_node(p, NODE_OPT_MAP, start, position);
        struct node *parts[2] = {target, args[1]};

        (void)macro, (void)count;
        if (!node || !variable_name(p, args[0], &node->name))
                return false;
        node->optional = str_is(name, "optFlatMap");
        *ret = parser_finish(p, node, parts, 2);
        return *ret != NULL;
}

/* Three and more arguments become one list. */
static bool expand_extremum(struct parser *p, const struct macro *macro, struct str name,
                            struct node *target, struct node **args, uint32_t count, uint32_t start,
                            uint32_t position, struct node **ret)
{
        struct node *list;
        struct node *node;
        struct node *parts[2] = {target, NULL};

        (void)macro;
        if (!is_named(target, "math"))
                return true;
        if (count < 1) {
                parser_fail(p, position, "math.%.*s() needs at least one argument", STR_ARG(name));
                return false;
        }
        if (count < 3)
                return true;
        list = parser_finish(p, parser_node(p, NODE_LIST, args[0]->start, args[0]->start), args, count);
        node = parser_node(p, NODE_CALL, start, position);
        if (!list || !node)
                return false;
        parts[1] = list;
        node->name = name;
        node->member = true;
        *ret = parser_finish(p, node, parts, 2);
        return *ret != NULL;
}

/* list.sortBy(x, key): the list once, its keys beside it. */
static bool expand_sort_by(struct parser *p, const struct macro *macro, struct str name, struct node *target,
                           struct node **args, uint32_t count, uint32_t start, uint32_t position,
                           struct node **ret)
{
        struct node *bind = parser_node(p, NODE_BIND, start, position);
        struct node *keys = parser_node(p, NODE_COMPREHENSION, start, position);
        struct node *call = parser_node(p, NODE_CALL, start, position);
        struct node *lists[2] = {parser_node(p, NODE_IDENT, start, position),
                                 parser_node(p, NODE_IDENT, start, position)};
        struct node *parts[2];

        (void)macro, (void)name, (void)count;
        if (!bind || !keys || !call || !lists[0] || !lists[1] || !variable_name(p, args[0], &keys->name))
                return false;
        lists[0]->name = lists[1]->name = bind->name = STR("@sorted");
        keys->loop = LOOP_MAP;
        parts[0] = lists[1];
        parts[1] = args[1];
        parts[1] = parser_finish(p, keys, parts, 2);
        parts[0] = lists[0];
        call->name = STR("@sortBy");
        call->member = true;
        parts[1] = parts[1] ? parser_finish(p, call, parts, 2) : NULL;
        parts[0] = target;
        *ret = parts[1] ? parser_finish(p, bind, parts, 2) : NULL;
        return *ret != NULL;
}

static const struct macro macros[] = {
        {"has", false, 0, 0, 1, 1, expand_has},
        {"all", true, LOOP_ALL, 1, 2, 2, expand_loop},
        {"all", true, LOOP_ALL, 2, 3, 3, expand_loop},
        {"exists", true, LOOP_EXISTS, 1, 2, 2, expand_loop},
        {"exists", true, LOOP_EXISTS, 2, 3, 3, expand_loop},
        {"exists_one", true, LOOP_EXISTS_ONE, 1, 2, 2, expand_loop},
        {"existsOne", true, LOOP_EXISTS_ONE, 1, 2, 2, expand_loop},
        {"existsOne", true, LOOP_EXISTS_ONE, 2, 3, 3, expand_loop},
        {"exists_one", true, LOOP_EXISTS_ONE, 2, 3, 3, expand_loop},
        {"filter", true, LOOP_FILTER, 1, 2, 2, expand_loop},
        {"map", true, LOOP_MAP, 1, 2, 3, expand_loop},
        {"transformList", true, LOOP_MAP, 2, 3, 4, expand_loop},
        {"transformMap", true, LOOP_TRANSFORM_MAP, 2, 3, 4, expand_loop},
        {"transformMapEntry", true, LOOP_TRANSFORM_MAP_ENTRY, 2, 3, 4, expand_loop},
        {"bind", true, 0, 0, 3, 3, expand_bind},
        {"block", true, 0, 0, 2, 2, expand_block},
        {"index", true, 0, 0, 1, 1, expand_block_name},
        {"iterVar", true, 0, 0, 2, 2, expand_block_name},
        {"accuVar", true, 0, 0, 2, 2, expand_block_name},
        {"sortBy", true, 0, 0, 2, 2, expand_sort_by},
        {"optMap", true, 0, 0, 2, 2, expand_opt_map},
        {"optFlatMap", true, 0, 0, 2, 2, expand_opt_map},
        {"greatest", true, 0, 0, 0, 255, expand_extremum},
        {"least", true, 0, 0, 0, 255, expand_extremum},
};

bool macro_expand(struct parser *p, struct str name, struct node *target, struct node **args, uint32_t count,
                  uint32_t start, uint32_t position, struct node **ret)
{
        for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
                const struct macro *m = &macros[i];

                if (m->name[0] == name.ptr[0] && m->member == (target != NULL) && count >= m->least &&
                    (count <= m->most || m->most == 255) && str_is(name, m->name))
                        return m->expand(p, m, name, target, args, count, start, position, ret);
        }
        return true;
}

void macro_offer_names(struct nearest *nearest)
{
        for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++)
                nearest_offer(nearest, str_from(macros[i].name));
}
