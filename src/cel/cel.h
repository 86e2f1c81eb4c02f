/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CEL, the Common Expression Language (cel.dev, google/cel-spec doc/langdef.md).
 *
 *   struct cel_env *env;                      names and their types; build once, then only read
 *   struct cel_program *program;              a checked expression; immutable, any number of threads
 *   cel_eval(program, &eval, &value, err)     one evaluation: an arena, an activation, a cost limit
 *
 * Compiling uses the heap. Evaluating takes memory from the caller's arena
 * only, stops at its cost limit and cannot run away. (One exception: RE2 keeps
 * its own bounded caches inside `matches`.)
 *
 * All of the standard functions and the extensions strings, math, lists,
 * encoders, bindings, optionals, two-variable comprehensions, block and
 * network are in every environment. See README.md for what each one holds.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/json_write.h"

/* ---- Values ---- */

enum cel_kind {
        CEL_UNSET = 0, /* no value: in an activation, "ask fetch" */
        CEL_ERROR,     /* what a host function returns through cel_fail */
        CEL_NULL,
        CEL_BOOL,
        CEL_INT,
        CEL_UINT,
        CEL_DOUBLE,
        CEL_STRING,
        CEL_BYTES,
        CEL_LIST,
        CEL_MAP,
        CEL_TIMESTAMP,
        CEL_DURATION,
        CEL_TYPE,
        CEL_OPTIONAL,
        CEL_OPAQUE, /* a host's own type; also net.IP and net.CIDR */
};

/* How a CEL_LIST or CEL_MAP keeps its items. */
enum cel_form {
        CEL_FORM_NATIVE = 0, /* list: struct cel_value[]; map: struct cel_map */
        CEL_FORM_JSON,       /* struct json, read in place */
        CEL_FORM_HOST,       /* struct cel_host_list or cel_host_map */
};

struct cel_map;
struct cel_host_list;
struct cel_host_map;
struct cel_opaque;
struct cel_failure;

/* 16 bytes, passed by value. Never owns: what it points to outlives the evaluation. */
struct cel_value {
        uint8_t kind;
        uint8_t form;
        uint16_t reserved;
        uint32_t len; /* bytes of a string; items of a native list; nanoseconds of a timestamp */
        union {
                bool boolean;
                int64_t integer; /* CEL_INT; a timestamp's seconds since 1970; a duration's nanoseconds */
                uint64_t uinteger;
                double number;
                const char *bytes; /* CEL_STRING (UTF-8), CEL_BYTES, CEL_TYPE (its name) */
                const struct cel_value *items;
                const struct cel_map *map;
                const struct json *json;
                const struct cel_host_list *host_list;
                const struct cel_host_map *host_map;
                const struct cel_value *optional; /* NULL: optional.none() */
                const struct cel_opaque *opaque;
                const struct cel_failure *failure;
        };
};

struct cel_entry {
        struct cel_value key; /* bool, int, uint or string */
        struct cel_value value;
};

static inline struct cel_value cel_null(void)
{
        return (struct cel_value){.kind = CEL_NULL};
}

static inline struct cel_value cel_bool(bool value)
{
        return (struct cel_value){.kind = CEL_BOOL, .uinteger = value};
}

static inline struct cel_value cel_int(int64_t value)
{
        return (struct cel_value){.kind = CEL_INT, .integer = value};
}

static inline struct cel_value cel_uint(uint64_t value)
{
        return (struct cel_value){.kind = CEL_UINT, .uinteger = value};
}

static inline struct cel_value cel_double(double value)
{
        return (struct cel_value){.kind = CEL_DOUBLE, .number = value};
}

/* `s` is UTF-8, shorter than 4 GiB and lives as long as the value. */
static inline struct cel_value cel_string(struct str s)
{
        return (struct cel_value){.kind = CEL_STRING, .len = (uint32_t)s.len, .bytes = s.ptr};
}

static inline struct cel_value cel_bytes(struct str s)
{
        return (struct cel_value){.kind = CEL_BYTES, .len = (uint32_t)s.len, .bytes = s.ptr};
}

