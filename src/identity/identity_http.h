/* SPDX-License-Identifier: Apache-2.0 */
/* From identity's structs to the contract's, for handlers here and next door. */
#pragma once

#include "api/api_types.h"
#include "api/request.h"
#include "identity/identity.h"

enum api_principal_kind identity_api_kind(enum principal_kind kind);
bool identity_api_principal(struct arena *arena, const struct identity_principal *principal,
                            struct api_principal *ret, struct err *err) MUST_USE;

/* What whoami_get says of the credential: realm, methods, limits, and how long it holds. */
bool identity_whoami(struct request *req, struct api_whoami *ret, struct err *err) MUST_USE;
