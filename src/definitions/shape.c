/* SPDX-License-Identifier: Apache-2.0 */
#include "definitions/shape.h"

/* How many letters may be changed for "did you mean": at most three, and not all of them. */
static size_t near(struct str wanted)
{
        return wanted.len < 4 ? wanted.len : 4;
}

struct checker {
        struct problems *problems;
        void *context;
};

static void check(struct checker *c, const struct shape *shape, const struct node *node);

static bool expect(struct checker *c, const struct shape *shape, const struct node *node,
                   enum json_type type)
{
        if (node->type == type)
                return true;
        if (node->type == JSON_NULL)
                problems_add(c->problems, node, "%s is missing here", shape->what);
        else
                problems_add(c->problems, node, "%s is expected here, and this is %s", shape->what,
                             json_type_name(node->type));
        return false;
}

/* ---- scalars ---------------------------------------------------------------------------------- */

static void check_text(struct checker *c, const struct shape *shape, const struct node *node)
{
        const char *why = "";

        if (!expect(c, shape, node, JSON_STRING))
                return;
        if (node->text.len == 0)
                problems_add(c->problems, node, "%s is empty", shape->what);
        else if (shape->check && !shape->check(node->text, &why))
                problems_add(c->problems, node, "\"%.*s\" is not %s: %s",
                             STR_ARG(str_slice(node->text, 0, 80)), shape->what, why);
}

static void check_word(struct checker *c, const struct shape *shape, const struct node *node)
{
        struct str words = str_from(shape->words);
        struct str word;

        if (!expect(c, shape, node, JSON_STRING))
                return;
        while (words.len > 0) {
                (void)str_cut(&words, ' ', &word);
                if (str_eq(word, node->text))
                        return;
        }
        problems_add(c->problems, node, "\"%.*s\" is not %s; write one of: %s",
                     STR_ARG(str_slice(node->text, 0, 80)), shape->what, shape->words);
}

static void check_integer(struct checker *c, const struct shape *shape, const struct node *node)
{
        if (!expect(c, shape, node, JSON_INT))
                return;
        if ((shape->min || shape->max) && (node->integer < shape->min || node->integer > shape->max))
                problems_add(c->problems, node, "%lld is out of range: %s is %lld to %lld",
                             (long long)node->integer, shape->what, (long long)shape->min,
                             (long long)shape->max);
}

/* ---- mappings ----------------------------------------------------------------------------------- */

static const struct shape_member *member_find(const struct shape *record, struct str name)
{
        for (; record; record = record->base)
                for (const struct shape_member *m = record->members; m && m->name; m++)
                        if (str_is(name, m->name))
                                return m;
        return NULL;
}

static void tell_unknown(struct checker *c, const struct shape *record, const struct node *node)
{
        const char *nearest = NULL;
        size_t best = near(node->key);

        for (const struct shape *r = record; r; r = r->base)
                for (const struct shape_member *m = r->members; m && m->name; m++) {
                        size_t distance = str_distance(node->key, str_from(m->name));

                        if (distance < best) {
                                best = distance;
                                nearest = m->name;
                        }
                }
        if (nearest)
                problems_add_key(c->problems, node, "%s has no \"%.*s\"; did you mean \"%s\"?", record->what,
                                 STR_ARG(node->key), nearest);
        else
                problems_add_key(c->problems, node, "%s has no \"%.*s\"; take it out", record->what,
                                 STR_ARG(node->key));
}

static void check_record(struct checker *c, const struct shape *shape, const struct node *node)
{
        if (!expect(c, shape, node, JSON_OBJECT))
                return;
        for (const struct shape *r = shape; r; r = r->base)
                for (const struct shape_member *m = r->members; m && m->name; m++)
                        if (m->required && !node_get(node, m->name))
                                problems_add_key(c->problems, node, "%s needs \"%s\": %s", shape->what,
                                                 m->name, m->shape->what);
        for (const struct node *child = node->first; child; child = child->next) {
                const struct shape_member *m = member_find(shape, child->key);

                if (m)
                        check(c, m->shape, child);
                else if (!shape->open)
                        tell_unknown(c, shape, child);
        }
}

static void check_object(struct checker *c, const struct shape *shape, const struct node *node)
{
        if (!expect(c, shape, node, JSON_OBJECT))
                return;
        if (node->count < shape->least)
                problems_add(c->problems, node, "%s is empty", shape->what);
        for (const struct node *child = node->first; shape->of && child; child = child->next)
                check(c, shape->of, child);
}

