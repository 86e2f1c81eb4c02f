/* SPDX-License-Identifier: Apache-2.0 */
/* What documents are taken, and what is told about those that are not. */
#include "definitions/kinds.h"
#include "definitions/texts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const char head[] = "document: {dsl: 1.0.0, namespace: default, name: restart-web, version: 1.2.0}\n";

/* Reads and checks; one line for each problem: "line:column path: message". */
static void told(const char *kind, struct str text, struct buf *ret)
{
        ARENA_SCOPED arena;
        struct problems problems;
        const struct node *root;

        arena_init(&arena, 8 << 20);
        problems_init(&problems, &arena);
        root = document_read(text, &problems);
        if (root && kind)
                definition_kind_find(str_from(kind))->check(root, &problems);
        for (const struct problem_item *p = problems.first; p; p = p->next)
                buf_printf(ret, "%d:%d %s%.*s: %.*s\n", p->line, p->column,
                           p->severity == PROBLEM_WARNING ? "warning " : "", STR_ARG(p->path),
                           STR_ARG(p->message));
        if (problems.errors + problems.warnings > PROBLEMS_MAX)
                buf_printf(ret, "and more\n");
}

static void expect(const char *kind, const char *text, const char *wanted)
{
        BUF_SCOPED all;
        BUF_SCOPED got;

        buf_init(&all, 1 << 20);
        buf_init(&got, 1 << 20);
        if (kind && str_is(str_from(kind), "workflow"))
                buf_append_c(&all, head);
        buf_append_c(&all, text);
        told(kind, buf_str(&all), &got);
        if (!wanted && got.len == 0)
                return;
        if (!wanted || str_find_str(buf_str(&got), str_from(wanted)) < 0)
                fail_msg("%s\ngave:\n%.*s\nwanted: %s", text, STR_ARG(buf_str(&got)),
                         wanted ? wanted : "nothing");
}

/* ---- YAML --------------------------------------------------------------------------------------- */

