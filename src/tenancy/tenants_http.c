/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants as the directory has them: what the platform's administrators see and change. */
#include "api/api_handlers.h"
#include "api/cell.h"
#include "api/services.h"
#include "log/log.h"
#include "tenancy/places.h"
#include "tenancy/tenancy_api.h"

static bool no_tenant(struct err *err)
{
        return err_set(err, ERR_NOT_FOUND, "there is no such tenant");
}

/* ---- looking ----------------------------------------------------------------------------------- */

struct tenant_look {
        struct selector selector;
        struct api_tenant *items;
        struct listing listing;
};

static bool tenant_list_work(struct tx *tx, void *arg, struct err *err)
{
        struct tenant_look *look = arg;
        struct listing *listing = &look->listing;
        SQL_SCOPED(tenant_directory_list) c = {0};
        struct sql_tenant_directory_list_row row;
        bool has;

        if (!sql_tenant_directory_list_open(tx, listing->after, listing->rows, &c, err))
                return false;
        for (;;) {
                struct api_tenant *item = &look->items[listing->count];

                if (!sql_tenant_directory_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(listing, row.id))
                        return true;
                if (!tenant_to_api(listing->arena, &row, item, err))
                        return false;
                if (selector_matches(&look->selector, item->labels, item->labels_count))
                        listing->count++;
        }
}

struct tenant_one {
        struct str id, name; /* one of them */
        struct sql_tenant_directory_list_row row;
        bool found;
};

static bool tenant_one_work(struct tx *tx, void *arg, struct err *err)
{
        struct tenant_one *one = arg;

        if (one->id.ptr)
                return sql_tenant_directory_get(tx, one->id, &one->row, &one->found, err);
        return sql_tenant_directory_by_name(tx, one->name, &one->row, &one->found, err);
}

static FIBER_FN bool find_tenant(struct request *req, struct tenant_one *one, struct err *err)
{
        return cell_read(req->services->store, &CELL_DIRECTORY, req->arena, tenant_one_work, one, err);
}

FIBER_FN bool tenant_list(struct request *req, const struct api_tenant_list_in *in,
                          struct api_tenant_page *out, struct err *err)
{
        struct tenant_one one = {.name = in->name};
        struct tenant_look look;

        if (!LISTING_BEGIN(&look.listing, req, in, &look.items, err))
                return false;
        out->items = look.items;
        if (in->name.ptr) {
                if (!find_tenant(req, &one, err))
                        return false;
                out->items_count = one.found ? 1 : 0;
                return !one.found || tenant_to_api(req->arena, &one.row, &look.items[0], err);
        }
        if (!selector_parse(in->selector, &look.selector, err))
                return false;
        tenancy_widen(&look.listing, &look.selector);
        if (!cell_read(req->services->store, &CELL_DIRECTORY, req->arena, tenant_list_work, &look, err))
                return false;
        out->items_count = look.listing.count;
        out->next = look.listing.next;
        return arena_check(req->arena, err);
}

static FIBER_FN bool get(struct request *req, struct str id, struct api_tenant *out, struct err *err)
{
        struct tenant_one one = {.id = id};

        if (!find_tenant(req, &one, err))
                return false;
        if (!one.found)
                return no_tenant(err);
        request_log_resource(req, "tenant", id);
        request_set_etag(req, one.row.version);
        return tenant_to_api(req->arena, &one.row, out, err);
}

FIBER_FN bool tenant_get(struct request *req, const struct api_tenant_get_in *in, struct api_tenant *out,
                         struct err *err)
{
        (void)in;
        return get(req, req->tenant, out, err);
}

FIBER_FN bool platform_tenant_get(struct request *req, const struct api_platform_tenant_get_in *in,
                                  struct api_tenant *out, struct err *err)
{
        return get(req, in->tenant, out, err);
}

/* ---- changing ---------------------------------------------------------------------------------- */

/* A change in the directory, an entry in the tenant's own log, and one in the platform's, in this order. */
struct change {
        struct request *req;
        struct str id;
        const char *operation;
        struct sql_tenant_directory_list_row row; /* as it was, then as it is */
        struct str state;                         /* {NULL, 0}: an update */
        bool archive;
        const struct api_tenant_update *body; /* of an update */
        struct api_tenant *out;
};

static bool load_row(struct tx *tx, struct change *change, struct err *err)
{
        bool found;

        if (!sql_tenant_directory_get(tx, change->id, &change->row, &found, err))
                return false;
        return found || no_tenant(err);
}

static bool change_state(struct tx *tx, struct change *change, struct err *err)
{
        int64_t changes;

        if (change->row.platform)
                return err_set(err, ERR_CONFLICT, "this is the platform's own tenant: nobody could undo it");
        if (change->row.closing_action.ptr)
                return err_set(err, ERR_CONFLICT, "the tenant is being deleted");
        if (!sql_tenant_directory_state(tx, change->id, change->state,
                                        change->archive ? &change->req->now_ms : NULL, &changes, err) ||
            !places_forget_on_commit(change->req->services, tx, change->id, err))
                return false;
        return changes == 1 || err_set(err, ERR_CONFLICT, "the tenant has changed meanwhile");
}

