/* SPDX-License-Identifier: Apache-2.0 */
/* Making the tree: its nodes, its limits, its memory. */
#include "cel/ast.h"

#include <stdio.h>

struct node *parser_fail(struct parser *p, uint32_t offset, const char *format, ...)
{
        char message[300];
        va_list args;

        va_start(args, format);
        vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        cel_message_at(p->err, ERR_EXPRESSION, p->lexer.source, offset, "%s", message);
        return NULL;
}

static struct node *out_of_memory(struct parser *p)
{
        if (arena_check(p->arena, p->err))
                err_set(p->err, ERR_NO_MEMORY, "no memory to parse the expression");
        return NULL;
}

struct node *parser_node(struct parser *p, enum node_kind kind, uint32_t start, uint32_t position)
{
        struct node *node;

        if (++p->nodes > CEL_NODES_MAX)
                return parser_fail(p, start, "the expression has more than %d parts", CEL_NODES_MAX);
        node = ARENA_NEW(p->arena, struct node);
        if (!node)
                return out_of_memory(p);
        node->kind = (uint8_t)kind;
        node->start = start;
        node->position = position;
        node->end = p->last_end;
        node->depth = 1;
        return node;
}

struct node *parser_finish(struct parser *p, struct node *node, struct node *const *args, uint32_t count)
{
        if (!node)
                return NULL;
        node->args = ARENA_ARRAY(p->arena, struct node *, count);
        if (!node->args)
                return out_of_memory(p);
        node->count = count;
        for (uint32_t i = 0; i < count; i++) {
                node->args[i] = args[i];
                if (args[i]->depth >= node->depth)
                        node->depth = (uint16_t)(args[i]->depth + 1);
        }
        node->end = p->last_end;
        if (node->depth > CEL_NESTING_MAX)
                return parser_fail(p, node->position, "the expression is nested deeper than %d levels",
                                   CEL_NESTING_MAX);
        return node;
}

bool nodes_add(struct parser *p, struct nodes *nodes, struct node *node)
{
        if (!node)
                return false;
        if (!nodes->items) {
                nodes->items = nodes->inline_items;
                nodes->room = 4;
        }
        if (nodes->count == nodes->room) {
                struct node **more = ARENA_ARRAY(p->arena, struct node *, (size_t)nodes->room * 2);

                if (!more)
                        return out_of_memory(p) != NULL;
                memcpy(more, nodes->items, nodes->count * sizeof(nodes->items[0]));
                nodes->items = more;
                nodes->room *= 2;
        }
        nodes->items[nodes->count++] = node;
        return true;
}
