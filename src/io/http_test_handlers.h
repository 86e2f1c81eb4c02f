/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers for the tests of the server, by the path that is asked for. Included by them only. */
#pragma once

#include "io/http_test_util.h"

static inline FIBER_FN void answer(struct http_exchange *x, int status, struct str body)
{
        struct http_header type = {STR("Content-Type"), STR("text/plain")};
        struct err err;

        http_reply(x, status, &type, 1, body, &err);
}

static inline FIBER_FN void handle_echo(struct fixture *f, struct http_exchange *x)
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
static inline FIBER_FN void handle_pipe(struct fixture *f, struct http_exchange *x)
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

static inline FIBER_FN void handle_endless(struct fixture *f, struct http_exchange *x)
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

static inline FIBER_FN void handle_wait(struct fixture *f, struct http_exchange *x)
{
        struct fiber_event event = {0};

        http_exchange_notify(x, &event);
        f->notified = fiber_event_wait(&event, clock_mono_us() + TEST_PATIENCE_MS * 1000LL);
        f->was_gone = http_exchange_gone(x);
        f->was_draining = http_exchange_draining(x);
        answer(x, 200, STR("waited"));
}

static inline FIBER_FN void handle_sse(struct http_exchange *x)
{
        struct err err;

        if (!sse_begin(x, NULL, 0, &err) || !sse_comment(x, STR("hello"), &err) ||
            !sse_send(x, STR("state"), STR("7"), STR("one\ntwo\r\nthree"), &err) ||
            !sse_send(x, STR(""), STR(""), STR(""), &err) || !http_stream_end(x, &err))
                fail_msg("%s", err.message);
}

/* As a handler does that finds nobody to answer. */
static inline FIBER_FN void handle_echo_or_nothing(struct http_exchange *x)
{
        struct str body;
        struct err err;

        if (http_body_read_all(x, 1000, &body, &err))
                answer(x, 200, body);
}

static inline FIBER_FN void handle_facts(struct http_exchange *x)
{
        struct str cookie = http_exchange_header(x, STR("cookie"));
        struct str query = http_exchange_query(x);

        answer(x, 200,
               arena_printf(http_exchange_arena(x), "%.*s|%.*s|%.*s|%.*s|%.*s|%lld",
                            STR_ARG(http_method_name(http_exchange_method(x))), STR_ARG(query),
                            STR_ARG(http_exchange_host(x)), STR_ARG(cookie), STR_ARG(http_exchange_peer(x)),
                            (long long)http_exchange_content_length(x)));
}

static inline FIBER_FN void handle_bad_header(struct http_exchange *x)
{
        struct http_header split = {STR("X-A"), STR("a\r\nX-B: b")};
        struct err err;

        if (http_reply(x, 200, &split, 1, STR("never"), &err))
                fail_msg("a header with a line break was sent");
        answer(x, 200, STR("refused"));
}

static inline FIBER_FN void route(struct fixture *f, struct http_exchange *x)
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

static inline FIBER_FN void handler(struct http_exchange *x, void *arg)
{
        struct fixture *f = arg;

        note(f, &f->entered);
        route(f, x);
        note(f, &f->finished);
}

static inline void problem(const struct http_protocol_error *error, struct buf *ret_body,
                           struct str *ret_type, void *arg)
{
        (void)arg;
        *ret_type = STR("application/problem+json");
        buf_printf(ret_body, "{\"code\":\"%s\",\"peer\":\"%.*s\"}", err_name(error->code),
                   STR_ARG(error->peer));
}

static inline struct http_server_config config_make(void)
{
        struct http_server_config config;

        http_server_config_init(&config);
        config.handler = handler;
        config.on_protocol_error = problem;
        return config;
}

static inline int setup(void **state)
{
        struct http_server_config config = config_make();
        struct fixture *f = malloc(sizeof(*f));

        fixture_start(f, &config);
        *state = f;
        return 0;
}

static inline int teardown(void **state)
{
        fixture_end(*state);
        free(*state);
        return 0;
}

#define H "Host: h\r\n"
#define CLOSE "Connection: close\r\n"

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
