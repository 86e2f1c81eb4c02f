/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as RFC 9457 problem details: the one place where an error becomes a reply. */
#pragma once

#include "base/buf.h"

#define PROBLEM_MEDIA "application/problem+json"

/* What only some problems have. */
struct problem_more {
        struct str location;      /* where to ask instead; {NULL, 0}: nothing is known */
        struct str problems_json; /* a JSON array with all mistakes of a document; {NULL, 0}: none */
};

/*
 * Appends the problem. What an internal error says stays in our logs: the
 * reply has its code and the request's id, by which the log line is found.
 * `more` may be NULL.
 */
void problem_write(struct buf *buf, const struct err *err, struct str request_id,
                   const struct problem_more *more);

/* The same as RFC 6749 section 5.2 wants it, for the token endpoint: {"error": …, "error_description": …}.
 */
void oauth_problem_write(struct buf *buf, const struct err *err);
