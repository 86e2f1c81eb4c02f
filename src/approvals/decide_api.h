/* SPDX-License-Identifier: Apache-2.0 */
/* A decision, however it came in. */
#pragma once

#include "api/request.h"
#include "documents/quorum.h"

struct api_action;

/* Verifies and counts a signed decision of the caller on an action of the request's workspace. */
FIBER_FN bool decide_run(struct request *req, struct str action, enum verdict verdict,
                         const struct dsse_signature *signature, struct api_action *out,
                         struct err *err) MUST_USE;
