/* SPDX-License-Identifier: Apache-2.0 */
#include "access/bindings.h"

#include "access/access_sql.h"
#include "access/rules_private.h"
#include "api/services.h"
#include "base/clock.h"

#include <stdio.h>

enum { NAMES_MAX = 64 };

/* At the tenant; a built-in role's name, or the id of one of the tenant's own. */
static bool bind_at_tenant(struct tx *tx, struct str principal, struct str role, struct str role_id,
                           struct str created_by, int64_t now_ms, struct err *err)
{
        struct id id = id_new("bnd");
        struct sql_access_binding_insert_in in = {
                .id = id_str(&id),
                .principal_id = principal,
                .role = role,
                .role_id = role_id,
                .level = STR("tenant"),
                .scope_id = tx_tenant(tx),
                .effect = STR("allow"),
                .created_by = created_by,
                .now = now_ms,
        };

        return sql_access_binding_insert(tx, &in, err);
}

bool access_bind_roles(struct tx *tx, struct str principal, uint32_t roles, struct str created_by,
                       int64_t now_ms, struct err *err)
{
        for (unsigned i = 0; i < ROLE_COUNT; i++)
                if ((roles & ROLE_BIT(i)) &&
                    !bind_at_tenant(tx, principal, str_from(role_name((enum role)i)), STR_NULL, created_by,
                                    now_ms, err))
                        return false;
        return true;
}

bool access_bind_own_roles(struct tx *tx, struct str principal, const struct str *roles, size_t count,
                           struct str created_by, int64_t now_ms, struct err *err)
{
        for (size_t i = 0; i < count; i++)
                if (!bind_at_tenant(tx, principal, STR_NULL, roles[i], created_by, now_ms, err))
                        return false;
        return true;
}

bool access_check_grant_roles(struct request *req, uint32_t roles, struct err *err)
{
        for (unsigned i = 0; i < ROLE_COUNT; i++)
                if ((roles & ROLE_BIT(i)) &&
                    !access_check_grant(
                            req, STR(""), STR(""),
                            access_role_permissions(req->arena, (enum role)i, req->principal.platform), err))
                        return false;
        return true;
}

bool access_role_names_of(struct tx *tx, struct str principal, struct str **ret_names, size_t *ret_count,
                          struct err *err)
{
        struct str *names = ARENA_ARRAY(tx_arena(tx), struct str, NAMES_MAX);
        SQL_SCOPED(access_role_names) c = {0};
        struct sql_access_role_names_row row;
        size_t count = 0;
        bool has = true;

        if (!names)
                return arena_check(tx_arena(tx), err);
        if (!sql_access_role_names_open(tx, principal, principal, STR("allow"), &c, err))
                return false;
        while (count < NAMES_MAX) {
                struct str name;
                size_t i = 0;

                if (!sql_access_role_names_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                name = row.role.ptr ? row.role : row.role_name;
                while (i < count && !str_eq(names[i], name))
                        i++;
                if (i == count)
                        names[count++] = name;
        }
        *ret_names = names;
        *ret_count = count;
        return true;
}

/* ---- roles --------------------------------------------------------------------------------------- */

bool access_role_find(struct tx *tx, struct str name, bool platform, struct access_named_role *ret,
                      struct err *err)
{
        struct sql_access_role_get_row row;
        bool found;

        *ret = (struct access_named_role){0};
        if (role_from(name, &ret->role)) {
                ret->built_in = true;
                ret->name = str_from(role_name(ret->role));
                ret->permissions = access_role_permissions(tx_arena(tx), ret->role, platform);
                return arena_check(tx_arena(tx), err);
        }
        if (!sql_access_role_named(tx, name, &row, &found, err))
                return false;
        if (!found)
                return err_set_at(err, ERR_BAD_FIELD, "/role", "there is no role \"%.*s\"", STR_ARG(name));
        ret->id = row.id;
        ret->name = row.name;
        ret->permissions = arena_printf(tx_arena(tx), "%.*s %.*s", STR_ARG(row.permissions),
                                        STR_ARG(row.owner_permissions));
        return arena_check(tx_arena(tx), err);
}

static bool permission_check(struct str name, const char *field, size_t at, struct err *err)
{
        enum permission permission;
        char place[64];

        (void)snprintf(place, sizeof(place), "/%s/%zu", field, at);
        if (permission_is_custom(name))
                return true;
        if (!permission_from(name, &permission))
                return err_set_at(err, ERR_BAD_FIELD, place,
                                  "there is no permission \"%.*s\"; those of the tenant's own begin with x:",
                                  STR_ARG(name));
        if (permission_is_platform(permission))
                return err_set_at(err, ERR_BAD_FIELD, place,
                                  "%.*s is the platform's, and in no tenant's own role", STR_ARG(name));
        return true;
}

bool access_permissions_join(struct arena *arena, const struct str *names, size_t count, const char *field,
                             struct str *ret, struct err *err)
{
        BUF_SCOPED buf;

