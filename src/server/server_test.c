/* SPDX-License-Identifier: Apache-2.0 */
#include "server/config.h"
#include "server/metrics.h"
#include "server/rate.h"
#include "server/trace.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;
static struct buf problems;
static struct config config;

static int setup(void **state)
{
        (void)state;
        arena_init(&arena, 4 << 20);
        buf_init(&problems, 1 << 16);
        return 0;
}

static int teardown(void **state)
{
        (void)state;
        arena_done(&arena);
        buf_done(&problems);
        return 0;
}

static bool parse(const char *text)
{
        buf_reset(&problems);
        return config_parse(&arena, str_from(text), "test.yaml", &config, &problems);
}

/* The text is refused, and the explanation has the words. */
static void refuse(const char *text, const char *words)
{
        if (parse(text))
                fail_msg("accepted: %s", text);
        if (str_find_str(buf_str(&problems), str_from(words)) < 0)
                fail_msg("\"%s\" is not in: %.*s", words, STR_ARG(buf_str(&problems)));
}

static void the_default_configuration_holds(void **state)
{
        (void)state;
        assert_true(parse(""));
        assert_int_equal(config.listen_port, 7070);
        assert_true(str_is(config.listen_host, "127.0.0.1"));
        assert_int_equal(config.idle_timeout_ms, 75000);
        assert_true(config.log_requests);
        assert_true(parse("# only a comment\n"));
        assert_true(parse("listen:\n  port: 80\n  host: '::1'\nlog: {requests: false}\n"));
        assert_int_equal(config.listen_port, 80);
        assert_true(str_is(config.listen_host, "::1"));
        assert_false(config.log_requests);
}

static void every_mistake_has_its_line_and_key(void **state)
{
        (void)state;
        refuse("listen:\n  prot: 80\n",
               "test.yaml:2: listen.prot: this key is not known; did you mean listen.port?");
        refuse("listen:\n  port: 99999\n", "test.yaml:2: listen.port: 99999 is out of range: 0 to 65535");
        refuse("listen:\n  port: eighty\n", "test.yaml:2: listen.port: \"eighty\" is not a whole number");
        refuse("limits:\n  drain: 20\n", "test.yaml:2: limits.drain: \"20\" is not a duration");
        refuse("limits:\n  drain: 2h\n", "test.yaml:2: limits.drain: 2h is out of range");
        refuse("log:\n  requests: yes\n", "test.yaml:2: log.requests: \"yes\" is neither true nor false");
        refuse("log:\n  level: loud\n",
               "test.yaml:2: log.level: \"loud\" is none of: debug info warn error");
        refuse("listen:\n  port: 1\nlisten:\n  port: 2\n",
               "test.yaml:4: listen.port: appears again; it is set on line 2");
        refuse("- a\n", "test.yaml:1: a list is not allowed here");
        refuse("listen: *x\n", "test.yaml");
        refuse("listen: {port: !!int 3}\n", "a YAML tag is not allowed here");
        refuse("just text\n", "test.yaml:1: the file must be a mapping");
        refuse("listen:\n  port: 1\n bad\n", "not valid YAML");
        refuse("a: {b: {c: {d: {e: 1}}}}\n", "nested too deep");
        refuse("tls:\n  key: k.pem\n", "tls.certificate and tls.key: both are needed");
        refuse("node:\n  region: EU\n", "node.region");
        refuse("\xff\n", "not UTF-8");
}

static void all_mistakes_are_told_at_once(void **state)
{
        (void)state;
        refuse("listen:\n  port: x\nlog:\n  level: y\n", "test.yaml:2: listen.port");
        assert_true(str_find_str(buf_str(&problems), STR("test.yaml:4: log.level")) > 0);
}

static bool load(char **environment, int argc, char **argv)
{
        buf_reset(&problems);
        return config_load(&arena, argc, argv, environment, &config, &problems);
}

