/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_test_util.h"

#include <sys/un.h>

static FIBER_FN void reply_text(struct http_exchange *x, struct str text)
{
        struct http_header header = {STR("X-Twice"), STR("1")};
        struct http_header headers[2] = {header, header};
        struct err err;

        http_reply(x, 200, headers, 2, text, &err);
}

static FIBER_FN void handler(struct http_exchange *x, void *arg)
{
        struct fixture *f = arg;
        struct str path = http_exchange_path(x);
        struct str body;
        struct err err;

        note(f, &f->entered);
        if (str_is(path, "/echo")) {
                if (http_body_read_all(x, 1 << 20, &body, &err))
                        reply_text(x, body);
        } else if (str_is(path, "/stream")) {
                if (http_stream_begin(x, 200, NULL, 0, &err) && http_stream_write(x, STR("one"), &err) &&
                    http_stream_write(x, STR("two"), &err) && http_stream_end(x, &err))
                        note(f, &f->streams_ended);
        } else if (str_is(path, "/events")) {
                if (sse_begin(x, NULL, 0, &err) && sse_comment(x, STR("c"), &err) &&
                    sse_send(x, STR("a"), STR("1"), STR("x\ny"), &err) &&
                    sse_send(x, STR(""), STR(""), STR("z"), &err) && http_stream_end(x, &err))
                        note(f, &f->streams_ended);
        } else if (str_is(path, "/hang")) {
                struct fiber_event event = {0};

                http_exchange_notify(x, &event);
                fiber_event_wait(&event, FIBER_FOREVER);
        } else if (str_is(path, "/hang-in-stream")) {
                struct fiber_event event = {0};

                http_exchange_notify(x, &event);
                if (http_stream_begin(x, 200, NULL, 0, &err) && http_stream_write(x, STR("begun"), &err))
                        fiber_event_wait(&event, FIBER_FOREVER);
        } else {
                reply_text(x, path);
        }
        note(f, &f->finished);
}

struct with_client {
        struct fixture f;
        struct http_client *client;
        char base[64];
};

static struct http_client *client_make(void)
{
        struct http_client_config config;
        struct http_client *client;
        struct err err;

        http_client_config_init(&config);
        config.user_agent = STR("test/1");
        if (!http_client_new(&config, &client, &err))
                fail_msg("%s", err.message);
        return client;
}

static int setup(void **state)
{
        struct with_client *w = calloc(1, sizeof(*w));
        struct http_server_config config;

        http_server_config_init(&config);
        config.handler = handler;
        fixture_start(&w->f, &config);
        w->client = client_make();
        snprintf(w->base, sizeof(w->base), "http://127.0.0.1:%u", w->f.port);
        *state = w;
        return 0;
}

static int teardown(void **state)
{
        struct with_client *w = *state;

        http_client_free(w->client);
        fixture_end(&w->f);
        free(w);
        return 0;
}

/* Closes the connections that were kept: a scripted server waits for that. */
static void client_renew(struct with_client *w)
{
        http_client_free(w->client);
        w->client = client_make();
}

static struct http_client_call call_make(struct arena *arena, const char *base, const char *method,
                                         const char *target)
{
        return (struct http_client_call){
                .method = str_from(method),
                .url = arena_printf(arena, "%s%s", base, target),
                .timeout_ms = TEST_PATIENCE_MS,
        };
}

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

/* A server that says what a test wants, once per connection. */
struct scripted {
        int fd;
        bool is_unix;
        struct sockaddr_un unix_address;
        uint16_t port;
        const struct str *answers; /* one for each connection; keeps it open when `keep` */
        int n_answers;
        int served;
        pthread_t thread;
        char request[4096]; /* the last one's head */
};

static void *scripted_main(void *arg)
{
        struct scripted *s = arg;

        for (int i = 0; i < s->n_answers; i++) {
                int fd = accept(s->fd, NULL, NULL);
                size_t len = 0;

                if (fd < 0)
                        return NULL;
                while (!strstr(s->request, "\r\n\r\n") || len == 0) {
                        ssize_t got = recv(fd, s->request + len, sizeof(s->request) - 1 - len, 0);

                        if (got <= 0)
                                break;
                        len += (size_t)got;
                        s->request[len] = '\0';
                }
                give(fd, s->answers[i]);
                s->served++;
                shutdown(fd, SHUT_WR);
                /* Until the client has closed, so that what it did not read is no reset. */
                while (recv(fd, s->request, 1, 0) > 0)
                        ;
                close(fd);
                memset(s->request, 0, 4);
        }
        return NULL;
}

