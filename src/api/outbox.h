/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox: what happened, in order, in the tenant's own cell; the source of
 * the event stream. Events of a request are appended by the pipeline
 * (request_event); work outside a request calls outbox_append itself.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct tx;

/* Older events than the newest so many go. */
enum { OUTBOX_KEEP = 100000 };

/*
 * Within a write transaction; published to waiters of the subject and of the
 * tenant when it is durable. `type` such as "action.decided"; data is JSON.
 */
bool outbox_append(struct tx *tx, const char *type, struct str subject, struct str data_json, int64_t now_ms,
                   struct err *err) MUST_USE;
