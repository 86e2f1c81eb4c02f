/* SPDX-License-Identifier: Apache-2.0 */
#include "log/audit.h"
#include "base/heap.h"
#include "log/audit_format.h"

#include <inttypes.h>

/*
 * The file is read once. Two trees grow beside each other: one from the
 * entries, one from the hashes that stand behind each 256 of them. Where the
 * two part is the place; which of them leads to the signed root says whether
 * the entry or the hash was changed.
 */

enum {
        AUDIT_LINE_MAX = 1 << 18, /* an entry has at most 65,535 bytes; a header with many signatures more */
        AUDIT_BLOCK_SLACK = 16,   /* lines too many before we stop looking for the hashes */
        AUDIT_BLOCK_MAX = TLOG_TILE_WIDTH + AUDIT_BLOCK_SLACK,
};

struct audit_reader {
        const struct audit_input *input;
        char *bytes; /* AUDIT_LINE_MAX + 1 */
        size_t start, end;
        bool at_end;
};

struct audit_state {
        struct audit_reader reader;
        struct audit_report *report;
        struct arena arena; /* reset for each line that is decoded */
        struct merkle_frontier by_entries;
        struct merkle_frontier by_hashes;

        /* The block at hand */
        struct sha256 hashes[AUDIT_BLOCK_MAX]; /* of its lines */
        size_t count;
        uint64_t first_line; /* of the block's first entry */

        /* The first place where the two part. */
        bool parted;
        uint64_t parted_line, parted_hashes_line;
        uint64_t parted_entry;
        int64_t moved_from; /* the line is another entry of the block; -1 */
};

static bool audit_file_read(void *data, char *bytes, size_t size, size_t *ret_len, struct err *err)
{
        *ret_len = fread(bytes, 1, size, data);
        if (*ret_len < size && ferror((FILE *)data))
                return err_set(err, ERR_SYSTEM, "cannot read the file");
        return true;
}

struct audit_input audit_input_file(FILE *file)
{
        return (struct audit_input){audit_file_read, file};
}

static bool audit_bad(struct audit_state *state, uint64_t line, int64_t entry, struct err *err,
                      const char *format, ...) PRINTF_LIKE(5, 6);

/* Always false: names the place and says what is wrong there. */
static bool audit_bad(struct audit_state *state, uint64_t line, int64_t entry, struct err *err,
                      const char *format, ...)
{
        va_list args;
        va_start(args, format);
        err_setv(err, ERR_PROOF_INVALID, format, args);
        va_end(args);
        state->report->bad_line = line;
        state->report->bad_entry = entry;
        if (entry >= 0)
                snprintf(err->place, sizeof(err->place), "line %" PRIu64 ", entry %" PRId64, line, entry);
        else
                snprintf(err->place, sizeof(err->place), "line %" PRIu64, line);
        return false;
}

