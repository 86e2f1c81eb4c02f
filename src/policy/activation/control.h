/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of policies that people must approve, once a tenant has said so:
 * `policy.activate`, `policy.deactivate` and `policy.unprotect` of the connector
 * `countersign` (approvals/control.h).
 */
#pragma once

#include "approvals/control.h"

void policy_control_register(struct control *control);
