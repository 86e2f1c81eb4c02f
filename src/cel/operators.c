/* SPDX-License-Identifier: Apache-2.0 */
/* langdef "Standard operators": arithmetic, order, membership, selection, indexing, optionals. */
#include "cel/env.h"
#include "cel/eval.h"
#include "cel/timestamp.h"

const struct cel_failure failure_overload = {STR("no such overload")};
const struct cel_failure failure_overflow = {STR("integer overflow")};
const struct cel_failure failure_no_key = {STR("no such key")};
const struct cel_failure failure_stopped = {STR("stopped")};

static const struct cel_failure failure_divide = {STR("division by zero")};
static const struct cel_failure failure_modulus = {STR("modulus by zero")};

static struct cel_value overload(void)
{
        return error_value(&failure_overload);
}

struct cel_value overload_missing(struct cel_call *call, const struct cel_value *args, uint32_t count,
                                  void *data)
{
        (void)call, (void)args, (void)count, (void)data;
        return overload();
}

/* ---- Arithmetic ---- */

static struct cel_value int_result(bool overflow, const int64_t *result)
{
        return overflow ? error_value(&failure_overflow) : cel_int(*result);
}

static struct cel_value uint_result(bool overflow, const uint64_t *result)
{
        return overflow ? error_value(&failure_overflow) : cel_uint(*result);
}

static struct cel_value operate_int(enum op_code code, int64_t a, int64_t b)
{
        int64_t result = 0;

        switch (code) {
        case OP_ADD:
                return int_result(__builtin_add_overflow(a, b, &result), &result);
        case OP_SUB:
                return int_result(__builtin_sub_overflow(a, b, &result), &result);
        case OP_MUL:
                return int_result(__builtin_mul_overflow(a, b, &result), &result);
        case OP_DIV:
                if (b == 0)
                        return error_value(&failure_divide);
                return b == -1 ? operate_int(OP_SUB, 0, a) : cel_int(a / b);
        case OP_MOD:
                if (b == 0)
                        return error_value(&failure_modulus);
                return b == -1 ? int_result(a == INT64_MIN, &result) : cel_int(a % b);
        default:
                return overload();
        }
}

static struct cel_value operate_uint(enum op_code code, uint64_t a, uint64_t b)
{
        uint64_t result = 0;

        switch (code) {
        case OP_ADD:
                return uint_result(__builtin_add_overflow(a, b, &result), &result);
        case OP_SUB:
                return uint_result(__builtin_sub_overflow(a, b, &result), &result);
        case OP_MUL:
                return uint_result(__builtin_mul_overflow(a, b, &result), &result);
        case OP_DIV:
                return b == 0 ? error_value(&failure_divide) : cel_uint(a / b);
        case OP_MOD:
                return b == 0 ? error_value(&failure_modulus) : cel_uint(a % b);
        default:
                return overload();
        }
}

static struct cel_value operate_double(enum op_code code, double a, double b)
{
        switch (code) {
        case OP_ADD:
                return cel_double(a + b);
        case OP_SUB:
                return cel_double(a - b);
        case OP_MUL:
                return cel_double(a * b);
        case OP_DIV:
                return cel_double(a / b);
        default:
                return overload();
        }
}

static struct cel_value concat_text(struct cel_call *call, struct cel_value a, struct cel_value b)
{
        size_t len = (size_t)a.len + b.len;
        char *text;

        if (a.len == 0)
                return b;
        if (b.len == 0)
                return a;
        if (len > UINT32_MAX)
                return cel_fail(call, "the text would be longer than 4 GiB");
        text = eval_alloc_bytes(call, len);
        if (!text)
                return eval_stopped();
        memcpy(text, a.bytes, a.len);
        memcpy(text + a.len, b.bytes, b.len);
        a.bytes = text;
        a.len = (uint32_t)len;
        return a;
}

static struct cel_value concat_lists(struct cel_call *call, struct cel_value a, struct cel_value b)
{
        uint32_t first = cel_count(a);
        uint32_t second = cel_count(b);
        struct cel_value *items;

        if (first == 0)
                return b;
        if (second == 0)
                return a;
        if ((uint64_t)first + second > UINT32_MAX)
                return cel_fail(call, "the list would be longer than 2^32");
        items = eval_alloc(call, (size_t)first + second, sizeof(*items));
        if (!items)
                return eval_stopped();
        for (uint32_t i = 0; i < first; i++)
                items[i] = cel_at(call, a, i);
        for (uint32_t i = 0; i < second; i++)
                items[first + i] = cel_at(call, b, i);
        return cel_list(items, first + second);
}

