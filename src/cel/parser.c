/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of langdef, "Syntax": recursive descent, with a limit on depth and on nodes. */
#include "cel/ast.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static struct node *parse_expression(struct parser *p);

static bool advance(struct parser *p)
{
        p->last_end = p->token.end;
        return lexer_next(&p->lexer, &p->token);
}

static bool at_char(const struct parser *p, char c)
{
        return p->token.kind == TOKEN_PUNCTUATION && p->token.text.ptr[0] == c;
}

static struct node *unexpected(struct parser *p, const char *expected)
{
        if (p->token.kind == TOKEN_END)
                return parser_fail(p, p->token.start, "the expression ends too early; expected %s",
                                   expected);
        if (p->token.kind == TOKEN_RESERVED)
                return parser_fail(p, p->token.start, "\"%.*s\" is a reserved word; expected %s",
                                   STR_ARG(p->token.text), expected);
        return parser_fail(p, p->token.start, "unexpected \"%.*s\"; expected %s",
                           STR_ARG(str_slice(p->token.text, 0, 40)), expected);
}

/* Takes the character, or fails with what it was meant to close. */
static bool take_char(struct parser *p, char c, const char *expected)
{
        if (at_char(p, c))
                return advance(p);
        unexpected(p, expected);
        return false;
}

/* ---- Literals ---- */

static struct node *literal_node(struct parser *p, uint32_t start, struct cel_value value)
{
        struct node *node;

        if (!advance(p))
                return NULL;
        node = parser_node(p, NODE_LITERAL, start, start);
        if (node)
                node->literal = value;
        return node;
}

/* Without sign and suffix; decimal or 0x. */
static bool read_magnitude(struct str text, uint64_t *ret)
{
        uint64_t value = 0;
        bool hex = text.len > 2 && (text.ptr[1] == 'x' || text.ptr[1] == 'X');

        for (size_t i = hex ? 2 : 0; i < text.len; i++)
                if (__builtin_mul_overflow(value, hex ? 16u : 10u, &value) ||
                    __builtin_add_overflow(value, (uint64_t)str_hex_digit(text.ptr[i]), &value))
                        return false;
        *ret = value;
        return true;
}

/* The token is a number; `negative` when a minus stood before it, at `start`. */
static NOINLINE struct node *parse_number(struct parser *p, uint32_t start, bool negative)
{
        struct str text = p->token.text;
        uint64_t magnitude;
        char digits[64];
        double number;

        if (p->token.kind == TOKEN_DOUBLE) {
                if (text.len >= sizeof(digits))
                        return parser_fail(p, start, "the number has more than %zu characters",
                                           sizeof(digits) - 1);
                memcpy(digits, text.ptr, text.len);
                digits[text.len] = '\0';
                number = strtod(digits, NULL);
                return literal_node(p, start, cel_double(negative ? -number : number));
        }
        if (p->token.kind == TOKEN_UINT) {
                if (!read_magnitude(str_slice(text, 0, text.len - 1), &magnitude))
                        return parser_fail(p, start, "the number is larger than a uint can be (%" PRIu64 ")",
                                           UINT64_MAX);
                return literal_node(p, start, cel_uint(magnitude));
        }
        if (!read_magnitude(text, &magnitude) || magnitude > (uint64_t)INT64_MAX + negative)
                return parser_fail(p, start, "the number does not fit an int (%" PRId64 " to %" PRId64 ")",
                                   INT64_MIN, INT64_MAX);
        return literal_node(p, start, cel_int(negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude));
}

static bool at_number(const struct parser *p)
{
        return p->token.kind == TOKEN_INT || p->token.kind == TOKEN_DOUBLE;
}

/* ---- Lists, maps, structs, arguments ---- */

/* Takes a '?' that marks an optional entry. */
static bool take_optional_mark(struct parser *p, bool *ret_marked)
{
        *ret_marked = at_char(p, '?');
        return !*ret_marked || advance(p);
}

static bool parse_arguments(struct parser *p, struct nodes *args)
{
        while (!at_char(p, ')')) {
                if (!nodes_add(p, args, parse_expression(p)))
                        return false;
                if (!at_char(p, ','))
                        return take_char(p, ')', "',' or ')' after the argument");
                if (!advance(p))
                        return false;
                if (at_char(p, ')')) {
                        unexpected(p, "another argument after ','");
                        return false;
                }
        }
        return advance(p);
}

