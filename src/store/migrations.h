/* SPDX-License-Identifier: Apache-2.0 */
/* The migrations that this binary knows, embedded by tools/sqlgen.py. */
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct migration {
        int number;
        const char *title;
        const char *sha256; /* of the file, lower-case hex */
        const char *text;
        const char *postgres_text;
        const char *postgres_sha256;
};

struct migration_set {
        const struct migration *list; /* by number */
        int count;
        int32_t stamp; /* of all checksums; kept in the file's user_version, so that opening is cheap */
};

extern const struct migration_set migrations_cell;
extern const struct migration_set migrations_directory;

/*
 * Whether the `at`-th migration that a database has recorded is the one of the
 * set; STORE_FAILED, with what to do, if it is not. `postgres` says which of
 * the checksums counts.
 */
bool migration_check(const struct migration_set *set, int at, int64_t number, struct str title,
                     struct str sha256, bool postgres, struct err *err) MUST_USE;
