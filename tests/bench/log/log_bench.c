/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many entries a second the log takes, durably, and what plain SQLite does
 * with the same bytes in the same run.
 *
 *   log_bench [--seconds N] [--in-flight N]
 *
 * One JSON object for each line. "appends" are store jobs of one log_append
 * each (an event with two resources and three details), submitted by one thread and answered after
 * the commit. The peer inserts leaf and hash, made beforehand, into the same
 * table, in one thread without any hand-off, in transactions as large as the store's were on average.
 */
#include "store/test/fixture.h"

#include "base/clock.h"
#include "log/log.h"

#include <getopt.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

static const struct cell_ref cell = {STR("ten_01jd0000000000000000000000"), STR("eu")};

static int64_t run_us = 3000000;
static int in_flight = 512;

static void check(bool ok, const struct err *err)
{
        if (ok)
                return;
        fprintf(stderr, "%s: %s\n", err_name(err->code), err->message);
        exit(1);
}

static const struct log_resource resources[] = {
        {"action", STR("act_01jd0000000000000000000000")},
        {"executor", STR("exe_01jd0000000000000000000000")},
};
static const struct log_detail details[] = {
        {"digest", STR("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")},
        {"environment", STR("prd")},
        {"connector", STR("docker")},
};

static struct log_event make_event(void)
{
        return (struct log_event){
                .activity = LOG_UPDATE,
                .operation = STR("action.decide"),
                .actor = LOG_USER,
                .actor_id = STR("usr_01jd0000000000000000000000"),
                .credential_id = STR("key_01jd0000000000000000000000"),
                .workspace = STR("wrk_01jd0000000000000000000000"),
                .request_id = STR("req_01jd0000000000000000000000"),
                .resources = resources,
                .resource_count = 2,
                .details = details,
                .detail_count = 3,
        };
}

static bool append_work(struct tx *tx, void *arg, struct err *err)
{
        (void)arg;
        struct log_event event = make_event();
        return log_append(tx, &event, NULL, err);
}

struct queue {
        pthread_mutex_t lock;
        pthread_cond_t wake;
        struct slot *head;
};

struct slot {
        struct store_job job;
        struct queue *queue;
        struct slot *next;
};

static void slot_done(struct store_job *job)
{
        struct slot *slot = job->data;
        struct queue *queue = slot->queue;
        pthread_mutex_lock(&queue->lock);
        slot->next = queue->head;
        queue->head = slot;
        if (!slot->next)
                pthread_cond_signal(&queue->wake);
        pthread_mutex_unlock(&queue->lock);
}

static struct slot *queue_take(struct queue *queue)
{
        pthread_mutex_lock(&queue->lock);
        while (!queue->head)
                pthread_cond_wait(&queue->wake, &queue->lock);
        struct slot *list = queue->head;
        queue->head = NULL;
        pthread_mutex_unlock(&queue->lock);
        return list;
}

static void submit(struct store *store, struct slot *slot)
{
        slot->job = (struct store_job){.work = append_work, .done = slot_done, .data = slot};
        store_submit_write(store, &cell, &slot->job);
}

/* Returns appends a second; *ret_batch is how many went into one commit. */
static double bench_appends(struct fixture *fixture, double *ret_batch)
{
        struct queue queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
        struct slot *slots = calloc((size_t)in_flight, sizeof(*slots));
        struct store_stats before, after;
        if (!slots)
                exit(1);
        store_stats(fixture->store, &before);
        int64_t start_us = clock_mono_us(), done = 0;
        int waiting = in_flight;
        for (int i = 0; i < in_flight; i++) {
                slots[i].queue = &queue;
                submit(fixture->store, &slots[i]);
        }
        while (waiting > 0) {
                bool more = clock_mono_us() - start_us < run_us;
                for (struct slot *slot = queue_take(&queue), *next; slot; slot = next) {
                        next = slot->next;
                        check(slot->job.ok, &slot->job.err);
                        done++;
                        if (more)
                                submit(fixture->store, slot);
                        else
                                waiting--;
                }
        }
        double seconds = (double)(clock_mono_us() - start_us) / 1e6;
        store_stats(fixture->store, &after);
        uint64_t commits = after.commits - before.commits;
        *ret_batch = commits > 0 ? (double)done / (double)commits : 0;
        free(slots);
        return (double)done / seconds;
}

static void sql(sqlite3 *db, const char *text)
{
        char *message = NULL;
        if (sqlite3_exec(db, text, NULL, NULL, &message) == SQLITE_OK)
                return;
        fprintf(stderr, "peer: %s: %s\n", text, message);
        exit(1);
}

