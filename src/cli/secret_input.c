/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/secret_input.h"

#include "crypto/secret.h"

#include <stdio.h>
#include <termios.h>
#include <unistd.h>

enum { LINE_BYTES = 4096 };

bool secret_input_read(struct arena *arena, const char *what, const char *otherwise, struct str *ret,
                       struct err *err)
{
        struct termios shown, hidden;
        char line[LINE_BYTES];
        bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &shown) == 0;
        bool ok;

        if (terminal) {
                hidden = shown;
                hidden.c_lflag &= ~(tcflag_t)ECHO;
                tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
                (void)fprintf(stderr, "%s: ", what);
        }
        ok = fgets(line, sizeof(line), stdin) != NULL;
        if (terminal) {
                tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
                (void)fputc('\n', stderr);
        }
        if (ok)
                *ret = arena_str(arena, str_make(line, strcspn(line, "\r\n")));
        secret_wipe(line, sizeof(line));
        return ok ? arena_check(arena, err)
                  : err_set(err, ERR_BAD_PARAMETER, "%s: nothing came; %s", what, otherwise);
}
