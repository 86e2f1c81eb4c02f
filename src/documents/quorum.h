/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether enough of the right people have signed a statement. The server counts
 * with this code and every executor counts again with it.
 */
#pragma once

#include "documents/roster.h"
#include "documents/statement.h"

enum verdict { VERDICT_APPROVE, VERDICT_REJECT };

/* "approve", "reject". */
const char *verdict_name(enum verdict verdict);
bool verdict_from(struct str name, enum verdict *ret) MUST_USE;

/* The payload type of what a verdict signs. */
struct str quorum_payload_type(enum verdict verdict);

/*
 * One signature by one person over the statement's bytes, under the payload
 * type of the verdict. Errors: NOT_ON_ROSTER, SELF_APPROVAL (the key is the
 * requester's), FORBIDDEN (on the roster, but no approver), BAD_SIGNATURE.
 */
bool quorum_check_one(const struct roster *roster, const struct statement *statement, struct str bytes,
                      enum verdict verdict, const struct dsse_signature *signature,
                      const struct roster_member **ret_member, struct err *err) MUST_USE;

/*
 * All of an envelope: every signature must verify and be by an approver of the
 * roster other than the requester; each person counts once, whatever keys they
 * used; and `statement->decisions` of them, but at least `least`, are needed.
 * `least` is the executor's floor, 0 on the server. Errors also: FLOOR_REFUSED
 * when only the floor is not met, BAD_ENVELOPE for another payload type.
 */
bool quorum_check(const struct roster *roster, const struct statement *statement,
                  const struct dsse_envelope *envelope, unsigned least, struct err *err) MUST_USE;
