/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this executor has done: the reason why nothing runs twice.
 *
 *   claiming   it is about to ask for the claim; nothing was sent to the target
 *   begun      durable before the first byte goes to the target
 *   done       the signed report; durable before it is sent
 *   reported   the server has the report
 *   kept       all that stays of a finished action: no statement, no report
 *
 * An action's way through them is the only one that is accepted:
 *
 *   (nothing) → claiming → begun → done → reported
 *                       ↘ done (refused by our own checks)
 *   done (indeterminate, open) → done (settled, or given up) → reported
 *
 * Whatever was begun or done is seen for ever: by the action's id and by the
 * statement's digest. What an action carried is erased once it is reported
 * (journal_erase_closed). What is not finished is kept in memory, so that a start
 * after a crash can settle it. Safe from any thread.
 */
#pragma once

#include "executor/journal_file.h"

struct journal;

/* An action that has begun: all that is needed to find out later what became of it. */
struct journal_entry {
        struct str action;
        struct str claim;
        struct str digest;    /* the statement's, 64 hex digits; empty when there was no readable one */
        struct str statement; /* its bytes */
        int64_t begun_ms;
};

struct journal_result {
        struct str action;
        struct str claim;
        struct str digest;
        struct str report;  /* the signed envelope, JSON */
        struct str outcome; /* its name; may be empty */
        bool open;          /* indeterminate, and somebody may still find out */
};

enum journal_need {
        JOURNAL_NEEDS_CLAIM,     /* claiming only */
        JOURNAL_NEEDS_RECONCILE, /* begun, not done; or done but open (then `report` is set) */
        JOURNAL_NEEDS_REPORT,    /* done, not reported */
};

/* Something unfinished. */
struct journal_item {
        enum journal_need need;
        struct journal_entry entry; /* statement empty unless begun */
        struct str report;
        bool report_sent; /* of an open item: the server has the indeterminate report */
};

/* Makes an empty journal; at enrolment. One that is there already is kept. `io`: see journal_file.h. */
bool journal_create(const char *dir, const struct journal_io *io, struct err *err) MUST_USE;

bool journal_open(const char *dir, const struct journal_io *io, struct journal **ret,
                  struct err *err) MUST_USE;
/* NULL is fine. */
void journal_close(struct journal *journal);
static inline void journal_closep(struct journal **journal)
{
        journal_close(*journal);
}

/* Whether this action, or a statement with this digest, was begun or done before. */
bool journal_has_seen(struct journal *journal, struct str action, struct str digest);

/* JOURNAL_REFUSED when the action was begun or done before. Repeating it is fine. */
bool journal_note_claiming(struct journal *journal, struct str action, struct err *err) MUST_USE;
/* The claim was not given; forgets the action. */
bool journal_note_no_claim(struct journal *journal, struct str action, struct err *err) MUST_USE;
/* JOURNAL_REFUSED when the action or the digest was begun or done before; so one of two callers wins. */
bool journal_note_begun(struct journal *journal, const struct journal_entry *entry,
                        struct err *err) MUST_USE;
bool journal_note_done(struct journal *journal, const struct journal_result *result,
                       struct err *err) MUST_USE;
bool journal_note_reported(struct journal *journal, struct str action, struct err *err) MUST_USE;

/*
 * Writes the journal anew: of each finished action only a line `kept` (its ids, the
 * digest, the outcome, the times), the unfinished ones as they are. Nothing when no
 * action was finished since. When it fails nothing is lost, and it may be tried again.
 */
bool journal_erase_closed(struct journal *journal, struct err *err) MUST_USE;

/* The n-th unfinished item, copied into the arena; false at the end. Stable while nothing is noted. */
bool journal_unfinished(struct journal *journal, struct arena *arena, size_t n, struct journal_item *ret);
