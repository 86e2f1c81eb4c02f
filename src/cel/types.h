/* SPDX-License-Identifier: Apache-2.0 */
/* CEL's types, as trees of immutable nodes: constants for the simple ones, in an arena otherwise. Private to
 * src/cel. */
#pragma once

#include "cel/cel.h"

enum type_kind {
        TYPE_DYN,
        TYPE_NULL,
        TYPE_BOOL,
        TYPE_INT,
        TYPE_UINT,
        TYPE_DOUBLE,
        TYPE_STRING,
        TYPE_BYTES,
        TYPE_TIMESTAMP,
        TYPE_DURATION,
        TYPE_TYPE,    /* params: [T] */
        TYPE_LIST,    /* params: T */
        TYPE_MAP,     /* params: K, V */
        TYPE_WRAPPER, /* params: a primitive; null is one of its values */
        TYPE_OPAQUE,  /* name and params; optional_type(T) too */
        TYPE_PARAM,   /* of a declaration: index is A = 0, B = 1, … */
        TYPE_VAR,     /* the checker's, to be found: index counts from 0 */
};

struct cel_type {
        uint8_t kind;
        uint8_t count;
        bool generic;  /* a TYPE_PARAM is within */
        bool open;     /* a TYPE_VAR is within */
        uint16_t size; /* types within, itself not counted */
        uint32_t index;
        struct str name; /* TYPE_OPAQUE */
        const struct cel_type *const *params;
};

/* The constant type of a kind without parameters (list and map: of dyn). */
const struct cel_type *type_simple(enum type_kind kind);
/*
 * NULL when the arena is full. Types share their parts, so that few words can
 * name a huge one ({a: a} of {b: b} of …): one with more than TYPE_SIZE_MAX
 * parts is dyn.
 */
enum { TYPE_SIZE_MAX = 256 };
const struct cel_type *type_make(struct arena *arena, enum type_kind kind, struct str name,
                                 const struct cel_type *const *params, uint32_t count);
const struct cel_type *type_list(struct arena *arena, const struct cel_type *item);
const struct cel_type *type_map(struct arena *arena, const struct cel_type *key,
                                const struct cel_type *value);
const struct cel_type *type_optional(struct arena *arena, const struct cel_type *inner);
const struct cel_type *type_of_type(struct arena *arena, const struct cel_type *type);
const struct cel_type *type_indexed(struct arena *arena, enum type_kind kind, uint32_t index);

static inline bool type_is_optional(const struct cel_type *type)
{
        return type->kind == TYPE_OPAQUE && type->count == 1 && str_is(type->name, "optional_type");
}

/* The name that type(x) of such a value has: "list", "google.protobuf.Timestamp", … */
struct str type_value_name(const struct cel_type *type);

/* An opaque type that a host declared, or one of ours. */
struct opaque_name {
        struct str name;
        uint32_t parameters;
};

struct type_names {
        const struct opaque_name *names;
        uint32_t count;
};

/* Reads a type at the front of *text and moves *text behind it. */
bool type_read(struct arena *arena, const struct type_names *names, struct str *text,
               const struct cel_type **ret, struct err *err) MUST_USE;

/* Whether a value belongs to the type; lists and maps are not looked into. For host overloads. */
bool type_takes(const struct cel_type *type, struct cel_value value);
