/* SPDX-License-Identifier: Apache-2.0 */
/* One binary, several roles: each row here has a command line of its own; all else is the client's. */
#include "cli/cli.h"
#include "server/server.h"

static const struct cli_program programs[] = {
        {"server", "run the control plane", server_main},
        {"config", "check, show and explain the configuration", config_main},
        {NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
        return cli_main(argc, argv, programs);
}
