/* SPDX-License-Identifier: Apache-2.0 */
/* What an evaluation is made of; shared by the evaluator and the functions. Private to src/cel. */
#pragma once

#include "cel/cel.h"
#include "cel/program.h"

/* The reason of an error value. Constant ones cost nothing; others are in the arena. */
struct cel_failure {
        struct str text;
};

extern const struct cel_failure failure_overload;
extern const struct cel_failure failure_overflow;
extern const struct cel_failure failure_no_key;
extern const struct cel_failure failure_stopped;

/* An error value carries the operation it came from: `len` is its index + 1, 0 while unknown. */
static inline struct cel_value error_value(const struct cel_failure *failure)
{
        return (struct cel_value){.kind = CEL_ERROR, .failure = failure};
}

static inline bool is_error(struct cel_value value)
{
        return value.kind == CEL_ERROR;
}

struct cel_call {
        const struct cel_program *program;
        const struct op *ops;
        const uint32_t *operands;
        uint64_t cost;
        uint64_t limit;
        bool special;          /* a trace is kept, or `stopped` */
        enum err_code stopped; /* ERR_COST_EXCEEDED, ERR_NO_MEMORY: nothing absorbs it */
        const struct cel_value *values;
        uint32_t value_count;
        struct cel_value *locals;
        struct arena *arena;
        const struct cel_activation *activation;
        struct cel_value *fetched; /* by slot; NULL until something was fetched */
        struct cel_trace *trace;
};

struct cel_value eval_op(struct cel_call *call, uint32_t index);
struct cel_value eval_loop(struct cel_call *call, const struct op *op);

/* Ends the evaluation: nothing absorbs this. */
struct cel_value eval_stop(struct cel_call *call, enum err_code code);

/* Memory from the arena; NULL stops the evaluation. Charges for the bytes. */
void *eval_alloc(struct cel_call *call, size_t count, size_t size_bytes);
char *eval_alloc_bytes(struct cel_call *call, size_t len);
/* The error after eval_alloc gave NULL. */
static inline struct cel_value eval_stopped(void)
{
        return error_value(&failure_stopped);
}

/* Work on so many bytes. */
static inline bool charge_bytes(struct cel_call *call, size_t bytes)
{
        return cel_charge(call, (bytes + 15) / 16);
}

/* Fills err with why there is no value. Returns false. */
bool failure_report(struct cel_call *call, struct cel_value error, struct err *err);

/* ---- value.c ---- */

/* `==`, with the cost of looking at everything. call may be NULL. */
bool value_equal(struct cel_call *call, struct cel_value a, struct cel_value b);
/* Orders numbers, strings, bytes, bools, timestamps and durations: -1, 0, 1; 2: NaN; 3: no order. */
int value_compare(struct cel_value a, struct cel_value b);
bool value_is_number(struct cel_value value);

enum { ORDER_NAN = 2, ORDER_NONE = 3 };

/* A native map; entries stay where they are. Sets *ret_repeated when a key comes twice. */
struct cel_map {
        uint32_t count;
        uint32_t mask; /* buckets - 1; 0: no index, few entries */
        const struct cel_entry *entries;
        const uint32_t *buckets; /* entry + 1; 0: free */
};
/* Fills `map`. `buckets` has map_bucket_count(count) zeroed items, or is NULL for 0. False: a key twice. */
bool map_build(struct cel_map *map, const struct cel_entry *entries, uint32_t count, uint32_t *buckets);
uint32_t map_bucket_count(uint32_t count);
static inline struct cel_value map_value(const struct cel_map *map)
{
        return (struct cel_value){.kind = CEL_MAP, .len = map->count, .map = map};
}
static inline bool map_key_allowed(struct cel_value key)
{
        return key.kind == CEL_STRING || key.kind == CEL_INT || key.kind == CEL_UINT || key.kind == CEL_BOOL;
}
/* Builds a map value from entries in the arena; errors as values. */
struct cel_value map_from_entries(struct cel_call *call, const struct cel_entry *entries, uint32_t count);

/* The items of a list as an array: in place for a native one, else copied into the arena. NULL: stopped. */
const struct cel_value *list_items(struct cel_call *call, struct cel_value list);

/* Whether the value is the zero of its type, for optional.ofNonZeroValue. */
bool value_is_zero(struct cel_value value);

/* ---- operators.c, called by the evaluator ---- */

struct cel_value operate(struct cel_call *call, enum op_code code, struct cel_value a, struct cel_value b);
struct cel_value select_field(struct cel_call *call, struct cel_value operand, struct cel_value key);
struct cel_value index_value(struct cel_call *call, struct cel_value operand, struct cel_value key);
/* a.?b and a[?b], and both on optionals. */
struct cel_value select_optional(struct cel_call *call, struct cel_value operand, struct cel_value key);
struct cel_value has_field(struct cel_call *call, struct cel_value operand, struct cel_value key);
/* What is called where a function takes no such number of arguments. */
struct cel_value overload_missing(struct cel_call *call, const struct cel_value *args, uint32_t count,
                                  void *data);
struct cel_value optional_of(struct cel_call *call, struct cel_value value);

/* ---- wellknown.c ---- */

/* google.protobuf.Int32Value{value: 1} and its like: the protobuf types that are plain CEL values. */
bool wellknown_name(struct str name);
struct cel_value wellknown_make(struct cel_call *call, struct str name, const struct cel_entry *fields,
                                uint32_t count);

/* ---- trace.c ---- */

void trace_record(struct cel_trace *trace, uint32_t op, struct cel_value value);

/* ---- regex.cc ---- */

struct regex;
#ifdef __cplusplus
extern "C" {
#endif
/* NULL when the pattern is bad or too large; `message` then says why, at most `size` bytes. */
struct regex *regex_new(const char *pattern, size_t len, char *message, size_t size);
void regex_free(struct regex *regex);
/* Whether the pattern matches anywhere in the text. */
bool regex_found(const struct regex *regex, const char *text, size_t len);
/* For each 16 bytes of text. */
uint64_t regex_cost(const struct regex *regex);
#ifdef __cplusplus
}
#endif
