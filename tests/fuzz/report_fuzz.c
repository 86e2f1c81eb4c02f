/* SPDX-License-Identifier: Apache-2.0 */
/* Reports: what is taken says exactly its own bytes. */
#include "documents.h"

#include "documents/report.h"

static void look(struct arena *arena, struct str bytes)
{
        struct report report;
        struct str again;
        struct err err;

        if (!report_parse(arena, bytes, &report, &err)) {
                FUZZ_CHECK(err.code == ERR_BAD_ENVELOPE || err.code == ERR_NO_MEMORY);
                return;
        }
        FUZZ_CHECK(report_build(arena, &report, &again, &err) && str_eq(again, bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        fuzz_document(data, size, look);
        return 0;
}
