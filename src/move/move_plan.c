/* SPDX-License-Identifier: Apache-2.0 */
#include "move/move_private.h"
#include "move/move_sql.h"

#include "base/id.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What one side's directory knows. */
struct known {
        struct move *move;
        struct sql_move_tenant_row tenant;
        struct sql_move_version_row version;
        bool found, has_namesake;
        struct str name; /* of the source's tenant, to look for a namesake; NULL: do not */
};

static bool add_cell(struct move *move, struct str region, struct err *err)
{
        struct move_report *report = move->report;

        for (unsigned i = 0; i < report->cell_count; i++) {
                if (str_eq(report->cells[i].ref.region, region))
                        return true;
        }
        if (report->cell_count == MOVE_CELLS_MAX)
                return err_set(err, ERR_LIMIT_REACHED, "the tenant has cells in more than %d regions",
                               MOVE_CELLS_MAX);
        struct move_cell *cell = &report->cells[report->cell_count++];
        cell->ref = (struct cell_ref){move->options->tenant, arena_str(move->arena, region)};
        return arena_check(move->arena, err);
}

static bool read_directory(struct tx *tx, void *arg, struct err *err)
{
        struct known *known = arg;
        SQL_SCOPED(move_regions) cursor = {0};
        struct sql_move_regions_row region;
        struct sql_move_namesake_row namesake;
        bool has;

        if (!sql_move_tenant(tx, known->move->options->tenant, &known->tenant, &known->found, err) ||
            !sql_move_version(tx, &known->version, &has, err) ||
            (known->name.ptr && !sql_move_namesake(tx, known->name, known->move->options->tenant, &namesake,
                                                   &known->has_namesake, err)) ||
            !sql_move_regions_open(tx, known->move->options->tenant, &cursor, err))
                return false;
        for (;;) {
                if (!sql_move_regions_next(&cursor, &region, &has, err))
                        return false;
                if (!has)
                        return true;
                if (!add_cell(known->move, region.region, err))
                        return false;
        }
}

bool move_read_stands(struct move *move, struct err *err)
{
        struct move_report *report = move->report;

        for (unsigned i = 0; i < report->cell_count; i++) {
                struct move_cell *cell = &report->cells[i];
                if (!store_cell_stand(move->options->source, &cell->ref, &cell->at_source, err) ||
                    !store_cell_stand(move->options->target, &cell->ref, &cell->at_target, err))
                        return err_prefix(err, "region %.*s", STR_ARG(cell->ref.region));
        }
        return true;
}

/* A tenant may know of regions in which it has no cell yet. */
static void drop_empty(struct move_report *report)
{
        unsigned kept = 0;

        for (unsigned i = 0; i < report->cell_count; i++) {
                struct move_cell cell = report->cells[i];
                bool empty =
                        cell.at_source.standing == CELL_ABSENT && cell.at_target.standing == CELL_ABSENT;
                if (!empty)
                        report->cells[kept++] = cell;
        }
        report->cell_count = kept;
}

bool move_is_switched(const struct move *move, const struct move_cell *cell)
{
        return cell->at_target.standing == CELL_ACTIVE && move->report->move[0] &&
               strcmp(cell->at_target.move, move->report->move) == 0;
}

bool move_any_switched(const struct move *move)
{
        for (unsigned i = 0; i < move->report->cell_count; i++) {
                if (move_is_switched(move, &move->report->cells[i]))
                        return true;
        }
        return false;
}

/* Of the move that an earlier call has begun: the source's word counts, then that of a switched target. */
static const char *begun_move(const struct move_report *report)
{
        for (unsigned i = 0; i < report->cell_count; i++) {
                if (report->cells[i].at_source.standing == CELL_MOVING)
                        return report->cells[i].at_source.move;
        }
        for (unsigned i = 0; i < report->cell_count; i++) {
                const struct move_cell *cell = &report->cells[i];
                if (cell->at_target.standing == CELL_ACTIVE && cell->at_target.move[0])
                        return cell->at_target.move;
        }
        for (unsigned i = 0; i < report->cell_count; i++) {
                if (report->cells[i].at_target.standing == CELL_ARRIVING)
                        return report->cells[i].at_target.move;
        }
        return NULL;
}

