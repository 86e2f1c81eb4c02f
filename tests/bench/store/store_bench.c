/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store can do, and what plain SQLite does in the same run.
 *
 *   store_bench [--seconds N] [--tenants N] [--in-flight N]
 *
 * One JSON object for each line. "writes" are durable inserts of one row with
 * an index, submitted and answered through one other thread, as a loop would;
 * the peer does the same inserts in one thread without any hand-off, in
 * transactions as large as the store's were on average.
 *
 *   tests/scenarios/postgres.py run-durable store_bench …
 *
 * measures PostgreSQL instead, with its policies and without them.
 */
#include "store/test/fixture.h"

#include "base/clock.h"
#include "base/id.h"

#include <getopt.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

static const struct cell_ref cell = {STR("ten_bench"), STR("eu")};

static int64_t run_us = 3000000;
static int tenants = 10000;
static int in_flight = 64;

static void check(bool ok, const struct err *err)
{
        if (ok)
                return;
        fprintf(stderr, "%s: %s\n", err_name(err->code), err->message);
        exit(1);
}

/* A loop's place: jobs come back here from the store's threads, many at one wake-up. */
struct inbox {
        pthread_mutex_t lock;
        pthread_cond_t wake;
        struct slot *head;
};

struct slot {
        struct store_job job;
        struct inbox *inbox;
        struct slot *next;
        int64_t id;
        int64_t submitted_us;
        struct arena arena;
};

static void slot_done(struct store_job *job)
{
        struct slot *slot = job->data;
        struct inbox *inbox = slot->inbox;
        bool first;

        pthread_mutex_lock(&inbox->lock);
        first = !inbox->head;
        slot->next = inbox->head;
        inbox->head = slot;
        pthread_mutex_unlock(&inbox->lock);
        if (first)
                pthread_cond_signal(&inbox->wake);
}

static struct slot *inbox_take(struct inbox *inbox)
{
        struct slot *list;

        pthread_mutex_lock(&inbox->lock);
        while (!inbox->head)
                pthread_cond_wait(&inbox->wake, &inbox->lock);
        list = inbox->head;
        inbox->head = NULL;
        pthread_mutex_unlock(&inbox->lock);
        return list;
}

static bool write_one(struct tx *tx, void *arg, struct err *err)
{
        const struct slot *slot = arg;
        const struct sql_note_add_in in = {
                .id = slot->id,
                .title = STR("a title of ordinary length"),
                .body = STR("{\"connector\":\"docker\",\"operation\":\"container.remove\","
                            "\"target\":\"web\",\"parameters\":{\"force\":true}}"),
                .amount = &slot->id};

        return sql_note_add(tx, &in, err);
}

static bool read_one(struct tx *tx, void *arg, struct err *err)
{
        const struct slot *slot = arg;
        struct sql_note_get_row row;
        bool found;

        return sql_note_get(tx, slot->id, &row, &found, err) &&
               (found || err_set(err, ERR_NOT_FOUND, "%lld", (long long)slot->id));
}

static int compare_i64(const void *a, const void *b)
{
        int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

        return (x > y) - (x < y);
}

enum { SAMPLES = 1 << 16 };
static int64_t samples[SAMPLES];

static size_t sample_count;

static int64_t percentile(double part)
{
        return sample_count ? samples[(size_t)((double)(sample_count - 1) * part)] : 0;
}

static int64_t next_id = 1;

static void slot_submit(struct store *store, struct slot *slot, bool is_write)
{
        slot->submitted_us = clock_mono_us();
        if (is_write) {
                slot->id = next_id++;
                store_submit_write(store, &cell, &slot->job);
        } else {
                uint32_t random = (uint32_t)slot->submitted_us * 2654435761u ^ (uint32_t)slot->id * 40503u;
                slot->id = 1 + random % (next_id - 1);
                store_submit_read(store, &cell, &slot->job);
        }
}

