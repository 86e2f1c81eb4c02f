/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing. A round looks at the directory's high water first and at the cell
 * after it, so that the cell's snapshot holds at least what was signed before.
 * What it finds decides one step; then it looks again, until there is a
 * checkpoint. Every step is safe to lose and safe to repeat:
 *
 *   no epoch                 open one
 *   the cell went back       open the next one, saying so in its first entry
 *   no key                   make one
 *   signed to the end        done
 *   otherwise                raise the high water, durably; sign; keep the note
 */
#include "base/base64.h"
#include "base/clock.h"
#include "base/heap.h"
#include "base/log_line.h"
#include "base/test_hooks.h"
#include "crypto/secret.h"
#include "log/log.h"
#include "log/log_sql.h"
#include "log/log_tree.h"

#include <inttypes.h>
#include <stdio.h>

enum { LOG_ROUNDS_MAX = 16, LOG_NOTE_MAX = 8192 };

struct log_high_water {
        bool found;
        int64_t epoch;
        uint64_t size;
        struct sha256 root;
};

enum log_verdict { LOG_CONTINUES, LOG_WENT_BACK, LOG_FORKED };

/* One round: what was found, and what is to be written. Strings live in `arena`. */
struct log_round {
        const struct log_signer *signer;
        const struct cell_ref *cell;
        struct arena *arena;

        struct log_high_water high;

        int64_t epoch; /* 0: none yet */
        uint64_t size;
        struct sha256 root;
        bool has_key;
        struct str origin;
        struct str public_key;
        struct str wrapped_seed;
        uint64_t signed_size;
        struct str signed_note; /* NULL: none yet */
        enum log_verdict verdict;

        struct str note;      /* the new one */
        struct str rewrapped; /* the key under a newer root key; NULL when it is */
        int64_t changes;
};

static bool log_hash_from(struct str bytes, struct sha256 *ret, struct err *err)
{
        if (bytes.len != SHA256_SIZE)
                return err_set(err, ERR_STORE_FAILED, "the log's books have a hash of %zu bytes", bytes.len);
        memcpy(ret->bytes, bytes.ptr, SHA256_SIZE);
        return true;
}

static bool log_read_high_water(struct tx *tx, void *arg, struct err *err)
{
        struct log_round *round = arg;
        struct sql_log_high_water_get_row row;
        if (!sql_log_high_water_get(tx, round->cell->tenant, round->cell->region, &row, &round->high.found,
                                    err))
                return false;
        if (!round->high.found)
                return true;
        round->high.epoch = row.epoch;
        round->high.size = (uint64_t)row.size;
        return log_hash_from(row.root, &round->high.root, err);
}

/* Whether the tree, as it stands, begins with the tree of this size and root. */
static bool log_judge(struct tx *tx, const struct log_round *round, uint64_t size, const struct sha256 *root,
                      enum log_verdict *ret, struct err *err)
{
        struct sha256 now;
        if (*ret != LOG_CONTINUES)
                return true;
        if (size > round->size) {
                *ret = LOG_WENT_BACK;
                return true;
        }
        if (!log_root(tx, round->epoch, size, &now, err))
                return false;
        if (!sha256_eq(&now, root))
                *ret = LOG_FORKED;
        return true;
}

static bool log_read_cell(struct tx *tx, void *arg, struct err *err)
{
        struct log_round *round = arg;
        struct sql_log_epoch_get_row row;
        bool found;
        if (!sql_log_epoch_get(tx, 0, &row, &found, err))
                return false;
        round->epoch = found ? row.epoch : 0;
        if (!found)
                return true;
        round->has_key = row.origin.ptr != NULL;
        round->origin = row.origin;
        round->public_key = row.public_key;
        round->wrapped_seed = row.wrapped_seed;
        round->signed_size = (uint64_t)row.signed_size;
        round->signed_note = row.signed_note;
        if (!log_tree_size(tx, row.epoch, &round->size, err) ||
            !log_root(tx, row.epoch, round->size, &round->root, err))
                return false;
        round->verdict = LOG_CONTINUES;
        if (round->high.found && round->high.epoch > round->epoch)
                round->verdict = LOG_WENT_BACK;
        if (round->high.found && round->high.epoch == round->epoch &&
            !log_judge(tx, round, round->high.size, &round->high.root, &round->verdict, err))
                return false;
        struct sha256 signed_root;
        return !row.signed_note.ptr ||
               (log_hash_from(row.signed_root, &signed_root, err) &&
                log_judge(tx, round, round->signed_size, &signed_root, &round->verdict, err));
}

