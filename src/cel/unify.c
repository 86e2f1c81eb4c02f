/* SPDX-License-Identifier: Apache-2.0 */
/* Type assignability with variables, as the reference checkers define it. */
#include "cel/checker.h"

static const struct cel_type *dyn(void)
{
        return type_simple(TYPE_DYN);
}

const struct cel_type *unify_new_var(struct checker *c)
{
        const struct cel_type *var;

        if (c->var_count == c->var_room) {
                uint32_t room = c->var_room ? c->var_room * 2 : 16;
                const struct cel_type **more = ARENA_ARRAY(c->arena, const struct cel_type *, room);

                if (!more) {
                        c->failed = true;
                        return dyn();
                }
                if (c->var_count > 0)
                        memcpy(more, c->bound, c->var_count * sizeof(*more));
                c->bound = more;
                c->var_room = room;
        }
        var = type_indexed(c->arena, TYPE_VAR, c->var_count);
        if (!var) {
                c->failed = true;
                return dyn();
        }
        c->bound[c->var_count++] = NULL;
        return var;
}

static bool bind(struct checker *c, const struct cel_type *var, const struct cel_type *type)
{
        if (c->trail_count == c->trail_room) {
                uint32_t room = c->trail_room ? c->trail_room * 2 : 32;
                struct binding *more = ARENA_ARRAY(c->arena, struct binding, room);

                if (!more) {
                        c->failed = true;
                        return false;
                }
                if (c->trail_count > 0)
                        memcpy(more, c->trail, c->trail_count * sizeof(*more));
                c->trail = more;
                c->trail_room = room;
        }
        c->trail[c->trail_count++] = (struct binding){var->index, c->bound[var->index]};
        c->bound[var->index] = type;
        return true;
}

static void undo(struct checker *c, uint32_t mark)
{
        while (c->trail_count > mark) {
                c->trail_count--;
                c->bound[c->trail[c->trail_count].index] = c->trail[c->trail_count].old;
        }
}

static bool occurs(struct checker *c, const struct cel_type *var, const struct cel_type *within)
{
        if (!within->open)
                return false;
        if (within->kind == TYPE_VAR) {
                if (within->index == var->index)
                        return true;
                return c->bound[within->index] && occurs(c, var, c->bound[within->index]);
        }
        for (uint32_t i = 0; i < within->count; i++)
                if (occurs(c, var, within->params[i]))
                        return true;
        return false;
}

/* Whether a is as general as b, or more: dyn and variables are the most general. */
static bool is_as_general(const struct cel_type *a, const struct cel_type *b)
{
        if (a->kind == TYPE_DYN || a->kind == TYPE_VAR)
                return true;
        if (b->kind == TYPE_DYN || b->kind == TYPE_VAR || a->kind != b->kind)
                return false;
        if (a->kind == TYPE_TYPE)
                return true;
        if (a->count != b->count || !str_eq(a->name, b->name))
                return false;
        for (uint32_t i = 0; i < a->count; i++)
                if (!is_as_general(a->params[i], b->params[i]))
                        return false;
        return true;
}

static const struct cel_type *most_general(const struct cel_type *a, const struct cel_type *b)
{
        return is_as_general(a, b) ? a : b;
}

static bool assignable(struct checker *c, const struct cel_type *a, const struct cel_type *b);

/* Whether `var` can stand for `type`; *ret_bound: it stood for something before. */
static bool var_takes(struct checker *c, const struct cel_type *type, const struct cel_type *var,
                      bool *ret_bound)
{
        const struct cel_type *now = c->bound[var->index];

        *ret_bound = true;
        if (cel_type_equal(type, var))
                return true;
        if (now) {
                const struct cel_type *wider;

                if (cel_type_equal(type, now))
                        return true;
                if (!assignable(c, type, now))
                        return false;
                wider = most_general(type, now);
                return occurs(c, var, wider) || bind(c, var, wider);
        }
        *ret_bound = false;
        return !occurs(c, var, type) && bind(c, var, type);
}