/* Keeps in_flight jobs going for run_us. Jobs in a second. */
static double pump(struct store *store, bool is_write)
{
        struct inbox inbox = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
        struct slot *slots = calloc((size_t)in_flight, sizeof(*slots));
        int64_t start_us = clock_mono_us(), now_us = start_us;
        size_t done = 0;
        int going = in_flight;

        for (int i = 0; i < in_flight; i++) {
                struct slot *slot = &slots[i];
                arena_init(&slot->arena, 1 << 20);
                slot->inbox = &inbox;
                slot->job = (struct store_job){.work = is_write ? write_one : read_one,
                                               .arg = slot,
                                               .done = slot_done,
                                               .data = slot,
                                               .arena = &slot->arena};
                slot_submit(store, slot, is_write);
        }
        while (going > 0) {
                struct slot *next, *slot = inbox_take(&inbox);
                now_us = clock_mono_us();
                for (; slot; slot = next) {
                        next = slot->next;
                        check(slot->job.ok, &slot->job.err);
                        samples[done++ % SAMPLES] = now_us - slot->submitted_us;
                        arena_reset(&slot->arena);
                        if (now_us - start_us < run_us)
                                slot_submit(store, slot, is_write);
                        else
                                going--;
                }
        }
        for (int i = 0; i < in_flight; i++)
                arena_done(&slots[i].arena);
        free(slots);
        sample_count = done < SAMPLES ? done : SAMPLES;
        qsort(samples, sample_count, sizeof(samples[0]), compare_i64);
        return (double)done * 1e6 / (double)(now_us - start_us);
}

static void sql(sqlite3 *db, const char *text)
{
        if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK) {
                fprintf(stderr, "%s\n", sqlite3_errmsg(db));
                exit(1);
        }
}

static sqlite3_stmt *peer_prepare(sqlite3 *db, const char *text)
{
        sqlite3_stmt *statement;

        if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) != SQLITE_OK) {
                fprintf(stderr, "%s\n", sqlite3_errmsg(db));
                exit(1);
        }
        return statement;
}

