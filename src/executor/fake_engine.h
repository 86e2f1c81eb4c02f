/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: a peer on a Unix socket that answers as it is told, also in ways in
 * which no Docker Engine should. It closes each connection after its answer.
 */
#pragma once

#include "base/buf.h"
#include "executor/test_dir.h"

#include <pthread.h>

enum fake_manner {
        FAKE_ANSWER, /* and close */
        FAKE_HANG,   /* send what there is, then nothing until the end */
};

struct fake_step {
        const char *request; /* "DELETE /v1.41/containers/": what the request must begin with */
        enum fake_manner manner;
        struct str answer; /* raw bytes */
        bool used;
};

enum { FAKE_STEPS_MAX = 16 };

struct fake_engine {
        struct test_dir dir;
        char path[80];
        int listen_fd;
        int stop_fd;
        pthread_t thread;
        pthread_mutex_t lock; /* the rest */
        struct fake_step steps[FAKE_STEPS_MAX];
        unsigned step_count;
        struct buf requests; /* all that came, one after another */
        unsigned unexpected;
        unsigned connections; /* threads that serve one */
        pthread_cond_t changed;
};

void fake_engine_start(struct fake_engine *fake);
void fake_engine_stop(struct fake_engine *fake);
/* Adds a step; each is used once, the first that fits. */
void fake_engine_say(struct fake_engine *fake, const char *request, enum fake_manner manner,
                     struct str answer);
/* A step with a whole answer: status and JSON ("" = no body). */
void fake_engine_json(struct fake_engine *fake, const char *request, int status, const char *json);
/* How many requests began so. */
unsigned fake_engine_count(struct fake_engine *fake, const char *request);
