/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/tlog.h"
#include "base/base64.h"

#include <inttypes.h>
#include <stdio.h>

#define TLOG_PROOF_HEADER STR("c2sp.org/tlog-proof@v1")

static bool tlog_bad(struct err *err, const char *what)
{
        return err_set(err, ERR_PROOF_INVALID, "%s", what);
}

/* ASCII decimal without leading zeroes, below 2^63. */
static bool tlog_parse_number(struct str text, uint64_t *ret)
{
        if (text.len == 0 || (text.len > 1 && text.ptr[0] == '0'))
                return false;
        return str_to_u64(text, ret) && *ret <= INT64_MAX;
}

void tlog_checkpoint_append(struct buf *buf, const struct tlog_checkpoint *checkpoint)
{
        buf_append_str(buf, checkpoint->origin);
        buf_append_char(buf, '\n');
        buf_append_u64(buf, checkpoint->size);
        buf_append_char(buf, '\n');
        base64_append(buf, sha256_str(&checkpoint->root));
        buf_append_char(buf, '\n');
        buf_append_str(buf, checkpoint->extensions);
}

bool tlog_checkpoint_parse(struct str text, struct tlog_checkpoint *ret, struct err *err)
{
        struct str rest = text, size, root;
        if (!str_cut(&rest, '\n', &ret->origin) || ret->origin.len == 0)
                return tlog_bad(err, "the checkpoint has no origin line");
        if (!str_cut(&rest, '\n', &size) || !tlog_parse_number(size, &ret->size))
                return tlog_bad(err, "the checkpoint's second line is not a tree size");
        if (!str_cut(&rest, '\n', &root) || !base64_decode_to(root, ret->root.bytes, SHA256_SIZE))
                return tlog_bad(err, "the checkpoint's third line is not a root hash");
        ret->extensions = rest;
        while (rest.len > 0) {
                struct str line;
                if (!str_cut(&rest, '\n', &line) || line.len == 0)
                        return tlog_bad(err, "the checkpoint has an empty or unfinished extension line");
        }
        return true;
}

bool tlog_checkpoint_verify(struct arena *arena, struct str bytes, const struct note_verifier *verifier,
                            struct tlog_checkpoint *ret, struct err *err)
{
        struct note note;
        if (!note_parse(arena, bytes, &note, err) || !note_verify(&note, verifier, err) ||
            !tlog_checkpoint_parse(note.text, ret, err))
                return false;
        if (!str_is(ret->origin, verifier->name))
                return err_set(err, ERR_PROOF_INVALID, "the checkpoint is of log \"%.*s\", not of \"%s\"",
                               STR_ARG(str_slice(ret->origin, 0, 128)), verifier->name);
        return true;
}

/* "N is encoded as zero-padded 3-digit path elements; all but the last begin with an x." */
static size_t tlog_format_index(uint64_t index, char *text, size_t size)
{
        unsigned groups[8];
        size_t count = 0;
        do {
                groups[count++] = (unsigned)(index % 1000);
                index /= 1000;
        } while (index > 0);
        size_t at = 0;
        while (count-- > 0)
                at += (size_t)snprintf(text + at, size - at, "%s%03u%s", count > 0 ? "x" : "", groups[count],
                                       count > 0 ? "/" : "");
        return at;
}

size_t tlog_tile_path(const struct tlog_tile *tile, char ret_path[TLOG_PATH_SIZE])
{
        size_t at;
        if (tile->entries)
                at = (size_t)snprintf(ret_path, TLOG_PATH_SIZE, "tile/entries/");
        else
                at = (size_t)snprintf(ret_path, TLOG_PATH_SIZE, "tile/%u/", tile->level);
        at += tlog_format_index(tile->index, ret_path + at, TLOG_PATH_SIZE - at);
        if (tile->width < TLOG_TILE_WIDTH)
                at += (size_t)snprintf(ret_path + at, TLOG_PATH_SIZE - at, ".p/%u", tile->width);
        return at;
}

bool tlog_tile_parse(struct str path, struct tlog_tile *ret)
{
        /* Reads leniently, then asks whether this is how we would write it. */
        struct str rest = path, part;
        uint64_t number;
        if (path.len >= TLOG_PATH_SIZE || !str_cut(&rest, '/', &part) || !str_is(part, "tile") ||
            !str_cut(&rest, '/', &part))
                return false;
        *ret = (struct tlog_tile){.width = TLOG_TILE_WIDTH};
        if (str_is(part, "entries"))
                ret->entries = true;
        else if (tlog_parse_number(part, &number) && number <= TLOG_LEVEL_MAX)
                ret->level = (unsigned)number;
        else
                return false;
        ptrdiff_t partial = str_find_str(rest, STR(".p/"));
        if (partial >= 0) {
                if (!tlog_parse_number(str_slice(rest, (size_t)partial + 3, rest.len), &number) ||
                    number < 1 || number >= TLOG_TILE_WIDTH)
                        return false;
                ret->width = (unsigned)number;
                rest.len = (size_t)partial;
        }
        bool more = true;
        while (more) {
                more = str_cut(&rest, '/', &part);
                if (part.len > 0 && part.ptr[0] == 'x')
                        part = str_slice(part, 1, part.len);
                if (part.len != 3 || !str_to_u64(part, &number) || ret->index > INT64_MAX / 1000)
                        return false;
                ret->index = ret->index * 1000 + number;
        }
        if (ret->index > INT64_MAX)
                return false;
        char canonical[TLOG_PATH_SIZE];
        return str_eq(path, str_make(canonical, tlog_tile_path(ret, canonical)));
}

