/* SPDX-License-Identifier: Apache-2.0 */
/* A merge sort of indexes, in the arena: qsort may use the heap. */
#include "cel/fn.h"

static struct cel_value check_keys(struct cel_call *call, const struct cel_value *keys, uint32_t count)
{
        uint64_t cost = count;

        for (uint32_t i = 0; i < count; i++) {
                if (is_error(keys[i]))
                        return keys[i];
                if (value_compare(keys[i], keys[i]) == ORDER_NONE || keys[i].kind != keys[0].kind)
                        return cel_fail(call, "only values of one type that has an order can be sorted");
                if (keys[i].kind == CEL_STRING || keys[i].kind == CEL_BYTES)
                        cost += keys[i].len / 16;
        }
        for (uint32_t width = 1; width < count && width < UINT32_C(1) << 31; width *= 2)
                if (!cel_charge(call, cost))
                        return eval_stopped();
        return cel_null();
}

static void merge(const struct cel_value *keys, const uint32_t *from, uint32_t *to, uint32_t left,
                  uint32_t middle, uint32_t right)
{
        uint32_t a = left;
        uint32_t b = middle;

        for (uint32_t i = left; i < right; i++) {
                if (a < middle && (b >= right || value_compare(keys[from[b]], keys[from[a]]) != -1))
                        to[i] = from[a++];
                else
                        to[i] = from[b++];
        }
}

uint32_t *sort_order(struct cel_call *call, const struct cel_value *keys, uint32_t count,
                     struct cel_value *ret_error)
{
        uint32_t *order = eval_alloc(call, count, sizeof(*order));
        uint32_t *other = eval_alloc(call, count, sizeof(*other));

        *ret_error = order && other ? check_keys(call, keys, count) : eval_stopped();
        if (is_error(*ret_error))
                return NULL;
        for (uint32_t i = 0; i < count; i++)
                order[i] = i;
        for (uint64_t width = 1; width < count; width *= 2) {
                uint32_t *merged = other;

                for (uint64_t left = 0; left < count; left += 2 * width) {
                        uint64_t middle = left + width < count ? left + width : count;
                        uint64_t right = left + 2 * width < count ? left + 2 * width : count;

                        merge(keys, order, merged, (uint32_t)left, (uint32_t)middle, (uint32_t)right);
                }
                other = order;
                order = merged;
        }
        return order;
}