static void flags_win_over_the_environment(void **state)
{
        char *environment[] = {"COUNTERSIGN_LISTEN_PORT=81", "COUNTERSIGN_TLS_ALLOW_12=true", NULL};
        char *flags[] = {"--listen-port", "82", "--log-format=json"};
        char *switches[] = {"--tls-allow-12", "false", "--log-requests", "--listen-port=83"};
        char *wrong[] = {"--listen-prot=1"};
        char *bare[] = {"--listen-port"};
        char *stray[] = {"80"};
        char *bad[] = {"COUNTERSIGN_LISTEN_PORT=x", NULL};
        char *missing[] = {"--config", "/nonexistent/countersign.yaml"};

        (void)state;
        assert_true(load(environment, 0, NULL));
        assert_int_equal(config.listen_port, 81);
        assert_true(config.tls_allow_12);
        assert_true(load(environment, 3, flags));
        assert_int_equal(config.listen_port, 82);
        assert_true(str_is(config.log_format, "json"));
        assert_true(load(environment, 4, switches));
        assert_false(config.tls_allow_12);
        assert_true(config.log_requests);
        assert_int_equal(config.listen_port, 83);
        assert_false(load(environment, 1, wrong));
        assert_false(load(environment, 1, bare));
        assert_false(load(environment, 1, stray));
        assert_false(load(bad, 0, NULL));
        assert_true(str_find_str(buf_str(&problems), STR("COUNTERSIGN_LISTEN_PORT: listen.port")) == 0);
        assert_false(load(NULL, 2, missing));
        assert_true(str_find_str(buf_str(&problems), STR("/nonexistent/countersign.yaml: cannot be read")) ==
                    0);
}

static void what_is_printed_can_be_read_again(void **state)
{
        struct buf text;

        (void)state;
        buf_init(&text, 1 << 16);
        assert_true(parse("listen:\n  port: 8080\nlimits:\n  wait: 45s\n"));
        config_print(&config, &text);
        assert_true(parse(text.ptr));
        assert_int_equal(config.listen_port, 8080);
        assert_int_equal(config.wait_max_ms, 45000);
        buf_done(&text);
}

static void passwords_in_urls_are_not_printed(void **state)
{
        struct buf text;

        (void)state;
        buf_init(&text, 1 << 16);
        assert_true(parse("store:\n"
                          "  url: postgres://app:geheim@db.example:5432/countersign\n"
                          "  regions: eu=postgres://app:geheim@eu/c us=postgres://app@us/c\n"));
        config_print(&config, &text);
        assert_true(str_find_str(buf_str(&text), STR("geheim")) < 0);
        assert_true(str_find_str(buf_str(&text), STR("\"postgres://app:…@db.example:5432/countersign\"")) >
                    0);
        assert_true(str_find_str(buf_str(&text),
                                 STR("\"eu=postgres://app:…@eu/c us=postgres://app@us/c\"")) > 0);
        buf_done(&text);
}

/* COUNTERSIGN_SOURCE_ROOT is set by the build. */
static void the_reference_is_the_table(void **state)
{
        char path[4096];
        struct buf reference;
        char *text;
        FILE *file;
        size_t len;

        (void)state;
        (void)snprintf(path, sizeof(path), "%s/docs/configuration.md", getenv("COUNTERSIGN_SOURCE_ROOT"));
        file = fopen(path, "re");
        assert_non_null(file);
        text = malloc(1 << 20);
        assert_non_null(text);
        len = fread(text, 1, 1 << 20, file);
        (void)fclose(file);
        buf_init(&reference, 1 << 20);
        config_reference(&reference);
        /* If this fails: put the output of `countersign config reference` into docs/configuration.md. */
        assert_true(str_find_str(str_make(text, len), buf_str(&reference)) > 0);
        buf_done(&reference);
        free(text);
}

static void a_bucket_empties_and_refills(void **state)
{
        struct rate_table *table = rate_table_new();
        struct rate_limit limit = {.per_second = 2, .burst = 3};
        struct rate_state rate;
        int64_t now = 1000000;

        (void)state;
        for (int i = 0; i < 3; i++) {
                assert_true(rate_take(table, 'p', STR("a"), &limit, now, &rate));
                assert_int_equal(rate.remaining, 2 - i);
        }
        assert_false(rate_take(table, 'p', STR("a"), &limit, now, &rate));
        assert_int_equal(rate.reset_s, 1);
        assert_true(rate_take(table, 'p', STR("b"), &limit, now, &rate));
        assert_true(rate_take(table, 't', STR("a"), &limit, now, &rate));
        assert_false(rate_take(table, 'p', STR("a"), &limit, now + 499999, &rate));
        assert_true(rate_take(table, 'p', STR("a"), &limit, now + 500000, &rate));
        assert_false(rate_take(table, 'p', STR("a"), &limit, now + 500001, &rate));
        /* Time that goes back gives nothing; a long pause gives the burst and no more. */
        assert_false(rate_take(table, 'p', STR("a"), &limit, now, &rate));
        for (int i = 0; i < 3; i++)
                assert_true(rate_take(table, 'p', STR("a"), &limit, INT64_C(1) << 50, &rate));
        assert_false(rate_take(table, 'p', STR("a"), &limit, INT64_C(1) << 50, &rate));
        limit.per_second = 0;
        assert_true(rate_take(table, 'p', STR("a"), &limit, now, &rate));
        assert_false(rate.limited);
        rate_table_free(table);
}

