/* SPDX-License-Identifier: Apache-2.0 */
/* `countersign tenant move`: works on two stores directly, with what each is configured by. */
#include "base/heap.h"
#include "base/id.h"
#include "base/json_write.h"
#include "crypto/envelope.h"
#include "crypto/secret.h"
#include "move/move.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ARENA_BYTES = 256 << 20, EXIT_USAGE = 2, EXIT_NOT_FOUND = 4, EXIT_CONFLICT = 5, EXIT_PROOF = 9 };

static const char page[] =
        "countersign tenant move: moves a tenant to another store\n"
        "\n"
        "  countersign tenant move TENANT --from STORE --to STORE\n"
        "                          [--dry-run | --cancel] [--erase] [--json]\n"
        "\n"
        "  TENANT     its id, ten_…\n"
        "  STORE      a configuration file as `countersign server --config` takes it; or a data\n"
        "             folder; or the URL of a PostgreSQL, with the server's role\n"
        "  --dry-run  says what there is and what would be moved; changes nothing\n"
        "  --cancel   takes back a move that was cut off before the switch\n"
        "  --erase    also removes what is left at the source when the move has ended\n"
        "  --json     prints what was done as JSON\n"
        "\n"
        "Copies every table of the tenant's cells and its rows of the directory, compares the copy\n"
        "row by row and the log by its root, computed anew from the entries; then switches. While\n"
        "it runs, the tenant can be read, and changes are refused with TENANT_MOVING. Servers on a\n"
        "data folder must be stopped first; servers on PostgreSQL go on. Both stores need the same\n"
        "root key, and schemas of the same version. Cut off at any moment, it can be repeated.\n"
        "docs/scaling.md tells more.\n"
        "\n"
        "  countersign tenant move ten_01… --from /var/lib/countersign --to new.yaml --dry-run\n"
        "  countersign tenant move ten_01… --from /var/lib/countersign --to new.yaml\n";

/* One of the two stores. */
struct side {
        const char *word; /* as it was given */
        struct config config;
        struct store *store;
        struct envelope *envelope;
};

struct line {
        const char *tenant;
        struct side source, target;
        bool dry_run, cancels, erases, json;
};

static bool parse(int argc, char **argv, struct line *line)
{
        for (int i = 1; i < argc; i++) {
                const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

                if (strcmp(word, "--dry-run") == 0)
                        line->dry_run = true;
                else if (strcmp(word, "--cancel") == 0)
                        line->cancels = true;
                else if (strcmp(word, "--erase") == 0)
                        line->erases = true;
                else if (strcmp(word, "--json") == 0)
                        line->json = true;
                else if (word[0] != '-' && !line->tenant)
                        line->tenant = word;
                else if (strcmp(word, "--from") == 0 && value && !line->source.word)
                        line->source.word = argv[++i];
                else if (strcmp(word, "--to") == 0 && value && !line->target.word)
                        line->target.word = argv[++i];
                else
                        return false;
        }
        return line->tenant && line->source.word && line->target.word && !(line->dry_run && line->cancels);
}

/* The word as flags of the server: what it would open with them is what is moved. */
static bool configure(struct side *side, struct arena *arena, struct err *err)
{
        char flag[] = "--config", folder[] = "--data-folder", url[] = "--store-url";
        bool is_url = strchr(side->word, '=') || strstr(side->word, "://");
        struct stat status;
        BUF_SCOPED problems;

        buf_init(&problems, 1 << 20);
        if (!is_url && stat(side->word, &status) != 0)
                return err_set(err, ERR_CONFIG, "%s is no file, no folder and no URL", side->word);
        char *first = is_url ? url : S_ISDIR(status.st_mode) ? folder : flag;
        char *argv[] = {first, arena_strdup(arena, side->word), NULL};
        char *none[] = {NULL};
        if (config_load(arena, 2, argv, none, &side->config, &problems))
                return true;
        return err_set(err, ERR_CONFIG, "%.*s", STR_ARG(str_trim(buf_str(&problems))));
}

