/* SPDX-License-Identifier: Apache-2.0 */
/* Bindings. */
#include "access/access_sql.h"
#include "access/bindings.h"
#include "api/api_handlers.h"
#include "api/listing.h"

static struct api_binding binding_to_api(const struct access_binding *binding)
{
        return (struct api_binding){
                .id = binding->id,
                .principal = binding->principal,
                .group = binding->group,
                .role = binding->role,
                .level = binding->workspace.ptr      ? API_BINDING_LEVEL_WORKSPACE
                         : binding->organization.ptr ? API_BINDING_LEVEL_ORGANIZATION
                                                     : API_BINDING_LEVEL_TENANT,
                .organization = binding->organization,
                .workspace = binding->workspace,
                .effect = binding->forbid ? API_BINDING_EFFECT_FORBID : API_BINDING_EFFECT_ALLOW,
                .condition = binding->condition,
                .created_by = binding->created_by,
                .created_at_ms = binding->created_ms,
        };
}

static struct str event_data(struct request *req, struct str binding)
{
        return arena_printf(req->arena, "{\"binding\":\"%.*s\"}", STR_ARG(binding));
}

struct page {
        struct listing listing;
        struct api_binding *items;
};

/* False: the page is full. */
static bool page_take(struct page *page, const struct sql_access_binding_get_row *row)
{
        struct access_binding binding;

        if (!listing_takes(&page->listing, row->id))
                return false;
        access_binding_from_row(row, &binding);
        page->items[page->listing.count++] = binding_to_api(&binding);
        return true;
}

static bool list_all(struct request *req, struct page *page, struct err *err)
{
        SQL_SCOPED(access_binding_list) c = {0};
        struct sql_access_binding_get_row row;
        bool has;

        if (!sql_access_binding_list_open(req->tx, page->listing.after, page->listing.rows, &c, err))
                return false;
        do {
                if (!sql_access_binding_list_next(&c, &row, &has, err))
                        return false;
        } while (has && page_take(page, &row));
        return true;
}

static bool list_of_principal(struct request *req, struct str principal, struct page *page, struct err *err)
{
        SQL_SCOPED(access_binding_list_of_principal) c = {0};
        struct sql_access_binding_get_row row;
        bool has;

        if (!sql_access_binding_list_of_principal_open(req->tx, principal, page->listing.after,
                                                       page->listing.rows, &c, err))
                return false;
        do {
                if (!sql_access_binding_list_of_principal_next(&c, &row, &has, err))
                        return false;
        } while (has && page_take(page, &row));
        return true;
}

static bool list_of_group(struct request *req, struct str group, struct page *page, struct err *err)
{
        SQL_SCOPED(access_binding_list_of_group) c = {0};
        struct sql_access_binding_get_row row;
        bool has;

        if (!sql_access_binding_list_of_group_open(req->tx, group, page->listing.after, page->listing.rows,
                                                   &c, err))
                return false;
        do {
                if (!sql_access_binding_list_of_group_next(&c, &row, &has, err))
                        return false;
        } while (has && page_take(page, &row));
        return true;
}

bool binding_list(struct request *req, const struct api_binding_list_in *in, struct api_binding_page *out,
                  struct err *err)
{
        struct page page;
        bool ok;

        if (in->principal.ptr && in->group.ptr)
                return err_set_at(err, ERR_BAD_PARAMETER, "group",
                                  "ask for a principal's or a group's, not both");
        if (!LISTING_BEGIN(&page.listing, req, in, &page.items, err))
                return false;
        if (in->principal.ptr)
                ok = list_of_principal(req, in->principal, &page, err);
        else if (in->group.ptr)
                ok = list_of_group(req, in->group, &page, err);
        else
                ok = list_all(req, &page, err);
        *out = (struct api_binding_page){page.items, page.listing.count, page.listing.next};
        return ok && arena_check(req->arena, err);
}

bool binding_create(struct request *req, const struct api_binding_create_in *in, struct api_binding *out,
                    struct err *err)
{
        const struct api_binding_create *body = &in->body;
        struct access_binding binding = {.principal = body->principal,
                                         .group = body->group,
                                         .role = body->role,
                                         .organization = body->organization,
                                         .workspace = body->workspace,
                                         .forbid = body->effect == API_BINDING_EFFECT_FORBID,
                                         .condition = body->condition};

        if (!access_binding_make(req, &binding, err))
                return false;
        request_log_resource(req, "binding", binding.id);
        request_log_detail(req, "role", binding.role);
        request_log_detail(req, "subject", binding.principal.ptr ? binding.principal : binding.group);
        request_event(req, "binding.created", binding.id, event_data(req, binding.id));
        *out = binding_to_api(&binding);
        return arena_check(req->arena, err);
}

bool binding_get(struct request *req, const struct api_binding_get_in *in, struct api_binding *out,
                 struct err *err)
{
        struct access_binding binding;

        if (!access_binding_find(req->tx, in->binding, &binding, err))
                return false;
        request_log_resource(req, "binding", binding.id);
        *out = binding_to_api(&binding);
        return true;
}

bool binding_delete(struct request *req, const struct api_binding_delete_in *in, struct err *err)
{
        struct access_binding binding;

        if (!access_binding_find(req->tx, in->binding, &binding, err))
                return false;
        request_log_resource(req, "binding", in->binding);
        request_log_detail(req, "role", binding.role);
        request_log_detail(req, "subject", binding.principal.ptr ? binding.principal : binding.group);
        request_event(req, "binding.deleted", in->binding, event_data(req, in->binding));
        return access_binding_remove(req, in->binding, err);
}