unsigned tlog_tile_width(unsigned level, uint64_t index, uint64_t size)
{
        unsigned shift = level * TLOG_TILE_HEIGHT;
        uint64_t hashes = shift > 63 ? 0 : size >> shift;
        uint64_t full = hashes / TLOG_TILE_WIDTH;
        if (index < full)
                return TLOG_TILE_WIDTH;
        return index == full ? (unsigned)(hashes % TLOG_TILE_WIDTH) : 0;
}

bool tlog_bundle_append(struct buf *buf, struct str entry)
{
        if (entry.len > TLOG_ENTRY_MAX)
                return false;
        buf_append_char(buf, (char)(entry.len >> 8));
        buf_append_char(buf, (char)(entry.len & 255));
        buf_append_str(buf, entry);
        return true;
}

bool tlog_bundle_next(struct str *rest, struct str *ret_entry)
{
        if (rest->len < 2)
                return false;
        size_t len = (size_t)(unsigned char)rest->ptr[0] << 8 | (unsigned char)rest->ptr[1];
        if (rest->len - 2 < len)
                return false;
        *ret_entry = str_slice(*rest, 2, len);
        *rest = str_slice(*rest, 2 + len, rest->len);
        return true;
}

void tlog_proof_append(struct buf *buf, const struct tlog_proof *proof)
{
        buf_append_str(buf, TLOG_PROOF_HEADER);
        buf_append_char(buf, '\n');
        if (proof->has_extra) {
                buf_append_c(buf, "extra ");
                base64_append(buf, proof->extra);
                buf_append_char(buf, '\n');
        }
        buf_append_c(buf, "index ");
        buf_append_u64(buf, proof->index);
        buf_append_char(buf, '\n');
        for (size_t i = 0; i < proof->inclusion.count; i++) {
                base64_append(buf, sha256_str(&proof->inclusion.hashes[i]));
                buf_append_char(buf, '\n');
        }
        buf_append_char(buf, '\n');
        buf_append_str(buf, proof->checkpoint);
}

/* The "index" line, after an optional "extra" line. */
static bool tlog_proof_head(struct arena *arena, struct str *rest, struct tlog_proof *ret, struct err *err)
{
        struct str line;
        if (!str_cut(rest, '\n', &line))
                return tlog_bad(err, "the proof ends before its index");
        if (str_starts(line, STR("extra "))) {
                if (!base64_decode(arena, str_slice(line, 6, line.len), &ret->extra))
                        return arena_check(arena, err) &&
                               tlog_bad(err, "the proof's extra data is not base64");
                ret->has_extra = true;
                if (!str_cut(rest, '\n', &line))
                        return tlog_bad(err, "the proof ends before its index");
        }
        if (!str_starts(line, STR("index ")) ||
            !tlog_parse_number(str_slice(line, 6, line.len), &ret->index))
                return tlog_bad(err, "the proof has no valid index line");
        return true;
}

bool tlog_proof_parse(struct arena *arena, struct str text, struct tlog_proof *ret, struct err *err)
{
        struct str rest = text, line;
        if (!str_cut(&rest, '\n', &line) || !str_eq(line, TLOG_PROOF_HEADER))
                return tlog_bad(err, "the proof does not begin with c2sp.org/tlog-proof@v1");
        *ret = (struct tlog_proof){0};
        if (!tlog_proof_head(arena, &rest, ret, err))
                return false;
        for (;;) {
                if (!str_cut(&rest, '\n', &line))
                        return tlog_bad(err, "the proof ends before its checkpoint");
                if (line.len == 0)
                        break;
                if (ret->inclusion.count == MERKLE_PROOF_MAX)
                        return tlog_bad(err, "the proof has more hashes than any log needs");
                if (!base64_decode_to(line, ret->inclusion.hashes[ret->inclusion.count++].bytes,
                                      SHA256_SIZE))
                        return err_set(err, ERR_PROOF_INVALID, "hash %zu of the proof is malformed",
                                       ret->inclusion.count);
        }
        ret->checkpoint = rest;
        return true;
}

bool tlog_proof_verify(struct arena *arena, const struct tlog_proof *proof, struct str entry,
                       const struct note_verifier *verifier, struct tlog_checkpoint *ret_checkpoint,
                       struct err *err)
{
        struct sha256 leaf;
        merkle_leaf(entry, &leaf);
        return tlog_checkpoint_verify(arena, proof->checkpoint, verifier, ret_checkpoint, err) &&
               merkle_inclusion_verify(proof->index, ret_checkpoint->size, &leaf, proof->inclusion.hashes,
                                       proof->inclusion.count, &ret_checkpoint->root, err);
}
