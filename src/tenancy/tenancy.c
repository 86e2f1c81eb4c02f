/* SPDX-License-Identifier: Apache-2.0 */
#include "tenancy/tenancy.h"

#include "api/services.h"
#include "base/clock.h"
#include "base/log_line.h"
#include "crypto/secret.h"
#include "log/log.h"
#include "tenancy/regions.h"
#include "tenancy/tenancy_sql.h"

#include <time.h>

/* ---- the start --------------------------------------------------------------------------------- */

/* Where other nodes work on the same database, one may be making a tenant just now. */
enum {
        OTHERS_NEED_MS = 10 * 60 * 1000,
        /* The first tenant, which every node waits for. */
        BOOTSTRAP_NEEDS_MS = 10 * 1000,
        BOOTSTRAP_LOOK_MS = 50,
        MADE_AT_ONCE = 128,
};

struct clearing {
        int64_t made_before_ms;
        int64_t cleared;
};

static bool clear_unfinished(struct tx *tx, void *arg, struct err *err)
{
        struct clearing *clearing = arg;

        return sql_tenant_unfinished_keys_delete(tx, clearing->made_before_ms, err) &&
               sql_tenant_unfinished_workspaces_delete(tx, clearing->made_before_ms, err) &&
               sql_tenant_unfinished_delete(tx, clearing->made_before_ms, &clearing->cleared, err);
}

/* ---- what was answered is finished ---- */

struct finishing {
        struct str platform, region;
        bool found;
        struct sql_tenant_made_list_row rows[MADE_AT_ONCE];
        size_t count;
        int64_t finished;
};

static bool platform_work(struct tx *tx, void *arg, struct err *err)
{
        struct finishing *finishing = arg;
        struct sql_tenant_platform_get_row row;

        if (!sql_tenant_platform_get(tx, &row, &finishing->found, err))
                return false;
        if (finishing->found) {
                finishing->platform = row.id;
                finishing->region = row.region;
        }
        return true;
}

static bool made_work(struct tx *tx, void *arg, struct err *err)
{
        struct finishing *finishing = arg;
        SQL_SCOPED(tenant_made_list) c = {0};
        bool has = true;

        finishing->count = 0;
        if (!sql_tenant_made_list_open(tx, MADE_AT_ONCE, &c, err))
                return false;
        while (finishing->count < MADE_AT_ONCE) {
                if (!sql_tenant_made_list_next(&c, &finishing->rows[finishing->count], &has, err))
                        return false;
                if (!has)
                        break;
                finishing->count++;
        }
        return true;
}

static bool finish_work(struct tx *tx, void *arg, struct err *err)
{
        struct finishing *finishing = arg;

        for (size_t i = 0; i < finishing->count; i++) {
                int64_t changes;

                if (!sql_tenant_activate(tx, finishing->rows[i].made_id, &changes, err))
                        return false;
                finishing->finished += changes;
        }
        return true;
}

static bool forget_made_work(struct tx *tx, void *arg, struct err *err)
{
        const struct finishing *finishing = arg;

        for (size_t i = 0; i < finishing->count; i++)
                if (!sql_tenant_made_delete(tx, finishing->rows[i].made_id, err))
                        return false;
        return true;
}

/* Their reply is kept under an Idempotency-Key: whoever asks again gets it, and it must be true. */
static bool finish_made(const struct services *services, struct err *err)
{
        struct finishing finishing = {0};
        ARENA_SCOPED arena = {0};
        struct cell_ref cell;

        arena_init(&arena, 1 << 20);
        if (!store_read(services->store, &CELL_DIRECTORY, &arena, platform_work, &finishing, err))
                return false;
        cell = (struct cell_ref){.tenant = finishing.platform, .region = finishing.region};
        if (!finishing.found || !regions_serves(services, cell.region))
                return true;
        do {
                if (!store_read(services->store, &cell, &arena, made_work, &finishing, err) ||
                    !store_write(services->store, &CELL_DIRECTORY, NULL, finish_work, &finishing, err) ||
                    !store_write(services->store, &cell, NULL, forget_made_work, &finishing, err))
                        return false;
        } while (finishing.count == MADE_AT_ONCE);
        if (finishing.finished > 0)
                log_line(LOG_WARN,
                         "tenants whose creation was answered when the server stopped were finished",
                         LOG_INT("count", finishing.finished));
        return true;
}

