/* SPDX-License-Identifier: Apache-2.0 */
/* What json.c and json_write.c reach in C++: simdjson's DOM and std::to_chars. */
#pragma once

#include "base/json.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The tree without the rule against duplicate keys, which json.c adds. */
bool json_shim_parse(struct arena *arena, struct str text, struct json *ret, struct err *err);

/*
 * The shortest decimal digits that give this finite, positive double back:
 * value = 0.DIGITS * 10^ret_exponent. Returns how many digits (at most 17).
 */
int json_shim_shortest(double value, char digits[32], int *ret_exponent);

#ifdef __cplusplus
}
#endif
