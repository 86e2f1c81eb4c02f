/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api_handlers.h"
#include "tenancy/tenancy_api.h"

bool organization_list(struct request *req, const struct api_organization_list_in *in,
                       struct api_organization_page *out, struct err *err)
{
        struct api_organization *items;
        struct listing listing;
        SQL_SCOPED(organization_list) c = {0};
        struct sql_organization_get_row row;
        struct selector selector;
        bool has;

        if (!selector_parse(in->selector, &selector, err) || !LISTING_BEGIN(&listing, req, in, &items, err))
                return false;
        tenancy_widen(&listing, &selector);
        if (!sql_organization_list_open(req->tx, listing.after, listing.rows, &c, err))
                return false;
        for (;;) {
                struct api_organization *item = &items[listing.count];

                if (!sql_organization_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(&listing, row.id))
                        break;
                if (!organization_to_api(req->arena, &row, item, err))
                        return false;
                if (selector_matches(&selector, item->labels, item->labels_count))
                        listing.count++;
        }
        *out = (struct api_organization_page){items, listing.count, listing.next};
        return arena_check(req->arena, err);
}

static bool name_taken(struct str name, struct err *err)
{
        return err_set_at(err, ERR_ALREADY_EXISTS, "/name",
                          "the tenant has an organization \"%.*s\" already", STR_ARG(name));
}

bool organization_create(struct request *req, const struct api_organization_create_in *in,
                         struct api_organization *out, struct err *err)
{
        const struct api_organization_create *body = &in->body;
        struct id id = id_new("org");
        struct sql_organization_get_row row;
        struct str labels;
        int64_t changes;
        bool found;

        if (!labels_format(req->arena, body->labels, body->labels_count, &labels, err) ||
            (body->owner.ptr && !owner_check(req->tx, body->owner, err)) ||
            !sql_organization_insert(req->tx, id_str(&id), body->name, labels, body->owner, req->now_ms,
                                     &changes, err))
                return false;
        if (changes != 1)
                return name_taken(body->name, err);
        if (!sql_organization_get(req->tx, id_str(&id), &row, &found, err))
                return false;
        request_log_resource(req, "organization", row.id);
        request_event(req, "organization.created", row.id,
                      arena_printf(req->arena, "{\"organization\":\"%.*s\"}", STR_ARG(row.id)));
        request_set_etag(req, row.version);
        return organization_to_api(req->arena, &row, out, err);
}

static bool find(struct request *req, struct str id, struct sql_organization_get_row *ret, struct err *err)
{
        bool found;

        if (!sql_organization_get(req->tx, id, ret, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is nothing here");
        request_log_resource(req, "organization", id);
        return true;
}

bool organization_get(struct request *req, const struct api_organization_get_in *in,
                      struct api_organization *out, struct err *err)
{
        struct sql_organization_get_row row;

        if (!find(req, in->organization, &row, err))
                return false;
        request_set_etag(req, row.version);
        return organization_to_api(req->arena, &row, out, err);
}

/* What the body names is changed, the rest stays. */
static bool merge(struct request *req, const struct api_organization_update *body,
                  struct sql_organization_get_row *row, struct err *err)
{
        struct sql_organization_name_taken_row other;
        bool taken;

        if (body->name.ptr) {
                row->name = body->name;
                if (!sql_organization_name_taken(req->tx, row->name, row->id, &other, &taken, err))
                        return false;
                if (taken)
                        return name_taken(row->name, err);
        }
        if (body->owner.ptr) {
                row->owner_id = body->owner.len > 0 ? body->owner : STR_NULL;
                if (row->owner_id.ptr && !owner_check(req->tx, row->owner_id, err))
                        return false;
        }
        return !body->labels ||
               labels_format(req->arena, body->labels, body->labels_count, &row->labels, err);
}

bool organization_update(struct request *req, const struct api_organization_update_in *in,
                         struct api_organization *out, struct err *err)
{
        struct sql_organization_get_row row;
        int64_t changes;

        if (!find(req, in->organization, &row, err) || !request_check_version(req, row.version, true, err) ||
            !merge(req, &in->body, &row, err) ||
            !sql_organization_update(req->tx, row.id, row.version, row.name, row.labels, row.owner_id,
                                     &changes, err))
                return false;
        if (changes != 1)
                return err_set(err, ERR_PRECONDITION_FAILED, "the organization has changed meanwhile");
        row.version++;
        request_event(req, "organization.updated", row.id,
                      arena_printf(req->arena, "{\"organization\":\"%.*s\"}", STR_ARG(row.id)));
        request_set_etag(req, row.version);
        return organization_to_api(req->arena, &row, out, err);
}
