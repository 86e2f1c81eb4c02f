/* SPDX-License-Identifier: Apache-2.0 */
#include "cel/checker.h"
#include "cel/eval.h"

#include <stdio.h>

static bool check(struct checker *c, struct node *node);

static NOINLINE bool check_ident(struct checker *c, struct node *node)
{
        const struct scope *local = node->leading_dot ? NULL : names_local(c, node->name);

        if (local) {
                node->bound = BOUND_LOCAL;
                node->slot = local->slot;
                node->type = local->type;
                return true;
        }
        if (names_bind(c, node))
                return true;
        node->bound = BOUND_UNKNOWN;
        node->type = type_simple(TYPE_DYN);
        return c->unchecked || names_undeclared(c, node, "variable", node->name, false);
}

/* ---- Selections ---- */

static const struct cel_type *wrap_optional(struct checker *c, const struct cel_type *type)
{
        const struct cel_type *made = type_optional(c->arena, type);

        c->failed |= !made;
        return made ? made : type_simple(TYPE_DYN);
}

/* The type of a field of an operand that was checked already. */
static NOINLINE bool select_type(struct checker *c, struct node *node)
{
        const struct cel_type *operand = unify_resolve(c, node->args[0]->type, false);
        bool optional = type_is_optional(operand);

        if (optional)
                operand = operand->params[0];
        switch ((enum type_kind)operand->kind) {
        case TYPE_MAP:
                node->type = operand->params[1];
                break;
        case TYPE_VAR:
                (void)unify_assignable(c, operand, type_simple(TYPE_DYN));
                node->type = type_simple(TYPE_DYN);
                break;
        case TYPE_DYN:
                node->type = operand;
                break;
        default:
                node->type = type_simple(TYPE_DYN);
                if (!c->unchecked)
                        return checker_fail(c, node->position,
                                            "%s has no fields; \"%.*s\" cannot be selected",
                                            checker_show(c, operand), STR_ARG(str_slice(node->name, 0, 80)));
        }
        if (optional || node->optional)
                node->type = wrap_optional(c, node->type);
        return true;
}

static NOINLINE bool check_select(struct checker *c, struct node *node)
{
        if (!node->test && names_bind(c, node))
                return true;
        if (!check(c, node->args[0]) || !select_type(c, node))
                return false;
        if (node->test)
                node->type = type_simple(TYPE_BOOL);
        return true;
}

static NOINLINE bool check_index(struct checker *c, struct node *node)
{
        const struct cel_type *operand;
        const struct cel_type *wanted;
        bool optional;

        if (!check(c, node->args[0]) || !check(c, node->args[1]))
                return false;
        operand = unify_resolve(c, node->args[0]->type, false);
        optional = type_is_optional(operand);
        if (optional)
                operand = operand->params[0];
        node->type = type_simple(TYPE_DYN);
        if (operand->kind == TYPE_LIST || operand->kind == TYPE_MAP) {
                wanted = operand->kind == TYPE_LIST ? type_simple(TYPE_INT) : operand->params[0];
                node->type = operand->params[operand->kind == TYPE_MAP];
                if (!unify_assignable(c, wanted, node->args[1]->type) && !c->unchecked)
                        return checker_fail(c, node->args[1]->position, "%s is indexed by %s, not by %s",
                                            checker_show(c, operand), checker_show(c, wanted),
                                            checker_show(c, node->args[1]->type));
        } else if (operand->kind == TYPE_VAR) {
                (void)unify_assignable(c, operand, type_simple(TYPE_DYN));
        } else if (operand->kind != TYPE_DYN && !c->unchecked) {
                return checker_fail(c, node->position, "%s cannot be indexed", checker_show(c, operand));
        }
        if (optional || node->optional)
                node->type = wrap_optional(c, node->type);
        return true;
}

/* ---- Calls ---- */

