/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for secrets: locked (never swapped, as far as RLIMIT_MEMLOCK lets us),
 * left out of core dumps and of children, wiped when freed.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>

/* Whole pages, zeroed; meant for few and long-lived secrets. NULL without memory. */
void *secret_alloc(size_t size_bytes) MUST_USE;
/* Needs the size given to secret_alloc. NULL is fine. */
void secret_free(void *ptr, size_t size_bytes);
/* Wipes in a way that the compiler keeps. */
void secret_wipe(void *ptr, size_t size_bytes);
