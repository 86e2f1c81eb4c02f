/* SPDX-License-Identifier: Apache-2.0 */
/* A YAML file of nested mappings, flattened to "section.key" and text. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

struct yaml_entry {
        struct str key; /* "listen.port" */
        struct str value;
        int line; /* from 1 */
        struct yaml_entry *next;
};

/*
 * Reads the one document of the text. Sequences, aliases, tags, and keys that
 * appear twice are mistakes. On failure `problems` has "file:line: …" lines.
 */
bool config_yaml_read(struct arena *arena, struct str text, const char *file_name,
                      struct yaml_entry **ret_entries, struct buf *problems) MUST_USE;
