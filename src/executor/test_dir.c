/* SPDX-License-Identifier: Apache-2.0 */
#include "executor/test_dir.h"

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct test_dir test_dir_new(void)
{
        struct test_dir dir = {.path = "/tmp/countersign-test-XXXXXX"};

        /* In memory where that is possible: some tests make a file durable thousands of times. */
        if (access("/dev/shm", W_OK) == 0)
                snprintf(dir.path, sizeof(dir.path), "/dev/shm/countersign-test-XXXXXX");
        if (!mkdtemp(dir.path))
                abort();
        return dir;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
        (void)st;
        (void)kind;
        (void)ftw;
        return remove(path);
}

void test_dir_remove(struct test_dir *dir)
{
        if (nftw(dir->path, remove_one, 8, FTW_DEPTH | FTW_PHYS) < 0)
                perror(dir->path);
}

void test_file_write(const struct test_dir *dir, const char *name, struct str bytes)
{
        char path[128];
        int fd;

        snprintf(path, sizeof(path), "%s/%s", dir->path, name);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, bytes.ptr, bytes.len) != (ssize_t)bytes.len || close(fd) < 0)
                abort();
}

char *test_file_read(const struct test_dir *dir, const char *name, size_t *ret_len)
{
        char path[128];
        struct stat st;
        char *bytes;
        int fd;

        snprintf(path, sizeof(path), "%s/%s", dir->path, name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return NULL;
        if (fstat(fd, &st) < 0 || !(bytes = heap_alloc((size_t)st.st_size + 1)) ||
            read(fd, bytes, (size_t)st.st_size) != st.st_size)
                abort();
        close(fd);
        bytes[st.st_size] = '\0';
        *ret_len = (size_t)st.st_size;
        return bytes;
}
