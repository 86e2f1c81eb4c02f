/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's file: lines that are appended, each durable before the call
 * returns; and now and then a new file that takes the place of the old one.
 *
 *   countersign-journal/1
 *   9a3c01fe {"kind":"begun",…}
 *
 * A line is the CRC-32C of its text in 8 hex digits, a space, the text, a line
 * feed. Text holds no line feed (JSON escapes them), so a write that was cut
 * off can only be the last line, without its end: that one is taken away, since
 * nobody ever relied on it. Any other damage means that history is missing, and
 * then the file is refused.
 */
#pragma once

#include "base/buf.h"

#include <sys/types.h>

enum { JOURNAL_LINE_MAX_BYTES = 256 * 1024, JOURNAL_HEADER_BYTES = 22 };

/* The system calls that can fail on a full or broken disk; tests replace them. */
struct journal_io {
        ssize_t (*write)(int fd, const void *bytes, size_t len);
        int (*fsync)(int fd);
        int (*ftruncate)(int fd, off_t length);
        int (*rename)(const char *from, const char *to);
};

struct journal_file {
        int fd;
        off_t length; /* of what is durable; while it is read: the end of the line at hand */
        bool broken;  /* a write failed; nothing can be appended any more */
        const struct journal_io *io;
        struct buf line;
        char path[512];
};

/* Called for each line's text, in order. False ends the reading with its error. */
typedef bool (*journal_line_fn)(void *arg, struct str text, unsigned number, struct err *err);

/* Makes the file and makes it and its folder durable. Fails if it is there. `io` NULL: the real ones. */
bool journal_file_create(const char *dir, const struct journal_io *io, struct err *err) MUST_USE;

/* Opens it, mends a torn end, gives every line to `fn`. On failure nothing is left open. */
bool journal_file_open(struct journal_file *file, const char *dir, const struct journal_io *io,
                       journal_line_fn fn, void *arg, struct err *err) MUST_USE;
void journal_file_close(struct journal_file *file);

/* One durable line. After a failure the file takes nothing more until it is opened again. */
bool journal_file_append(struct journal_file *file, struct str text, struct err *err) MUST_USE;

/* Gives the new file its lines with journal_file_put. */
typedef bool (*journal_fill_fn)(void *arg, struct journal_file *fresh, struct err *err);
bool journal_file_put(struct journal_file *fresh, struct str text, struct err *err) MUST_USE;

/*
 * A new file takes the place of this one: the first `keep` bytes as they are, then
 * what `fill` puts. Killed at any moment, the one or the other is there, whole. What
 * the old file held after `keep` is overwritten with zeros. On failure this file
 * goes on as it was, or takes nothing more when it is not sure which one stands.
 */
bool journal_file_replace(struct journal_file *file, off_t keep, journal_fill_fn fill, void *arg,
                          struct err *err) MUST_USE;

/* RFC 3720 appendix B.4 (Castagnoli). */
uint32_t crc32c(struct str bytes);
