/* SPDX-License-Identifier: Apache-2.0 */
/* The extension lists. */
#include "cel/fn.h"

enum { FLATTEN_DEPTH_MAX = 64 };

struct cel_value lists_range(struct cel_call *call, const struct cel_value *args, uint32_t count, void *data)
{
        struct cel_value *items;

        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_INT)
                return no_overload();
        if (args[0].integer <= 0)
                return cel_list(NULL, 0);
        if (args[0].integer > UINT32_MAX / 16)
                return cel_fail(call, "lists.range: %lld is too many", (long long)args[0].integer);
        items = eval_alloc(call, (size_t)args[0].integer, sizeof(*items));
        if (!items)
                return eval_stopped();
        for (int64_t i = 0; i < args[0].integer; i++)
                items[i] = cel_int(i);
        return cel_list(items, (uint32_t)args[0].integer);
}

FUNCTION(slice)
{
        const struct cel_value *items;
        uint32_t size;

        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_LIST || args[1].kind != CEL_INT || args[2].kind != CEL_INT)
                return no_overload();
        size = cel_count(args[0]);
        if (args[1].integer < 0 || args[2].integer < args[1].integer || args[2].integer > size)
                return cel_fail(call, "cannot slice(%lld, %lld) a list of %u", (long long)args[1].integer,
                                (long long)args[2].integer, size);
        items = list_items(call, args[0]);
        if (!items)
                return size > 0 ? eval_stopped() : cel_list(NULL, 0);
        return cel_list(items + args[1].integer, (uint32_t)(args[2].integer - args[1].integer));
}

FUNCTION(reverse)
{
        struct cel_value *items;
        uint32_t size;

        UNUSED_ARGUMENTS;
        if (args[0].kind == CEL_STRING)
                return strings_reverse(call, cel_text(args[0]));
        if (args[0].kind != CEL_LIST)
                return no_overload();
        size = cel_count(args[0]);
        items = eval_alloc(call, size, sizeof(*items));
        if (!items)
                return eval_stopped();
        for (uint32_t i = 0; i < size; i++)
                items[size - 1 - i] = cel_at(call, args[0], i);
        return cel_list(items, size);
}

FUNCTION(distinct)
{
        struct cel_value *items;
        uint32_t size;
        uint32_t kept = 0;

        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_LIST)
                return no_overload();
        size = cel_count(args[0]);
        items = eval_alloc(call, size, sizeof(*items));
        if (!items)
                return eval_stopped();
        for (uint32_t i = 0; i < size; i++) {
                struct cel_value item = cel_at(call, args[0], i);
                uint32_t j = 0;

                while (j < kept && cel_charge(call, 1) && !value_equal(call, items[j], item))
                        j++;
                if (call->stopped)
                        return eval_stopped();
                if (j == kept)
                        items[kept++] = item;
        }
        return cel_list(items, kept);
}

/* How many items a list has when it is flattened so deep; charges for each. */
static uint64_t flat_count(struct cel_call *call, struct cel_value list, int64_t depth)
{
        uint64_t total = 0;

        for (uint32_t i = 0, count = cel_count(list); i < count && cel_charge(call, 1); i++) {
                struct cel_value item = cel_at(call, list, i);

                total += item.kind == CEL_LIST && depth > 0 ? flat_count(call, item, depth - 1) : 1;
        }
        return total;
}

static struct cel_value *flat_fill(struct cel_call *call, struct cel_value list, int64_t depth,
                                   struct cel_value *to)
{
        for (uint32_t i = 0, count = cel_count(list); i < count; i++) {
                struct cel_value item = cel_at(call, list, i);

                if (item.kind == CEL_LIST && depth > 0)
                        to = flat_fill(call, item, depth - 1, to);
                else
                        *to++ = item;
        }
        return to;
}

FUNCTION(flatten)
{
        int64_t depth = count > 1 ? args[1].integer : 1;
        struct cel_value *items;
        uint64_t total;

        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_LIST || (count > 1 && args[1].kind != CEL_INT))
                return no_overload();
        if (depth < 0)
                return cel_fail(call, "flatten: the depth must not be negative");
        depth = depth < FLATTEN_DEPTH_MAX ? depth : FLATTEN_DEPTH_MAX;
        total = flat_count(call, args[0], depth);
        if (call->stopped || total > UINT32_MAX)
                return call->stopped ? eval_stopped()
                                     : cel_fail(call, "flatten: the list would be too long");
        items = eval_alloc(call, total, sizeof(*items));
        if (!items)
                return eval_stopped();
        flat_fill(call, args[0], depth, items);
        return cel_list(items, (uint32_t)total);
}

static struct cel_value sorted(struct cel_call *call, struct cel_value list, struct cel_value keys)
{
        uint32_t count = cel_count(list);
        const struct cel_value *key_items = list_items(call, keys);
        struct cel_value *items = eval_alloc(call, count, sizeof(*items));
        struct cel_value error;
        uint32_t *order;

        if (call->stopped)
                return eval_stopped();
        if (cel_count(keys) != count)
                return cel_fail(call, "sortBy: there must be a key for each item");
        order = sort_order(call, key_items, count, &error);
        if (!order)
                return error;
        for (uint32_t i = 0; i < count; i++)
                items[i] = cel_at(call, list, order[i]);
        return cel_list(items, count);
}

FUNCTION(sort)
{
        UNUSED_ARGUMENTS;
        return args[0].kind == CEL_LIST ? sorted(call, args[0], args[0]) : no_overload();
}

FUNCTION(sort_by)
{
        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_LIST || args[1].kind != CEL_LIST)
                return no_overload();
        return sorted(call, args[0], args[1]);
}

FUNCTION(first)
{
        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_LIST)
                return no_overload();
        return cel_count(args[0]) > 0 ? optional_of(call, cel_at(call, args[0], 0)) : cel_optional(NULL);
}

FUNCTION(last)
{
        uint32_t size;

        UNUSED_ARGUMENTS;
        if (args[0].kind != CEL_LIST)
                return no_overload();
        size = cel_count(args[0]);
        return size > 0 ? optional_of(call, cel_at(call, args[0], size - 1)) : cel_optional(NULL);
}

static const struct builtin rows[] = {
        {"lists.range", "(int) list(int)", lists_range},
        {"slice", "list(A).(int, int) list(A)", slice},
        {"reverse", "string.() string; list(A).() list(A)", reverse},
        {"distinct", "list(A).() list(A)", distinct},
        {"flatten", "list(list(A)).() list(A); list(dyn).(int) list(dyn)", flatten},
        {"sort", "list(A).() list(A)", sort},
        {"@sortBy", "list(A).(list(B)) list(A)", sort_by},
        {"first", "list(A).() optional_type(A)", first},
        {"last", "list(A).() optional_type(A)", last},
};

LIBRARY(library_lists, rows);