static NOINLINE bool no_overload(struct checker *c, struct node *node)
{
        struct str name = node->name; /* an operator's is "_+_" or "@in" */
        char text[200];
        size_t at = 0;

        if (str_starts(name, STR("@")))
                name = str_slice(name, 1, SIZE_MAX);
        while (name.len > 0 && name.ptr[0] == '_')
                name = str_slice(name, 1, SIZE_MAX);
        while (name.len > 0 && name.ptr[name.len - 1] == '_')
                name.len--;
        text[0] = '\0';
        for (uint32_t i = 0; i < node->count && at < sizeof(text) - 1; i++) {
                const char *before = i == 0 ? "" : node->member && i == 1 ? ".(" : ", ";
                int len = snprintf(text + at, sizeof(text) - at, "%s%s", before,
                                   checker_show(c, node->args[i]->type));

                at += len > 0 ? (size_t)len : 0;
        }
        if (node->member)
                return checker_fail(c, node->position, "\"%.*s\" does not take %s%s)", STR_ARG(name), text,
                                    node->count == 1 ? ".(" : "");
        return checker_fail(c, node->position, "\"%.*s\" does not take (%s)", STR_ARG(name), text);
}

/* langdef: the result of all overloads that fit; dyn when they differ. */
static NOINLINE bool resolve_overload(struct checker *c, struct node *node, const struct function *function)
{
        enum { MOST = 6 };
        const struct cel_type *types[MOST];
        const struct cel_type *result = NULL;

        node->function = function;
        node->type = type_simple(TYPE_DYN);
        for (uint32_t i = 0; i < node->count && i < MOST; i++)
                types[i] = node->args[i]->type;
        for (const struct overload *o = function->overloads; o; o = o->next) {
                const struct cel_type *fresh[26] = {NULL};
                const struct cel_type *params[MOST];
                const struct cel_type *this;

                if (o->member != node->member || o->count != node->count || o->count > MOST)
                        continue;
                for (uint32_t i = 0; i < o->count; i++)
                        params[i] = unify_instantiate(c, o->params[i], fresh);
                if (!unify_assignable_all(c, params, types, o->count))
                        continue;
                this = unify_resolve(c, unify_instantiate(c, o->result, fresh), false);
                if (!result)
                        result = this;
                else if (result->kind != TYPE_DYN && !cel_type_equal(result, this))
                        result = type_simple(TYPE_DYN);
        }
        if (result)
                node->type = result;
        return result || c->unchecked || no_overload(c, node);
}

static bool find_function(struct checker *c, struct str name, void *data)
{
        const struct function **found = data;

        *found = env_function(c->env, name);
        return *found != NULL;
}

static bool has_style(const struct function *function, bool member)
{
        for (const struct overload *o = function->overloads; o; o = o->next)
                if (o->member == member)
                        return true;
        return false;
}

/* a.b.f(x): the function "a.b.f" when there is one, and then not a member. */
static const struct function *namespaced(struct checker *c, struct node *node)
{
        const struct node *root = names_root(node->args[0]);
        const struct function *function = NULL;
        struct str name;

        if (names_length(node->args[0]) == 0 || (!root->leading_dot && names_local(c, root->name)))
                return NULL;
        name = names_qualified(c, node->args[0], node->name);
        if (name.len == 0 ||
            !names_each_candidate(c, name, root->leading_dot, find_function, (void *)&function) ||
            !has_style(function, false))
                return NULL;
        node->member = false;
        node->name = name;
        node->args++;
        node->count--;
        return function;
}

/* "a.b.f" where a is no variable: then all of it was meant as one name. */
static NOINLINE bool no_function(struct checker *c, struct node *node)
{
        struct str name = STR_NULL;

        if (node->member && names_length(node->args[0]) > 0) {
                const struct node *root = names_root(node->args[0]);

                if (!names_local(c, root->name) && !env_variable(c->env, root->name))
                        name = names_qualified(c, node->args[0], node->name);
        }
        return names_undeclared(c, node, "function", name.len > 0 ? name : node->name, true);
}

