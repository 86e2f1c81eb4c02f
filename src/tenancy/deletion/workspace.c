/* SPDX-License-Identifier: Apache-2.0 */
#include "tenancy/deletion/private.h"

#include "api/services.h"
#include "base/log_line.h"
#include "tenancy/places.h"
#include "tenancy/regions.h"

static bool resolve(struct tx *tx, struct str workspace, struct str target, const struct json *parameters,
                    struct json *facts, struct err *err)
{
        struct sql_deletion_workspace_get_row row;
        bool found;

        (void)workspace;
        (void)parameters;
        if (!sql_deletion_workspace_get(tx, target, &row, &found, err))
                return false;
        if (!found || str_is(row.state, "deleted"))
                return err_set_at(err, ERR_TARGET_NOT_FOUND, "/target", "there is no such workspace here");
        if (!str_eq(row.region, tx_region(tx)))
                return err_set_at(err, ERR_CONFLICT, "/target",
                                  "the workspace is in the region %.*s; ask in a workspace there",
                                  STR_ARG(row.region));
        if (!str_is(row.state, "archived"))
                return err_set_at(err, ERR_CONFLICT, "/target", "the workspace is %.*s; archive it first",
                                  STR_ARG(row.state));
        control_fact(tx_arena(tx), facts, "id", row.id);
        control_fact(tx_arena(tx), facts, "known_as", row.name);
        control_fact(tx_arena(tx), facts, "region", row.region);
        return true;
}

/* Children first. People stay; who could act here alone, the executors, cannot any more. */
static bool remove_content(struct tx *tx, struct str id, int64_t now_ms, struct err *err)
{
        return sql_deletion_action_entries(tx, id, err) && sql_deletion_action_output(tx, id, err) &&
               sql_deletion_decisions(tx, id, err) && sql_deletion_actions(tx, id, err) &&
               sql_deletion_resolutions(tx, id, err) && sql_deletion_presences(tx, id, err) &&
               sql_deletion_executors(tx, id, err) && sql_deletion_provider_secrets(tx, id, err) &&
               sql_deletion_provider_keys(tx, id, err) && sql_deletion_promotions(tx, id, err) &&
               sql_deletion_policies(tx, id, err) && sql_deletion_definition_tags(tx, id, err) &&
               sql_deletion_definitions(tx, id, err) && sql_deletion_bindings(tx, id, err) &&
               sql_deletion_keys_revoke(tx, id, now_ms, err) &&
               sql_deletion_principals_disable(tx, id, now_ms, err);
}

static bool run(struct tx *tx, struct control_run *run, struct err *err)
{
        struct sql_deletion_workspace_get_row row;
        struct json ignored = {.type = JSON_OBJECT};
        bool found;

        if (str_eq(run->target, run->workspace))
                return err_set(err, ERR_CONFLICT,
                               "a workspace cannot hold the action that deletes it; ask in another one");
        if (!resolve(tx, run->workspace, run->target, NULL, &ignored, err) ||
            !sql_deletion_workspace_get(tx, run->target, &row, &found, err))
                return false;
        if (!str_eq(row.name, statement_fact(run->statement, "known_as")))
                return err_set(err, ERR_TARGET_CHANGED, "the workspace has another name than was approved");
        run->message = STR("The workspace and all that was in it is deleted.");
        return remove_content(tx, run->target, run->now_ms, err) &&
               sql_deletion_workspace_bury(tx, run->target, err);
}

static bool look_work(struct tx *tx, void *arg, struct err *err)
{
        struct deletion_look *look = arg;
        struct sql_deletion_workspace_get_row row;
        bool found;

        if (!sql_deletion_workspace_get(tx, look->id, &row, &found, err))
                return false;
        look->is_so = found && str_is(row.state, "deleted");
        return true;
}

static bool bury_place(struct tx *tx, void *arg, struct err *err)
{
        const struct control_run *run = arg;

        return sql_deletion_place_bury(tx, run->target, err) &&
               places_forget_on_commit(run->services, tx, run->target, err);
}

static bool bury_at_home(struct tx *tx, void *arg, struct err *err)
{
        const struct control_run *run = arg;

        return sql_deletion_bindings(tx, run->target, err) &&
               sql_deletion_workspace_bury(tx, run->target, err);
}

/* The directory follows; and the row at home, when the cell was another one. */
static bool finish(const struct control_run *run, struct err *err)
{
        struct store *store = run->services->store;
        struct deletion_look look = {.id = run->target};
        struct tenant_place home;
        struct cell_ref cell = run->cell;

        if (!store_read(store, &run->cell, NULL, look_work, &look, err))
                return false;
        if (!look.is_so)
                return true;
        if (!store_write(store, &CELL_DIRECTORY, NULL, bury_place, (void *)(uintptr_t)run, err) ||
            !places_tenant(run->services->places, run->cell.tenant, &home, err))
                return false;
        if (str_is(run->cell.region, home.region) || !regions_serves(run->services, str_from(home.region)))
                return true;
        cell.region = str_from(home.region);
        return store_write(store, &cell, NULL, bury_at_home, (void *)(uintptr_t)run, err);
}

const struct control_operation deletion_workspace = {
        .name = "workspace.delete",
        .resolve = resolve,
        .run = run,
        .finish = finish,
};
