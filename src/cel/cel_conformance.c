/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the public conformance suite (cel.expr.conformance.test.SimpleTestFile
 * as JSON) and counts. Exit 0 when nothing failed.
 *
 *   cel_conformance [-v] [DIR]        DIR: default $COUNTERSIGN_VECTORS/cel, or ../shared/vectors/cel; -v:
 * say what is skipped
 */
#include "cel/conformance.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SKIPPED = 77 }; /* meson's code for a test that could not run */

struct tally {
        unsigned passed;
        unsigned failed;
        unsigned skipped;
};

struct run {
        struct arena *arena;
        struct cel_env *env;
        const struct json *test;
        struct cel_value *values;
        struct err err;
        struct buf why;
};

static bool declare_function(struct run *run, const char *name, const struct json *overload)
{
        const struct json *params = suite_get(overload, "params");
        const struct json *member = suite_get(overload, "is_instance_function");
        struct cel_function_decl decl = {.name = name, .member = member && member->boolean};
        const char *texts[8];
        BUF_SCOPED text;

        buf_init(&text, 4096);
        decl.params = texts;
        decl.param_count = params ? params->count : 0;
        for (uint32_t i = 0; i < decl.param_count && i < 8; i++) {
                buf_reset(&text);
                if (!suite_type(run->env, &text, &params->items[i]))
                        return false;
                texts[i] = arena_str(run->arena, buf_str(&text)).ptr;
        }
        buf_reset(&text);
        if (!suite_type(run->env, &text, suite_get(overload, "result_type")))
                return false;
        decl.result = arena_str(run->arena, buf_str(&text)).ptr;
        return cel_env_add_function(run->env, &decl, &run->err);
}

static bool declare(struct run *run, const struct json *decl)
{
        const char *name = json_get_string(decl, "name").ptr;
        const struct json *ident = suite_get(decl, "ident");
        const struct json *overloads = suite_get(suite_get(decl, "function"), "overloads");
        BUF_SCOPED type;

        buf_init(&type, 4096);
        if (ident) {
                if (str_is(str_from(name), "true") || str_is(str_from(name), "false") ||
                    str_is(str_from(name), "null"))
                        return true; /* declared, but a literal wins */
                return suite_type(run->env, &type, suite_get(ident, "type")) &&
                       cel_env_variable(run->env, name, buf_str(&type).ptr, NULL, &run->err);
        }
        for (uint32_t i = 0; overloads && i < overloads->count; i++)
                if (!declare_function(run, name, &overloads->items[i]))
                        return false;
        return true;
}

static bool prepare(struct run *run)
{
        const struct json *declared = suite_get(run->test, "type_env");
        const struct json *bindings = suite_get(run->test, "bindings");
        struct str container = json_get_string(run->test, "container");
        uint32_t slot;

        if (container.len > 0 && !cel_env_set_container(run->env, container, &run->err))
                return false;
        for (uint32_t i = 0; declared && i < declared->count; i++)
                if (!declare(run, &declared->items[i]))
                        return false;
        for (uint32_t i = 0; bindings && i < bindings->count; i++)
                if (!cel_env_slot(run->env, bindings->members[i].key, &slot) &&
                    !cel_env_variable(run->env, bindings->members[i].key.ptr, "dyn", NULL, &run->err))
                        err_clear(&run->err);
        run->values = ARENA_ARRAY(run->arena, struct cel_value, cel_env_variable_count(run->env));
        for (uint32_t i = 0; bindings && i < bindings->count; i++)
                if (cel_env_slot(run->env, bindings->members[i].key, &slot) &&
                    !suite_value(run->arena, suite_get(&bindings->members[i].value, "value"),
                                 &run->values[slot]))
                        return false;
        return true;
}

static bool type_matches(struct run *run, const struct cel_program *program)
{
        const struct json *wanted = suite_get(suite_get(run->test, "typed_result"), "deduced_type");
        const struct cel_type *type;
        BUF_SCOPED text;
        BUF_SCOPED normal;
        BUF_SCOPED found;

        buf_init(&text, 4096);
        buf_init(&normal, 4096);
        buf_init(&found, 4096);
        if (!wanted)
                return true;
        if (!suite_type(run->env, &text, wanted) ||
            !cel_type_parse(run->env, buf_str(&text), &type, &run->err))
                return false;
        cel_type_append(&normal, type);
        cel_program_append_type(&found, program);
        if (str_eq(buf_str(&normal), buf_str(&found)))
                return true;
        buf_printf(&run->why, "type %.*s, expected %.*s", STR_ARG(buf_str(&found)),
                   STR_ARG(buf_str(&normal)));
        return false;
}

static bool value_matches(struct run *run, struct cel_value value)
{
        const struct json *wanted = suite_get(run->test, "value");
        struct cel_value expected = cel_bool(true);

        if (suite_get(run->test, "typed_result"))
                wanted = suite_get(suite_get(run->test, "typed_result"), "result");
        if (wanted && !suite_value(run->arena, wanted, &expected))
                return false;
        if (suite_same(value, expected))
                return true;
        cel_append(&run->why, value);
        buf_append_c(&run->why, ", expected ");
        cel_append(&run->why, expected);
        return false;
}

