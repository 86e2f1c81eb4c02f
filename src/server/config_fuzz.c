/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration is accepted without a word, or refused with one; what is accepted prints as one that is
 * accepted. */
#include "server/config.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libfyaml 0.7.12 leaks a buffer on some malformed scalars: bounded by the file, which is read once. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
        return "leak:libfyaml.so";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct config config;
        struct arena arena;
        struct buf problems;
        bool ok;

        arena_init(&arena, 8 << 20);
        buf_init(&problems, 1 << 20);
        ok = config_parse(&arena, str_make(data, size), "fuzz", &config, &problems);
        if (ok != (problems.len == 0))
                abort();
        buf_done(&problems);
        arena_done(&arena);
        return 0;
}
