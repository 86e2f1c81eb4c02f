/* SPDX-License-Identifier: Apache-2.0 */
/* A client and a server of ours that it calls. Included by tests only. */
#pragma once

#include "io/http_test_util.h"

static inline FIBER_FN void reply_text(struct http_exchange *x, struct str text)
{
        struct http_header header = {STR("X-Twice"), STR("1")};
        struct http_header headers[2] = {header, header};
        struct err err;

        http_reply(x, 200, headers, 2, text, &err);
}

static inline FIBER_FN void handler(struct http_exchange *x, void *arg)
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

static inline struct http_client *client_make(void)
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

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
        struct with_client *w = *state;

        http_client_free(w->client);
        fixture_end(&w->f);
        free(w);
        return 0;
}

/* Closes the connections that were kept: a scripted server waits for that. */
static inline void client_renew(struct with_client *w)
{
        http_client_free(w->client);
        w->client = client_make();
}

static inline struct http_client_call call_make(struct arena *arena, const char *base, const char *method,
                                                const char *target)
{
        return (struct http_client_call){
                .method = str_from(method),
                .url = arena_printf(arena, "%s%s", base, target),
                .timeout_ms = TEST_PATIENCE_MS,
        };
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
