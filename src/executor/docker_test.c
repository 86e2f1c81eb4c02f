/* SPDX-License-Identifier: Apache-2.0 */
/* Changing and reading. */
#include "executor/docker_test_world.h"

/* ---- changing ---------------------------------------------------------------------------------- */

static void removing_asks_for_just_that(void **state)
{
        struct world *w = *state;

        fake_engine_json(&w->engine, "DELETE " API "containers/" ID "?force=true&v=false HTTP/1.1\r\n", 204,
                         "");
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_SUCCEEDED);
        assert_int_equal(w->engine.unexpected, 0);
}

static void an_engines_no_is_the_outcome(void **state)
{
        struct world *w = *state;

        fake_engine_json(&w->engine, "DELETE ", 409,
                         "{\"message\":\"You cannot\\nremove a running container\"}");
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_FAILED);
        assert_non_null(strstr(w->result.message, "You cannot remove a running container"));
        assert_int_equal(fake_engine_count(&w->engine, "DELETE "), 1);
}

/* Whatever comes instead of a valid answer: the engine is asked what is there, and nothing is sent twice. */
static void without_a_valid_answer_the_engine_is_asked(void **state)
{
        static const struct {
                enum fake_manner manner;
                struct str answer;
        } ways[] = {
                {FAKE_ANSWER, STR("")},
                {FAKE_HANG, STR("")},
                {FAKE_ANSWER, STR("HTTP/1.1 204")},
                {FAKE_ANSWER, STR("nonsense\r\n\r\n")},
                {FAKE_ANSWER, STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")},
                {FAKE_ANSWER,
                 STR("HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\nConnection: close\r\n\r\nwhat")},
                {FAKE_ANSWER, STR("HTTP/1.1 500 Oops\r\nContent-Length: 15\r\nConnection: "
                                  "close\r\n\r\n{\"message\":\"m\"}")},
                {FAKE_ANSWER, STR("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")},
        };
        struct world *w = *state;

        for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
                unsigned before = fake_engine_count(&w->engine, "DELETE ");

                fake_engine_say(&w->engine, "DELETE ", ways[i].manner, ways[i].answer);
                fake_engine_json(&w->engine, "GET " API "containers/" ID "/json ", 404, NO_SUCH);
                run(w);
                if (w->result.outcome != OUTCOME_SUCCEEDED || !strstr(w->result.message, "gone"))
                        fail_msg("way %zu: %s: %s", i, outcome_name(w->result.outcome), w->result.message);
                assert_int_equal(fake_engine_count(&w->engine, "DELETE "), before + 1);
        }
}

static void what_is_still_there_may_yet_go(void **state)
{
        struct world *w = *state;

        fake_engine_say(&w->engine, "DELETE ", FAKE_HANG, STR(""));
        fake_engine_json(&w->engine, "GET ", 200, WEB);
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_INDETERMINATE);
        assert_true(w->result.open);
        /* An engine that says that it failed, and is right. */
        fake_engine_json(&w->engine, "DELETE ", 500, "{\"message\":\"driver failed\"}");
        fake_engine_json(&w->engine, "GET ", 200, WEB);
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_FAILED);
        assert_non_null(strstr(w->result.message, "driver failed"));
        /* An engine that is gone. */
        fake_engine_say(&w->engine, "DELETE ", FAKE_ANSWER, STR(""));
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_INDETERMINATE);
        assert_true(w->result.open);
}