/* A key that is not there is not made: then the two cannot be compared. */
static bool open_root_key(struct side *side, struct arena *arena, struct err *err)
{
        struct str path = side->config.root_key_file;

        if (path.len == 0)
                path = arena_printf(arena, "%.*s/root.key", STR_ARG(side->config.data_folder));
        else
                path = arena_str(arena, path);
        return arena_check(arena, err) &&
               (access(path.ptr, F_OK) != 0 || envelope_open(path.ptr, &side->envelope, err));
}

static bool open_side(struct side *side, struct arena *arena, struct err *err)
{
        struct store_options options;

        if (!configure(side, arena, err) || !server_store_options(&side->config, arena, &options, err))
                return err_prefix(err, "%s", side->word);
        options.moves_cells = true;
        /* A bare URL has no folder in which a root key could be. */
        bool is_url = options.url && strcmp(side->word, options.url) == 0;
        return (store_open(&options, &side->store, err) && (is_url || open_root_key(side, arena, err))) ||
               err_prefix(err, "%s", side->word);
}

/* What is wrapped under one root key cannot be opened under another. */
static bool compare_root_keys(const struct line *line, struct err *err)
{
        const struct envelope *from = line->source.envelope, *to = line->target.envelope;
        uint8_t keys[2][32];
        bool same;

        if (!from || !to) {
                (void)fprintf(stderr,
                              "The root keys were not compared: %s has none here. The target's servers must "
                              "have the source's.\n",
                              from ? line->target.word : line->source.word);
                return true;
        }
        uint32_t version = envelope_derive_version(from);
        if (!envelope_derive(from, version, STR("tenant-move"), keys[0], err) ||
            !envelope_derive(to, version, STR("tenant-move"), keys[1], err))
                return err_prefix(err, "the target's root key is not the source's");
        same = memcmp(keys[0], keys[1], sizeof(keys[0])) == 0;
        secret_wipe(keys, sizeof(keys));
        return same || err_set(err, ERR_CONFLICT,
                               "the target has another root key than the source: nothing that is encrypted "
                               "or hashed under it could be used there; copy the source's root.key first");
}

static const char *standing_name(enum cell_standing standing)
{
        static const char *const names[] = {"absent", "active", "moving", "arriving", "moved"};

        return names[standing];
}

static void write_tables(struct json_writer *w, const char *key, const struct move_table *tables,
                         unsigned count)
{
        json_key(w, key);
        json_array_begin(w);
        for (unsigned i = 0; i < count; i++) {
                json_object_begin(w);
                json_field_c(w, "table", tables[i].name);
                json_field_int(w, "rows", tables[i].rows);
                json_object_end(w);
        }
        json_array_end(w);
}

static void write_cell(struct json_writer *w, const struct move_cell *cell)
{
        char hex[SHA256_HEX_SIZE];

        json_object_begin(w);
        json_field_str(w, "region", cell->ref.region);
        json_field_c(w, "source", standing_name(cell->at_source.standing));
        json_field_c(w, "target", standing_name(cell->at_target.standing));
        write_tables(w, "tables", cell->tables, cell->table_count);
        json_key(w, "logs");
        json_array_begin(w);
        for (unsigned i = 0; i < cell->log_count; i++) {
                json_object_begin(w);
                json_field_int(w, "epoch", cell->logs[i].epoch);
                json_field_int(w, "entries", (int64_t)cell->logs[i].size);
                sha256_format(&cell->logs[i].root, hex);
                json_field_c(w, "root", hex);
                json_object_end(w);
        }
        json_array_end(w);
        json_object_end(w);
}

static const char *outcome(const struct line *line, const struct move_report *report)
{
        if (line->dry_run)
                return report->was_done ? "moved" : "can be moved";
        return line->cancels ? "cancelled" : "moved";
}

static void print_json(const struct line *line, const struct move_report *report)
{
        struct json_writer w;
        BUF_SCOPED text;

        buf_init(&text, 1 << 24);
        json_writer_init(&w, &text);
        json_object_begin(&w);
        json_field_c(&w, "tenant", line->tenant);
        json_field_str(&w, "name", report->name);
        json_field_c(&w, "outcome", outcome(line, report));
        json_field_bool(&w, "dry_run", line->dry_run);
        write_tables(&w, "directory", report->directory, report->directory_count);
        json_key(&w, "cells");
        json_array_begin(&w);
        for (unsigned i = 0; i < report->cell_count; i++)
                write_cell(&w, &report->cells[i]);
        json_array_end(&w);
        json_object_end(&w);
        printf("%.*s\n", STR_ARG(buf_str(&text)));
}