static struct cel_value operate_same(struct cel_call *call, enum op_code code, struct cel_value a,
                                     struct cel_value b)
{
        int64_t result = 0;

        switch ((enum cel_kind)a.kind) {
        case CEL_INT:
                return operate_int(code, a.integer, b.integer);
        case CEL_UINT:
                return operate_uint(code, a.uinteger, b.uinteger);
        case CEL_DOUBLE:
                return operate_double(code, a.number, b.number);
        case CEL_STRING:
        case CEL_BYTES:
                return code == OP_ADD ? concat_text(call, a, b) : overload();
        case CEL_LIST:
                return code == OP_ADD ? concat_lists(call, a, b) : overload();
        case CEL_DURATION:
                if (code == OP_ADD ? __builtin_add_overflow(a.integer, b.integer, &result)
                                   : __builtin_sub_overflow(a.integer, b.integer, &result))
                        return cel_fail(call, "duration out of range");
                return code == OP_ADD || code == OP_SUB ? cel_duration(result) : overload();
        case CEL_TIMESTAMP:
                return code == OP_SUB ? time_between(call, a, b) : overload();
        default:
                return overload();
        }
}

/* ---- Order and membership ---- */

static struct cel_value order(struct cel_call *call, enum op_code code, struct cel_value a,
                              struct cel_value b)
{
        int result;

        if (a.kind == CEL_STRING || a.kind == CEL_BYTES)
                if (!charge_bytes(call, a.len < b.len ? a.len : b.len))
                        return eval_stopped();
        result = value_compare(a, b);
        if (result == ORDER_NONE)
                return overload();
        if (result == ORDER_NAN)
                return cel_bool(false);
        switch (code) {
        case OP_LT:
                return cel_bool(result < 0);
        case OP_LE:
                return cel_bool(result <= 0);
        case OP_GT:
                return cel_bool(result > 0);
        default:
                return cel_bool(result >= 0);
        }
}

static struct cel_value contains(struct cel_call *call, struct cel_value item, struct cel_value range)
{
        if (range.kind == CEL_MAP) {
                struct cel_value found = cel_get(call, range, item);

                return is_error(found) ? found : cel_bool(found.kind != CEL_UNSET);
        }
        if (range.kind != CEL_LIST)
                return overload();
        for (uint32_t i = 0, count = cel_count(range); i < count; i++) {
                if (!cel_charge(call, 1))
                        return eval_stopped();
                if (value_equal(call, item, cel_at(call, range, i)))
                        return cel_bool(true);
        }
        return cel_bool(false);
}

struct cel_value operate(struct cel_call *call, enum op_code code, struct cel_value a, struct cel_value b)
{
        switch (code) {
        case OP_EQ:
                return cel_bool(value_equal(call, a, b));
        case OP_NE:
                return cel_bool(!value_equal(call, a, b));
        case OP_LT:
        case OP_LE:
        case OP_GT:
        case OP_GE:
                return order(call, code, a, b);
        case OP_IN:
                return contains(call, a, b);
        case OP_NEG:
                if (a.kind == CEL_DOUBLE)
                        return cel_double(-a.number);
                return a.kind == CEL_INT ? operate_int(OP_SUB, 0, a.integer) : overload();
        case OP_NOT:
                return a.kind == CEL_BOOL ? cel_bool(!a.boolean) : overload();
        case OP_ADD:
        case OP_SUB:
                if (a.kind == CEL_TIMESTAMP && b.kind == CEL_DURATION)
                        return time_add(call, a, b.integer, code == OP_SUB);
                if (code == OP_ADD && a.kind == CEL_DURATION && b.kind == CEL_TIMESTAMP)
                        return time_add(call, b, a.integer, false);
                break;
        default:
                break;
        }
        return a.kind == b.kind ? operate_same(call, code, a, b) : overload();
}

/* ---- Selection and indexing ---- */

struct cel_value optional_of(struct cel_call *call, struct cel_value value)
{
        struct cel_value *copy = eval_alloc(call, 1, sizeof(*copy));

        if (!copy)
                return eval_stopped();
        *copy = value;
        return cel_optional(copy);
}

static struct cel_value no_key(struct cel_call *call, struct cel_value key)
{
        if (key.kind == CEL_STRING)
                return cel_fail(call, "no such key: \"%.*s\"", STR_ARG(str_slice(cel_text(key), 0, 80)));
        return error_value(&failure_no_key);
}

/* The item, or CEL_UNSET when the index is a good one but out of range. */
static struct cel_value list_item(struct cel_call *call, struct cel_value list, struct cel_value index)
{
        uint64_t at = index.uinteger;

