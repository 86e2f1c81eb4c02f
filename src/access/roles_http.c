/* SPDX-License-Identifier: Apache-2.0 */
/* Permissions, and roles. */
#include "access/access_sql.h"
#include "access/bindings.h"
#include "access/roles_table.h"
#include "access/rules_private.h"
#include "api/api_handlers.h"
#include "api/listing.h"
#include "api/services.h"

enum { ROLES_MAX = 500 };

/* ---- conversions -------------------------------------------------------------------------------- */

static bool set_names(struct arena *arena, const struct permission_set *set, const struct str **ret,
                      size_t *ret_count, struct err *err)
{
        struct str *names = ARENA_ARRAY(arena, struct str, PERMISSION_COUNT);
        size_t count = 0;

        if (!names)
                return arena_check(arena, err);
        for (unsigned i = 0; i < PERMISSION_COUNT; i++)
                if (permission_set_has(set, i))
                        names[count++] = str_from(permission_name((enum permission)i));
        *ret = names;
        *ret_count = count;
        return true;
}

static bool built_in_to_api(struct arena *arena, enum role role, bool platform, struct api_access_role *ret,
                            struct err *err)
{
        struct permission_set allows = roles_permissions(ROLE_BIT(role), platform);
        struct permission_set owner = roles_owner_permissions(ROLE_BIT(role));
        enum api_principal_kind *kinds = ARENA_ARRAY(arena, enum api_principal_kind, PRINCIPAL_EXECUTOR + 1);
        size_t count = 0;

        if (!kinds)
                return arena_check(arena, err);
        for (unsigned i = PRINCIPAL_USER; i <= PRINCIPAL_EXECUTOR; i++)
                if (role_fits((enum principal_kind)i, role))
                        kinds[count++] = api_principal_kind_from(
                                str_from(principal_kind_name((enum principal_kind)i)));
        *ret = (struct api_access_role){.name = str_from(role_name(role)),
                                        .description = str_from(role_about(role)),
                                        .built_in = true,
                                        .kinds = kinds,
                                        .kinds_count = count};
        return set_names(arena, &allows, &ret->permissions, &ret->permissions_count, err) &&
               set_names(arena, &owner, &ret->owner_permissions, &ret->owner_permissions_count, err);
}

static bool own_to_api(struct arena *arena, const struct sql_access_role_get_row *row,
                       struct api_access_role *ret, struct err *err)
{
        *ret = (struct api_access_role){.id = row->id,
                                        .name = row->name,
                                        .description = row->description,
                                        .has_created_at = true,
                                        .created_at_ms = row->created_ms};
        return access_permissions_cut(arena, row->permissions, &ret->permissions, &ret->permissions_count,
                                      err) &&
               access_permissions_cut(arena, row->owner_permissions, &ret->owner_permissions,
                                      &ret->owner_permissions_count, err);
}

static bool role_find(struct request *req, struct str id, struct sql_access_role_get_row *ret,
                      struct err *err)
{
        bool found;

