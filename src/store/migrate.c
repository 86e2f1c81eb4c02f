/* SPDX-License-Identifier: Apache-2.0 */
#include "store/migrations.h"

bool migration_check(const struct migration_set *set, int at, int64_t number, struct str title,
                     struct str sha256, bool postgres, struct err *err)
{
        if (at >= set->count || number > set->list[set->count - 1].number)
                return err_set(
                        err, ERR_STORE_FAILED,
                        "the data was written by a newer version of Countersign (migration %04d %.*s); "
                        "run that version",
                        (int)number, STR_ARG(title));
        const struct migration *known = &set->list[at];
        if (number != known->number)
                return err_set(
                        err, ERR_STORE_FAILED,
                        "the data has migration %04d where this version expects %04d %s; it comes from "
                        "another line of development: use a fresh data folder",
                        (int)number, known->number, known->title);
        if (!str_is(sha256, postgres ? known->postgres_sha256 : known->sha256))
                return err_set(
                        err, ERR_STORE_FAILED,
                        "migration %04d %s was changed after it had been applied to this data; run the "
                        "version that wrote the data",
                        known->number, known->title);
        return true;
}
