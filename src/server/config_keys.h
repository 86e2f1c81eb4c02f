/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of keys, for those who load, show and explain them; private to config*.c. */
#pragma once

#include "server/config.h"

enum key_type { KEY_TEXT, KEY_INTEGER, KEY_BOOL, KEY_DURATION, KEY_WORD };

struct config_key {
        const char *name;
        enum key_type type;
        size_t offset;
        const char *standard; /* the default, as it would stand in the file */
        int64_t minimum;      /* integers; durations in milliseconds; texts: length */
        int64_t maximum;
        const char *words; /* KEY_WORD: separated by spaces */
        const char *summary;
};

/* In config.c. */
extern const struct config_key config_keys[];
extern const size_t config_key_count;
