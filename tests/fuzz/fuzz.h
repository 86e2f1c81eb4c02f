/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzz target has: the entry point, and a check that stands in any build. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                               \
        do {                                                                                                \
                if (!(condition))                                                                           \
                        abort();                                                                            \
        } while (0)