        if (index.kind == CEL_DOUBLE && index.number >= 0 && index.number < 0x1p63 &&
            index.number == (double)(uint64_t)index.number)
                at = (uint64_t)index.number;
        else if (index.kind == CEL_INT && index.integer < 0)
                at = UINT64_MAX;
        else if (index.kind != CEL_INT && index.kind != CEL_UINT)
                return cel_fail(call, "invalid argument: a list is indexed by a whole number, not by %.*s",
                                STR_ARG(cel_type_name(index)));
        return at < cel_count(list) ? cel_at(call, list, (uint32_t)at) : (struct cel_value){0};
}

struct cel_value select_field(struct cel_call *call, struct cel_value operand, struct cel_value key)
{
        struct cel_value found;

        if (operand.kind == CEL_OPTIONAL)
                return select_optional(call, operand, key);
        if (operand.kind != CEL_MAP)
                return overload();
        found = cel_get_str(call, operand, cel_text(key));
        return found.kind == CEL_UNSET ? no_key(call, key) : found;
}

struct cel_value index_value(struct cel_call *call, struct cel_value operand, struct cel_value key)
{
        struct cel_value found;

        if (operand.kind == CEL_OPTIONAL)
                return select_optional(call, operand, key);
        if (operand.kind == CEL_MAP) {
                found = cel_get(call, operand, key);
                return found.kind == CEL_UNSET ? no_key(call, key) : found;
        }
        if (operand.kind != CEL_LIST)
                return overload();
        found = list_item(call, operand, key);
        if (found.kind == CEL_UNSET)
                return cel_fail(call, "invalid argument: the index %lld is out of range of a list of %u",
                                (long long)key.integer, cel_count(operand));
        return found;
}

struct cel_value select_optional(struct cel_call *call, struct cel_value operand, struct cel_value key)
{
        struct cel_value found;

        if (operand.kind == CEL_OPTIONAL) {
                if (!operand.optional)
                        return operand;
                operand = *operand.optional;
        }
        if (operand.kind == CEL_MAP)
                found = cel_get(call, operand, key);
        else if (operand.kind == CEL_LIST)
                found = list_item(call, operand, key);
        else
                return key.kind == CEL_STRING ? no_key(call, key) : overload();
        if (is_error(found))
                return found;
        return found.kind == CEL_UNSET ? cel_optional(NULL) : optional_of(call, found);
}

struct cel_value has_field(struct cel_call *call, struct cel_value operand, struct cel_value key)
{
        struct cel_value found;

        if (operand.kind == CEL_OPTIONAL) {
                if (!operand.optional)
                        return cel_bool(false);
                operand = *operand.optional;
        }
        if (operand.kind != CEL_MAP)
                return overload();
        found = cel_get_str(call, operand, cel_text(key));
        return is_error(found) ? found : cel_bool(found.kind != CEL_UNSET);
}

/* ---- For the checker; the evaluator has operations of its own for these ---- */

#define ORDERED                                                                                             \
        "(bool, bool) bool; (int, int) bool; (uint, uint) bool; (double, double) bool; "                    \
        "(string, string) bool; (bytes, bytes) bool; (timestamp, timestamp) bool; "                         \
        "(duration, duration) bool; (int, uint) bool; (int, double) bool; (uint, int) bool; "               \
        "(uint, double) bool; (double, int) bool; (double, uint) bool"
#define NUMERIC "(int, int) int; (uint, uint) uint; (double, double) double"

static const struct builtin rows[] = {
        {"_==_", "(A, A) bool", NULL},
        {"_!=_", "(A, A) bool", NULL},
        {"_<_", ORDERED, NULL},
        {"_<=_", ORDERED, NULL},
        {"_>_", ORDERED, NULL},
        {"_>=_", ORDERED, NULL},
        {"@in", "(A, list(A)) bool; (A, map(A, B)) bool", NULL},
        {"_+_",
         NUMERIC
         "; (string, string) string; (bytes, bytes) bytes; (list(A), list(A)) list(A); "
         "(timestamp, duration) timestamp; (duration, timestamp) timestamp; (duration, duration) duration",
         NULL},
        {"_-_",
         NUMERIC "; (timestamp, timestamp) duration; (timestamp, duration) timestamp; "
                 "(duration, duration) duration",
         NULL},
        {"_*_", NUMERIC, NULL},
        {"_/_", NUMERIC, NULL},
        {"_%_", "(int, int) int; (uint, uint) uint", NULL},
        {"-_", "(int) int; (double) double", NULL},
        {"!_", "(bool) bool", NULL},
};

const struct library library_operators = {rows, sizeof(rows) / sizeof(rows[0])};