static bool takes_null(const struct cel_type *type)
{
        switch ((enum type_kind)type->kind) {
        case TYPE_NULL:
        case TYPE_WRAPPER:
        case TYPE_OPAQUE:
        case TYPE_TIMESTAMP:
        case TYPE_DURATION:
                return true;
        default:
                return false;
        }
}

static bool assignable(struct checker *c, const struct cel_type *a, const struct cel_type *b)
{
        bool bound;

        if (b->kind == TYPE_VAR) {
                if (var_takes(c, a, b, &bound))
                        return true;
                if (bound)
                        return false;
        }
        if (a->kind == TYPE_VAR)
                return var_takes(c, b, a, &bound);
        if (a->kind == TYPE_DYN || b->kind == TYPE_DYN)
                return true;
        if (a->kind == TYPE_NULL)
                return takes_null(b);
        if (b->kind == TYPE_NULL)
                return takes_null(a);
        if (a->kind == TYPE_WRAPPER && b->kind != TYPE_WRAPPER)
                return assignable(c, a->params[0], b);
        if (b->kind == TYPE_WRAPPER && a->kind != TYPE_WRAPPER)
                return assignable(c, a, b->params[0]);
        if (a->kind != b->kind)
                return false;
        if (a->kind == TYPE_TYPE)
                return true;
        if (a->count != b->count || !str_eq(a->name, b->name))
                return false;
        for (uint32_t i = 0; i < a->count; i++)
                if (!assignable(c, a->params[i], b->params[i]))
                        return false;
        return true;
}

bool unify_assignable_all(struct checker *c, const struct cel_type *const *to,
                          const struct cel_type *const *from, uint32_t count)
{
        uint32_t mark = c->trail_count;

        for (uint32_t i = 0; i < count; i++) {
                if (!assignable(c, from[i], to[i])) {
                        undo(c, mark);
                        return false;
                }
        }
        return true;
}

bool unify_assignable(struct checker *c, const struct cel_type *to, const struct cel_type *from)
{
        return unify_assignable_all(c, &to, &from, 1);
}

const struct cel_type *unify_join(struct checker *c, const struct cel_type *previous,
                                  const struct cel_type *current)
{
        if (!previous)
                return current;
        if (unify_assignable(c, current, previous)) {
                /* A nullable type and null are the nullable type; a wrapper and its primitive, the wrapper.
                 */
                if (previous->kind == TYPE_NULL ||
                    (current->kind == TYPE_WRAPPER && previous->kind != TYPE_DYN))
                        return current;
                if (current->kind == TYPE_NULL && previous->kind != TYPE_DYN)
                        return previous;
                return most_general(previous, current);
        }
        return dyn();
}

const struct cel_type *unify_resolve(struct checker *c, const struct cel_type *type, bool close)
{
        const struct cel_type *params[8];
        const struct cel_type *made;

        if (!type->open)
                return type;
        if (type->kind == TYPE_VAR) {
                if (c->bound[type->index])
                        return unify_resolve(c, c->bound[type->index], close);
                return close ? dyn() : type;
        }
        for (uint32_t i = 0; i < type->count; i++)
                params[i] = unify_resolve(c, type->params[i], close);
        made = type_make(c->arena, type->kind, type->name, params, type->count);
        c->failed |= !made;
        return made ? made : dyn();
}

const struct cel_type *unify_instantiate(struct checker *c, const struct cel_type *type,
                                         const struct cel_type **fresh)
{
        const struct cel_type *params[8];
        const struct cel_type *made;

        if (!type->generic)
                return type;
        if (type->kind == TYPE_PARAM) {
                if (!fresh[type->index])
                        fresh[type->index] = unify_new_var(c);
                return fresh[type->index];
        }
        for (uint32_t i = 0; i < type->count; i++)
                params[i] = unify_instantiate(c, type->params[i], fresh);
        made = type_make(c->arena, type->kind, type->name, params, type->count);
        c->failed |= !made;
        return made ? made : dyn();
}
