/* SPDX-License-Identifier: Apache-2.0 */
#include "move/move_private.h"

#include <inttypes.h>

enum { SCRATCH_BYTES = 256 * 1024 * 1024, EPOCHS_MAX = 1024, ENTRIES_AT_ONCE = 1024 };

struct listing {
        struct log_extent *logs;
        unsigned count;
};

static bool list_logs(struct tx *tx, void *arg, struct err *err)
{
        struct listing *listing = arg;
        int64_t epoch = 0;
        bool has;

        for (;;) {
                if (!log_extent_next(tx, epoch, &listing->logs[listing->count], &has, err))
                        return false;
                if (!has)
                        return true;
                epoch = listing->logs[listing->count].epoch;
                if (++listing->count == EPOCHS_MAX)
                        return err_set(err, ERR_LIMIT_REACHED, "the log has more than %d epochs",
                                       EPOCHS_MAX - 1);
        }
}

bool move_read_logs(struct move *move, struct store *store, struct move_cell *cell, struct err *err)
{
        struct listing listing = {.logs = ARENA_ARRAY(move->arena, struct log_extent, EPOCHS_MAX)};
        ARENA_SCOPED scratch;

        arena_init(&scratch, SCRATCH_BYTES);
        if (!arena_check(move->arena, err) ||
            !store_read(store, &cell->ref, &scratch, list_logs, &listing, err))
                return false;
        cell->logs = listing.logs;
        cell->log_count = listing.count;
        return true;
}

struct recount {
        int64_t epoch;
        uint64_t until;
        struct merkle_frontier frontier;
        bool ended;
};

static bool recount_some(struct tx *tx, void *arg, struct err *err)
{
        struct recount *recount = arg;
        uint64_t left = recount->until - recount->frontier.size, before = recount->frontier.size;

        if (!log_recount(tx, recount->epoch, left < ENTRIES_AT_ONCE ? (unsigned)left : ENTRIES_AT_ONCE,
                         &recount->frontier, err))
                return false;
        recount->ended = recount->frontier.size == before;
        return true;
}

/* The root of the first `size` entries, from their bytes. */
static bool recompute(struct store *store, const struct cell_ref *cell, struct recount *recount,
                      uint64_t size, struct sha256 *ret_root, struct err *err)
{
        ARENA_SCOPED scratch;

        arena_init(&scratch, SCRATCH_BYTES);
        recount->until = size;
        recount->ended = false;
        while (recount->frontier.size < size && !recount->ended) {
                if (!store_read(store, cell, &scratch, recount_some, recount, err))
                        return false;
                arena_reset(&scratch);
        }
        if (recount->frontier.size < size)
                return err_set(err, ERR_LOG_FORKED,
                               "epoch %" PRId64 " of the log ends at entry %" PRIu64 " of %" PRIu64,
                               recount->epoch, recount->frontier.size, size);
        merkle_frontier_root(&recount->frontier, ret_root);
        return true;
}

static bool check_root(struct store *store, const struct cell_ref *cell, int64_t epoch, uint64_t size,
                       const struct sha256 *root, const char *whose, struct err *err)
{
        struct recount recount = {.epoch = epoch};
        struct sha256 found;

        merkle_frontier_init(&recount.frontier);
        if (!recompute(store, cell, &recount, size, &found, err))
                return false;
        return sha256_eq(&found, root) ||
               err_set(err, ERR_LOG_FORKED,
                       "the copied entries of log epoch %" PRId64 " do not have the root that %s has at "
                       "%" PRIu64 " entries",
                       epoch, whose, size);
}

struct marks {
        const struct cell_ref *cell;
        struct log_mark mark;
};

static bool read_mark(struct tx *tx, void *arg, struct err *err)
{
        struct marks *marks = arg;

        return log_mark_get(tx, marks->cell, &marks->mark, err);
}

/* What one of the directories knows to have been signed must be in the log that moves. */
static bool check_mark(struct store *store, struct store *target, const struct move_cell *cell,
                       const char *whose, struct err *err)
{
        const struct log_extent *last = cell->log_count > 0 ? &cell->logs[cell->log_count - 1] : NULL;
        struct marks marks = {.cell = &cell->ref};

        if (!store_read(store, &CELL_DIRECTORY, NULL, read_mark, &marks, err))
                return false;
        if (!marks.mark.found || (last && last->epoch > marks.mark.epoch))
                return true; /* nothing was signed, or a newer epoch tells of what was lost */
        if (!last || last->epoch < marks.mark.epoch || last->size < marks.mark.size)
                return err_set(err, ERR_LOG_FORKED,
                               "%s knows of a checkpoint at %" PRIu64 " entries of epoch %" PRId64
                               ", which this log does not reach: it is from an older copy",
                               whose, marks.mark.size, marks.mark.epoch);
        return check_root(target, &cell->ref, marks.mark.epoch, marks.mark.size, &marks.mark.root, whose,
                          err);
}

bool move_check_logs(struct move *move, const struct move_cell *cell, struct err *err)
{
        struct store *source = move->options->source, *target = move->options->target;
        struct move_cell copy = {.ref = cell->ref};

        if (!move_read_logs(move, target, &copy, err))
                return false;
        if (copy.log_count != cell->log_count)
                return err_set(err, ERR_LOG_FORKED, "the copy has %u epochs of the log, the source %u",
                               copy.log_count, cell->log_count);
        for (unsigned i = 0; i < cell->log_count; i++) {
                const struct log_extent *log = &cell->logs[i];
                if (copy.logs[i].size != log->size || !sha256_eq(&copy.logs[i].root, &log->root))
                        return err_set(err, ERR_LOG_FORKED,
                                       "the tiles of log epoch %" PRId64 " are not those of the source",
                                       log->epoch);
                if (!check_root(target, &cell->ref, log->epoch, log->size, &log->root, "the source", err) ||
                    (log->signed_size > 0 && !check_root(target, &cell->ref, log->epoch, log->signed_size,
                                                         &log->signed_root, "the last checkpoint", err)))
                        return false;
        }
        return check_mark(source, target, cell, "the source's directory", err) &&
               check_mark(target, target, cell, "the target's directory", err);
}
