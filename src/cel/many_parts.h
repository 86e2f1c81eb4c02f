/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What conditions become beside each other: terms (what is looked at), tests
 * (what is asked of a term) and groups of tests, joined by && or by ||.
 * Negations are carried down to the tests: by De Morgan's laws, which hold with
 * errors too. Private to src/cel.
 */
#pragma once

#include "cel/eval.h"
#include "cel/many.h"

enum term_kind {
        TERM_VARIABLE,
        TERM_MEMBER, /* of another term, by a constant key */
        TERM_VALUE,  /* anything else that is compared with constants: evaluated once */
};

struct term {
        const struct cel_program *program; /* where it was met first */
        uint32_t op;
        uint32_t slot; /* variable */
        uint64_t hash;
        struct cel_value key; /* member */
        uint16_t parent;      /* member */
        uint8_t kind;
};

enum test_kind {
        TEST_TEXT,     /* term == "text" */
        TEST_PREFIX,   /* term.startsWith("text"), 8 bytes at most */
        TEST_STARTS,   /* longer */
        TEST_ENDS,     /* term.endsWith("text") */
        TEST_CONTAINS, /* term.contains("text") */
        TEST_SAME,     /* term == number, time or duration */
        TEST_LESS,     /* term < … */
        TEST_LESS_EQUAL,
        TEST_BOOL,    /* the term itself */
        TEST_ITEM,    /* "text" in term */
        TEST_NETWORK, /* cidr("…").containsIP(term) */
        TEST_SHARED,  /* any other expression: evaluated once */
        TEST_GROUP,
};

enum {
        TEST_OPPOSITE = 1,    /* what is wanted is the opposite of what the comparison says */
        TEST_NOT = 2,         /* what is wanted is the opposite of the operation's value */
        TEST_IS_DECISIVE = 4, /* group: || */
};

struct test {
        uint8_t kind;
        uint8_t flags;
        uint8_t expects;  /* the kind of value that the comparison is made for */
        uint16_t term;    /* shared, or a group that others have too: 1 + the index of what is remembered */
        uint16_t op;      /* what is evaluated when the term is of another kind, */
        uint32_t program; /* and of which condition it is */
        uint32_t len;     /* of the text; group: tests; network: prefix + 256 * family */
        union {
                uint64_t head;  /* the text's first 8 bytes, zeros behind */
                int64_t number; /* seconds of a time */
                uint64_t high;  /* network */
                uint64_t first; /* group: of its tests */
        };
        union {
                const char *bytes; /* text */
                uint64_t mask;     /* prefix */
                uint64_t low;      /* network; nanoseconds of a time */
        };
};

_Static_assert((int)CEL_NODES_MAX <= UINT16_MAX, "an operation's index fits");

struct many_condition {
        const struct cel_program *program;
        uint32_t first;
        uint16_t count; /* 0: evaluated plainly */
        uint8_t decisive;
        uint16_t leaves;
        uint32_t room; /* of the cost limit, for what only the evaluation tells */
};

struct cel_many {
        const struct many_condition *conditions;
        const struct test *tests;
        const struct term *terms;
        uint32_t count;
        uint32_t term_count;
        uint32_t shared_count;
        uint32_t variables;
        uint64_t cost_limit;
};

struct cel_memo {
        uint8_t known; /* 0: not evaluated yet; else 1 + enum cel_holds */
        bool stopped;
        uint64_t cost;
};

/* A text's first 8 bytes. */
static inline uint64_t text_head(const char *bytes, uint32_t len)
{
        uint64_t head = 0;

        if (len >= 8)
                memcpy(&head, bytes, 8);
        else if (len > 0)
                memcpy(&head, bytes, len);
        return head;
}

/* Spreads texts over a table; equal texts alike. */
static inline uint32_t text_spread(uint64_t head, const char *bytes, uint32_t len)
{
        uint64_t tail = len > 8 ? text_head(bytes + len - 8, 8) : 0;
        uint64_t mixed = (head ^ (tail << 29 | tail >> 35) ^ len) * UINT64_C(0x9E3779B97F4A7C15);

        return (uint32_t)(mixed >> 32);
}

/* ---- same.c ---- */

/* Whether two operations, perhaps of two programs of one environment, always have the same value. */
bool op_same(const struct cel_program *a, uint32_t in_a, const struct cel_program *b, uint32_t in_b);
/* Equal for those. */
uint64_t op_hash(const struct cel_program *program, uint32_t op);
