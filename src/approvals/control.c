/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals/control.h"

#include "api/outbox.h"
#include "api/request.h"
#include "api/services.h"
#include "approvals/content.h"
#include "approvals/entry.h"
#include "approvals/move.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/id.h"
#include "base/log_line.h"
#include "log/log.h"

#include <pthread.h>

enum { OPERATIONS_MAX = 32, SWEEP_MAX = 16, SCRATCH_BYTES = 4 << 20 };

/* An action that this process runs; on the stack of the thread that does. */
struct running {
        struct str action;
        struct running *next;
};

struct control {
        const struct control_operation *operations[OPERATIONS_MAX];
        unsigned count;
        pthread_mutex_t lock; /* of running */
        pthread_cond_t ended;
        struct running *running;
};

struct control *control_new(void)
{
        struct control *control = heap_alloc_zeroed(1, sizeof(*control));

        if (control) {
                (void)pthread_mutex_init(&control->lock, NULL);
                (void)pthread_cond_init(&control->ended, NULL);
        }
        return control;
}

void control_free(struct control *control)
{
        if (!control)
                return;
        (void)pthread_mutex_destroy(&control->lock);
        (void)pthread_cond_destroy(&control->ended);
        heap_free(control);
}

void control_register(struct control *control, const struct control_operation *operation)
{
        if (control->count < OPERATIONS_MAX)
                control->operations[control->count++] = operation;
}

static const struct control_operation *find(const struct services *services, struct str name,
                                            struct err *err)
{
        const struct control *control = services->control;

        for (unsigned i = 0; control && i < control->count; i++)
                if (str_is(name, control->operations[i]->name))
                        return control->operations[i];
        (void)err_set(err, ERR_INTERNAL, "nobody here runs %.*s", STR_ARG(name));
        return NULL;
}

/* ---- asking ------------------------------------------------------------------------------------ */

void control_fact(struct arena *arena, struct json *facts, const char *name, struct str value)
{
        struct json_member *members = ARENA_ARRAY(arena, struct json_member, STATEMENT_FACTS_MAX);

        if (!members || facts->count >= STATEMENT_FACTS_MAX)
                return; /* the arena says so at the end */
        if (facts->count > 0)
                memcpy(members, facts->members, facts->count * sizeof(*members));
        members[facts->count++] = (struct json_member){
                .key = str_from(name), .value = {.type = JSON_STRING, .string = arena_str(arena, value)}};
        facts->members = members;
}

bool control_check_place(struct str connector, struct str environment, struct err *err)
{
        bool control = str_is(connector, CONTROL_CONNECTOR);

        if (control == str_is(environment, CONTROL_ENVIRONMENT))
                return true;
        return control ? err_set_at(err, ERR_BAD_FIELD, "/environment",
                                    "the server's own operations are asked for in the environment \"%s\"",
                                    CONTROL_ENVIRONMENT)
                       : err_set_at(err, ERR_BAD_FIELD, "/environment",
                                    "the environment \"%s\" is the server's own", CONTROL_ENVIRONMENT);
}

struct resolving {
        const struct control_operation *operation;
        struct str target;
        const struct json *parameters;
        struct json *facts;
};

static bool resolve_work(struct request *req, void *arg, struct err *err)
{
        struct resolving *resolving = arg;

        return resolving->operation->resolve(req->tx, req->workspace, resolving->target,
                                             resolving->parameters, resolving->facts, err);
}

FIBER_FN bool control_resolve(struct request *req, const struct catalogue_operation *operation,
                              struct str target, const struct json *parameters, struct json *ret_facts,
                              struct err *err)
{
        struct resolving resolving = {
                .operation = find(req->services, str_from(operation->name), err),
                .target = target,
                .parameters = parameters,
                .facts = ret_facts,
        };

        return resolving.operation && request_read(req, resolve_work, &resolving, err) &&
               arena_check(req->arena, err);
}

/* ---- running ----------------------------------------------------------------------------------- */