static void print_tables(const char *what, const struct move_table *tables, unsigned count)
{
        int64_t rows = 0;

        for (unsigned i = 0; i < count; i++)
                rows += tables[i].rows;
        if (tables)
                printf("%s: %" PRId64 " rows of %u tables\n", what, rows, count);
}

static void print_text(const struct line *line, const struct move_report *report)
{
        char hex[SHA256_HEX_SIZE], what[80];

        for (unsigned i = 0; i < report->cell_count; i++) {
                const struct move_cell *cell = &report->cells[i];
                (void)snprintf(what, sizeof(what), "region %.*s", STR_ARG(cell->ref.region));
                print_tables(what, cell->tables, cell->table_count);
                for (unsigned j = 0; j < cell->log_count; j++) {
                        sha256_format(&cell->logs[j].root, hex);
                        printf("log epoch %" PRId64 ": %" PRIu64 " entries, root %s\n", cell->logs[j].epoch,
                               cell->logs[j].size, hex);
                }
        }
        print_tables("directory", report->directory, report->directory_count);
        printf("%s \"%.*s\": %s%s\n", line->tenant, STR_ARG(report->name), outcome(line, report),
               line->dry_run && !report->was_done ? "; nothing was changed" : "");
        for (unsigned i = 0; i < report->cell_count; i++) {
                if (report->cells[i].at_source.standing == CELL_MOVED)
                        printf("What was there stays at the source, unused; --erase removes it.\n");
        }
}

static void show_step(const char *step, void *arg)
{
        const struct line *line = arg;

        (void)fprintf(stderr, "%s: %s\n", line->tenant, step);
}

static int exit_of(const struct err *err)
{
        switch (err->code) {
        case ERR_NOT_FOUND:
                return EXIT_NOT_FOUND;
        case ERR_CONFLICT:
        case ERR_STORE_CONFLICT:
                return EXIT_CONFLICT;
        case ERR_PROOF_INVALID:
        case ERR_LOG_FORKED:
                return EXIT_PROOF;
        default:
                return EXIT_FAILURE;
        }
}

static bool run(struct line *line, struct arena *arena, struct err *err)
{
        struct move_options options = {
                .kind = line->dry_run   ? MOVE_LOOK
                        : line->cancels ? MOVE_CANCEL
                                        : MOVE_GO,
                .tenant = str_from(line->tenant),
                .erase = line->erases,
                .progress = show_step,
                .progress_arg = line,
        };
        struct move_report *report = ARENA_NEW(arena, struct move_report);

        if (!id_is(options.tenant, "ten"))
                return err_set(err, ERR_BAD_PARAMETER, "%s is no tenant's id", line->tenant);
        if (!arena_check(arena, err) || !open_side(&line->source, arena, err) ||
            !open_side(&line->target, arena, err) || !compare_root_keys(line, err))
                return false;
        options.source = line->source.store;
        options.target = line->target.store;
        if (!move_tenant(&options, arena, report, err))
                return false;
        if (line->json)
                print_json(line, report);
        else
                print_text(line, report);
        return true;
}

int tenant_move_main(int argc, char **argv)
{
        struct line line = {0};
        struct arena arena;
        struct err err;
        bool ok;

        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
                        (void)fputs(page, stdout);
                        return EXIT_SUCCESS;
                }
        }
        if (!parse(argc, argv, &line)) {
                (void)fputs(page, stderr);
                return EXIT_USAGE;
        }
        arena_init(&arena, ARENA_BYTES);
        ok = run(&line, &arena, &err);
        store_close(line.source.store);
        store_close(line.target.store);
        envelope_free(line.source.envelope);
        envelope_free(line.target.envelope);
        arena_done(&arena);
        if (ok)
                return EXIT_SUCCESS;
        (void)fprintf(stderr, "countersign tenant move: %s\n", err.message);
        return exit_of(&err);
}