static void what_yaml_can_hide_is_refused_with_its_place(void **state)
{
        static const struct {
                const char *text, *wanted;
        } cases[] = {
                {"a: &x [1]\nb: *x\n", "1:"},
                {"a: 1\nb: *x\n", "2:4 : aliases (*…) are not taken"},
                {"a: !!str 1\n", "tags (!…)"},
                {"a: 1\nb: 2\na: 3\n", "3:1 : the key \"a\" appears again; it is set on line 1"},
                {"a: {b: 1, b: 2}\n", "1:11 /a: the key \"b\" appears again"},
                {"<<: {a: 1}\n", "merge keys"},
                {"[a, b]: 1\n", "a key must be a plain word"},
                {"? {a: 1}\n: 2\n", "a key must be a plain word"},
                {"a: 1\n---\nb: 2\n", "there is a second document"},
                {"", "the document must be a mapping"},
                {"- a\n", "the document must be a mapping"},
                {"a: [1\n", "not valid YAML"},
                {"a: \"\\0\"\n", "NUL"},
                {"a: b: c\n", "1:"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                expect(NULL, cases[i].text, cases[i].wanted);
        expect(NULL, "\xff: 1\n", "not UTF-8");
}

static void limits_are_told(void **state)
{
        BUF_SCOPED text;

        (void)state;
        buf_init(&text, 4 << 20);
        buf_append_c(&text, "a: ");
        for (int i = 0; i < 10000; i++)
                buf_append_char(&text, '[');
        buf_append_char(&text, '\0');
        expect(NULL, text.ptr, "nested more than 48 levels deep");
        text.len = 0;
        for (int i = 0; i < DOCUMENT_MEMBERS_MAX + 1; i++)
                buf_printf(&text, "k%d: 1\n", i);
        buf_append_char(&text, '\0');
        expect(NULL, text.ptr, "more than 1000 members in one mapping");
        text.len = 0;
        buf_append_c(&text, "a: [");
        for (int i = 0; i < DOCUMENT_NODES_MAX; i++)
                buf_append_c(&text, "1,");
        buf_append_c(&text, "1]\n");
        buf_append_char(&text, '\0');
        expect(NULL, text.ptr, "more than 20000 values");
        text.len = 0;
        buf_append_c(&text, "a: ");
        for (int i = 0; i < DOCUMENT_BYTES_MAX; i++)
                buf_append_char(&text, 'x');
        buf_append_char(&text, '\0');
        expect(NULL, text.ptr, "at most 262144 are taken");
}

static void scalars_are_what_the_core_schema_says(void **state)
{
        static const char text[] =
                "i: 12\nn: -3\np: +4\nh: 0x1F\no: 0o17\nf: 1.5\ne: 1e3\nt: true\nx: ~\ne2:\n"
                "q: '12'\nv: 1.2.3\ny: yes\nbig: 99999999999999999999\ninf: .inf\nd: 010\n";
        ARENA_SCOPED arena;
        BUF_SCOPED canonical;
        struct problems problems;
        struct json json;
        struct err err;

        (void)state;
        arena_init(&arena, 1 << 20);
        buf_init(&canonical, 4096);
        problems_init(&problems, &arena);
        assert_true(node_to_json(&arena, document_read(str_from(text), &problems), &json, &err));
        json_append_canonical(&canonical, &json);
        buf_append_char(&canonical, '\0');
        assert_string_equal(
                canonical.ptr,
                "{\"big\":100000000000000000000,\"d\":10,\"e\":1000,\"e2\":null,\"f\":1.5,\"h\":31,"
                "\"i\":12,\"inf\":\".inf\",\"n\":-3,\"o\":15,\"p\":4,\"q\":\"12\",\"t\":true,"
                "\"v\":\"1.2.3\",\"x\":null,\"y\":\"yes\"}");
}

static void places_are_where_a_person_looks(void **state)
{
        expect("workflow",
               "do:\n  - first:\n      set:\n        a: 1\n  - second:\n      wait: {second: 1}\n",
               "7:14 /do/1/second/wait/second: a duration has no \"second\"; did you mean \"seconds\"?");
        (void)state;
}

/* ---- texts -------------------------------------------------------------------------------------- */

static void versions_are_ordered_as_semver_says(void **state)
{
        static const char *const ordered[] = {
                "0.9.9",      "1.0.0-alpha",  "1.0.0-alpha.1", "1.0.0-alpha.beta",
                "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",
                "1.0.0",      "1.0.1",        "1.2.0",         "1.10.0"};
        const char *why;

        (void)state;
        for (size_t i = 0; i < sizeof(ordered) / sizeof(ordered[0]); i++) {
                assert_true(text_is_version(str_from(ordered[i]), &why));
                for (size_t j = 0; j < sizeof(ordered) / sizeof(ordered[0]); j++)
                        assert_int_equal(version_compare(str_from(ordered[i]), str_from(ordered[j])),
                                         (i > j) - (i < j));
        }
        assert_int_equal(version_compare(STR("1.0.0+a"), STR("1.0.0+b")), 0);
}

static void texts_are_checked(void **state)
{
        static const struct {
                bool (*check)(struct str, const char **);
                const char *good[8], *bad[12];
        } cases[] = {
                {text_is_version,
                 {"1.2.3", "1.0.0-a.1+b"},
                 {"1.2", "01.2.3", "v1.2.3", "1.2.3-", "1.2.3-01", "1.2.3.4", "1.2.x"}},
                {text_is_label, {"a", "A-1"}, {"-a", "a-", "a_b", "", "a.b"}},
                {text_is_duration,
                 {"PT1S", "P1DT2H", "PT0.5S", "P1Y2M3W4D"},
                 {"P", "PT", "1S", "PT1D", "P1H", "PT1S1M", "PT-1S"}},
                {text_is_uri,
                 {"https://a.b/c", "a+b://c{d}"},
                 {"a", "://a", "http://", "http:/a", "http://a b"}},
                {text_is_pointer, {"/a/0", "/a~0b~1"}, {"a", "/a~2"}},
                {text_is_cron,
                 {"* * * * *", "*/5 0-6 1,15 jan mon-fri"},
                 {"* * * *", "60 * * * *", "* * * * * *", "*/0 * * * *", "5/2 * * * *", "* * 0 * *",
                  "5-1 * * * *"}},
                {text_is_expression,
                 {"${ .a }", "${ {a: [1, (2)]} }", "${ \"}\" }"},
                 {".a", "${ .a", "${ (] }", "${ \" }", "${ .a } b }"}},
        };
        const char *why;

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                for (const char *const *good = cases[i].good; *good; good++)
                        if (!cases[i].check(str_from(*good), &why))
                                fail_msg("%zu: %s: %s", i, *good, why);
                for (const char *const *bad = cases[i].bad; *bad; bad++)
                        if (cases[i].check(str_from(*bad), &why))
                                fail_msg("%zu: %s was taken", i, *bad);
        }
}

/* ---- workflows ------------------------------------------------------------------------------------- */

static void workflows_of_every_task_are_taken(void **state)
{
        expect("workflow",
               "input: {schema: {document: {type: object}}, from: '${ .order }'}\n"
               "use:\n"
               "  secrets: [api]\n"
               "  authentications: {main: {bearer: {use: api}}}\n"
               "  errors: {gone: {type: 'https://example.com/gone', status: 410}}\n"
               "  retries: {often: {delay: {seconds: 1}, backoff: {exponential: {}}, limit: {attempt: "
               "{count: 3}}}}\n"
               "  timeouts: {short: {after: PT5S}}\n"
               "  functions: {ping: {call: http, with: {method: get, endpoint: "
               "'https://example.com/{id}'}}}\n"
               "schedule: {cron: '0 6 * * mon-fri'}\n"
               "timeout: short\n"
               "do:\n"
               "  - call: {call: http, with: {method: get, endpoint: {uri: 'https://a.example/x', "
               "authentication: {use: main}}}, then: decide}\n"
               "  - decide: {switch: [{yes: {when: .a > 1, then: loop}}, {no: {then: end}}]}\n"
               "  - loop: {for: {each: pet, in: .pets}, while: .go, do: [{one: {set: {a: 1}}}]}\n"
               "  - spread: {fork: {compete: true, branches: [{a: {wait: PT1S}}, {b: {wait: {seconds: "
               "1}}}]}}\n"
               "  - tell: {emit: {event: {with: {source: 'https://a.example', type: com.example.x, data: "
               "{a: 1}}}}}\n"
               "  - hear: {listen: {to: {any: [{with: {type: x}}], until: .done}}, foreach: {do: [{s: {set: "
               "{a: 1}}}]}}\n"
               "  - careful:\n"
               "      try: [{risky: {call: ping, timeout: {after: {seconds: 3}}}}]\n"
               "      catch: {errors: {with: {status: 503}}, as: e, retry: often, do: [{say: {raise: "
               "{error: gone}}}]}\n"
               "  - box: {run: {container: {image: 'busybox:1', lifetime: {cleanup: always}}}}\n"
               "  - code: {run: {script: {language: js, code: '1'}, await: true}}\n"
               "  - sub: {run: {workflow: {namespace: default, name: other, version: 1.0.0}}}\n"
               "  - sh: {run: {shell: {command: 'ls'}}}\n"
               "  - group: {do: [{a: {call: 'f:1.0.0@default'}}], if: '${ .a }', export: {as: .x}}\n",
               NULL);
        (void)state;
}

static void every_mistake_in_a_workflow_is_told(void **state)
{
        static const struct {
                const char *text, *wanted;
        } cases[] = {
                {"do: []\n", "/do: a list of tasks needs at least 1"},
                {"x: 1\ndo: [{a: {set: {b: 1}}}]\n", "2:1 /x: a workflow has no \"x\"; take it out"},
                {"dou: [{a: {set: {b: 1}}}]\n", "did you mean \"do\"?"},
                {"dou: [{a: {set: {b: 1}}}]\n", "a workflow needs \"do\": a list of tasks"},
                {"do: [{a: {set: {b: 1}}}, {a: {wait: PT1S}}]\n", "the name \"a\" is taken on line 2"},
                {"do: [{a: {set: {b: 1}, then: frist}}, {first: {wait: PT1S}}]\n",
                 "did you mean \"first\"?"},
                {"do: [{a: {switch: [{x: {when: .a, then: nowhere}}]}}]\n", "there is no task \"nowhere\""},
                {"do: [{a: {}}]\n", "a task needs one of: call, for, do"},
                {"do: [{a: {call: ping}}]\n", "use.functions has no function \"ping\"; define it there"},
                {"do: [{a: {call: 'ping:1@default'}}]\n", "name:version@catalog"},
                {"do: [{a: {call: 'ping:1.0.0@mine'}}]\n", "use.catalogs has no catalog \"mine\""},
                {"do: [{a: {call: http, with: {method: get, endpoint: nowhere}}}]\n",
                 "write a whole address"},
                {"do: [{a: {call: http, with: {method: get}}}]\n", "an HTTP call needs \"endpoint\""},
                {"do: [{a: {call: http, with: {method: get, endpoint: {uri: 'http://a/b', authentication: "
                 "{use: x}}}}}]\n",
                 "use.authentications has no authentication \"x\""},
                {"do: [{a: {call: http, with: {method: get, endpoint: {uri: 'http://a/b', authentication: "
                 "{bearer: {token: secret}}}}}}]\n",
                 "it would stand in the clear"},
                {"do: [{a: {wait: {}}}]\n", "the duration is nothing"},
                {"do: [{a: {wait: 5s}}]\n", "write an ISO 8601 duration"},
                {"do: [{a: {wait: 5}}]\n", "a duration is expected here, and this is"},
                {"do: [{a: {raise: {error: lost}}}]\n", "use.errors has no error \"lost\""},
                {"do: [{a: {try: [{b: {wait: PT1S}}], catch: {retry: x}}}]\n",
                 "use.retries has no retry policy"},
                {"do: [{a: {wait: PT1S, timeout: x}}]\n", "use.timeouts has no timeout \"x\""},
                {"do: [{a: {run: {script: {language: js}}}}]\n", "either \"code\" or \"source\""},
                {"do: [{a: {run: {workflow: {namespace: a, name: b, version: latest}}}}]\n", "warning"},
                {"do: [{a: {listen: {to: {one: {with: {}}}}}}]\n",
                 "this is empty and would match everything"},
                {"schedule: {}\ndo: [{a: {wait: PT1S}}]\n", "exactly one member is needed here"},
                {"schedule: {cron: '61 * * * *'}\ndo: [{a: {wait: PT1S}}]\n", "minute, hour, day"},
                {"do: [{a: {set: '${ .a'}}]\n", "write it as ${ … }"},
                {"do:\n  a: {wait: PT1S}\n", "a list of tasks is expected here, and this is an object"},
                {"do: [{a: {wait: PT1S}, b: {wait: PT1S}}]\n", "one name with its value"},
        };

        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                expect("workflow", cases[i].text, cases[i].wanted);
}

static void heads_are_checked(void **state)
{
        BUF_SCOPED got;

        (void)state;
        buf_init(&got, 1 << 16);
        told("workflow",
             STR("document: {dsl: 1.1.0, namespace: a b, name: '', version: '1'}\ndo: [{a: {wait: "
                 "PT1S}}]\n"),
             &got);
        buf_append_char(&got, '\0');
        assert_non_null(strstr(got.ptr, "this server understands DSL 1.0"));
        assert_non_null(strstr(got.ptr, "\"a b\" is not a name"));
        assert_non_null(strstr(got.ptr, "a name is empty"));
        assert_non_null(strstr(got.ptr, "\"1\" is not a version"));
}

static void agents_get_only_what_there_is_and_what_their_scope_reaches(void **state)
{
        static const char agent[] =
                "agent: '1.0'\ndocument: {name: bot, version: 1.0.0}\nscope: %s\nrisk: low\n"
                "tools: [{connector: docker, operations: [%s]}]\n";
        char text[512];

        (void)state;
        (void)snprintf(text, sizeof(text), agent, "read_only", "container.list");
        expect("agent", text, NULL);
        (void)snprintf(text, sizeof(text), agent, "read_only", "container.remove");
        expect("agent", text, "\"container.remove\" changes things, and the scope is read_only");
        (void)snprintf(text, sizeof(text), agent, "read_write", "container.frobnicate");
        expect("agent", text, "the catalogue has no \"container.frobnicate\"");
        (void)snprintf(text, sizeof(text), agent, "everything", "container.list");
        expect("agent", text, "write one of: read_only read_write code_gen");
}

static void too_many_problems_are_counted_only(void **state)
{
        BUF_SCOPED text;
        BUF_SCOPED got;

        (void)state;
        buf_init(&text, 1 << 20);
        buf_init(&got, 1 << 20);
        buf_append_c(&text, head);
        buf_append_c(&text, "do:\n");
        for (int i = 0; i < PROBLEMS_MAX + 5; i++)
                buf_printf(&text, "  - t%d: {wait: 5s}\n", i);
        told("workflow", buf_str(&text), &got);
        assert_true(str_ends(buf_str(&got), STR("and more\n")));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_yaml_can_hide_is_refused_with_its_place),
                cmocka_unit_test(limits_are_told),
                cmocka_unit_test(scalars_are_what_the_core_schema_says),
                cmocka_unit_test(places_are_where_a_person_looks),
                cmocka_unit_test(versions_are_ordered_as_semver_says),
                cmocka_unit_test(texts_are_checked),
                cmocka_unit_test(workflows_of_every_task_are_taken),
                cmocka_unit_test(every_mistake_in_a_workflow_is_told),
                cmocka_unit_test(heads_are_checked),
                cmocka_unit_test(agents_get_only_what_there_is_and_what_their_scope_reaches),
                cmocka_unit_test(too_many_problems_are_counted_only),
        };

        return cmocka_run_group_tests_name("definition_documents", tests, NULL, NULL);
}
