/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the journal has in mind of its lines: which actions are unfinished and
 * what they carry, which are finished but still in the file, and everything that
 * was ever seen. The functions below say what each kind of line does to it; they
 * serve for a line that is read and for one that was just written.
 *
 * Private to journal.c; not thread-safe. Zeroed memory is empty.
 */
#pragma once

#include "base/id.h"
#include "executor/journal.h"
#include "executor/seen.h"

/* An unfinished action. */
struct unfinished {
        struct unfinished *next;
        struct id action;
        struct id claim;
        char digest[65];
        char outcome[24];
        int64_t begun_ms, ended_ms; /* 0 until then */
        char *statement;            /* heap; NULL unless begun */
        size_t statement_len;
        char *report; /* heap; NULL unless done */
        size_t report_len;
        bool open;
        bool reported; /* of an open one */
};

struct journal_memory {
        struct seen seen;
        struct unfinished *first; /* in the order of their first line */
        struct unfinished
                *closed; /* finished, and their content is still in the file; theirs here is gone */
};

void memory_done(struct journal_memory *memory);
/* NULL when it is not unfinished. */
struct unfinished *memory_find(const struct journal_memory *memory, struct str action);
bool memory_see(struct journal_memory *memory, struct str action, struct str digest,
                struct err *err) MUST_USE;

bool memory_claiming(struct journal_memory *memory, struct str action, struct err *err) MUST_USE;
void memory_no_claim(struct journal_memory *memory, struct str action);
/* NO_MEMORY, and BAD_FIELD for what is no claim's id or no digest. */
bool memory_begun(struct journal_memory *memory, const struct journal_entry *entry,
                  struct err *err) MUST_USE;
bool memory_ended(struct journal_memory *memory, const struct journal_result *result, int64_t ended_ms,
                  struct err *err) MUST_USE;
/* An open one stays; of any other, what it carried is gone from memory. */
void memory_reported(struct journal_memory *memory, struct str action);
/* Their content is out of the file. */
void memory_forget_closed(struct journal_memory *memory);
