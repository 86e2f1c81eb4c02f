/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that a server of ours would not give, byte by byte. */
#include "io/http_test_client.h"

#include <sys/un.h>

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

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(hostile_and_odd_responses),
                TEST(endless_head_is_refused),
                TEST(unix_socket_is_called),
                TEST(dead_kept_connection_is_replaced),
        };

        return cmocka_run_group_tests_name("http_client_answers", tests, NULL, NULL);
}
