/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PostgreSQL of one's own for `countersign dev --store postgres`: made in a
 * folder inside the data folder, reached by a unix socket in there and by
 * nothing else, run as a child and ended with it. Started as root it runs as
 * the user `postgres`, which Debian's package makes.
 */
#pragma once

#include "base/err.h"

#include <limits.h>
#include <sys/types.h>

enum { DEV_POSTGRES_PATH_MAX = 4096 };

struct dev_postgres {
        char programs[DEV_POSTGRES_PATH_MAX]; /* initdb, postgres, createuser, createdb */
        char folder[DEV_POSTGRES_PATH_MAX];   /* data, socket and log; absolute */
        char url[DEV_POSTGRES_PATH_MAX * 2];  /* for the server's role */
        pid_t pid;                            /* 0: it does not run */
};

/* Whether the data folder has one. */
bool dev_postgres_is_in(const char *data_folder);
/*
 * Finds the programs (in `programs` unless that is NULL) and fills the URL;
 * starts nothing. CONFIG, with what to do, when PostgreSQL is not installed.
 */
bool dev_postgres_init(struct dev_postgres *pg, const char *data_folder, const char *programs,
                       struct err *err) MUST_USE;
/* Makes it if it is not there, starts it, migrates its schemas. From the main thread, before others exist.
 */
bool dev_postgres_start(struct dev_postgres *pg, const char *region, struct err *err) MUST_USE;
/* Ends it, when the server has let go of it; waits. */
void dev_postgres_stop(struct dev_postgres *pg);
