/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML 1.2 document as a tree in which every value knows where it stands, so
 * that a mistake can be shown by line and column. libfyaml reads it, event by
 * event; on top of that this is refused, with the place: more than one
 * document, tags, anchors and aliases (an alias bomb is four lines long), merge
 * keys, keys that are no plain words, keys that appear twice, and whatever is
 * beyond the limits below.
 *
 * Scalars are resolved by the core schema (YAML 1.2.2, section 10.3): plain
 * `null ~ true 1 0x1f 1.5` are values, all else and everything quoted is text.
 * Numbers that fit no int64 and the like (`.inf`) stay text.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"

enum {
        DOCUMENT_BYTES_MAX = 256 * 1024,
        DOCUMENT_DEPTH_MAX = 48,
        DOCUMENT_NODES_MAX = 20000,
        DOCUMENT_MEMBERS_MAX = 1000, /* of one mapping */
        DOCUMENT_KEY_MAX = 256,      /* bytes */
};

struct node {
        enum json_type type;
        int line, column; /* of the value, from 1 */
        int key_line;     /* of its key, in a mapping; else 0 */
        int key_column;
        struct str key;  /* in a mapping; else {NULL, 0} */
        uint32_t index;  /* among its siblings, from 0 */
        uint32_t count;  /* of children */
        struct str text; /* of every scalar, as written (unquoted) */
        union {
                bool boolean;
                int64_t integer;
                double number;
        };
        const struct node *parent; /* NULL for the root */
        struct node *first, *last, *next;
};

/* ---- what is wrong with a document ------------------------------------------------------------ */

enum problem_severity { PROBLEM_ERROR, PROBLEM_WARNING };

struct problem_item {
        int line, column; /* from 1; 0 when it has no place */
        enum problem_severity severity;
        struct str path; /* JSON pointer (RFC 6901); "" for the whole */
        struct str message;
        struct problem_item *next;
};

enum { PROBLEMS_MAX = 100 }; /* what comes after is only counted */

struct problems {
        struct arena *arena;
        uint32_t errors, warnings;
        struct problem_item *first, *last;
};

void problems_init(struct problems *problems, struct arena *arena);
/* At a node (NULL: the whole), or at its key. The message says what to do. */
void PRINTF_LIKE(3, 4)
        problems_add(struct problems *problems, const struct node *at, const char *format, ...);
void PRINTF_LIKE(3, 4)
        problems_add_key(struct problems *problems, const struct node *at, const char *format, ...);
void PRINTF_LIKE(3, 4)
        problems_warn(struct problems *problems, const struct node *at, const char *format, ...);

/* ---- reading ------------------------------------------------------------------------------------ */

/*
 * The tree, in the problems' arena, or NULL: then at least one problem says
 * why. An empty document is one.
 */
const struct node *document_read(struct str text, struct problems *problems);

/* The member, or NULL (also when `object` is NULL or no object). */
const struct node *node_get(const struct node *object, const char *key);
/* The member's text when it is a string, or {NULL, 0}. */
struct str node_text(const struct node *object, const char *key);
/* Where it stands: "/do/0/first/call". */
struct str node_path(struct arena *arena, const struct node *node);
/* The tree as JSON. False without memory. */
bool node_to_json(struct arena *arena, const struct node *node, struct json *ret, struct err *err) MUST_USE;
