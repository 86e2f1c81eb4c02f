/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes to the control plane itself that people must approve: deleting a
 * tenant, promoting a definition, changing a policy. They are actions like any
 * other (statement, rendering, decisions, log) of the built-in connector
 * `countersign`, in the environment `control-plane`, which no executor can
 * have. Once the requirement is met the server runs them itself:
 *
 *   1. `prepare`, if there is one: outside of a transaction; may be repeated.
 *   2. In one write transaction of the cell: the envelope is verified against
 *      the tenant's chain of rosters from its first version, the claim is taken,
 *      `run` has its effect, the outcome and its log entry are written. All of
 *      it or nothing: what ran, ran once.
 *   3. `finish`, if there is one: outside of a transaction; may be repeated.
 *
 * When `run` fails for a reason of the thing itself (an error that is a 4xx),
 * its changes are taken back and the action is `failed` with that message. When
 * the store fails, the action stays approved, and is tried again when its
 * deadline or a restart brings the cell up.
 *
 * To add one: a row in src/catalogue/operations.c with the connector
 * "countersign", a struct control_operation, and a line in register_control
 * (src/server/server.c).
 */
#pragma once

#include "approvals/approvals.h"
#include "io/fiber.h"

#define CONTROL_CONNECTOR "countersign"
#define CONTROL_ENVIRONMENT "control-plane"

struct request;
struct services;
struct control; /* services.control: which operations there are */

/* One approved action that runs. */
struct control_run {
        const struct services *services;
        struct cell_ref cell;
        struct str workspace, action;      /* where it was asked, and its id */
        const struct statement *statement; /* verified; NULL in `finish` when it was not run by this call */
        struct str target;                 /* the fact `id` */
        int64_t now_ms;
        bool ready; /* for `prepare` to say to `run` and `finish` */
        /* For the effect to fill: what a person should know, a string that outlives the call; may stay
         * empty. */
        struct str message;
};

struct control_operation {
        const char *name; /* as in the catalogue */
        /*
         * At the submission in `workspace`, in a read transaction of its cell: whether it can be asked for
         * at all, and the facts about the target (control_fact; `id` at least), which are frozen in the
         * statement. Whoever asks is known to see the workspace, not what others hold. Errors with the
         * place /target are the asker's.
         */
        bool (*resolve)(struct tx *tx, struct str workspace, struct str target,
                        const struct json *parameters, struct json *facts, struct err *err);
        /* NULL: nothing to do. Blocks. */
        bool (*prepare)(struct control_run *run, struct err *err);
        /* The effect, in the write transaction. It checks again what `resolve` has checked. */
        bool (*run)(struct tx *tx, struct control_run *run, struct err *err);
        /*
         * NULL: nothing to do. Blocks. Called after the transaction whether it was committed or taken back:
         * looks at what stands, and completes or undoes what `prepare` has begun.
         */
        bool (*finish)(const struct control_run *run, struct err *err);
};

/* NULL without memory. */
struct control *control_new(void);
void control_free(struct control *control);
/* At the start only. `operation` outlives it. */
void control_register(struct control *control, const struct control_operation *operation);

/* Adds a fact to an object of facts; the strings are copied into the arena. */
void control_fact(struct arena *arena, struct json *facts, const char *name, struct str value);

/* Whether connector and environment go together. BAD_FIELD at /environment. */
bool control_check_place(struct str connector, struct str environment, struct err *err) MUST_USE;

/* The facts of the target of an action that is being asked for. */
FIBER_FN bool control_resolve(struct request *req, const struct catalogue_operation *operation,
                              struct str target, const struct json *parameters, struct json *ret_facts,
                              struct err *err) MUST_USE;

/*
 * Runs the action if it is an approved one of this connector; otherwise does
 * nothing. False when it could not be run or recorded now; that it failed is an
 * outcome, not an error. While another thread of this process runs it, waits:
 * `prepare` and `finish` have one caller at a time.
 */
BLOCKING_FN bool control_execute(const struct services *services, const struct cell_ref *cell,
                                 struct str workspace, struct str action, struct err *err) MUST_USE;
/* The same, for a handler that has just counted a decision. Failures are logged. */
FIBER_FN void control_after_decision(struct request *req, const struct action *action);
/* Whatever of the cell is approved and waits for the server. Failures are logged. */
BLOCKING_FN void control_sweep(const struct services *services, const struct cell_ref *cell);
