/* SPDX-License-Identifier: Apache-2.0 */
/* What an environment holds: declared names, by hash. Read only once it is built. Private to src/cel. */
#pragma once

#include "cel/types.h"

/* One row of a library: a function with all its overloads, written as text. */
struct builtin {
        const char *name;
        /* "(string) int; string.() int": parameters and result, before the dot the receiver. */
        const char *signatures;
        cel_function function; /* all overloads: it looks at the kinds of its arguments */
};

struct library {
        const struct builtin *rows;
        size_t count;
};

/* functions of each extension, see the files of the same names */
extern const struct library library_operators;
extern const struct library library_convert;
extern const struct library library_string;
extern const struct library library_strings;
extern const struct library library_lists;
extern const struct library library_math;
extern const struct library library_encoders;
extern const struct library library_optional;
extern const struct library library_time;
extern const struct library library_network;

struct overload {
        bool member;
        bool generic;
        uint32_t count;
        const struct cel_type **params;
        const struct cel_type *result;
        cel_function function;
        void *data;
        uint64_t cost;
        struct overload *next;
};

struct function {
        struct str name;
        struct overload *overloads; /* in the order of declaration */
        struct overload *last;
        bool host;              /* has an overload that a host declared: chosen by the values at run time */
        struct function *next;  /* in the bucket */
        struct function *older; /* all functions, newest first: for suggestions */
};

struct variable {
        struct str name;
        const struct cel_type *type;
        uint32_t slot;
        struct variable *next;
        struct variable *older;
};

enum { ENV_BUCKETS = 512 };

struct cel_env {
        struct arena arena;
        struct str container;
        struct function *functions[ENV_BUCKETS];
        struct function *newest_function;
        struct variable *variables[ENV_BUCKETS];
        struct variable *newest_variable;
        uint32_t variable_count;
        struct opaque_name *opaques;
        uint32_t opaque_count;
        uint32_t opaque_room;
};

const struct variable *env_variable(const struct cel_env *env, struct str name);
const struct function *env_function(const struct cel_env *env, struct str name);
/* The type that a name stands for as a value, such as `int` or `net.IP`; NULL: none. */
const struct cel_type *env_type(const struct cel_env *env, struct arena *arena, struct str name);
