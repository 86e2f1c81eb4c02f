/* SPDX-License-Identifier: Apache-2.0 */
#include "io/proc.h"

#include "base/str.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 512, MAJFLT_AFTER_NAME = 9 };

/* The file's first line; empty when there is none. One without an end was cut off, and its last figure with
 * it. */
static struct str read_line(const char *path, char text[LINE_MAX_BYTES])
{
        struct str line, rest;
        ssize_t len;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return STR("");
        len = read(fd, text, LINE_MAX_BYTES);
        close(fd);
        rest = str_make(text, len > 0 ? (size_t)len : 0);
        return str_cut(&rest, '\n', &line) ? line : STR("");
}

size_t proc_read_figures(const char *path, size_t most, int64_t *ret_figures)
{
        char text[LINE_MAX_BYTES];
        struct str line = read_line(path, text), word;
        size_t n = 0;

        while (n < most && line.len > 0) {
                (void)str_cut(&line, ' ', &word);
                if (!str_to_i64(word, &ret_figures[n]))
                        break;
                n++;
        }
        return n;
}

int64_t proc_read_major_faults(int tid)
{
        char path[64], text[LINE_MAX_BYTES];
        struct str line, word = STR("");
        int64_t faults;

        (void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
        line = read_line(path, text);
        /* The name in parentheses may have both blanks and parentheses. */
        while (str_find(line, ')') >= 0)
                (void)str_cut(&line, ')', &word);
        for (int field = 0; field <= MAJFLT_AFTER_NAME + 1; field++)
                (void)str_cut(&line, ' ', &word);
        return str_to_i64(word, &faults) ? faults : -1;
}
