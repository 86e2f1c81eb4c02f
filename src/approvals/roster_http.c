/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api_handlers.h"
#include "approvals/actions_api.h"
#include "approvals/roster_api.h"

enum { VERSIONS_MAX = 1000 };

bool roster_versions(struct tx *tx, int64_t after, const struct api_roster_version **ret_items,
                     size_t *ret_count, struct err *err)
{
        struct arena *arena = tx_arena(tx);
        SQL_SCOPED(roster_version_list) c = {0};
        struct sql_roster_version_last_row row;
        struct api_roster_version *items = NULL;
        size_t count = 0, room = 0;
        bool has;

        if (!sql_roster_version_list_open(tx, after, VERSIONS_MAX, &c, err))
                return false;
        for (;;) {
                struct dsse_envelope envelope;

                if (!sql_roster_version_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                if (count == room) {
                        struct api_roster_version *more;

                        room = room ? 2 * room : 4;
                        more = ARENA_ARRAY(arena, struct api_roster_version, room);
                        if (!more)
                                return arena_check(arena, err);
                        if (count > 0)
                                memcpy(more, items, count * sizeof(*more));
                        items = more;
                }
                items[count] = (struct api_roster_version){.version = row.version, .digest = row.digest};
                if (!dsse_parse(arena, row.envelope, &envelope, err) ||
                    !envelope_to_api(arena, &envelope, &items[count++].envelope, err))
                        return false;
        }
        *ret_items = items;
        *ret_count = count;
        return true;
}

bool roster_list(struct request *req, const struct api_roster_list_in *in, struct api_roster_list *out,
                 struct err *err)
{
        return roster_versions(req->tx, in->has_after ? in->after : 0, &out->items, &out->items_count, err);
}

bool roster_update(struct request *req, const struct api_roster_update_in *in,
                   struct api_roster_version *out, struct err *err)
{
        struct dsse_envelope envelope;
        struct roster roster;

        if (!envelope_from_api(req->arena, &in->body, &envelope, err) ||
            !approvals_roster_put(req->tx, &envelope, req->now_ms, &roster, err))
                return false;
        request_log_resource(req, "roster", req->tenant);
        request_log_detail(req, "version", arena_printf(req->arena, "%lld", (long long)roster.version));
        request_log_detail(req, "digest", roster.digest);
        request_event(req, "roster.changed", req->tenant,
                      arena_printf(req->arena, "{\"version\":%lld,\"digest\":\"%.*s\"}",
                                   (long long)roster.version, STR_ARG(roster.digest)));
        *out = (struct api_roster_version){
                .version = roster.version, .digest = roster.digest, .envelope = in->body};
        return arena_check(req->arena, err);
}
