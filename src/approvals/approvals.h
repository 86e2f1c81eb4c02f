/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actions: from the frozen statement to the signed outcome. These are the
 * rules, over a transaction on the tenant's cell; nothing here knows of HTTP or
 * JSON requests. Every change of state goes through the table in
 * transitions.def; the state that a row is in is the lock, and the count of
 * changed rows tells who won.
 *
 * Whoever calls a function that changes something also writes the log entry
 * and the event, in the same transaction (the pipeline for requests;
 * approvals_time_up does both itself, since no request stands behind it).
 *
 * Strings of rows live in tx_arena(tx).
 */
#pragma once

#include "approvals/approvals_sql.h"
#include "approvals/state.h"
#include "documents/quorum.h"
#include "documents/report.h"
#include "store/store.h"

struct action_decision {
        struct str principal;
        enum verdict verdict;
        struct dsse_signature signature;
        int64_t decided_ms;
};

/* A row of the table, its state as a number, and its decisions once approvals_decisions has read them. */
struct action {
        enum action_state state;
        bool has_decisions;
        size_t decision_count;
        struct action_decision *decisions;
        struct sql_action_get_row row;
};

enum { OUTPUT_KEEP_BYTES = 1 << 20, CLAIM_LIST_MAX = 16 };

/* ---- submitting -------------------------------------------------------------------------------- */

struct action_new {
        const struct statement *statement;
        struct str bytes;  /* the statement's */
        struct str digest; /* of the bytes */
        bool denied;       /* the policy denies it: it is recorded, and that is all */
        struct str task_name, instruction;
};

/*
 * Records it: pending, denied, or at once approved when the statement requires
 * no decision and its operation only reads (INTERNAL if it does more). The
 * strings of `ret` are those of `action` and its statement.
 */
bool approvals_submit(struct tx *tx, const struct action_new *action, struct action *ret,
                      struct err *err) MUST_USE;

/* ---- reading ----------------------------------------------------------------------------------- */

/* NOT_FOUND also when the action is in another workspace. */
bool approvals_get(struct tx *tx, struct str workspace, struct str id, struct action *ret,
                   struct err *err) MUST_USE;
bool action_from_row(struct tx *tx, const struct sql_action_get_row *row, struct action *ret,
                     struct err *err) MUST_USE;
/*
 * The same for who has read it before: what it carries is never changed, only
 * erased, and is taken from `seen` if it is still there under the same key.
 */
bool approvals_get_again(struct tx *tx, struct str workspace, const struct action *seen, struct action *ret,
                         struct err *err) MUST_USE;
/*
 * The same for who closes it: what it carries is opened only if it is kept
 * then; otherwise the row is as if it were gone.
 */
bool approvals_get_lasting(struct tx *tx, struct str workspace, struct str id, struct action *ret,
                           struct err *err) MUST_USE;

/*
 * Whether what the action carries is still there: the statement, the asker's
 * words, the output, the executor's message. CONTENT_GONE once it is closed in a
 * workspace that keeps metadata only; row.statement is NULL then.
 */
bool action_has_content(const struct action *action, struct err *err) MUST_USE;

/* Whether its time is up though the row does not say so yet. */
bool action_is_due(const struct action *action, int64_t now_ms);
/* The state that it is in by the clock: a due action counts as expired or lapsed. */
enum action_state action_state_now(const struct action *action, int64_t now_ms);

/* Reads the decisions into the action, unless they are there; in the transaction that has read the action.
 */
bool approvals_decisions(struct tx *tx, struct action *action, struct err *err) MUST_USE;

/*
 * The frozen statement with the approvals, as a DSSE envelope. With a roster,
 * only those that still count by it; *ret_people is how many people that is.
 */
bool approvals_envelope(struct tx *tx, struct action *action, const struct roster *roster,
                        struct dsse_envelope *ret, unsigned *ret_people, struct err *err) MUST_USE;

/* ---- deciding ---------------------------------------------------------------------------------- */

struct action_decide {
        struct str workspace, action;
        struct str principal; /* who decides, by their credential */
        enum verdict verdict;
        struct dsse_signature signature; /* Ed25519's, or a passkey's assertion */
        const struct roster *roster;     /* the one that the signature was checked against */
        const struct action *seen;       /* the one that it was checked for */
};

/*
 * Before the transaction: whether this principal may decide this action with
 * this signature. SELF_APPROVAL, NOT_ON_ROSTER, FORBIDDEN, BAD_SIGNATURE.
 */
bool approvals_check_decision(struct arena *arena, const struct action *action,
                              const struct action_decide *decide, struct err *err) MUST_USE;

