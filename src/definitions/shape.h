/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a document must look like, as tables: a shape for every kind of value,
 * which also says in plain words what is expected there. Checking goes on
 * after a mistake, so that a person sees all of them at once.
 */
#pragma once

#include "definitions/document.h"

enum shape_kind {
        SHAPE_ANY,
        SHAPE_TEXT,    /* a string that passes `check` */
        SHAPE_WORD,    /* one of `words` */
        SHAPE_INTEGER, /* `min` to `max` */
        SHAPE_BOOL,
        SHAPE_OBJECT,   /* any mapping of at least `least` members */
        SHAPE_RECORD,   /* the members of `members`, and of `base` */
        SHAPE_MAP,      /* a mapping; every value is `of` */
        SHAPE_LIST,     /* at least `least`; every item is `of` */
        SHAPE_NAMED,    /* a list; every item is a mapping of one name to `of` */
        SHAPE_TEXT_OR,  /* a string is `text`, all else is `of` */
        SHAPE_BY_KEY,   /* the first of `variants` whose key is there decides */
        SHAPE_BY_VALUE, /* the text of the member `key` names one of `variants`; else `of` */
};

struct shape;

struct shape_member {
        const char *name; /* NULL ends a list */
        const struct shape *shape;
        bool required;
};

struct shape_variant {
        const char *key; /* NULL ends a list */
        const struct shape *shape;
};

struct shape {
        enum shape_kind kind;
        const char *what;                                     /* "a duration": for messages */
        bool (*check)(struct str text, const char **ret_why); /* NULL: any text. `why` says what to write */
        const char *words;                                    /* separated by blanks */
        const struct shape *of, *text, *base;
        const struct shape_member *members;
        const struct shape_variant *variants;
        const char *key;
        bool open; /* SHAPE_RECORD: other members are taken too */
        uint32_t least;
        int64_t min, max; /* SHAPE_INTEGER; both 0: any */
        /* What a table cannot say. The node is a text, a list or a mapping, as the kind is; what is inside
         * may still be wrong. */
        void (*rule)(const struct node *node, struct problems *problems, void *context);
};

/* Reports everything at `node` and below that is not as the shape says. */
void shape_check(const struct shape *shape, const struct node *node, struct problems *problems,
                 void *context);

/* Of the children's names the one that is nearly `wanted`, or {NULL, 0}: for "did you mean". */
struct str shape_nearest(const struct node *parent, struct str wanted);
