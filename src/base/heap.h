/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap, behind one door, so that tests can fail the n-th allocation.
 * NULL means no memory; callers turn it into ERR_NO_MEMORY.
 */
#pragma once

#include "base/err.h"

void *heap_alloc(size_t size_bytes) MUST_USE;
void *heap_alloc_zeroed(size_t count, size_t size_bytes) MUST_USE;
void *heap_realloc(void *ptr, size_t size_bytes) MUST_USE;
void heap_free(void *ptr);

/* Fails the n-th allocation from now on (1 = the next one) and every one after it; 0 ends that. */
void heap_fail_from(size_t nth);
/* Allocations counted since the last heap_fail_from. */
size_t heap_count(void);

/* _cleanup_(heap_freep) char *copy = …; */
static inline void heap_freep(void *pointer_to_pointer)
{
        heap_free(*(void **)pointer_to_pointer);
}

#define _cleanup_(function) __attribute__((cleanup(function)))
