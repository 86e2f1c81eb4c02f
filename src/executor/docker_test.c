/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/connectors/docker.h"

#include "base/clock.h"
#include "documents/samples.h"
#include "executor/fake_engine.h"

#include <stdio.h>
#include <stdlib.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_ID "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define IMAGE_ID "sha256:" ID
#define API "/v1.41/"

/* A running container as the engine describes it. */
#define STATE(running, started)                                                                             \
        "\"State\":{\"Status\":\"x\",\"Running\":" running ",\"StartedAt\":\"" started "\",\"ExitCode\":0}"
#define CONTAINER(id, image, running, started)                                                              \
        "{\"Id\":\"" id "\",\"Name\":\"/web\",\"Image\":\"" image                                           \
        "\"," STATE(running, started) ",\"Config\":{\"Image\":\"busybox:1\",\"Tty\":false,\"Env\":["        \
                                      "\"TOKEN=hunter2\",\"A=b\"]}}"
#define WEB CONTAINER(ID, IMAGE_ID, "true", "2020-01-01T00:00:00.5Z")
#define NO_SUCH "{\"message\":\"No such thing\"}"

struct world {
        struct arena arena;
        struct fake_engine engine;
        struct connector *docker;
        struct output *output;
        struct statement statement;
        struct connector_result result;
        struct err err;
};

static int setup(void **state)
{
        struct world *w = calloc(1, sizeof(*w));
        struct docker_config config = {.read_timeout_ms = 300, .change_timeout_ms = 300, .settle_ms = 60000};

        arena_init(&w->arena, 64 << 20);
        fake_engine_start(&w->engine);
        config.socket_path = w->engine.path;
        assert_true(docker_connector_new(&config, &w->docker, &w->err));
        assert_true(output_new(NULL, NULL, &w->output, &w->err));
        w->statement = sample_statement(&w->arena);
        w->statement.fact_count = 4;
        w->statement.facts[2] = (struct statement_fact){STR("image"), STR("busybox:1")};
        w->statement.facts[3] = (struct statement_fact){STR("image_id"), STR(IMAGE_ID)};
        *state = w;
        return 0;
}

static int teardown(void **state)
{
        struct world *w = *state;

        connector_free(w->docker);
        output_free(w->output);
        fake_engine_stop(&w->engine);
        arena_done(&w->arena);
        free(w);
        return 0;
}

static void operation(struct world *w, const char *name, const char *parameters)
{
        w->statement.operation = str_from(name);
        assert_true(json_parse(&w->arena, str_from(parameters), &w->statement.parameters, &w->err));
}

static void run(struct world *w)
{
        w->result = (struct connector_result){0};
        w->docker->ops->run(w->docker, &w->arena, &w->statement, w->output, &w->result);
        assert_true(w->result.message[0] != '\0');
}

static bool resolve(struct world *w, const char *name, const char *target, struct connector_facts *ret)
{
        w->err = (struct err){0};
        return w->docker->ops->resolve(w->docker, &w->arena, catalogue_find(STR("docker"), str_from(name)),
                                       str_from(target), ret, &w->err);
}

static bool check(struct world *w)
{
        w->err = (struct err){0};
        return w->docker->ops->check(w->docker, &w->arena, &w->statement, &w->err);
}

static void reconcile(struct world *w, int64_t begun_ms)
{
        w->result = (struct connector_result){0};
        w->docker->ops->reconcile(w->docker, &w->arena, &w->statement, begun_ms, &w->result);
}

static bool printed(struct world *w, const char *text)
{
        return str_find_str(output_kept(w->output), str_from(text)) >= 0;
}

/* ---- resolving ------------------------------------------------------------------------------------------
 */

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

/* ---- check 6 ---------------------------------------------------------------------------------------------
 */

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

/* ---- changing --------------------------------------------------------------------------------------------
 */

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

/* ---- creating
 * --------------------------------------------------------------------------------------------- */

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

/* ---- reading
 * ----------------------------------------------------------------------------------------------- */

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

/* ---- reconciling
 * -------------------------------------------------------------------------------------------- */

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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
                TEST(removing_asks_for_just_that),
                TEST(an_engines_no_is_the_outcome),
                TEST(without_a_valid_answer_the_engine_is_asked),
                TEST(what_is_still_there_may_yet_go),
                TEST(each_operation_asks_for_itself),
                TEST(creating_says_no_to_all_that_reaches_out),
                TEST(our_labels_cannot_be_forged),
                TEST(running_prints_and_tells_the_exit_code),
                TEST(a_run_that_is_lost_sight_of_stays_open),
                TEST(a_container_that_cannot_be_watched_is_not_started),
                TEST(logs_are_taken_out_of_their_frames),
                TEST(logs_that_end_too_early_are_a_failure),
                TEST(inspecting_shows_no_value_of_the_environment),
                TEST(lists_are_ours),
                TEST(a_crash_is_settled_by_what_is_there),
                TEST(what_was_made_is_found_by_its_label),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
