/* SPDX-License-Identifier: Apache-2.0 */
/* What the server answers to what is sent. */
#include "io/http_test_handlers.h"

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
                TEST(events_are_written_as_the_standard_says),
                TEST(server_survives_without_memory),

        };

        return cmocka_run_group_tests_name("http_server", tests, NULL, NULL);
}
