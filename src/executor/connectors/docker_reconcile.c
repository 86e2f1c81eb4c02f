/* SPDX-License-Identifier: Apache-2.0 */
/* What became of an operation whose end nobody saw: ask the engine what is there. */
#include "executor/connectors/docker_private.h"

#include "base/clock.h"

#include <stdio.h>

/* What the engine shows of an operation's effect. */
enum trace {
        TRACE_DONE,    /* the effect is there */
        TRACE_NONE,    /* it is not, or not yet */
        TRACE_HALF,    /* a part of it is: a container made and not started */
        TRACE_FAILED,  /* it ran and failed */
        TRACE_NO_TELL, /* it leaves no trace to find */
        TRACE_SILENT,  /* the engine cannot be asked */
};

struct finding {
        enum trace trace;
        char words[ERR_MESSAGE_MAX - 200];
};

struct question {
        struct docker *docker;
        struct arena *arena;
        const struct statement *statement;
        int64_t begun_ms;
};

static struct finding found(enum trace trace, const char *format, ...) PRINTF_LIKE(2, 3);
static struct finding found(enum trace trace, const char *format, ...)
{
        struct finding finding = {.trace = trace};
        va_list args;

        va_start(args, format);
        vsnprintf(finding.words, sizeof(finding.words), format, args);
        va_end(args);
        return finding;
}

static bool started_since(const struct json *state, int64_t begun_ms)
{
        int64_t started_ms;

        return clock_parse(json_get_string(state, "StartedAt"), &started_ms) && started_ms >= begun_ms;
}

static bool is_running(const struct json *state)
{
        const struct json *running = json_get(state, "Running");

        return running && running->type == JSON_BOOL && running->boolean;
}

/* ---- one function for each kind of effect --------------------------------------------------------------
 */

static struct finding trace_gone(const struct question *q, enum target_kind kind)
{
        struct docker_answer answer;
        struct str created = statement_fact(q->statement, "created");
        struct err err;

        if (!docker_inspect(q->docker, q->arena, kind, statement_fact(q->statement, "id"), &answer, &err))
                return found(TRACE_SILENT, "%s", err.message);
        if (answer.status == 404)
                return found(TRACE_DONE, "the %s is gone", target_kind_name(kind));
        /* A volume has no id but its name; another one may have it now. */
        if (created.len > 0 && !str_eq(json_get_string(&answer.json, "CreatedAt"), created))
                return found(TRACE_DONE, "the %s is gone; another has its name", target_kind_name(kind));
        return found(TRACE_NONE, "the %s is still there", target_kind_name(kind));
}

static struct finding trace_state(const struct question *q)
{
        struct str operation = q->statement->operation;
        struct docker_answer answer;
        const struct json *state;
        bool running, started;
        struct err err;

        if (!docker_inspect(q->docker, q->arena, TARGET_CONTAINER, statement_fact(q->statement, "id"),
                            &answer, &err))
                return found(TRACE_SILENT, "%s", err.message);
        if (answer.status == 404)
                return found(TRACE_NO_TELL, "the container has been removed meanwhile");
        state = json_get(&answer.json, "State");
        running = is_running(state);
        started = started_since(state, q->begun_ms);
        if (str_is(operation, "container.stop"))
                return running ? found(TRACE_NONE, "the container still runs")
                               : found(TRACE_DONE, "the container is stopped");
        if (str_is(operation, "container.start"))
                return running || started ? found(TRACE_DONE, "the container was started")
                                          : found(TRACE_NONE, "the container was not started");
        if (str_is(operation, "container.restart")) {
                if (started)
                        return found(TRACE_DONE, "the container was started again");
                return running ? found(TRACE_NONE, "the container was not restarted")
                               : found(TRACE_HALF, "the container is stopped and not started again");
        }
        if (!str_is(parameter_string(&q->statement->parameters, "signal"), "SIGKILL"))
                return found(TRACE_NO_TELL, "a signal leaves no trace");
        return running && !started ? found(TRACE_NONE, "the container still runs")
                                   : found(TRACE_DONE, "the container was killed");
}

/* By the label that every container of ours carries. */
static bool find_made(const struct question *q, const struct json **ret_container, struct err *err)
{
        struct str filters = arena_printf(
                q->arena, "%%7B%%22label%%22%%3A%%5B%%22" DOCKER_ACTION_LABEL "%%3D%.*s%%22%%5D%%7D",
                STR_ARG(q->statement->action));
        struct str path = arena_printf(q->arena, DOCKER_API "/containers/json?all=true&filters=%.*s",
                                       STR_ARG(filters));
        struct docker_answer *answer = ARENA_NEW(q->arena, struct docker_answer);

        *ret_container = NULL;
        if (!arena_check(q->arena, err) || !docker_ask(q->docker, q->arena, path, answer, err))
                return false;
        if (answer->status != 200 || answer->json.type != JSON_ARRAY)
                return err_set(err, ERR_CONNECTOR_FAILED, "the Docker Engine does not list its containers");
        if (answer->json.count > 0)
                *ret_container = &answer->json.items[0];
        return true;
}

