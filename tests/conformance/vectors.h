/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public test vectors, which are not part of this repository. They are looked
 * for in $COUNTERSIGN_VECTORS, and otherwise where the build was told. Without
 * them the test is skipped with a line that says so.
 */
#pragma once

#include "base/json.h"

/* Ends the program with 77 (skipped) when the folder is not there. */
void vectors_require(const char *folder);

/* These end the test when they fail. Paths are relative to the vectors' folder. */
struct str vectors_read(struct arena *arena, const char *path);
const struct json *vectors_read_json(struct arena *arena, const char *path);
struct str vectors_hex(struct arena *arena, const struct json *object, const char *key);
struct str vectors_base64(struct arena *arena, struct str text);

/* Calls fn for every regular file below the folder; returns how many. */
size_t vectors_each(const char *folder, void (*fn)(const char *path));
