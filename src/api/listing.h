/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One page of a list, as every list operation of the contract gives it: up to
 * `limit` items from behind `cursor` on, and `next` when there are more.
 *
 *   if (!LISTING_BEGIN(&listing, req, in, &items, err) ||
 *       !sql_executor_list_open(req->tx, req->workspace, listing.after, listing.rows, &c, err))
 *           return false;
 *   for (;;) {
 *           if (!sql_executor_list_next(&c, &row, &has, err))
 *                   return false;
 *           if (!has || !listing_takes(&listing, row.id))
 *                   break;
 *           items[listing.count++] = executor_to_api(req, &row);
 *   }
 *   *out = (struct api_executor_page){items, listing.count, listing.next};
 *   return arena_check(req->arena, err);
 */
#pragma once

#include "api/cursor.h"

enum { LISTING_LIMIT_DEFAULT = 50 };

struct listing {
        struct arena *arena;
        struct str after; /* the key that the page begins behind; "" for the first page */
        size_t limit;     /* of items; the handler may lower it when a page grows too large */
        int64_t rows;     /* to ask the store for: all that may be looked at, and one more */
        size_t count;     /* of items so far, counted by the handler */
        struct str next;  /* the cursor of the page behind this one; .ptr NULL: there is none */

        /* Private. */
        int64_t looked;
        struct str last;
};

/* Fills `after`, `limit` and `rows`; rows may be raised where not each row becomes an item. BAD_PARAMETER.
 */
bool listing_begin(struct listing *ret_listing, struct arena *arena, size_t limit, struct str cursor,
                   struct err *err) MUST_USE;
/* With a list operation's input; *ret_items gets room for `limit` items. */
#define LISTING_BEGIN(ret_listing, req, in, ret_items, err)                                                 \
        (listing_begin((ret_listing), (req)->arena,                                                         \
                       (in)->has_limit ? (size_t)(in)->limit : LISTING_LIMIT_DEFAULT, (in)->cursor,         \
                       (err)) &&                                                                            \
         ((*(ret_items) = arena_alloc_array((req)->arena, (ret_listing)->limit, sizeof(**(ret_items)))) ||  \
          arena_check((req)->arena, (err))))

/*
 * Whether the row with this key still belongs to the page. False: it is the
 * next page's, and `next` is set. The key must last as long as the arena.
 */
bool listing_takes(struct listing *listing, struct str key);
