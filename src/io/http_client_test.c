/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_test_client.h"

static void calls_share_one_connection(void **state)
{
        struct with_client *w = *state;
        struct http_server_stats stats;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        for (int i = 0; i < 20; i++) {
                struct http_client_call call = call_make(&arena, w->base, "POST", "/echo");
                struct http_response response;
                struct err err;

                call.body = arena_printf(&arena, "body %d", i);
                if (!http_call(w->client, &call, &arena, &response, &err))
                        fail_msg("%s", err.message);
                assert_int_equal(response.status, 200);
                assert_true(str_eq(response.body, call.body));
                assert_true(str_is(http_response_header(&response, STR("x-twice")), "1"));
        }
        http_server_stats(w->f.server, &stats);
        assert_int_equal(stats.connections_accepted, 1);
}

static void streamed_response_is_read_whole(void **state)
{
        struct with_client *w = *state;
        struct http_client_call call;
        struct http_response response;
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        call = call_make(&arena, w->base, "GET", "/stream");
        if (!http_call(w->client, &call, &arena, &response, &err))
                fail_msg("%s", err.message);
        assert_true(str_is(response.body, "onetwo"));
        call.method = STR("HEAD");
        if (!http_call(w->client, &call, &arena, &response, &err))
                fail_msg("%s", err.message);
        assert_int_equal(response.body.len, 0);
}

static void events_arrive_as_they_were_sent(void **state)
{
        struct with_client *w = *state;
        struct http_client_call call;
        _cleanup_(http_stream_closep) struct http_stream *stream = NULL;
        struct sse_parser parser;
        struct sse_event event;
        char names[64] = "";
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        sse_parser_init(&parser, 4096);
        call = call_make(&arena, w->base, "GET", "/events");
        if (!http_stream_open(w->client, &call, &stream, &err))
                fail_msg("%s", err.message);
        assert_int_equal(http_stream_response(stream)->status, 200);
        for (;;) {
                char piece[5];
                size_t len;
                bool found;

                if (!http_stream_read(stream, piece, sizeof(piece), &len, &err) ||
                    !sse_parser_feed(&parser, str_make(piece, len), &err))
                        fail_msg("%s", err.message);
                while (sse_parser_next(&parser, &event, &found, &err) && found)
                        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%.*s/%.*s/%.*s;",
                                 STR_ARG(event.name), STR_ARG(event.id), STR_ARG(event.data));
                if (len == 0)
                        break;
        }
        assert_string_equal(names, "a/1/x\ny;message/1/z;");
        sse_parser_done(&parser);
}

static void slow_response_is_a_timeout(void **state)
{
        struct with_client *w = *state;
        struct http_client_call call;
        struct http_response response;
        struct http_stream *stream;
        char piece[16];
        size_t len = 0;
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        call = call_make(&arena, w->base, "GET", "/hang");
        call.timeout_ms = 30;
        assert_false(http_call(w->client, &call, &arena, &response, &err));
        assert_int_equal(err.code, ERR_UPSTREAM_TIMEOUT);
        call = call_make(&arena, w->base, "GET", "/hang-in-stream");
        call.read_timeout_ms = 30;
        if (!http_stream_open(w->client, &call, &stream, &err) ||
            !http_stream_read(stream, piece, sizeof(piece), &len, &err))
                fail_msg("%s", err.message);
        assert_int_equal(len, 5);
        assert_false(http_stream_read(stream, piece, sizeof(piece), &len, &err));
        assert_int_equal(err.code, ERR_UPSTREAM_TIMEOUT);
        http_stream_close(stream);
}

static void *cancel(void *arg)
{
        http_stream_cancel(arg);
        return NULL;
}

