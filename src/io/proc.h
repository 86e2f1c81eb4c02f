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

/* How often the thread had to wait for a page to come from a disk (proc_pid_stat(5), majflt); -1: not known.
 */
int64_t proc_read_major_faults(int tid);
