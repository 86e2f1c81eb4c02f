/* SPDX-License-Identifier: Apache-2.0 */
/* Putting policies into force, and out of it. */
#include "policy/policies.h"

#include "api/services.h"
#include "policy/policies_sql.h"

enum { PLATFORM_MAX = 4 * POLICY_DOCUMENTS_MAX, SCRATCH_BYTES = 16 << 20 };

static bool check_place(struct tx *tx, const struct policy_change *change, struct err *err)
{
        struct sql_policy_tenant_self_row self;
        bool found;

        if (change->layer == POLICY_WORKSPACE)
                return true;
        if (!sql_policy_tenant_self(tx, &self, &found, err))
                return false;
        if (!found || !str_eq(self.region, tx_region(tx)))
                return err_set(err, ERR_WRONG_REGION,
                               "policies of the tenant come from a workspace in its home region");
        if (change->layer != POLICY_TENANT && !self.platform)
                return err_set(err, ERR_FORBIDDEN,
                               "only the platform's own tenant has policies for the platform and for tiers");
        return true;
}

bool policy_change_check(struct tx *tx, const struct policy_change *change, struct policy_document_row *ret,
                         struct err *err)
{
        struct sql_policy_definition_row row;
        bool found;

        if (!check_place(tx, change, err) ||
            !sql_policy_definition(tx, change->definition, &row, &found, err))
                return false;
        if (!found || (change->layer == POLICY_WORKSPACE && !str_eq(row.workspace_id, change->scope)) ||
            (change->workspace.ptr && !str_eq(row.workspace_id, change->workspace)))
                return err_set(err, ERR_NOT_FOUND, "there is no definition %.*s here",
                               STR_ARG(change->definition));
        if (!str_is(row.kind, "policy"))
                return err_set(err, ERR_CONFLICT, "%.*s is a definition of the kind %.*s, not a policy",
                               STR_ARG(change->definition), STR_ARG(row.kind));
        if (!str_is(row.state, "published"))
                return err_set(err, ERR_CONFLICT, "a draft cannot be put into force; publish it first");
        if (change->digest.ptr && !str_eq(change->digest, row.digest))
                return err_set(err, ERR_TARGET_CHANGED, "the policy is not the one that was approved");
        *ret = (struct policy_document_row){row.id, row.name, row.version, row.digest, row.content};
        return true;
}

/* The platform's are forgotten by everybody, and by the transaction that changes the directory. */
static bool forget(struct tx *tx, const struct policy_change *change, struct err *err)
{
        if (change->layer == POLICY_WORKSPACE)
                return policies_forget_on_commit(change->services, tx, change->scope, err);
        return policies_forget_on_commit(change->services, tx, tx_tenant(tx), err);
}

bool policy_change_activate(struct tx *tx, const struct policy_change *change,
                            struct policy_document_row *ret, struct err *err)
{
        struct sql_policy_active_count_row count;
        bool found;

        if (!policy_change_check(tx, change, ret, err) ||
            !sql_policy_active_count(tx, str_from(policy_layer_name(change->layer)), change->scope,
                                     ret->name, &count, &found, err))
                return false;
        if (found && count.others >= POLICY_DOCUMENTS_MAX)
                return err_set(err, ERR_LIMIT_REACHED, "%d policies are in force there already",
                               POLICY_DOCUMENTS_MAX);
        return sql_policy_active_put(tx,
                                     &(struct sql_policy_active_put_in){
                                             .layer = str_from(policy_layer_name(change->layer)),
                                             .scope = change->scope,
                                             .name = ret->name,
                                             .version = ret->version,
                                             .definition_id = ret->id,
                                             .digest = ret->digest,
                                             .content = ret->content,
                                             .action_id = change->action,
                                             .activated_by = change->by,
                                             .now = change->now_ms},
                                     err) &&
               forget(tx, change, err);
}

bool policy_change_deactivate(struct tx *tx, const struct policy_change *change, struct err *err)
{
        int64_t changes;

        if (!check_place(tx, change, err) ||
            !sql_policy_active_delete(tx, str_from(policy_layer_name(change->layer)), change->scope,
                                      change->definition, &changes, err))
                return false;
        if (changes == 0)
                return err_set(err, ERR_NOT_FOUND, "the policy %.*s is not in force there",
                               STR_ARG(change->definition));
        return forget(tx, change, err);
}

bool policy_change_guard(struct tx *tx, const struct services *services, bool guarded, struct str by,
                         int64_t now_ms, struct err *err)
{
        return sql_policy_protection_put(tx, guarded, by, now_ms, err) &&
               policies_forget_on_commit(services, tx, tx_tenant(tx), err);
}

bool policy_change_guarded(struct tx *tx, bool *ret, struct err *err)
{
        struct sql_policy_protection_get_row row;
        bool found;

        if (!sql_policy_protection_get(tx, &row, &found, err))
                return false;
        *ret = found && row.protected;
        return true;
}

/* ---- the directory ------------------------------------------------------------------------------ */

struct publishing {
        const struct services *services;
        struct sql_policy_platform_list_row rows[PLATFORM_MAX];
        size_t count;
};

static bool collect_work(struct tx *tx, void *arg, struct err *err)
{
        struct publishing *publishing = arg;
        SQL_SCOPED(policy_platform_list) c = {0};
        bool has = true;

        if (!sql_policy_platform_list_open(tx, &c, err))
                return false;
        while (publishing->count < PLATFORM_MAX) {
                if (!sql_policy_platform_list_next(&c, &publishing->rows[publishing->count], &has, err))
                        return false;
                if (!has)
                        break;
                publishing->count++;
        }
        return true;
}

static bool publish_work(struct tx *tx, void *arg, struct err *err)
{
        const struct publishing *publishing = arg;

        if (!sql_platform_policy_clear(tx, err))
                return false;
        for (size_t i = 0; i < publishing->count; i++) {
                const struct sql_policy_platform_list_row *row = &publishing->rows[i];

                if (!sql_platform_policy_put(tx,
                                             &(struct sql_platform_policy_put_in){.layer = row->layer,
                                                                                  .scope = row->scope,
                                                                                  .name = row->name,
                                                                                  .version = row->version,
                                                                                  .digest = row->digest,
                                                                                  .content = row->content},
                                             err))
                        return false;
        }
        return policies_forget_on_commit(publishing->services, tx, STR(""), err);
}

BLOCKING_FN bool policies_publish_platform(const struct services *services, const struct cell_ref *home,
                                           struct err *err)
{
        struct publishing publishing = {.services = services};
        ARENA_SCOPED scratch;

        arena_init(&scratch, SCRATCH_BYTES);
        return store_read(services->store, home, &scratch, collect_work, &publishing, err) &&
               store_write(services->store, &CELL_DIRECTORY, &scratch, publish_work, &publishing, err);
}