static void waiting_read_can_be_cancelled(void **state)
{
        struct with_client *w = *state;
        struct http_client_call call;
        struct http_stream *stream;
        char piece[16];
        size_t len = 0;
        pthread_t thread;
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        call = call_make(&arena, w->base, "GET", "/hang-in-stream");
        if (!http_stream_open(w->client, &call, &stream, &err) ||
            !http_stream_read(stream, piece, sizeof(piece), &len, &err))
                fail_msg("%s", err.message);
        pthread_create(&thread, NULL, cancel, stream);
        assert_false(http_stream_read(stream, piece, sizeof(piece), &len, &err));
        assert_int_equal(err.code, ERR_CANCELLED);
        pthread_join(thread, NULL);
        http_stream_close(stream);
}

static void response_over_the_cap_is_refused(void **state)
{
        struct with_client *w = *state;
        struct http_client_call call;
        struct http_response response;
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        call = call_make(&arena, w->base, "GET", "/stream");
        call.cap_bytes = 5;
        assert_false(http_call(w->client, &call, &arena, &response, &err));
        assert_int_equal(err.code, ERR_BODY_TOO_LARGE);
        call = call_make(&arena, w->base, "GET", "/123456");
        call.cap_bytes = 5;
        assert_false(http_call(w->client, &call, &arena, &response, &err));
        assert_int_equal(err.code, ERR_BODY_TOO_LARGE);
}

static void bad_calls_are_refused(void **state)
{
        struct with_client *w = *state;
        static const char *const urls[] = {
                "ftp://h/",        "//h/",
                "http://",         "http://u@h/",
                "http://h:0/",     "http://h:x/",
                "http://h:70000/", "http://h/a b",
                "http://h/\r\n",   "http://h/#f",
                "http://[::1/",    "https://h/",
                "http://a\\b/",    "",
        };
        struct http_header split = {STR("X"), STR("a\r\nY: b")};
        struct http_header ours = {STR("host"), STR("b")};
        struct http_client_call call = {.method = STR("GET")};
        struct http_response response;
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
                call.url = str_from(urls[i]);
                assert_false(http_call(w->client, &call, &arena, &response, &err));
                if (err.code != ERR_BAD_PARAMETER)
                        fail_msg("%s: %s", urls[i], err.message);
        }
        call = call_make(&arena, w->base, "GET", "/");
        call.n_headers = 1;
        call.headers = &split;
        assert_false(http_call(w->client, &call, &arena, &response, &err));
        assert_int_equal(err.code, ERR_BAD_PARAMETER);
        call.headers = &ours;
        assert_false(http_call(w->client, &call, &arena, &response, &err));
        assert_int_equal(err.code, ERR_BAD_PARAMETER);
        assert_int_equal(w->f.entered, 0);
}

static void refused_connection_is_unreachable(void **state)
{
        struct with_client *w = *state;
        struct http_client_call call = {.method = STR("POST"), .url = STR("http://127.0.0.1:1/")};
        struct http_response response;
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        assert_false(http_call(w->client, &call, &arena, &response, &err));
        assert_int_equal(err.code, ERR_UPSTREAM_UNREACHABLE);
        call = (struct http_client_call){
                .method = STR("GET"), .unix_path = STR("/nonexistent/socket"), .target = STR("/")};
        assert_false(http_call(w->client, &call, &arena, &response, &err));
        assert_int_equal(err.code, ERR_UPSTREAM_UNREACHABLE);
        assert_non_null(strstr(err.message, "/nonexistent/socket"));
}

/* Whichever allocation fails first: an error that says so, and nothing leaks. */
static void call_without_memory_says_so(void **state)
{
        struct with_client *w = *state;
        bool ok = false;

        for (size_t nth = 1; !ok && nth <= 100; nth++) {
                struct http_client *client = client_make();
                struct http_client_call call = {.method = STR("GET"), .timeout_ms = TEST_PATIENCE_MS};
                struct http_response response;
                struct err err;
                char url[80];
                ARENA_SCOPED arena;

                snprintf(url, sizeof(url), "%s/stream", w->base);
                call.url = str_from(url);
                arena_init(&arena, 1 << 20);
                heap_fail_from(nth);
                ok = http_call(client, &call, &arena, &response, &err);
                heap_fail_from(0);
                /* The server shares the heap, and may be the one that fails. */
                if (!ok && err.code != ERR_NO_MEMORY && err.code != ERR_UPSTREAM_UNREACHABLE)
                        fail_msg("allocation %zu: %s", nth, err.message);
                ok = ok && response.status == 200;
                http_client_free(client);
        }
        assert_true(ok);
}

