/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/secret.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t secret_mapped_size(size_t size_bytes)
{
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        return (size_bytes + page - 1) / page * page;
}

void *secret_alloc(size_t size_bytes)
{
        size_t mapped = secret_mapped_size(size_bytes > 0 ? size_bytes : 1);
        if (mapped < size_bytes)
                return NULL;
        void *ptr = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (ptr == MAP_FAILED)
                return NULL;
        /* Locking fails where RLIMIT_MEMLOCK is low; the rest of the protection still holds. */
        (void)mlock(ptr, mapped);
        (void)madvise(ptr, mapped, MADV_DONTDUMP);
        (void)madvise(ptr, mapped, MADV_WIPEONFORK);
        return ptr;
}

void secret_free(void *ptr, size_t size_bytes)
{
        if (!ptr)
                return;
        size_t mapped = secret_mapped_size(size_bytes > 0 ? size_bytes : 1);
        secret_wipe(ptr, size_bytes);
        (void)munlock(ptr, mapped);
        (void)munmap(ptr, mapped);
}

void secret_wipe(void *ptr, size_t size_bytes)
{
        explicit_bzero(ptr, size_bytes);
}
