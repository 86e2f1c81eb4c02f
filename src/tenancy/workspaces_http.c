/* SPDX-License-Identifier: Apache-2.0 */
/* Workspaces, as their tenant's home cell has them. Where one is stands in the directory too. */
#include "access/access.h"
#include "api/api_handlers.h"
#include "api/cell.h"
#include "api/services.h"
#include "base/log_line.h"
#include "tenancy/places.h"
#include "tenancy/regions.h"
#include "tenancy/tenancy_api.h"

/* ---- looking ----------------------------------------------------------------------------------- */

bool workspace_list(struct request *req, const struct api_workspace_list_in *in,
                    struct api_workspace_page *out, struct err *err)
{
        struct api_workspace *items;
        struct listing listing;
        SQL_SCOPED(workspace_list) c = {0};
        struct sql_workspace_get_row row;
        struct selector selector;
        bool has;

        if (!selector_parse(in->selector, &selector, err) || !LISTING_BEGIN(&listing, req, in, &items, err))
                return false;
        tenancy_widen(&listing, &selector);
        if (!sql_workspace_list_open(req->tx, listing.after, listing.rows, &c, err))
                return false;
        for (;;) {
                struct api_workspace *item = &items[listing.count];

                if (!sql_workspace_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(&listing, row.id))
                        break;
                if (!workspace_to_api(req->arena, &row, item, err))
                        return false;
                if (selector_matches(&selector, item->labels, item->labels_count))
                        listing.count++;
        }
        *out = (struct api_workspace_page){items, listing.count, listing.next};
        return arena_check(req->arena, err);
}

static bool get(struct request *req, struct str id, struct api_workspace *out, struct err *err)
{
        struct sql_workspace_get_row row;

        if (!workspace_find(req, id, &row, err))
                return false;
        request_set_etag(req, row.version);
        return workspace_to_api(req->arena, &row, out, err);
}

bool workspace_get(struct request *req, const struct api_workspace_get_in *in, struct api_workspace *out,
                   struct err *err)
{
        (void)in;
        return get(req, req->workspace, out, err);
}

bool tenant_workspace_get(struct request *req, const struct api_tenant_workspace_get_in *in,
                          struct api_workspace *out, struct err *err)
{
        return get(req, in->workspace, out, err);
}

/* ---- creating ---------------------------------------------------------------------------------- */

struct create {
        const struct api_workspace_create *body;
        struct id id;
        struct str organization, region, labels;
        struct api_workspace *out;
};

static bool name_taken(struct str name, struct err *err)
{
        return err_set_at(err, ERR_ALREADY_EXISTS, "/name",
                          "the organization has a workspace \"%.*s\" already", STR_ARG(name));
}

/* The one that was asked for, or the tenant's first. */
static bool find_organization(struct request *req, struct create *create, struct err *err)
{
        SQL_SCOPED(organization_list) c = {0};
        struct sql_organization_get_row row;
        bool found;

        if (create->body->organization.ptr) {
                if (!sql_organization_get(req->tx, create->body->organization, &row, &found, err))
                        return false;
                if (!found)
                        return err_set_at(err, ERR_BAD_FIELD, "/organization",
                                          "the tenant has no such organization");
        } else if (!sql_organization_list_open(req->tx, STR(""), 1, &c, err) ||
                   !sql_organization_list_next(&c, &row, &found, err)) {
                return false;
        } else if (!found) {
                return err_set(err, ERR_CONFLICT, "the tenant has no organization");
        }
        create->organization = row.id;
        return true;
}

static bool check_work(struct request *req, void *arg, struct err *err)
{
        struct create *create = arg;
        const struct api_workspace_create *body = create->body;
        struct sql_workspace_name_taken_row other;
        bool taken;

        if (!find_organization(req, create, err) ||
            !labels_format(req->arena, body->labels, body->labels_count, &create->labels, err) ||
            (body->owner.ptr && !owner_check(req->tx, body->owner, err)) ||
            !sql_workspace_name_taken(req->tx, create->organization, body->name, STR(""), &other, &taken,
                                      err))
                return false;
        return !taken || name_taken(body->name, err);
}

static bool unplace_work(struct tx *tx, void *arg, struct err *err)
{
        const struct create *create = arg;

        return sql_workspace_place_delete(tx, id_str(&create->id), err);
}

static bool insert_work(struct request *req, void *arg, struct err *err)
{
        struct create *create = arg;
        const struct api_workspace_create *body = create->body;
        struct str id = id_str(&create->id);
        struct str mode = STR("metadata_only");
        int64_t changes;

        if (body->data_mode)
                mode = str_from(api_data_mode_name(body->data_mode));
        if (!sql_workspace_insert(req->tx,
                                  &(struct sql_workspace_insert_in){
                                          .id = id,
                                          .organization_id = create->organization,
                                          .name = body->name,
                                          .region = create->region,
                                          .data_mode = mode,
                                          .labels = create->labels,
                                          .owner = body->owner,
                                          .now = req->now_ms,
                                  },
                                  &changes, err))
                return false;
        if (changes != 1)
                return name_taken(body->name, err);
        request_log_detail(req, "placed_in", create->region);
        request_event(req, "workspace.created", id,
                      arena_printf(req->arena, "{\"workspace\":\"%.*s\"}", STR_ARG(id)));
        return get(req, id, create->out, err);
}

struct placing {
        struct str workspace, tenant, region;
};

static bool place_in_directory(struct tx *tx, void *arg, struct err *err)
{
        const struct placing *placing = arg;

        return sql_workspace_place_insert(tx, placing->workspace, placing->tenant, placing->region, err);
}

