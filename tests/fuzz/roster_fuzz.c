/* SPDX-License-Identifier: Apache-2.0 */
/* Rosters: what is taken can stand, says exactly its own bytes, and is accepted from nobody who has not
 * signed. */
#include "documents.h"

#include "documents/roster.h"

static void look(struct arena *arena, struct str bytes)
{
        struct dsse_envelope unsigned_ = {.payload_type = STR(ROSTER_PAYLOAD_TYPE), .payload = bytes};
        struct roster roster, accepted;
        unsigned administrators = 0;
        struct str again;
        struct err err;

        if (!roster_parse(arena, bytes, &roster, &err)) {
                FUZZ_CHECK(err.code == ERR_BAD_ENVELOPE || err.code == ERR_NO_MEMORY);
                return;
        }
        for (unsigned i = 0; i < roster.member_count; i++)
                administrators += roster.members[i].administrator && roster.members[i].key_count > 0;
        FUZZ_CHECK(roster.threshold >= 1 && roster.threshold <= administrators);
        FUZZ_CHECK(roster_build(arena, &roster, &again, &err) && str_eq(again, bytes));
        FUZZ_CHECK(!roster_accept(arena, NULL, roster.tenant, &unsigned_, &accepted, &err));
        FUZZ_CHECK(!roster_accept(arena, &roster, roster.tenant, &unsigned_, &accepted, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        fuzz_document(data, size, look);
        return 0;
}
