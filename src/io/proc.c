/* SPDX-License-Identifier: Apache-2.0 */
#include "io/proc.h"

#include "base/str.h"

#include <fcntl.h>
#include <unistd.h>

size_t proc_read_figures(const char *path, size_t most, int64_t *ret_figures)
{
        char text[256];
        struct str line, rest, word;
        ssize_t len;
        size_t n = 0;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return 0;
        len = read(fd, text, sizeof(text));
        close(fd);
        rest = str_make(text, len > 0 ? (size_t)len : 0);
        /* A line without an end was cut off, and its last figure with it. */
        if (!str_cut(&rest, '\n', &line))
                return 0;
        while (n < most && line.len > 0) {
                (void)str_cut(&line, ' ', &word);
                if (!str_to_i64(word, &ret_figures[n]))
                        break;
                n++;
        }
        return n;
}