bool tenancy_start(const struct services *services, struct err *err)
{
        struct clearing clearing = {.made_before_ms = store_is_shared(services->store)
                                                              ? clock_now_ms() - OTHERS_NEED_MS
                                                              : INT64_MAX};

        if (!finish_made(services, err) ||
            !store_write(services->store, &CELL_DIRECTORY, NULL, clear_unfinished, &clearing, err))
                return false;
        if (clearing.cleared > 0)
                log_line(LOG_WARN, "tenants that were half-made when the server stopped were cleared",
                         LOG_INT("count", clearing.cleared));
        return true;
}

/* ---- making a tenant --------------------------------------------------------------------------- */

static bool reserve_work(struct tx *tx, void *arg, struct err *err)
{
        struct tenancy_plan *plan = arg;
        int64_t changes;

        if (!sql_tenant_reserve(tx, id_str(&plan->tenant), plan->name, plan->tier, plan->region,
                                plan->platform, plan->created_ms, &changes, err))
                return false;
        if (changes != 1)
                return err_set_at(err, ERR_ALREADY_EXISTS, "/name", "there is a tenant \"%.*s\" already",
                                  STR_ARG(plan->name));
        return sql_workspace_place_insert(tx, id_str(&plan->workspace), id_str(&plan->tenant), plan->region,
                                          err) &&
               credential_announce(tx, &plan->credential, "cs", id_str(&plan->tenant), plan->region,
                                   plan->created_ms, err);
}

static bool reserve(const struct services *services, struct tenancy_plan *plan, struct err *err)
{
        struct cell_ref cell;

        plan->tenant = id_new("ten");
        plan->organization = id_new("org");
        plan->workspace = id_new("wsp");
        plan->principal = id_new("usr");
        plan->created_ms = clock_now_ms();
        cell = (struct cell_ref){.tenant = id_str(&plan->tenant), .region = plan->region};
        return credential_new(services, "cs", &plan->credential, err) &&
               store_write(services->store, &CELL_DIRECTORY, NULL, reserve_work, plan, err) &&
               store_cell_create(services->store, &cell, err);
}

static bool fill(struct tx *tx, struct tenancy_plan *plan, struct err *err)
{
        /* One person must be able to begin; the roster still has to name their key. */
        struct identity_principal administrator = {
                .id = id_str(&plan->principal),
                .kind = PRINCIPAL_USER,
                .name = plan->administrator,
                .roles = ROLE_BIT(ROLE_ADMINISTRATOR) | ROLE_BIT(ROLE_APPROVER),
        };
        struct identity_key key = {.principal = id_str(&plan->principal), .name = STR("first")};

        struct sql_workspace_insert_in workspace = {.id = id_str(&plan->workspace),
                                                    .organization_id = id_str(&plan->organization),
                                                    .name = STR("default"),
                                                    .region = plan->region,
                                                    .data_mode = STR("metadata_only"),
                                                    .labels = STR("{}"),
                                                    .now = plan->created_ms};
        int64_t changes;

        if (!sql_tenant_self_insert(tx, plan->name, plan->tier, plan->region, plan->platform,
                                    plan->created_ms, err) ||
            !sql_organization_insert(tx, id_str(&plan->organization), STR("default"), STR("{}"), STR_NULL,
                                     plan->created_ms, &changes, err) ||
            !sql_workspace_insert(tx, &workspace, &changes, err) ||
            !identity_principal_create(tx, &administrator, plan->created_ms, err) ||
            !identity_key_create(tx, &plan->credential, &key, plan->created_ms, err))
                return false;
        plan->key = id_from(key.id);
        return true;
}

static bool activate_work(struct tx *tx, void *arg, struct err *err)
{
        const struct tenancy_plan *plan = arg;
        int64_t changes;

        if (!sql_tenant_activate(tx, id_str(&plan->tenant), &changes, err))
                return false;
        return changes == 1 || err_set(err, ERR_CONFLICT, "the tenant is not being made any more");
}

struct filling {
        struct tenancy_plan *plan;
        struct str actor;
};

static bool fill_work(struct tx *tx, void *arg, struct err *err)
{
        const struct filling *filling = arg;
        struct log_resource resource = {.type = "tenant", .id = id_str(&filling->plan->tenant)};
        struct log_event event = {.time_ms = filling->plan->created_ms,
                                  .activity = LOG_CREATE,
                                  .operation = STR("tenant.create"),
                                  .actor = filling->actor.len > 0 ? LOG_USER : LOG_SYSTEM,
                                  .actor_id = filling->actor,
                                  .source = STR("server"),
                                  .resources = &resource,
                                  .resource_count = 1};

        return fill(tx, filling->plan, err) && log_append(tx, &event, NULL, err);
}

