/* SPDX-License-Identifier: Apache-2.0 */
/* `countersign migrate`: makes and upgrades the schemas of a PostgreSQL database. */
#include "base/json_write.h"
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
        "                      [--json]\n"
        "\n"
        "  --owner URL          connects as the role that owns the schemas, or is to own them;\n"
        "                       without a password, which belongs into ~/.pgpass\n"
        "  --server-role ROLE   the role that the servers use: gets the use of rows, nothing else\n"
        "  --region NAME        a region whose cells live in this database; `local` unless told\n"
        "  --no-directory       the directory is in another database\n"
        "  --json               a line of JSON for each migration that was applied\n"
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

static void show_progress_json(const char *schema, int number, const char *title, void *arg)
{
        struct json_writer w;
        BUF_SCOPED text;

        (void)arg;
        buf_init(&text, 1 << 16);
        json_writer_init(&w, &text);
        json_object_begin(&w);
        json_field_c(&w, "schema", schema);
        json_field_int(&w, "number", number);
        json_field_c(&w, "title", title);
        json_object_end(&w);
        printf("%.*s\n", STR_ARG(buf_str(&text)));
}

static bool parse(int argc, char **argv, const char **regions, struct store_migrate_options *options)
{
        for (int i = 1; i < argc; i++) {
                const char *value = i + 1 < argc ? argv[i + 1] : NULL;

                if (strcmp(argv[i], "--no-directory") == 0) {
                        options->directory = false;
                        continue;
                }
                if (strcmp(argv[i], "--json") == 0) {
                        options->progress = show_progress_json;
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
        if (options.progress == show_progress)
                printf("The schemas are current; %s may use them.\n", options.server_role);
        return EXIT_SUCCESS;
}
