/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of what was seen: names hashed with SHA-256 and cut to 16 bytes, in one
 * open-addressed table, so that a journal of 100,000 actions costs a few
 * megabytes. Nothing is ever removed. Not thread-safe.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

enum { SEEN_KEY_SIZE = 16 };

struct seen_key {
        uint64_t words[SEEN_KEY_SIZE / 8];
};

struct seen {
        struct seen_key *slots; /* an all-zero key is a free slot */
        size_t slot_count;      /* a power of two, or 0 */
        size_t count;
};

bool seen_add(struct seen *seen, struct str name, struct err *err) MUST_USE;
bool seen_has(const struct seen *seen, struct str name);
void seen_done(struct seen *seen);
