/* SPDX-License-Identifier: Apache-2.0 */
#include "definitions/workflow_rules.h"

#include "definitions/shape.h"
#include "definitions/texts.h"

void workflow_rule_duration(const struct node *node, struct problems *problems, void *root)
{
        int64_t sum = 0;

        (void)root;
        for (const struct node *part = node->first; part; part = part->next)
                if (part->type == JSON_INT && part->integer > 0)
                        sum = 1;
        if (sum == 0)
                problems_add_key(problems, node,
                                 "the duration is nothing; write for instance \"seconds: 30\"");
}

void workflow_rule_not_empty(const struct node *node, struct problems *problems, void *root)
{
        (void)root;
        if (node->count == 0)
                problems_add(problems, node, "this is empty and would match everything; say what is meant");
}

void workflow_rule_one_of(const struct node *node, struct problems *problems, void *root)
{
        (void)root;
        if (node->count != 1)
                problems_add_key(problems, node, "exactly one member is needed here, and there are %u",
                                 node->count);
}

void workflow_rule_script(const struct node *node, struct problems *problems, void *root)
{
        (void)root;
        if (!node_get(node, "code") == !node_get(node, "source"))
                problems_add_key(problems, node, "a script has either \"code\" or \"source\"");
}

void workflow_rule_subflow(const struct node *node, struct problems *problems, void *root)
{
        struct str version = node_text(node, "version");
        const char *why = "";

        (void)root;
        if (!version.ptr)
                return;
        if (str_is(version, "latest"))
                problems_warn(
                        problems, node_get(node, "version"),
                        "\"latest\" changes what runs without a new version of this one; name a version");
        else if (!text_is_version(version, &why))
                problems_add(problems, node_get(node, "version"), "\"%.*s\" is no version: %s",
                             STR_ARG(version), why);
}

/* ---- names of tasks ------------------------------------------------------------------------------ */

/* The one name in an item of a list of named things, or NULL. */
static const struct node *named(const struct node *item)
{
        return item && item->type == JSON_OBJECT && item->count == 1 ? item->first : NULL;
}

void workflow_rule_unique_names(const struct node *node, struct problems *problems, void *root)
{
        (void)root;
        for (const struct node *item = node->first; item; item = item->next)
                for (const struct node *other = node->first; other != item; other = other->next)
                        if (named(item) && named(other) && str_eq(named(item)->key, named(other)->key)) {
                                problems_add_key(
                                        problems, named(item),
                                        "the name \"%.*s\" is taken on line %d; names in a list differ",
                                        STR_ARG(named(item)->key), named(other)->key_line);
                                break;
                        }
}

/* The list of tasks that a `then` moves in; NULL where the task stands in no list. */
static const struct node *list_around(const struct node *then)
{
        const struct node *owner = then->parent; /* a task, or a case of a switch */
        const struct node *list = owner && owner->parent ? owner->parent->parent : NULL;

        if (list && list->type == JSON_ARRAY && list->key.ptr && str_is(list->key, "switch"))
                list = list->parent && list->parent->parent ? list->parent->parent->parent : NULL;
        return list && list->type == JSON_ARRAY ? list : NULL;
}

void workflow_rule_directive(const struct node *node, struct problems *problems, void *root)
{
        const struct node *list = list_around(node);
        struct str nearest;

        (void)root;
        if (str_is(node->text, "continue") || str_is(node->text, "exit") || str_is(node->text, "end"))
                return;
        for (const struct node *item = list ? list->first : NULL; item; item = item->next)
                if (named(item) && str_eq(named(item)->key, node->text))
                        return;
        nearest = shape_nearest(list, node->text);
        if (nearest.ptr)
                problems_add(problems, node,
                             "there is no task \"%.*s\" in this list; did you mean \"%.*s\"?",
                             STR_ARG(node->text), STR_ARG(nearest));
        else
                problems_add(problems, node,
                             "there is no task \"%.*s\" in this list; write continue, exit, end, or the "
                             "name of a "
                             "task beside this one",
                             STR_ARG(node->text));
}

/* ---- names that `use` defines ------------------------------------------------------------------------ */

static bool is_defined(const struct node *root, const char *section, struct str name)
{
        const struct node *defined = node_get(node_get(root, "use"), section);

        /* Secrets are a list of names, all else are mappings. */
        for (const struct node *child = defined ? defined->first : NULL; child; child = child->next)
                if (str_eq(child->key.ptr ? child->key : child->text, name))
                        return true;
        return false;
}

static void check_used(const struct node *node, struct problems *problems, const struct node *root,
                       const char *section, const char *what)
{
        const struct node *defined = node_get(node_get(root, "use"), section);
        struct str nearest;

        if (text_begins_expression(node->text) || is_defined(root, section, node->text))
                return;
        nearest = defined && defined->type == JSON_OBJECT ? shape_nearest(defined, node->text)
                                                          : (struct str){NULL, 0};
        if (nearest.ptr)
                problems_add(problems, node, "use.%s has no %s \"%.*s\"; did you mean \"%.*s\"?", section,
                             what, STR_ARG(node->text), STR_ARG(nearest));
        else
                problems_add(problems, node, "use.%s has no %s \"%.*s\"; define it there", section, what,
                             STR_ARG(node->text));
}

#define NAMED_RULE(rule, section, what)                                                                     \
        void workflow_rule_##rule(const struct node *node, struct problems *problems, void *root)           \
        {                                                                                                   \
                check_used(node, problems, root, section, what);                                            \
        }

NAMED_RULE(authentication_name, "authentications", "authentication")
NAMED_RULE(error_name, "errors", "error")
NAMED_RULE(retry_name, "retries", "retry policy")
NAMED_RULE(secret_name, "secrets", "secret")
NAMED_RULE(timeout_name, "timeouts", "timeout")

/* "name", "name:1.0.0@catalog", or an address. */
void workflow_rule_function_name(const struct node *node, struct problems *problems, void *root)
{
        struct str rest = node->text;
        struct str function, name;
        const char *why = "";

        if (str_find_str(rest, STR("://")) >= 0 && text_is_uri(rest, &why))
                return;
        if (!str_cut(&rest, '@', &function)) {
                check_used(node, problems, root, "functions", "function");
                return;
        }
        if (!str_cut(&function, ':', &name) || name.len == 0 || !text_is_version(function, &why))
                problems_add(problems, node, "a function of a catalog is written name:version@catalog");
        else if (!str_is(rest, "default") && !is_defined(root, "catalogs", rest))
                problems_add(problems, node, "use.catalogs has no catalog \"%.*s\"; define it there",
                             STR_ARG(rest));
}
