/* SPDX-License-Identifier: Apache-2.0 */
/* Creating and running containers. */
#include "executor/docker_test_world.h"

static struct json body_of_last(struct world *w)
{
        struct str requests = buf_str(&w->engine.requests);
        ptrdiff_t at = str_find_str(requests, STR("\r\n\r\n"));
        struct json body;

        assert_true(at > 0);
        assert_true(json_parse(&w->arena, str_trim(str_slice(requests, (size_t)at + 4, requests.len)), &body,
                               &w->err));
        return body;
}

static void creating_says_no_to_all_that_reaches_out(void **state)
{
        static const char expected[] =
                "{\"AttachStdin\":false,\"Cmd\":[\"sh\",\"-c\",\"a \\\"b\\\"\"],\"Env\":[\"A=b\",\"C=\"],"
                "\"ExposedPorts\":{\"80/tcp\":{}},"
                "\"HostConfig\":{\"AutoRemove\":false,\"Binds\":[],\"CapAdd\":[],\"Devices\":[],\"IpcMode\":"
                "\"private\","
                "\"Memory\":8388608,\"Mounts\":[],\"NetworkMode\":\"none\",\"PidMode\":\"\","
                "\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"8080\"}]},"
                "\"Privileged\":false,\"PublishAllPorts\":false,\"SecurityOpt\":[\"no-new-privileges\"],"
                "\"UTSMode\":\"\",\"VolumesFrom\":[]},"
                "\"Image\":\"" IMAGE_ID "\","
                "\"Labels\":{\"dev.countersign.action\":\"act_01jd3q4r5s6t7v8w9x0y1z2a3b\",\"x\":\"y\"},"
                "\"OpenStdin\":false,\"Tty\":false,\"User\":\"nobody\"}";
        struct world *w = *state;
        struct json body;
        BUF_SCOPED text;

        operation(w, "container.create",
                  "{\"command\":[\"sh\",\"-c\",\"a "
                  "\\\"b\\\"\"],\"env\":{\"A\":\"b\",\"C\":\"\"},\"labels\":{\"x\":\"y\"},"
                  "\"memory_bytes\":8388608,\"name\":\"new\",\"network\":\"none\",\"ports\":{\"80/"
                  "tcp\":\"127.0.0.1:8080\"},"
                  "\"user\":\"nobody\"}");
        w->statement.facts[0].value = STR(IMAGE_ID);
        fake_engine_json(&w->engine, "POST " API "containers/create?name=new HTTP/1.1\r\n", 201,
                         "{\"Id\":\"" OTHER_ID "\",\"Warnings\":[]}");
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_SUCCEEDED);
        assert_true(printed(w, OTHER_ID));
        body = body_of_last(w);
        buf_init(&text, 1 << 16);
        json_append_canonical(&text, &body);
        assert_string_equal(text.ptr, expected);
}

static void our_labels_cannot_be_forged(void **state)
{
        struct world *w = *state;

        operation(w, "container.create",
                  "{\"env\":{},\"labels\":{\"dev.countersign.action\":\"x\"},\"network\":\"none\",\"ports\":"
                  "{}}");
        w->statement.facts[0].value = STR(IMAGE_ID);
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_FAILED);
        assert_int_equal(w->engine.requests.len, 0);
}

static const char RUN[] = "{\"auto_remove\":false,\"env\":{},\"labels\":{},\"network\":\"none\",\"ports\":{}"
                          ",\"wait_seconds\":5}";

static void running_prints_and_tells_the_exit_code(void **state)
{
        struct world *w = *state;

        operation(w, "container.run", RUN);
        w->statement.facts[0].value = STR(IMAGE_ID);
        fake_engine_json(&w->engine, "POST " API "containers/create ", 201, "{\"Id\":\"" ID "\"}");
        fake_engine_say(&w->engine,
                        "POST " API "containers/" ID "/attach?stream=true&stdout=true&stderr=true ",
                        FAKE_ANSWER,
                        STR("HTTP/1.1 200 OK\r\nConnection: "
                            "close\r\n\r\n\1\0\0\0\0\0\0\5hello\2\0\0\0\0\0\0\4 you"));
        fake_engine_json(&w->engine, "POST " API "containers/" ID "/wait?condition=next-exit ", 200,
                         "{\"StatusCode\":3,\"Error\":null}");
        fake_engine_json(&w->engine, "POST " API "containers/" ID "/start ", 204, "");
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_FAILED);
        assert_non_null(strstr(w->result.message, "exit code 3"));
        assert_true(str_is(output_kept(w->output), "hello you"));
        assert_int_equal(w->engine.unexpected, 0);
}

static void a_run_that_is_lost_sight_of_stays_open(void **state)
{
        struct world *w = *state;

        operation(w, "container.run", RUN);
        w->statement.facts[0].value = STR(IMAGE_ID);
        fake_engine_json(&w->engine, "POST " API "containers/create ", 201, "{\"Id\":\"" ID "\"}");
        fake_engine_say(&w->engine, "POST " API "containers/" ID "/attach", FAKE_ANSWER,
                        STR("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\1\0\0\0\0\0\0\5hel"));
        fake_engine_json(&w->engine, "POST " API "containers/" ID "/wait", 200, "{\"StatusCode\":0}");
        fake_engine_json(&w->engine, "POST " API "containers/" ID "/start ", 204, "");
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_INDETERMINATE);
        assert_true(w->result.open);
}

static void a_container_that_cannot_be_watched_is_not_started(void **state)
{
        struct world *w = *state;

        operation(w, "container.run", RUN);
        w->statement.facts[0].value = STR(IMAGE_ID);
        fake_engine_json(&w->engine, "POST " API "containers/create ", 201, "{\"Id\":\"" ID "\"}");
        fake_engine_json(&w->engine, "POST " API "containers/" ID "/attach", 500, "{\"message\":\"no\"}");
        run(w);
        assert_int_equal(w->result.outcome, OUTCOME_FAILED);
        assert_non_null(strstr(w->result.message, "not started"));
        assert_int_equal(fake_engine_count(&w->engine, "/start "), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(creating_says_no_to_all_that_reaches_out),
                TEST(our_labels_cannot_be_forged),
                TEST(running_prints_and_tells_the_exit_code),
                TEST(a_run_that_is_lost_sight_of_stays_open),
                TEST(a_container_that_cannot_be_watched_is_not_started),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
