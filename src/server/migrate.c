/* SPDX-License-Identifier: Apache-2.0 */
/* `countersign migrate`: makes and upgrades the schemas of a PostgreSQL database. */
#include "server/server.h"
#include "store/postgres_migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REGIONS_MAX = 64, EXIT_USAGE = 2 };

static const char page[] =
        "countersign migrate: makes and upgrades the schemas of a PostgreSQL database\n"
        "\n"
        "  countersign migrate --owner URL --server-role ROLE [--region NAME]… [--no-directory]\n"
        "\n"
        "  --owner URL          connects as the role that owns the schemas, or is to own them;\n"
        "                       without a password, which belongs into ~/.pgpass\n"
        "  --server-role ROLE   the role that the servers use: gets the use of rows, nothing else\n"
        "  --region NAME        a region whose cells live in this database; `local` unless told\n"
        "  --no-directory       the directory is in another database\n"
        "\n"
        "Puts every tenant's table under forced row-level security. Runs in one transaction,\n"
        "under a lock: several may start it at once, and repeating it changes nothing.\n"
        "\n"
        "  createuser countersign_owner; createuser countersign_server\n"
        "  createdb --owner countersign_owner countersign\n"
        "  countersign migrate --owner postgres://countersign_owner@/countersign \\\n"
        "                      --server-role countersign_server\n";

static void show_progress(const char *schema, int number, const char *title, void *arg)
{
        (void)arg;
        printf("%s: %04d %s\n", schema, number, title);
}

static bool parse(int argc, char **argv, const char **regions, struct store_migrate_options *options)
{
        for (int i = 1; i < argc; i++) {
                const char *value = i + 1 < argc ? argv[i + 1] : NULL;

                if (strcmp(argv[i], "--no-directory") == 0) {
                        options->directory = false;
                        continue;
                }
                if (!value)
                        return false;
                if (strcmp(argv[i], "--owner") == 0)
                        options->url = value;
                else if (strcmp(argv[i], "--server-role") == 0)
                        options->server_role = value;
                else if (strcmp(argv[i], "--region") == 0 && options->region_count < REGIONS_MAX)
                        regions[options->region_count++] = value;
                else
                        return false;
                i++;
        }
        return options->url && options->server_role;
}

int migrate_main(int argc, char **argv)
{
        const char *regions[REGIONS_MAX] = {"local"};
        struct store_migrate_options options = {
                .directory = true, .regions = regions, .progress = show_progress};
        struct err err;

        if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
                (void)fputs(page, stdout);
                return EXIT_SUCCESS;
        }
        if (!parse(argc, argv, regions, &options)) {
                (void)fputs(page, stderr);
                return EXIT_USAGE;
        }
        if (options.region_count == 0)
                options.region_count = 1;
        if (!store_migrate(&options, &err)) {
                (void)fprintf(stderr, "countersign migrate: %s\n", err.message);
                return EXIT_FAILURE;
        }
        printf("The schemas are current; %s may use them.\n", options.server_role);
        return EXIT_SUCCESS;
}
