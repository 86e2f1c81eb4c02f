/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a floor file holds: it is refused, or it demands something that can be demanded. */
#include "fuzz.h"

#include "executor/floor.h"

/* libfyaml 0.7.12 leaks a buffer on some malformed scalars: bounded by the file, which is read once. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
        return "leak:libfyaml.so";
}

static void check(const struct floor *floor)
{
        for (int effect = EFFECT_READS; effect <= EFFECT_DESTROYS; effect++) {
                unsigned decisions;
                struct err err;

                if (!floor_check(floor, STR("docker"), STR("container.list"), (enum effect)effect,
                                 &decisions, &err))
                        FUZZ_CHECK(err.code == ERR_FLOOR_REFUSED);
                else
                        FUZZ_CHECK(decisions <= FLOOR_DECISIONS_MAX &&
                                   (effect == EFFECT_READS || decisions > 0));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        ARENA_SCOPED arena;
        struct floor floor;
        struct err err = {0};

        arena_init(&arena, 1 << 20);
        if (floor_parse(&arena, str_make(data, size), STR("prd"), &floor, &err))
                check(&floor);
        else
                FUZZ_CHECK(err.code != ERR_NONE && err.message[0] != '\0');
        return 0;
}
