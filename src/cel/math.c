/* SPDX-License-Identifier: Apache-2.0 */
/* The extension math. greatest and least of three and more come as a list (macros.c). */
#include "cel/fn.h"

#include <math.h>

static struct cel_value extremum(struct cel_call *call, const struct cel_value *args, uint32_t count,
                                 int wanted)
{
        struct cel_value best;

        if (count == 1 && args[0].kind == CEL_LIST) {
                count = cel_count(args[0]);
                args = list_items(call, args[0]);
                if (count == 0)
                        return cel_fail(call, "greatest and least of an empty list do not exist");
                if (!args || !cel_charge(call, count))
                        return eval_stopped();
        }
        best = args[0];
        for (uint32_t i = 0; i < count; i++) {
                if (is_error(args[i]))
                        return args[i];
                if (!value_is_number(args[i]))
                        return no_overload();
                if (value_compare(args[i], best) == wanted)
                        best = args[i];
        }
        return best;
}

FUNCTION(greatest)
{
        UNUSED_ARGUMENTS;
        return extremum(call, args, count, 1);
}

FUNCTION(least)
{
        UNUSED_ARGUMENTS;
        return extremum(call, args, count, -1);
}

#define ROUNDING(name, function)                                                                            \
        FUNCTION(name)                                                                                      \
        {                                                                                                   \
                UNUSED_ARGUMENTS;                                                                           \
                return args[0].kind == CEL_DOUBLE ? cel_double(function(args[0].number)) : no_overload();   \
        }
ROUNDING(math_ceil, ceil)
ROUNDING(math_floor, floor)
ROUNDING(math_round, round)
ROUNDING(math_trunc, trunc)

#define CLASSIFYING(name, function)                                                                         \
        FUNCTION(name)                                                                                      \
        {                                                                                                   \
                UNUSED_ARGUMENTS;                                                                           \
                return args[0].kind == CEL_DOUBLE ? cel_bool(function(args[0].number)) : no_overload();     \
        }
CLASSIFYING(math_is_nan, isnan)
CLASSIFYING(math_is_inf, isinf)
CLASSIFYING(math_is_finite, isfinite)

FUNCTION(math_sqrt)
{
        UNUSED_ARGUMENTS;
        if (args[0].kind == CEL_DOUBLE)
                return cel_double(sqrt(args[0].number));
        if (args[0].kind == CEL_INT)
                return cel_double(sqrt((double)args[0].integer));
        return args[0].kind == CEL_UINT ? cel_double(sqrt((double)args[0].uinteger)) : no_overload();
}

FUNCTION(math_abs)
{
        UNUSED_ARGUMENTS;
        if (args[0].kind == CEL_DOUBLE)
                return cel_double(fabs(args[0].number));
        if (args[0].kind == CEL_UINT)
                return args[0];
        if (args[0].kind != CEL_INT)
                return no_overload();
        if (args[0].integer == INT64_MIN)
                return error_value(&failure_overflow);
        return cel_int(args[0].integer < 0 ? -args[0].integer : args[0].integer);
}

FUNCTION(math_sign)
{
        double number = args[0].number;

        UNUSED_ARGUMENTS;
        if (args[0].kind == CEL_DOUBLE)
                return cel_double(isnan(number) ? number : (double)((number > 0) - (number < 0)));
        if (args[0].kind == CEL_UINT)
                return cel_uint(args[0].uinteger > 0);
        if (args[0].kind != CEL_INT)
                return no_overload();
        return cel_int((args[0].integer > 0) - (args[0].integer < 0));
}

/* ---- Bits ---- */

static bool same_whole(const struct cel_value *args)
{
        return args[0].kind == args[1].kind && (args[0].kind == CEL_INT || args[0].kind == CEL_UINT);
}

#define BITWISE(name, operator)                                                                             \
        FUNCTION(name)                                                                                      \
        {                                                                                                   \
                struct cel_value result = args[0];                                                          \
                                                                                                            \
                UNUSED_ARGUMENTS;                                                                           \
                if (!same_whole(args))                                                                      \
                        return no_overload();                                                               \
                result.uinteger = args[0].uinteger operator args[1].uinteger;                               \
                return result;                                                                              \
        }
BITWISE(bit_and, &)
BITWISE(bit_or, |)
BITWISE(bit_xor, ^)

FUNCTION(bit_not)
{
        struct cel_value result = args[0];

        UNUSED_ARGUMENTS;
        if (result.kind != CEL_INT && result.kind != CEL_UINT)
                return no_overload();
        result.uinteger = ~result.uinteger;
        return result;
}

/* Logical shifts, also of an int; by 64 and more nothing is left. */
static struct cel_value shift(struct cel_call *call, const struct cel_value *args, bool left)
{
        struct cel_value result = args[0];

        if ((result.kind != CEL_INT && result.kind != CEL_UINT) || args[1].kind != CEL_INT)
                return no_overload();
        if (args[1].integer < 0)
                return cel_fail(call, "cannot shift by a negative offset: %lld", (long long)args[1].integer);
        if (args[1].integer > 63)
                result.uinteger = 0;
        else
                result.uinteger =
                        left ? result.uinteger << args[1].integer : result.uinteger >> args[1].integer;
        return result;
}

FUNCTION(shift_left)
{
        UNUSED_ARGUMENTS;
        return shift(call, args, true);
}

FUNCTION(shift_right)
{
        UNUSED_ARGUMENTS;
        return shift(call, args, false);
}

#define EXTREMUM                                                                                            \
        "(int) int; (uint) uint; (double) double; (int, int) int; (uint, uint) uint; "                      \
        "(double, double) double; (int, uint) dyn; (int, double) dyn; (uint, int) dyn; (uint, double) "     \
        "dyn; "                                                                                             \
        "(double, int) dyn; (double, uint) dyn; (list(int)) int; (list(uint)) uint; (list(double)) double"
#define WHOLE "(int, int) int; (uint, uint) uint"

static const struct builtin rows[] = {
        {"math.greatest", EXTREMUM, greatest},
        {"math.least", EXTREMUM, least},
        {"math.ceil", "(double) double", math_ceil},
        {"math.floor", "(double) double", math_floor},
        {"math.round", "(double) double", math_round},
        {"math.trunc", "(double) double", math_trunc},
        {"math.isNaN", "(double) bool", math_is_nan},
        {"math.isInf", "(double) bool", math_is_inf},
        {"math.isFinite", "(double) bool", math_is_finite},
        {"math.sqrt", "(double) double; (int) double; (uint) double", math_sqrt},
        {"math.abs", "(int) int; (uint) uint; (double) double", math_abs},
        {"math.sign", "(int) int; (uint) uint; (double) double", math_sign},
        {"math.bitAnd", WHOLE, bit_and},
        {"math.bitOr", WHOLE, bit_or},
        {"math.bitXor", WHOLE, bit_xor},
        {"math.bitNot", "(int) int; (uint) uint", bit_not},
        {"math.bitShiftLeft", "(int, int) int; (uint, int) uint", shift_left},
        {"math.bitShiftRight", "(int, int) int; (uint, int) uint", shift_right},
};

LIBRARY(library_math, rows);
