/* SPDX-License-Identifier: Apache-2.0 */
/* After a crash: what is there tells what happened. */
#include "executor/docker_test_world.h"

struct trace_case {
        const char *name, *parameters;
        int status;
        const char *answer; /* to the question what is there */
        int64_t ago_ms;     /* since it began */
        enum outcome outcome;
        bool open;
};

static void check_traces(struct world *w, const struct trace_case *cases, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                operation(w, cases[i].name, cases[i].parameters);
                fake_engine_json(&w->engine, "GET ", cases[i].status, cases[i].answer);
                reconcile(w, clock_now_ms() - cases[i].ago_ms);
                if (w->result.outcome != cases[i].outcome || w->result.open != cases[i].open)
                        fail_msg("%zu %s: %s, open %d: %s", i, cases[i].name,
                                 outcome_name(w->result.outcome), w->result.open, w->result.message);
        }
}

#define LATE (10 * 60 * 1000)
#define STOPPED CONTAINER(ID, IMAGE_ID, "false", "2020-01-01T00:00:00.5Z")
#define STARTED_SINCE CONTAINER(ID, IMAGE_ID, "true", "2999-01-01T00:00:00.5Z")

static void a_crash_is_settled_by_what_is_there(void **state)
{
        static const struct trace_case cases[] = {
                {"container.remove", "{}", 404, NO_SUCH, LATE, OUTCOME_SUCCEEDED, false},
                {"container.remove", "{}", 200, WEB, 0, OUTCOME_INDETERMINATE, true},
                {"container.remove", "{}", 200, WEB, LATE, OUTCOME_FAILED, false},
                {"container.remove", "{}", 500, NO_SUCH, LATE, OUTCOME_INDETERMINATE, true},
                {"container.start", "{}", 200, WEB, LATE, OUTCOME_SUCCEEDED, false},
                {"container.start", "{}", 200, STOPPED, 0, OUTCOME_INDETERMINATE, true},
                {"container.start", "{}", 200, STOPPED, LATE, OUTCOME_FAILED, false},
                {"container.start", "{}", 404, NO_SUCH, LATE, OUTCOME_INDETERMINATE, false},
        };
        static const struct trace_case more[] = {
                {"container.stop", "{\"timeout_seconds\":0}", 200, STOPPED, LATE, OUTCOME_SUCCEEDED, false},
                {"container.stop", "{\"timeout_seconds\":0}", 200, WEB, LATE, OUTCOME_FAILED, false},
                {"container.stop", "{\"timeout_seconds\":600}", 200, WEB, LATE, OUTCOME_INDETERMINATE, true},
                {"container.restart", "{}", 200, STARTED_SINCE, LATE, OUTCOME_SUCCEEDED, false},
                {"container.restart", "{}", 200, WEB, LATE, OUTCOME_FAILED, false},
                {"container.restart", "{}", 200, STOPPED, LATE, OUTCOME_FAILED, false},
                {"container.kill", "{\"signal\":\"SIGKILL\"}", 200, STOPPED, LATE, OUTCOME_SUCCEEDED, false},
                {"container.kill", "{\"signal\":\"SIGKILL\"}", 200, WEB, LATE, OUTCOME_FAILED, false},
                {"container.kill", "{\"signal\":\"SIGHUP\"}", 200, WEB, LATE, OUTCOME_INDETERMINATE, false},
        };
        struct world *w = *state;

        check_traces(w, cases, sizeof(cases) / sizeof(cases[0]));
        teardown(state);
        setup(state);
        w = *state;
        check_traces(w, more, sizeof(more) / sizeof(more[0]));
}

static void what_was_made_is_found_by_its_label(void **state)
{
#define LISTED(s) "[{\"Id\":\"" ID "\",\"State\":\"" s "\"}]"
        static const struct trace_case cases[] = {
                {"container.create", "{}", 200, LISTED("created"), LATE, OUTCOME_SUCCEEDED, false},
                {"container.create", "{}", 200, "[]", 0, OUTCOME_INDETERMINATE, true},
                {"container.create", "{}", 200, "[]", LATE, OUTCOME_FAILED, false},
                {"container.create", "{}", 200, "{}", LATE, OUTCOME_INDETERMINATE, true},
                {"container.run", "{}", 200, LISTED("running"), LATE, OUTCOME_SUCCEEDED, false},
                {"container.run", "{}", 200, LISTED("created"), LATE, OUTCOME_FAILED, false},
                {"container.run", "{\"auto_remove\":true}", 200, "[]", LATE, OUTCOME_INDETERMINATE, false},
                {"container.list", "{}", 200, "[]", LATE, OUTCOME_FAILED, false},
        };
        struct world *w = *state;

        check_traces(w, cases, sizeof(cases) / sizeof(cases[0]));
        assert_true(fake_engine_count(&w->engine,
                                      "GET " API
                                      "containers/json?all=true&filters=%7B%22label%22%3A%5B%22dev."
                                      "countersign.action%3Dact_01jd3q4r5s6t7v8w9x0y1z2a3b%22%5D%7D ") > 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_crash_is_settled_by_what_is_there),
                TEST(what_was_made_is_found_by_its_label),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
