/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps. Each is durable before the next begins, and each may be the last:
 * whoever repeats the command finds where it stood.
 *
 *   1  target  arriving   a place, not served
 *   2  source  moving     frozen: what was acknowledged is all there will be
 *   3  target             rows copied, counted, compared; logs hashed anew
 *   4  target             the directory's rows
 *   5  target  active     the switch
 *   6  source  moved
 *   7  source             the directory's rows go
 *   8  target  active     the move's id goes: it has ended
 */
#include "move/move_private.h"

#include "base/clock.h"
#include "base/test_hooks.h"
#include "move/move_sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void say(const struct move *move, const char *step)
{
        if (move->options->progress)
                move->options->progress(step, move->options->progress_arg);
}

static bool set_source(struct move *move, struct move_cell *cell, enum cell_standing standing,
                       struct err *err)
{
        struct cell_stand stand = {.standing = standing};

        if (standing == CELL_MOVING)
                memcpy(stand.move, move->report->move, sizeof(stand.move));
        if (!store_cell_set_stand(move->options->source, &cell->ref, &cell->at_source, &stand, err))
                return err_prefix(err, "source");
        return move_read_stands(move, err);
}

static bool set_target(struct move *move, struct move_cell *cell, enum cell_standing standing, bool ended,
                       struct err *err)
{
        struct cell_stand stand = {.standing = standing};

        if (!ended)
                memcpy(stand.move, move->report->move, sizeof(stand.move));
        if (!store_cell_set_stand(move->options->target, &cell->ref, &cell->at_target, &stand, err))
                return err_prefix(err, "target");
        return move_read_stands(move, err);
}

/* Steps 1 to 3 of one cell. */
static bool bring(struct move *move, struct move_cell *cell, struct err *err)
{
        if (move_is_switched(move, cell))
                return true;
        if (cell->at_target.standing != CELL_ARRIVING && !set_target(move, cell, CELL_ARRIVING, false, err))
                return false;
        test_step("move: the target has a place");
        if (cell->at_source.standing == CELL_ACTIVE && !set_source(move, cell, CELL_MOVING, err))
                return false;
        say(move, "the source is frozen");
        test_step("move: the source is frozen");
        if (!move_copy_cell(move, cell, err))
                return false;
        say(move, "rows and log are the same in the copy");
        return true;
}

static bool write_cells(struct tx *tx, void *arg, struct err *err)
{
        const struct move_report *report = arg;
        struct str id = str_from(report->move);

        if (!sql_move_node_insert(tx, id, clock_now_ms(), err))
                return false;
        for (unsigned i = 0; i < report->cell_count; i++) {
                const struct cell_ref *cell = &report->cells[i].ref;
                if (!sql_move_node_cell_insert(tx, id, cell->tenant, cell->region, err))
                        return false;
        }
        return true;
}

/*
 * Nodes that run on the target do not know yet that actions of this tenant
 * wait there for time to pass. They look for cells that a dead node has left.
 */
static bool hand_over(struct move *move, struct err *err)
{
        return !store_is_shared(move->options->target) ||
               store_write(move->options->target, &CELL_DIRECTORY, NULL, write_cells, move->report, err);
}

/* Steps 6 to 8. */
static bool finish(struct move *move, struct err *err)
{
        struct move_report *report = move->report;

        for (unsigned i = 0; i < report->cell_count; i++) {
                if (report->cells[i].at_source.standing == CELL_MOVING &&
                    !set_source(move, &report->cells[i], CELL_MOVED, err))
                        return false;
                test_step("move: the source is closed");
        }
        if (!move_remove_rows(move, move->options->source, &CELL_DIRECTORY, err))
                return err_prefix(err, "source");
        test_step("move: the source's directory has forgotten");
        for (unsigned i = 0; i < report->cell_count; i++) {
                if (!set_target(move, &report->cells[i], CELL_ACTIVE, true, err))
                        return false;
                test_step("move: the move has ended");
        }
        say(move, "the source has given it up");
        return true;
}

