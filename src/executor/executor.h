/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executor: holds the privilege, faces nothing. It connects out to the
 * server, takes claims, verifies each one itself (verify.h), runs it at most
 * once (journal.h), and reports, signed. See docs/protocol.md and README.md.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct executor_config {
        const char *state_dir;     /* made with mode 0700 when absent; one process at a time */
        const char *server_url;    /* "http://127.0.0.1:7070"; needed to enrol, else NULL = as enrolled */
        const char *token;         /* one-time enrolment token; NULL = must be enrolled already */
        const char *roster_digest; /* hex: the roster version that enrolment must find; NULL = any */
        const char *floor_path;    /* NULL = the built-in floor (floor.h) */
        const char *docker_socket; /* NULL = /var/run/docker.sock */
        const char *ca_file;       /* PEM, for https:// servers; NULL = the system's store */
        unsigned parallel;         /* items in work at a time; 0 = 8 */
        bool enrol_only;           /* enrol, then return */
};

/*
 * Enrols when there is a token and the state is empty, reconciles what an
 * earlier process left, and works until `stop_fd` (an eventfd, borrowed)
 * becomes readable; then it finishes what runs and returns true. While the
 * server is away it waits with growing pauses. False for what waiting cannot
 * mend: a refused token, a revoked credential, a journal that cannot be
 * written, a floor file with a mistake. Blocks: call on a thread of its own.
 */
bool executor_run(const struct executor_config *config, int stop_fd, struct err *err) MUST_USE;

/* Whether the state folder holds an enrolled executor. */
bool executor_is_enrolled(const char *state_dir);

/* `countersign executor …`: parses flags, runs until SIGTERM or SIGINT. Returns an exit status. */
int executor_main(int argc, char **argv);