static void scripted_start(struct scripted *s, const struct str *answers, int n_answers,
                           const char *unix_path)
{
        struct sockaddr_in address = {.sin_family = AF_INET};
        socklen_t len = sizeof(address);

        *s = (struct scripted){.answers = answers, .n_answers = n_answers};
        if (unix_path) {
                s->unix_address.sun_family = AF_UNIX;
                snprintf(s->unix_address.sun_path, sizeof(s->unix_address.sun_path), "%s", unix_path);
                s->fd = socket(AF_UNIX, SOCK_STREAM, 0);
                assert_int_equal(bind(s->fd, (struct sockaddr *)&s->unix_address, sizeof(s->unix_address)),
                                 0);
        } else {
                address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                s->fd = socket(AF_INET, SOCK_STREAM, 0);
                assert_int_equal(bind(s->fd, (struct sockaddr *)&address, sizeof(address)), 0);
                getsockname(s->fd, (struct sockaddr *)&address, &len);
                s->port = ntohs(address.sin_port);
        }
        assert_int_equal(listen(s->fd, 8), 0);
        pthread_create(&s->thread, NULL, scripted_main, s);
}

static void scripted_end(struct scripted *s)
{
        shutdown(s->fd, SHUT_RDWR);
        pthread_join(s->thread, NULL);
        close(s->fd);
        if (s->unix_address.sun_path[0])
                unlink(s->unix_address.sun_path);
}

struct scripted_case {
        struct str answer;
        enum err_code code; /* ERR_NONE: then the body is this */
        const char *body;
        const char *method;
};

static void hostile_and_odd_responses(void **state)
{
        static const struct scripted_case cases[] = {
                {STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), ERR_NONE, "ok", "GET"},
                {STR("HTTP/1.1 200 OK\r\n\r\nuntil the end"), ERR_NONE, "until the end", "GET"},
                {STR("HTTP/1.0 200 OK\r\n\r\nold"), ERR_NONE, "old", "GET"},
                {STR("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
                     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
                 ERR_NONE, "x", "GET"},
                {STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), ERR_NONE,
                 "abc", "GET"},
                {STR("HTTP/1.1 204 No Content\r\n\r\n"), ERR_NONE, "", "DELETE"},
                {STR("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), ERR_UPSTREAM_PROTOCOL, NULL,
                 "GET"},
                {STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
                 ERR_UPSTREAM_PROTOCOL, NULL, "GET"},
                {STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"),
                 ERR_UPSTREAM_PROTOCOL, NULL, "GET"},
                {STR("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc"),
                 ERR_UPSTREAM_PROTOCOL, NULL, "GET"},
                {STR("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
                 ERR_UPSTREAM_PROTOCOL, NULL, "GET"},
                {STR("HTTP/1.1 200 OK\r\nX: "), ERR_UPSTREAM_PROTOCOL, NULL, "GET"},
                {STR("SSH-2.0-OpenSSH_9.2\r\n"), ERR_UPSTREAM_PROTOCOL, NULL, "GET"},
                {STR("nonsense"), ERR_UPSTREAM_PROTOCOL, NULL, "GET"},
                {STR(""), ERR_UPSTREAM_UNREACHABLE, NULL, "GET"},
                {STR(""), ERR_OUTCOME_UNKNOWN, NULL, "POST"},
                {STR(""), ERR_OUTCOME_UNKNOWN, NULL, "DELETE"},
        };
        struct with_client *w = *state;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct scripted server;
                struct http_client_call call;
                struct http_response response;
                char base[64];
                struct err err;
                bool ok;
                ARENA_SCOPED arena = {0};

                arena_init(&arena, 1 << 20);
                scripted_start(&server, &cases[i].answer, 1, NULL);
                snprintf(base, sizeof(base), "http://127.0.0.1:%u", server.port);
                call = call_make(&arena, base, cases[i].method, "/");
                err_clear(&err);
                ok = http_call(w->client, &call, &arena, &response, &err);
                if (ok != (cases[i].code == ERR_NONE) || (!ok && err.code != cases[i].code))
                        fail_msg("case %zu: %s %s", i, ok ? "ok" : err_name(err.code), err.message);
                if (ok && !str_is(response.body, cases[i].body))
                        fail_msg("case %zu: %.*s", i, STR_ARG(response.body));
                client_renew(w);
                scripted_end(&server);
        }
}

static void endless_head_is_refused(void **state)
{
        struct with_client *w = *state;
        char *bytes = malloc(200000);
        struct str answer = {bytes, 200000};
        struct scripted server;
        struct http_client_call call;
        struct http_response response;
        char base[64];
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        memset(bytes, 'a', 200000);
        memcpy(bytes, "HTTP/1.1 200 OK\r\nX: ", 20);
        scripted_start(&server, &answer, 1, NULL);
        snprintf(base, sizeof(base), "http://127.0.0.1:%u", server.port);
        call = call_make(&arena, base, "GET", "/");
        assert_false(http_call(w->client, &call, &arena, &response, &err));
        assert_int_equal(err.code, ERR_UPSTREAM_PROTOCOL);
        scripted_end(&server);
        free(bytes);
}

