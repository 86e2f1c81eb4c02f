/* SPDX-License-Identifier: Apache-2.0 */
#include "store/test/fixture.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture *fixture_new(const struct store_options *options)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));
        const char *base = getenv("TMPDIR");

        assert_non_null(fixture);
        snprintf(fixture->folder, sizeof(fixture->folder), "%s/store-test-XXXXXX", base ? base : "/tmp");
        assert_non_null(mkdtemp(fixture->folder));
        if (options)
                fixture->options = *options;
        fixture->options.folder = fixture->folder;
        fixture_open(fixture);
        return fixture;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
        (void)info;
        (void)type;
        (void)at;
        return remove(path);
}

void fixture_free(struct fixture *fixture)
{
        if (!fixture)
                return;
        store_close(fixture->store);
        nftw(fixture->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(fixture);
}

void fixture_open(struct fixture *fixture)
{
        struct err err;

        fixture->store = NULL;
        if (!store_open(&fixture->options, &fixture->store, &err))
                fail_msg("%s: %s", err_name(err.code), err.message);
}

void fixture_reopen(struct fixture *fixture)
{
        store_close(fixture->store);
        fixture_open(fixture);
}

void fixture_cell(struct fixture *fixture, const struct cell_ref *cell)
{
        struct err err;

        if (!store_cell_create(fixture->store, cell, &err))
                fail_msg("%s: %s", err_name(err.code), err.message);
}
