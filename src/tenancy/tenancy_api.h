/* SPDX-License-Identifier: Apache-2.0 */
/* From rows to the contract's types; private to this folder's handlers. */
#pragma once

#include "api/api_types.h"
#include "api/listing.h"
#include "api/request.h"
#include "tenancy/labels.h"
#include "tenancy/tenancy_sql.h"

/* A selector may have to look at many rows for one that fits: a page ends after 1000, perhaps short. */
void tenancy_widen(struct listing *listing, const struct selector *selector);

bool tenant_to_api(struct arena *arena, const struct sql_tenant_directory_list_row *row,
                   struct api_tenant *out, struct err *err) MUST_USE;
bool organization_to_api(struct arena *arena, const struct sql_organization_get_row *row,
                         struct api_organization *out, struct err *err) MUST_USE;
bool workspace_to_api(struct arena *arena, const struct sql_workspace_get_row *row,
                      struct api_workspace *out, struct err *err) MUST_USE;

/* Whether the owner is a principal of the tenant that is not disabled. BAD_FIELD at /owner. */
bool owner_check(struct tx *tx, struct str owner, struct err *err) MUST_USE;

/* In the request's transaction; NOT_FOUND. */
bool workspace_find(struct request *req, struct str id, struct sql_workspace_get_row *ret,
                    struct err *err) MUST_USE;
