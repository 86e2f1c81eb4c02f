/* SPDX-License-Identifier: Apache-2.0 */
#include "cel/cel_cli.h"

#include "cel/cel.h"

#include <stdio.h>

enum { VARIABLES_MAX = 64, TEXT_MAX = 1 << 20, MEMORY_MAX = 64 << 20 };

static const char usage[] =
        "usage: countersign cel eval EXPRESSION [--var NAME=JSON]... [--explain] [--cost] [--limit N] "
        "[--json]\n"
        "       countersign cel check FILE [--json]\n"
        "\n"
        "eval prints the value of a CEL expression.\n"
        "  --var NAME=JSON  gives a variable its value; text that is no JSON is a string\n"
        "  --explain        also prints the value of each sub-expression\n"
        "  --cost           also prints what the evaluation cost, and what it could cost\n"
        "  --limit N        stops the evaluation at this cost\n"
        "  --json           prints the value as JSON\n"
        "\n"
        "check reads one expression from FILE (- for standard input), and prints its type and\n"
        "cost. Comments at the top of the file declare variables:\n"
        "  // var request: map(string, dyn)\n";

struct session {
        struct arena arena;
        struct cel_env *env;
        struct cel_program *program;
        struct cel_value values[VARIABLES_MAX];
        uint32_t count;
        const char *expression;
        uint64_t limit;
        bool explain;
        bool cost;
        bool json;
};

static void session_done(struct session *s)
{
        cel_program_free(s->program);
        cel_env_free(s->env);
        arena_done(&s->arena);
}

static int wrong_use(const char *what, const char *with)
{
        fprintf(stderr, "cel: %s%s%s\n%s", what, with ? ": " : "", with ? with : "", usage);
        return 2;
}

static int failed(const struct err *err, const char *file)
{
        fprintf(stderr, "%s%s%s%s%s\n", file, file[0] ? ":" : "", err->place, err->place[0] ? ": " : "",
                err->message);
        return 1;
}

static bool add_variable(struct session *s, const char *text, struct err *err)
{
        struct str rest = str_from(text);
        struct str name;
        struct json *json = ARENA_NEW(&s->arena, struct json);
        struct err ignored;
        uint32_t slot;

        if (!json)
                return arena_check(&s->arena, err);
        if (!str_cut(&rest, '=', &name))
                return err_set(err, ERR_BAD_PARAMETER, "--var %s: write NAME=JSON", text);
        if (s->count == VARIABLES_MAX)
                return err_set(err, ERR_BAD_PARAMETER, "more than %d variables", VARIABLES_MAX);
        name = arena_str(&s->arena, name);
        if (!cel_env_variable(s->env, name.ptr, "dyn", &slot, err))
                return false;
        s->values[s->count++] =
                json_parse(&s->arena, rest, json, &ignored) ? cel_json(json) : cel_string(rest);
        return true;
}

static bool read_option(struct session *s, int argc, char **argv, int *at, struct err *err)
{
        const char *option = argv[*at];
        bool has_value = *at + 1 < argc;

        if (strcmp(option, "--explain") == 0) {
                s->explain = true;
        } else if (strcmp(option, "--cost") == 0) {
                s->cost = true;
        } else if (strcmp(option, "--json") == 0) {
                s->json = true;
        } else if (strcmp(option, "--var") == 0 && has_value) {
                return add_variable(s, argv[++*at], err);
        } else if (strncmp(option, "--var=", 6) == 0) {
                return add_variable(s, option + 6, err);
        } else if (strcmp(option, "--limit") == 0 && has_value) {
                if (!str_to_u64(str_from(argv[++*at]), &s->limit) || s->limit == 0)
                        return err_set(err, ERR_BAD_PARAMETER, "--limit takes a number above 0");
        } else if (option[0] == '-' && option[1] == '-') {
                return err_set(err, ERR_BAD_PARAMETER, "there is no option %s", option);
        } else if (s->expression) {
                return err_set(err, ERR_BAD_PARAMETER, "there are two expressions; quote the expression");
        } else {
                s->expression = option;
        }
        return true;
}

static void print_cost(const struct session *s, uint64_t cost)
{
        struct cel_cost estimate = cel_program_cost(s->program);

        printf("cost %llu (estimated %llu to ", (unsigned long long)cost,
               (unsigned long long)estimate.least);
        if (estimate.most == UINT64_MAX)
                printf("what the inputs decide)\n");
        else
                printf("%llu)\n", (unsigned long long)estimate.most);
}

static void print_value(const struct session *s, struct cel_value value)
{
        struct json_writer writer;
        BUF_SCOPED text;

        buf_init(&text, MEMORY_MAX);
        if (s->json) {
                json_writer_init(&writer, &text);
                cel_write_json(&writer, value);
        } else {
                cel_append(&text, value);
        }
        printf("%.*s\n", STR_ARG(buf_str(&text)));
}

static void print_trace(const struct cel_trace *trace)
{
        BUF_SCOPED text;

        buf_init(&text, MEMORY_MAX);
        cel_trace_append(&text, trace);
        printf("%.*s", STR_ARG(buf_str(&text)));
}

