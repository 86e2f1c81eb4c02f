/* SPDX-License-Identifier: Apache-2.0 */
#include "definitions/diff.h"

enum { VALUE_MAX = 64 * 1024 };

struct differ {
        struct arena *arena;
        struct diff *diff;
        struct err *err;
};

static bool value_text(struct differ *d, const struct node *node, struct str *ret)
{
        struct json json;
        BUF_SCOPED text;

        buf_init(&text, VALUE_MAX);
        *ret = (struct str){NULL, 0};
        if (!node)
                return true;
        if (!node_to_json(d->arena, node, &json, d->err))
                return false;
        json_append_canonical(&text, &json);
        *ret = text.failed ? STR("…") : arena_str(d->arena, buf_str(&text));
        return arena_check(d->arena, d->err);
}

static bool note(struct differ *d, enum diff_kind kind, struct str path, const struct node *before,
                 const struct node *after)
{
        struct diff_change *change;

        if (d->diff->count == DIFF_CHANGES_MAX) {
                d->diff->truncated = true;
                return true;
        }
        change = &d->diff->changes[d->diff->count++];
        *change = (struct diff_change){.kind = kind, .path = path};
        return value_text(d, before, &change->before) && value_text(d, after, &change->after);
}

static bool same_scalar(const struct node *a, const struct node *b)
{
        if (a->type != b->type)
                return false;
        switch (a->type) {
        case JSON_STRING:
                return str_eq(a->text, b->text);
        case JSON_BOOL:
                return a->boolean == b->boolean;
        case JSON_INT:
        case JSON_UINT:
                return a->integer == b->integer;
        case JSON_DOUBLE:
                return a->number == b->number;
        default:
                return true;
        }
}

/* The name of an item in a list of named things; {NULL, 0} for others. */
static struct str name_of(const struct node *node)
{
        bool named = node->type == JSON_OBJECT && node->count == 1 && node->first->type == JSON_OBJECT;

        return node->key.ptr ? node->key : named ? node->first->key : (struct str){NULL, 0};
}

static bool stands_for(const struct node *other, const struct node *child)
{
        struct str name = name_of(child);
        struct str other_name = name_of(other);

        return name.ptr ? other_name.ptr && str_eq(name, other_name)
                        : !other_name.ptr && other->index == child->index;
}

/*
 * The child of `parent` that stands for `child` of the other document; `hint`
 * is the one at the same position, or NULL. The hint is asked first: mostly it
 * is the one, and names that appear twice then find each other.
 */
static const struct node *partner(const struct node *parent, const struct node *hint,
                                  const struct node *child)
{
        if (hint && stands_for(hint, child))
                return hint;
        for (const struct node *other = parent->first; other; other = other->next)
                if (stands_for(other, child))
                        return other;
        return NULL;
}

static struct str step(struct differ *d, struct str path, const struct node *child)
{
        struct str name = name_of(child);

        if (!name.ptr)
                return arena_printf(d->arena, "%.*s/%u", STR_ARG(path), child->index);
        return arena_printf(d->arena, "%.*s/%.*s", STR_ARG(path), STR_ARG(name));
}

static bool compare(struct differ *d, struct str path, const struct node *from, const struct node *to)
{
        bool nested = from->type == to->type && (from->type == JSON_OBJECT || from->type == JSON_ARRAY);
        const struct node *hint;

        if (!nested)
                return same_scalar(from, to) || note(d, DIFF_CHANGED, path, from, to);
        hint = to->first;
        for (const struct node *child = from->first; child && !d->diff->truncated; child = child->next) {
                const struct node *other = partner(to, hint, child);
                struct str below = step(d, path, child);

                if (!arena_check(d->arena, d->err) ||
                    !(other ? compare(d, below, child, other) : note(d, DIFF_REMOVED, below, child, NULL)))
                        return false;
                hint = hint ? hint->next : NULL;
        }
        hint = from->first;
        for (const struct node *child = to->first; child && !d->diff->truncated; child = child->next) {
                if (!partner(from, hint, child) && !note(d, DIFF_ADDED, step(d, path, child), NULL, child))
                        return false;
                hint = hint ? hint->next : NULL;
        }
        return arena_check(d->arena, d->err);
}

bool document_diff(struct arena *arena, const struct node *from, const struct node *to, struct diff *ret,
                   struct err *err)
{
        struct differ d = {arena, ret, err};

        *ret = (struct diff){.changes = ARENA_ARRAY(arena, struct diff_change, DIFF_CHANGES_MAX)};
        return arena_check(arena, err) && compare(&d, STR(""), from, to);
}
