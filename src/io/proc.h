/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel tells of itself and of us in figures (proc(5)). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * The decimal figures that the file's first line begins with, `most` at the
 * most; returns how many there were, 0 also when the file cannot be read.
 * Needs no memory; opens a file, so not on a loop.
 */
size_t proc_read_figures(const char *path, size_t most, int64_t *ret_figures);