        if (!sql_access_role_get(req->tx, id, ret, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is no such role");
        request_log_resource(req, "role", id);
        return true;
}

static struct str event_data(struct request *req, struct str id)
{
        return arena_printf(req->arena, "{\"role\":\"%.*s\"}", STR_ARG(id));
}

/* ---- reading ------------------------------------------------------------------------------------ */

bool permission_list(struct request *req, const struct api_permission_list_in *in,
                     struct api_permission_list *out, struct err *err)
{
        struct api_permission *items = ARENA_ARRAY(req->arena, struct api_permission, PERMISSION_COUNT);

        (void)in;
        if (!items)
                return arena_check(req->arena, err);
        for (unsigned i = 0; i < PERMISSION_COUNT; i++) {
                const struct permission_row *row = &access_permissions[i];
                enum api_access_level *levels = ARENA_ARRAY(req->arena, enum api_access_level, 3);

                if (!levels)
                        return arena_check(req->arena, err);
                items[i] = (struct api_permission){.name = str_from(permission_name((enum permission)i)),
                                                   .description = str_from(row->about),
                                                   .writes = row->writes,
                                                   .levels = levels};
                if (row->levels & PERMISSION_AT_PLATFORM)
                        levels[items[i].levels_count++] = API_ACCESS_LEVEL_PLATFORM;
                if (row->levels & PERMISSION_AT_TENANT)
                        levels[items[i].levels_count++] = API_ACCESS_LEVEL_TENANT;
                if (row->levels & PERMISSION_AT_WORKSPACE)
                        levels[items[i].levels_count++] = API_ACCESS_LEVEL_WORKSPACE;
        }
        *out = (struct api_permission_list){.items = items, .items_count = PERMISSION_COUNT};
        return true;
}

bool role_list(struct request *req, const struct api_role_list_in *in, struct api_access_role_page *out,
               struct err *err)
{
        size_t limit = in->has_limit ? (size_t)in->limit : LISTING_LIMIT_DEFAULT;
        struct api_access_role *items = ARENA_ARRAY(req->arena, struct api_access_role, limit + ROLE_COUNT);
        struct listing listing;
        SQL_SCOPED(access_role_list) c = {0};
        struct sql_access_role_get_row row;
        size_t built_in = 0;
        bool has;

        if (!items)
                return arena_check(req->arena, err);
        if (!listing_begin(&listing, req->arena, limit, in->cursor, err) ||
            !sql_access_role_list_open(req->tx, listing.after, listing.rows, &c, err))
                return false;
        /* The first page begins with all that are built in, above its limit. */
        for (; built_in < ROLE_COUNT && listing.after.len == 0; built_in++)
                if (!built_in_to_api(req->arena, (enum role)built_in, req->principal.platform,
                                     &items[built_in], err))
                        return false;
        for (;;) {
                if (!sql_access_role_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(&listing, row.id))
                        break;
                if (!own_to_api(req->arena, &row, &items[built_in + listing.count++], err))
                        return false;
        }
        *out = (struct api_access_role_page){items, built_in + listing.count, listing.next};
        return arena_check(req->arena, err);
}

bool role_get(struct request *req, const struct api_role_get_in *in, struct api_access_role *out,
              struct err *err)
{
        struct sql_access_role_get_row row;

        return role_find(req, in->role, &row, err) && own_to_api(req->arena, &row, out, err);
}

/* ---- writing ------------------------------------------------------------------------------------ */

/* Nobody puts into a role what they do not hold. */
static bool check_permissions(struct request *req, struct str permissions, struct str owner, struct err *err)
{
        return access_check_grant(req, STR(""), STR(""), permissions, err) &&
               access_check_grant(req, STR(""), STR(""), owner, err);
}

bool role_create(struct request *req, const struct api_role_create_in *in, struct api_access_role *out,
                 struct err *err)
{
        const struct api_role_create *body = &in->body;
        struct sql_access_role_get_row row = {.name = body->name,
                                              .description =
                                                      body->description.ptr ? body->description : STR(""),
                                              .created_ms = req->now_ms};
        struct sql_access_role_count_row count;
        struct id id = id_new("rol");
        enum role built_in;
        int64_t changes;
        bool found;

        row.id = arena_str(req->arena, id_str(&id));
        if (role_from(body->name, &built_in))
                return err_set_at(err, ERR_ALREADY_EXISTS, "/name", "%s is a built-in role",
                                  role_name(built_in));
        if (!access_permissions_join(req->arena, body->permissions, body->permissions_count, "permissions",
                                     &row.permissions, err) ||
            !access_permissions_join(req->arena, body->owner_permissions, body->owner_permissions_count,
                                     "owner_permissions", &row.owner_permissions, err) ||
            !check_permissions(req, row.permissions, row.owner_permissions, err) ||
            !sql_access_role_count(req->tx, &count, &found, err))
                return false;
        if (count.roles >= ROLES_MAX)
                return err_set(err, ERR_LIMIT_REACHED, "a tenant has at most %d roles of its own",
                               ROLES_MAX);
        if (!sql_access_role_insert(req->tx, row.id, row.name, row.description, row.permissions,
                                    row.owner_permissions, req->now_ms, &changes, err))
                return false;
        if (changes != 1)
                return err_set_at(err, ERR_ALREADY_EXISTS, "/name", "there is a role \"%.*s\" already",
                                  STR_ARG(row.name));
        request_log_resource(req, "role", row.id);
        request_event(req, "role.created", row.id, event_data(req, row.id));
        return own_to_api(req->arena, &row, out, err);
}

bool role_update(struct request *req, const struct api_role_update_in *in, struct api_access_role *out,
                 struct err *err)
{
        const struct api_role_update *body = &in->body;
        struct sql_access_role_get_row row;
        int64_t changes;

        if (!role_find(req, in->role, &row, err) ||
            /* What goes may have been forbidden by it: that is lifted. */
            !check_permissions(req, row.permissions, row.owner_permissions, err))
                return false;
        if (body->description.ptr)
                row.description = body->description;
        if (body->permissions &&
            !access_permissions_join(req->arena, body->permissions, body->permissions_count, "permissions",
                                     &row.permissions, err))
                return false;
        if (body->owner_permissions &&
            !access_permissions_join(req->arena, body->owner_permissions, body->owner_permissions_count,
                                     "owner_permissions", &row.owner_permissions, err))
                return false;
        if (!check_permissions(req, row.permissions, row.owner_permissions, err) ||
            !sql_access_role_update(req->tx, row.id, row.description, row.permissions, row.owner_permissions,
                                    &changes, err) ||
            !access_check_administrators(req->services->access, req->tx, err) ||
            !access_forget_on_commit(req->services, req->tx, req->tenant, err))
                return false;
        request_event(req, "role.updated", row.id, event_data(req, row.id));
        return own_to_api(req->arena, &row, out, err);
}

bool role_delete(struct request *req, const struct api_role_delete_in *in, struct err *err)
{
        struct sql_access_role_uses_row uses;
        struct sql_access_role_get_row row;
        int64_t changes;
        bool found;

        if (!role_find(req, in->role, &row, err) ||
            !sql_access_role_uses(req->tx, row.id, &uses, &found, err))
                return false;
        if (uses.bindings > 0)
                return err_set(err, ERR_CONFLICT, "%lld bindings name this role; take them away first",
                               (long long)uses.bindings);
        request_event(req, "role.deleted", row.id, event_data(req, row.id));
        return sql_access_role_delete(req->tx, row.id, &changes, err);
}