        buf_init(&buf, 64 * 1024);
        for (size_t i = 0; i < count; i++) {
                size_t before = 0;

                if (!permission_check(names[i], field, i, err))
                        return false;
                while (!str_eq(names[before], names[i]))
                        before++;
                if (before < i)
                        continue;
                if (buf.len > 0)
                        buf_append_char(&buf, ' ');
                buf_append_str(&buf, names[i]);
        }
        *ret = buf.len > 0 ? arena_str(arena, buf_str(&buf)) : STR("");
        return buf_check(&buf, "the permissions", err) && arena_check(arena, err);
}

bool access_permissions_cut(struct arena *arena, struct str names, const struct str **ret, size_t *ret_count,
                            struct err *err)
{
        size_t most = 1;
        struct str *list;

        for (size_t i = 0; i < names.len; i++)
                most += names.ptr[i] == ' ';
        list = ARENA_ARRAY(arena, struct str, most);
        if (!list)
                return arena_check(arena, err);
        *ret = list;
        *ret_count = 0;
        while (names.len > 0) {
                struct str name;

                (void)str_cut(&names, ' ', &name);
                if (name.len > 0)
                        list[(*ret_count)++] = name;
        }
        return true;
}

/* ---- who is meant, and where ------------------------------------------------------------------------- */

/* Whom a change of this binding reaches. */
static bool forget(struct request *req, struct str principal, struct err *err)
{
        return access_forget_on_commit(req->services, req->tx, principal.ptr ? principal : req->tenant, err);
}

static bool check_principal(struct request *req, struct str id, const struct access_named_role *role,
                            struct err *err)
{
        struct sql_access_binding_count_of_principal_row count;
        struct sql_access_principal_get_row row;
        enum principal_kind kind = PRINCIPAL_NOBODY;
        bool found;

        if (!sql_access_principal_get(req->tx, id, &row, &found, err))
                return false;
        if (!found)
                return err_set_at(err, ERR_BAD_FIELD, "/principal", "there is no such principal");
        for (unsigned i = PRINCIPAL_USER; i <= PRINCIPAL_EXECUTOR; i++)
                if (str_is(row.kind, principal_kind_name((enum principal_kind)i)))
                        kind = (enum principal_kind)i;
        if (role->built_in && !role_fits(kind, role->role))
                return err_set_at(err, ERR_BAD_FIELD, "/role",
                                  "the role %.*s is not for a principal of kind %.*s", STR_ARG(role->name),
                                  STR_ARG(row.kind));
        if (!sql_access_binding_count_of_principal(req->tx, id, &count, &found, err))
                return false;
        return count.bindings < RULES_OWN_MAX ||
               err_set(err, ERR_LIMIT_REACHED, "a principal has at most %d bindings", RULES_OWN_MAX);
}

static bool check_group(struct request *req, struct str id, struct err *err)
{
        struct sql_access_binding_count_of_group_row count;
        struct sql_access_group_get_row row;
        bool found;

        if (!sql_access_group_get(req->tx, id, &row, &found, err))
                return false;
        if (!found)
                return err_set_at(err, ERR_BAD_FIELD, "/group", "there is no such group");
        if (!sql_access_binding_count_of_group(req->tx, id, &count, &found, err))
                return false;
        return count.bindings < RULES_GROUP_MAX ||
               err_set(err, ERR_LIMIT_REACHED, "a group has at most %d bindings", RULES_GROUP_MAX);
}

/* The organization of a workspace, "" at the tenant. */
static bool find_where(struct request *req, const struct access_binding *binding,
                       struct str *ret_organization, struct err *err)
{
        struct sql_access_workspace_get_row place;
        struct sql_access_organization_get_row organization;
        bool found = true;

