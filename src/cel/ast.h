/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The syntax tree, in an arena, between the parser and the compiler. Macros
 * are nodes of their own (a comprehension knows whether it is `all` or `map`),
 * and chains of && and || are one node with many arguments, so that the tree
 * stays flat.
 * Private to src/cel.
 */
#pragma once

#include "cel/cel.h"

/* Keeps the frames of recursive functions small: an expression has to fit a fiber's stack. */
#define NOINLINE __attribute__((noinline))

enum node_kind {
        NODE_LITERAL,
        NODE_IDENT,
        NODE_SELECT, /* args[0].name; `test`: has(…); `optional`: .? */
        NODE_CALL,   /* with `member`, args[0] is the receiver */
        NODE_INDEX,  /* args[0][args[1]]; `optional`: [?…] */
        NODE_AND,
        NODE_OR,
        NODE_CONDITION, /* args[0] ? args[1] : args[2] */
        NODE_LIST,
        NODE_MAP,           /* key, value, key, value, … */
        NODE_STRUCT,        /* name; key (literal string), value, … */
        NODE_COMPREHENSION, /* args: range, [filter or predicate], [transform], as `loop` says */
        NODE_BIND,          /* name, args: value, body */
        NODE_BLOCK,         /* args: values…, body; value i is @index<i> */
        NODE_OPT_MAP,       /* name, args: optional, body; `optional`: the body is an optional itself */
};

enum loop_kind {
        LOOP_ALL,
        LOOP_EXISTS,
        LOOP_EXISTS_ONE,
        LOOP_FILTER,
        LOOP_MAP, /* also transformList */
        LOOP_TRANSFORM_MAP,
        LOOP_TRANSFORM_MAP_ENTRY,
};

/* What the checker found an identifier, or a chain of selections, to be. */
enum bound_kind {
        BOUND_NOT,
        BOUND_VARIABLE, /* slot */
        BOUND_LOCAL,    /* slot */
        BOUND_TYPE,     /* literal */
        BOUND_UNKNOWN,  /* unchecked mode: fails when it is evaluated */
};

struct cel_type;
struct function;

struct node {
        uint8_t kind; /* enum node_kind */
        uint8_t loop; /* enum loop_kind */
        uint8_t bound;
        bool member;
        bool test;
        bool optional;
        bool optional_item; /* marked with ? in a list, map or struct; set on the key in a map */
        bool leading_dot;
        bool parenthesized;
        uint16_t depth; /* of the tree below */
        uint32_t start; /* the text, byte offsets */
        uint32_t end;
        uint32_t position; /* where an error points */
        uint32_t count;
        struct str name;
        struct str name2;
        struct node **args;
        const struct cel_type *type;
        const struct function *function;
        uint32_t slot;
        uint32_t slot2;
        struct cel_value literal;
};

/* ---- message.c ---- */

/*
 * Fills err with the place and a message of three lines: the text, the line of
 * the source, a caret below the offset. Returns false.
 */
bool cel_message_at(struct err *err, enum err_code code, struct str source, uint32_t offset,
                    const char *format, ...) PRINTF_LIKE(5, 6);

/* Keeps the candidate that is nearest to `name`, if it is near enough to be meant. */
struct nearest {
        struct str name;
        struct str best;
        uint32_t distance;
};
void nearest_init(struct nearest *nearest, struct str name);
void nearest_offer(struct nearest *nearest, struct str candidate);

/* ---- lexer.c ---- */

enum token_kind {
        TOKEN_END,
        TOKEN_IDENT,
        TOKEN_RESERVED,     /* a word that is no identifier, but may be a field */
        TOKEN_QUOTED_IDENT, /* `content-type`; text is without the quotes */
        TOKEN_INT,
        TOKEN_UINT,
        TOKEN_DOUBLE,
        TOKEN_STRING,
        TOKEN_BYTES,
        TOKEN_TRUE,
        TOKEN_FALSE,
        TOKEN_NULL,
        TOKEN_IN,
        TOKEN_EQ,
        TOKEN_NE,
        TOKEN_LT,
        TOKEN_LE,
        TOKEN_GT,
        TOKEN_GE,
        TOKEN_AND,
        TOKEN_OR,
        TOKEN_PUNCTUATION, /* one character: text.ptr[0] */
};

struct token {
        enum token_kind kind;
        uint32_t start;
        uint32_t end;
        struct str text;
        struct cel_value value; /* string and bytes literals, unescaped in the arena */
};

struct lexer {
        struct arena *arena;
        struct str source;
        uint32_t at;
        struct err *err;
};

bool lexer_next(struct lexer *lexer, struct token *ret_token) MUST_USE;

/* ---- literal.c ---- */

/* Takes the quotes, prefixes and escapes off a literal's text (langdef, "String and Bytes Values"). */
bool literal_unescape(struct lexer *lexer, struct str body, bool raw, bool bytes, uint32_t offset,
                      struct cel_value *ret) MUST_USE;

/* ---- parser.c, nodes.c ---- */

struct parser {
        struct lexer lexer;
        struct token token;
        struct arena *arena;
        struct err *err;
        bool no_macros;
        uint32_t depth;
        uint32_t nodes;
        uint32_t last_end; /* where the token before `token` ended */
};

bool cel_parse(struct arena *arena, struct str source, bool no_macros, struct node **ret,
               struct err *err) MUST_USE;

struct node *parser_node(struct parser *p, enum node_kind kind, uint32_t start, uint32_t position);
/* Sets the arguments and the depth; NULL, with err filled, when the tree is too deep or memory is short. */
struct node *parser_finish(struct parser *p, struct node *node, struct node *const *args, uint32_t count);
struct node *parser_fail(struct parser *p, uint32_t offset, const char *format, ...) PRINTF_LIKE(3, 4);

/* A growing list of nodes, doubling in the arena. */
struct nodes {
        struct node **items;
        uint32_t count;
        uint32_t room;
        struct node *inline_items[4];
};
/* False when `node` is NULL (its maker has filled err), or memory is short. */
bool nodes_add(struct parser *p, struct nodes *nodes, struct node *node) MUST_USE;

/* ---- macros.c ---- */

/*
 * Turns a call into what the macro of that name means. Leaves *ret NULL when
 * it is no macro; false when it is one, wrongly used. `target` is NULL for a
 * global call.
 */
bool macro_expand(struct parser *p, struct str name, struct node *target, struct node **args, uint32_t count,
                  uint32_t start, uint32_t position, struct node **ret) MUST_USE;
void macro_offer_names(struct nearest *nearest);
