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

/* FORBIDDEN unless the caller holds, at the tenant, all that these built-in roles allow. */
bool access_check_grant_roles(struct request *req, uint32_t roles, struct err *err) MUST_USE;

/* The names of the roles that a principal holds by bindings of its own, in the arena of the transaction. */
bool access_role_names_of(struct tx *tx, struct str principal, struct str **ret_names, size_t *ret_count,
                          struct err *err) MUST_USE;
