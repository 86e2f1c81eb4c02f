/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a log of ours into files, as its URL prefix would serve them, for
 * verifiers that are not ours:
 *
 *   log_files OUTPUT-FOLDER ENTRIES
 *
 * OUTPUT gets vkey, checkpoint, checkpoint.old (at half the size), tile/…,
 * export.ndjson, and receipt and entry of one entry.
 */
#include "store/test/fixture.h"

#include "log/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static const struct cell_ref cell = {STR("ten_test"), STR("eu")};

struct files {
        struct store *store;
        struct log_signer signer;
        const char *folder;
        uint64_t entries;
        struct arena arena;
        struct err err;
};

static _Noreturn void die(const struct files *files, const char *what)
{
        fprintf(stderr, "log_files: %s: %s\n", what, files->err.message);
        exit(1);
}

static void write_file(struct files *files, const char *name, struct str bytes)
{
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", files->folder, name);
        for (char *slash = path + strlen(files->folder) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                if (mkdir(path, 0777) != 0 && errno != EEXIST) {
                        perror(path);
                        exit(1);
                }
                *slash = '/';
        }
        FILE *file = fopen(path, "wb");
        if (!file || fwrite(bytes.ptr, 1, bytes.len, file) != bytes.len || fclose(file) != 0) {
                perror(path);
                exit(1);
        }
}

static bool append_work(struct tx *tx, void *arg, struct err *err)
{
        for (uint64_t left = *(uint64_t *)arg; left > 0; left--) {
                const struct log_event event = {.activity = LOG_CREATE,
                                                .operation = STR("action.submit"),
                                                .actor = LOG_AGENT,
                                                .actor_id = STR("agt_test"),
                                                .request_id = STR("req_test")};
                if (!log_append(tx, &event, NULL, err))
                        return false;
        }
        return true;
}

static void append(struct files *files, uint64_t count)
{
        while (count > 0) {
                uint64_t some = count < 1000 ? count : 1000;
                if (!store_write(files->store, &cell, NULL, append_work, &some, &files->err))
                        die(files, "append");
                count -= some;
        }
}

static void write_checkpoint(struct files *files, const char *name)
{
        struct str note;
        if (!log_checkpoint(&files->signer, files->store, &cell, &files->arena, &note, &files->err))
                die(files, "checkpoint");
        write_file(files, name, note);
}

static bool write_tile(struct tx *tx, struct files *files, const struct tlog_tile *tile, struct err *err)
{
        BUF_SCOPED bytes;
        char path[TLOG_PATH_SIZE];
        buf_init(&bytes, 64 << 20);
        if (!log_tile(tx, 0, tile, &bytes, err))
                return false;
        tlog_tile_path(tile, path);
        write_file(files, path, buf_str(&bytes));
        return true;
}

/* One transaction for each tile: a transaction's arena is for a request. */
struct tile_job {
        struct files *files;
        struct tlog_tile tile;
};

static bool tile_work(struct tx *tx, void *arg, struct err *err)
{
        struct tile_job *job = arg;
        return write_tile(tx, job->files, &job->tile, err);
}

static void write_tiles(struct files *files, bool entries, unsigned level)
{
        for (uint64_t index = 0;; index++) {
                unsigned width = tlog_tile_width(level, index, files->entries);
                struct tile_job job = {files, {entries, level, index, width}};
                if (width == 0)
                        return;
                if (!store_read(files->store, &cell, NULL, tile_work, &job, &files->err))
                        die(files, "tile");
        }
}

static bool receipt_work(struct tx *tx, void *arg, struct err *err)
{
        struct files *files = arg;
        BUF_SCOPED receipt;
        struct str leaf;
        struct log_head head;
        uint64_t seq = files->entries / 3;
        buf_init(&receipt, 1 << 20);
        if (!log_head(tx, 0, &head, err) || !log_receipt(tx, 0, seq, &receipt, err) ||
            !log_entry(tx, 0, seq, &leaf, err))
                return false;
        write_file(files, "vkey", head.vkey);
        write_file(files, "receipt", buf_str(&receipt));
        write_file(files, "entry", leaf);
        return true;
}

struct export_job {
        struct log_export export;
        struct buf buf;
        bool begun;
};

static bool export_work(struct tx *tx, void *arg, struct err *err)
{
        struct export_job *job = arg;
        if (job->begun)
                return log_export_next(tx, &job->export, &job->buf, err);
        job->begun = true;
        return log_export_begin(tx, 0, &job->export, &job->buf, err);
}

static void write_export(struct files *files)
{
        struct export_job job = {0};
        buf_init(&job.buf, 1 << 30);
        do {
                if (!store_read(files->store, &cell, NULL, export_work, &job, &files->err))
                        die(files, "export");
        } while (job.export.next < job.export.size);
        write_file(files, "export.ndjson", buf_str(&job.buf));
        buf_done(&job.buf);
}

int main(int argc, char **argv)
{
        struct files files = {0};
        struct envelope *envelope = NULL;
        if (argc != 3) {
                fprintf(stderr, "usage: log_files OUTPUT-FOLDER ENTRIES\n");
                return 2;
        }
        files.folder = argv[1];
        files.entries = strtoull(argv[2], NULL, 10);
        arena_init(&files.arena, 1 << 20);
        struct fixture *fixture = fixture_new(NULL);
        fixture_cell(fixture, &cell);
        files.store = fixture->store;
        if (!envelope_open_ephemeral(&envelope, &files.err))
                die(&files, "key");
        files.signer = (struct log_signer){envelope, "example.com/countersign"};
        append(&files, files.entries / 2);
        write_checkpoint(&files, "checkpoint.old");
        append(&files, files.entries - files.entries / 2);
        write_checkpoint(&files, "checkpoint");
        write_tiles(&files, true, 0);
        for (unsigned level = 0; level < 4; level++)
                write_tiles(&files, false, level);
        if (!store_read(files.store, &cell, NULL, receipt_work, &files, &files.err))
                die(&files, "receipt");
        write_export(&files);
        fixture_free(fixture);
        envelope_free(envelope);
        arena_done(&files.arena);
        return 0;
}