static inline struct cel_value cel_list(const struct cel_value *items, uint32_t count)
{
        return (struct cel_value){.kind = CEL_LIST, .len = count, .items = items};
}

/* Years 1 to 9999; `nanos` 0 to 999,999,999 counts forward. */
static inline struct cel_value cel_timestamp(int64_t seconds, uint32_t nanos)
{
        return (struct cel_value){.kind = CEL_TIMESTAMP, .len = nanos, .integer = seconds};
}

static inline struct cel_value cel_duration(int64_t nanos)
{
        return (struct cel_value){.kind = CEL_DURATION, .integer = nanos};
}

/* `value` NULL: none. */
static inline struct cel_value cel_optional(const struct cel_value *value)
{
        return (struct cel_value){.kind = CEL_OPTIONAL, .optional = value};
}

static inline struct cel_value cel_opaque(const struct cel_opaque *opaque)
{
        return (struct cel_value){.kind = CEL_OPAQUE, .opaque = opaque};
}

/* The value that a JSON document is, without copying: numbers become int, uint or double as written. */
struct cel_value cel_json(const struct json *json);

/* A map from entries (not copied, except the index of a large one). False: repeated or bad key, no memory.
 */
bool cel_map_make(struct arena *arena, const struct cel_entry *entries, uint32_t count,
                  struct cel_value *ret, struct err *err) MUST_USE;

/* A string's, bytes' or type name's text. */
static inline struct str cel_text(struct cel_value value)
{
        return str_make(value.bytes, value.len);
}

/* "int", "list", "google.protobuf.Timestamp", "net.IP", … */
struct str cel_type_name(struct cel_value value);

/* CEL's `==`: across numeric types, NaN unequal, maps in any order. */
bool cel_equal(struct cel_value a, struct cel_value b);

/* As a CEL literal: "a", 1u, [1, 2], {"k": v}, timestamp("…"). For people and explain. */
void cel_append(struct buf *buf, struct cel_value value);
/*
 * As JSON: bytes as base64, timestamp and duration as protobuf's JSON mapping
 * writes them, map keys as strings, none as null, int and uint as numbers.
 */
void cel_write_json(struct json_writer *w, struct cel_value value);

/* ---- Host structures ---- */

/*
 * What a call needs while it runs: memory, and cost. A host function that does
 * work in proportion to its input charges for it first.
 */
struct cel_call;

struct arena *cel_call_arena(struct cel_call *call);
/* False: the limit is reached; return cel_fail_cost() or any value, the evaluation ends. */
bool cel_charge(struct cel_call *call, uint64_t cost);
/* An evaluation error, as a value. The text is copied. */
struct cel_value cel_fail(struct cel_call *call, const char *format, ...) PRINTF_LIKE(2, 3);
/* The error for arguments of the wrong kinds. */
struct cel_value cel_fail_overload(struct cel_call *call);

/* First member of a host's own list, so that items are read where they are. */
struct cel_host_list {
        uint32_t (*count)(const struct cel_host_list *self);
        struct cel_value (*at)(const struct cel_host_list *self, struct cel_call *call, uint32_t index);
};

/* First member of a host's own map: a request, a row, a lazily fetched record. Keys are strings. */
struct cel_host_map {
        /* CEL_UNSET when there is no such key; cel_fail(…) when it cannot be fetched. */
        struct cel_value (*get)(const struct cel_host_map *self, struct cel_call *call, struct str key);
        uint32_t (*count)(const struct cel_host_map *self);
        /* For iteration, in any fixed order. */
        struct str (*key_at)(const struct cel_host_map *self, uint32_t index);
};

struct cel_opaque_type {
        const char *name; /* "net.IP": its CEL type, to be declared with cel_env_add_type */
        bool (*equal)(const struct cel_opaque *a, const struct cel_opaque *b); /* both of this type */
        /* For string(x), cel_append and JSON. */
        void (*append)(struct buf *buf, const struct cel_opaque *self);
};

/* First member of a host's own value. */
struct cel_opaque {
        const struct cel_opaque_type *type;
};

