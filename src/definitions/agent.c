/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents: what an agent is for, how far it may go, and which tools it is
 * granted. Format 1.0:
 *
 *   agent: '1.0'
 *   document: {name: release-bot, version: 1.0.0}
 *   scope: read_write
 *   risk: high
 *   tools:
 *     - connector: docker
 *       operations: [container.list, container.restart]
 *       environments: [test]
 */
#include "definitions/kinds.h"

#include "catalogue/catalogue.h"

static bool is_format(struct str text, const char **ret_why)
{
        *ret_why = "this server understands '1.0'";
        return str_is(text, "1.0");
}

static const struct shape format = {
        .kind = SHAPE_TEXT, .what = "the version of the format", .check = is_format};
static const struct shape scope = {
        .kind = SHAPE_WORD, .what = "a scope", .words = "read_only read_write code_gen"};
static const struct shape risk = {
        .kind = SHAPE_WORD, .what = "a risk tier", .words = "low medium high critical"};
static const struct shape connector = {.kind = SHAPE_TEXT, .what = "a connector"};
static const struct shape operation = {.kind = SHAPE_TEXT, .what = "an operation"};
static const struct shape operations = {
        .kind = SHAPE_LIST, .what = "a list of operations", .of = &operation, .least = 1};
static const struct shape environments = {
        .kind = SHAPE_LIST, .what = "a list of environments", .of = &shape_label, .least = 1};

/* The catalogue has it, and the agent's scope reaches it. */
static void rule_tool(const struct node *node, struct problems *problems, void *root)
{
        const struct node *listed = node_get(node, "operations");
        struct str owner = node_text(node, "connector");
        bool reads = str_is(node_text(root, "scope"), "read_only");

        for (const struct node *item = listed ? listed->first : NULL; owner.ptr && item; item = item->next) {
                const struct catalogue_operation *known =
                        item->type == JSON_STRING ? catalogue_find(owner, item->text) : NULL;

                if (item->type == JSON_STRING && !known)
                        problems_add(
                                problems, item,
                                "the catalogue has no \"%.*s\" of the connector \"%.*s\"; see `countersign "
                                "catalogue`",
                                STR_ARG(item->text), STR_ARG(owner));
                else if (known && reads && known->effect != EFFECT_READS)
                        problems_add(problems, item, "\"%.*s\" changes things, and the scope is read_only",
                                     STR_ARG(item->text));
        }
}

static const struct shape_member tool_members[] = {{"connector", &connector, true},
                                                   {"operations", &operations, true},
                                                   {"environments", &environments, false},
                                                   {NULL, NULL, false}};
static const struct shape tool = {
        .kind = SHAPE_RECORD, .what = "a tool", .members = tool_members, .rule = rule_tool};
static const struct shape tools = {.kind = SHAPE_LIST, .what = "a list of tools", .of = &tool};
static const struct shape_member agent_members[] = {
        {"agent", &format, true}, {"document", &shape_document_head, true},
        {"scope", &scope, true},  {"risk", &risk, true},
        {"tools", &tools, true},  {"instructions", &shape_text, false},
        {NULL, NULL, false},
};
static const struct shape agent = {.kind = SHAPE_RECORD, .what = "an agent", .members = agent_members};

void agent_check(const struct node *root, struct problems *problems)
{
        shape_check(&agent, root, problems, (void *)root);
}
