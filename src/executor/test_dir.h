/* SPDX-License-Identifier: Apache-2.0 */
/* For tests only: a folder that is gone at the end of its scope, and files in it. */
#pragma once

#include "base/heap.h"
#include "base/str.h"

struct test_dir {
        char path[64];
};

struct test_dir test_dir_new(void);
void test_dir_remove(struct test_dir *dir);
#define TEST_DIR __attribute__((cleanup(test_dir_remove))) struct test_dir

void test_file_write(const struct test_dir *dir, const char *name, struct str bytes);
/* From the heap, NUL-terminated; NULL when there is no such file. */
char *test_file_read(const struct test_dir *dir, const char *name, size_t *ret_len);
