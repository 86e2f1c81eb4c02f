/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of every kind, from bytes: read, checked, compared with themselves. */
#include "definitions/diff.h"
#include "definitions/kinds.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* libfyaml 0.7.12 leaks some 512 bytes on some malformed quotes, whatever the document's size. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
        return "leak:libfyaml.so";
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        static const char *const kinds[] = {"workflow", "agent", "policy"};
        struct str text = str_make(bytes, len);

        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                ARENA_SCOPED arena;
                struct problems problems;
                const struct node *root;
                struct diff diff;
                struct err err;

                arena_init(&arena, 32 << 20);
                problems_init(&problems, &arena);
                root = document_read(text, &problems);
                if (!root)
                        continue;
                definition_kind_find(str_from(kinds[i]))->check(root, &problems);
                if (!document_diff(&arena, root, root, &diff, &err) || diff.count != 0)
                        abort();
        }
        return 0;
}
