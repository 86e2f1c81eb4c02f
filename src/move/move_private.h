/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a move. Private to src/move.
 *
 *   move_plan.c   what there is, and what is to be done
 *   move_rows.c   tables: counted, copied, compared
 *   move_log.c    logs: hashed anew and compared
 *   move.c        the steps, in their order
 */
#pragma once

#include "move/move.h"
#include "store/schema.h"

struct move {
        const struct move_options *options;
        struct arena *arena; /* the report's */
        struct schema cell_schema, directory_schema;
        struct move_report *report;
};

/* move_plan.c */

/* Fills the report's name, cells and their stands, and the move's id. */
bool move_plan(struct move *move, struct err *err) MUST_USE;
bool move_read_stands(struct move *move, struct err *err) MUST_USE;
/* Whether the target has taken the cell over in this very move. */
bool move_is_switched(const struct move *move, const struct move_cell *cell);
/* Whether any cell was: from then on the target's directory is the newer one. */
bool move_any_switched(const struct move *move);

/* move_rows.c */

/* Counts every table's rows of the tenant; in the arena. */
bool move_count(struct move *move, struct store *store, const struct cell_ref *cell,
                const struct schema *schema, struct move_table **ret_tables, unsigned *ret_count,
                struct err *err) MUST_USE;
/* Fills the target's cell anew and compares. */
bool move_copy_cell(struct move *move, struct move_cell *cell, struct err *err) MUST_USE;
/* The same with the directory's rows, in one transaction. */
bool move_copy_directory(struct move *move, struct err *err) MUST_USE;
/* Takes the tenant's rows out of a cell, or out of the directory; there the log's high water stays. */
bool move_remove_rows(struct move *move, struct store *store, const struct cell_ref *cell,
                      struct err *err) MUST_USE;

/* move_log.c */

/* The logs of a cell, by their tiles. */
bool move_read_logs(struct move *move, struct store *store, struct move_cell *cell,
                    struct err *err) MUST_USE;
/* Compares the copy's logs, hashed anew from the entries, with the report's and with what was signed. */
bool move_check_logs(struct move *move, const struct move_cell *cell, struct err *err) MUST_USE;
