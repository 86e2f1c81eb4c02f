/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent may ask for, whatever its roles say (agents/agents.h), and that
 * what it means to change is logged before it is done. For all others these
 * functions do nothing.
 */
#pragma once

#include "agents/agents.h"
#include "api/request.h"
#include "approvals/approvals.h"

struct agent_ask {
        const struct catalogue_operation *operation;
        struct str environment;
        struct agent_reach reach; /* filled by the checks: the stricter of profile and credential */
};

/*
 * NOT_GRANTED, BEYOND_SCOPE; FORBIDDEN for an agent that is disabled. The first
 * asks what authorization has loaded with the request, before anything is asked
 * about the target: who may not ask for it learns nothing of it.
 */
bool agent_ask_check(struct request *req, struct agent_ask *ask, struct err *err) MUST_USE;
/* An executor may have been asked meanwhile, which takes a while: away from home, what holds is asked again.
 */
FIBER_FN bool agent_ask_check_again(struct request *req, struct agent_ask *ask, struct err *err) MUST_USE;
/*
 * In the transaction that makes the action. At home it is read where it is
 * written, so that what is recorded comes before every revocation that it does
 * not know.
 */
bool agent_ask_check_in_tx(struct request *req, struct agent_ask *ask, struct err *err) MUST_USE;

/*
 * An entry `agent.write_intent` of an operation that changes or destroys, in the
 * transaction that makes the action and before the action's own entry: nobody
 * can claim what was not announced. `denied`: by the policy; logged as denied.
 */
bool agent_ask_log_intent(struct request *req, const struct agent_ask *ask, const struct action *action,
                          bool denied, struct err *err) MUST_USE;
