/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The deletion of workspaces and tenants: operations of the connector
 * `countersign`, run by the server once people have approved them
 * (approvals/control.h). docs/decisions/0051 says what stays of a tenant.
 *
 * A tenant goes in steps that can each be done again:
 *
 *   1. the directory notes the action: nobody of the tenant is let in any more
 *   2. the cell notes it too, in the transaction with claim, outcome and log
 *      entry; from here on it goes forward, before it goes back
 *   3. the grave is written: last checkpoint, key, envelope, rosters, proof
 *   4. the cells are erased, then the directory's rows
 */
#pragma once

#include "approvals/control.h"

struct deletion;

/* Registers both operations. What it makes outlives the store: free it after store_close. */
bool deletion_start(const struct services *services, struct control *control, struct deletion **ret,
                    struct err *err) MUST_USE;
void deletion_free(struct deletion *deletion);
/* At the start: goes on with what a stop has cut off. */
BLOCKING_FN bool deletion_resume(const struct services *services, struct err *err) MUST_USE;