static NOINLINE bool check_call(struct checker *c, struct node *node)
{
        const struct function *function = NULL;

        if (node->member)
                function = namespaced(c, node);
        if (!function) {
                if (node->member)
                        function = env_function(c->env, node->name);
                else
                        names_each_candidate(c, node->name, node->leading_dot, find_function,
                                             (void *)&function);
        }
        /* Before the arguments: those of a macro whose name is misspelled make no sense by themselves. */
        if (!function && !c->unchecked)
                return no_function(c, node);
        for (uint32_t i = 0; i < node->count; i++)
                if (!check(c, node->args[i]))
                        return false;
        if (function)
                return resolve_overload(c, node, function);
        node->type = type_simple(TYPE_DYN);
        return true;
}

/* ---- Literals with parts ---- */

/* The type of an item; of what is in the optional, where the item is marked with '?'. */
static NOINLINE bool item_type(struct checker *c, struct node *item, bool optional,
                               const struct cel_type **ret)
{
        const struct cel_type *type = unify_resolve(c, item->type, false);

        *ret = item->type;
        if (!optional)
                return true;
        if (type_is_optional(type)) {
                *ret = type->params[0];
                return true;
        }
        *ret = type_simple(TYPE_DYN);
        return c->unchecked || type->kind == TYPE_DYN ||
               checker_fail(c, item->position, "an entry marked with '?' needs an optional value, not %s",
                            checker_show(c, type));
}

static NOINLINE bool check_list(struct checker *c, struct node *node)
{
        const struct cel_type *joined = NULL;
        const struct cel_type *type;

        for (uint32_t i = 0; i < node->count; i++) {
                if (!check(c, node->args[i]) ||
                    !item_type(c, node->args[i], node->args[i]->optional_item, &type))
                        return false;
                joined = unify_join(c, joined, type);
        }
        node->type = type_list(c->arena, joined ? joined : unify_new_var(c));
        c->failed |= !node->type;
        return !c->failed;
}

static NOINLINE bool check_map(struct checker *c, struct node *node)
{
        const struct cel_type *key = NULL;
        const struct cel_type *value = NULL;
        const struct cel_type *type;

        for (uint32_t i = 0; i < node->count; i += 2) {
                if (!check(c, node->args[i]) || !check(c, node->args[i + 1]) ||
                    !item_type(c, node->args[i + 1], node->args[i]->optional_item, &type))
                        return false;
                key = unify_join(c, key, node->args[i]->type);
                value = unify_join(c, value, type);
        }
        key = key ? key : unify_new_var(c);
        node->type = type_map(c->arena, key, value ? value : unify_new_var(c));
        c->failed |= !node->type;
        return !c->failed;
}

static bool bind_struct(struct checker *c, struct str name, void *data)
{
        struct node *node = data;

        if (!wellknown_name(name))
                return false;
        node->name = name;
        node->type = env_type(c->env, c->arena, name);
        c->failed |= !node->type;
        return true;
}

/* Of protobuf's messages only those exist that are plain CEL values. */
static NOINLINE bool check_struct(struct checker *c, struct node *node)
{
        node->type = type_simple(TYPE_DYN);
        for (uint32_t i = 1; i < node->count; i += 2)
                if (!check(c, node->args[i]))
                        return false;
        return names_each_candidate(c, node->name, node->leading_dot, bind_struct, node) || c->unchecked ||
               checker_fail(c, node->position,
                            "there is no type \"%.*s\" whose values are written with braces",
                            STR_ARG(str_slice(node->name, 0, 80)));
}

/* ---- What introduces names ---- */

/* Checks `body` with a name in scope, and says what slot it has. */
static NOINLINE bool check_within(struct checker *c, struct node *body, struct str name,
                                  const struct cel_type *type, uint32_t *ret_slot)
{
        struct scope scope = {name, type, c->locals, c->scope};
        bool ok;

        *ret_slot = c->locals++;
        if (c->locals > c->locals_most)
                c->locals_most = c->locals;
        c->scope = &scope;
        ok = check(c, body);
        c->scope = scope.outer;
        c->locals--;
        return ok;
}

static NOINLINE bool expect_bool(struct checker *c, const struct node *node, const char *what)
{
        if (unify_assignable(c, type_simple(TYPE_BOOL), node->type) || c->unchecked)
                return true;
        return checker_fail(c, node->position, "%s must be a bool, not %s", what,
                            checker_show(c, node->type));
}

