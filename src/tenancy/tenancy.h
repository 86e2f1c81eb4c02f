/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tenants, each with a first organization and workspace and an administrator.
 * The directory knows which tenants and workspaces there are and where; the
 * tenant's own cell holds its own copy and everything else.
 *
 * A tenant comes to be in three steps, each durable: its name is reserved in
 * the directory, its cell is made and filled, and it is activated. What a crash
 * left between two steps is cleared at the next start, and was never visible.
 */
#pragma once

#include "base/arena.h"
#include "base/id.h"
#include "identity/identity.h"
#include "io/fiber.h"
#include "store/store.h"

struct services;

/* At the start, before anything is served: clears what was left half-made. Blocks. */
bool tenancy_start(const struct services *services, struct err *err) MUST_USE;

/* ---- making a tenant --------------------------------------------------------------------------- */

struct tenancy_plan {
        /* Given */
        struct str name;
        struct str tier; /* "basic", "standard", "enterprise" */
        struct str region;
        struct str administrator; /* the first administrator's name */
        bool platform;            /* its administrators may list and create tenants */
        /* Filled by tenancy_make */
        struct id tenant, organization, workspace, principal, key;
        int64_t created_ms;
        struct credential credential; /* the administrator's API key; wipe it after showing */
};

/*
 * All three steps, blocks. `actor` is who asked, for the first entry of the new
 * tenant's log; empty for the system itself. ALREADY_EXISTS when the name is taken.
 */
bool tenancy_make(const struct services *services, struct tenancy_plan *plan, struct str actor,
                  struct err *err) MUST_USE;

/*
 * The same in two halves, for a reply that is kept in between: whoever notes
 * the tenant as made, in a transaction of the platform's own cell, can rely on
 * it being activated, by a start if need be. Not noted, it is cleared.
 */
bool tenancy_prepare(const struct services *services, struct tenancy_plan *plan, struct str actor,
                     struct err *err) MUST_USE;
bool tenancy_note_made(struct tx *tx, const struct tenancy_plan *plan, struct err *err) MUST_USE;
bool tenancy_activate(const struct services *services, const struct tenancy_plan *plan,
                      struct err *err) MUST_USE;

/*
 * For the start on an empty store: the tenant `default`, which is the
 * platform's own. *ret_made is false, and nothing else is filled, when there is
 * a tenant already, or when another node that started at the same time has made
 * it; that is waited for. Blocks. Writes the log's first entry.
 */
bool tenancy_bootstrap(const struct services *services, struct str region, struct tenancy_plan *ret_plan,
                       bool *ret_made, struct err *err) MUST_USE;

/* ---- reading, inside a transaction on a cell ------------------------------------------------------ */

struct tenancy_workspace {
        struct str id;
        struct str name;
        struct str organization;
        struct str region;
        int64_t created_ms;
};

/* NOT_FOUND. */
bool tenancy_workspace_get(struct tx *tx, struct str id, struct tenancy_workspace *ret,
                           struct err *err) MUST_USE;
