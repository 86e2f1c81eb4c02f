/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authorization: who may do what, where. The pipeline asks for every request,
 * so there is a quick form that looks into a cache only and never blocks, and a
 * blocking form that the pipeline gives to a thread.
 *
 * Whoever changes roles, groups, bindings or a principal calls
 * access_forget_on_commit; all nodes hear of it, and a node that cannot hear
 * remembers nothing.
 */
#pragma once

#include "access/rules.h"
#include "api/request.h"
#include "io/fiber.h"

struct access; /* the caches; services.access */

/* NULL: err says why. `services` outlives it. */
struct access *access_new(const struct services *services, struct err *err) MUST_USE;
void access_free(struct access *access);
const struct condition_env *access_env(const struct access *access);

/* The rules of a principal, held, or NULL when they are not in the cache. Any thread. */
struct access_rules *access_rules_quick(struct access *access, struct str principal);
BLOCKING_FN bool access_rules_get(struct access *access, const struct cell_ref *home, struct str principal,
                                  struct access_rules **ret, struct err *err) MUST_USE;

/* What is known of a workspace, for conditions and for bindings at its organization. */
struct access_place {
        struct str organization;
        struct str region;
        struct str data_mode;
        struct str owner;
        struct str labels; /* a JSON object, or "" */
};
/* Strings in the arena. False: not in the cache. */
bool access_place_quick(struct access *access, struct arena *arena, struct str workspace,
                        struct access_place *ret);
/* NOT_FOUND. `cell`: where the workspace's row is. */
BLOCKING_FN bool access_place_get(struct access *access, struct arena *arena, const struct cell_ref *cell,
                                  struct str workspace, struct access_place *ret, struct err *err) MUST_USE;

/*
 * Forgets, when the transaction is durable, on all nodes: the rules of the
 * principal with this id, or of all principals of the tenant with this id, or
 * what is known of the workspace with this id.
 */
bool access_forget_on_commit(const struct services *services, struct tx *tx, struct str id,
                             struct err *err) MUST_USE;
/* What another node says ("a …"); NULL: anything may have changed. Any thread. */
void access_hear(struct access *access, struct str message);

/* ---- in a request ---------------------------------------------------------------------------------- */

/* Made by the pipeline; req->access. */
struct access_request {
        const struct access *access;
        struct access_rules *rules; /* held */
        struct access_facts facts;
};

/* What only the handler knows. */
struct access_resource {
        struct str type; /* "action" */
        struct str id;
        struct str owner;       /* a principal's id; "" for nobody's */
        struct str environment; /* "prd"; "" where it has none */
        /* Where it is, when the request itself does not say; {NULL, 0}: as the request says. */
        struct str organization;
        struct str workspace;
};

/*
 * For operations whose row has `late`: whether the caller may do it to this
 * resource. FORBIDDEN, naming the permission. Such a handler asks before it
 * changes or shows anything: the pipeline takes back what a handler did without
 * asking.
 */
bool access_check_resource(struct request *req, const struct access_resource *resource,
                           struct err *err) MUST_USE;
/* Another permission than the row's, at the request's level, on `resource` (NULL: nothing more is known). */
bool access_check(struct request *req, enum permission permission, const struct access_resource *resource,
                  struct err *err) MUST_USE;
/*
 * Whether the row's permission still holds, for what goes on after the request began; in a transaction on
 * the tenant's home cell.
 */
bool access_still_allowed(struct request *req, bool *ret, struct err *err) MUST_USE;
/* FORBIDDEN for the permission, in words; `answer` may say which binding decided. */
bool access_refuse(struct request *req, struct str permission, const struct access_answer *answer,
                   struct err *err);

/*
 * Whether a token that is bound to one workspace (docs/identity.md) would change what is the whole
 * tenant's: with a key for itself it would be bound no more.
 */
bool access_is_beyond_bound(const struct request *req, enum permission permission);

/* ---- in a transaction on the tenant's home cell ---------------------------------------------------------
 */

/*
 * Whether the caller holds all that a principal holds, so that acting for it
 * (a session, a new password) raises nobody: FORBIDDEN otherwise. A caller whose
 * credential is limited to scopes acts for nobody this way, not for itself either.
 */
bool access_check_reach(struct request *req, struct str principal, struct err *err) MUST_USE;
/*
 * The same for a credential that is limited to `scopes` (names with blanks between; {NULL, 0}: not
 * limited): the caller's own limit must hold them all.
 */
bool access_check_reach_scoped(struct request *req, struct str principal, struct str scopes,
                               struct err *err) MUST_USE;
/* CONFLICT when nobody would be left who can manage principals and bindings of the tenant. */
bool access_check_administrators(const struct access *access, struct tx *tx, struct err *err) MUST_USE;