static void many_names_do_not_free_a_busy_one(void **state)
{
        struct rate_table *table = rate_table_new();
        struct rate_limit limit = {.per_second = 1, .burst = 1};
        struct rate_state rate;
        unsigned allowed = 0;

        (void)state;
        for (unsigned i = 0; i < 20000; i++) {
                char name[16];
                int len = snprintf(name, sizeof(name), "%u", i);

                (void)rate_take(table, 'a', str_make(name, (size_t)len), &limit, 1000 + i, &rate);
                allowed += rate_take(table, 'a', STR("busy"), &limit, 1000 + i, &rate);
        }
        assert_int_equal(allowed, 1);
        rate_table_free(table);
}

static void a_limit_is_written_as_people_say_it(void **state)
{
        struct rate_limit limit;
        struct err err;

        (void)state;
        assert_true(rate_limit_parse(STR("100/s burst 400"), &limit, &err));
        assert_int_equal(limit.per_second, 100);
        assert_int_equal(limit.burst, 400);
        assert_true(rate_limit_parse(STR("none"), &limit, &err));
        assert_int_equal(limit.per_second, 0);
        assert_false(rate_limit_parse(STR("100"), &limit, &err));
        assert_false(rate_limit_parse(STR("100/m burst 4"), &limit, &err));
        assert_false(rate_limit_parse(STR("0/s burst 4"), &limit, &err));
        assert_false(rate_limit_parse(STR("5/s burst 4 more"), &limit, &err));
        assert_false(rate_limit_parse(STR(""), &limit, &err));
}

static void what_was_leased_is_spent_once(void **state)
{
        struct rate_table *table = rate_table_new();
        struct rate_limit limit = {.per_second = 10, .burst = 100};
        struct rate_state rate;
        int64_t now = 1000000;

        (void)state;
        assert_int_equal(rate_spend_leased(table, 't', STR("a"), &limit, now, &rate), RATE_EMPTY);
        rate_add_leased(table, 't', STR("a"), &limit, 2, 7, now + 500);
        assert_int_equal(rate_spend_leased(table, 't', STR("a"), &limit, now, &rate), RATE_SPENT);
        assert_int_equal(rate.remaining, 8);
        assert_int_equal(rate_spend_leased(table, 't', STR("a"), &limit, now, &rate), RATE_SPENT);
        assert_int_equal(rate_spend_leased(table, 't', STR("a"), &limit, now, &rate), RATE_EMPTY);
        /* Nothing was granted: until then nobody asks again. */
        rate_add_leased(table, 't', STR("a"), &limit, 0, 0, now + 500);
        assert_int_equal(rate_spend_leased(table, 't', STR("a"), &limit, now + 499, &rate), RATE_REFUSED);
        assert_int_equal(rate_spend_leased(table, 't', STR("a"), &limit, now + 500, &rate), RATE_EMPTY);
        rate_table_free(table);
}

static void a_trace_parent_is_checked(void **state)
{
        static const char *const bad[] = {
                "",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
                "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        };

        (void)state;
        assert_true(trace_parent_is_valid(STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
        assert_true(trace_parent_is_valid(STR("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x")));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                if (trace_parent_is_valid(str_from(bad[i])))
                        fail_msg("accepted: %s", bad[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(the_default_configuration_holds),     TEST(every_mistake_has_its_line_and_key),
                TEST(all_mistakes_are_told_at_once),       TEST(flags_win_over_the_environment),
                TEST(what_is_printed_can_be_read_again),   TEST(passwords_in_urls_are_not_printed),
                TEST(the_reference_is_the_table),          TEST(a_bucket_empties_and_refills),
                TEST(many_names_do_not_free_a_busy_one),   TEST(a_trace_parent_is_checked),
                TEST(a_limit_is_written_as_people_say_it), TEST(what_was_leased_is_spent_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
