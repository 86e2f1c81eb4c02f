/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_test_util.h"
#include "io/loop_private.h"

static FIBER_FN void answer(struct http_exchange *x, int status, struct str body)
{
        struct http_header type = {STR("Content-Type"), STR("text/plain")};
        struct err err;

        http_reply(x, status, &type, 1, body, &err);
}

static FIBER_FN void handle_echo(struct fixture *f, struct http_exchange *x)
{
        struct str body;
        struct err err;

        if (http_body_read_all(x, 8 * 1024 * 1024, &body, &err)) {
                answer(x, 200, body);
                return;
        }
        f->last_error = err.code;
        answer(x, err_status(err.code), str_from(err_name(err.code)));
}

/* Passes the body on piece by piece, so that both directions press back. */
static FIBER_FN void handle_pipe(struct fixture *f, struct http_exchange *x)
{
        char piece[5000];
        size_t len;
        struct err err;

        if (!http_stream_begin(x, 200, NULL, 0, &err))
                return;
        for (;;) {
                if (!http_body_read(x, piece, sizeof(piece), &len, &err)) {
                        f->last_error = err.code;
                        return;
                }
                if (len == 0)
                        break;
                if (!http_stream_write(x, str_make(piece, len), &err)) {
                        f->last_error = err.code;
                        return;
                }
        }
        if (!http_stream_end(x, &err))
                f->last_error = err.code;
}

static FIBER_FN void handle_endless(struct fixture *f, struct http_exchange *x)
{
        char piece[16 * 1024];
        struct err err;

        memset(piece, 'e', sizeof(piece));
        if (!http_stream_begin(x, 200, NULL, 0, &err))
                return;
        while (http_stream_write(x, str_make(piece, sizeof(piece)), &err))
                ;
        f->last_error = err.code;
}

static FIBER_FN void handle_wait(struct fixture *f, struct http_exchange *x)
{
        struct fiber_event event = {0};

        http_exchange_notify(x, &event);
        f->notified = fiber_event_wait(&event, clock_mono_us() + TEST_PATIENCE_MS * 1000LL);
        f->was_gone = http_exchange_gone(x);
        f->was_draining = http_exchange_draining(x);
        answer(x, 200, STR("waited"));
}

static FIBER_FN void handle_sse(struct http_exchange *x)
{
        struct err err;

        if (!sse_begin(x, NULL, 0, &err) || !sse_comment(x, STR("hello"), &err) ||
            !sse_send(x, STR("state"), STR("7"), STR("one\ntwo\r\nthree"), &err) ||
            !sse_send(x, STR(""), STR(""), STR(""), &err) || !http_stream_end(x, &err))
                fail_msg("%s", err.message);
}

/* As a handler does that finds nobody to answer. */
static FIBER_FN void handle_echo_or_nothing(struct http_exchange *x)
{
        struct str body;
        struct err err;

        if (http_body_read_all(x, 1000, &body, &err))
                answer(x, 200, body);
}

static FIBER_FN void handle_facts(struct http_exchange *x)
{
        struct str cookie = http_exchange_header(x, STR("cookie"));
        struct str query = http_exchange_query(x);

        answer(x, 200,
               arena_printf(http_exchange_arena(x), "%.*s|%.*s|%.*s|%.*s|%.*s|%lld",
                            STR_ARG(http_method_name(http_exchange_method(x))), STR_ARG(query),
                            STR_ARG(http_exchange_host(x)), STR_ARG(cookie), STR_ARG(http_exchange_peer(x)),
                            (long long)http_exchange_content_length(x)));
}

static FIBER_FN void handle_bad_header(struct http_exchange *x)
{
        struct http_header split = {STR("X-A"), STR("a\r\nX-B: b")};
        struct err err;

        if (http_reply(x, 200, &split, 1, STR("never"), &err))
                fail_msg("a header with a line break was sent");
        answer(x, 200, STR("refused"));
}

static FIBER_FN void route(struct fixture *f, struct http_exchange *x)
{
        struct str path = http_exchange_path(x);
        struct err err;

        if (str_is(path, "/echo"))
                handle_echo(f, x);
        else if (str_is(path, "/echo-or-nothing"))
                handle_echo_or_nothing(x);
        else if (str_is(path, "/pipe"))
                handle_pipe(f, x);
        else if (str_is(path, "/endless"))
                handle_endless(f, x);
        else if (str_is(path, "/wait"))
                handle_wait(f, x);
        else if (str_is(path, "/sse"))
                handle_sse(x);
        else if (str_is(path, "/facts"))
                handle_facts(x);
        else if (str_is(path, "/bad-header"))
                handle_bad_header(x);
        else if (str_is(path, "/nothing"))
                return;
        else if (str_is(path, "/cut") && http_stream_begin(x, 200, NULL, 0, &err))
                http_stream_write(x, STR("part"), &err) ? (void)0 : fail();
        else if (str_is(path, "/empty"))
                answer(x, 204, STR(""));
        else if (str_is(path, "/sleep"))
                fiber_sleep(30), answer(x, 200, STR("slept"));
        else
                answer(x, 200, path);
}