static bool is_gone(const struct cell_stand *stand)
{
        return stand->standing == CELL_MOVED || stand->standing == CELL_ABSENT;
}

static bool check_cell(const struct move *move, const struct move_cell *cell, struct err *err)
{
        const struct cell_stand *source = &cell->at_source, *target = &cell->at_target;
        const int region_len = (int)cell->ref.region.len;
        const char *region = cell->ref.region.ptr;
        bool same = strcmp(target->move, move->report->move) == 0;

        if (move_is_switched(move, cell) || (is_gone(source) && target->standing == CELL_ACTIVE))
                return true;
        if (target->standing == CELL_ACTIVE || target->standing == CELL_MOVING)
                return err_set(err, ERR_CONFLICT,
                               "region %.*s: the target serves this tenant as well, and not from this move; "
                               "find out which one is right before you remove the other",
                               region_len, region);
        if (source->standing == CELL_ARRIVING)
                return err_set(err, ERR_CONFLICT,
                               "region %.*s: a move to the source has not ended; repeat or cancel it first",
                               region_len, region);
        if (source->standing == CELL_MOVING && !(target->standing == CELL_ARRIVING && same))
                return err_set(err, ERR_CONFLICT,
                               "region %.*s: this tenant is on its way to another store (%s); repeat the "
                               "command with that target, or cancel it there",
                               region_len, region, source->move);
        if (is_gone(source))
                return err_set(err, ERR_NOT_FOUND, "region %.*s: neither store serves this tenant",
                               region_len, region);
        return true;
}

static bool check_directories(const struct move *move, const struct known *source,
                              const struct known *target, struct err *err)
{
        if (source->version.count != target->version.count || source->version.last != target->version.last)
                return err_set(err, ERR_CONFLICT,
                               "the directories have schemas of different versions: %" PRId64
                               " migrations up to %04" PRId64 " at the source, %" PRId64 " up to %04" PRId64
                               " at the target",
                               source->version.count, source->version.last, target->version.count,
                               target->version.last);
        if (source->found && str_is(source->tenant.state, "making"))
                return err_set(err, ERR_CONFLICT, "the tenant is still being made");
        if (source->found && source->tenant.closing_action.ptr && !move_any_switched(move))
                return err_set(err, ERR_CONFLICT, "the tenant is being deleted");
        if (target->has_namesake && !move_any_switched(move))
                return err_set(err, ERR_CONFLICT,
                               "the target has another tenant with the name \"%.*s\"; rename one of them",
                               STR_ARG(source->tenant.name));
        return true;
}

bool move_plan(struct move *move, struct err *err)
{
        struct move_report *report = move->report;
        struct known source = {.move = move}, target = {.move = move};

        if (!store_read(move->options->source, &CELL_DIRECTORY, move->arena, read_directory, &source, err))
                return err_prefix(err, "source");
        target.name = source.found ? source.tenant.name : STR_NULL;
        if (!store_read(move->options->target, &CELL_DIRECTORY, move->arena, read_directory, &target, err))
                return err_prefix(err, "target");
        if (!source.found && !target.found)
                return err_set(err, ERR_NOT_FOUND, "the source has no tenant %.*s",
                               STR_ARG(move->options->tenant));
        report->name = source.found ? source.tenant.name : target.tenant.name;
        if (!move_read_stands(move, err))
                return false;
        drop_empty(report);
        if (report->cell_count == 0)
                return err_set(err, ERR_NOT_FOUND, "this tenant has no cell in either store");
        const char *begun = begun_move(report);
        struct id made = id_new("mov");
        (void)snprintf(report->move, sizeof(report->move), "%s", begun ? begun : made.text);
        if (!check_directories(move, &source, &target, err))
                return false;
        report->was_done = !source.found;
        for (unsigned i = 0; i < report->cell_count; i++) {
                struct move_cell *cell = &report->cells[i];
                if (!check_cell(move, cell, err))
                        return false;
                report->was_done &= is_gone(&cell->at_source) && cell->at_target.standing == CELL_ACTIVE &&
                                    !cell->at_target.move[0];
        }
        return true;
}
