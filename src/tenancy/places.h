/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How tenants and workspaces stand, for the pipeline: asked for every request,
 * so each question has a quick form that looks into a cache of fixed size and
 * never blocks, and a blocking form for a thread.
 *
 * Whoever changes what is asked for here calls places_forget_on_commit in the
 * transaction that changes it: every node then forgets it, and whoever waits
 * looks again whether they still may.
 */
#pragma once

#include "base/id.h"
#include "io/fiber.h"
#include "store/store.h"

struct services;
struct places; /* services.places */

enum { PLACE_REGION_SIZE = 33 };

enum tier { TIER_BASIC, TIER_STANDARD, TIER_ENTERPRISE, TIER_COUNT };
/* "basic", …; false for another word. */
bool tier_from(struct str name, enum tier *ret) MUST_USE;

enum place_state {
        PLACE_ACTIVE,
        PLACE_SUSPENDED, /* a tenant: nobody may do anything; a workspace: it can be read */
        PLACE_ARCHIVED,  /* it can be read, resumed and deleted */
        PLACE_CLOSED,    /* it is being deleted, or was */
};

struct tenant_place {
        struct id tenant;
        enum place_state state;
        enum tier tier;
        char region[PLACE_REGION_SIZE]; /* home */
};

struct workspace_place {
        struct id workspace;
        struct id tenant;
        enum place_state state;
        char region[PLACE_REGION_SIZE];
};

/* NULL without memory. `services` outlives it. */
struct places *places_new(const struct services *services);
void places_free(struct places *places);

/* False: not in the cache, or the cache cannot be trusted now. Any thread. */
bool places_tenant_quick(struct places *places, struct str tenant, struct tenant_place *ret);
bool places_workspace_quick(struct places *places, struct str workspace, struct workspace_place *ret);
/* NOT_FOUND. */
BLOCKING_FN bool places_tenant(struct places *places, struct str tenant, struct tenant_place *ret,
                               struct err *err) MUST_USE;
BLOCKING_FN bool places_workspace(struct places *places, struct str workspace, struct workspace_place *ret,
                                  struct err *err) MUST_USE;

/* Grows whenever something is forgotten: who has waited meanwhile looks again. */
uint64_t places_generation(struct places *places);

/*
 * In a transaction on the directory: when it is durable, every node forgets
 * what it knows of this tenant or workspace, and everybody who waits wakes.
 */
bool places_forget_on_commit(const struct services *services, struct tx *tx, struct str id,
                             struct err *err) MUST_USE;
/* What another node says ("p …"); NULL: anything may have changed. Any thread. */
void places_hear(struct places *places, struct str message);