static FIBER_FN void handler(struct http_exchange *x, void *arg)
{
        struct fixture *f = arg;

        note(f, &f->entered);
        route(f, x);
        note(f, &f->finished);
}

static void problem(const struct http_protocol_error *error, struct buf *ret_body, struct str *ret_type,
                    void *arg)
{
        (void)arg;
        *ret_type = STR("application/problem+json");
        buf_printf(ret_body, "{\"code\":\"%s\",\"peer\":\"%.*s\"}", err_name(error->code),
                   STR_ARG(error->peer));
}

static struct http_server_config config_make(void)
{
        struct http_server_config config;

        http_server_config_init(&config);
        config.handler = handler;
        config.on_protocol_error = problem;
        return config;
}

static int setup(void **state)
{
        struct http_server_config config = config_make();
        struct fixture *f = malloc(sizeof(*f));

        fixture_start(f, &config);
        *state = f;
        return 0;
}

static int teardown(void **state)
{
        fixture_end(*state);
        free(*state);
        return 0;
}

#define H "Host: h\r\n"
#define CLOSE "Connection: close\r\n"

static void one_connection_serves_many_requests(void **state)
{
        struct fixture *f = *state;
        struct http_server_stats stats;
        int fd = dial(f->port);

        for (int i = 0; i < 50; i++) {
                char *text;

                give(fd, STR("GET /x HTTP/1.1\r\n" H "\r\n"));
                text = take(fd, "/x", 1);
                assert_int_equal(count_of(text, "HTTP/1.1 200 OK\r\nDate: "), 1);
                assert_int_equal(count_of(text, "Content-Length: 2\r\n"), 1);
                free(text);
        }
        close(fd);
        http_server_stats(f->server, &stats);
        assert_int_equal(stats.connections_accepted, 1);
        assert_int_equal(stats.requests, 50);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
        struct fixture *f = *state;
        char *text = ask(f->port, STR("POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc"
                                      "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                                      "2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
                                      "GET /sleep HTTP/1.1\r\n" H "\r\n"
                                      "GET /facts?1 HTTP/1.1\r\n" H "\r\n"
                                      "GET /last HTTP/1.1\r\n" H CLOSE "\r\n"
                                      "GET /never HTTP/1.1\r\n" H "\r\n"));
        const char *at = text;
        static const char *const order[] = {"abc", "def", "slept", "GET|1|h", "Connection: close", "/last"};

        for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
                at = strstr(at, order[i]);
                assert_non_null(at);
        }
        assert_int_equal(count_of(text, "HTTP/1.1 200 OK"), 5);
        assert_null(strstr(text, "/never"));
        free(text);
}

static void request_split_at_every_byte_is_the_same_request(void **state)
{
        struct fixture *f = *state;
        static const struct str bytes =
                STR("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                    "4\r\nwork\r\n3;x=y\r\nfor\r\n0\r\nT: t\r\n\r\n"
                    "POST /echo HTTP/1.1\r\n" H CLOSE "Content-Length: 5\r\n\r\nhello");

        for (size_t split = 1; split < bytes.len; split++) {
                int fd = dial(f->port);
                char *text;

                give(fd, str_slice(bytes, 0, split));
                give(fd, str_slice(bytes, split, bytes.len));
                text = take(fd, NULL, 0);
                if (count_of(text, "HTTP/1.1 200 OK") != 2 || !strstr(text, "workfor") ||
                    !strstr(text, "hello"))
                        fail_msg("split at %zu: %s", split, text);
                free(text);
                close(fd);
        }
}

static void one_byte_at_a_time_is_enough(void **state)
{
        struct fixture *f = *state;
        static const struct str bytes =
                STR("POST /echo HTTP/1.1\r\n" H CLOSE "Transfer-Encoding: chunked\r\n\r\n"
                    "4\r\nwork\r\n0\r\n\r\n");
        int fd = dial(f->port);
        char *text;

        for (size_t i = 0; i < bytes.len; i++)
                give(fd, str_slice(bytes, i, 1));
        text = take(fd, NULL, 0);
        assert_non_null(strstr(text, "work"));
        free(text);
        close(fd);
}