static void unix_socket_is_called(void **state)
{
        static const struct str answer = STR("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        struct with_client *w = *state;
        char path[] = "/tmp/io_test_XXXXXX";
        struct scripted server;
        struct http_client_call call = {.method = STR("GET"), .target = STR("/v1.41/info?all=1")};
        struct http_response response;
        struct err err;
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        close(mkstemp(path));
        unlink(path);
        scripted_start(&server, &answer, 1, path);
        call.unix_path = str_from(path);
        if (!http_call(w->client, &call, &arena, &response, &err))
                fail_msg("%s", err.message);
        assert_true(str_is(response.body, "ok"));
        client_renew(w);
        scripted_end(&server);
}

/* The kept connection dies while nobody looks: a GET notices and goes on, and never twice. */
static void dead_kept_connection_is_replaced(void **state)
{
        static const struct str answers[] = {
                STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"),
                STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2"),
        };
        struct with_client *w = *state;
        struct scripted server;
        char base[64];
        ARENA_SCOPED arena = {0};

        arena_init(&arena, 1 << 20);
        scripted_start(&server, answers, 2, NULL);
        snprintf(base, sizeof(base), "http://127.0.0.1:%u", server.port);
        for (int i = 0; i < 2; i++) {
                struct http_client_call call = call_make(&arena, base, "GET", "/");
                struct http_response response;
                struct err err;

                if (!http_call(w->client, &call, &arena, &response, &err))
                        fail_msg("%s", err.message);
                assert_int_equal(response.body.ptr[0], '1' + i);
        }
        client_renew(w);
        scripted_end(&server);
        assert_int_equal(server.served, 2);
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

static void event_stream_is_parsed_at_every_split(void **state)
{
        static const struct str bytes =
                STR("\xef\xbb\xbf: comment\r\nevent: a\rdata: 1\ndata:2\r\n\r\nid: 9\nretry: 250\ndata\n\n"
                    "event: forgotten\n\ndata:  x\n\nunknown: y\ndata: last");

        (void)state;
        for (size_t split = 0; split <= bytes.len; split++) {
                struct sse_parser parser;
                struct sse_event event;
                char seen[128] = "";
                bool found;
                struct err err;

                sse_parser_init(&parser, 1024);
                for (int half = 0; half < 2; half++) {
                        struct str part =
                                half == 0 ? str_slice(bytes, 0, split) : str_slice(bytes, split, bytes.len);

                        assert_true(sse_parser_feed(&parser, part, &err));
                        while (sse_parser_next(&parser, &event, &found, &err) && found)
                                snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s,%.*s,%.*s|",
                                         STR_ARG(event.name), STR_ARG(event.id), STR_ARG(event.data));
                }
                assert_string_equal(seen, "a,,1\n2|message,9,|message,9, x|");
                assert_int_equal(parser.retry_ms, 250);
                sse_parser_done(&parser);
        }
}

static void event_over_the_cap_is_refused(void **state)
{
        struct sse_parser parser;
        struct sse_event event;
        bool found;
        bool ok = true;
        struct err err;

        (void)state;
        sse_parser_init(&parser, 100);
        for (int i = 0; i < 100 && ok; i++)
                ok = sse_parser_feed(&parser, STR("data: 0123456789\n"), &err) &&
                     sse_parser_next(&parser, &event, &found, &err);
        assert_false(ok);
        assert_int_equal(err.code, ERR_BODY_TOO_LARGE);
        sse_parser_done(&parser);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(calls_share_one_connection),
                TEST(streamed_response_is_read_whole),
                TEST(events_arrive_as_they_were_sent),
                TEST(slow_response_is_a_timeout),
                TEST(waiting_read_can_be_cancelled),
                TEST(response_over_the_cap_is_refused),
                TEST(bad_calls_are_refused),
                TEST(refused_connection_is_unreachable),
                TEST(hostile_and_odd_responses),
                TEST(endless_head_is_refused),
                TEST(unix_socket_is_called),
                TEST(dead_kept_connection_is_replaced),
                TEST(call_without_memory_says_so),
                TEST(fibers_call_side_by_side),
                TEST(failures_reach_the_fiber),
                cmocka_unit_test(event_stream_is_parsed_at_every_split),
                cmocka_unit_test(event_over_the_cap_is_refused),
        };

        return cmocka_run_group_tests_name("http_client", tests, NULL, NULL);
}
