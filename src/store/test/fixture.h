/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a folder of its own, for tests. Failures end the test. */
#pragma once

#include "store/sql.h"
#include "store/store.h"
#include "test_sql.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct fixture {
        char folder[256];
        /* Of its own as well, on the PostgreSQL that COUNTERSIGN_TEST_POSTGRES names. */
        char database[64], url[256];
        struct store_options options;
        struct store *store;
};

/* Whether COUNTERSIGN_TEST_STORE asks for PostgreSQL: tests/scenarios/postgres.py. */
bool fixture_on_postgres(void);
/* `options` may be NULL; its folder is not used. */
struct fixture *fixture_new(const struct store_options *options);
/* On SQLite: begins with the files of `like`, which is closed, and with its options. */
struct fixture *fixture_copy(const struct fixture *like);
/* Closes, and removes the folder. */
void fixture_free(struct fixture *fixture);
/* On PostgreSQL: the test's tables with row-level security or without it, while the store is open. */
void fixture_policies(struct fixture *fixture, bool on);
void fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture);
void fixture_reopen(struct fixture *fixture);
void fixture_cell(struct fixture *fixture, const struct cell_ref *cell);