/* Each is followed by a request that must not be answered. */
static void smuggled_requests_are_never_answered(void **state)
{
        struct fixture *f = *state;
#define NEXT "GET /smuggled HTTP/1.1\r\n" H "\r\n"
        static const struct {
                struct str bytes;
                const char *status;
        } cases[] = {
                {STR("POST /a HTTP/1.1\r\n" H
                     "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT),
                 "400"},
                {STR("POST /a HTTP/1.1\r\n" H "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" NEXT),
                 "400"},
                {STR("POST /a HTTP/1.1\r\n" H "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" NEXT),
                 "400"},
                {STR("POST /a HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" NEXT), "501"},
                {STR("POST /a HTTP/1.1\r\n" H "Content-Length : 4\r\n\r\n0\r\n\r\n" NEXT), "400"},
                {STR("POST /a HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT), "400"},
                {STR("GET /a HTTP/1.1\r\n" H ": x\r\n\r\n" NEXT), "400"},
                {STR("GET /a HTTP/1.1\r\n\r\n" NEXT), "400"},
                {STR("GET /a HTTP/1.1\r\n" H H "\r\n" NEXT), "400"},
                {STR("GET /a HTTP/1.1\r\n" H "\r" NEXT), "400"},
                {STR("GET /a HTTP/1.1\n" H "\r\n" NEXT), "400"},
                {STR("GET /a HTTP/2.0\r\n" H "\r\n" NEXT), "505"},
                {STR("TRACE /a HTTP/1.1\r\n" H "\r\n" NEXT), "501"},
                {STR("GET /a HTTP/1.1\r\n" H "Expect: x\r\n\r\n" NEXT), "417"},
                {STR("POST /a HTTP/1.1\r\n" H "Content-Length: 99999999999\r\n\r\n" NEXT), "413"},
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char *text = ask(f->port, cases[i].bytes);

                if (strncmp(text, "HTTP/1.1 ", 9) != 0 || strncmp(text + 9, cases[i].status, 3) != 0 ||
                    count_of(text, "HTTP/1.1 ") != 1 || !strstr(text, "Connection: close\r\n") ||
                    !strstr(text, "application/problem+json") || !strstr(text, "\"peer\":\"127.0.0.1\""))
                        fail_msg("case %zu (%s): %s", i, cases[i].status, text);
                free(text);
        }
        assert_int_equal(f->entered, 0);
}

/* The head is fine, the chunks are not: the handler hears of it, and the connection ends. */
static void broken_chunks_end_the_connection(void **state)
{
        struct fixture *f = *state;
        char *text = ask(f->port, STR("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                                      "5\nhello\r\n0\r\n\r\n" NEXT));

        assert_int_equal(strncmp(text, "HTTP/1.1 400", 12), 0);
        assert_int_equal(count_of(text, "HTTP/1.1 "), 1);
        assert_non_null(strstr(text, "Connection: close"));
        assert_int_equal(f->last_error, ERR_BAD_REQUEST);
        free(text);
}

/* `begin`, then `repeat` so many times, then `end`; to be freed. */
static char *compose(const char *begin, const char *repeat, int times, const char *end)
{
        BUF_SCOPED buf = {0};
        char *text;

        buf_init(&buf, 1 << 20);
        buf_append_c(&buf, begin);
        for (int i = 0; i < times; i++)
                buf_append_c(&buf, repeat);
        buf_append_c(&buf, end);
        assert_false(buf.failed);
        text = strdup(buf.ptr);
        assert_non_null(text);
        return text;
}

static void limits_are_answered(void **state)
{
        static const struct {
                const char *begin;
                const char *repeat;
                int times;
                const char *end;
                const char *answer;
        } cases[] = {
                {"GET /", "a", 9000, "", "HTTP/1.1 414"},
                {"GET / HTTP/1.1\r\n" H "X: ", "a", 40000, "", "HTTP/1.1 431"},
                {"GET / HTTP/1.1\r\n" H, "X: y\r\n", 101, "\r\n", "HTTP/1.1 431"},
        };
        struct fixture *f = *state;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char *bytes = compose(cases[i].begin, cases[i].repeat, cases[i].times, cases[i].end);
                char *text = ask(f->port, str_from(bytes));

                assert_int_equal(strncmp(text, cases[i].answer, 12), 0);
                free(text);
                free(bytes);
        }
}

/* Larger than the buffer that a request starts with. */
static void large_head_is_served(void **state)
{
        struct fixture *f = *state;
        char *bytes = compose("GET /facts?q HTTP/1.1\r\n" H "Cookie: ", "c", 20000, "\r\n" CLOSE "\r\n");
        char *text = ask(f->port, str_from(bytes));

        assert_int_equal(strncmp(text, "HTTP/1.1 200", 12), 0);
        assert_int_equal(strspn(strstr(text, "|ccc") + 1, "c"), 20000);
        free(text);
        free(bytes);
}

static void facts_of_a_request_are_right(void **state)
{
        struct fixture *f = *state;
        char *text =
                ask(f->port, STR("GET http://example.com:80/facts?a=b HTTP/1.1\r\nHost: example.com:80\r\n"
                                 "COOKIE: c\r\n" CLOSE "\r\n"));

        assert_non_null(strstr(text, "GET|a=b|example.com:80|c|127.0.0.1|0"));
        free(text);
}

static void head_request_gets_no_body(void **state)
{
        struct fixture *f = *state;
        char *text =
                ask(f->port, STR("HEAD /abc HTTP/1.1\r\n" H "\r\nHEAD /sse HTTP/1.1\r\n" H CLOSE "\r\n"));

        assert_int_equal(count_of(text, "HTTP/1.1 200 OK"), 2);
        assert_non_null(strstr(text, "Content-Length: 4\r\n"));
        assert_null(strstr(text, "/abc"));
        assert_null(strstr(text, "hello"));
        assert_string_equal(text + strlen(text) - 4, "\r\n\r\n");
        free(text);
}

static void http10_is_answered_and_closed(void **state)
{
        struct fixture *f = *state;
        char *text = ask(f->port, STR("GET /sse HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));

        assert_non_null(strstr(text, "Connection: close\r\n"));
        assert_null(strstr(text, "Transfer-Encoding"));
        assert_non_null(strstr(text, "\r\n\r\n: hello\n\n"));
        free(text);
}

static void no_content_has_no_length(void **state)
{
        struct fixture *f = *state;
        char *text = ask(f->port, STR("GET /empty HTTP/1.1\r\n" H CLOSE "\r\n"));

        assert_int_equal(strncmp(text, "HTTP/1.1 204 No Content\r\n", 25), 0);
        assert_null(strstr(text, "Content-Length"));
        free(text);
}

static void continue_is_sent_when_the_body_is_wanted(void **state)
{
        struct fixture *f = *state;
        int fd = dial(f->port);
        char *text;

        give(fd, STR("POST /echo HTTP/1.1\r\n" H CLOSE "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
        text = take(fd, "HTTP/1.1 100 Continue\r\n\r\n", 1);
        free(text);
        give(fd, STR("hello"));
        text = take(fd, NULL, 0);
        assert_non_null(strstr(text, "hello"));
        free(text);
        close(fd);
}

static void continue_is_not_sent_when_nobody_reads(void **state)
{
        struct fixture *f = *state;
        int fd = dial(f->port);
        char *text;

        give(fd, STR("POST /unread HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"));
        text = take(fd, NULL, 0);
        assert_int_equal(strncmp(text, "HTTP/1.1 200", 12), 0);
        assert_non_null(strstr(text, "Connection: close"));
        free(text);
        close(fd);
}

static void unread_body_stands_not_in_the_way(void **state)
{
        struct fixture *f = *state;
        char *text = ask(f->port, STR("POST /unread HTTP/1.1\r\n" H "Content-Length: 43\r\n\r\n"
                                      "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n\r\n\r\n."
                                      "GET /next HTTP/1.1\r\n" H CLOSE "\r\n"));

        assert_int_equal(count_of(text, "HTTP/1.1 200"), 2);
        assert_non_null(strstr(text, "/next"));
        assert_null(strstr(text, "/smuggled"));
        free(text);
}

static void body_over_the_handlers_cap_is_413(void **state)
{
        struct fixture *f = *state;
        char *text = ask(f->port, STR("POST /echo HTTP/1.1\r\n" H "Content-Length: 9000000\r\n\r\nabc"));

        assert_int_equal(strncmp(text, "HTTP/1.1 413", 12), 0);
        assert_int_equal(f->last_error, ERR_BODY_TOO_LARGE);
        free(text);
}

static void handler_without_reply_gives_500(void **state)
{
        struct fixture *f = *state;
        char *text = ask(f->port, STR("GET /nothing HTTP/1.1\r\n" H "\r\n"));

        assert_int_equal(strncmp(text, "HTTP/1.1 500", 12), 0);
        assert_non_null(strstr(text, "\"code\":\"INTERNAL\""));
        free(text);
}

static void unfinished_stream_is_cut_off(void **state)
{
        struct fixture *f = *state;
        char *text = ask(f->port, STR("GET /cut HTTP/1.1\r\n" H "\r\n"));

        assert_non_null(strstr(text, "4\r\npart\r\n"));
        assert_null(strstr(text, "0\r\n\r\n"));
        free(text);
}

/* An HTTP/1.0 client sees the end of the connection as the end of the reply; so it must be no clean end. */
static void unfinished_stream_is_a_reset_in_http10(void **state)
{
        struct fixture *f = *state;
        int fd = dial(f->port);
        char bytes[512];
        ssize_t len;

        give(fd, STR("GET /cut HTTP/1.0\r\n\r\n"));
        do {
                len = recv(fd, bytes, sizeof(bytes), 0);
        } while (len > 0);
        assert_int_equal(len, -1);
        assert_int_equal(errno, ECONNRESET);
        close(fd);
}

static void reply_headers_cannot_be_split(void **state)
{
        struct fixture *f = *state;
        char *text = ask(f->port, STR("GET /bad-header HTTP/1.1\r\n" H CLOSE "\r\n"));

        assert_non_null(strstr(text, "refused"));
        assert_null(strstr(text, "X-B"));
        free(text);
}

enum { PIPE_BYTES = 3 * 1024 * 1024 };

static void *pipe_sender(void *arg)
{
        int fd = *(int *)arg;
        static char piece[64 * 1024];

        for (size_t sent = 0; sent < PIPE_BYTES; sent += sizeof(piece)) {
                for (size_t i = 0; i < sizeof(piece); i++)
                        piece[i] = (char)('a' + (sent + i) % 23);
                give(fd, str_make(piece, sizeof(piece)));
        }
        return NULL;
}

/* Nobody reads at first: sender, server and all buffers fill up, and nothing is lost. */
static void back_pressure_loses_nothing(void **state)
{
        struct fixture *f = *state;
        int fd = dial(f->port);
        char head[200];
        char *all = calloc(1, PIPE_BYTES * 2);
        size_t len = 0;
        size_t body = 0;
        pthread_t thread;
        ssize_t got;
        char *at;

        snprintf(head, sizeof(head), "POST /pipe HTTP/1.0\r\n" H "Content-Length: %d\r\n\r\n", PIPE_BYTES);
        give(fd, str_from(head));
        pthread_create(&thread, NULL, pipe_sender, &fd);
        wait_for(f, &f->entered, 1);
        while ((got = recv(fd, all + len, PIPE_BYTES * 2 - len, 0)) > 0)
                len += (size_t)got;
        pthread_join(thread, NULL);
        at = strstr(all, "\r\n\r\n");
        assert_non_null(at);
        body = len - (size_t)(at + 4 - all);
        assert_int_equal(body, PIPE_BYTES);
        for (size_t i = 0; i < body; i++) {
                if (at[4 + i] != (char)('a' + i % 23))
                        fail_msg("byte %zu is wrong", i);
        }
        free(all);
        close(fd);
}

static void abort_in_the_middle_of_a_body_is_told(void **state)
{
        struct fixture *f = *state;
        int fd = dial(f->port);

        give(fd, STR("POST /echo HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\nabc"));
        wait_for(f, &f->entered, 1);
        close(fd);
        wait_for(f, &f->finished, 1);
        assert_int_equal(f->last_error, ERR_CANCELLED);
}

static void truncated_body_is_not_our_failure(void **state)
{
        struct fixture *f = *state;
        int fd = dial(f->port);
        char *text;

        give(fd, STR("POST /echo-or-nothing HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\nabc"));
        shutdown(fd, SHUT_WR);
        text = take(fd, NULL, 0);
        assert_string_equal(text, "");
        free(text);
        close(fd);
}

static void abort_in_the_middle_of_a_stream_is_told(void **state)
{
        struct fixture *f = *state;
        int fd = dial(f->port);
        char *text;

        give(fd, STR("GET /endless HTTP/1.1\r\n" H "\r\n"));
        text = take(fd, "eeee", 1);
        free(text);
        close(fd);
        wait_for(f, &f->finished, 1);
        assert_int_equal(f->last_error, ERR_CANCELLED);
}

static void waiting_handler_hears_that_the_peer_went_away(void **state)
{
        struct fixture *f = *state;
        int fd = dial(f->port);

        give(fd, STR("GET /wait HTTP/1.1\r\n" H "\r\n"));
        wait_for(f, &f->entered, 1);
        close(fd);
        wait_for(f, &f->finished, 1);
        assert_true(f->notified);
        assert_true(f->was_gone);
}

/* Bytes that arrive while a handler waits are neither lost nor taken for the end. */
static void pipelined_bytes_do_not_disturb_a_waiting_handler(void **state)
{
        struct fixture *f = *state;
        int fd = dial(f->port);
        char *text;

        give(fd, STR("GET /sleep HTTP/1.1\r\n" H "\r\n"));
        wait_for(f, &f->entered, 1);
        give(fd, STR("GET /second HTTP/1.1\r\n" H CLOSE "\r\n"));
        text = take(fd, NULL, 0);
        assert_non_null(strstr(text, "slept"));
        assert_non_null(strstr(text, "/second"));
        free(text);
        close(fd);
}

static void events_are_written_as_the_standard_says(void **state)
{
        struct fixture *f = *state;
        char *text = ask(f->port, STR("GET /sse HTTP/1.0\r\n\r\n"));
        char *body = strstr(text, "\r\n\r\n") + 4;

        assert_non_null(strstr(text, "Content-Type: text/event-stream\r\n"));
        assert_string_equal(
                body, ": hello\n\nevent: state\nid: 7\ndata: one\ndata: two\ndata: three\n\ndata: \n\n");
        free(text);
}

static void slow_head_gets_408(void **state)
{
        struct http_server_config config = config_make();
        struct fixture f;
        char *text;

        (void)state;
        config.head_timeout_ms = 50;
        fixture_start(&f, &config);
        text = ask(f.port, STR("GET / HTTP/1.1\r\nHost:"));
        assert_int_equal(strncmp(text, "HTTP/1.1 408", 12), 0);
        free(text);
        /* Nothing was asked, so nothing is answered. */
        text = ask(f.port, STR(""));
        assert_string_equal(text, "");
        free(text);
        fixture_end(&f);
}

static void *drip(void *arg)
{
        int fd = *(int *)arg;
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

        /* A byte every few milliseconds, until the server has had enough. */
        while (poll(&poll_fd, 1, 5) == 0 && send(fd, "a", 1, MSG_NOSIGNAL) == 1)
                ;
        return NULL;
}

/* Slowloris: each byte comes in time, the whole does not. */
static void dripping_does_not_hold_a_connection(void **state)
{
        static const struct str begins[] = {
                STR("GET / HTTP/1.1\r\n" H "X: "),
                STR("POST /echo HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\n"),
        };
        struct http_server_config config = config_make();
        struct fixture f;

        (void)state;
        config.head_timeout_ms = config.body_timeout_ms = 100;
        config.body_min_bytes_per_s = 100000;
        fixture_start(&f, &config);
        for (size_t i = 0; i < 2; i++) {
                int fd = dial(f.port);
                pthread_t thread;
                char *text;

                give(fd, begins[i]);
                pthread_create(&thread, NULL, drip, &fd);
                text = take(fd, "\r\n\r\n", 1);
                pthread_join(thread, NULL);
                assert_int_equal(strncmp(text, "HTTP/1.1 408", 12), 0);
                free(text);
                close(fd);
        }
        fixture_end(&f);
}

static void idle_connection_is_closed(void **state)
{
        struct http_server_config config = config_make();
        struct fixture f;
        char *text;

        (void)state;
        config.idle_timeout_ms = 30;
        fixture_start(&f, &config);
        text = ask(f.port, STR("GET /once HTTP/1.1\r\n" H "\r\n"));
        assert_non_null(strstr(text, "/once"));
        assert_null(strstr(text, "Connection: close"));
        free(text);
        fixture_end(&f);
}

static void peer_that_does_not_read_is_cut_off(void **state)
{
        struct http_server_config config = config_make();
        struct fixture f;
        int fd;

        (void)state;
        config.write_timeout_ms = 50;
        fixture_start(&f, &config);
        fd = dial(f.port);
        give(fd, STR("GET /endless HTTP/1.1\r\n" H "\r\n"));
        wait_for(&f, &f.finished, 1);
        assert_int_equal(f.last_error, ERR_CANCELLED);
        close(fd);
        fixture_end(&f);
}

static void connections_over_the_limit_get_503(void **state)
{
        struct http_server_config config = config_make();
        struct http_server_stats stats;
        struct fixture f;
        int first;
        char *text;

        (void)state;
        config.connections_max = 1;
        fixture_start(&f, &config);
        first = dial(f.port);
        give(first, STR("GET /first HTTP/1.1\r\n" H "\r\n"));
        free(take(first, "/first", 1));
        text = ask(f.port, STR(""));
        assert_int_equal(strncmp(text, "HTTP/1.1 503", 12), 0);
        free(text);
        http_server_stats(f.server, &stats);
        assert_int_equal(stats.connections_refused, 1);
        close(first);
        fixture_end(&f);
}

static void one_address_cannot_take_all_connections(void **state)
{
        struct http_server_config config = config_make();
        struct fixture f;
        int fds[2];
        char *text;

        (void)state;
        config.connections_per_ip_max = 2;
        fixture_start(&f, &config);
        for (int i = 0; i < 2; i++) {
                fds[i] = dial(f.port);
                give(fds[i], STR("GET /ok HTTP/1.1\r\n" H "\r\n"));
                free(take(fds[i], "/ok", 1));
        }
        text = ask(f.port, STR(""));
        assert_int_equal(strncmp(text, "HTTP/1.1 503", 12), 0);
        free(text);
        close(fds[0]);
        close(fds[1]);
        fixture_end(&f);
}

static void *drain_thread(void *arg)
{
        struct fixture *f = arg;

        f->was_gone = !http_server_drain(f->server, TEST_PATIENCE_MS);
        return NULL;
}

static void drain_lets_requests_end(void **state)
{
        struct fixture *f = *state;
        int idle = dial(f->port);
        int active = dial(f->port);
        pthread_t thread;
        char *text;

        give(idle, STR("GET /idle HTTP/1.1\r\n" H "\r\n"));
        free(take(idle, "/idle", 1));
        give(active, STR("GET /wait HTTP/1.1\r\n" H "\r\n"));
        wait_for(f, &f->entered, 2);
        pthread_create(&thread, NULL, drain_thread, f);
        text = take(active, NULL, 0);
        assert_non_null(strstr(text, "Connection: close"));
        assert_non_null(strstr(text, "waited"));
        assert_true(f->was_draining);
        free(text);
        text = take(idle, NULL, 0);
        assert_string_equal(text, "");
        free(text);
        pthread_join(thread, NULL);
        assert_false(f->was_gone);
        close(idle);
        close(active);
}

static void drain_cuts_off_what_does_not_end(void **state)
{
        struct fixture *f = *state;
        int fd = dial(f->port);

        give(fd, STR("GET /endless HTTP/1.1\r\n" H "\r\n"));
        wait_for(f, &f->entered, 1);
        assert_false(http_server_drain(f->server, 20));
        assert_int_equal(f->finished, 1);
        assert_int_equal(f->last_error, ERR_CANCELLED);
        close(fd);
}

static void used_port_is_refused(void **state)
{
        struct fixture *f = *state;
        struct http_server_config config = config_make();
        struct http_server *second;
        struct err err;

        config.port = f->port;
        assert_false(http_server_open(f->loops, &config, &second, &err));
        assert_non_null(strstr(err.message, "in use"));
}

static FIBER_FN void say_what_was_prepared(struct http_exchange *x, void *arg)
{
        answer(x, 200, *(const struct str *)arg);
}

/* What needs the port may be made ready between the two steps; ThreadSanitizer sees the order. */
static void nobody_is_served_before_it_serves(void **state)
{
        struct http_server_config config = config_make();
        struct str prepared = STR("too early");
        struct http_server_stats stats;
        struct fixture f;
        struct err err;
        char *text;
        int fd;

        (void)state;
        fixture_start(&f, NULL);
        config.handler = say_what_was_prepared;
        config.handler_arg = &prepared;
        assert_true(http_server_open(f.loops, &config, &f.server, &err));
        fd = dial(http_server_port(f.server));
        give(fd, STR("GET / HTTP/1.1\r\n" H CLOSE "\r\n"));
        http_server_stats(f.server, &stats);
        assert_int_equal(stats.connections_accepted, 0);
        prepared = STR("in time");
        http_server_serve(f.server);
        text = take(fd, NULL, 0);
        assert_non_null(strstr(text, "in time"));
        free(text);
        close(fd);
        fixture_end(&f);
}

static void opened_server_can_end_unserved(void **state)
{
        struct http_server_config config = config_make();
        struct fixture f;
        struct err err;

        (void)state;
        fixture_start(&f, NULL);
        assert_true(http_server_open(f.loops, &config, &f.server, &err));
        fixture_end(&f);
}

static void all_addresses_include_ipv4(void **state)
{
        struct http_server_config config = config_make();
        struct fixture f;
        char *text;

        (void)state;
        config.host = STR("");
        fixture_start(&f, &config);
        text = ask(f.port, STR("GET /facts HTTP/1.1\r\n" H CLOSE "\r\n"));
        assert_non_null(strstr(text, "|127.0.0.1|"));
        free(text);
        fixture_end(&f);
}

#ifdef COUNTERSIGN_TEST_HOOKS
static void requests_without_a_stack_get_503(void **state)
{
        struct fixture *f = *state;
        int fds[6];
        char *text;

        fiber_limit_set(5);
        for (int i = 0; i < 6; i++) {
                fds[i] = dial(f->port);
                give(fds[i], STR("GET /wait HTTP/1.1\r\n" H "\r\n"));
                if (i < 5)
                        wait_for(f, &f->entered, i + 1);
        }
        text = take(fds[5], NULL, 0);
        assert_int_equal(strncmp(text, "HTTP/1.1 503", 12), 0);
        assert_non_null(strstr(text, "OVERLOADED"));
        free(text);
        for (int i = 0; i < 6; i++)
                close(fds[i]);
        wait_for(f, &f->finished, 5);
        fiber_limit_read();
}
#endif

/* Whichever allocation fails first, and all after it: an answer or the end, and nothing leaks. */
static void server_survives_without_memory(void **state)
{
        struct fixture *f = *state;
        char *text;

        for (size_t nth = 1; nth <= 25; nth++) {
                heap_fail_from(nth);
                text = ask(f->port,
                           STR("POST /echo HTTP/1.1\r\n" H CLOSE "Transfer-Encoding: chunked\r\n\r\n"
                               "5\r\nhello\r\n0\r\n\r\n"));
                heap_fail_from(0);
                if (text[0] && strncmp(text, "HTTP/1.1 200", 12) != 0 &&
                    strncmp(text, "HTTP/1.1 503", 12) != 0 && strncmp(text, "HTTP/1.1 500", 12) != 0)
                        fail_msg("allocation %zu: %s", nth, text);
                free(text);
        }
        text = ask(f->port, STR("GET /after HTTP/1.1\r\n" H CLOSE "\r\n"));
        assert_non_null(strstr(text, "/after"));
        free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(one_connection_serves_many_requests),
                TEST(pipelined_requests_are_answered_in_order),
                TEST(request_split_at_every_byte_is_the_same_request),
                TEST(one_byte_at_a_time_is_enough),
                TEST(smuggled_requests_are_never_answered),
                TEST(broken_chunks_end_the_connection),
                TEST(limits_are_answered),
                TEST(large_head_is_served),
                TEST(facts_of_a_request_are_right),
                TEST(head_request_gets_no_body),
                TEST(http10_is_answered_and_closed),
                TEST(no_content_has_no_length),
                TEST(continue_is_sent_when_the_body_is_wanted),
                TEST(continue_is_not_sent_when_nobody_reads),
                TEST(unread_body_stands_not_in_the_way),
                TEST(body_over_the_handlers_cap_is_413),
                TEST(handler_without_reply_gives_500),
                TEST(unfinished_stream_is_cut_off),
                TEST(unfinished_stream_is_a_reset_in_http10),
                TEST(reply_headers_cannot_be_split),
                TEST(back_pressure_loses_nothing),
                TEST(abort_in_the_middle_of_a_body_is_told),
                TEST(truncated_body_is_not_our_failure),
                TEST(abort_in_the_middle_of_a_stream_is_told),
                TEST(waiting_handler_hears_that_the_peer_went_away),
                TEST(pipelined_bytes_do_not_disturb_a_waiting_handler),
                TEST(events_are_written_as_the_standard_says),
                TEST(drain_lets_requests_end),
                TEST(drain_cuts_off_what_does_not_end),
                TEST(used_port_is_refused),
                TEST(server_survives_without_memory),
#ifdef COUNTERSIGN_TEST_HOOKS
                TEST(requests_without_a_stack_get_503),
#endif
                cmocka_unit_test(nobody_is_served_before_it_serves),
                cmocka_unit_test(opened_server_can_end_unserved),
                cmocka_unit_test(all_addresses_include_ipv4),
                cmocka_unit_test(slow_head_gets_408),
                cmocka_unit_test(dripping_does_not_hold_a_connection),
                cmocka_unit_test(idle_connection_is_closed),
                cmocka_unit_test(peer_that_does_not_read_is_cut_off),
                cmocka_unit_test(connections_over_the_limit_get_503),
                cmocka_unit_test(one_address_cannot_take_all_connections),
        };

        return cmocka_run_group_tests_name("http_server", tests, NULL, NULL);
}