bool tenancy_prepare(const struct services *services, struct tenancy_plan *plan, struct str actor,
                     struct err *err)
{
        struct filling filling = {plan, actor};
        struct cell_ref cell;

        if (!reserve(services, plan, err))
                return false;
        cell = (struct cell_ref){.tenant = id_str(&plan->tenant), .region = plan->region};
        return store_write(services->store, &cell, NULL, fill_work, &filling, err);
}

bool tenancy_activate(const struct services *services, const struct tenancy_plan *plan, struct err *err)
{
        return store_write(services->store, &CELL_DIRECTORY, NULL, activate_work, (void *)(uintptr_t)plan,
                           err);
}

bool tenancy_note_made(struct tx *tx, const struct tenancy_plan *plan, struct err *err)
{
        return sql_tenant_made_insert(tx, id_str(&plan->tenant), err);
}

bool tenancy_make(const struct services *services, struct tenancy_plan *plan, struct str actor,
                  struct err *err)
{
        return tenancy_prepare(services, plan, actor, err) && tenancy_activate(services, plan, err);
}

/* ---- the first tenant -------------------------------------------------------------------------- */

static bool any_tenant(struct tx *tx, void *arg, struct err *err)
{
        SQL_SCOPED(tenant_directory_list) c = {0};
        struct sql_tenant_directory_list_row row;

        return sql_tenant_directory_list_open(tx, STR(""), 1, &c, err) &&
               sql_tenant_directory_list_next(&c, &row, arg, err);
}

/* One try. *ret_again: another node is at it. */
static bool try_bootstrap(const struct services *services, struct tenancy_plan *plan, bool *ret_made,
                          bool *ret_again, struct err *err)
{
        struct clearing dead = {.made_before_ms = clock_now_ms() - BOOTSTRAP_NEEDS_MS};
        bool has = false;

        *ret_again = false;
        if (!store_read(services->store, &CELL_DIRECTORY, NULL, any_tenant, &has, err))
                return false;
        if (has)
                return true;
        /* No other tenant can be in the making before there is a first one. */
        if (store_is_shared(services->store) &&
            !store_write(services->store, &CELL_DIRECTORY, NULL, clear_unfinished, &dead, err))
                return false;
        *ret_made = tenancy_make(services, plan, STR(""), err);
        if (!*ret_made)
                secret_wipe(&plan->credential, sizeof(plan->credential));
        *ret_again = !*ret_made && store_is_shared(services->store) && err->code == ERR_ALREADY_EXISTS;
        return *ret_made || *ret_again;
}

bool tenancy_bootstrap(const struct services *services, struct str region, struct tenancy_plan *ret_plan,
                       bool *ret_made, struct err *err)
{
        const struct timespec pause = {.tv_nsec = BOOTSTRAP_LOOK_MS * 1000000L};
        bool again = true;

        *ret_plan = (struct tenancy_plan){.name = STR("default"),
                                          .tier = STR("standard"),
                                          .region = region,
                                          .administrator = STR("admin"),
                                          .platform = true};
        *ret_made = false;
        /* The name in the directory is the lock; who holds it is done soon, or dead. */
        for (int looks = 0; again && looks < 2 * BOOTSTRAP_NEEDS_MS / BOOTSTRAP_LOOK_MS; looks++) {
                if (looks > 0)
                        (void)nanosleep(&pause, NULL);
                if (!try_bootstrap(services, ret_plan, ret_made, &again, err))
                        return false;
        }
        return !again || err_set(err, ERR_STORE_BUSY,
                                 "another node has been making the first tenant for too long; start again");
}

/* ---- reading ----------------------------------------------------------------------------------- */

bool tenancy_workspace_get(struct tx *tx, struct str id, struct tenancy_workspace *ret, struct err *err)
{
        struct sql_workspace_get_row row;
        bool found;

        if (!sql_workspace_get(tx, id, &row, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is no such workspace");
        *ret = (struct tenancy_workspace){.id = row.id,
                                          .name = row.name,
                                          .organization = row.organization_id,
                                          .region = row.region,
                                          .created_ms = row.created_ms};
        return true;
}
