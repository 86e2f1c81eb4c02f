/* SPDX-License-Identifier: Apache-2.0 */
/* What the CEL fuzz targets declare: variables of every kind, with values. */
#pragma once

#include "cel/cel.h"

#include "fuzz.h"

enum { WORLD_VARIABLES = 9 };

struct world {
        struct cel_env *env;
        struct arena arena;
        struct json document;
        struct cel_value values[WORLD_VARIABLES];
};

static inline void world_init(struct world *w)
{
        static const char *const variables[WORLD_VARIABLES][2] = {
                {"x", "int"},       {"u", "uint"},
                {"d", "double"},    {"s", "string"},
                {"l", "list(int)"}, {"m", "map(string, dyn)"},
                {"t", "timestamp"}, {"o", "optional_type(int)"},
                {"any", "dyn"},
        };
        static const struct cel_value items[] = {{.kind = CEL_INT, .integer = 1},
                                                 {.kind = CEL_INT, .integer = 2}};
        static const char document[] =
                "{\"a\": [1, 2.5, \"b\", null], \"b\": {\"c\": {\"d\": true}}, \"e\": \"\"}";
        struct err err;

        arena_init(&w->arena, 1 << 20);
        w->env = cel_env_new(&err);
        FUZZ_CHECK(w->env);
        for (int i = 0; i < WORLD_VARIABLES; i++)
                FUZZ_CHECK(cel_env_variable(w->env, variables[i][0], variables[i][1], NULL, &err));
        FUZZ_CHECK(json_parse(&w->arena, str_from(document), &w->document, &err));
        w->values[0] = cel_int(7);
        w->values[1] = cel_uint(8);
        w->values[2] = cel_double(1.5);
        w->values[3] = cel_string(STR("h\xc3\xa9llo"));
        w->values[4] = cel_list(items, 2);
        w->values[5] = cel_json(&w->document);
        w->values[6] = cel_timestamp(1234567890, 5);
        w->values[7] = cel_optional(&items[1]);
        w->values[8] = cel_bytes(STR("\xff"));
}
