/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Permissions and the built-in roles, as api/roles.yaml lists them
 * (tools/rolesgen.py). A role's name is lower-case with hyphens; names are
 * accepted in any case and with or without hyphens, so that WorkspaceAdmin is
 * workspace-admin (docs/decisions/0050-roles-and-bindings.md).
 */
#pragma once

#include "access/access_roles.h"
#include "api/api_permissions.h"
#include "api/permission_set.h"
#include "api/principal.h"
#include "base/err.h"

#define ROLE_BIT(role) ((uint32_t)1 << (role))

/* "administrator", … */
const char *role_name(enum role role);
const char *role_about(enum role role);
bool role_from(struct str name, enum role *ret) MUST_USE;
/* Whether principals of the kind may hold the role. */
bool role_fits(enum principal_kind kind, enum role role);

/* What the roles allow together. `platform`: of the platform's own tenant. */
struct permission_set roles_permissions(uint32_t roles, bool platform);
/* What they allow on the holder's own resources only. */
struct permission_set roles_owner_permissions(uint32_t roles);

/* False for a name that api/roles.yaml does not list. */
bool permission_from(struct str name, enum permission *ret) MUST_USE;
const char *permission_about(enum permission permission);
bool permission_writes(enum permission permission);
/* The permission without which the thing that it is about is not there; -1: any that reads. */
int permission_see(enum permission permission);
bool permission_is_of_workspace(enum permission permission);
/* Whether it is asked for at the level of the platform only. */
bool permission_is_platform(enum permission permission);
/* All that a kind of principal can ever hold. */
struct permission_set permissions_of_kind(enum principal_kind kind);

/*
 * FORBIDDEN with the permission's name unless the principal holds it. A
 * negative permission (API_PERMISSION_AUTHENTICATED) asks only for somebody:
 * UNAUTHENTICATED for nobody.
 */
bool identity_authorize(const struct principal *principal, int permission, struct err *err) MUST_USE;

/*
 * BAD_FIELD when kind and roles do not go together: agents hold `agent` only,
 * nobody but an agent holds it, executors are made by enrolment.
 */
bool identity_roles_check(enum principal_kind kind, uint32_t roles, struct err *err) MUST_USE;