static int evaluate(struct session *s)
{
        struct cel_activation activation = {.values = s->values, .count = s->count};
        struct cel_eval eval = {.arena = &s->arena, .activation = &activation, .cost_limit = s->limit};
        struct cel_value value;
        struct err err;
        bool ok;

        if (!cel_compile(s->env, str_from(s->expression), NULL, &s->program, &err))
                return failed(&err, "");
        if (s->explain)
                eval.trace = cel_trace_new(&s->arena, s->program);
        ok = cel_eval(s->program, &eval, &value, &err);
        if (ok)
                print_value(s, value);
        if (eval.trace)
                print_trace(eval.trace);
        if (s->cost)
                print_cost(s, eval.cost);
        return ok ? 0 : failed(&err, "");
}

static int command_eval(int argc, char **argv)
{
        __attribute__((cleanup(session_done))) struct session s = {0};
        struct err err;

        arena_init(&s.arena, MEMORY_MAX);
        s.env = cel_env_new(&err);
        if (!s.env)
                return failed(&err, "");
        for (int i = 1; i < argc; i++)
                if (!read_option(&s, argc, argv, &i, &err))
                        return wrong_use(err.message, NULL);
        if (!s.expression)
                return wrong_use("the expression is missing", NULL);
        return evaluate(&s);
}

/* "// var NAME: TYPE" lines before the expression. */
static bool declare_variables(struct cel_env *env, struct str text, struct arena *arena, struct err *err)
{
        struct str line;
        bool more = true;

        while (more && (str_starts(str_trim(text), STR("//")) || text.len == 0)) {
                struct str name;
                struct str type;

                more = str_cut(&text, '\n', &line);
                line = str_trim(str_slice(str_trim(line), 2, SIZE_MAX));
                if (!str_starts(line, STR("var ")))
                        continue;
                type = str_slice(line, 4, SIZE_MAX);
                if (!str_cut(&type, ':', &name))
                        return err_set(err, ERR_EXPRESSION, "\"%.*s\": write var NAME: TYPE", STR_ARG(line));
                name = arena_str(arena, str_trim(name));
                type = arena_str(arena, str_trim(type));
                if (!name.ptr || !type.ptr)
                        return arena_check(arena, err);
                if (!cel_env_variable(env, name.ptr, type.ptr, NULL, err))
                        return false;
        }
        return true;
}

static bool read_text(const char *path, struct buf *buf)
{
        FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
        char chunk[4096];
        size_t got;

        if (!file)
                return false;
        while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
                buf_append(buf, chunk, got);
        if (file != stdin)
                fclose(file);
        return !buf->failed;
}

static void print_checked(const struct cel_program *program, const char *file, struct str type)
{
        struct cel_cost cost = cel_program_cost(program);

        printf("%s: %.*s, costs at least %llu", file, STR_ARG(type), (unsigned long long)cost.least);
        if (cost.most == UINT64_MAX)
                printf(", at most what the inputs decide\n");
        else
                printf(", at most %llu\n", (unsigned long long)cost.most);
}

static void print_checked_json(const struct cel_program *program, struct str type)
{
        struct cel_cost cost = cel_program_cost(program);
        struct json_writer w;
        BUF_SCOPED text;

        buf_init(&text, TEXT_MAX);
        json_writer_init(&w, &text);
        json_object_begin(&w);
        json_field_str(&w, "type", type);
        json_field_int(&w, "cost_least", (int64_t)cost.least);
        /* Absent where the inputs decide. */
        if (cost.most <= INT64_MAX)
                json_field_int(&w, "cost_most", (int64_t)cost.most);
        json_object_end(&w);
        printf("%.*s\n", STR_ARG(buf_str(&text)));
}

static int command_check(int argc, char **argv)
{
        __attribute__((cleanup(session_done))) struct session s = {0};
        bool json = argc == 3 && strcmp(argv[2], "--json") == 0;
        struct err err;
        BUF_SCOPED text;
        BUF_SCOPED type;

        buf_init(&text, TEXT_MAX);
        buf_init(&type, TEXT_MAX);
        arena_init(&s.arena, MEMORY_MAX);
        if (argc != (json ? 3 : 2))
                return wrong_use("check takes one file", NULL);
        if (!read_text(argv[1], &text))
                return wrong_use("the file cannot be read", argv[1]);
        s.env = cel_env_new(&err);
        if (!s.env || !declare_variables(s.env, buf_str(&text), &s.arena, &err) ||
            !cel_compile(s.env, buf_str(&text), NULL, &s.program, &err))
                return failed(&err, argv[1]);
        cel_program_append_type(&type, s.program);
        if (json)
                print_checked_json(s.program, buf_str(&type));
        else
                print_checked(s.program, argv[1], buf_str(&type));
        return 0;
}

int cel_main(int argc, char **argv)
{
        if (argc > 1 && strcmp(argv[1], "eval") == 0)
                return command_eval(argc - 1, argv + 1);
        if (argc > 1 && strcmp(argv[1], "check") == 0)
                return command_check(argc - 1, argv + 1);
        if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
                printf("%s", usage);
                return 0;
        }
        return wrong_use(argc > 1 ? "there is no such command" : "a command is missing",
                         argc > 1 ? argv[1] : NULL);
}
