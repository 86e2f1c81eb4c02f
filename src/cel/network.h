/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as numbers, read as the extension network reads them. Private to src/cel. */
#pragma once

#include "base/str.h"

#include <stdint.h>

/* An IPv4 address is in the upper half of `high`. */
struct network_address {
        uint64_t high;
        uint64_t low;
        uint8_t family; /* 4 or 6 */
};

/* False where ip(text) fails. */
bool network_address(struct str text, struct network_address *ret);
/* False where cidr(text) fails. */
bool network_range(struct str text, struct network_address *ret, uint32_t *ret_prefix);
/* Whether the first `prefix` bits are the same. */
static inline bool network_same(uint64_t high, uint64_t low, const struct network_address *b,
                                uint32_t prefix)
{
        if (prefix == 0)
                return true;
        if (prefix <= 64)
                return (high ^ b->high) >> (64 - prefix) == 0;
        return high == b->high && (low ^ b->low) >> (128 - prefix) == 0;
}
