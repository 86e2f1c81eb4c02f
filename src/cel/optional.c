/* SPDX-License-Identifier: Apache-2.0 */
/* The extension optionals. `or` and `orValue` are operations of their own: their argument may not be needed.
 */
#include "cel/fn.h"

FUNCTION(of)
{
        UNUSED_ARGUMENTS;
        return optional_of(call, args[0]);
}

FUNCTION(of_non_zero_value)
{
        UNUSED_ARGUMENTS;
        return value_is_zero(args[0]) ? cel_optional(NULL) : optional_of(call, args[0]);
}

FUNCTION(none)
{
        UNUSED_ARGUMENTS;
        return cel_optional(NULL);
}

FUNCTION(has_value)
{
        UNUSED_ARGUMENTS;
        return args[0].kind == CEL_OPTIONAL ? cel_bool(args[0].optional != NULL) : no_overload();
}

FUNCTION(value)
{
        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_OPTIONAL)
                return no_overload();
        return args[0].optional ? *args[0].optional : cel_fail(call, "optional.none() has no value");
}

/* The values of those optionals that have one. */
FUNCTION(unwrap)
{
        struct cel_value *items;
        uint32_t kept = 0;
        uint32_t size;

        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_LIST)
                return no_overload();
        size = cel_count(args[0]);
        items = eval_alloc(call, size, sizeof(*items));
        if (!items)
                return eval_stopped();
        for (uint32_t i = 0; i < size; i++) {
                struct cel_value item = cel_at(call, args[0], i);

                if (item.kind != CEL_OPTIONAL)
                        return is_error(item) ? item : no_overload();
                if (item.optional)
                        items[kept++] = *item.optional;
        }
        return cel_list(items, kept);
}

static const struct builtin rows[] = {
        {"optional.of", "(A) optional_type(A)", of},
        {"optional.ofNonZeroValue", "(A) optional_type(A)", of_non_zero_value},
        {"optional.none", "() optional_type(A)", none},
        {"hasValue", "optional_type(A).() bool", has_value},
        {"value", "optional_type(A).() A", value},
        {"or", "optional_type(A).(optional_type(A)) optional_type(A)", NULL},
        {"orValue", "optional_type(A).(A) A", NULL},
        {"optional.unwrap", "(list(optional_type(A))) list(A)", unwrap},
        {"unwrapOpt", "list(optional_type(A)).() list(A)", unwrap},
};

LIBRARY(library_optional, rows);