static void each_operation_asks_for_itself(void **state)
{
        static const struct {
                const char *name, *parameters, *request;
                int status;
                const char *answer;
        } cases[] = {
                {"container.start", "{}", "POST " API "containers/" ID "/start HTTP/1.1\r\n", 204, ""},
                {"container.start", "{}", "POST " API "containers/" ID "/start HTTP/1.1\r\n", 304, ""},
                {"container.stop", "{\"timeout_seconds\":7}", "POST " API "containers/" ID "/stop?t=7 ", 204,
                 ""},
                {"container.restart", "{\"timeout_seconds\":0}",
                 "POST " API "containers/" ID "/restart?t=0 ", 204, ""},
                {"container.kill", "{\"signal\":\"SIGTERM\"}",
                 "POST " API "containers/" ID "/kill?signal=SIGTERM ", 204, ""},
                {"image.remove", "{\"force\":false}", "DELETE " API "images/" ID "?force=false ", 200, "[]"},
                {"network.remove", "{}", "DELETE " API "networks/" ID " ", 204, ""},
                {"volume.remove", "{\"force\":true}", "DELETE " API "volumes/" ID "?force=true ", 204, ""},
        };
        struct world *w = *state;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                operation(w, cases[i].name, cases[i].parameters);
                fake_engine_json(&w->engine, cases[i].request, cases[i].status, cases[i].answer);
                run(w);
                if (w->result.outcome != OUTCOME_SUCCEEDED || w->engine.unexpected > 0)
                        fail_msg("%s: %s: %s", cases[i].name, w->result.message, w->engine.requests.ptr);
        }
}

/* ---- creating ---------------------------------------------------------------------------------- */

/* ---- reading ----------------------------------------------------------------------------------- */

static void logs_are_taken_out_of_their_frames(void **state)
{
        struct world *w = *state;

        operation(w, "container.logs", "{\"tail\":20,\"timestamps\":true}");
        fake_engine_json(&w->engine, "GET " API "containers/" ID "/json ", 200, WEB);
        fake_engine_say(&w->engine,
                        "GET " API "containers/" ID "/logs?stdout=true&stderr=true&tail=20&timestamps=true ",
                        FAKE_ANSWER,
                        STR("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "5\r\n\1\0\0\0\0\r\n6\r\n\0\0\3abc\r\n0\r\n\r\n"));
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_SUCCEEDED);
        assert_true(str_is(output_kept(w->output), "abc"));
}

static void logs_that_end_too_early_are_a_failure(void **state)
{
        static const struct str bad[] = {
                STR("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\1\0\0\0\0\0\0\5abc"),
                STR("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nplain text, no frames"),
                STR("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: "
                    "chunked\r\n\r\nb\r\n\1\0\0\0\0\0\0\3abc\r\n"),
                STR("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
        };
        struct world *w = *state;

        operation(w, "container.logs", "{\"tail\":20,\"timestamps\":false}");
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                fake_engine_json(&w->engine, "GET " API "containers/" ID "/json ", 200, WEB);
                fake_engine_say(&w->engine, "GET " API "containers/" ID "/logs", FAKE_ANSWER, bad[i]);
                run(w);
                if (w->result.outcome != OUTCOME_FAILED)
                        fail_msg("answer %zu: %s", i, w->result.message);
        }
}

static void inspecting_shows_no_value_of_the_environment(void **state)
{
        struct world *w = *state;

        operation(w, "container.inspect", "{}");
        fake_engine_json(&w->engine, "GET " API "containers/" ID "/json ", 200, WEB);
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_SUCCEEDED);
        assert_true(printed(w, "\"env_names\":[\"TOKEN\",\"A\"]"));
        assert_false(printed(w, "hunter2"));
}

static void lists_are_ours(void **state)
{
        struct world *w = *state;

        operation(w, "container.list", "{\"all\":true}");
        fake_engine_json(&w->engine, "GET " API "containers/json?all=true ", 200,
                         "[{\"Id\":\"" ID
                         "\",\"Names\":[\"/web\"],\"State\":\"running\",\"Secret\":\"hunter2\"}]");
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_SUCCEEDED);
        assert_true(printed(w, "[{\"id\":\"" ID "\",\"names\":[\"/web\"],\"state\":\"running\"}]\n"));
        operation(w, "image.list", "{}");
        fake_engine_json(&w->engine, "GET " API "images/json ", 200, "{\"Id\":\"not a list\"}");
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_FAILED);
}

/* ---- reconciling ------------------------------------------------------------------------------- */

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(removing_asks_for_just_that),
                TEST(an_engines_no_is_the_outcome),
                TEST(without_a_valid_answer_the_engine_is_asked),
                TEST(what_is_still_there_may_yet_go),
                TEST(each_operation_asks_for_itself),
                TEST(logs_are_taken_out_of_their_frames),
                TEST(logs_that_end_too_early_are_a_failure),
                TEST(inspecting_shows_no_value_of_the_environment),
                TEST(lists_are_ours),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
