/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <stdatomic.h>
#include <stdlib.h>

static atomic_size_t counted;
static atomic_size_t fail_from;

static bool heap_must_fail(void)
{
        size_t from = atomic_load_explicit(&fail_from, memory_order_relaxed);

        /* Counting costs a shared cache line, so it happens only while a test asks for it. */
        if (from == 0)
                return false;
        return atomic_fetch_add_explicit(&counted, 1, memory_order_relaxed) + 1 >= from;
}

void *heap_alloc(size_t size_bytes)
{
        return heap_must_fail() ? NULL : malloc(size_bytes);
}

void *heap_alloc_zeroed(size_t count, size_t size_bytes)
{
        return heap_must_fail() ? NULL : calloc(count, size_bytes);
}

void *heap_realloc(void *ptr, size_t size_bytes)
{
        return heap_must_fail() ? NULL : realloc(ptr, size_bytes);
}

void heap_free(void *ptr)
{
        free(ptr);
}

void heap_fail_from(size_t nth)
{
        atomic_store(&counted, 0);
        atomic_store(&fail_from, nth);
}

size_t heap_count(void)
{
        return atomic_load(&counted);
}