/* The types of the variables of a comprehension over `range`. */
static NOINLINE bool range_types(struct checker *c, const struct node *node,
                                 const struct cel_type **ret_first, const struct cel_type **ret_second)
{
        const struct cel_type *range = unify_resolve(c, node->args[0]->type, false);
        bool two = node->name2.len > 0;

        *ret_first = *ret_second = type_simple(TYPE_DYN);
        if (range->kind == TYPE_LIST) {
                *ret_first = two ? type_simple(TYPE_INT) : range->params[0];
                *ret_second = range->params[0];
        } else if (range->kind == TYPE_MAP) {
                *ret_first = range->params[0];
                *ret_second = range->params[1];
        } else if (range->kind == TYPE_VAR) {
                (void)unify_assignable(c, range, type_simple(TYPE_DYN));
        } else if (range->kind != TYPE_DYN && !c->unchecked) {
                return checker_fail(c, node->args[0]->position,
                                    "a comprehension runs over a list or a map, not over %s",
                                    checker_show(c, range));
        }
        return true;
}

static NOINLINE bool check_loop_parts(struct checker *c, struct node *node)
{
        bool predicate = node->loop <= LOOP_FILTER;

        for (uint32_t i = 1; i < node->count; i++) {
                if (!check(c, node->args[i]))
                        return false;
                if ((predicate || (node->count == 3 && i == 1)) &&
                    !expect_bool(c, node->args[i], "the condition of a comprehension"))
                        return false;
        }
        return true;
}

static NOINLINE bool loop_type(struct checker *c, struct node *node, const struct cel_type *first)
{
        const struct cel_type *last = node->args[node->count - 1]->type;

        switch ((enum loop_kind)node->loop) {
        case LOOP_ALL:
        case LOOP_EXISTS:
        case LOOP_EXISTS_ONE:
                node->type = type_simple(TYPE_BOOL);
                break;
        case LOOP_FILTER:
                node->type = type_list(c->arena, first);
                break;
        case LOOP_MAP:
                node->type = type_list(c->arena, last);
                break;
        case LOOP_TRANSFORM_MAP:
                node->type = type_map(c->arena, first, last);
                break;
        case LOOP_TRANSFORM_MAP_ENTRY:
                node->type = unify_resolve(c, last, false);
                if (node->type->kind != TYPE_MAP && node->type->kind != TYPE_DYN && !c->unchecked)
                        return checker_fail(c, node->args[node->count - 1]->position,
                                            "transformMapEntry makes maps, not %s",
                                            checker_show(c, node->type));
                break;
        }
        c->failed |= !node->type;
        return !c->failed;
}

static NOINLINE bool check_comprehension(struct checker *c, struct node *node)
{
        struct scope first = {.name = node->name};
        struct scope second = {.name = node->name2};
        bool ok;

        if (!check(c, node->args[0]) || !range_types(c, node, &first.type, &second.type))
                return false;
        node->slot = first.slot = c->locals++;
        node->slot2 = second.slot = c->locals++;
        if (c->locals > c->locals_most)
                c->locals_most = c->locals;
        first.outer = c->scope;
        second.outer = &first;
        c->scope = node->name2.len > 0 ? &second : &first;
        ok = check_loop_parts(c, node);
        c->scope = first.outer;
        c->locals -= 2;
        return ok && loop_type(c, node, first.type);
}

static NOINLINE bool check_bind(struct checker *c, struct node *node)
{
        if (!check(c, node->args[0]) ||
            !check_within(c, node->args[1], node->name, node->args[0]->type, &node->slot))
                return false;
        node->type = node->args[1]->type;
        return true;
}

/* Value i sees the values before it, as cel.index(0) to cel.index(i - 1). */
static NOINLINE bool check_block(struct checker *c, struct node *node)
{
        const struct scope *outer = c->scope;
        uint32_t values = node->count - 1;
        struct scope *scopes = ARENA_ARRAY(c->arena, struct scope, values);

        if (!scopes)
                return arena_check(c->arena, c->err);
        node->slot = c->locals;
        c->locals += values;
        if (c->locals > c->locals_most)
                c->locals_most = c->locals;
        for (uint32_t i = 0; i < node->count; i++) {
                if (!check(c, node->args[i]))
                        return false;
                if (i == values)
                        break;
                scopes[i] = (struct scope){arena_printf(c->arena, "@index:%u", i), node->args[i]->type,
                                           node->slot + i, c->scope};
                c->scope = &scopes[i];
        }
        c->scope = outer;
        c->locals -= values;
        node->type = node->args[values]->type;
        return true;
}

