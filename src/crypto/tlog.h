/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transparency log formats: checkpoints (https://c2sp.org/tlog-checkpoint@v1.0.0),
 * tile paths and entry bundles (https://c2sp.org/tlog-tiles), and offline proofs
 * (https://c2sp.org/tlog-proof@v1).
 */
#pragma once

#include "crypto/merkle.h"
#include "crypto/note.h"

enum {
        TLOG_TILE_WIDTH = 256, /* hashes in a full tile; entries in a full bundle */
        TLOG_TILE_HEIGHT = 8,
        TLOG_ENTRY_MAX = 65535,
        TLOG_LEVEL_MAX = 63,
        TLOG_PATH_SIZE = 64,
};

struct tlog_checkpoint {
        struct str origin;
        uint64_t size;
        struct sha256 root;
        struct str extensions; /* the lines after the third, each with its newline; often empty */
};

/* The note's text, without signatures. */
void tlog_checkpoint_append(struct buf *buf, const struct tlog_checkpoint *checkpoint);
/* Views into the text. ERR_PROOF_INVALID says what is malformed. */
bool tlog_checkpoint_parse(struct str text, struct tlog_checkpoint *ret, struct err *err) MUST_USE;
/* Parses note and text, verifies the signature, and that the origin is the key's name. */
bool tlog_checkpoint_verify(struct arena *arena, struct str note, const struct note_verifier *verifier,
                            struct tlog_checkpoint *ret, struct err *err) MUST_USE;

/* "tile/<L>/<N>[.p/<W>]" or "tile/entries/<N>[.p/<W>]". */
struct tlog_tile {
        bool entries;
        unsigned level; /* 0 to 63; not used for entries */
        uint64_t index;
        unsigned width; /* 1 to 256 */
};
/* Returns the length; the text is NUL-terminated. */
size_t tlog_tile_path(const struct tlog_tile *tile, char ret_path[TLOG_PATH_SIZE]);
/* Only the canonical form, without a leading slash. */
bool tlog_tile_parse(struct str path, struct tlog_tile *ret) MUST_USE;
/* How many hashes (or entries) the tile has in a tree of this size: 0 when it does not exist. */
unsigned tlog_tile_width(unsigned level, uint64_t index, uint64_t size);

/* One entry of a bundle: uint16 length, big-endian, and the bytes. False when it is too long. */
bool tlog_bundle_append(struct buf *buf, struct str entry) MUST_USE;
/* Takes the next entry off the front; false when malformed. Empty `rest` is the end. */
bool tlog_bundle_next(struct str *rest, struct str *ret_entry) MUST_USE;

struct tlog_proof {
        struct str extra; /* decoded; not authenticated */
        bool has_extra;
        uint64_t index;
        struct merkle_proof inclusion;
        struct str checkpoint; /* the signed note, verbatim */
};
void tlog_proof_append(struct buf *buf, const struct tlog_proof *proof);
bool tlog_proof_parse(struct arena *arena, struct str text, struct tlog_proof *ret,
                      struct err *err) MUST_USE;
/* That the entry's bytes are at proof->index of a log whose checkpoint the verifier's key signed. */
bool tlog_proof_verify(struct arena *arena, const struct tlog_proof *proof, struct str entry,
                       const struct note_verifier *verifier, struct tlog_checkpoint *ret_checkpoint,
                       struct err *err) MUST_USE;