struct on_fiber {
        struct with_client *w;
        int wrong;
        int calls;
        int64_t waited_us;
        int done;
};

static FIBER_ENTRY void call_from_fiber(void *arg)
{
        struct on_fiber *job = arg;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        for (int i = 0; i < job->calls; i++) {
                struct http_client_call call = call_make(&arena, job->w->base, "POST", "/echo");
                struct http_response response;
                struct err err;

                call.body = arena_printf(&arena, "call %d", i);
                if (!http_fiber_call(job->w->client, &call, &arena, &response, &err) ||
                    !str_eq(response.body, call.body))
                        job->wrong++;
        }
        job->waited_us = fiber_waited_us();
        note(&job->w->f, &job->done);
}

static void fibers_call_side_by_side(void **state)
{
        struct with_client *w = *state;
        struct on_fiber jobs[40];
        struct http_server_stats stats;
        struct err err;

        for (int i = 0; i < 40; i++) {
                jobs[i] = (struct on_fiber){.w = w, .calls = 25};
                if (!fiber_spawn(loops_at(w->f.loops, (unsigned)i % 2), call_from_fiber, &jobs[i], &err))
                        fail_msg("%s", err.message);
        }
        for (int i = 0; i < 40; i++) {
                wait_for(&w->f, &jobs[i].done, 1);
                assert_int_equal(jobs[i].wrong, 0);
                assert_true(jobs[i].waited_us > 0);
        }
        http_server_stats(w->f.server, &stats);
        assert_int_equal(stats.requests, 1000);
        assert_true(stats.connections_accepted <= 60);
}

static FIBER_ENTRY void fail_from_fiber(void *arg)
{
        struct on_fiber *job = arg;
        struct http_client_call call = {.method = STR("GET"), .timeout_ms = TEST_PATIENCE_MS};
        struct http_response response;
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        call.url = STR("http://127.0.0.1:1/");
        if (http_fiber_call(job->w->client, &call, &arena, &response, &err) ||
            err.code != ERR_UPSTREAM_UNREACHABLE)
                job->wrong++;
        /* RFC 6761 section 6.4: never a name. */
        call.url = STR("http://nowhere.invalid/");
        if (http_fiber_call(job->w->client, &call, &arena, &response, &err) ||
            err.code != ERR_UPSTREAM_UNREACHABLE)
                job->wrong++;
        call = call_make(&arena, job->w->base, "GET", "/hang");
        call.timeout_ms = 20;
        if (http_fiber_call(job->w->client, &call, &arena, &response, &err) ||
            err.code != ERR_UPSTREAM_TIMEOUT)
                job->wrong++;
        note(&job->w->f, &job->done);
}

static void failures_reach_the_fiber(void **state)
{
        struct with_client *w = *state;
        struct on_fiber job = {.w = w};
        struct err err;

        if (!fiber_spawn(loops_at(w->f.loops, 0), fail_from_fiber, &job, &err))
                fail_msg("%s", err.message);
        wait_for(&w->f, &job.done, 1);
        assert_int_equal(job.wrong, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(calls_share_one_connection),      TEST(streamed_response_is_read_whole),
                TEST(events_arrive_as_they_were_sent), TEST(slow_response_is_a_timeout),
                TEST(waiting_read_can_be_cancelled),   TEST(response_over_the_cap_is_refused),
                TEST(bad_calls_are_refused),           TEST(refused_connection_is_unreachable),
                TEST(call_without_memory_says_so),     TEST(fibers_call_side_by_side),
                TEST(failures_reach_the_fiber),
        };

        return cmocka_run_group_tests_name("http_client", tests, NULL, NULL);
}