FIBER_FN bool workspace_create(struct request *req, const struct api_workspace_create_in *in,
                               struct api_workspace *out, struct err *err)
{
        struct create create = {.body = &in->body, .id = id_new("wsp"), .out = out};
        struct placing placing;
        struct store *store = req->services->store;
        struct err why;

        create.region = in->body.region.ptr ? in->body.region : req->region;
        placing = (struct placing){id_str(&create.id), req->tenant, create.region};
        if (!regions_check_known(req->services, create.region, err) ||
            !request_prepare(req, check_work, &create, err) ||
            !cell_write(store, &CELL_DIRECTORY, req->arena, place_in_directory, &placing, err))
                return false;
        if (request_write(req, insert_work, &create, err))
                return true;
        /* Nobody has heard of its id: what stays behind leads to a workspace that is not there. */
        if (!cell_write(store, &CELL_DIRECTORY, req->arena, unplace_work, &create, &why))
                log_line(LOG_WARN, "the place of a workspace that was not made stays in the directory",
                         LOG_STR("workspace", id_str(&create.id)), LOG_C("error", why.message));
        return false;
}

/* ---- changing ---------------------------------------------------------------------------------- */

static bool merge(struct request *req, const struct api_workspace_update *body,
                  struct sql_workspace_get_row *row, struct err *err)
{
        struct sql_workspace_name_taken_row other;
        bool taken;

        if (body->name.ptr) {
                row->name = body->name;
                if (!sql_workspace_name_taken(req->tx, row->organization_id, row->name, row->id, &other,
                                              &taken, err))
                        return false;
                if (taken)
                        return name_taken(row->name, err);
        }
        if (body->owner.ptr) {
                row->owner_id = body->owner.len > 0 ? body->owner : STR_NULL;
                if (row->owner_id.ptr && !owner_check(req->tx, row->owner_id, err))
                        return false;
        }
        if (body->data_mode)
                row->data_mode = str_from(api_data_mode_name(body->data_mode));
        return !body->labels ||
               labels_format(req->arena, body->labels, body->labels_count, &row->labels, err);
}

bool workspace_update(struct request *req, const struct api_workspace_update_in *in,
                      struct api_workspace *out, struct err *err)
{
        struct sql_workspace_get_row row;
        int64_t changes;

        if (!workspace_find(req, in->workspace, &row, err) ||
            !request_check_version(req, row.version, true, err) || !merge(req, &in->body, &row, err) ||
            !sql_workspace_update(req->tx,
                                  &(struct sql_workspace_update_in){.id = row.id,
                                                                    .version = row.version,
                                                                    .name = row.name,
                                                                    .data_mode = row.data_mode,
                                                                    .labels = row.labels,
                                                                    .owner = row.owner_id},
                                  &changes, err))
                return false;
        if (changes != 1)
                return err_set(err, ERR_PRECONDITION_FAILED, "the workspace has changed meanwhile");
        /* Conditions of bindings look at labels, owner and data mode. */
        if (!access_forget_on_commit(req->services, req->tx, row.id, err))
                return false;
        row.version++;
        request_log_detail(req, "data_mode", row.data_mode);
        request_event(req, "workspace.updated", row.id,
                      arena_printf(req->arena, "{\"workspace\":\"%.*s\"}", STR_ARG(row.id)));
        request_set_etag(req, row.version);
        return workspace_to_api(req->arena, &row, out, err);
}

struct state_change {
        const struct services *services;
        struct str workspace, state;
        struct api_workspace *out;
};

static bool state_work(struct request *req, void *arg, struct err *err)
{
        struct state_change *change = arg;
        struct sql_workspace_get_row row;
        int64_t changes;

        if (!workspace_find(req, change->workspace, &row, err) ||
            !sql_workspace_state(req->tx, change->workspace, change->state, &changes, err))
                return false;
        request_log_detail(req, "state", change->state);
        request_event(req, "workspace.updated", change->workspace,
                      arena_printf(req->arena, "{\"workspace\":\"%.*s\"}", STR_ARG(change->workspace)));
        return get(req, change->workspace, change->out, err);
}

static bool state_place_work(struct tx *tx, void *arg, struct err *err)
{
        const struct state_change *change = arg;

        return sql_workspace_place_state(tx, change->workspace, change->state, err) &&
               places_forget_on_commit(change->services, tx, change->workspace, err);
}

/* First what is recorded, then what stops it; both can be done again. */
static FIBER_FN bool set_state(struct request *req, struct str workspace, struct str state,
                               struct api_workspace *out, struct err *err)
{
        struct state_change change = {req->services, workspace, state, out};

        return request_write(req, state_work, &change, err) &&
               cell_write(req->services->store, &CELL_DIRECTORY, req->arena, state_place_work, &change, err);
}

FIBER_FN bool workspace_suspend(struct request *req, const struct api_workspace_suspend_in *in,
                                struct api_workspace *out, struct err *err)
{
        return set_state(req, in->workspace, STR("suspended"), out, err);
}

FIBER_FN bool workspace_resume(struct request *req, const struct api_workspace_resume_in *in,
                               struct api_workspace *out, struct err *err)
{
        return set_state(req, in->workspace, STR("active"), out, err);
}

FIBER_FN bool workspace_archive(struct request *req, const struct api_workspace_archive_in *in,
                                struct api_workspace *out, struct err *err)
{
        return set_state(req, in->workspace, STR("archived"), out, err);
}