        *ret_organization = STR("");
        if (binding->workspace.ptr) {
                if (!sql_access_workspace_get(req->tx, binding->workspace, &place, &found, err))
                        return false;
                *ret_organization = place.organization_id;
                return found || err_set_at(err, ERR_BAD_FIELD, "/workspace", "there is no such workspace");
        }
        if (!binding->organization.ptr)
                return true;
        *ret_organization = binding->organization;
        if (!sql_access_organization_get(req->tx, binding->organization, &organization, &found, err))
                return false;
        return found || err_set_at(err, ERR_BAD_FIELD, "/organization", "there is no such organization");
}

/* Whether the caller may manage bindings there. */
static bool check_where(struct request *req, const struct access_binding *binding, struct str organization,
                        struct err *err)
{
        return access_check_resource(req,
                                     &(struct access_resource){.type = STR("binding"),
                                                               .id = binding->id,
                                                               .owner = binding->created_by,
                                                               .organization = organization,
                                                               .workspace = binding->workspace},
                                     err);
}

static bool check_condition(const struct request *req, struct str condition, struct err *err)
{
        struct cel_program *program = NULL;
        char place[sizeof(err->place)];
        bool ok;

        if (!condition.ptr)
                return true;
        ok = condition_compile(access_env(req->services->access), condition, &program, err);
        cel_program_free(program);
        if (ok)
                return true;
        (void)snprintf(place, sizeof(place), "%s", err->place);
        (void)err_prefix(err, "the condition, at %s", place);
        (void)snprintf(err->place, sizeof(err->place), "/condition");
        return false;
}

/* ---- making and taking away -----------------------------------------------------------------------------
 */

static bool administrators_stay(struct request *req, struct err *err)
{
        return access_check_administrators(req->services->access, req->tx, err);
}

static bool check_whom(struct request *req, const struct access_binding *binding,
                       const struct access_named_role *role, struct err *err)
{
        if (!binding->principal.ptr == !binding->group.ptr)
                return err_set_at(err, ERR_BAD_FIELD, "/principal",
                                  "name a principal or a group, one of the two");
        if (binding->organization.ptr && binding->workspace.ptr)
                return err_set_at(err, ERR_BAD_FIELD, "/organization",
                                  "name an organization or a workspace, one of the two");
        return binding->principal.ptr ? check_principal(req, binding->principal, role, err)
                                      : check_group(req, binding->group, err);
}

bool access_binding_make(struct request *req, struct access_binding *binding, struct err *err)
{
        struct access_named_role role;
        struct id id = id_new("bnd");
        struct str organization;
        struct sql_access_binding_insert_in in;

        binding->id = arena_str(req->arena, id_str(&id));
        binding->created_by = id_str(&req->principal.id);
        binding->created_ms = req->now_ms;
        if (!find_where(req, binding, &organization, err) || !check_where(req, binding, organization, err) ||
            !access_role_find(req->tx, binding->role, req->principal.platform, &role, err) ||
            !check_whom(req, binding, &role, err) || !check_condition(req, binding->condition, err))
                return false;
        if (!binding->forbid &&
            !access_check_grant(req, organization, binding->workspace, role.permissions, err))
                return false;
        binding->role = role.name;
        in = (struct sql_access_binding_insert_in){
                .id = binding->id,
                .principal_id = binding->principal,
                .group_id = binding->group,
                .role = role.built_in ? role.name : STR_NULL,
                .role_id = role.id,
                .level = binding->workspace.ptr      ? STR("workspace")
                         : binding->organization.ptr ? STR("organization")
                                                     : STR("tenant"),
                .scope_id = binding->workspace.ptr      ? binding->workspace
                            : binding->organization.ptr ? binding->organization
                                                        : req->tenant,
                .effect = binding->forbid ? STR("forbid") : STR("allow"),
                .condition = binding->condition,
                .created_by = binding->created_by,
                .now = binding->created_ms,
        };
        return sql_access_binding_insert(req->tx, &in, err) &&
               (!binding->forbid || administrators_stay(req, err)) && forget(req, binding->principal, err);
}

static void binding_from_row(const struct sql_access_binding_get_row *row, struct access_binding *ret)
{
        *ret = (struct access_binding){
                .id = row->id,
                .principal = row->principal_id,
                .group = row->group_id,
                .role = row->role.ptr ? row->role : row->role_name,
                .organization = str_is(row->level, "organization") ? row->scope_id : STR_NULL,
                .workspace = str_is(row->level, "workspace") ? row->scope_id : STR_NULL,
                .forbid = str_is(row->effect, "forbid"),
                .condition = row->condition,
                .created_by = row->created_by,
                .created_ms = row->created_ms,
        };
}

void access_binding_from_row(const struct sql_access_binding_get_row *row, struct access_binding *ret)
{
        binding_from_row(row, ret);
}

bool access_binding_find(struct tx *tx, struct str id, struct access_binding *ret, struct err *err)
{
        struct sql_access_binding_get_row row;
        bool found;

        if (!sql_access_binding_get(tx, id, &row, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is no such binding");
        binding_from_row(&row, ret);
        return true;
}

static bool is_member(const struct request *req, struct str group)
{
        const struct access_rules *mine = req->access->rules;

        for (size_t i = 0; i < mine->rule_count; i++)
                if (str_eq(id_str(&mine->rules[i].group), group))
                        return true;
        return false;
}

/* Taking a ban away is giving what it forbids; and nobody lifts their own. */
static bool check_lift(struct request *req, const struct access_binding *ban, struct err *err)
{
        struct access_named_role role;
        struct str organization;
        struct err ignored;

        if (str_eq(ban->principal, id_str(&req->principal.id)) ||
            (ban->group.ptr && is_member(req, ban->group)))
                return err_set(err, ERR_FORBIDDEN, "nobody lifts a ban that they are under");
        if (!find_where(req, ban, &organization, &ignored))
                return true; /* of a place that is no more */
        return access_role_find(req->tx, ban->role, req->principal.platform, &role, err) &&
               access_check_grant(req, organization, ban->workspace, role.permissions, err);
}

bool access_binding_remove(struct request *req, struct str id, struct err *err)
{
        struct access_binding binding;
        struct str organization;
        struct err ignored;
        int64_t changes;

        if (!access_binding_find(req->tx, id, &binding, err))
                return false;
        if (!find_where(req, &binding, &organization, &ignored))
                organization = STR("");
        if (!check_where(req, &binding, organization, err) ||
            (binding.forbid && !check_lift(req, &binding, err)) ||
            !sql_access_binding_delete(req->tx, id, &changes, err))
                return false;
        return (binding.forbid || administrators_stay(req, err)) && forget(req, binding.principal, err);
}

/* ---- groups ------------------------------------------------------------------------------------------ */

static bool group_exists(struct request *req, struct str group, struct err *err)
{
        struct sql_access_group_get_row row;
        bool found;

        if (!sql_access_group_get(req->tx, group, &row, &found, err))
                return false;
        return found || err_set(err, ERR_NOT_FOUND, "there is no such group");
}

/* Whether the caller could give (or lift) all that the group's bindings give (or forbid). */
static bool check_group_bindings(struct request *req, struct str group, bool forbids, struct err *err)
{
        SQL_SCOPED(access_binding_list_of_group) c = {0};
        struct sql_access_binding_get_row row;
        bool has;

        if (!sql_access_binding_list_of_group_open(req->tx, group, STR(""), RULES_GROUP_MAX + 1, &c, err))
                return false;
        while (sql_access_binding_list_of_group_next(&c, &row, &has, err)) {
                struct access_binding binding;
                struct access_named_role role;
                struct str organization;

                if (!has)
                        return true;
                binding_from_row(&row, &binding);
                if (binding.forbid != forbids)
                        continue;
                if (forbids ? !check_lift(req, &binding, err)
                            : !find_where(req, &binding, &organization, err) ||
                                      !access_role_find(req->tx, binding.role, req->principal.platform,
                                                        &role, err) ||
                                      !access_check_grant(req, organization, binding.workspace,
                                                          role.permissions, err))
                        return false;
        }
        return false;
}

bool access_member_add(struct request *req, struct str group, struct str principal, struct err *err)
{
        struct sql_access_membership_count_row count;
        struct sql_access_principal_get_row row;
        int64_t changes;
        bool found;

        if (!group_exists(req, group, err) ||
            !sql_access_principal_get(req->tx, principal, &row, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is no such principal");
        if (!check_group_bindings(req, group, false, err) ||
            !sql_access_membership_count(req->tx, principal, &count, &found, err))
                return false;
        if (count.groups >= GROUPS_MAX)
                return err_set(err, ERR_LIMIT_REACHED, "a principal is in at most %d groups", GROUPS_MAX);
        return sql_access_member_insert(req->tx, group, principal, req->now_ms, &changes, err) &&
               administrators_stay(req, err) && forget(req, principal, err);
}

bool access_member_remove(struct request *req, struct str group, struct str principal, struct err *err)
{
        int64_t changes;

        if (!group_exists(req, group, err) || !check_group_bindings(req, group, true, err) ||
            !sql_access_member_delete(req->tx, group, principal, &changes, err))
                return false;
        if (changes == 0)
                return err_set(err, ERR_NOT_FOUND, "this principal is not in the group");
        return administrators_stay(req, err) && forget(req, principal, err);
}

bool access_group_remove(struct request *req, struct str group, struct err *err)
{
        int64_t changes;

        return group_exists(req, group, err) && check_group_bindings(req, group, true, err) &&
               sql_access_group_bindings_delete(req->tx, group, err) &&
               sql_access_group_members_delete(req->tx, group, err) &&
               sql_access_group_delete(req->tx, group, &changes, err) && administrators_stay(req, err) &&
               forget(req, STR_NULL, err);
}
