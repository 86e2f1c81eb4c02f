/* SPDX-License-Identifier: Apache-2.0 */
/* The Docker connector and an engine that says what the test wants. Included by tests only. */
#pragma once

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

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
        struct world *w = *state;

        connector_free(w->docker);
        output_free(w->output);
        fake_engine_stop(&w->engine);
        arena_done(&w->arena);
        free(w);
        return 0;
}

static inline void operation(struct world *w, const char *name, const char *parameters)
{
        w->statement.operation = str_from(name);
        assert_true(json_parse(&w->arena, str_from(parameters), &w->statement.parameters, &w->err));
}

static inline void run(struct world *w)
{
        w->result = (struct connector_result){0};
        w->docker->ops->run(w->docker, &w->arena, &w->statement, w->output, &w->result);
        assert_true(w->result.message[0] != '\0');
}

static inline bool resolve(struct world *w, const char *name, const char *target,
                           struct connector_facts *ret)
{
        w->err = (struct err){0};
        return w->docker->ops->resolve(w->docker, &w->arena, catalogue_find(STR("docker"), str_from(name)),
                                       str_from(target), ret, &w->err);
}

static inline bool check(struct world *w)
{
        w->err = (struct err){0};
        return w->docker->ops->check(w->docker, &w->arena, &w->statement, &w->err);
}

static inline void reconcile(struct world *w, int64_t begun_ms)
{
        w->result = (struct connector_result){0};
        w->docker->ops->reconcile(w->docker, &w->arena, &w->statement, begun_ms, &w->result);
}

static inline bool printed(struct world *w, const char *text)
{
        return str_find_str(output_kept(w->output), str_from(text)) >= 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
