/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is in a journal's file: it is refused with a reason, or can be gone on with. */
#include "fuzz.h"

#include "executor/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64];

static void remove_dir(void)
{
        (void)rmdir(dir);
}

static void make_dir(void)
{
        if (dir[0])
                return;
        snprintf(dir, sizeof(dir), "%s/countersign-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        FUZZ_CHECK(mkdtemp(dir) != NULL);
        atexit(remove_dir);
}

/* The lines get valid checksums, so that the fuzzer sees what is behind them. */
static void write_file(const char *path, struct str text)
{
        FILE *file = fopen(path, "w");

        FUZZ_CHECK(file != NULL);
        fputs("countersign-journal/1\n", file);
        while (text.len > 0) {
                struct str line;
                bool more = str_cut(&text, '\n', &line);

                fprintf(file, "%08x ", crc32c(line));
                fwrite(line.ptr, 1, line.len, file);
                if (!more)
                        break;
                fputc('\n', file);
        }
        fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct str action = STR("act_01jd3q4r5s6t7v8w9x0y1z2a3b");
        struct journal *journal;
        struct err err = {0};
        char path[80];

        make_dir();
        snprintf(path, sizeof(path), "%s/journal", dir);
        write_file(path, str_make(data, size));
        if (!journal_open(dir, NULL, &journal, &err)) {
                FUZZ_CHECK(err.message[0] != '\0');
        } else {
                bool seen = journal_has_seen(journal, action, STR_NULL);

                FUZZ_CHECK(journal_note_claiming(journal, action, &err) == !seen);
                journal_close(journal);
        }
        unlink(path);
        return 0;
}
