/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving a tenant from one store to another, cells, directory rows and log,
 * between SQLite and PostgreSQL in either direction. README.md tells the steps
 * and why none of them can lose an acknowledged write. Blocks; for a command.
 */
#pragma once

#include "log/log.h"
#include "store/store.h"

enum move_kind {
        MOVE_LOOK,   /* nothing is changed */
        MOVE_GO,     /* the whole way; takes up what an earlier call has begun */
        MOVE_CANCEL, /* back to the source, as long as the target has not been switched to */
};

struct move_options {
        enum move_kind kind;
        struct str tenant;
        struct store *source, *target; /* opened with moves_cells */
        bool erase;                    /* also what is left at the source */
        /* Each step, in words, as it is done; may be NULL. */
        void (*progress)(const char *step, void *arg);
        void *progress_arg;
};

struct move_table {
        const char *name;
        int64_t rows;
};

struct move_cell {
        struct cell_ref ref;
        struct cell_stand at_source, at_target; /* when it ended */
        struct move_table *tables;              /* NULL: not copied by this call */
        unsigned table_count;
        struct log_extent *logs;
        unsigned log_count;
};

enum { MOVE_CELLS_MAX = 32 };

struct move_report {
        struct str name; /* of the tenant */
        char move[CELL_MOVE_MAX + 1];
        bool was_done; /* there was nothing left to do */
        struct move_cell cells[MOVE_CELLS_MAX];
        unsigned cell_count;
        struct move_table *directory; /* NULL: not copied by this call */
        unsigned directory_count;
};

/*
 * The report lives in the arena, which must outlive both stores. Errors:
 *
 *   NOT_FOUND       the source has no such tenant
 *   CONFLICT        the two stores are not what a move can start from, or go on from; nothing was changed
 *   PROOF_INVALID   the copy is not what the source has; the source goes on
 *   LOG_FORKED      the log is not whole, or older than what was signed; the source goes on
 */
bool move_tenant(const struct move_options *options, struct arena *arena, struct move_report *ret_report,
                 struct err *err) MUST_USE;
