/* SPDX-License-Identifier: Apache-2.0 */
/* One binary, several roles: each row here has a command line of its own; all else is the client's. */
#include "cel/cel_cli.h"
#include "cli/cli.h"
#include "executor/executor.h"
#include "server/server.h"

static const struct cli_program programs[] = {
        {"dev", "Server and one executor together, for the first five minutes", dev_main},
        {"server", "The control plane: API, policy, approvals, log", server_main},
        {"executor", "Holds a privilege, takes claims, verifies and runs them", executor_main},
        {"migrate", "Make and upgrade the schemas of a PostgreSQL database", migrate_main},
        {"tenant move", "Move a tenant to another store, between SQLite and PostgreSQL", tenant_move_main},
        {"config", "Check, show and explain the server's configuration", config_main},
        {"cel", "Evaluate and check conditions, the expressions of policies", cel_main},
        {NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
        return cli_main(argc, argv, programs);
}
