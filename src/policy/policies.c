/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policies.h"

#include "access/access.h"
#include "api/services.h"
#include "base/heap.h"
#include "policy/policies_sql.h"
#include "tenancy/places.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { SETS = 512, WAYS = 4, CACHE_BYTES_MAX = 64 << 20, SCRATCH_BYTES = 16 << 20 };

struct held_force {
        struct policy_force force; /* first */
        atomic_uint holds;
        struct id tenant, workspace;
        size_t bytes;
        struct policy_document *owned[POLICY_LAYERS * POLICY_DOCUMENTS_MAX];
        unsigned owned_count;
};

struct policies {
        const struct services *services;
        pthread_mutex_t lock; /* of all below */
        uint64_t generation;  /* grows whenever something is forgotten */
        size_t bytes;
        unsigned hand;
        struct held_force *sets[SETS][WAYS];
};

struct policies *policies_new(const struct services *services)
{
        struct policies *policies = heap_alloc_zeroed(1, sizeof(*policies));

        if (!policies)
                return NULL;
        policies->services = services;
        if (pthread_mutex_init(&policies->lock, NULL) == 0)
                return policies;
        heap_free(policies);
        return NULL;
}

void policies_free(struct policies *policies)
{
        if (!policies)
                return;
        for (unsigned i = 0; i < SETS; i++)
                for (unsigned j = 0; j < WAYS; j++)
                        policy_force_release(policies->sets[i][j] ? &policies->sets[i][j]->force : NULL);
        (void)pthread_mutex_destroy(&policies->lock);
        heap_free(policies);
}

void policy_force_release(struct policy_force *force)
{
        struct held_force *held = (struct held_force *)force;

        if (!held || atomic_fetch_sub(&held->holds, 1) != 1)
                return;
        for (unsigned i = 0; i < held->owned_count; i++)
                policy_document_free(held->owned[i]);
        heap_free(held);
}

/* ---- the cache --------------------------------------------------------------------------------- */

/* FNV-1a; ids are random already. */
static struct held_force **set_of(struct policies *policies, struct str key)
{
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < key.len; i++)
                hash = (hash ^ (unsigned char)key.ptr[i]) * 16777619u;
        return policies->sets[(hash ^ hash >> 15) % SETS];
}

static struct str key_of(struct str tenant, struct str workspace)
{
        return workspace.len > 0 ? workspace : tenant;
}

static bool is_about(const struct held_force *held, struct str tenant, struct str workspace)
{
        return str_is(tenant, held->tenant.text) && str_is(workspace, held->workspace.text);
}

static struct held_force *quick(struct policies *policies, struct str tenant, struct str workspace,
                                uint64_t *ret_generation)
{
        struct held_force **set = set_of(policies, key_of(tenant, workspace));
        struct held_force *found = NULL;
        bool hears = store_hears(policies->services->store);

        (void)pthread_mutex_lock(&policies->lock);
        *ret_generation = policies->generation;
        for (unsigned i = 0; i < WAYS && !found && hears; i++)
                if (set[i] && is_about(set[i], tenant, workspace)) {
                        found = set[i];
                        (void)atomic_fetch_add(&found->holds, 1);
                }
        (void)pthread_mutex_unlock(&policies->lock);
        return found;
}

/* Under the lock. */
static void drop(struct policies *policies, struct held_force **place)
{
        if (!*place)
                return;
        policies->bytes -= (*place)->bytes;
        policy_force_release(&(*place)->force);
        *place = NULL;
}

static void remember(struct policies *policies, struct held_force *held, uint64_t generation)
{
        struct held_force **set = set_of(policies, key_of(id_str(&held->tenant), id_str(&held->workspace)));
        struct held_force **place = NULL;

        (void)pthread_mutex_lock(&policies->lock);
        if (generation == policies->generation) {
                for (unsigned i = 0; i < SETS && policies->bytes + held->bytes > CACHE_BYTES_MAX; i++)
                        for (unsigned j = 0; j < WAYS; j++)
                                drop(policies, &policies->sets[(policies->hand + i) % SETS][j]);
                for (unsigned i = 0; i < WAYS && !place; i++)
                        if (!set[i] || is_about(set[i], id_str(&held->tenant), id_str(&held->workspace)))
                                place = &set[i];
                if (!place)
                        place = &set[policies->hand++ % WAYS];
                drop(policies, place);
                (void)atomic_fetch_add(&held->holds, 1);
                *place = held;
                policies->bytes += held->bytes;
        }
        (void)pthread_mutex_unlock(&policies->lock);
}

static const char *const tiers[TIER_COUNT] = {"basic", "standard", "enterprise"};

/* A tenant's tier decides which policies there are; what stands in the cache for another one is old. */
static bool is_of_its_tier(const struct policies *policies, const struct held_force *held)
{
        struct tenant_place tenant;

        return places_tenant_quick(policies->services->places, id_str(&held->tenant), &tenant) &&
               strcmp(held->force.tier, tiers[tenant.tier]) == 0;
}

