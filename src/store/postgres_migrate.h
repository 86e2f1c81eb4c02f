/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes and upgrades the schemas of a PostgreSQL database, as their owner:
 * tables, row-level security forced on every tenant's table, and the rights
 * of the server's role, which may use rows and nothing else.
 */
#pragma once

#include "base/err.h"

struct store_migrate_options {
        const char *url;         /* connects as the role that owns the schemas, or is to own them */
        const char *server_role; /* exists already */
        bool directory;          /* the directory's schema too */
        const char *const *regions;
        size_t region_count;
        /* Called for each migration that is applied; may be NULL. */
        void (*progress)(const char *schema, int number, const char *title, void *arg);
        void *arg;
};

/*
 * All or nothing, in one transaction, under a lock that other nodes wait for.
 * Repeating it changes nothing. CONFIG or STORE_…, with what is wrong.
 */
bool store_migrate(const struct store_migrate_options *options, struct err *err) MUST_USE;