static double bench_peer(const char *folder, int batch)
{
        char path[512];
        sqlite3 *db;
        sqlite3_stmt *insert;
        struct err err;
        struct sha256 hash;
        struct log_event event = make_event();
        BUF_SCOPED leaf;
        buf_init(&leaf, 1 << 17);
        check(log_event_format(&leaf, cell.tenant, cell.region, STR("evt_01jd0000000000000000000000"),
                               &event, &err),
              &err);
        merkle_leaf(buf_str(&leaf), &hash);
        snprintf(path, sizeof(path), "%s/peer.db", folder);
        if (sqlite3_open(path, &db) != SQLITE_OK)
                exit(1);
        sql(db, "PRAGMA journal_mode = WAL");
        sql(db, "PRAGMA synchronous = FULL");
        sql(db,
            "CREATE TABLE log_entry (tenant_id TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, "
            "hash BLOB NOT NULL, leaf BLOB NOT NULL, PRIMARY KEY (tenant_id, epoch, seq)) STRICT");
        if (sqlite3_prepare_v2(db, "INSERT INTO log_entry VALUES (?1, 1, ?2, ?3, ?4)", -1, &insert, NULL) !=
            SQLITE_OK)
                exit(1);
        int64_t start_us = clock_mono_us(), done = 0;
        while (clock_mono_us() - start_us < run_us) {
                sql(db, "BEGIN IMMEDIATE");
                for (int i = 0; i < batch; i++) {
                        sqlite3_bind_text(insert, 1, cell.tenant.ptr, (int)cell.tenant.len, SQLITE_STATIC);
                        sqlite3_bind_int64(insert, 2, done++);
                        sqlite3_bind_blob(insert, 3, hash.bytes, SHA256_SIZE, SQLITE_STATIC);
                        sqlite3_bind_blob(insert, 4, leaf.ptr, (int)leaf.len, SQLITE_STATIC);
                        if (sqlite3_step(insert) != SQLITE_DONE)
                                exit(1);
                        sqlite3_reset(insert);
                }
                sql(db, "COMMIT");
        }
        double seconds = (double)(clock_mono_us() - start_us) / 1e6;
        sqlite3_finalize(insert);
        sqlite3_close(db);
        return (double)done / seconds;
}

static void bench_checkpoint(struct fixture *fixture)
{
        struct envelope *envelope = NULL;
        struct err err;
        struct str note;
        struct arena arena;
        enum { ROUNDS = 20 };
        int64_t spent_us = 0;
        arena_init(&arena, 1 << 20);
        check(envelope_open_ephemeral(&envelope, &err), &err);
        struct log_signer signer = {envelope, "bench.example"};
        for (int i = 0; i <= ROUNDS; i++) {
                check(store_write(fixture->store, &cell, NULL, append_work, NULL, &err), &err);
                int64_t start_us = clock_mono_us();
                check(log_checkpoint(&signer, fixture->store, &cell, &arena, &note, &err), &err);
                spent_us += i > 0 ? clock_mono_us() - start_us : 0; /* the first one makes the key */
        }
        printf("{\"bench\":\"log checkpoint\",\"us\":%.0f}\n", (double)spent_us / ROUNDS);
        envelope_free(envelope);
        arena_done(&arena);
}

int main(int argc, char **argv)
{
        static const struct option options[] = {
                {"seconds", required_argument, NULL, 's'}, {"in-flight", required_argument, NULL, 'i'}, {0}};
        for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
                if (option == 's')
                        run_us = (int64_t)(strtod(optarg, NULL) * 1e6);
                else if (option == 'i')
                        in_flight = (int)strtol(optarg, NULL, 10);
                else
                        return 2;
        }
        if (run_us <= 0 || in_flight <= 0)
                return 2;
        struct fixture *fixture = fixture_new(NULL);
        double batch;
        fixture_cell(fixture, &cell);
        double appends = bench_appends(fixture, &batch);
        double peer = bench_peer(fixture->folder, batch > 1 ? (int)batch : 1);
        printf("{\"bench\":\"log appends\",\"in_flight\":%d,\"per_second\":%.0f,\"batch\":%.0f,"
               "\"peer\":\"sqlite\",\"peer_per_second\":%.0f,\"ratio\":%.2f}\n",
               in_flight, appends, batch, peer, appends / peer);
        bench_checkpoint(fixture);
        fixture_free(fixture);
        return 0;
}
