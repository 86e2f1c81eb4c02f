/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executor's own checks of a claim (docs/protocol.md, "Claim"), one
 * function each. They trust nothing that the server says: only the roster that
 * was pinned at enrolment and followed since, the floor on this machine, the
 * journal, and this program's own catalogue.
 *
 * The sixth check, that the target still is what was resolved, needs the target
 * system: see connectors/connector.h.
 */
#pragma once

#include "catalogue/catalogue.h"
#include "crypto/dsse.h"
#include "documents/roster.h"
#include "documents/statement.h"
#include "executor/floor.h"
#include "executor/journal.h"

/* A statement may come from a clock that is ahead of ours by so much. */
enum { VERIFY_FUTURE_MAX_MS = 5 * 60 * 1000 };

/* Where this executor stands: from its enrolment, never from a claim. */
struct verify_place {
        struct str tenant;
        struct str workspace;
        struct str environment;
};

struct verify_with {
        struct verify_place place;
        const struct roster *roster;
        const struct floor *floor;
        struct journal *journal;
        int64_t now_ms;
};

/* A claim that passed. All of it lives in the arena. */
struct verified {
        struct statement statement;
        const struct catalogue_operation *operation;
        struct str bytes;  /* the statement's */
        struct str digest; /* of the bytes, 64 hex digits */
};

/*
 * All five, in this order: signatures over the bytes, form and place, time,
 * floor and quorum, journal. `action` is the one that was claimed. *ret_digest
 * is set whenever there is a payload, also when a check fails. The error says
 * for a person which check failed and why.
 */
bool verify_claim(struct arena *arena, const struct verify_with *with, struct str action,
                  const struct dsse_envelope *envelope, struct verified *ret, struct str *ret_digest,
                  struct err *err) MUST_USE;

/* Every signature is by a key on the roster and fits the bytes; nothing is parsed before. */
bool verify_bytes(const struct roster *roster, const struct dsse_envelope *envelope,
                  struct err *err) MUST_USE;
/* Check 1: a statement of this place and this action, whose operation our catalogue has just so. */
bool verify_form(const struct verify_place *place, struct str action, const struct statement *statement,
                 const struct catalogue_operation **ret_operation, struct err *err) MUST_USE;
/* Check 2: not expired, and not from the future. */
bool verify_time(const struct statement *statement, int64_t now_ms, struct err *err) MUST_USE;
/* Checks 3 and 4: enough distinct approvers, for the requirement and for the floor. */
bool verify_approvals(const struct roster *roster, const struct floor *floor,
                      const struct statement *statement, const struct dsse_envelope *envelope,
                      struct err *err) MUST_USE;
/* Check 5: never seen before. */
bool verify_journal(struct journal *journal, const struct statement *statement, struct str digest,
                    struct err *err) MUST_USE;
