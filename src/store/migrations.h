/* SPDX-License-Identifier: Apache-2.0 */
/* The migrations that this binary knows, embedded by tools/sqlgen.py. */
#pragma once

#include <stdint.h>

struct migration {
        int number;
        const char *title;
        const char *sha256; /* of the file, lower-case hex */
        const char *text;
};

struct migration_set {
        const struct migration *list; /* by number */
        int count;
        int32_t stamp; /* of all checksums; kept in the file's user_version, so that opening is cheap */
};

extern const struct migration_set migrations_cell;
extern const struct migration_set migrations_directory;
