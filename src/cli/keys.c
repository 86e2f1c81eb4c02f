/* SPDX-License-Identifier: Apache-2.0 */
/* The root key, for the platform's administrators. */
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/profile.h"

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static const struct out_column columns[] = {
        {"protected by", "provider", 0},
        {"version", "current", 0},
        {"older version", "previous", 0},
        {"next version", "next", 0},
        {"nodes behind", "waiting_for", 0},
        {"wrapped anew", "rewrapped", 0},
        {"cells visited", "cells", 0},
        {"failures", "failures", 0},
        {NULL, NULL, 0},
};

bool keys_status_run(struct cli *cli, struct err *err)
{
        return profile_need_server(cli, err) && out_show(cli, STR("/v1/platform/root-key"), columns, err);
}

/* Asks again and again: a rotation is rare, and its end is nobody's event. */
static bool wait_for_end(struct cli *cli, struct cli_reply *reply, struct err *err)
{
        const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};

        while (json_get(&reply->json, "previous") || json_get(&reply->json, "next")) {
                (void)nanosleep(&pause, NULL);
                if (!cli_get(cli, reply, err, "/v1/platform/root-key"))
                        return false;
        }
        return true;
}

bool keys_rotate_root_run(struct cli *cli, struct err *err)
{
        int64_t begun_us = clock_mono_us(), begun, ended;
        struct cli_reply reply;

        if (!profile_need_server(cli, err) ||
            !cli_post(cli, cli_flag(cli, "alone") ? STR("{\"alone\":true}") : STR("{}"), &reply, err,
                      "/v1/platform/root-key/rotate"))
                return false;
        if (!json_get_int(&reply.json, "rewrapped", &begun))
                begun = 0;
        if (cli_flag(cli, "wait") && !wait_for_end(cli, &reply, err))
                return false;
        out_record(cli, &reply, columns);
        if (cli_flag(cli, "wait") && !cli->json && json_get_int(&reply.json, "rewrapped", &ended))
                printf("Nothing is under the older version any more: %lld keys in %.1f s.\n",
                       (long long)(ended - begun), (double)(clock_mono_us() - begun_us) / 1e6);
        return true;
}
