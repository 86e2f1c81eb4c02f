/* SPDX-License-Identifier: Apache-2.0 */
/* A store with one cell of the test's notes. Included by tests only. */
#pragma once

#include "store/test/fixture.h"

static const struct cell_ref one = {STR("ten_one"), STR("eu")};
static const struct cell_ref two = {STR("ten_two"), STR("eu")};

static inline int setup(void **state)
{
        struct fixture *fixture = fixture_new(NULL);

        fixture_cell(fixture, &one);
        *state = fixture;
        return 0;
}

static inline int teardown(void **state)
{
        fixture_free(*state);
        return 0;
}

static inline bool add_note(struct tx *tx, void *arg, struct err *err)
{
        const struct sql_note_add_in in = {.id = *(const int64_t *)arg, .title = STR("a title")};

        return sql_note_add(tx, &in, err);
}

static inline bool count_notes(struct tx *tx, void *arg, struct err *err)
{
        struct sql_note_count_row row;
        bool found;

        if (!sql_note_count(tx, &row, &found, err))
                return false;
        *(int64_t *)arg = row.count;
        return found;
}

static inline int64_t count(struct store *store, const struct cell_ref *cell)
{
        int64_t n = -1;
        struct err err;

        if (!store_read(store, cell, NULL, count_notes, &n, &err))
                fail_msg("%s: %s", err_name(err.code), err.message);
        return n;
}

static inline void add(struct store *store, const struct cell_ref *cell, int64_t id)
{
        struct err err;

        if (!store_write(store, cell, NULL, add_note, &id, &err))
                fail_msg("%s: %s", err_name(err.code), err.message);
}

static inline bool add_book(struct tx *tx, void *arg, struct err *err)
{
        (void)arg;
        return sql_book_add(tx, STR("b"), STR("eu"), err);
}
