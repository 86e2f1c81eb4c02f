/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which policies are in force where: read from the directory (the platform's and
 * the tier's), from the tenant's home cell (the tenant's) and from the cell of
 * the workspace (its own), compiled, and remembered. Whoever changes one of them
 * calls policies_forget_on_commit; all nodes hear of it, and a node that cannot
 * hear remembers nothing.
 */
#pragma once

#include "api/request.h"
#include "policy/policy_document.h"
#include "store/store.h"

struct policies; /* services.policies */

/* What is in force in one workspace; shared, constant. */
struct policy_force {
        struct policy_set set;
        bool guarded;    /* changes of the tenant's policies need approval */
        char tier[16];   /* the tenant's */
        char region[33]; /* the tenant's home */
};

/* NULL without memory. `services` outlives it. */
struct policies *policies_new(const struct services *services);
void policies_free(struct policies *policies);

/*
 * What is in force in the request's workspace; where it has none, what the
 * tenant has. Release it. INTERNAL when a stored policy cannot be read: then
 * nothing is decided.
 */
FIBER_FN bool policies_of_request(struct request *req, struct policy_force **ret, struct err *err) MUST_USE;
void policy_force_release(struct policy_force *force);

/* Fills tenant, tier, workspace, labels, data mode, requester and time from a request. */
FIBER_FN bool policies_input(struct request *req, const struct policy_force *force, struct policy_input *ret,
                             struct err *err) MUST_USE;

/*
 * Forgets, when the transaction is durable, on all nodes, what is in force for
 * the tenant or in the workspace with this id; "" for everybody.
 */
bool policies_forget_on_commit(const struct services *services, struct tx *tx, struct str id,
                               struct err *err) MUST_USE;
/* What another node says ("y …"); NULL: anything may have changed. Any thread. */
void policies_hear(struct policies *policies, struct str message);

/* ---- changing them: in a write transaction ---- */

struct policy_change {
        const struct services *services;
        enum policy_layer layer;
        struct str scope; /* POLICY_WORKSPACE: its id; POLICY_TIER: its name; else "" */
        struct str definition;
        struct str
                workspace; /* the only one that the definition may be of; {NULL, 0}: any of the tenant's */
        struct str digest; /* of what was approved, or {NULL, 0} */
        struct str action; /* what was approved, or {NULL, 0} */
        struct str by;
        int64_t now_ms;
};

struct policy_document_row {
        struct str id, name, version, digest, content;
};

/*
 * Whether the definition can be put into force at that layer by this cell's
 * tenant: NOT_FOUND, CONFLICT (a draft; no policy; another workspace's),
 * FORBIDDEN (the platform's layers), WRONG_REGION (the tenant's, away from home).
 */
bool policy_change_check(struct tx *tx, const struct policy_change *change, struct policy_document_row *ret,
                         struct err *err) MUST_USE;
/* LIMIT_REACHED: the layer is full. TARGET_CHANGED: another digest than was approved. */
bool policy_change_activate(struct tx *tx, const struct policy_change *change,
                            struct policy_document_row *ret, struct err *err) MUST_USE;
/* NOT_FOUND when it is not in force there. */
bool policy_change_deactivate(struct tx *tx, const struct policy_change *change, struct err *err) MUST_USE;
bool policy_change_guard(struct tx *tx, const struct services *services, bool guarded, struct str by,
                         int64_t now_ms, struct err *err) MUST_USE;
/* Whether this cell, when it is the tenant's home, says that changes need approval. */
bool policy_change_guarded(struct tx *tx, bool *ret, struct err *err) MUST_USE;

/*
 * Brings the directory to what the platform's tenant, whose home cell this is,
 * has in force for the platform and for tiers. May be repeated.
 */
BLOCKING_FN bool policies_publish_platform(const struct services *services, const struct cell_ref *home,
                                           struct err *err) MUST_USE;