static bool update_row(struct tx *tx, struct change *change, struct err *err)
{
        const struct api_tenant_update *body = change->body;
        struct sql_tenant_directory_list_row other;
        struct sql_tenant_directory_list_row *row = &change->row;
        int64_t changes;
        bool taken = false;

        if (!request_check_version(change->req, row->version, true, err))
                return false;
        if (body->name.ptr && !str_eq(body->name, row->name) &&
            !sql_tenant_directory_by_name(tx, body->name, &other, &taken, err))
                return false;
        if (taken)
                return err_set_at(err, ERR_ALREADY_EXISTS, "/name", "there is a tenant \"%.*s\" already",
                                  STR_ARG(body->name));
        if (body->name.ptr)
                row->name = body->name;
        if (body->tier)
                row->tier = str_from(api_tier_name(body->tier));
        if (body->labels &&
            !labels_format(tx_arena(tx), body->labels, body->labels_count, &row->labels, err))
                return false;
        if (!sql_tenant_directory_update(tx, change->id, row->version, row->name, row->tier, row->labels,
                                         &changes, err) ||
            /* The tier decides limits, which are remembered with the keys. */
            !places_forget_on_commit(change->req->services, tx, change->id, err))
                return false;
        return changes == 1 || err_set(err, ERR_PRECONDITION_FAILED, "the tenant has changed meanwhile");
}

static bool directory_work(struct tx *tx, void *arg, struct err *err)
{
        struct change *change = arg;

        if (!load_row(tx, change, err))
                return false;
        if (change->state.ptr ? !change_state(tx, change, err) : !update_row(tx, change, err))
                return false;
        return load_row(tx, change, err);
}

/* The tenant's own copy, and its own log: its people see what was done to them. */
static bool own_work(struct tx *tx, void *arg, struct err *err)
{
        const struct change *change = arg;
        const struct request *req = change->req;
        struct log_resource resource = {.type = "tenant", .id = change->id};
        struct log_event event = {.time_ms = req->now_ms,
                                  .activity = LOG_UPDATE,
                                  .operation = str_from(change->operation),
                                  .actor = LOG_USER,
                                  .actor_id = id_str(&req->principal.id),
                                  .source = STR("server"),
                                  .request_id = id_str(&req->id),
                                  .resources = &resource,
                                  .resource_count = 1};

        return sql_tenant_self_update(tx, change->row.name, change->row.tier, err) &&
               log_append(tx, &event, NULL, err);
}

static bool platform_work(struct request *req, void *arg, struct err *err)
{
        struct change *change = arg;

        request_log_resource(req, "tenant", change->id);
        request_set_etag(req, change->row.version);
        return tenant_to_api(req->arena, &change->row, change->out, err);
}

static bool self_work(struct tx *tx, void *arg, struct err *err)
{
        struct sql_tenant_self_get_row *row = arg;
        bool found;

        return sql_tenant_self_get(tx, row, &found, err);
}

/* A tenant on its way to another store takes no change: then neither does the directory. */
static FIBER_FN bool check_takes_changes(const struct change *change, struct err *err)
{
        struct request *req = change->req;
        struct tenant_one one = {.id = change->id};
        struct sql_tenant_self_get_row row;

        if (!find_tenant(req, &one, err))
                return false;
        if (!one.found)
                return no_tenant(err);
        const struct cell_ref cell = {.tenant = change->id, .region = one.row.region};
        return cell_write(req->services->store, &cell, req->arena, self_work, &row, err);
}

static FIBER_FN bool apply(struct change *change, struct err *err)
{
        struct request *req = change->req;
        struct store *store = req->services->store;
        struct cell_ref cell;

        if (!check_takes_changes(change, err))
                return false;
        if (!cell_write(store, &CELL_DIRECTORY, req->arena, directory_work, change, err))
                return false;
        cell = (struct cell_ref){.tenant = change->id, .region = change->row.region};
        return cell_write(store, &cell, req->arena, own_work, change, err) &&
               request_write(req, platform_work, change, err);
}

FIBER_FN bool tenant_update(struct request *req, const struct api_tenant_update_in *in,
                            struct api_tenant *out, struct err *err)
{
        struct change change = {
                .req = req, .id = in->tenant, .operation = "tenant.update", .body = &in->body, .out = out};

        return apply(&change, err);
}

FIBER_FN bool tenant_suspend(struct request *req, const struct api_tenant_suspend_in *in,
                             struct api_tenant *out, struct err *err)
{
        struct change change = {.req = req,
                                .id = in->tenant,
                                .operation = "tenant.suspend",
                                .state = STR("suspended"),
                                .out = out};

        return apply(&change, err);
}

FIBER_FN bool tenant_resume(struct request *req, const struct api_tenant_resume_in *in,
                            struct api_tenant *out, struct err *err)
{
        struct change change = {.req = req,
                                .id = in->tenant,
                                .operation = "tenant.resume",
                                .state = STR("active"),
                                .out = out};

        return apply(&change, err);
}

FIBER_FN bool tenant_archive(struct request *req, const struct api_tenant_archive_in *in,
                             struct api_tenant *out, struct err *err)
{
        struct change change = {.req = req,
                                .id = in->tenant,
                                .operation = "tenant.archive",
                                .state = STR("active"),
                                .archive = true,
                                .out = out};

        return apply(&change, err);
}
