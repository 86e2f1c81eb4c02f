/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of an export that are not entries (docs/log-format.md), written
 * and read in one place. Private to src/log.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "crypto/tlog.h"

#define AUDIT_FORMAT "countersign-log-export/1"
/* How a line of hashes begins; no entry may begin so. */
#define AUDIT_TILE_LINE STR("{\"tile\":{\"hashes\":\"")

/* Each appends one line with its newline. */
void audit_append_header(struct buf *buf, struct str note, struct str vkey);
void audit_append_tile(struct buf *buf, uint64_t index, struct str hashes);

/* Without the newline. Only the exact spelling that the above write. */
bool audit_parse_header(struct arena *arena, struct str line, struct str *ret_note, struct str *ret_vkey,
                        struct err *err) MUST_USE;
bool audit_parse_tile(struct arena *arena, struct str line, uint64_t *ret_index,
                      struct str *ret_hashes) MUST_USE;
