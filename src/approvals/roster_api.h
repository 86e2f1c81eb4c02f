/* SPDX-License-Identifier: Apache-2.0 */
/* The roster's chain in the contract's types; private to this folder's handlers. */
#pragma once

#include "api/api_types.h"
#include "store/store.h"

/* Versions after `after`, oldest first, in the transaction's arena. */
bool roster_versions(struct tx *tx, int64_t after, const struct api_roster_version **ret_items,
                     size_t *ret_count, struct err *err) MUST_USE;
