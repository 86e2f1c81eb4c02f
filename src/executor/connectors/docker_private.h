/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the Docker connector share. */
#pragma once

#include "base/json.h"
#include "executor/connectors/docker.h"
#include "io/http_client.h"

/* Of this code's own; the engine may be newer, it answers in this version all the same. */
#define DOCKER_API "/v1.41"
/* On what container.create makes, so that it can be found again: its action's id. */
#define DOCKER_ACTION_LABEL "dev.countersign.action"
#define DOCKER_LABEL_PREFIX "dev.countersign."

enum {
        DOCKER_ANSWER_MAX_BYTES = 4 * 1024 * 1024,
        DOCKER_SAID_MAX = 240, /* of what the engine says, in our messages */
};

struct docker {
        struct connector connector;
        struct http_client *reader; /* keeps its connections; for what changes nothing */
        struct str socket;          /* owned, NUL-terminated */
        int64_t read_timeout_ms;
        int64_t change_timeout_ms;
        int64_t settle_ms;
};

/* ---- docker_engine.c: requests ------------------------------------------------------------------- */

struct docker_answer {
        int status;
        bool has_json;
        struct json json;
        char said[DOCKER_SAID_MAX]; /* its error message, printable; may be empty */
};

/*
 * Asks. True for 200 with JSON, and for 404 (look at `status`). CONNECTOR_FAILED
 * for everything else: no engine, no answer in time, an error, nonsense.
 */
bool docker_ask(struct docker *docker, struct arena *arena, struct str target, struct docker_answer *ret,
                struct err *err) MUST_USE;

enum docker_fate {
        DOCKER_DONE,    /* one of the statuses that mean success */
        DOCKER_REFUSED, /* a 4xx with a reason, or the engine was not reached: nothing was done */
        DOCKER_FAILED,  /* a 5xx: perhaps something was done */
        DOCKER_UNKNOWN, /* bytes were sent and no valid answer came */
};

/*
 * Changes. On a connection of its own, so that no client library sends it again
 * on the ground that its method is idempotent. `success` ends with 0. What is
 * not DOCKER_DONE is said in `err`.
 */
enum docker_fate docker_change(struct docker *docker, struct arena *arena, const char *method,
                               struct str target, struct str body, int64_t timeout_ms, const int *success,
                               struct docker_answer *ret, struct err *err) MUST_USE;

/* Opens a stream; true for 200 only. The client is the stream's own, freed by docker_stream_close. */
struct docker_body {
        struct http_client *client;
        struct http_stream *stream;
};
bool docker_open(struct docker *docker, const char *method, struct str target, int64_t read_timeout_ms,
                 struct docker_body *ret, struct err *err) MUST_USE;
void docker_body_close(struct docker_body *body);

/* Printable text of at most `size` - 1 bytes, cut at a character. */
void docker_say(struct str text, char *ret, size_t size);

/* ---- docker_target.c ------------------------------------------------------------------------------ */

bool docker_resolve(struct connector *connector, struct arena *arena,
                    const struct catalogue_operation *operation, struct str target,
                    struct connector_facts *ret, struct err *err);
bool docker_check(struct connector *connector, struct arena *arena, const struct statement *statement,
                  struct err *err);
/* The engine's path of a thing: "/v1.41/containers/<id>"; `tail` is appended. */
struct str docker_path(struct arena *arena, enum target_kind kind, struct str id, const char *tail);
/* What the engine says of it; `ret->status` 404 when it is not there. */
bool docker_inspect(struct docker *docker, struct arena *arena, enum target_kind kind, struct str id,
                    struct docker_answer *ret, struct err *err) MUST_USE;

/* ---- docker_view.c: what is printed ------------------------------------------------------------------ */

bool docker_print_containers(const struct json *list, struct output *output, struct err *err) MUST_USE;
bool docker_print_images(const struct json *list, struct output *output, struct err *err) MUST_USE;
/* Without the values of environment variables: that is where secrets are. */
bool docker_print_container(const struct json *container, struct output *output, struct err *err) MUST_USE;

/* ---- docker_create.c ------------------------------------------------------------------------------ */

/* The body of POST /containers/create. */
bool docker_create_body(struct arena *arena, const struct statement *statement, struct str *ret,
                        struct err *err) MUST_USE;
void docker_create(struct docker *docker, struct arena *arena, const struct statement *statement,
                   struct output *output, struct connector_result *ret);
void docker_run_container(struct docker *docker, struct arena *arena, const struct statement *statement,
                          struct output *output, struct connector_result *ret);

/* ---- docker_reconcile.c ----------------------------------------------------------------------------- */

void docker_reconcile(struct connector *connector, struct arena *arena, const struct statement *statement,
                      int64_t begun_ms, struct connector_result *ret);
/*
 * For a change whose fate is DOCKER_FAILED or DOCKER_UNKNOWN: asks what is there,
 * and turns that and `why` into the result.
 */
void docker_find_out(struct docker *docker, struct arena *arena, const struct statement *statement,
                     int64_t begun_ms, enum docker_fate fate, const struct err *why,
                     struct connector_result *ret);