/* ---- lists --------------------------------------------------------------------------------------- */

static void check_list(struct checker *c, const struct shape *shape, const struct node *node)
{
        if (!expect(c, shape, node, JSON_ARRAY))
                return;
        if (node->count < shape->least)
                problems_add_key(c->problems, node, "%s needs at least %u", shape->what, shape->least);
        for (const struct node *item = node->first; item; item = item->next) {
                if (shape->kind == SHAPE_LIST)
                        check(c, shape->of, item);
                else if (item->type != JSON_OBJECT || item->count != 1)
                        problems_add(c->problems, item,
                                     "an item of %s is one name with its value, \"- name: …\"", shape->what);
                else
                        check(c, shape->of, item->first);
        }
}

/* ---- one of several -------------------------------------------------------------------------------- */

static void append_keys(struct buf *buf, const struct shape_variant *v)
{
        for (const char *gap = ""; v->key; v++, gap = ", ")
                buf_printf(buf, "%s%s", gap, v->key);
}

static void check_by_key(struct checker *c, const struct shape *shape, const struct node *node)
{
        BUF_SCOPED keys;

        buf_init(&keys, 1024);
        if (!expect(c, shape, node, JSON_OBJECT))
                return;
        for (const struct shape_variant *v = shape->variants; v->key; v++)
                if (node_get(node, v->key)) {
                        check(c, v->shape, node);
                        return;
                }
        append_keys(&keys, shape->variants);
        problems_add_key(c->problems, node, "%s needs one of: %.*s", shape->what, STR_ARG(buf_str(&keys)));
}

static void check_by_value(struct checker *c, const struct shape *shape, const struct node *node)
{
        struct str value;

        if (!expect(c, shape, node, JSON_OBJECT))
                return;
        value = node_text(node, shape->key);
        for (const struct shape_variant *v = shape->variants; v->key; v++)
                if (value.ptr && str_is(value, v->key)) {
                        check(c, v->shape, node);
                        return;
                }
        check(c, shape->of, node);
}

/* A rule runs also where something inside is wrong, so that all mistakes are told at once. */
static bool suits_rule(const struct shape *shape, const struct node *node)
{
        switch (shape->kind) {
        case SHAPE_TEXT:
        case SHAPE_WORD:
                return node->type == JSON_STRING && node->text.len > 0;
        case SHAPE_LIST:
        case SHAPE_NAMED:
                return node->type == JSON_ARRAY;
        default:
                return node->type == JSON_OBJECT;
        }
}

static void check(struct checker *c, const struct shape *shape, const struct node *node)
{
        switch (shape->kind) {
        case SHAPE_ANY:
                break;
        case SHAPE_TEXT:
                check_text(c, shape, node);
                break;
        case SHAPE_WORD:
                check_word(c, shape, node);
                break;
        case SHAPE_INTEGER:
                check_integer(c, shape, node);
                break;
        case SHAPE_BOOL:
                (void)expect(c, shape, node, JSON_BOOL);
                break;
        case SHAPE_OBJECT:
        case SHAPE_MAP:
                check_object(c, shape, node);
                break;
        case SHAPE_RECORD:
                check_record(c, shape, node);
                break;
        case SHAPE_LIST:
        case SHAPE_NAMED:
                check_list(c, shape, node);
                break;
        case SHAPE_TEXT_OR:
                check(c, node->type == JSON_STRING ? shape->text : shape->of, node);
                break;
        case SHAPE_BY_KEY:
                check_by_key(c, shape, node);
                break;
        case SHAPE_BY_VALUE:
                check_by_value(c, shape, node);
                break;
        }
        if (shape->rule && suits_rule(shape, node))
                shape->rule(node, c->problems, c->context);
}

void shape_check(const struct shape *shape, const struct node *node, struct problems *problems,
                 void *context)
{
        struct checker c = {problems, context};

        check(&c, shape, node);
}

struct str shape_nearest(const struct node *parent, struct str wanted)
{
        struct str nearest = {NULL, 0};
        size_t best = near(wanted);

        for (const struct node *child = parent ? parent->first : NULL; child; child = child->next) {
                /* The names of a list of named things are one level deeper. */
                struct str name = child->key.ptr ? child->key : child->first ? child->first->key : STR("");
                size_t distance = str_distance(name, wanted);

                if (distance < best) {
                        best = distance;
                        nearest = name;
                }
        }
        return nearest;
}
