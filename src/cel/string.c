/* SPDX-License-Identifier: Apache-2.0 */
/* langdef's standard functions on strings. */
#include "cel/fn.h"

FUNCTION(starts_with)
{
        UNUSED_ARGUMENTS;
        if (!are_strings(args, 2))
                return no_overload();
        if (!charge_bytes(call, args[1].len))
                return eval_stopped();
        return cel_bool(str_starts(cel_text(args[0]), cel_text(args[1])));
}

FUNCTION(ends_with)
{
        UNUSED_ARGUMENTS;
        if (!are_strings(args, 2))
                return no_overload();
        if (!charge_bytes(call, args[1].len))
                return eval_stopped();
        return cel_bool(str_ends(cel_text(args[0]), cel_text(args[1])));
}

FUNCTION(contains)
{
        UNUSED_ARGUMENTS;
        if (!are_strings(args, 2))
                return no_overload();
        return cel_bool(find_text(call, cel_text(args[0]), cel_text(args[1]), 0) >= 0);
}

/* A pattern that is only known now is compiled each time: dear, and charged for. */
FUNCTION(matches)
{
        enum { COMPILE_COST = 500, COST_OF_BYTE = 20 };
        char why[100];
        struct regex *regex;
        bool found = false;
        bool paid;

        UNUSED_ARGUMENTS;
        if (!are_strings(args, 2))
                return no_overload();
        if (!cel_charge(call, COMPILE_COST + (uint64_t)args[1].len * COST_OF_BYTE))
                return eval_stopped();
        regex = regex_new(args[1].bytes, args[1].len, why, sizeof(why));
        if (!regex)
                return cel_fail(call, "the regular expression is not valid: %s", why);
        paid = cel_charge(call, (args[0].len / 16 + 1) * regex_cost(regex));
        if (paid)
                found = regex_found(regex, args[0].bytes, args[0].len);
        regex_free(regex);
        return paid ? cel_bool(found) : eval_stopped();
}

static const struct builtin rows[] = {
        {"startsWith", "string.(string) bool", starts_with},
        {"endsWith", "string.(string) bool", ends_with},
        {"contains", "string.(string) bool", contains},
        {"matches", "(string, string) bool; string.(string) bool", matches},
};

LIBRARY(library_string, rows);