static NOINLINE bool check_opt_map(struct checker *c, struct node *node)
{
        const struct cel_type *operand;
        const struct cel_type *inner = type_simple(TYPE_DYN);

        if (!check(c, node->args[0]))
                return false;
        operand = unify_resolve(c, node->args[0]->type, false);
        if (type_is_optional(operand))
                inner = operand->params[0];
        else if (operand->kind != TYPE_DYN && operand->kind != TYPE_VAR && !c->unchecked)
                return checker_fail(c, node->position, "optMap and optFlatMap need an optional, not %s",
                                    checker_show(c, operand));
        if (!check_within(c, node->args[1], node->name, inner, &node->slot))
                return false;
        node->type = node->args[1]->type;
        if (!node->optional)
                node->type = wrap_optional(c, node->type);
        return true;
}

/* ---- The rest ---- */

static NOINLINE bool check_logical(struct checker *c, struct node *node)
{
        node->type = type_simple(TYPE_BOOL);
        for (uint32_t i = 0; i < node->count; i++)
                if (!check(c, node->args[i]) ||
                    !expect_bool(c, node->args[i],
                                 node->kind == NODE_AND ? "what && takes" : "what || takes"))
                        return false;
        return true;
}

static NOINLINE bool check_condition(struct checker *c, struct node *node)
{
        if (!check(c, node->args[0]) || !expect_bool(c, node->args[0], "what stands before '?'") ||
            !check(c, node->args[1]) || !check(c, node->args[2]))
                return false;
        if (!unify_assignable(c, node->args[2]->type, node->args[1]->type) && !c->unchecked)
                return checker_fail(
                        c, node->position, "both values of a condition need one type, not %s and %s",
                        checker_show(c, node->args[1]->type), checker_show(c, node->args[2]->type));
        node->type = unify_join(c, node->args[1]->type, node->args[2]->type);
        return true;
}

static bool check_literal(struct node *node)
{
        static const uint8_t types[] = {
                [CEL_NULL] = TYPE_NULL,   [CEL_BOOL] = TYPE_BOOL,     [CEL_INT] = TYPE_INT,
                [CEL_UINT] = TYPE_UINT,   [CEL_DOUBLE] = TYPE_DOUBLE, [CEL_STRING] = TYPE_STRING,
                [CEL_BYTES] = TYPE_BYTES,
        };

        node->type = type_simple(types[node->literal.kind]);
        return true;
}

static bool check(struct checker *c, struct node *node)
{
        switch ((enum node_kind)node->kind) {
        case NODE_LITERAL:
                return check_literal(node);
        case NODE_IDENT:
                return check_ident(c, node);
        case NODE_SELECT:
                return check_select(c, node);
        case NODE_CALL:
                return check_call(c, node);
        case NODE_INDEX:
                return check_index(c, node);
        case NODE_AND:
        case NODE_OR:
                return check_logical(c, node);
        case NODE_CONDITION:
                return check_condition(c, node);
        case NODE_LIST:
                return check_list(c, node);
        case NODE_MAP:
                return check_map(c, node);
        case NODE_STRUCT:
                return check_struct(c, node);
        case NODE_COMPREHENSION:
                return check_comprehension(c, node);
        case NODE_BIND:
                return check_bind(c, node);
        case NODE_BLOCK:
                return check_block(c, node);
        case NODE_OPT_MAP:
                return check_opt_map(c, node);
        }
        return false;
}

bool cel_check(struct checker *c, struct node *root)
{
        if (!check(c, root))
                return false;
        root->type = unify_resolve(c, root->type, true);
        return !c->failed || err_set(c->err, ERR_NO_MEMORY, "no memory to check the expression");
}
