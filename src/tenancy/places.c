/* SPDX-License-Identifier: Apache-2.0 */
#include "tenancy/places.h"

#include "api/notify.h"
#include "api/services.h"
#include "base/heap.h"
#include "tenancy/tenancy_sql.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { SETS = 1024, WAYS = 4, SCRATCH_BYTES = 16 * 1024 };

struct places {
        const struct services *services;
        atomic_uint_fast64_t generation;
        pthread_mutex_t lock; /* of all below */
        unsigned next_way;
        struct tenant_place tenants[SETS][WAYS];
        struct workspace_place workspaces[SETS][WAYS];
};

bool tier_from(struct str name, enum tier *ret)
{
        static const char *const names[] = {"basic", "standard", "enterprise"};

        for (unsigned i = 0; i < TIER_COUNT; i++)
                if (str_is(name, names[i])) {
                        *ret = (enum tier)i;
                        return true;
                }
        return false;
}

struct places *places_new(const struct services *services)
{
        struct places *places = heap_alloc_zeroed(1, sizeof(*places));

        if (!places)
                return NULL;
        places->services = services;
        (void)pthread_mutex_init(&places->lock, NULL);
        return places;
}

void places_free(struct places *places)
{
        if (!places)
                return;
        (void)pthread_mutex_destroy(&places->lock);
        heap_free(places);
}

uint64_t places_generation(struct places *places)
{
        return atomic_load(&places->generation);
}

/* FNV-1a; ids are random at their end. */
static unsigned set_of(struct str id)
{
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < id.len; i++)
                hash = (hash ^ (unsigned char)id.ptr[i]) * 16777619u;
        return (hash ^ hash >> 15) % SETS;
}

/* ---- the caches -------------------------------------------------------------------------------- */

bool places_tenant_quick(struct places *places, struct str tenant, struct tenant_place *ret)
{
        struct tenant_place *set = places->tenants[set_of(tenant)];
        bool found = false;

        /* A node that does not hear of suspensions asks each time. */
        if (!store_hears(places->services->store))
                return false;
        (void)pthread_mutex_lock(&places->lock);
        for (unsigned i = 0; i < WAYS && !found; i++)
                if (str_is(tenant, set[i].tenant.text)) {
                        *ret = set[i];
                        found = true;
                }
        (void)pthread_mutex_unlock(&places->lock);
        return found;
}

bool places_workspace_quick(struct places *places, struct str workspace, struct workspace_place *ret)
{
        struct workspace_place *set = places->workspaces[set_of(workspace)];
        bool found = false;

        if (!store_hears(places->services->store))
                return false;
        (void)pthread_mutex_lock(&places->lock);
        for (unsigned i = 0; i < WAYS && !found; i++)
                if (str_is(workspace, set[i].workspace.text)) {
                        *ret = set[i];
                        found = true;
                }
        (void)pthread_mutex_unlock(&places->lock);
        return found;
}

/* What was read before something was forgotten may be what was to be forgotten. */
static void remember_tenant(struct places *places, const struct tenant_place *place, uint64_t generation)
{
        struct tenant_place *set = places->tenants[set_of(id_str(&place->tenant))];

        (void)pthread_mutex_lock(&places->lock);
        if (generation == atomic_load(&places->generation))
                set[places->next_way++ % WAYS] = *place;
        (void)pthread_mutex_unlock(&places->lock);
}

static void remember_workspace(struct places *places, const struct workspace_place *place,
                               uint64_t generation)
{
        struct workspace_place *set = places->workspaces[set_of(id_str(&place->workspace))];

        (void)pthread_mutex_lock(&places->lock);
        if (generation == atomic_load(&places->generation))
                set[places->next_way++ % WAYS] = *place;
        (void)pthread_mutex_unlock(&places->lock);
}

/* All for "". */
static void forget(struct places *places, const char *id)
{
        (void)pthread_mutex_lock(&places->lock);
        atomic_fetch_add(&places->generation, 1);
        for (unsigned i = 0; i < SETS; i++)
                for (unsigned j = 0; j < WAYS; j++) {
                        if (!*id || strcmp(places->tenants[i][j].tenant.text, id) == 0)
                                places->tenants[i][j] = (struct tenant_place){0};
                        if (!*id || strcmp(places->workspaces[i][j].workspace.text, id) == 0)
                                places->workspaces[i][j] = (struct workspace_place){0};
                }
        (void)pthread_mutex_unlock(&places->lock);
        notify_hear(STR_NULL); /* everybody who waits */
}

