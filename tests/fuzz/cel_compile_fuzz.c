/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing and checking CEL: an error names a place in the source, a program is what it was made of. */
#include "cel_world.h"

#include <stdio.h>

static void fuzz_compile(struct world *w, struct str source, const struct cel_options *options)
{
        struct cel_program *program;
        struct err err;
        unsigned line;
        unsigned column;

        if (!cel_compile(w->env, source, options, &program, &err)) {
                FUZZ_CHECK(err.code == ERR_EXPRESSION && err.message[0] != '\0' && !program);
                if (source.len <= CEL_SOURCE_MAX_BYTES && strchr(err.message, '^'))
                        FUZZ_CHECK(sscanf(err.place, "%u:%u", &line, &column) == 2 && line > 0 &&
                                   column > 0);
                return;
        }
        FUZZ_CHECK(str_eq(cel_program_source(program), source));
        FUZZ_CHECK(cel_program_cost(program).least <= cel_program_cost(program).most);
        BUF_SCOPED type;
        buf_init(&type, 65536);
        cel_program_append_type(&type, program);
        FUZZ_CHECK(type.len > 0 || type.failed);
        cel_program_free(program);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct cel_options unchecked = {.unchecked = true};
        static const struct cel_options no_macros = {.no_macros = true, .unchecked = true};
        static struct world w;
        struct str source = str_make(data, size);

        if (!w.env)
                world_init(&w);
        fuzz_compile(&w, source, NULL);
        fuzz_compile(&w, source, &unchecked);
        fuzz_compile(&w, source, &no_macros);
        return 0;
}
