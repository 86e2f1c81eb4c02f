/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roles of the tenant's own, groups, and bindings: their rules, over a
 * transaction on the tenant's home cell.
 */
#pragma once

#include "access/access.h"

/* Binds built-in roles (bits of enum role) to a new principal, at the tenant. Asks nobody: see
 * access_check_grant. */
bool access_bind_roles(struct tx *tx, struct str principal, uint32_t roles, struct str created_by,
                       int64_t now_ms, struct err *err) MUST_USE;

/* The same with roles of the tenant's own, by their ids. */
bool access_bind_own_roles(struct tx *tx, struct str principal, const struct str *roles, size_t count,
                           struct str created_by, int64_t now_ms, struct err *err) MUST_USE;

/*
 * FORBIDDEN unless the caller holds these permissions there ("" for neither place: at the tenant), without
 * a condition, and the credential's own scopes, if it has any, hold them too.
 */
bool access_check_grant(struct request *req, struct str organization, struct str workspace, struct str names,
                        struct err *err) MUST_USE;
/* FORBIDDEN unless the caller holds, at the tenant, all that these built-in roles allow. */
bool access_check_grant_roles(struct request *req, uint32_t roles, struct err *err) MUST_USE;

/* The names of the roles that a principal holds by bindings of its own, in the arena of the transaction. */
bool access_role_names_of(struct tx *tx, struct str principal, struct str **ret_names, size_t *ret_count,
                          struct err *err) MUST_USE;

/* ---- roles ------------------------------------------------------------------------------------------ */

/* A role by its name, built-in or the tenant's own. */
struct access_named_role {
        bool built_in;
        enum role role;         /* built-in */
        struct str id;          /* of the tenant's own; {NULL, 0}: built-in */
        struct str name;        /* canonical */
        struct str permissions; /* all of it, its owner's too, separated by spaces */
};
/* BAD_FIELD at /role. */
bool access_role_find(struct tx *tx, struct str name, bool platform, struct access_named_role *ret,
                      struct err *err) MUST_USE;

/*
 * Names of permissions as one text. BAD_FIELD, with the place, for one that is
 * not known, or of the platform; duplicates go.
 */
bool access_permissions_join(struct arena *arena, const struct str *names, size_t count, const char *field,
                             struct str *ret, struct err *err) MUST_USE;
bool access_permissions_cut(struct arena *arena, struct str names, const struct str **ret, size_t *ret_count,
                            struct err *err) MUST_USE;

/* ---- bindings ---------------------------------------------------------------------------------------- */

struct access_binding {
        struct str id;
        struct str principal; /* one of the two */
        struct str group;
        struct str role;         /* its name */
        struct str organization; /* one of the two, or neither: at the tenant */
        struct str workspace;
        bool forbid;
        struct str condition; /* {NULL, 0}: always */
        struct str created_by;
        int64_t created_ms;
};

/* Checks everything that is promised of a binding, and makes it. Fills id, role, created_by, created_ms. */
bool access_binding_make(struct request *req, struct access_binding *binding, struct err *err) MUST_USE;
struct sql_access_binding_get_row;
void access_binding_from_row(const struct sql_access_binding_get_row *row, struct access_binding *ret);
/* NOT_FOUND. */
bool access_binding_find(struct tx *tx, struct str id, struct access_binding *ret, struct err *err) MUST_USE;
bool access_binding_remove(struct request *req, struct str id, struct err *err) MUST_USE;

/* ---- groups ------------------------------------------------------------------------------------------- */

bool access_member_add(struct request *req, struct str group, struct str principal,
                       struct err *err) MUST_USE;
bool access_member_remove(struct request *req, struct str group, struct str principal,
                          struct err *err) MUST_USE;
bool access_group_remove(struct request *req, struct str group, struct err *err) MUST_USE;