static bool erase(struct move *move, struct err *err)
{
        for (unsigned i = 0; i < move->report->cell_count; i++) {
                struct move_cell *cell = &move->report->cells[i];
                if (cell->at_source.standing != CELL_MOVED)
                        continue;
                /* PostgreSQL keeps the row that says so; SQLite removes the file. */
                if (store_is_shared(move->options->source) &&
                    !move_remove_rows(move, move->options->source, &cell->ref, err))
                        return false;
                if (!set_source(move, cell, CELL_ABSENT, err))
                        return false;
        }
        say(move, "what was left at the source is erased");
        return true;
}

static bool go(struct move *move, struct err *err)
{
        struct move_report *report = move->report;
        bool had_switched = move_any_switched(move);

        for (unsigned i = 0; i < report->cell_count && !report->was_done; i++) {
                if (!bring(move, &report->cells[i], err))
                        return false;
        }
        if (!report->was_done && !had_switched && !move_copy_directory(move, err))
                return false;
        test_step("move: the directory was copied");
        for (unsigned i = 0; i < report->cell_count && !report->was_done; i++) {
                if (!move_is_switched(move, &report->cells[i]) &&
                    !set_target(move, &report->cells[i], CELL_ACTIVE, false, err))
                        return false;
                test_step("move: switched");
        }
        if (!report->was_done) {
                say(move, "the target serves it");
                if (!hand_over(move, err) || !finish(move, err))
                        return false;
        }
        return !move->options->erase || erase(move, err);
}

/* The source first: from then on what is left at the target is only waste. */
static bool cancel(struct move *move, struct err *err)
{
        struct move_report *report = move->report;

        if (report->was_done || move_any_switched(move))
                return err_set(err, ERR_CONFLICT,
                               "the target serves this tenant already; repeat the command without --cancel "
                               "to end the move, then move it back");
        for (unsigned i = 0; i < report->cell_count; i++) {
                if (report->cells[i].at_source.standing == CELL_MOVING &&
                    !set_source(move, &report->cells[i], CELL_ACTIVE, err))
                        return false;
        }
        say(move, "the source serves it as before");
        if (!move_remove_rows(move, move->options->target, &CELL_DIRECTORY, err))
                return err_prefix(err, "target");
        for (unsigned i = 0; i < report->cell_count; i++) {
                struct move_cell *cell = &report->cells[i];
                if (cell->at_target.standing != CELL_ARRIVING)
                        continue;
                if (!move_remove_rows(move, move->options->target, &cell->ref, err) ||
                    !set_target(move, cell, CELL_ABSENT, true, err))
                        return false;
        }
        return true;
}

static bool look(struct move *move, struct err *err)
{
        struct move_report *report = move->report;

        for (unsigned i = 0; i < report->cell_count && !report->was_done; i++) {
                struct move_cell *cell = &report->cells[i];
                if (cell->at_source.standing != CELL_ACTIVE && cell->at_source.standing != CELL_MOVING)
                        continue;
                if (!move_count(move, move->options->source, &cell->ref, &move->cell_schema, &cell->tables,
                                &cell->table_count, err) ||
                    !move_read_logs(move, move->options->source, cell, err))
                        return false;
        }
        return report->was_done ||
               move_count(move, move->options->source, &CELL_DIRECTORY, &move->directory_schema,
                          &report->directory, &report->directory_count, err);
}

bool move_tenant(const struct move_options *options, struct arena *arena, struct move_report *ret_report,
                 struct err *err)
{
        struct move move = {.options = options, .arena = arena, .report = ret_report};

        *ret_report = (struct move_report){.name = STR_NULL};
        if (!schema_read(false, arena, &move.cell_schema, err) ||
            !schema_read(true, arena, &move.directory_schema, err) || !move_plan(&move, err))
                return false;
        switch (options->kind) {
        case MOVE_LOOK:
                return look(&move, err);
        case MOVE_GO:
                return go(&move, err);
        case MOVE_CANCEL:
                return cancel(&move, err);
        }
        return err_set(err, ERR_INTERNAL, "a move cannot be of that kind");
}