static NOINLINE struct node *parse_list(struct parser *p)
{
        uint32_t start = p->token.start;
        struct nodes items = {0};
        bool optional;

        if (!advance(p))
                return NULL;
        while (!at_char(p, ']')) {
                if (!take_optional_mark(p, &optional) || !nodes_add(p, &items, parse_expression(p)))
                        return NULL;
                items.items[items.count - 1]->optional_item = optional;
                if (!at_char(p, ',')) {
                        if (!at_char(p, ']'))
                                return unexpected(p, "',' or ']' after the list's item");
                        break;
                }
                if (!advance(p))
                        return NULL;
        }
        if (!advance(p))
                return NULL;
        return parser_finish(p, parser_node(p, NODE_LIST, start, start), items.items, items.count);
}

/* The key of a struct's field: a name, not an expression. */
static struct node *parse_field_name(struct parser *p)
{
        uint32_t start = p->token.start;

        if (p->token.kind != TOKEN_IDENT && p->token.kind != TOKEN_RESERVED &&
            p->token.kind != TOKEN_QUOTED_IDENT)
                return unexpected(p, "a field's name");
        return literal_node(p, start, cel_string(p->token.text));
}

static NOINLINE struct node *parse_entries(struct parser *p, enum node_kind kind, uint32_t start)
{
        uint32_t position = p->token.start;
        struct nodes items = {0};
        bool optional;

        if (!advance(p))
                return NULL;
        while (!at_char(p, '}')) {
                if (!take_optional_mark(p, &optional) ||
                    !nodes_add(p, &items, kind == NODE_MAP ? parse_expression(p) : parse_field_name(p)))
                        return NULL;
                items.items[items.count - 1]->optional_item = optional;
                if (!take_char(p, ':', "':' after the key") || !nodes_add(p, &items, parse_expression(p)))
                        return NULL;
                if (!at_char(p, ',')) {
                        if (!at_char(p, '}'))
                                return unexpected(p, "',' or '}' after the entry");
                        break;
                }
                if (!advance(p))
                        return NULL;
        }
        if (!advance(p))
                return NULL;
        return parser_finish(p, parser_node(p, kind, start, position), items.items, items.count);
}

/* ---- Members ---- */

static NOINLINE struct node *finish_call(struct parser *p, struct str name, struct node *target,
                                         uint32_t start, uint32_t position)
{
        struct nodes args = {0};
        struct node *node = NULL;

        if (target && !nodes_add(p, &args, target))
                return NULL;
        if (!advance(p) || !parse_arguments(p, &args))
                return NULL;
        if (!p->no_macros && !macro_expand(p, name, target, target ? args.items + 1 : args.items,
                                           args.count - (target ? 1 : 0), start, position, &node))
                return NULL;
        if (node)
                return node;
        node = parser_node(p, NODE_CALL, start, position);
        if (!node)
                return NULL;
        node->name = name;
        node->member = target != NULL;
        return parser_finish(p, node, args.items, args.count);
}

static NOINLINE struct node *parse_ident(struct parser *p, bool leading_dot, uint32_t start)
{
        struct str name = p->token.text;
        uint32_t position = p->token.start;
        struct node *node;

        if (p->token.kind != TOKEN_IDENT)
                return unexpected(p, leading_dot ? "a name after '.'" : "a value");
        if (!advance(p))
                return NULL;
        if (at_char(p, '(')) {
                node = finish_call(p, name, NULL, start, position);
        } else {
                node = parser_node(p, NODE_IDENT, start, position);
                if (node)
                        node->name = name;
        }
        if (node)
                node->leading_dot = leading_dot;
        return node;
}

static struct node *parse_parentheses(struct parser *p)
{
        struct node *node;

        if (!advance(p))
                return NULL;
        node = parse_expression(p);
        if (!node || !take_char(p, ')', "')'"))
                return NULL;
        node->parenthesized = true;
        return node;
}

static NOINLINE struct node *parse_primary(struct parser *p)
{
        uint32_t start = p->token.start;

        switch (p->token.kind) {
        case TOKEN_INT:
        case TOKEN_UINT:
        case TOKEN_DOUBLE:
                return parse_number(p, start, false);
        case TOKEN_STRING:
        case TOKEN_BYTES:
                return literal_node(p, start, p->token.value);
        case TOKEN_TRUE:
                return literal_node(p, start, cel_bool(true));
        case TOKEN_FALSE:
                return literal_node(p, start, cel_bool(false));
        case TOKEN_NULL:
                return literal_node(p, start, cel_null());
        default:
                break;
        }
        if (at_char(p, '('))
                return parse_parentheses(p);
        if (at_char(p, '['))
                return parse_list(p);
        if (at_char(p, '{'))
                return parse_entries(p, NODE_MAP, start);
        if (at_char(p, '.'))
                return advance(p) ? parse_ident(p, true, start) : NULL;
        return parse_ident(p, false, start);
}

