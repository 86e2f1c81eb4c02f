/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifies what a log gave out, with nothing but that and the log's public
 * key: no store, no network. The format is in docs/log-format.md.
 *
 * Every failure is ERR_PROOF_INVALID or ERR_BAD_SIGNATURE with err->place
 * saying where ("line 12, entry 10"), and a message for people.
 */
#pragma once

#include "crypto/tlog.h"

#include <stdio.h>

/* Reads up to `size` bytes; ret_len 0 is the end. */
struct audit_input {
        bool (*read)(void *data, char *bytes, size_t size, size_t *ret_len, struct err *err);
        void *data;
};
struct audit_input audit_input_file(FILE *file);

struct audit_report {
        char origin[NOTE_NAME_MAX + 1];
        uint64_t size; /* entries that the checkpoint covers */
        struct sha256 root;
        /* As far as the file was read */
        uint64_t lines;
        uint64_t entries;
        /* The first thing that is wrong; 0 and -1 when all is right or it has no single place. */
        uint64_t bad_line;
        int64_t bad_entry;
};

/* The whole export is what the log with this key (a vkey in text) signed. */
bool audit_verify_export(const struct audit_input *input, struct str vkey, struct audit_report *ret,
                         struct err *err) MUST_USE;

/* The entry's bytes (one trailing newline is ignored) are in the log, at ret->… of the receipt. */
struct audit_receipt {
        char origin[NOTE_NAME_MAX + 1];
        uint64_t index;
        uint64_t size;
};
bool audit_verify_receipt(struct str entry, struct str receipt, struct str vkey, struct audit_receipt *ret,
                          struct err *err) MUST_USE;
