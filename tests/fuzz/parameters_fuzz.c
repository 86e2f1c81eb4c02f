/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of every operation: what is taken is complete, is taken again as
 * it is, and filling it once more changes nothing. Targets too.
 */
#include "documents.h"

#include "catalogue/catalogue.h"

static void check_operation(struct arena *arena, const struct catalogue_operation *operation,
                            const struct json *given)
{
        struct json filled, again;
        BUF_SCOPED first = {0};
        BUF_SCOPED second = {0};
        struct err err;

        if (!catalogue_parameters_fill(arena, operation, given, &filled, &err)) {
                FUZZ_CHECK(err.code == ERR_BAD_FIELD || err.code == ERR_UNKNOWN_FIELD ||
                           err.code == ERR_MISSING_FIELD || err.code == ERR_NO_MEMORY);
                FUZZ_CHECK(err.code == ERR_NO_MEMORY || err.place[0] == '/');
                return;
        }
        buf_init(&first, 8 << 20);
        buf_init(&second, 8 << 20);
        FUZZ_CHECK(catalogue_parameters_check(operation, &filled, &err));
        FUZZ_CHECK(catalogue_parameters_fill(arena, operation, &filled, &again, &err));
        json_append_canonical(&first, &filled);
        json_append_canonical(&second, &again);
        FUZZ_CHECK(str_eq(buf_str(&first), buf_str(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        ARENA_SCOPED arena;
        struct json given;
        struct err err;
        struct str id;

        arena_init(&arena, 256 << 20);
        for (unsigned kind = TARGET_NONE; kind <= TARGET_VOLUME; kind++) {
                struct str text = str_make(data, size);

                if (target_is_full_id(&arena, (enum target_kind)kind, text, &id))
                        FUZZ_CHECK(target_check((enum target_kind)kind, text, &err) &&
                                   target_fact_check((enum target_kind)kind, STR("id"), id, &err));
        }
        if (!json_parse(&arena, str_make(data, size), &given, &err))
                return 0;
        for (size_t i = 0; i < catalogue_count(); i++)
                check_operation(&arena, catalogue_at(i), &given);
        return 0;
}