/* The chain from its first version, as an executor follows it; nothing is believed because it is stored. */
static bool follow_rosters(struct tx *tx, struct roster *ret, struct err *err)
{
        SQL_SCOPED(roster_version_list) c = {0};
        struct sql_roster_version_last_row row;
        struct roster standing;
        bool any = false, has;

        if (!sql_roster_version_list_open(tx, 0, INT64_MAX, &c, err))
                return false;
        for (;;) {
                struct dsse_envelope envelope;

                if (!sql_roster_version_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                if (!dsse_parse(tx_arena(tx), row.envelope, &envelope, err) ||
                    !roster_accept(tx_arena(tx), any ? &standing : NULL, tx_tenant(tx), &envelope, ret, err))
                        return err_prefix(err, "roster version %lld", (long long)row.version);
                standing = *ret;
                any = true;
        }
        return any || err_set(err, ERR_NOT_ON_ROSTER, "the tenant has no roster");
}

static bool same(const char *what, struct str theirs, struct str ours, struct err *err)
{
        return str_eq(theirs, ours) ||
               err_set(err, ERR_BAD_ENVELOPE, "the statement is for %s \"%.*s\", not for \"%.*s\"", what,
                       STR_ARG(str_slice(theirs, 0, 64)), STR_ARG(ours));
}

/* The executor's checks (docs/protocol.md, "Claim"); the floor is one decision, the journal is the row. */
static bool verify(struct tx *tx, const struct control_run *run, struct action *action,
                   struct statement *ret, struct err *err)
{
        const struct catalogue_operation *operation;
        struct dsse_envelope envelope;
        struct roster roster;
        unsigned people;

        return follow_rosters(tx, &roster, err) &&
               approvals_envelope(tx, action, &roster, &envelope, &people, err) &&
               statement_parse(tx_arena(tx), envelope.payload, ret, err) &&
               same("tenant", ret->tenant, tx_tenant(tx), err) &&
               same("workspace", ret->workspace, run->workspace, err) &&
               same("environment", ret->environment, STR(CONTROL_ENVIRONMENT), err) &&
               same("connector", ret->connector, STR(CONTROL_CONNECTOR), err) &&
               same("action", ret->action, run->action, err) && statement_check(ret, &operation, err) &&
               quorum_check(&roster, ret, &envelope, 1, err);
}

static bool claim(struct tx *tx, const struct control_run *run, struct id *ret_claim, struct err *err)
{
        int64_t changes;

        *ret_claim = id_new("clm");
        if (!sql_action_control_claim(tx, run->action, id_str(ret_claim), run->now_ms, &changes, err))
                return false;
        return changes == 1 || err_set(err, ERR_ACTION_NOT_APPROVED, "the action is not approved any more");
}

/* Outcome, log entry and event: one with the claim and with the effect, if there was one. */
static bool record(struct tx *tx, const struct control_run *run, const struct id *claim_id,
                   const struct err *failure, struct err *err)
{
        struct str message = failure ? str_from(failure->message) : run->message;
        enum action_state state = failure ? ACTION_FAILED : ACTION_SUCCEEDED;
        struct log_resource resource = {.type = "action", .id = run->action};
        struct log_position position;
        struct action action;
        int64_t changes;

        if (!sql_action_control_report(tx, run->action, id_str(claim_id), str_from(action_state_name(state)),
                                       message.len > 0 ? str_slice(message, 0, 500) : STR("Done."),
                                       run->now_ms, clock_now_ms(), &changes, err) ||
            !approvals_get(tx, run->workspace, run->action, &action, err) ||
            !content_close(tx, &action.row, err))
                return false;
        if (changes != 1)
                return err_set(err, ERR_INTERNAL, "the claim of %.*s was lost", STR_ARG(run->action));

        struct log_detail details[] = {{"claim", id_str(claim_id)},
                                       {"digest", action.row.digest},
                                       {"outcome", str_from(action_state_name(state))},
                                       {"target", action.row.target}};
        struct log_event event = {.time_ms = run->now_ms,
                                  .activity = LOG_UPDATE,
                                  .failed = failure != NULL,
                                  .operation = action.row.operation,
                                  .code = failure ? str_from(err_name(failure->code)) : STR(""),
                                  .actor = LOG_SYSTEM,
                                  .source = STR("server"),
                                  .workspace = run->workspace,
                                  .resources = &resource,
                                  .resource_count = 1,
                                  .details = details,
                                  .detail_count = sizeof(details) / sizeof(details[0])};

        return log_append(tx, &event, &position, err) &&
               approvals_note_entry(tx, run->action, &position, err) &&
               outbox_append(tx, "action.reported", run->action, approvals_event_data(tx_arena(tx), &action),
                             run->now_ms, err);
}

struct execution {
        const struct control_operation *operation;
        struct control_run run;
        struct statement statement;
        struct err failure;
        bool effect_failed; /* `run` refused; the rest of its transaction was in order */
};

static bool run_work(struct tx *tx, void *arg, struct err *err)
{
        struct execution *execution = arg;
        struct control_run *run = &execution->run;
        struct action action;
        struct id claim_id;

        if (!approvals_get(tx, run->workspace, run->action, &action, err))
                return false;
        if (action.state != ACTION_APPROVED || action_is_due(&action, run->now_ms))
                return err_set(err, ERR_ACTION_NOT_APPROVED, "the action is not approved any more");
        if (!verify(tx, run, &action, &execution->statement, err) || !claim(tx, run, &claim_id, err))
                return false;
        run->statement = &execution->statement;
        run->target = statement_fact(run->statement, "id");
        if (!execution->operation->run(tx, run, err)) {
                execution->effect_failed = true;
                return false;
        }
        return record(tx, run, &claim_id, NULL, err);
}

static bool fail_work(struct tx *tx, void *arg, struct err *err)
{
        struct execution *execution = arg;
        struct id claim_id;

        return claim(tx, &execution->run, &claim_id, err) &&
               record(tx, &execution->run, &claim_id, &execution->failure, err);
}

/* The transaction with the effect; or, when the effect was refused, one that says so. */
static BLOCKING_FN bool run_once(struct execution *execution, struct arena *arena, struct err *err)
{
        struct store *store = execution->run.services->store;

        if (store_write(store, &execution->run.cell, arena, run_work, execution, err))
                return true;
        if (err->code == ERR_ACTION_NOT_APPROVED && !execution->effect_failed)
                return true; /* somebody else was first, or its time is up */
        if (!execution->effect_failed || err_status(err->code) >= 500)
                return false;
        execution->failure = *err;
        return store_write(store, &execution->run.cell, arena, fail_work, execution, err) ||
               err->code == ERR_ACTION_NOT_APPROVED;
}

struct looking {
        struct str workspace, action;
        struct action found;
};

static bool look_work(struct tx *tx, void *arg, struct err *err)
{
        struct looking *looking = arg;

        return approvals_get(tx, looking->workspace, looking->action, &looking->found, err);
}

static struct str target_of(struct arena *arena, const struct action *action)
{
        struct statement statement;
        struct err ignored;

        if (!statement_parse(arena, action->row.statement, &statement, &ignored))
                return STR("");
        return statement_fact(&statement, "id");
}

static bool is_running(const struct control *control, struct str action)
{
        for (const struct running *running = control->running; running; running = running->next)
                if (str_eq(running->action, action))
                        return true;
        return false;
}

/*
 * The decision that approved it and the sweep may come to an action in the same moment. The row decides who
 * has its effect; but `prepare` and `finish` reach beyond it, so here the later one waits and looks again.
 */
static BLOCKING_FN void running_begin(struct control *control, struct running *own)
{
        (void)pthread_mutex_lock(&control->lock);
        while (is_running(control, own->action))
                (void)pthread_cond_wait(&control->ended, &control->lock);
        own->next = control->running;
        control->running = own;
        (void)pthread_mutex_unlock(&control->lock);
}

static void running_end(struct control *control, struct running *own)
{
        struct running **at = &control->running;

        (void)pthread_mutex_lock(&control->lock);
        while (*at != own)
                at = &(*at)->next;
        *at = own->next;
        (void)pthread_cond_broadcast(&control->ended);
        (void)pthread_mutex_unlock(&control->lock);
}

static BLOCKING_FN bool execute(const struct services *services, const struct cell_ref *cell,
                                struct str workspace, struct str action, struct err *err)
{
        struct looking looking = {.workspace = workspace, .action = action};
        struct execution execution = {.run = {.services = services,
                                              .cell = *cell,
                                              .workspace = workspace,
                                              .action = action,
                                              .message = STR(""),
                                              .now_ms = clock_now_ms()}};
        const struct control_operation *operation;
        ARENA_SCOPED arena;
        struct err late;
        bool ok;

        arena_init(&arena, SCRATCH_BYTES);
        if (!store_read(services->store, cell, &arena, look_work, &looking, err))
                return err->code == ERR_NOT_FOUND; /* it went with its tenant */
        if (looking.found.state != ACTION_APPROVED ||
            !str_is(looking.found.row.connector, CONTROL_CONNECTOR))
                return true;
        operation = execution.operation = find(services, looking.found.row.operation, err);
        if (!operation)
                return false;
        execution.run.target = target_of(&arena, &looking.found);
        if (operation->prepare && !operation->prepare(&execution.run, err))
                return false;
        ok = run_once(&execution, &arena, err);
        if (operation->finish && !operation->finish(&execution.run, ok ? err : &late))
                return false;
        return ok;
}

BLOCKING_FN bool control_execute(const struct services *services, const struct cell_ref *cell,
                                 struct str workspace, struct str action, struct err *err)
{
        struct running own = {.action = action};
        bool ok;

        running_begin(services->control, &own);
        ok = execute(services, cell, workspace, action, err);
        running_end(services->control, &own);
        return ok;
}

static void log_failure(struct str tenant, struct str action, const struct err *err)
{
        log_line(LOG_ERROR, "an approved change of the control plane could not be run",
                 LOG_STR("tenant", tenant), LOG_STR("action", action), LOG_C("error", err->message));
}

struct after {
        const struct services *services;
        struct cell_ref cell;
        struct str workspace, action;
};

/* On a thread. */
static void after_blocking(void *arg)
{
        const struct after *after = arg;
        struct err err;

        if (!control_execute(after->services, &after->cell, after->workspace, after->action, &err))
                log_failure(after->cell.tenant, after->action, &err);
}

FIBER_FN void control_after_decision(struct request *req, const struct action *action)
{
        struct after after = {.services = req->services,
                              .cell = {.tenant = req->tenant, .region = req->region},
                              .workspace = req->workspace,
                              .action = action->row.id};

        if (action->state == ACTION_APPROVED && str_is(action->row.connector, CONTROL_CONNECTOR))
                fiber_offload(after_blocking, &after);
}

/* ---- after a restart --------------------------------------------------------------------------- */

struct sweeping {
        int64_t now_ms;
        struct sql_action_control_list_row rows[SWEEP_MAX];
        size_t count;
};

static bool list_work(struct tx *tx, void *arg, struct err *err)
{
        struct sweeping *sweeping = arg;
        SQL_SCOPED(action_control_list) c = {0};
        bool has = true;

        if (!sql_action_control_list_open(tx, sweeping->now_ms, SWEEP_MAX, &c, err))
                return false;
        while (sweeping->count < SWEEP_MAX) {
                if (!sql_action_control_list_next(&c, &sweeping->rows[sweeping->count], &has, err))
                        return false;
                if (!has)
                        break;
                sweeping->count++;
        }
        return true;
}

BLOCKING_FN void control_sweep(const struct services *services, const struct cell_ref *cell)
{
        struct sweeping sweeping = {.now_ms = clock_now_ms()};
        ARENA_SCOPED arena = {0};
        struct err err;

        if (!services->control)
                return;
        arena_init(&arena, SCRATCH_BYTES);
        if (!store_read(services->store, cell, &arena, list_work, &sweeping, &err)) {
                if (err.code != ERR_NOT_FOUND)
                        log_failure(cell->tenant, STR("-"), &err);
                return;
        }
        for (size_t i = 0; i < sweeping.count; i++)
                if (!control_execute(services, cell, sweeping.rows[i].workspace_id, sweeping.rows[i].id,
                                     &err))
                        log_failure(cell->tenant, sweeping.rows[i].id, &err);
}