/* The first entry of a new epoch says what became of the one before, and commits to what is left of it. */
static bool log_append_opening(struct tx *tx, const struct log_round *round, struct err *err)
{
        char numbers[4][24], roots[2][SHA256_HEX_SIZE];
        snprintf(numbers[0], sizeof(numbers[0]), "%" PRId64, round->epoch);
        snprintf(numbers[1], sizeof(numbers[1]), "%" PRIu64, round->size);
        snprintf(numbers[2], sizeof(numbers[2]), "%" PRId64,
                 round->high.found ? round->high.epoch : round->epoch);
        snprintf(numbers[3], sizeof(numbers[3]), "%" PRIu64,
                 round->high.found ? round->high.size : round->signed_size);
        sha256_format(&round->root, roots[0]);
        sha256_format(&round->high.root, roots[1]);
        const struct log_detail details[] = {
                {"previous_epoch", str_from(numbers[0])},
                {"previous_size", str_from(numbers[1])},
                {"previous_root", round->epoch > 0 ? str_from(roots[0]) : STR_NULL},
                {"signed_epoch", str_from(numbers[2])},
                {"signed_size", str_from(numbers[3])},
                {"signed_root", round->high.found ? str_from(roots[1]) : STR_NULL},
        };
        const struct log_event event = {
                .activity = LOG_CREATE,
                .operation = STR("log.epoch.open"),
                .code = round->verdict == LOG_FORKED ? STR("LOG_FORKED") : STR("LOG_WENT_BACK"),
                .actor = LOG_SYSTEM,
                .source = STR("server"),
                .details = details,
                .detail_count = sizeof(details) / sizeof(details[0]),
        };
        return log_append(tx, &event, NULL, err);
}

/* What this cell's log had before, by all that is known. */
static bool log_had_another(const struct log_round *round)
{
        return round->epoch > 0 || round->high.found;
}

static bool log_open_epoch(struct tx *tx, void *arg, struct err *err)
{
        struct log_round *round = arg;
        struct sql_log_epoch_get_row row;
        bool found;
        if (!sql_log_epoch_get(tx, 0, &row, &found, err))
                return false;
        /* Somebody else has opened one meanwhile. */
        if ((found ? row.epoch : 0) != round->epoch)
                return true;
        int64_t last =
                round->high.found && round->high.epoch > round->epoch ? round->high.epoch : round->epoch;
        return sql_log_epoch_open(tx, last + 1, clock_now_ms(), err) &&
               (!log_had_another(round) || log_append_opening(tx, round, err));
}

static bool log_step_open(struct log_round *round, struct store *store, struct err *err)
{
        if (round->epoch > 0)
                log_line(LOG_ERROR, "log does not continue what was signed: a new epoch is opened",
                         LOG_STR("tenant", round->cell->tenant), LOG_STR("region", round->cell->region),
                         LOG_INT("epoch", round->epoch), LOG_INT("size", (int64_t)round->size),
                         LOG_INT("signed_epoch", round->high.epoch),
                         LOG_INT("signed_size", (int64_t)round->high.size),
                         LOG_C("verdict", round->verdict == LOG_FORKED ? "forked" : "went back"));
        return store_write(store, round->cell, round->arena, log_open_epoch, round, err);
}

/* A wrapped seed belongs to its row. */
enum { LOG_SEED_ROW = 5 };
static void log_seed_row(const struct log_round *round, const char *epoch_text, struct str row[LOG_SEED_ROW])
{
        row[0] = STR("log_epoch");
        row[1] = round->cell->tenant;
        row[2] = round->cell->region;
        row[3] = str_from(epoch_text);
        row[4] = STR("wrapped_seed");
}

static bool log_store_key(struct tx *tx, void *arg, struct err *err)
{
        struct log_round *round = arg;
        /* Wrapped before a rotation of the root key, and stored after it went by here: look again. */
        if (!envelope_is_current(round->signer->envelope, round->wrapped_seed)) {
                round->changes = 0;
                return true;
        }
        return sql_log_epoch_key(tx, round->epoch, round->origin, round->public_key, round->wrapped_seed,
                                 &round->changes, err);
}

