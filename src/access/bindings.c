/* SPDX-License-Identifier: Apache-2.0 */
#include "access/bindings.h"

#include "access/access_sql.h"

enum { NAMES_MAX = 64 };

bool access_bind_roles(struct tx *tx, struct str principal, uint32_t roles, struct str created_by,
                       int64_t now_ms, struct err *err)
{
        for (unsigned i = 0; i < ROLE_COUNT; i++) {
                struct id id = id_new("bnd");
                struct sql_access_binding_insert_in in = {
                        .id = id_str(&id),
                        .principal_id = principal,
                        .role = str_from(role_name((enum role)i)),
                        .level = STR("tenant"),
                        .scope_id = tx_tenant(tx),
                        .effect = STR("allow"),
                        .created_by = created_by,
                        .now = now_ms,
                };

                if ((roles & ROLE_BIT(i)) && !sql_access_binding_insert(tx, &in, err))
                        return false;
        }
        return true;
}

bool access_check_grant_roles(struct request *req, uint32_t roles, struct err *err)
{
        if (!req->access)
                return err_set(err, ERR_INTERNAL, "the request has no rules");
        for (unsigned i = 0; i < ROLE_COUNT; i++)
                if ((roles & ROLE_BIT(i)) &&
                    !access_rules_cover(
                            req->access->rules, STR(""), STR(""),
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
