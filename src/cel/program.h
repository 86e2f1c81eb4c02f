/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A compiled expression: operations of 24 bytes that refer to each other by
 * index, the constants, the source and what errors need, in one block.
 * Private to src/cel.
 */
#pragma once

#include "cel/cel.h"

enum op_code {
        OP_LITERAL,
        OP_VARIABLE, /* a: slot */
        OP_LOCAL,    /* a: slot */
        OP_UNKNOWN,  /* value: the name */
        OP_SELECT,   /* a; value: the key */
        OP_SELECT_OPTIONAL,
        OP_HAS,
        OP_INDEX, /* a, b */
        OP_INDEX_OPTIONAL,
        OP_EQ, /* a, b */
        OP_NE,
        OP_LT,
        OP_LE,
        OP_GT,
        OP_GE,
        OP_IN,
        OP_ADD,
        OP_SUB,
        OP_MUL,
        OP_DIV,
        OP_MOD,
        OP_NEG, /* a */
        OP_NOT,
        OP_AND, /* operands */
        OP_OR,
        OP_CONDITION, /* operands: 3 */
        OP_LIST,      /* operands; those marked OPERAND_OPTIONAL give their item or none */
        OP_MAP,       /* operands: key, value, …; the mark is on the key */
        OP_STRUCT,    /* operands: key, value, …; value: the type's name */
        OP_CALL,      /* operands; function, data */
        OP_DISPATCH,  /* operands; the function's overloads are tried in turn */
        OP_MATCHES,   /* a; regex */
        OP_LOOP,      /* operands; flags: enum loop_kind, LOOP_TWO; slots */
        OP_BIND,      /* a: value, b: body, c: slot */
        OP_BLOCK,     /* operands; c: first slot */
        OP_OPT_MAP,   /* a: optional, b: body, c: slot; flags 1: flat */
        OP_OPT_OR,    /* a: optional, b: used when it is none; flags 1: orValue */
};

#define OPERAND_OPTIONAL UINT32_C(0x80000000)
#define LOOP_TWO 0x80

struct function;
struct regex;

struct op {
        uint8_t code;
        uint8_t flags;
        uint16_t count; /* of operands */
        uint32_t a;     /* the first operand, or where the operands begin */
        union {
                struct cel_value value;
                struct {
                        uint32_t b;
                        uint32_t c;
                };
                struct {
                        cel_function function;
                        void *data;
                };
                struct {
                        const struct function *overloads;
                        struct cel_value *reserved;
                };
                struct {
                        struct regex *regex;
                        uint64_t regex_cost; /* for each 16 bytes of text */
                };
        };
};

struct span {
        uint32_t start;
        uint32_t end;
        uint32_t position;
};

struct cel_program {
        struct op *ops;
        uint32_t *operands;
        struct span *spans;
        struct str source;
        struct str type;
        uint32_t op_count;
        uint32_t root;
        uint32_t locals;
        uint32_t variables; /* of the environment */
        uint32_t size_bytes;
        struct cel_cost cost;
};

/* The name of what an operation does, for messages: "+", "size", … */
struct str op_name(const struct cel_program *program, uint32_t op);
/* How many children, and each: in the order of evaluation. */
uint32_t op_children(const struct op *op);
uint32_t op_child(const struct cel_program *program, const struct op *op, uint32_t index);

/* ---- seal.c ---- */

/* The program, which is in an arena still, as one block of the heap. NULL: no memory. */
struct cel_program *program_seal(const struct cel_program *program, uint32_t operand_count, struct str type,
                                 struct err *err);
