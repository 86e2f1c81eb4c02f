/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements: what is taken says exactly its own bytes, and every input can be
 * shown to a person without a character that deceives.
 */
#include "documents.h"

#include "documents/rendering.h"
#include "documents/statement.h"

static void check_rendering(struct arena *arena, struct str bytes)
{
        struct rendering rendering;
        struct err err;

        if (!rendering_make(arena, bytes, &rendering, &err)) {
                FUZZ_CHECK(err.code == ERR_NO_MEMORY);
                return;
        }
        FUZZ_CHECK(rendering.count > 0);
        for (unsigned i = 0; i < rendering.count; i++) {
                struct str value = rendering.lines[i].value;

                FUZZ_CHECK(str_is_utf8(value) && str_is_utf8(rendering.lines[i].label));
                for (size_t j = 0; j < value.len; j++)
                        FUZZ_CHECK((unsigned char)value.ptr[j] >= 0x20 && value.ptr[j] != 0x7F);
                FUZZ_CHECK(str_find_str(value, STR("\xE2\x80\xAE")) < 0);
        }
}

static void look(struct arena *arena, struct str bytes)
{
        const struct catalogue_operation *operation;
        struct statement statement;
        struct str again;
        struct err err;

        check_rendering(arena, bytes);
        if (!statement_parse(arena, bytes, &statement, &err)) {
                FUZZ_CHECK(err.code == ERR_BAD_ENVELOPE || err.code == ERR_NO_MEMORY);
                return;
        }
        FUZZ_CHECK(statement_build(arena, &statement, &again, &err) && str_eq(again, bytes));
        if (statement_check(&statement, &operation, &err))
                FUZZ_CHECK(statement.decisions > 0 || operation->effect == EFFECT_READS);
        else
                FUZZ_CHECK(err.code == ERR_BAD_ENVELOPE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        fuzz_document(data, size, look);
        return 0;
}