struct forgetting {
        struct places *places;
        struct id id;
};

static void forget_now(void *arg)
{
        const struct forgetting *forgetting = arg;

        forget(forgetting->places, forgetting->id.text);
}

bool places_forget_on_commit(const struct services *services, struct tx *tx, struct str id, struct err *err)
{
        struct forgetting *forgetting = ARENA_NEW(tx_arena(tx), struct forgetting);
        char message[sizeof(struct id) + 4];

        if (!forgetting)
                return arena_check(tx_arena(tx), err);
        *forgetting = (struct forgetting){services->places, id_from(id)};
        if (services->places)
                tx_on_commit(tx, forget_now, forgetting);
        (void)snprintf(message, sizeof(message), "p %s", forgetting->id.text);
        tx_tell(tx, str_from(message));
        return true;
}

void places_hear(struct places *places, struct str message)
{
        if (!message.ptr)
                forget(places, "");
        else if (str_starts(message, STR("p ")))
                forget(places, id_from(str_slice(message, 2, message.len)).text);
}

/* ---- the directory ----------------------------------------------------------------------------- */

static bool nothing(struct err *err)
{
        return err_set(err, ERR_NOT_FOUND, "there is nothing here");
}

static bool region_copy(char ret[PLACE_REGION_SIZE], struct str region, struct err *err)
{
        if (region.len >= PLACE_REGION_SIZE)
                return err_set(err, ERR_INTERNAL, "a region's name is too long");
        memcpy(ret, region.ptr, region.len);
        ret[region.len] = '\0';
        return true;
}

struct look {
        struct str id;
        struct tenant_place tenant;
        struct workspace_place workspace;
};

static bool tenant_work(struct tx *tx, void *arg, struct err *err)
{
        struct look *look = arg;
        struct tenant_place *place = &look->tenant;
        struct sql_tenant_directory_list_row row;
        bool found;

        if (!sql_tenant_directory_get(tx, look->id, &row, &found, err))
                return false;
        if (!found)
                return nothing(err);
        place->tenant = id_from(row.id);
        place->state = row.closing_action.ptr           ? PLACE_CLOSED
                       : str_is(row.state, "suspended") ? PLACE_SUSPENDED
                       : row.has_archived_ms            ? PLACE_ARCHIVED
                                                        : PLACE_ACTIVE;
        if (!tier_from(row.tier, &place->tier))
                return err_set(err, ERR_INTERNAL, "a tenant has the tier \"%.*s\"", STR_ARG(row.tier));
        return region_copy(place->region, row.region, err);
}

static bool workspace_work(struct tx *tx, void *arg, struct err *err)
{
        struct look *look = arg;
        struct workspace_place *place = &look->workspace;
        struct sql_workspace_place_get_row row;
        bool found;

        if (!sql_workspace_place_get(tx, look->id, &row, &found, err))
                return false;
        if (!found || str_is(row.state, "deleted"))
                return nothing(err);
        place->workspace = id_from(look->id);
        place->tenant = id_from(row.tenant_id);
        place->state = str_is(row.state, "suspended")  ? PLACE_SUSPENDED
                       : str_is(row.state, "archived") ? PLACE_ARCHIVED
                                                       : PLACE_ACTIVE;
        return region_copy(place->region, row.region, err);
}

static BLOCKING_FN bool look_up(struct places *places, struct look *look, store_work work, struct err *err)
{
        ARENA_SCOPED scratch = {0};

        arena_init(&scratch, SCRATCH_BYTES);
        return store_read(places->services->store, &CELL_DIRECTORY, &scratch, work, look, err);
}

BLOCKING_FN bool places_tenant(struct places *places, struct str tenant, struct tenant_place *ret,
                               struct err *err)
{
        uint64_t generation = places_generation(places);
        struct look look = {.id = tenant};

        if (!look_up(places, &look, tenant_work, err))
                return false;
        *ret = look.tenant;
        remember_tenant(places, ret, generation);
        return true;
}

BLOCKING_FN bool places_workspace(struct places *places, struct str workspace, struct workspace_place *ret,
                                  struct err *err)
{
        uint64_t generation = places_generation(places);
        struct look look = {.id = workspace};

        if (!look_up(places, &look, workspace_work, err))
                return false;
        *ret = look.workspace;
        remember_workspace(places, ret, generation);
        return true;
}
