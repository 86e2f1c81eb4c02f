/* SPDX-License-Identifier: Apache-2.0 */
#include "api/listing.h"

bool listing_begin(struct listing *ret_listing, struct arena *arena, size_t limit, struct str cursor,
                   struct err *err)
{
        *ret_listing = (struct listing){.arena = arena, .limit = limit, .rows = (int64_t)limit + 1};
        if (!cursor_take(arena, cursor, &ret_listing->after, err))
                return false;
        ret_listing->last = ret_listing->after;
        return true;
}

bool listing_takes(struct listing *listing, struct str key)
{
        if (listing->count >= listing->limit || listing->looked >= listing->rows - 1) {
                listing->next = cursor_make(listing->arena, listing->last);
                return false;
        }
        listing->looked++;
        listing->last = key;
        return true;
}