static bool log_rewrap_seed(struct tx *tx, const struct envelope *envelope, int64_t epoch,
                            struct str wrapped, struct err *err)
{
        ARENA_SCOPED secrets;
        arena_init_zeroing(&secrets, 16384);
        const struct cell_ref cell = {tx_tenant(tx), tx_region(tx)};
        const struct log_round round = {.cell = &cell};
        struct str row[LOG_SEED_ROW], seed, rewrapped;
        char epoch_text[24];
        snprintf(epoch_text, sizeof(epoch_text), "%" PRId64, epoch);
        log_seed_row(&round, epoch_text, row);
        return envelope_unwrap(envelope, &secrets, row, LOG_SEED_ROW, wrapped, &seed, err) &&
               envelope_wrap(envelope, tx_arena(tx), row, LOG_SEED_ROW, seed, &rewrapped, err) &&
               sql_log_epoch_rewrap(tx, epoch, rewrapped, err);
}

/* The next epoch whose seed is not under the current root key; ret->epoch 0 when there is none. */
static bool log_next_stale(struct tx *tx, const struct envelope *envelope, int64_t after,
                           struct sql_log_epoch_seed_list_row *ret, struct err *err)
{
        SQL_SCOPED(log_epoch_seed_list) c = {0};
        bool has;
        if (!sql_log_epoch_seed_list_open(tx, after, INT64_MAX, &c, err))
                return false;
        do {
                if (!sql_log_epoch_seed_list_next(&c, ret, &has, err))
                        return false;
        } while (has && (!ret->wrapped_seed.ptr || envelope_is_current(envelope, ret->wrapped_seed)));
        if (!has)
                ret->epoch = 0;
        return true;
}

bool log_keys_rewrap(struct tx *tx, const struct envelope *envelope, int64_t *ret_changed, struct err *err)
{
        struct sql_log_epoch_seed_list_row row = {.epoch = 0};
        *ret_changed = 0;
        for (;;) {
                if (!log_next_stale(tx, envelope, row.epoch, &row, err))
                        return false;
                if (row.epoch == 0)
                        return true;
                if (!log_rewrap_seed(tx, envelope, row.epoch, row.wrapped_seed, err))
                        return false;
                ++*ret_changed;
        }
}

static bool log_make_key(struct log_round *round, const uint8_t *seed, struct err *err)
{
        _cleanup_(ed25519_key_freep) struct ed25519_key *key = NULL;
        struct str row[LOG_SEED_ROW];
        char epoch_text[24];
        snprintf(epoch_text, sizeof(epoch_text), "%" PRId64, round->epoch);
        log_seed_row(round, epoch_text, row);
        round->origin = arena_printf(round->arena, "%s/%.*s/%.*s/%s", round->signer->origin_prefix,
                                     STR_ARG(round->cell->tenant), STR_ARG(round->cell->region), epoch_text);
        if (!arena_check(round->arena, err) || !ed25519_key_from_seed(seed, &key, err))
                return false;
        if (!note_name_is_valid(round->origin))
                return err_set(err, ERR_CONFIG, "\"%.*s\" cannot be the name of a log",
                               STR_ARG(round->origin));
        round->public_key = arena_str(round->arena, ed25519_public_str(ed25519_key_public(key)));
        return arena_check(round->arena, err) &&
               envelope_wrap(round->signer->envelope, round->arena, row, LOG_SEED_ROW,
                             str_make(seed, ED25519_SEED_SIZE), &round->wrapped_seed, err);
}

static bool log_step_key(struct log_round *round, struct store *store, struct err *err)
{
        uint8_t seed[ED25519_SEED_SIZE];
        ed25519_seed_new(seed);
        bool ok = log_make_key(round, seed, err);
        secret_wipe(seed, sizeof(seed));
        test_step("log key made");
        return ok && store_write(store, round->cell, round->arena, log_store_key, round, err);
}

static bool log_write_high_water(struct tx *tx, void *arg, struct err *err)
{
        struct log_round *round = arg;
        return sql_log_high_water_put(tx, round->cell->tenant, round->cell->region, round->epoch,
                                      (int64_t)round->size, sha256_str(&round->root), &round->changes, err);
}

