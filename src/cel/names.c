/* SPDX-License-Identifier: Apache-2.0 */
/* What a name means (langdef, "Name Resolution"), and messages about names and types. */
#include "cel/checker.h"

#include <stdio.h>

NOINLINE bool checker_fail(struct checker *c, uint32_t offset, const char *format, ...)
{
        char message[300];
        va_list args;

        va_start(args, format);
        vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        return cel_message_at(c->err, ERR_EXPRESSION, c->source, offset, "%s", message);
}

/* For messages: the type as text. */
NOINLINE const char *checker_show(struct checker *c, const struct cel_type *type)
{
        struct str text;
        BUF_SCOPED buf;

        buf_init(&buf, 4096);
        cel_type_append(&buf, unify_resolve(c, type, true));
        text = arena_str(c->arena, str_slice(buf_str(&buf), 0, 100));
        return text.ptr ? text.ptr : "?";
}

size_t names_length(const struct node *node)
{
        size_t inner;

        if (node->kind == NODE_IDENT)
                return node->name.len;
        if (node->kind != NODE_SELECT || node->test || node->optional)
                return 0;
        inner = names_length(node->args[0]);
        return inner > 0 ? inner + 1 + node->name.len : 0;
}

static char *name_write(const struct node *node, char *to)
{
        if (node->kind == NODE_SELECT) {
                to = name_write(node->args[0], to);
                *to++ = '.';
        }
        memcpy(to, node->name.ptr, node->name.len);
        return to + node->name.len;
}

const struct node *names_root(const struct node *node)
{
        while (node->kind == NODE_SELECT)
                node = node->args[0];
        return node;
}

struct str names_qualified(struct checker *c, const struct node *node, struct str suffix)
{
        size_t len = names_length(node);
        char *text;

        if (len == 0)
                return STR_NULL;
        if (node->kind == NODE_IDENT && suffix.len == 0)
                return node->name;
        text = arena_alloc_bytes(c->arena, len + 1 + suffix.len);
        if (!text) {
                c->failed = true;
                return STR_NULL;
        }
        name_write(node, text);
        if (suffix.len > 0) {
                text[len++] = '.';
                memcpy(text + len, suffix.ptr, suffix.len);
                len += suffix.len;
        }
        return str_make(text, len);
}

/*
 * langdef "Name Resolution": in container a.b the name x.y means a.b.x.y, then
 * a.x.y, then x.y. Calls `found` for each candidate until it says true.
 */
bool names_each_candidate(struct checker *c, struct str name, bool leading_dot,
                          bool (*found)(struct checker *, struct str, void *), void *data)
{
        struct str container = leading_dot ? STR_NULL : c->env->container;

        while (container.len > 0) {
                struct arena_mark mark = arena_mark(c->arena);
                struct str candidate =
                        arena_printf(c->arena, "%.*s.%.*s", STR_ARG(container), STR_ARG(name));

                if (!candidate.ptr) {
                        c->failed = true;
                        return false;
                }
                if (found(c, candidate, data))
                        return true;
                arena_rewind(c->arena, mark);
                while (container.len > 0 && container.ptr[container.len - 1] != '.')
                        container.len--;
                container.len -= container.len > 0;
        }
        return found(c, name, data);
}

const struct scope *names_local(const struct checker *c, struct str name)
{
        for (const struct scope *s = c->scope; s; s = s->outer)
                if (str_eq(s->name, name))
                        return s;
        return NULL;
}

static bool bind_global(struct checker *c, struct str name, void *data)
{
        struct node *node = data;
        const struct variable *variable = env_variable(c->env, name);
        const struct cel_type *type;

        if (variable) {
                node->bound = BOUND_VARIABLE;
                node->slot = variable->slot;
                node->type = variable->type;
                return true;
        }
        node->bound = BOUND_TYPE;
        if (str_is(name, "google.protobuf.NullValue.NULL_VALUE")) {
                node->literal = cel_null();
                node->type = type_simple(TYPE_NULL);
                return true;
        }
        type = env_type(c->env, c->arena, name);
        if (!type) {
                node->bound = BOUND_NOT;
                return false;
        }
        node->literal = (struct cel_value){.kind = CEL_TYPE};
        node->literal.bytes = type_value_name(type).ptr;
        node->literal.len = (uint32_t)type_value_name(type).len;
        node->type = type_of_type(c->arena, type);
        c->failed |= !node->type;
        return true;
}

/* Whether the whole chain is one declared name. Locals hide globals of the same first word. */
NOINLINE bool names_bind(struct checker *c, struct node *node)
{
        const struct node *root = names_root(node);
        struct str name;

        if (names_length(node) == 0 || (!root->leading_dot && names_local(c, root->name)))
                return false;
        name = names_qualified(c, node, STR_NULL);
        return name.len > 0 && names_each_candidate(c, name, root->leading_dot, bind_global, node);
}

NOINLINE bool names_undeclared(struct checker *c, struct node *node, const char *what, struct str name,
                               bool function)
{
        struct nearest nearest;

        nearest_init(&nearest, name);
        if (function) {
                for (const struct function *f = c->env->newest_function; f; f = f->older)
                        nearest_offer(&nearest, f->name);
                macro_offer_names(&nearest);
        } else {
                for (const struct scope *s = c->scope; s; s = s->outer)
                        nearest_offer(&nearest, s->name);
                for (const struct variable *v = c->env->newest_variable; v; v = v->older)
                        nearest_offer(&nearest, v->name);
        }
        if (nearest.best.len > 0)
                return checker_fail(c, node->position, "there is no %s \"%.*s\"; did you mean \"%.*s\"?",
                                    what, STR_ARG(str_slice(name, 0, 80)), STR_ARG(nearest.best));
        return checker_fail(c, node->position, "there is no %s \"%.*s\"", what,
                            STR_ARG(str_slice(name, 0, 80)));
}