static bool flag(const struct json *test, const char *name)
{
        const struct json *value = suite_get(test, name);

        return value && value->type == JSON_BOOL && value->boolean;
}

static bool run_test(struct run *run)
{
        bool error_wanted = suite_get(run->test, "eval_error") || suite_get(run->test, "any_eval_errors");
        struct cel_options options = {.unchecked = flag(run->test, "disable_check"),
                                      .no_macros = flag(run->test, "disable_macros")};
        struct cel_activation activation = {0};
        struct cel_eval eval = {.arena = run->arena, .activation = &activation, .cost_limit = 10000000};
        __attribute__((cleanup(cel_program_freep))) struct cel_program *program = NULL;
        struct cel_value value;
        bool ok;

        if (!prepare(run)) {
                buf_printf(&run->why, "cannot be prepared: %s", run->err.message);
                return false;
        }
        activation.values = run->values;
        activation.count = cel_env_variable_count(run->env);
        ok = cel_compile(run->env, json_get_string(run->test, "expr"), &options, &program, &run->err);
        if (ok && !type_matches(run, program))
                return false;
        if (ok && flag(run->test, "check_only"))
                return true;
        ok = ok && cel_eval(program, &eval, &value, &run->err);
        if (!ok) {
                buf_append_c(&run->why, run->err.message);
                return error_wanted;
        }
        if (error_wanted) {
                buf_append_c(&run->why, "an error was expected, got ");
                cel_append(&run->why, value);
                return false;
        }
        return value_matches(run, value);
}

static void run_one(const struct json *test, const char *file, struct str section, bool verbose,
                    struct tally *tally)
{
        ARENA_SCOPED arena;
        struct run run = {.test = test, .arena = &arena};

        arena_init(&arena, 64 << 20);
        if (suite_needs_protobuf(&arena, test)) {
                tally->skipped++;
                if (verbose)
                        printf("skipped %s/%.*s/%.*s: %.*s\n", file, STR_ARG(section),
                               STR_ARG(json_get_string(test, "name")),
                               STR_ARG(json_get_string(test, "expr")));
                return;
        }
        buf_init(&run.why, 65536);
        run.env = cel_env_new(&run.err);
        if (run.env && run_test(&run)) {
                tally->passed++;
        } else {
                tally->failed++;
                printf("FAILED %s/%.*s/%.*s: %.*s\n", file, STR_ARG(section),
                       STR_ARG(json_get_string(test, "name")), STR_ARG(json_get_string(test, "expr")));
                printf("       %.*s\n", STR_ARG(buf_str(&run.why)));
        }
        cel_env_free(run.env);
        buf_done(&run.why);
}

static bool read_file(const char *path, struct buf *buf)
{
        char chunk[65536];
        FILE *file = fopen(path, "rb");
        size_t got;

        if (!file)
                return false;
        while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
                buf_append(buf, chunk, got);
        fclose(file);
        return !buf->failed;
}

static bool run_file(const char *folder, const char *name, bool verbose, struct tally *total)
{
        char path[4096];
        struct tally tally = {0};
        const struct json *sections;
        struct json file;
        struct err err;
        ARENA_SCOPED arena;
        BUF_SCOPED text;

        arena_init(&arena, 256 << 20);
        buf_init(&text, 64 << 20);
        snprintf(path, sizeof(path), "%s/%s", folder, name);
        if (!read_file(path, &text) || !json_parse(&arena, buf_str(&text), &file, &err)) {
                fprintf(stderr, "%s cannot be read as JSON\n", path);
                return false;
        }
        sections = suite_get(&file, "section");
        for (uint32_t i = 0; sections && i < sections->count; i++) {
                const struct json *tests = suite_get(&sections->items[i], "test");

                for (uint32_t j = 0; tests && j < tests->count; j++)
                        run_one(&tests->items[j], name, json_get_string(&sections->items[i], "name"),
                                verbose, &tally);
        }
        printf("%-24s %4u passed, %3u failed, %3u skipped\n", name, tally.passed, tally.failed,
               tally.skipped);
        total->passed += tally.passed;
        total->failed += tally.failed;
        total->skipped += tally.skipped;
        return true;
}

static int is_json(const struct dirent *entry)
{
        return str_ends(str_from(entry->d_name), STR(".json"));
}

int main(int argc, char **argv)
{
        bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
        const char *vectors = getenv("COUNTERSIGN_VECTORS");
        char folder[4096];
        struct tally total = {0};
        struct dirent **files;
        bool ok = true;
        int count;

        if (argc > 1 + verbose)
                snprintf(folder, sizeof(folder), "%s", argv[1 + verbose]);
        else
                snprintf(folder, sizeof(folder), "%s/cel", vectors ? vectors : "../shared/vectors");
        count = scandir(folder, &files, is_json, alphasort);
        if (count < 0) {
                printf("skipped: there is no folder %s with the conformance suite\n", folder);
                return argc > 1 + verbose ? 1 : SKIPPED;
        }
        for (int i = 0; i < count; i++) {
                ok = run_file(folder, files[i]->d_name, verbose, &total) && ok;
                free(files[i]);
        }
        free(files);
        printf("%u passed, %u failed, %u skipped\n", total.passed, total.failed, total.skipped);
        return ok && total.failed == 0 ? 0 : 1;
}
