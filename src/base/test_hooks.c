/* SPDX-License-Identifier: Apache-2.0 */
#include "base/test_hooks.h"

#ifdef COUNTERSIGN_TEST_HOOKS

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned long kill_at, stop_at;
static int step_fd = -1;
static atomic_ulong steps;

static void read_environment(void)
{
        const char *at = getenv("COUNTERSIGN_KILL_AT");
        const char *stop = getenv("COUNTERSIGN_STOP_AT");
        const char *file = getenv("COUNTERSIGN_STEP_FILE");

        if (stop)
                stop_at = strtoul(stop, NULL, 10);
        if (at)
                kill_at = strtoul(at, NULL, 10);
        if (file)
                step_fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

void test_step(const char *name)
{
        unsigned long step;
        char line[96];
        int len;

        pthread_once(&once, read_environment);
        step = atomic_fetch_add(&steps, 1) + 1;
        if (step_fd >= 0) {
                len = snprintf(line, sizeof(line), "%lu %s\n", step, name);
                /* Best effort: a test that counts steps sees a missing line as a failure of its own. */
                if (len > 0 &&
                    write(step_fd, line, (size_t)len < sizeof(line) ? (size_t)len : sizeof(line)) < 0)
                        step_fd = -1;
        }
        if (step == kill_at)
                raise(SIGKILL);
        if (step == stop_at)
                raise(SIGSTOP);
}

#else

/* ISO C wants something in every translation unit. */
extern int test_hooks_absent;

#endif
