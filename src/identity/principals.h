/* SPDX-License-Identifier: Apache-2.0 */
/* From rows to structs; private to this folder. */
#pragma once

#include "identity/identity.h"
#include "identity/identity_sql.h"

bool principal_kind_from(struct str name, enum principal_kind *ret) MUST_USE;
bool principal_from_row(const struct sql_principal_get_row *row, struct identity_principal *ret,
                        struct err *err) MUST_USE;
