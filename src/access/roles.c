/* SPDX-License-Identifier: Apache-2.0 */
#include "access/roles.h"

#include "access/roles_table.h"
#include "api/route.h"

_Static_assert((unsigned)PERMISSION_COUNT <= PERMISSION_SET_MAX, "struct permission_set is too small");
_Static_assert(ROLE_COUNT <= 32, "roles are bits of 32");

const char *role_name(enum role role)
{
        return (unsigned)role < ROLE_COUNT ? access_roles[role].name : "";
}

const char *role_about(enum role role)
{
        return (unsigned)role < ROLE_COUNT ? access_roles[role].about : "";
}

static char lower(char c)
{
        return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Without regard to case and hyphens. */
static bool name_is(struct str text, const char *name)
{
        size_t at = 0;

        for (; *name; name++) {
                if (*name == '-')
                        continue;
                while (at < text.len && text.ptr[at] == '-')
                        at++;
                if (at == text.len || lower(text.ptr[at++]) != *name)
                        return false;
        }
        return at == text.len;
}

bool role_from(struct str name, enum role *ret)
{
        for (unsigned i = 0; i < ROLE_COUNT; i++)
                if (name_is(name, access_roles[i].name)) {
                        *ret = (enum role)i;
                        return true;
                }
        return false;
}

bool role_fits(enum principal_kind kind, enum role role)
{
        return (unsigned)role < ROLE_COUNT && (access_roles[role].kinds >> kind & 1) != 0;
}

struct permission_set roles_permissions(uint32_t roles, bool platform)
{
        struct permission_set all = {0};

        for (unsigned i = 0; i < ROLE_COUNT; i++)
                if (roles & ROLE_BIT(i)) {
                        permission_set_or(&all, &access_roles[i].permissions);
                        if (platform)
                                permission_set_or(&all, &access_roles[i].platform);
                }
        return all;
}

struct permission_set roles_owner_permissions(uint32_t roles)
{
        struct permission_set all = {0};

        for (unsigned i = 0; i < ROLE_COUNT; i++)
                if (roles & ROLE_BIT(i))
                        permission_set_or(&all, &access_roles[i].owner);
        return all;
}

bool permission_from(struct str name, enum permission *ret)
{
        for (unsigned i = 0; i < PERMISSION_COUNT; i++)
                if (str_is(name, permission_name((enum permission)i))) {
                        *ret = (enum permission)i;
                        return true;
                }
        return false;
}

const char *permission_about(enum permission permission)
{
        return (unsigned)permission < PERMISSION_COUNT ? access_permissions[permission].about : "";
}

bool permission_writes(enum permission permission)
{
        return (unsigned)permission >= PERMISSION_COUNT || access_permissions[permission].writes;
}

bool permission_is_platform(enum permission permission)
{
        return (unsigned)permission < PERMISSION_COUNT &&
               access_permissions[permission].levels == PERMISSION_AT_PLATFORM;
}

int permission_see(enum permission permission)
{
        return (unsigned)permission < PERMISSION_COUNT ? access_permissions[permission].see : -1;
}

bool permission_is_of_workspace(enum permission permission)
{
        return (unsigned)permission < PERMISSION_COUNT &&
               (access_permissions[permission].levels & PERMISSION_AT_WORKSPACE) != 0;
}

struct permission_set permissions_of_kind(enum principal_kind kind)
{
        struct permission_set all = {0};

        for (unsigned i = 0; i < PERMISSION_COUNT; i++)
                if (access_permissions[i].kinds >> kind & 1)
                        permission_set_add(&all, i);
        return all;
}

bool identity_authorize(const struct principal *principal, int permission, struct err *err)
{
        if (permission == API_PERMISSION_NONE)
                return true;
        if (principal->kind == PRINCIPAL_NOBODY)
                return err_set(err, ERR_UNAUTHENTICATED, "this needs a credential");
        if (permission < 0 || principal_may(principal, (unsigned)permission))
                return true;
        return err_set(err, ERR_FORBIDDEN, "this needs the permission %s",
                       permission_name((enum permission)permission));
}

bool identity_roles_check(enum principal_kind kind, uint32_t roles, struct err *err)
{
        for (unsigned i = 0; i < ROLE_COUNT; i++)
                if ((roles & ROLE_BIT(i)) && !role_fits(kind, (enum role)i))
                        return err_set_at(err, ERR_BAD_FIELD, "/roles",
                                          "the role %s is not for a principal of kind %s",
                                          role_name((enum role)i), principal_kind_name(kind));
        return true;
}