/*
 * Counts a checked decision. Errors: ACTION_NOT_PENDING, ACTION_EXPIRED,
 * ALREADY_DECIDED, and ROSTER_CONFLICT when another roster stands meanwhile
 * (check again).
 */
bool approvals_decide(struct tx *tx, const struct action_decide *decide, int64_t now_ms, struct action *ret,
                      struct err *err) MUST_USE;

/* CONFLICT when somebody has claimed it or it is over. */
bool approvals_cancel(struct tx *tx, struct str workspace, struct str id, int64_t now_ms, struct action *ret,
                      struct err *err) MUST_USE;

/*
 * A person says how an action ended whose executor does not: of an
 * `indeterminate` one, or of a `claimed` one whose executor is revoked. NOT_FOUND;
 * FORBIDDEN for who asked; CONFLICT. A report that comes later is refused, and so logged.
 */
struct action_settlement {
        struct str workspace;
        struct str action;
        struct str by; /* a principal's id */
        struct str note;
        bool succeeded;
};
bool approvals_settle(struct tx *tx, const struct action_settlement *settlement, int64_t now_ms,
                      struct action *ret, struct err *err) MUST_USE;

/*
 * Expires or lapses a due action, with log entry and event. *ret_moved is false
 * when there was nothing to do.
 */
bool approvals_time_up(struct tx *tx, struct str workspace, struct str id, int64_t now_ms, bool *ret_moved,
                       struct err *err) MUST_USE;
/* The same for up to `most` actions of the cell. */
bool approvals_sweep(struct tx *tx, int64_t now_ms, int64_t most, int64_t *ret_moved,
                     struct err *err) MUST_USE;

/* ---- running ----------------------------------------------------------------------------------- */

struct action_claim {
        struct str executor, environment; /* who claims; enrolled, not revoked */
        const struct roster *roster;      /* NULL: there is none */
};

/*
 * The one right to run, of an action that approvals_get has read in this
 * transaction. Exactly one caller gets it. ACTION_NOT_APPROVED,
 * ACTION_EXPIRED, NOT_FOUND (another environment), and NOT_ON_ROSTER when the
 * approvals that still count are no longer enough.
 */
bool approvals_claim(struct tx *tx, const struct action_claim *claim, int64_t now_ms, struct action *action,
                     struct dsse_envelope *ret_envelope, struct err *err) MUST_USE;

/*
 * Appends what a running action prints. What was sent already is ignored, a gap
 * is BAD_FIELD at /offset; beyond OUTPUT_KEEP_BYTES it is counted, not kept.
 */
bool approvals_output_append(struct tx *tx, struct str workspace, struct str id, struct str executor,
                             int64_t offset, struct str data, struct err *err) MUST_USE;
/* What was kept from `offset` on, at most `most_bytes`, in the arena. */
bool approvals_output_read(struct tx *tx, const struct action *action, int64_t offset, size_t most_bytes,
                           struct str *ret_data, struct err *err) MUST_USE;

/*
 * Whether the envelope is a report by this executor key about this action's
 * claim. BAD_ENVELOPE, BAD_SIGNATURE (also for another's key).
 */
bool approvals_check_report(struct arena *arena, const struct action *action,
                            const struct dsse_envelope *envelope, struct str executor,
                            const struct ed25519_public *key, struct report *ret, struct err *err) MUST_USE;
/*
 * Records a checked report. The same again changes nothing (*ret_again). An
 * indeterminate outcome may be settled once; anything else is CONFLICT.
 */
bool approvals_report(struct tx *tx, struct str workspace, const struct report *report,
                      struct str envelope_json, int64_t now_ms, struct action *ret, bool *ret_again,
                      struct err *err) MUST_USE;

/* ---- the roster -------------------------------------------------------------------------------- */

/* The version that stands. *ret_found false when there is none yet. */
bool approvals_roster(struct tx *tx, struct roster *ret, bool *ret_found, struct err *err) MUST_USE;
/*
 * Puts the next version. Its members must be people of the tenant. As
 * roster_accept, and ROSTER_CONFLICT when another came first.
 */
bool approvals_roster_put(struct tx *tx, const struct dsse_envelope *envelope, int64_t now_ms,
                          struct roster *ret, struct err *err) MUST_USE;

/* ---- telling others ------------------------------------------------------------------------------ */

/* What executors of a place wait for (api/notify.h). */
struct str approvals_work_subject(struct arena *arena, struct str workspace, struct str environment);
/* {"action":…,"state":…,…}: an event's data. */
struct str approvals_event_data(struct arena *arena, const struct action *action);
