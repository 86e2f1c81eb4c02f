/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks of fibers: 64 KiB with a guard page below, pooled per loop, last used
 * first. The fiber itself stands at the top of its stack.
 */
#include "io/loop_private.h"

#include "base/log_line.h"
#include "io/proc.h"

#include <sys/mman.h>
#include <unistd.h>

#ifdef IO_ASAN
#include <sanitizer/asan_interface.h>
#endif

enum {
        GUARD_BYTES = 4096,
        MAPPING_BYTES = GUARD_BYTES + FIBER_STACK_BYTES,
        /* Mappings for everything else: libraries, heaps, SQLite's shared memory. */
        MAPS_RESERVED = 8192,
        FIBERS_WANTED = 24000,
};

static atomic_uint fiber_limit = 16; /* until fiber_limit_read */
static atomic_uint fibers_mapped;

unsigned fiber_limit_read(void)
{
        int64_t maps;
        unsigned limit;

        if (proc_read_figures("/proc/sys/vm/max_map_count", 1, &maps) != 1)
                maps = 65530; /* the kernel's default */
        /* Each guarded stack is two mappings. */
        limit = maps > 2 * MAPS_RESERVED ? (unsigned)((maps - MAPS_RESERVED) / 2) : 1024;
        if (limit < FIBERS_WANTED && atomic_load(&fiber_limit) != limit)
                log_line(LOG_WARN, "vm.max_map_count is low: it bounds the requests that can wait at once",
                         LOG_INT("vm.max_map_count", maps), LOG_INT("fibers", limit));
        atomic_store(&fiber_limit, limit);
        return limit;
}

#ifdef COUNTERSIGN_TEST_HOOKS
void fiber_limit_set(unsigned limit)
{
        atomic_store(&fiber_limit, limit);
}
#endif

static struct fiber *fiber_map(struct err *err)
{
        char *base;
        struct fiber *fiber;

        if (atomic_fetch_add(&fibers_mapped, 1) >= atomic_load(&fiber_limit)) {
                atomic_fetch_sub(&fibers_mapped, 1);
                err_set(err, ERR_OVERLOADED,
                        "%u requests wait already; raise vm.max_map_count to allow more",
                        atomic_load(&fiber_limit));
                return NULL;
        }
        base = mmap(NULL, MAPPING_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
        if (base == MAP_FAILED || mprotect(base, GUARD_BYTES, PROT_NONE) != 0) {
                if (base != MAP_FAILED)
                        munmap(base, MAPPING_BYTES);
                atomic_fetch_sub(&fibers_mapped, 1);
                err_set(err, ERR_OVERLOADED, "no memory for one more fiber");
                return NULL;
        }
        fiber = (struct fiber *)(((uintptr_t)base + MAPPING_BYTES - sizeof(*fiber)) & ~(uintptr_t)63);
        fiber->stack = base + GUARD_BYTES;
        return fiber;
}

static void fiber_unmap(struct fiber *fiber)
{
        char *base = fiber->stack - GUARD_BYTES;

#ifdef IO_ASAN
        __asan_unpoison_memory_region(fiber->stack, FIBER_STACK_BYTES);
#endif
        munmap(base, MAPPING_BYTES);
        atomic_fetch_sub(&fibers_mapped, 1);
}

struct fiber *fiber_allocate(struct loop *loop, struct err *err)
{
        struct fiber *fiber = loop == loop_current() ? loop->free_fibers : NULL;
        char *stack;

        if (fiber) {
                loop->free_fibers = fiber->next_free;
                loop->n_free_fibers--;
        } else {
                fiber = fiber_map(err);
                if (!fiber)
                        return NULL;
        }
        stack = fiber->stack;
#ifdef IO_ASAN
        /* What the last user left poisoned when it ended inside its frames. */
        __asan_unpoison_memory_region(stack, (size_t)((char *)fiber - stack));
#endif
        memset(fiber, 0, sizeof(*fiber));
        fiber->stack = stack;
        fiber->loop = loop;
        return fiber;
}

void fiber_release(struct loop *loop, struct fiber *fiber)
{
        if (loop->n_free_fibers >= FIBER_STACKS_KEPT) {
                fiber_unmap(fiber);
                return;
        }
        fiber->next_free = loop->free_fibers;
        loop->free_fibers = fiber;
        loop->n_free_fibers++;
}

void fiber_stacks_free(struct loop *loop)
{
        while (loop->free_fibers) {
                struct fiber *fiber = loop->free_fibers;

                loop->free_fibers = fiber->next_free;
                fiber_unmap(fiber);
        }
        loop->n_free_fibers = 0;
}