/* Moves what is left to the front and reads more. */
static bool audit_fill(struct audit_reader *reader, struct err *err)
{
        size_t got = 0;
        memmove(reader->bytes, reader->bytes + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
        if (!reader->input->read(reader->input->data, reader->bytes + reader->end,
                                 AUDIT_LINE_MAX - reader->end, &got, err))
                return false;
        reader->end += got;
        reader->at_end = got == 0;
        return true;
}

/*
 * The next line without its newline, valid until the next call. *ret_has is
 * false at the end. `entry` is the one that may stand there (-1: none).
 */
static bool audit_line(struct audit_state *state, int64_t entry, struct str *ret, bool *ret_has,
                       struct err *err)
{
        struct audit_reader *reader = &state->reader;
        uint64_t number = state->report->lines + 1;
        size_t searched = 0;
        for (;;) {
                const char *from = reader->bytes + reader->start;
                size_t len = reader->end - reader->start;
                const char *newline = memchr(from + searched, '\n', len - searched);
                if (newline) {
                        *ret = str_make(from, (size_t)(newline - from));
                        *ret_has = true;
                        reader->start += ret->len + 1;
                        state->report->lines++;
                        return true;
                }
                searched = len;
                if (reader->at_end && len > 0)
                        return audit_bad(state, number, entry, err,
                                         "the file ends within line %" PRIu64 ": it was cut off", number);
                *ret_has = false;
                if (reader->at_end)
                        return true;
                if (len >= AUDIT_LINE_MAX)
                        return audit_bad(state, number, entry, err,
                                         "line %" PRIu64 " is longer than any line can be", number);
                if (!audit_fill(reader, err))
                        return false;
        }
}

static bool audit_read_header(struct audit_state *state, const struct note_verifier *verifier,
                              struct str vkey, struct tlog_checkpoint *ret, struct err *err)
{
        struct str line = STR_NULL, note = STR_NULL, their_vkey = STR_NULL;
        bool has = false;
        if (!audit_line(state, -1, &line, &has, err))
                return false;
        if (!has)
                return audit_bad(state, 1, -1, err, "the file is empty");
        if (!audit_parse_header(&state->arena, line, &note, &their_vkey, err)) {
                state->report->bad_line = 1;
                snprintf(err->place, sizeof(err->place), "line 1");
                return false;
        }
        if (!str_eq(their_vkey, vkey))
                return audit_bad(state, 1, -1, err,
                                 "the export is of the log with key %.*s, not of the one asked for",
                                 STR_ARG(str_slice(their_vkey, 0, 200)));
        if (!tlog_checkpoint_verify(&state->arena, note, verifier, ret, err)) {
                state->report->bad_line = 1;
                snprintf(err->place, sizeof(err->place), "line 1");
                return err_prefix(err, "the checkpoint in line 1");
        }
        return true;
}

/* Reads the block's lines up to its hashes. ret_hashes is in the arena. */
static bool audit_read_block(struct audit_state *state, unsigned width, uint64_t *ret_index,
                             struct str *ret_hashes, struct err *err)
{
        struct audit_report *report = state->report;
        state->count = 0;
        state->first_line = report->lines + 1;
        for (;;) {
                struct str line = STR_NULL;
                bool has = false;
                uint64_t entry = report->entries + state->count;
                if (!audit_line(state, state->count < width ? (int64_t)entry : -1, &line, &has, err))
                        return false;
                if (!has && state->count < width)
                        return audit_bad(state, report->lines + 1, (int64_t)entry, err,
                                         "the file ends before entry %" PRIu64 " of %" PRIu64
                                         ": it was cut off",
                                         entry, report->size);
                if (!has || state->count == AUDIT_BLOCK_MAX)
                        return audit_bad(state, state->first_line + width, -1, err,
                                         "the hashes of entries %" PRIu64 " to %" PRIu64 " are missing",
                                         report->entries, report->entries + width - 1);
                if (str_starts(line, AUDIT_TILE_LINE)) {
                        arena_reset(&state->arena);
                        if (!audit_parse_tile(&state->arena, line, ret_index, ret_hashes))
                                return arena_check(&state->arena, err) &&
                                       audit_bad(state, report->lines, -1, err,
                                                 "line %" PRIu64
                                                 " is not a line of hashes as a log writes it",
                                                 report->lines);
                        return true;
                }
                if (line.len > TLOG_ENTRY_MAX)
                        return audit_bad(state, report->lines, (int64_t)entry, err,
                                         "line %" PRIu64
                                         " has %zu bytes, more than the %d that an entry may have",
                                         report->lines, line.len, TLOG_ENTRY_MAX);
                merkle_leaf(line, &state->hashes[state->count++]);
        }
}

static bool audit_same(const struct audit_state *state, struct str hashes, size_t at_line, size_t at_hash)
{
        return memcmp(state->hashes[at_line].bytes, hashes.ptr + at_hash * SHA256_SIZE, SHA256_SIZE) == 0;
}

/* The first line of the block that does not have its hash. */
static size_t audit_first_difference(const struct audit_state *state, struct str hashes)
{
        size_t width = hashes.len / SHA256_SIZE, i = 0;
        while (i < width && i < state->count && audit_same(state, hashes, i, i))
                i++;
        return i;
}

/* A line too many or too few: say which. */
static bool audit_wrong_count(struct audit_state *state, struct str hashes, struct err *err)
{
        size_t width = hashes.len / SHA256_SIZE, at = audit_first_difference(state, hashes);
        uint64_t line = state->first_line + at, entry = state->report->entries + at;
        if (state->count < width)
                return audit_bad(state, line, (int64_t)entry, err,
                                 "entry %" PRIu64 " is missing: it belongs in line %" PRIu64, entry, line);
        if (at > 0 && at < state->count && audit_same(state, hashes, at, at - 1))
                return audit_bad(state, line, (int64_t)entry - 1, err,
                                 "line %" PRIu64 " is entry %" PRIu64 " once more", line, entry - 1);
        return audit_bad(state, line, -1, err, "line %" PRIu64 " is no entry of the log: it was put in",
                         line);
}

/* Remembers the first difference; what it means shows at the end. */
static void audit_compare(struct audit_state *state, struct str hashes)
{
        size_t at = audit_first_difference(state, hashes);
        if (state->parted || at == state->count)
                return;
        state->parted = true;
        state->parted_line = state->first_line + at;
        state->parted_hashes_line = state->report->lines;
        state->parted_entry = state->report->entries + at;
        state->moved_from = -1;
        for (size_t i = 0; i < state->count; i++) {
                if (i != at && audit_same(state, hashes, at, i))
                        state->moved_from = (int64_t)(state->report->entries + i);
        }
}

static bool audit_block(struct audit_state *state, struct err *err)
{
        struct audit_report *report = state->report;
        uint64_t left = report->size - report->entries, index = 0;
        unsigned width = left < TLOG_TILE_WIDTH ? (unsigned)left : TLOG_TILE_WIDTH;
        struct str hashes = STR("");
        if (!audit_read_block(state, width, &index, &hashes, err))
                return false;
        if (index != report->entries / TLOG_TILE_WIDTH || hashes.len != (size_t)width * SHA256_SIZE)
                return audit_bad(state, report->lines, -1, err,
                                 "line %" PRIu64 " has %zu hashes of tile %" PRIu64
                                 ", where %u of tile %" PRIu64 " belong",
                                 report->lines, hashes.len / SHA256_SIZE, index, width,
                                 report->entries / TLOG_TILE_WIDTH);
        if (state->count != width)
                return audit_wrong_count(state, hashes, err);
        audit_compare(state, hashes);
        for (size_t i = 0; i < width; i++) {
                struct sha256 hash;
                memcpy(hash.bytes, hashes.ptr + i * SHA256_SIZE, SHA256_SIZE);
                merkle_frontier_append(&state->by_entries, &state->hashes[i]);
                merkle_frontier_append(&state->by_hashes, &hash);
        }
        report->entries += width;
        return true;
}

static bool audit_judge(struct audit_state *state, struct err *err)
{
        struct sha256 by_entries;
        merkle_frontier_root(&state->by_entries, &by_entries);
        bool entries_hold = sha256_eq(&by_entries, &state->report->root);
        if (!state->parted && !entries_hold)
                return audit_bad(
                        state, 1, -1, err,
                        "the entries do not lead to the root that was signed: entries and their hashes were "
                        "changed together");
        if (!state->parted)
                return true;
        if (entries_hold)
                return audit_bad(state, state->parted_hashes_line, (int64_t)state->parted_entry, err,
                                 "the hash of entry %" PRIu64 " in line %" PRIu64
                                 " was changed; the entries are right",
                                 state->parted_entry, state->parted_hashes_line);
        if (state->moved_from >= 0)
                return audit_bad(state, state->parted_line, (int64_t)state->parted_entry, err,
                                 "line %" PRIu64 " holds entry %" PRId64 " in the place of entry %" PRIu64,
                                 state->parted_line, state->moved_from, state->parted_entry);
        return audit_bad(state, state->parted_line, (int64_t)state->parted_entry, err,
                         "entry %" PRIu64 " in line %" PRIu64
                         " is not what was logged: its bytes were changed",
                         state->parted_entry, state->parted_line);
}

static bool audit_run(struct audit_state *state, const struct note_verifier *verifier, struct str vkey,
                      struct err *err)
{
        struct audit_report *report = state->report;
        struct tlog_checkpoint checkpoint = {0};
        struct str line = STR_NULL;
        bool has = false;
        if (!audit_read_header(state, verifier, vkey, &checkpoint, err))
                return false;
        memcpy(report->origin, verifier->name, sizeof(report->origin));
        report->size = checkpoint.size;
        report->root = checkpoint.root;
        while (report->entries < report->size) {
                if (!audit_block(state, err))
                        return false;
        }
        if (!audit_line(state, -1, &line, &has, err))
                return false;
        if (has)
                return audit_bad(state, report->lines, -1, err,
                                 "line %" PRIu64 " comes after the last of %" PRIu64 " entries",
                                 report->lines, report->size);
        return audit_judge(state, err);
}

bool audit_verify_export(const struct audit_input *input, struct str vkey, struct audit_report *ret,
                         struct err *err)
{
        struct note_verifier verifier;
        *ret = (struct audit_report){.bad_entry = -1};
        if (!note_verifier_parse(vkey, &verifier, err))
                return false;
        struct audit_state *state = heap_alloc_zeroed(1, sizeof(*state));
        char *bytes = heap_alloc(AUDIT_LINE_MAX + 1);
        bool ok = false;
        if (!state || !bytes) {
                err_set(err, ERR_NO_MEMORY, "no memory to verify an export");
        } else {
                state->reader = (struct audit_reader){.input = input, .bytes = bytes};
                state->report = ret;
                arena_init(&state->arena, 16 * (size_t)AUDIT_LINE_MAX);
                ok = audit_run(state, &verifier, vkey, err);
                arena_done(&state->arena);
        }
        heap_free(bytes);
        heap_free(state);
        return ok;
}

bool audit_verify_receipt(struct str entry, struct str receipt, struct str vkey, struct audit_receipt *ret,
                          struct err *err)
{
        struct note_verifier verifier;
        struct tlog_proof proof;
        struct tlog_checkpoint checkpoint;
        ARENA_SCOPED arena;
        arena_init(&arena, 1 << 20);
        if (entry.len > 0 && entry.ptr[entry.len - 1] == '\n')
                entry.len--;
        if (!note_verifier_parse(vkey, &verifier, err) || !tlog_proof_parse(&arena, receipt, &proof, err) ||
            !tlog_proof_verify(&arena, &proof, entry, &verifier, &checkpoint, err))
                return false;
        memcpy(ret->origin, verifier.name, sizeof(ret->origin));
        ret->index = proof.index;
        ret->size = checkpoint.size;
        return true;
}
