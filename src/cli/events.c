/* SPDX-License-Identifier: Apache-2.0 */
/* The tenant's events as they happen; a broken stream continues where it broke off. */
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/profile.h"
#include "io/http_client.h"
#include "io/sse.h"

#include <stdio.h>
#include <unistd.h>

enum { EVENT_MAX_BYTES = 1024 * 1024, RETRIES_MAX = 10 };

struct tail {
        struct buf last_id;
        int64_t left; /* events still wanted */
        bool any;     /* something came since the last connection */
};

static bool print_event(struct cli *cli, const struct sse_event *event, struct err *err)
{
        struct arena_mark mark = arena_mark(&cli->arena);
        struct json data;

        if (cli->json) {
                printf("%.*s\n", STR_ARG(event->data));
        } else {
                if (!json_parse(&cli->arena, arena_str(&cli->arena, event->data), &data, err))
                        return err_prefix(err, "an event");
                printf("%-21.*s %-36.*s %.*s\n", STR_ARG(out_text(cli, &data, "time")),
                       STR_ARG(out_text(cli, &data, "type")), STR_ARG(out_text(cli, &data, "subject")));
        }
        fflush(stdout);
        arena_rewind(&cli->arena, mark);
        return true;
}

static bool take_events(struct cli *cli, struct sse_parser *parser, struct tail *tail, struct err *err)
{
        struct sse_event event;
        bool found = true;

        while (tail->left > 0) {
                if (!sse_parser_next(parser, &event, &found, err))
                        return false;
                if (!found)
                        return true;
                buf_reset(&tail->last_id);
                buf_append_str(&tail->last_id, event.id);
                tail->any = true;
                tail->left--;
                if (!print_event(cli, &event, err))
                        return false;
        }
        return true;
}

/* One connection, to its end. False only for what a new connection cannot mend. */
static bool read_stream(struct cli *cli, struct tail *tail, bool *ret_broken, struct err *err)
{
        _cleanup_(http_stream_closep) struct http_stream *stream = NULL;
        struct sse_parser parser;
        char bytes[8192];
        size_t len = 1;
        bool ok = true;

        *ret_broken = false;
        if (!cli_stream(cli,
                        arena_printf(&cli->arena, "/v1/tenants/%.*s/events", STR_ARG(cli->profile.tenant)),
                        "Last-Event-ID", buf_str(&tail->last_id), &stream, err)) {
                *ret_broken = err->code == ERR_UPSTREAM_UNREACHABLE || err->code == ERR_OUTCOME_UNKNOWN;
                return *ret_broken;
        }
        sse_parser_init(&parser, EVENT_MAX_BYTES);
        while (ok && len > 0 && tail->left > 0) {
                if (!http_stream_read(stream, bytes, sizeof(bytes), &len, err)) {
                        *ret_broken = true;
                        break;
                }
                *ret_broken = len == 0;
                ok = sse_parser_feed(&parser, str_make(bytes, len), err) &&
                     take_events(cli, &parser, tail, err);
        }
        sse_parser_done(&parser);
        return ok;
}

bool events_run(struct cli *cli, struct err *err)
{
        struct str count = cli_value(cli, "count");
        struct tail tail = {.left = INT64_MAX};
        unsigned failures = 0;
        bool broken;
        bool ok = true;

        if (count.ptr && (!str_to_i64(count, &tail.left) || tail.left < 1))
                return err_set(err, ERR_BAD_PARAMETER, "--count takes a number from 1 on");
        if (!profile_need_tenant(cli, err))
                return false;
        buf_init(&tail.last_id, 64);
        buf_append_str(&tail.last_id, cli_value(cli, "after"));
        while (ok && tail.left > 0) {
                struct arena_mark mark = arena_mark(&cli->arena);

                tail.any = false;
                ok = read_stream(cli, &tail, &broken, err);
                failures = tail.any ? 0 : failures + 1;
                if (ok && broken && failures > RETRIES_MAX)
                        ok = err_set(err, ERR_UPSTREAM_UNREACHABLE,
                                     "the stream broke off and cannot be resumed");
                if (ok && broken && tail.left > 0)
                        sleep(failures < 5 ? failures : 5);
                arena_rewind(&cli->arena, mark);
        }
        buf_done(&tail.last_id);
        return ok;
}