/* ---- reading ----------------------------------------------------------------------------------- */

struct loading {
        struct held_force *held;
        struct str workspace; /* "": the tenant's alone */
        bool tenants, workspaces;
};

static bool add(struct loading *loading, struct str layer_name, struct str name, struct str content,
                struct err *err)
{
        struct held_force *held = loading->held;
        struct policy_set *set = &held->force.set;
        struct policy_document *document;
        enum policy_layer layer;
        struct problems problems;
        ARENA_SCOPED scratch = {0};

        if (!policy_layer_from(layer_name, &layer) || set->counts[layer] == POLICY_DOCUMENTS_MAX)
                return err_set(err, ERR_INTERNAL, "more policies are in force than there can be");
        arena_init(&scratch, SCRATCH_BYTES);
        problems_init(&problems, &scratch);
        document = policy_document_read(content, &problems);
        if (!document)
                return err_set(err, ERR_INTERNAL, "the %.*s's policy %.*s cannot be read: %.*s",
                               STR_ARG(layer_name), STR_ARG(name),
                               STR_ARG(problems.first ? problems.first->message : STR("no memory")));
        held->owned[held->owned_count++] = document;
        held->bytes += policy_document_bytes(document);
        set->documents[layer][set->counts[layer]++] = document;
        return true;
}