/* The same inserts, or reads, on the same schema by SQLite alone, in one thread. */
static double peer(const char *folder, bool is_write, int batch)
{
        char path[300];
        sqlite3 *db;
        int64_t start_us, done = 0;

        snprintf(path, sizeof(path), "%s/cells/eu/ten_bench.db", folder);
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        sql(db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = 1");
        sqlite3_stmt *statement =
                is_write ? peer_prepare(db,
                                        "INSERT INTO note (tenant_id, id, title, body, amount, done) VALUES "
                                        "('ten_bench', ?1, 'a title of ordinary length', ?2, ?1, 0)")
                         : peer_prepare(db, "SELECT id, title, body, amount, done, shelf_id FROM note WHERE "
                                            "tenant_id = 'ten_bench' AND id = ?1");
        start_us = clock_mono_us();
        while (clock_mono_us() - start_us < run_us) {
                sql(db, "BEGIN");
                for (int i = 0; i < batch; i++) {
                        int64_t id = is_write ? next_id++ : 1 + rand() % (next_id - 1);
                        sqlite3_bind_int64(statement, 1, id);
                        if (is_write)
                                sqlite3_bind_blob(statement, 2, samples, 82, SQLITE_STATIC);
                        sqlite3_step(statement);
                        sqlite3_reset(statement);
                }
                sql(db, "COMMIT");
                done += batch;
        }
        double rate = (double)done * 1e6 / (double)(clock_mono_us() - start_us);
        sqlite3_finalize(statement);
        sqlite3_close(db);
        return rate;
}

static void bench_rates(struct fixture *fixture)
{
        struct store_stats before, after;
        double writes, reads, batch, read_batch;
        int64_t write_p50, write_p99, read_p50, read_p99;

        fixture_cell(fixture, &cell);
        store_stats(fixture->store, &before);
        writes = pump(fixture->store, true);
        write_p50 = percentile(0.5);
        write_p99 = percentile(0.99);
        reads = pump(fixture->store, false);
        read_p50 = percentile(0.5);
        read_p99 = percentile(0.99);
        store_stats(fixture->store, &after);
        batch = (double)after.writes / (double)after.commits;
        read_batch = (double)after.reads / (double)after.read_batches;
        store_close(fixture->store);
        fixture->store = NULL;
        double peer_writes = peer(fixture->folder, true, (int)(batch + 0.5));
        double peer_reads = peer(fixture->folder, false, (int)(read_batch + 0.5));
        printf("{\"bench\":\"writes\",\"in_flight\":%d,\"per_second\":%.0f,\"p50_us\":%lld,\"p99_us\":%lld,"
               "\"batch\":%.1f,\"commit_us\":%.0f,\"checkpoints\":%llu,\"peer_per_second\":%.0f,\"ratio\":%."
               "2f}\n",
               in_flight, writes, (long long)write_p50, (long long)write_p99, batch,
               (double)after.commit_us / (double)after.commits, (unsigned long long)after.checkpoints,
               peer_writes, writes / peer_writes);
        printf("{\"bench\":\"reads\",\"in_flight\":%d,\"per_second\":%.0f,\"p50_us\":%lld,\"p99_us\":%lld,"
               "\"batch\":%.1f,\"peer_per_second\":%.0f,\"ratio\":%.2f}\n",
               in_flight, reads, (long long)read_p50, (long long)read_p99, read_batch, peer_reads,
               reads / peer_reads);
}

enum { ROUNDS = 15 };

static int compare_double(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static double middle(double *values)
{
        qsort(values, ROUNDS, sizeof(values[0]), compare_double);
        return values[ROUNDS / 2];
}

/*
 * The same statements with row-level security and without it, in many short turns, since the machine's
 * own speed drifts; and now the one first, now the other, since the second finds a larger table.
 */
static void bench_policies(struct fixture *fixture)
{
        double rates[2][2][ROUNDS], ratios[2][ROUNDS]; /* by is_write, by policies */
        struct store_stats before, after;

        fixture_cell(fixture, &cell);
        pump(fixture->store, true); /* rows to read */
        run_us /= 3;
        store_stats(fixture->store, &before);
        for (int round = 0; round < ROUNDS; round++) {
                for (int turn = 0; turn < 2; turn++) {
                        int on = (turn + round) % 2;
                        fixture_policies(fixture, on);
                        rates[1][on][round] = pump(fixture->store, true);
                        rates[0][on][round] = pump(fixture->store, false);
                }
                for (int is_write = 0; is_write < 2; is_write++)
                        ratios[is_write][round] = rates[is_write][1][round] / rates[is_write][0][round];
        }
        store_stats(fixture->store, &after);
        for (int is_write = 1; is_write >= 0; is_write--)
                printf("{\"bench\":\"postgres "
                       "%s\",\"in_flight\":%d,\"per_second\":%.0f,\"without_policies\":%.0f,"
                       "\"ratio\":%.2f,\"batch\":%.1f}\n",
                       is_write ? "writes" : "reads", in_flight, middle(rates[is_write][1]),
                       middle(rates[is_write][0]), middle(ratios[is_write]),
                       is_write ? (double)(after.writes - before.writes) /
                                          (double)(after.commits - before.commits)
                                : (double)(after.reads - before.reads) /
                                          (double)(after.read_batches - before.read_batches));
}

static double rss_mib(void)
{
        char text[128] = "";
        FILE *file = fopen("/proc/self/statm", "r");
        struct str rest, total, pages;
        int64_t resident;

        if (!file || !fgets(text, sizeof(text), file))
                exit(1);
        fclose(file);
        rest = str_from(text);
        str_cut(&rest, ' ', &total);
        str_cut(&rest, ' ', &pages);
        if (!str_to_i64(pages, &resident))
                exit(1);
        return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

static struct cell_ref tenant(int i, char text[32])
{
        snprintf(text, 32, "ten_%06d", i);
        return (struct cell_ref){str_from(text), STR("eu")};
}

static int64_t median(int64_t *values, size_t n)
{
        qsort(values, n, sizeof(*values), compare_i64);
        return values[n / 2];
}

static void bench_tenants(struct fixture *fixture)
{
        int64_t *create_us = calloc((size_t)tenants, sizeof(*create_us));
        int64_t start_us, open_us, touch_us, read_us, n;
        int sample = tenants / 10;
        char text[32];
        struct err err;
        double rss_start, rss_touched;

        if (!create_us || sample == 0)
                exit(1);
        for (int i = 0; i < tenants; i++) {
                const struct cell_ref ref = tenant(i, text);
                int64_t before_us = clock_mono_us();
                check(store_cell_create(fixture->store, &ref, &err), &err);
                create_us[i] = clock_mono_us() - before_us;
        }
        int64_t first = median(create_us, (size_t)sample);
        int64_t last = median(create_us + tenants - sample, (size_t)sample);
        store_close(fixture->store);
        rss_start = rss_mib();
        start_us = clock_mono_us();
        fixture_open(fixture);
        open_us = clock_mono_us() - start_us;
        rss_start = rss_mib() - rss_start;
        start_us = clock_mono_us();
        for (int i = 0; i < tenants; i++) {
                const struct cell_ref ref = tenant(i, text);
                struct slot slot = {.id = 1};
                check(store_write(fixture->store, &ref, NULL, write_one, &slot, &err), &err);
        }
        touch_us = clock_mono_us() - start_us;
        start_us = clock_mono_us();
        for (int i = 0; i < tenants; i++) {
                const struct cell_ref ref = tenant(i, text);
                struct slot slot = {.id = 1};
                check(store_read(fixture->store, &ref, NULL, read_one, &slot, &err), &err);
        }
        read_us = clock_mono_us() - start_us;
        rss_touched = rss_mib();
        n = tenants;
        printf("{\"bench\":\"tenants\",\"tenants\":%d,\"create_first_tenth_us\":%lld,"
               "\"create_last_tenth_us\":%lld,\"ratio\":%.2f,\"open_ms\":%.1f,\"open_rss_mib\":%.1f,"
               "\"first_write_us\":%lld,\"first_read_us\":%lld,\"rss_after_all_touched_mib\":%.1f}\n",
               tenants, (long long)first, (long long)last, (double)last / (double)first,
               (double)open_us / 1000, rss_start, (long long)(touch_us / n), (long long)(read_us / n),
               rss_touched);
        free(create_us);
}

int main(int argc, char **argv)
{
        static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
                                                {"tenants", required_argument, NULL, 't'},
                                                {"in-flight", required_argument, NULL, 'f'},
                                                {NULL, 0, NULL, 0}};
        struct fixture *fixture;
        int64_t number;
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
                if (option == '?' || !str_to_i64(str_from(optarg), &number) || number < 0 ||
                    number > 1000000) {
                        fprintf(stderr, "usage: store_bench [--seconds N] [--tenants N] [--in-flight N]\n");
                        return 2;
                }
                if (option == 's')
                        run_us = number * 1000000;
                else if (option == 't')
                        tenants = (int)number;
                else
                        in_flight = (int)number;
        }
        if (run_us > 0) {
                fixture = fixture_new(NULL);
                if (fixture_on_postgres())
                        bench_policies(fixture);
                else
                        bench_rates(fixture);
                fixture_free(fixture);
        }
        if (tenants > 0 && !fixture_on_postgres()) {
                fixture = fixture_new(NULL);
                bench_tenants(fixture);
                fixture_free(fixture);
        }
        return 0;
}