/* Reads any list or map, whatever its form. `call` may be NULL for native and JSON ones. */
uint32_t cel_count(struct cel_value list_or_map);
struct cel_value cel_at(struct cel_call *call, struct cel_value list, uint32_t index);
/* CEL_UNSET when absent. */
struct cel_value cel_get(struct cel_call *call, struct cel_value map, struct cel_value key);
struct cel_value cel_get_str(struct cel_call *call, struct cel_value map, struct str key);
/* The entry at an index of the map's own order. */
struct cel_entry cel_entry_at(struct cel_call *call, struct cel_value map, uint32_t index);

/* ---- Types and environments ---- */

struct cel_type;
struct cel_env;

struct cel_env *cel_env_new(struct err *err) MUST_USE;
/* NULL is fine. Programs compiled in it must be gone. */
void cel_env_free(struct cel_env *env);
static inline void cel_env_freep(struct cel_env **env)
{
        cel_env_free(*env);
}

/*
 * A type as text: dyn, bool, int, uint, double, string, bytes, null_type,
 * timestamp, duration, list(T), map(K, V), type(T), optional_type(T),
 * wrapper(int) (nullable), a declared opaque type, or a type parameter: one
 * upper-case letter. google.protobuf.Timestamp and so on are known too.
 */
bool cel_type_parse(struct cel_env *env, struct str text, const struct cel_type **ret,
                    struct err *err) MUST_USE;
void cel_type_append(struct buf *buf, const struct cel_type *type);
bool cel_type_equal(const struct cel_type *a, const struct cel_type *b);

/* A type of the host's own, opaque to CEL: usable in declarations, comparable with type(x). */
bool cel_env_add_type(struct cel_env *env, const char *name, uint32_t parameters, struct err *err) MUST_USE;

/* Names are resolved from the innermost scope of "a.b.c" outwards. */
bool cel_env_set_container(struct cel_env *env, struct str container, struct err *err) MUST_USE;

/*
 * Declares a variable (its name may be qualified: "request.time"). Slots count
 * from 0 in the order of declaration; an activation is indexed by them.
 */
bool cel_env_add_variable(struct cel_env *env, struct str name, const struct cel_type *type,
                          uint32_t *ret_slot, struct err *err) MUST_USE;
/* The same with the type as text. */
bool cel_env_variable(struct cel_env *env, const char *name, const char *type, uint32_t *ret_slot,
                      struct err *err) MUST_USE;
/* False when it is not declared. */
bool cel_env_slot(const struct cel_env *env, struct str name, uint32_t *ret_slot);
uint32_t cel_env_variable_count(const struct cel_env *env);

/* Must be pure, and may be called from any thread. A CEL_ERROR among args never reaches it. */
typedef struct cel_value (*cel_function)(struct cel_call *call, const struct cel_value *args, uint32_t count,
                                         void *data);

struct cel_function_decl {
        const char *name;          /* "hash", "acme.hash" */
        bool member;               /* called as params[0].name(params[1], …) */
        const char *const *params; /* types as text */
        uint32_t param_count;
        const char *result;
        cel_function function; /* NULL: declared only, for checking */
        void *data;
        uint64_t cost; /* charged before each call; at least 1 */
};

/* One overload. Several may share a name; the first whose types fit the values at run time is called. */
bool cel_env_add_function(struct cel_env *env, const struct cel_function_decl *decl,
                          struct err *err) MUST_USE;

/* ---- Compiling ---- */

struct cel_program;

struct cel_options {
        bool unchecked; /* names are resolved; types, and unknown names, are found out at run time */
        bool no_macros;
        const struct cel_type *result; /* what the expression must yield; NULL: anything */
        uint64_t cost_max;             /* refuse an expression whose least cost is above it; 0: no limit */
        uint32_t source_max_bytes;     /* 0: CEL_SOURCE_MAX_BYTES */
};

enum {
        CEL_SOURCE_MAX_BYTES = 64 * 1024,
        CEL_NESTING_MAX = 96,     /* of the tree: a + b + c is two deep */
        CEL_PARENTHESES_MAX = 48, /* of parentheses, brackets, braces and arguments in the text */
        CEL_NODES_MAX = 16384,
};