static bool directory_work(struct tx *tx, void *arg, struct err *err)
{
        struct loading *loading = arg;
        SQL_SCOPED(platform_policy_in_force) c = {0};
        struct sql_platform_policy_in_force_row row;
        bool has;

        if (!sql_platform_policy_in_force_open(tx, str_from(loading->held->force.tier), &c, err))
                return false;
        for (;;) {
                if (!sql_platform_policy_in_force_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        return true;
                if (!add(loading, row.layer, row.name, row.content, err))
                        return false;
        }
}

static bool is_platforms(struct tx *tx, bool *ret, struct err *err)
{
        struct sql_policy_tenant_self_row self;
        bool found;

        if (!sql_policy_tenant_self(tx, &self, &found, err))
                return false;
        *ret = found && self.platform;
        return true;
}

static bool cell_work(struct tx *tx, void *arg, struct err *err)
{
        struct loading *loading = arg;
        SQL_SCOPED(policy_in_force) c = {0};
        struct sql_policy_in_force_row row;
        bool has;

        if (loading->tenants && (!policy_change_guarded(tx, &loading->held->force.guarded, err) ||
                                 !is_platforms(tx, &loading->held->force.set.is_platforms, err)))
                return false;
        if (!sql_policy_in_force_open(tx, loading->workspaces ? loading->workspace : STR(""), &c, err))
                return false;
        for (;;) {
                if (!sql_policy_in_force_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        return true;
                if (str_is(row.layer, "tenant") && !loading->tenants)
                        continue;
                if (!add(loading, row.layer, row.name, row.content, err))
                        return false;
        }
}

static BLOCKING_FN bool read_cells(const struct services *services, struct loading *loading,
                                   const struct cell_ref *place, struct err *err)
{
        struct cell_ref home = {.tenant = place->tenant, .region = str_from(loading->held->force.region)};
        bool at_home = str_eq(home.region, place->region);
        ARENA_SCOPED scratch = {0};

        arena_init(&scratch, SCRATCH_BYTES);
        loading->tenants = true;
        loading->workspaces = at_home;
        if (!store_read(services->store, &home, &scratch, cell_work, loading, err))
                return false;
        if (at_home || loading->workspace.len == 0)
                return true;
        loading->tenants = false;
        loading->workspaces = true;
        /* A region in which nothing has happened yet has no cell, and no policies. */
        return store_read(services->store, place, &scratch, cell_work, loading, err) ||
               err->code == ERR_NOT_FOUND;
}

static BLOCKING_FN bool load(const struct services *services, const struct cell_ref *place,
                             struct str workspace, struct held_force *held, struct err *err)
{
        struct loading loading = {.held = held, .workspace = workspace};
        struct tenant_place tenant;
        ARENA_SCOPED scratch = {0};

        if (!places_tenant_quick(services->places, place->tenant, &tenant) &&
            !places_tenant(services->places, place->tenant, &tenant, err))
                return false;
        (void)snprintf(held->force.tier, sizeof(held->force.tier), "%s", tiers[tenant.tier]);
        (void)snprintf(held->force.region, sizeof(held->force.region), "%s", tenant.region);
        arena_init(&scratch, SCRATCH_BYTES);
        if (!store_read(services->store, &CELL_DIRECTORY, &scratch, directory_work, &loading, err) ||
            !read_cells(services, &loading, place, err))
                return false;
        policy_set_close(&held->force.set);
        return true;
}

struct getting {
        struct request *req;
        struct held_force *held;
        struct policy_input *input;
        const struct policy_force *force;
        struct access_place place;
        bool ok;
        struct err err;
};

static void load_blocking(void *arg)
{
        struct getting *getting = arg;
        const struct request *req = getting->req;
        struct cell_ref place = {.tenant = req->tenant, .region = req->region};

        getting->ok = load(req->services, &place, req->workspace, getting->held, &getting->err);
}

FIBER_FN bool policies_of_request(struct request *req, struct policy_force **ret, struct err *err)
{
        struct policies *policies = req->services->policies;
        struct getting getting = {.req = req};
        uint64_t generation;

        getting.held = quick(policies, req->tenant, req->workspace, &generation);
        if (getting.held && is_of_its_tier(policies, getting.held)) {
                *ret = &getting.held->force;
                return true;
        }
        policy_force_release(getting.held ? &getting.held->force : NULL);
        getting.held = heap_alloc_zeroed(1, sizeof(*getting.held));
        if (!getting.held)
                return err_set(err, ERR_NO_MEMORY, "no memory for policies");
        atomic_init(&getting.held->holds, 1);
        getting.held->tenant = id_from(req->tenant);
        getting.held->workspace = id_from(req->workspace);
        getting.held->bytes = sizeof(*getting.held);
        fiber_offload(load_blocking, &getting);
        if (!getting.ok) {
                policy_force_release(&getting.held->force);
                *err = getting.err;
                return false;
        }
        remember(policies, getting.held, generation);
        *ret = &getting.held->force;
        return true;
}

/* ---- what is asked ------------------------------------------------------------------------------ */

static void place_blocking(void *arg)
{
        struct getting *getting = arg;
        const struct request *req = getting->req;
        struct cell_ref home = {.tenant = req->tenant, .region = str_from(getting->force->region)};

        getting->ok = access_place_get(req->services->access, req->arena, &home, req->workspace,
                                       &getting->place, &getting->err);
}

FIBER_FN bool policies_input(struct request *req, const struct policy_force *force, struct policy_input *ret,
                             struct err *err)
{
        struct getting getting = {.req = req, .force = force};
        struct json *labels;

        *ret = (struct policy_input){
                .tenant = req->tenant,
                .tier = arena_str(req->arena, str_from(force->tier)),
                .workspace = req->workspace,
                .requester_id = id_str(&req->principal.id),
                .requester_kind = str_from(principal_kind_name(req->principal.kind)),
                .requester_risk = req->principal.risk_tier,
                .requester_scope = req->principal.agent_scope,
                .time_ms = req->now_ms,
        };
        if (!access_place_quick(req->services->access, req->arena, req->workspace, &getting.place)) {
                fiber_offload(place_blocking, &getting);
                if (!getting.ok) {
                        *err = getting.err;
                        return false;
                }
        }
        ret->data_mode = getting.place.data_mode;
        if (getting.place.labels.len == 0)
                return arena_check(req->arena, err);
        labels = ARENA_NEW(req->arena, struct json);
        ret->labels = labels;
        return labels ? json_parse(req->arena, getting.place.labels, labels, err)
                      : arena_check(req->arena, err);
}

/* ---- forgetting --------------------------------------------------------------------------------- */

static void forget_id(struct policies *policies, const char *id)
{
        (void)pthread_mutex_lock(&policies->lock);
        policies->generation++;
        for (unsigned i = 0; i < SETS; i++)
                for (unsigned j = 0; j < WAYS; j++) {
                        const struct held_force *held = policies->sets[i][j];

                        if (held && (!*id || strcmp(held->tenant.text, id) == 0 ||
                                     strcmp(held->workspace.text, id) == 0))
                                drop(policies, &policies->sets[i][j]);
                }
        (void)pthread_mutex_unlock(&policies->lock);
}

struct forget {
        struct policies *policies;
        struct id id;
};

static void forget_now(void *arg)
{
        const struct forget *forget = arg;

        forget_id(forget->policies, forget->id.text);
}

void policies_hear(struct policies *policies, struct str message)
{
        struct str id;

        if (!message.ptr) {
                forget_id(policies, "");
        } else if (str_starts(message, STR("y "))) {
                id = str_slice(message, 2, message.len);
                forget_id(policies, id.len > 0 ? id_from(id).text : "");
        }
}

bool policies_forget_on_commit(const struct services *services, struct tx *tx, struct str id,
                               struct err *err)
{
        struct forget *forget;
        char message[sizeof(struct id) + 4];

        if (!services->policies)
                return true; /* a program without a pipeline remembers nothing */
        forget = ARENA_NEW(tx_arena(tx), struct forget);
        if (!forget)
                return arena_check(tx_arena(tx), err);
        *forget = (struct forget){.policies = services->policies};
        if (id.len > 0)
                forget->id = id_from(id);
        tx_on_commit(tx, forget_now, forget);
        (void)snprintf(message, sizeof(message), "y %s", forget->id.text);
        tx_tell(tx, str_from(message));
        return true;
}
