/* SPDX-License-Identifier: Apache-2.0 */
#include "tenancy/tenancy_api.h"

#include "identity/identity.h"

void tenancy_widen(struct listing *listing, const struct selector *selector)
{
        enum { LOOK_MAX = 1000 };

        if (selector->count > 0)
                listing->rows = LOOK_MAX + 1;
}

static enum api_tenant_state state_of(const struct sql_tenant_directory_list_row *row)
{
        if (row->closing_action.ptr)
                return API_TENANT_STATE_DELETING;
        if (str_is(row->state, "suspended"))
                return API_TENANT_STATE_SUSPENDED;
        return row->has_archived_ms ? API_TENANT_STATE_ARCHIVED : API_TENANT_STATE_ACTIVE;
}

bool tenant_to_api(struct arena *arena, const struct sql_tenant_directory_list_row *row,
                   struct api_tenant *out, struct err *err)
{
        *out = (struct api_tenant){.id = row->id,
                                   .name = row->name,
                                   .tier = api_tier_from(row->tier),
                                   .region = row->region,
                                   .state = state_of(row),
                                   .version = row->version,
                                   .created_at_ms = row->created_ms};
        return labels_parse(arena, row->labels, &out->labels, &out->labels_count, err);
}

bool organization_to_api(struct arena *arena, const struct sql_organization_get_row *row,
                         struct api_organization *out, struct err *err)
{
        *out = (struct api_organization){.id = row->id,
                                         .name = row->name,
                                         .owner = row->owner_id,
                                         .version = row->version,
                                         .created_at_ms = row->created_ms};
        return labels_parse(arena, row->labels, &out->labels, &out->labels_count, err);
}

bool workspace_to_api(struct arena *arena, const struct sql_workspace_get_row *row,
                      struct api_workspace *out, struct err *err)
{
        *out = (struct api_workspace){.id = row->id,
                                      .name = row->name,
                                      .organization = row->organization_id,
                                      .region = row->region,
                                      .state = api_workspace_state_from(row->state),
                                      .data_mode = api_data_mode_from(row->data_mode),
                                      .owner = row->owner_id,
                                      .version = row->version,
                                      .created_at_ms = row->created_ms};
        return labels_parse(arena, row->labels, &out->labels, &out->labels_count, err);
}

bool owner_check(struct tx *tx, struct str owner, struct err *err)
{
        struct identity_principal principal;

        if (!identity_principal_get(tx, owner, &principal, err)) {
                if (err->code != ERR_NOT_FOUND)
                        return false;
                return err_set_at(err, ERR_BAD_FIELD, "/owner", "\"%.*s\" is no principal of this tenant",
                                  STR_ARG(str_slice(owner, 0, 64)));
        }
        return !principal.disabled || err_set_at(err, ERR_BAD_FIELD, "/owner", "this principal is disabled");
}

bool workspace_find(struct request *req, struct str id, struct sql_workspace_get_row *ret, struct err *err)
{
        bool found;

        if (!sql_workspace_get(req->tx, id, ret, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is nothing here");
        request_log_resource(req, "workspace", id);
        return true;
}