/* "a.b.c" as one text, for a struct's name. Empty when the node is no such chain. */
static struct str qualified_name(struct parser *p, const struct node *node)
{
        struct str inner;

        if (node->parenthesized)
                return STR_NULL;
        if (node->kind == NODE_IDENT)
                return node->name;
        if (node->kind != NODE_SELECT || node->test || node->optional)
                return STR_NULL;
        inner = qualified_name(p, node->args[0]);
        if (inner.len == 0)
                return STR_NULL;
        return arena_printf(p->arena, "%.*s.%.*s", STR_ARG(inner), STR_ARG(node->name));
}

static bool leads_with_dot(const struct node *node)
{
        while (node->kind == NODE_SELECT)
                node = node->args[0];
        return node->leading_dot;
}

static NOINLINE struct node *parse_struct(struct parser *p, struct node *type)
{
        struct str name = qualified_name(p, type);
        struct node *node;

        if (name.len == 0)
                return unexpected(p, "an operator or the end");
        node = parse_entries(p, NODE_STRUCT, type->start);
        if (node) {
                node->name = name;
                node->leading_dot = leads_with_dot(type);
                node->position = type->start;
        }
        return node;
}

static NOINLINE struct node *parse_select(struct parser *p, struct node *operand)
{
        uint32_t position = p->token.start;
        bool optional;
        struct str name;
        struct node *node;

        if (!advance(p) || !take_optional_mark(p, &optional))
                return NULL;
        name = p->token.text;
        if (p->token.kind != TOKEN_IDENT && p->token.kind != TOKEN_RESERVED &&
            p->token.kind != TOKEN_QUOTED_IDENT)
                return unexpected(p, "a field's name after '.'");
        if (p->token.kind != TOKEN_QUOTED_IDENT && !optional) {
                position = p->token.start;
                if (!advance(p))
                        return NULL;
                if (at_char(p, '('))
                        return finish_call(p, name, operand, operand->start, position);
        } else if (!advance(p)) {
                return NULL;
        }
        node = parser_node(p, NODE_SELECT, operand->start, position);
        if (!node)
                return NULL;
        node->name = name;
        node->optional = optional;
        return parser_finish(p, node, &operand, 1);
}

static NOINLINE struct node *parse_index(struct parser *p, struct node *operand)
{
        uint32_t position = p->token.start;
        struct node *args[2] = {operand, NULL};
        bool optional;
        struct node *node;

        if (!advance(p) || !take_optional_mark(p, &optional))
                return NULL;
        args[1] = parse_expression(p);
        if (!args[1] || !take_char(p, ']', "']' after the index"))
                return NULL;
        node = parser_node(p, NODE_INDEX, operand->start, position);
        if (!node)
                return NULL;
        node->optional = optional;
        return parser_finish(p, node, args, 2);
}

static struct node *parse_member(struct parser *p)
{
        struct node *node = parse_primary(p);

        while (node) {
                if (at_char(p, '.'))
                        node = parse_select(p, node);
                else if (at_char(p, '['))
                        node = parse_index(p, node);
                else if (at_char(p, '{'))
                        node = parse_struct(p, node);
                else
                        break;
        }
        return node;
}

/* ---- Operators ---- */

static struct node *call_operator(struct parser *p, const char *name, uint32_t start, uint32_t position,
                                  struct node *const *args, uint32_t count)
{
        struct node *node = parser_node(p, NODE_CALL, start, position);

        if (node)
                node->name = str_from(name);
        return parser_finish(p, node, args, count);
}

static NOINLINE struct node *parse_unary(struct parser *p)
{
        uint32_t start = p->token.start;
        char sign;
        uint32_t times = 0;
        struct node *operand;

        if (!at_char(p, '!') && !at_char(p, '-'))
                return parse_member(p);
        /* A pair of signs is none. The last minus before a number belongs to the number. */
        sign = p->token.text.ptr[0];
        for (; at_char(p, sign); times++)
                if (!advance(p))
                        return NULL;
        if (sign == '-' && at_number(p)) {
                operand = parse_number(p, start, times % 2 == 1);
                times = 0;
                while (operand && (at_char(p, '.') || at_char(p, '[')))
                        operand = at_char(p, '.') ? parse_select(p, operand) : parse_index(p, operand);
        } else {
                operand = parse_member(p);
        }
        if (!operand || times % 2 == 0)
                return operand;
        return call_operator(p, sign == '!' ? "!_" : "-_", start, start, &operand, 1);
}