static struct finding trace_ended(const struct question *q, struct str id)
{
        struct docker_answer answer;
        int64_t exit_code;
        struct err err;

        if (!docker_inspect(q->docker, q->arena, TARGET_CONTAINER, id, &answer, &err))
                return found(TRACE_SILENT, "%s", err.message);
        if (!json_get_int(json_get(&answer.json, "State"), "ExitCode", &exit_code))
                return found(TRACE_NO_TELL, "the engine does not say how the container ended");
        return found(exit_code == 0 ? TRACE_DONE : TRACE_FAILED,
                     "the container %.12s ran and ended with exit code %lld", id.ptr, (long long)exit_code);
}

static struct finding trace_made(const struct question *q)
{
        bool run = str_is(q->statement->operation, "container.run");
        const struct json *container;
        struct str state, id;
        struct err err;

        if (!find_made(q, &container, &err))
                return found(TRACE_SILENT, "%s", err.message);
        if (!container)
                return run && parameter_bool(&q->statement->parameters, "auto_remove")
                               ? found(TRACE_NO_TELL,
                                       "no container is there; it may have run and been removed")
                               : found(TRACE_NONE, "no container was made");
        id = json_get_string(container, "Id");
        state = json_get_string(container, "State");
        if (id.len < 12)
                return found(TRACE_SILENT, "the Docker Engine names a container strangely");
        if (!run)
                return found(TRACE_DONE, "the container %.12s was created", id.ptr);
        if (str_is(state, "created"))
                return found(TRACE_HALF, "the container %.12s was created and not started", id.ptr);
        if (str_is(state, "running"))
                return found(TRACE_DONE, "the container %.12s was started and runs", id.ptr);
        return trace_ended(q, id);
}

static struct finding look(const struct question *q)
{
        const struct catalogue_operation *operation =
                catalogue_find(q->statement->connector, q->statement->operation);
        struct str name = q->statement->operation;

        if (!operation || operation->effect == EFFECT_READS)
                return found(TRACE_FAILED, "it was interrupted; it only reads, so nothing has changed, and "
                                           "it can be asked for again");
        if (str_ends(name, STR(".remove")))
                return trace_gone(q, operation->target);
        if (str_is(name, "container.create") || str_is(name, "container.run"))
                return trace_made(q);
        return trace_state(q);
}

/* How long the engine may still be at it: its own parameters say. */
static bool may_be_under_way(const struct question *q)
{
        int64_t own_ms = parameter_int(&q->statement->parameters, "timeout_seconds") * 1000;
        int64_t since_ms = clock_now_ms() - q->begun_ms;

        return since_ms >= 0 && since_ms < own_ms + q->docker->settle_ms;
}

static void conclude(const struct question *q, const struct finding *finding, const char *how,
                     struct connector_result *ret)
{
        bool open = finding->trace == TRACE_SILENT ||
                    (finding->trace != TRACE_DONE && finding->trace != TRACE_FAILED && may_be_under_way(q));

        if (finding->trace == TRACE_DONE)
                connector_result_set(ret, OUTCOME_SUCCEEDED, "%s: %s", how, finding->words);
        else if (finding->trace == TRACE_FAILED)
                connector_result_set(ret, OUTCOME_FAILED, "%s: %s", how, finding->words);
        else if (open || finding->trace == TRACE_NO_TELL)
                connector_result_set(ret, OUTCOME_INDETERMINATE, "%s: %s", how, finding->words);
        else
                connector_result_set(ret, OUTCOME_FAILED, "%s: %s", how, finding->words);
        ret->open = open;
}

void docker_reconcile(struct connector *connector, struct arena *arena, const struct statement *statement,
                      int64_t begun_ms, struct connector_result *ret)
{
        struct question q = {(struct docker *)connector, arena, statement, begun_ms};
        struct finding finding = look(&q);

        conclude(&q, &finding, "reconciled", ret);
}

void docker_find_out(struct docker *docker, struct arena *arena, const struct statement *statement,
                     int64_t begun_ms, enum docker_fate fate, const struct err *why,
                     struct connector_result *ret)
{
        struct question q = {docker, arena, statement, begun_ms};
        struct finding finding;
        char how[DOCKER_SAID_MAX];

        if (fate == DOCKER_REFUSED) {
                connector_result_set(ret, OUTCOME_FAILED, "%s", why->message);
                return;
        }
        docker_say(str_from(why->message), how, sizeof(how));
        finding = look(&q);
        if (fate == DOCKER_FAILED && (finding.trace == TRACE_NONE || finding.trace == TRACE_NO_TELL)) {
                /* The engine has said that it failed, and nothing speaks against it. */
                connector_result_set(ret, OUTCOME_FAILED, "%s", why->message);
                return;
        }
        conclude(&q, &finding, how, ret);
}
