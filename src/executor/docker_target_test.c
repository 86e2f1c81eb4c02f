/* SPDX-License-Identifier: Apache-2.0 */
/* From a name to what it stands for, and check 6: is it still what was approved? */
#include "executor/docker_test_world.h"

/* ---- resolving --------------------------------------------------------------------------------- */

static void a_name_becomes_an_id_and_what_it_is(void **state)
{
        struct world *w = *state;
        struct connector_facts facts;

        fake_engine_json(&w->engine, "GET " API "containers/web/json ", 200, WEB);
        assert_true(resolve(w, "container.remove", "web", &facts));
        assert_int_equal(facts.count, 4);
        assert_true(str_is(facts.facts[0].name, "id") && str_is(facts.facts[0].value, ID));
        assert_true(str_is(facts.facts[1].name, "known_as") && str_is(facts.facts[1].value, "web"));
        assert_true(str_is(facts.facts[2].name, "image") && str_is(facts.facts[2].value, "busybox:1"));
        assert_true(str_is(facts.facts[3].name, "image_id") && str_is(facts.facts[3].value, IMAGE_ID));
        fake_engine_json(&w->engine, "GET " API "images/busybox:1/json ", 200,
                         "{\"Id\":\"" IMAGE_ID "\",\"RepoTags\":[\"busybox:1\",\"mine:2\"]}");
        assert_true(resolve(w, "image.remove", "busybox:1", &facts));
        assert_true(str_is(facts.facts[1].value, "busybox:1, mine:2"));
        fake_engine_json(&w->engine, "GET " API "volumes/data ", 200,
                         "{\"Name\":\"data\",\"CreatedAt\":\"2020-01-01T00:00:00Z\",\"Driver\":\"local\"}");
        assert_true(resolve(w, "volume.remove", "data", &facts));
        assert_int_equal(facts.count, 3);
        assert_true(resolve(w, "container.list", "", &facts));
        assert_int_equal(facts.count, 0);
}

static void what_is_not_there_is_said_so(void **state)
{
        struct world *w = *state;
        struct connector_facts facts;

        fake_engine_json(&w->engine, "GET ", 404, NO_SUCH);
        assert_false(resolve(w, "container.remove", "web", &facts));
        assert_int_equal(w->err.code, ERR_TARGET_NOT_FOUND);
}

static void a_name_that_is_a_path_is_never_asked_for(void **state)
{
        static const char *const bad[] = {"../info",     "web/json?x=", "web%2f", "we b",
                                          "web\r\nX: y", "a#b",         "-web"};
        struct world *w = *state;
        struct connector_facts facts;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_false(resolve(w, "container.remove", bad[i], &facts));
        assert_int_equal(w->engine.requests.len, 0);
}

static void an_absent_engine_is_named(void **state)
{
        struct world *w = *state;
        struct docker_config config = {.socket_path = "/dev/shm/countersign-no-such.sock"};
        struct connector_facts facts;
        struct connector *docker;

        connector_free(w->docker);
        assert_true(docker_connector_new(&config, &docker, &w->err));
        w->docker = docker;
        assert_false(resolve(w, "container.remove", "web", &facts));
        assert_int_equal(w->err.code, ERR_CONNECTOR_FAILED);
        assert_non_null(strstr(w->err.message, config.socket_path));
        /* Nothing was sent, so nothing happened. */
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_FAILED);
}

static void nonsense_is_an_error_of_the_engine(void **state)
{
        static const struct str nonsense[] = {
                STR("garbage garbage\r\n\r\n"),
                STR("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n<ok>"),
                STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"),
                STR("HTTP/1.1 200 OK\r\nContent-Length: 400\r\nConnection: close\r\n\r\n{\"Id\":"),
                STR("HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n{\"Id\":\"short\"}"),
                STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: "
                    "close\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
                STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\n{}"),
                STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: "
                    "close\r\n\r\nffffffffffffffff\r\n"),
                STR("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
                STR("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
                STR("HTTP/1.1 500 Oops\r\nContent-Length: 15\r\nConnection: "
                    "close\r\n\r\n{\"message\":\"m\"}"),
                STR("HTTP/1.1 301 Moved\r\nLocation: /v1.41/info\r\nContent-Length: 0\r\nConnection: "
                    "close\r\n\r\n"),
                STR(""),
        };
        struct world *w = *state;
        struct connector_facts facts;

        for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
                fake_engine_say(&w->engine, "GET ", FAKE_ANSWER, nonsense[i]);
                /* A client may ask a reading question again on a new connection. */
                assert_false(resolve(w, "container.remove", "web", &facts));
                if (w->err.code != ERR_CONNECTOR_FAILED)
                        fail_msg("answer %zu gives %s: %s", i, err_name(w->err.code), w->err.message);
        }
}

