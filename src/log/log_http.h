/* SPDX-License-Identifier: Apache-2.0 */
/* The log for handlers. */
#pragma once

#include "api/request.h"

/*
 * A checkpoint over all that is durable in the request's cell, the text in
 * req->arena: log_checkpoint on a thread of the pool. For handlers without a transaction; with
 * it, every entry that a later request_read finds has a receipt.
 */
FIBER_FN bool log_checkpoint_make(struct request *req, struct str *ret_note, struct err *err) MUST_USE;
