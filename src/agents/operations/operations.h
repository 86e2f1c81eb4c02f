/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations on agents share. Private to src/agents. */
#pragma once

#include "agents/agents_sql.h"
#include "api/api_types.h"
#include "api/request.h"

/* NOT_FOUND: there is no such agent. The log entry is about it from then on. */
bool agent_find(struct request *req, struct str id, struct sql_agent_profile_get_row *ret,
                struct err *err) MUST_USE;
struct api_agent agent_to_api(const struct sql_agent_profile_get_row *row);
/* All nodes forget what they know of the agent when the transaction is durable. An event is published. */
bool agent_changed(struct request *req, struct str id, const char *event, struct err *err) MUST_USE;
/* FORBIDDEN: nobody says themselves how far they may go, or grants to themselves. */
bool agent_is_another(const struct request *req, struct str id, struct err *err) MUST_USE;