static void an_answer_without_end_is_cut_off(void **state)
{
        struct world *w = *state;
        struct connector_facts facts;
        BUF_SCOPED answer;

        buf_init(&answer, 8 << 20);
        buf_append_c(&answer, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[");
        while (answer.len < 6 << 20)
                buf_append_c(&answer,
                             "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,");
        fake_engine_say(&w->engine, "GET ", FAKE_HANG, buf_str(&answer));
        assert_false(resolve(w, "container.remove", "web", &facts));
        assert_int_equal(w->err.code, ERR_CONNECTOR_FAILED);
}

static void a_hanging_engine_is_left_in_time(void **state)
{
        struct world *w = *state;
        struct connector_facts facts;
        int64_t before_us = clock_mono_us();

        fake_engine_say(&w->engine, "GET ", FAKE_HANG, STR(""));
        assert_false(resolve(w, "container.remove", "web", &facts));
        assert_int_equal(w->err.code, ERR_CONNECTOR_FAILED);
        fake_engine_say(&w->engine, "GET ", FAKE_HANG,
                        STR("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"));
        assert_false(resolve(w, "container.remove", "web", &facts));
        assert_true(clock_mono_us() - before_us < 5000000);
}

/* ---- check 6 ----------------------------------------------------------------------------------- */

static void the_approved_target_passes(void **state)
{
        struct world *w = *state;

        fake_engine_json(&w->engine, "GET " API "containers/" ID "/json ", 200, WEB);
        fake_engine_json(&w->engine, "GET " API "containers/web/json ", 200, WEB);
        assert_true(check(w));
}

static void a_changed_target_is_refused(void **state)
{
        struct world *w = *state;

        fake_engine_json(&w->engine, "GET ", 404, NO_SUCH);
        assert_false(check(w));
        assert_int_equal(w->err.code, ERR_TARGET_CHANGED);
        fake_engine_json(&w->engine, "GET ", 200, CONTAINER(ID, "sha256:" OTHER_ID, "true", ""));
        assert_false(check(w));
        assert_int_equal(w->err.code, ERR_TARGET_CHANGED);
        assert_non_null(strstr(w->err.message, "image_id"));
        /* The name now stands for another container. */
        fake_engine_json(&w->engine, "GET " API "containers/" ID "/json ", 200, WEB);
        fake_engine_json(&w->engine, "GET " API "containers/web/json ", 200,
                         CONTAINER(OTHER_ID, IMAGE_ID, "true", ""));
        assert_false(check(w));
        assert_int_equal(w->err.code, ERR_TARGET_CHANGED);
        assert_non_null(strstr(w->err.message, OTHER_ID));
        /* Or for none. */
        fake_engine_json(&w->engine, "GET " API "containers/" ID "/json ", 200, WEB);
        fake_engine_json(&w->engine, "GET " API "containers/web/json ", 404, NO_SUCH);
        assert_false(check(w));
        assert_int_equal(w->err.code, ERR_TARGET_CHANGED);
}

static void tags_matter_for_a_removal_only(void **state)
{
        static const char now[] = "{\"Id\":\"" IMAGE_ID "\",\"RepoTags\":[\"busybox:1\",\"prod:7\"]}";
        struct world *w = *state;

        w->statement.target_name = STR(IMAGE_ID);
        w->statement.facts[0].value = STR(IMAGE_ID);
        w->statement.facts[1] = (struct statement_fact){STR("known_as"), STR("busybox:1")};
        w->statement.fact_count = 2;
        operation(w, "image.remove", "{\"force\":true}");
        fake_engine_json(&w->engine, "GET " API "images/" IMAGE_ID "/json ", 200, now);
        assert_false(check(w));
        assert_int_equal(w->err.code, ERR_TARGET_CHANGED);
        operation(w, "container.create", "{\"env\":{},\"labels\":{},\"network\":\"none\",\"ports\":{}}");
        fake_engine_json(&w->engine, "GET " API "images/" IMAGE_ID "/json ", 200, now);
        assert_true(check(w));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_name_becomes_an_id_and_what_it_is),
                TEST(what_is_not_there_is_said_so),
                TEST(a_name_that_is_a_path_is_never_asked_for),
                TEST(an_absent_engine_is_named),
                TEST(nonsense_is_an_error_of_the_engine),
                TEST(an_answer_without_end_is_cut_off),
                TEST(a_hanging_engine_is_left_in_time),
                TEST(the_approved_target_passes),
                TEST(a_changed_target_is_refused),
                TEST(tags_matter_for_a_removal_only),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