static bool log_store_note(struct tx *tx, void *arg, struct err *err)
{
        struct log_round *round = arg;
        if (round->rewrapped.ptr && envelope_is_current(round->signer->envelope, round->rewrapped) &&
            !sql_log_epoch_rewrap(tx, round->epoch, round->rewrapped, err))
                return false;
        return sql_log_checkpoint_store(tx, round->epoch, (int64_t)round->size, sha256_str(&round->root),
                                        round->note, &round->changes, err);
}

static bool log_sign(struct log_round *round, struct err *err)
{
        ARENA_SCOPED secrets;
        arena_init_zeroing(&secrets, 65536);
        _cleanup_(ed25519_key_freep) struct ed25519_key *key = NULL;
        BUF_SCOPED text, note;
        buf_init(&text, LOG_NOTE_MAX);
        buf_init(&note, LOG_NOTE_MAX);
        struct str row[LOG_SEED_ROW], seed;
        char epoch_text[24];
        snprintf(epoch_text, sizeof(epoch_text), "%" PRId64, round->epoch);
        log_seed_row(round, epoch_text, row);
        if (!envelope_unwrap(round->signer->envelope, &secrets, row, LOG_SEED_ROW, round->wrapped_seed,
                             &seed, err))
                return err_prefix(err, "the key of log %.*s", STR_ARG(round->origin));
        if (seed.len != ED25519_SEED_SIZE)
                return err_set(err, ERR_STORE_FAILED, "the key of a log has %zu bytes", seed.len);
        if (!envelope_is_current(round->signer->envelope, round->wrapped_seed) &&
            !envelope_wrap(round->signer->envelope, round->arena, row, LOG_SEED_ROW, seed, &round->rewrapped,
                           err))
                return false;
        const struct tlog_checkpoint checkpoint = {
                .origin = round->origin, .size = round->size, .root = round->root, .extensions = STR("")};
        tlog_checkpoint_append(&text, &checkpoint);
        if (!buf_check(&text, "a checkpoint", err) ||
            !ed25519_key_from_seed((const uint8_t *)seed.ptr, &key, err) ||
            !note_append_signed(&note, buf_str(&text), round->origin, key, err))
                return false;
        round->note = arena_str(round->arena, buf_str(&note));
        return arena_check(round->arena, err);
}

/* *ret_signed is false when another thread's checkpoint came between: look again. */
static bool log_step_sign(struct log_round *round, struct store *store, bool *ret_signed, struct err *err)
{
        *ret_signed = false;
        if (!store_write(store, &CELL_DIRECTORY, round->arena, log_write_high_water, round, err))
                return false;
        test_step("log high water raised");
        if (round->changes == 0)
                return true;
        *ret_signed = true;
        if (!log_sign(round, err))
                return false;
        test_step("log signed");
        return store_write(store, round->cell, round->arena, log_store_note, round, err);
}

/* One round. *ret_note stays NULL when another is needed. */
static bool log_round_run(struct log_round *round, struct store *store, struct str *ret_note,
                          struct err *err)
{
        bool is_signed;
        test_step("log looked at");
        if (!store_read(store, &CELL_DIRECTORY, round->arena, log_read_high_water, round, err) ||
            !store_read(store, round->cell, round->arena, log_read_cell, round, err))
                return false;
        if (round->epoch == 0 || round->verdict != LOG_CONTINUES)
                return log_step_open(round, store, err);
        if (!round->has_key)
                return log_step_key(round, store, err);
        if (round->signed_note.ptr && round->signed_size == round->size) {
                *ret_note = round->signed_note;
                return true;
        }
        if (!log_step_sign(round, store, &is_signed, err))
                return false;
        if (is_signed)
                *ret_note = round->note;
        return true;
}

bool log_checkpoint(const struct log_signer *signer, struct store *store, const struct cell_ref *cell,
                    struct arena *arena, struct str *ret_note, struct err *err)
{
        *ret_note = STR_NULL;
        for (unsigned i = 0; i < LOG_ROUNDS_MAX; i++) {
                ARENA_SCOPED scratch;
                arena_init(&scratch, 1 << 20);
                struct log_round round = {.signer = signer, .cell = cell, .arena = &scratch};
                struct str note = STR_NULL;
                if (!log_round_run(&round, store, &note, err))
                        return false;
                if (note.ptr) {
                        *ret_note = arena_str(arena, note);
                        return arena_check(arena, err);
                }
        }
        return err_set(err, ERR_STORE_BUSY, "the log grows faster than it can be signed: try again");
}
