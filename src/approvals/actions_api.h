/* SPDX-License-Identifier: Apache-2.0 */
/* From actions to the contract's types, and back; private to this folder's handlers. */
#pragma once

#include "api/api_types.h"
#include "api/request.h"
#include "approvals/approvals.h"

/* Within a transaction. The state is the one by the clock. */
bool action_to_api(struct request *req, struct action *action, struct api_action *out,
                   struct err *err) MUST_USE;

bool envelope_to_api(struct arena *arena, const struct dsse_envelope *envelope, struct api_envelope *out,
                     struct err *err) MUST_USE;
/* Signatures are counted and sized by the decoder already. */
struct dsse_signature signature_from_api(const struct api_signature *in);
/* BAD_ENVELOPE unless it has both members of an assertion or neither. */
bool signature_check(const struct dsse_signature *signature, struct err *err) MUST_USE;
bool envelope_from_api(struct arena *arena, const struct api_envelope *in, struct dsse_envelope *ret,
                       struct err *err) MUST_USE;

/*
 * Finds an action of the request's workspace. The log entry is about it from
 * then on; an id that is not there is never written into the log.
 */
bool action_find(struct request *req, struct str id, struct action *ret, struct err *err) MUST_USE;

/* Log resource, details and event of a change, in the transaction that makes it. */
void action_changed(struct request *req, const struct action *action, const char *event);

/* On a fiber: whether the action's time was up, and if so closes it durably. */
FIBER_FN bool action_close_if_due(struct request *req, struct str id, const struct action *action,
                                  bool *ret_due, struct err *err) MUST_USE;
