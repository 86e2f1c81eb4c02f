/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our side of the differential test: reads one JSON string with an expression
 * from each line, and writes its value, or "error", as one line in the form
 * that diff.mjs writes too. The variables are those of diff.mjs.
 */
#include "base/base64.h"
#include "cel/cel.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void canonical(struct buf *buf, struct cel_value value);

static int by_text(const void *a, const void *b)
{
        return str_compare(*(const struct str *)a, *(const struct str *)b);
}

/* Entries as texts, in their order. */
static void canonical_map(struct buf *buf, struct cel_value map)
{
        uint32_t count = cel_count(map);
        struct str *texts = calloc(count + 1, sizeof(*texts));
        struct buf *parts = calloc(count + 1, sizeof(*parts));

        if (!texts || !parts)
                abort();
        for (uint32_t i = 0; i < count; i++) {
                struct cel_entry entry = cel_entry_at(NULL, map, i);

                buf_init(&parts[i], 1 << 20);
                canonical(&parts[i], entry.key);
                buf_append_c(&parts[i], ":");
                canonical(&parts[i], entry.value);
                texts[i] = buf_str(&parts[i]);
        }
        qsort(texts, count, sizeof(*texts), by_text);
        buf_append_c(buf, "{");
        for (uint32_t i = 0; i < count; i++) {
                buf_append_c(buf, i > 0 ? "," : "");
                buf_append_str(buf, texts[i]);
        }
        buf_append_c(buf, "}");
        for (uint32_t i = 0; i < count; i++)
                buf_done(&parts[i]);
        free(parts);
        free(texts);
}

static void canonical(struct buf *buf, struct cel_value value)
{
        switch ((enum cel_kind)value.kind) {
        case CEL_NULL:
                buf_append_c(buf, "null");
                break;
        case CEL_BOOL:
                buf_append_c(buf, value.boolean ? "true" : "false");
                break;
        case CEL_INT:
                buf_printf(buf, "i%" PRId64, value.integer);
                break;
        case CEL_UINT:
                buf_printf(buf, "u%" PRIu64, value.uinteger);
                break;
        case CEL_DOUBLE:
                if (isnan(value.number))
                        buf_append_c(buf, "dNaN");
                else
                        buf_printf(buf, "d%.17g", value.number + 0.0);
                break;
        case CEL_STRING:
                json_append_string(buf, cel_text(value));
                break;
        case CEL_BYTES:
                buf_append_c(buf, "b");
                hex_append(buf, cel_text(value));
                break;
        case CEL_LIST:
                buf_append_c(buf, "[");
                for (uint32_t i = 0; i < cel_count(value); i++) {
                        buf_append_c(buf, i > 0 ? "," : "");
                        canonical(buf, cel_at(NULL, value, i));
                }
                buf_append_c(buf, "]");
                break;
        case CEL_MAP:
                canonical_map(buf, value);
                break;
        case CEL_TIMESTAMP:
                buf_printf(buf, "t%" PRId64 ".%u", value.integer, value.len);
                break;
        case CEL_DURATION:
                buf_printf(buf, "D%" PRId64, value.integer);
                break;
        case CEL_TYPE:
                buf_printf(buf, "T%.*s", STR_ARG(cel_text(value)));
                break;
        default:
                buf_append_c(buf, "other");
        }
}

struct world {
        struct cel_env *env;
        struct cel_value values[8];
};

static void declare(struct world *w, const char *name, struct cel_value value)
{
        struct err err;
        uint32_t slot;

        if (!cel_env_variable(w->env, name, "dyn", &slot, &err))
                abort();
        w->values[slot] = value;
}

static void evaluate(struct world *w, struct str expression)
{
        static const struct cel_options unchecked = {.unchecked = true};
        struct cel_activation activation = {.values = w->values, .count = 8};
        struct cel_eval eval = {.activation = &activation, .cost_limit = 1000000};
        struct cel_program *program = NULL;
        struct cel_value value;
        struct err err;
        ARENA_SCOPED arena;
        BUF_SCOPED text;

        arena_init(&arena, 64 << 20);
        buf_init(&text, 16 << 20);
        eval.arena = &arena;
        if (cel_compile(w->env, expression, &unchecked, &program, &err) &&
            cel_eval(program, &eval, &value, &err))
                canonical(&text, value);
        else
                buf_printf(&text, "error\t%.*s", (int)strcspn(err.message, "\n"), err.message);
        printf("%.*s\n", STR_ARG(buf_str(&text)));
        cel_program_free(program);
}

int main(void)
{
        static char line[1 << 16];
        struct world w = {0};
        struct err err;
        struct json document;
        ARENA_SCOPED arena;

        arena_init(&arena, 1 << 20);
        w.env = cel_env_new(&err);
        if (!w.env || !json_parse(&arena,
                                  str_from("{\"l\": [1, 2, 3], \"m\": {\"a\": 1, \"b\": 2}, \"n\": {\"k\": "
                                           "[\"x\", true, null, "
                                           "1.5], \"deep\": {\"a\": \"b\"}}}"),
                                  &document, &err))
                return 1;
        declare(&w, "i", cel_int(7));
        declare(&w, "u", cel_uint(8));
        declare(&w, "d", cel_double(2.5));
        declare(&w, "s", cel_string(STR("h\xc3\xa9llo")));
        declare(&w, "b", cel_bool(true));
        declare(&w, "l", cel_json(json_get(&document, "l")));
        declare(&w, "m", cel_json(json_get(&document, "m")));
        declare(&w, "n", cel_json(json_get(&document, "n")));
        while (fgets(line, sizeof(line), stdin)) {
                struct json expression;
                ARENA_SCOPED local;

                arena_init(&local, 1 << 20);
                if (!json_parse(&local, str_trim(str_from(line)), &expression, &err) ||
                    expression.type != JSON_STRING)
                        return 1;
                evaluate(&w, expression.string);
        }
        cel_env_free(w.env);
        return 0;
}