enum precedence { RELATION = 1, ADDITION, MULTIPLICATION };

/* The function behind a binary operator; NULL when the token is none. */
static const char *binary_operator(const struct parser *p, int *ret_precedence)
{
        *ret_precedence = RELATION;
        switch (p->token.kind) {
        case TOKEN_EQ:
                return "_==_";
        case TOKEN_NE:
                return "_!=_";
        case TOKEN_LT:
                return "_<_";
        case TOKEN_LE:
                return "_<=_";
        case TOKEN_GT:
                return "_>_";
        case TOKEN_GE:
                return "_>=_";
        case TOKEN_IN:
                return "@in";
        case TOKEN_PUNCTUATION:
                break;
        default:
                return NULL;
        }
        *ret_precedence = ADDITION;
        if (at_char(p, '+'))
                return "_+_";
        if (at_char(p, '-'))
                return "_-_";
        *ret_precedence = MULTIPLICATION;
        if (at_char(p, '*'))
                return "_*_";
        if (at_char(p, '/'))
                return "_/_";
        return at_char(p, '%') ? "_%_" : NULL;
}

static struct node *parse_binary(struct parser *p, int lowest)
{
        struct node *args[2] = {parse_unary(p), NULL};
        int precedence;

        for (const char *name;
             args[0] && (name = binary_operator(p, &precedence)) && precedence >= lowest;) {
                uint32_t position = p->token.start;

                if (!advance(p))
                        return NULL;
                args[1] = precedence == MULTIPLICATION ? parse_unary(p) : parse_binary(p, precedence + 1);
                if (!args[1])
                        return NULL;
                args[0] = call_operator(p, name, args[0]->start, position, args, 2);
        }
        return args[0];
}

static struct node *parse_logical(struct parser *p, enum token_kind operator);

static struct node *parse_logical_part(struct parser *p, enum token_kind operator)
{
        return operator== TOKEN_OR ? parse_logical(p, TOKEN_AND) : parse_binary(p, RELATION);
}

/* Chains of && (or ||) become one node: commutative and associative, errors included. */
static NOINLINE struct node *parse_chain(struct parser *p, struct node *first, enum token_kind operator)
{
        enum node_kind kind = operator== TOKEN_OR ? NODE_OR : NODE_AND;
        uint32_t position = p->token.start;
        struct nodes args = {0};

        if (!nodes_add(p, &args, first))
                return NULL;
        while (p->token.kind == operator) {
                if (!advance(p) || !nodes_add(p, &args, parse_logical_part(p, operator)))
                        return NULL;
        }
        return parser_finish(p, parser_node(p, kind, first->start, position), args.items, args.count);
}

static struct node *parse_logical(struct parser *p, enum token_kind operator)
{
        struct node *first = parse_logical_part(p, operator);

        return first && p->token.kind == operator? parse_chain(p, first, operator) : first;
}

static struct node *parse_conditional(struct parser *p)
{
        struct node *args[3] = {parse_logical(p, TOKEN_OR), NULL, NULL};
        uint32_t position = p->token.start;

        if (!args[0] || !at_char(p, '?'))
                return args[0];
        if (!advance(p))
                return NULL;
        args[1] = parse_logical(p, TOKEN_OR);
        if (!args[1] || !take_char(p, ':', "':' of the condition"))
                return NULL;
        args[2] = parse_expression(p);
        if (!args[2])
                return NULL;
        return parser_finish(p, parser_node(p, NODE_CONDITION, args[0]->start, position), args, 3);
}

static struct node *parse_expression(struct parser *p)
{
        struct node *node;

        if (p->depth >= CEL_PARENTHESES_MAX)
                return parser_fail(p, p->token.start, "more than %d parentheses and brackets are open here",
                                   CEL_PARENTHESES_MAX);
        p->depth++;
        node = parse_conditional(p);
        p->depth--;
        return node;
}

bool cel_parse(struct arena *arena, struct str source, bool no_macros, struct node **ret, struct err *err)
{
        struct parser p = {
                .lexer = {.arena = arena, .source = source, .err = err},
                .arena = arena,
                .err = err,
                .no_macros = no_macros,
        };

        if (!str_is_utf8(source)) {
                parser_fail(&p, (uint32_t)str_utf8_prefix(source), "the expression is not UTF-8 here");
                return false;
        }
        if (!advance(&p))
                return false;
        *ret = parse_expression(&p);
        if (*ret && p.token.kind != TOKEN_END)
                *ret = unexpected(&p, "an operator or the end");
        return *ret != NULL;
}
