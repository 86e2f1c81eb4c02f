/* SPDX-License-Identifier: Apache-2.0 */
/* The server and peers that go away, stand still, come in crowds; and its own beginning and end. */
#include "io/http_test_handlers.h"
#include "io/loop_private.h"

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

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(back_pressure_loses_nothing),
                TEST(abort_in_the_middle_of_a_body_is_told),
                TEST(truncated_body_is_not_our_failure),
                TEST(abort_in_the_middle_of_a_stream_is_told),
                TEST(waiting_handler_hears_that_the_peer_went_away),
                TEST(pipelined_bytes_do_not_disturb_a_waiting_handler),
                TEST(drain_lets_requests_end),
                TEST(drain_cuts_off_what_does_not_end),
                TEST(used_port_is_refused),
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

        return cmocka_run_group_tests_name("http_server_limits", tests, NULL, NULL);
}
