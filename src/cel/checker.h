/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolves names and overloads and deduces types (langdef, "Gradual Type
 * Checking"). With `unchecked`, names are resolved in the same way but nothing
 * fails: what does not fit is left for the evaluation to find.
 * Private to src/cel.
 */
#pragma once

#include "cel/ast.h"
#include "cel/env.h"

struct scope {
        struct str name;
        const struct cel_type *type;
        uint32_t slot;
        const struct scope *outer;
};

struct binding {
        uint32_t index;
        const struct cel_type *old;
};

struct checker {
        const struct cel_env *env;
        struct arena *arena;
        struct str source;
        bool unchecked;
        struct err *err;
        const struct scope *scope;
        uint32_t locals;      /* slots in use */
        uint32_t locals_most; /* slots that an evaluation needs */
        /* unify.c: what type variables stand for, and how to take that back */
        const struct cel_type **bound;
        uint32_t var_count;
        uint32_t var_room;
        struct binding *trail;
        uint32_t trail_count;
        uint32_t trail_room;
        bool failed; /* memory */
};

/* Annotates the tree: types, bindings, functions. */
bool cel_check(struct checker *c, struct node *root) MUST_USE;

/* ---- unify.c ---- */

const struct cel_type *unify_new_var(struct checker *c);
/* Whether the types agree; binds type variables so that they do, or leaves all as it was. */
bool unify_assignable(struct checker *c, const struct cel_type *to, const struct cel_type *from);
/* Several at once: all or none. */
bool unify_assignable_all(struct checker *c, const struct cel_type *const *to,
                          const struct cel_type *const *from, uint32_t count);
/* The type for a place that has held `previous` (or NULL) and now holds `current`: dyn if they differ. */
const struct cel_type *unify_join(struct checker *c, const struct cel_type *previous,
                                  const struct cel_type *current);
/* Replaces variables by what they stand for; free ones stay, or become dyn with `close`. */
const struct cel_type *unify_resolve(struct checker *c, const struct cel_type *type, bool close);
/* Puts fresh variables in the place of a declaration's parameters: fresh[0..25], filled on demand. */
const struct cel_type *unify_instantiate(struct checker *c, const struct cel_type *type,
                                         const struct cel_type **fresh);

/* ---- names.c ---- */

/* ERR_EXPRESSION at an offset of the source. Returns false. */
bool checker_fail(struct checker *c, uint32_t offset, const char *format, ...) PRINTF_LIKE(3, 4);
/* For messages: the type as text, cut off when it is long. */
const char *checker_show(struct checker *c, const struct cel_type *type);

/* Bytes of "a.b.c" where the node is a chain of plain selections; 0 for anything else. */
size_t names_length(const struct node *node);
/* Its first word. */
const struct node *names_root(const struct node *node);
/* The chain, with ".suffix" unless that is empty. */
struct str names_qualified(struct checker *c, const struct node *node, struct str suffix);
/*
 * In container a.b the name x.y means a.b.x.y, then a.x.y, then x.y. Calls
 * `found` for each until it says true.
 */
bool names_each_candidate(struct checker *c, struct str name, bool leading_dot,
                          bool (*found)(struct checker *, struct str, void *), void *data);
const struct scope *names_local(const struct checker *c, struct str name);
/* Binds the node when the whole chain is one declared name. Locals hide globals of the same first word. */
bool names_bind(struct checker *c, struct node *node);
/* The error for a name that does not exist, with the nearest that does. Returns false. */
bool names_undeclared(struct checker *c, struct node *node, const char *what, struct str name,
                      bool function);