/*
 * Parses, checks and compiles. On failure ERR_EXPRESSION, with the place
 * ("line:column", from 1, columns in characters) and a message of several
 * lines: what is wrong, the line of the source, a caret. `options` may be NULL.
 */
bool cel_compile(const struct cel_env *env, struct str source, const struct cel_options *options,
                 struct cel_program **ret, struct err *err) MUST_USE;
/* NULL is fine. */
void cel_program_free(struct cel_program *program);
static inline void cel_program_freep(struct cel_program **program)
{
        cel_program_free(*program);
}

struct str cel_program_source(const struct cel_program *program);
/* What the checker deduced; lives as long as the program. */
void cel_program_append_type(struct buf *buf, const struct cel_program *program);
/* All memory of the program, without RE2's. */
size_t cel_program_size_bytes(const struct cel_program *program);
/* Whether the variable can matter to the value. */
bool cel_program_uses(const struct cel_program *program, uint32_t slot);

/*
 * The least and the most that an evaluation can cost; most is UINT64_MAX when
 * inputs decide. JSON objects are taken to have 128 members at most.
 */
struct cel_cost {
        uint64_t least;
        uint64_t most;
};
struct cel_cost cel_program_cost(const struct cel_program *program);

/* ---- Evaluating ---- */

/*
 * The variables' values, by slot. A slot beyond `count`, or CEL_UNSET, is
 * asked from `fetch` (at most once an evaluation); without it, it is an error
 * of whoever refers to it.
 */
struct cel_activation {
        const struct cel_value *values;
        uint32_t count;
        /* CEL_UNSET: no such value. cel_fail(…): cannot be had. */
        struct cel_value (*fetch)(void *data, struct cel_call *call, uint32_t slot);
        void *data;
};

struct cel_trace;

/*
 * Cost: 1 for each operation that is carried out (literals are free), and for
 * work that grows with its input 1 for each 16 bytes or each item that it may
 * touch. README.md has the table.
 */
struct cel_eval {
        struct arena *arena;                     /* for what the value needs; the caller resets it */
        const struct cel_activation *activation; /* NULL: no variables */
        uint64_t cost_limit;                     /* 0: CEL_COST_DEFAULT */
        struct cel_trace *trace;                 /* NULL: record nothing */
        uint64_t cost;                           /* out */
};

#define CEL_COST_DEFAULT UINT64_C(100000)

/*
 * False: ERR_EVALUATION with the place and the caret, ERR_COST_EXCEEDED at the
 * limit, ERR_NO_MEMORY when the arena is full. The value lives as long as the
 * arena, the activation and the program.
 */
bool cel_eval(const struct cel_program *program, struct cel_eval *eval, struct cel_value *ret,
              struct err *err) MUST_USE;

/* For conditions: a value that is not a bool is an error too. */
bool cel_eval_bool(const struct cel_program *program, struct cel_eval *eval, bool *ret,
                   struct err *err) MUST_USE;

/* ---- Explaining ---- */

/* Records the value of each sub-expression: `cel_trace_new`, evaluate, read. In the arena. */
struct cel_trace *cel_trace_new(struct arena *arena, const struct cel_program *program);

struct cel_traced {
        struct str text; /* the sub-expression, as written */
        uint32_t offset; /* of the text in the source, bytes */
        uint32_t depth;  /* 0: the whole expression */
        uint32_t times;  /* 0: not evaluated (short-circuited); more than 1 inside comprehensions */
        bool constant;
        struct cel_value value; /* the last one; CEL_ERROR: see cel_error_text */
};

/* Sub-expressions in the order of the source, parents first. */
uint32_t cel_trace_count(const struct cel_trace *trace);
struct cel_traced cel_trace_at(const struct cel_trace *trace, uint32_t index);
/* The message of a CEL_ERROR value. */
struct str cel_error_text(struct cel_value error);
/* An indented tree for people: one line for each sub-expression that is no literal. */
void cel_trace_append(struct buf *buf, const struct cel_trace *trace);
