/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random transactions of many tenants over one pool, while connections are
 * killed and statements cancelled all the time. Reads name no tenant at all,
 * so that only PostgreSQL's policies stand between them.
 *
 * COUNTERSIGN_TORTURE=1 makes a million of them, COUNTERSIGN_STORM=N makes N.
 */
#include "store/test/fixture.h"

#include "base/heap.h"

#include <errno.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { TENANTS = 1000, SUBMITTERS = 8, QUICK = 20000, LONG = 1000000, STRIKE_EVERY = 16 };

enum fate { UNKNOWN, DONE, REFUSED, UNCERTAIN };

struct storm {
        struct store *store;
        int64_t total;
        _Atomic int64_t next, leaks, reads, failed_reads;
        _Atomic bool over;
        _Atomic int64_t blows;
        sem_t strikes;        /* one blow may fall for each */
        unsigned char *fates; /* of each write, by its id; written by the thread that made it */
        unsigned short *owners;
};

/* How many transactions this run makes. */
static int64_t storm_total(void)
{
        const char *wanted = getenv("COUNTERSIGN_STORM");
        int64_t total;

        if (wanted && str_to_i64(str_from(wanted), &total) && total > 0)
                return total;
        return getenv("COUNTERSIGN_TORTURE") ? LONG : QUICK;
}

static void tenant_name(int number, char text[16])
{
        snprintf(text, 16, "ten_%04d", number);
}

/* No predicate: what comes is what the policies let through. */
static struct sql_statement every_owner = {
        .name = "every_owner",
        .text = "",
        .postgres_text = "SELECT DISTINCT tenant_id FROM note",
        .types = "",
        .scope = SQL_ANY,
};

static struct sql_statement touch_all = {
        .name = "touch_all",
        .text = "",
        .postgres_text =
                "UPDATE note SET title = (SELECT nullif(current_setting('countersign.tenant', true), ''))",
        .types = "",
        .scope = SQL_ANY,
        .writes = true,
};

struct visit {
        struct storm *storm;
        int64_t id;
        bool touches;
};

static bool look(struct tx *tx, struct storm *storm, struct err *err)
{
        struct sql_run run __attribute__((cleanup(sql_run_close))) = {0};
        struct str owner;
        bool row;

        if (!sql_run_open(tx, &every_owner, &run, err))
                return false;
        while (sql_step(&run, &row, err)) {
                if (!row)
                        return true;
                if (!sql_column_text(&run, 0, false, &owner, err))
                        return false;
                if (!str_eq(owner, tx_tenant(tx)))
                        storm->leaks++;
        }
        return false;
}

static bool read_work(struct tx *tx, void *arg, struct err *err)
{
        struct visit *visit = arg;

        return look(tx, visit->storm, err);
}

static bool write_work(struct tx *tx, void *arg, struct err *err)
{
        struct visit *visit = arg;
        const struct sql_note_add_in in = {.id = visit->id, .title = tx_tenant(tx)};
        struct sql_run run __attribute__((cleanup(sql_run_close))) = {0};
        int64_t changes;

        if (!sql_note_add(tx, &in, err))
                return false;
        if (visit->touches &&
            (!sql_run_open(tx, &touch_all, &run, err) || !sql_execute(&run, &changes, err)))
                return false;
        return look(tx, visit->storm, err);
}

static void *submit_many(void *arg)
{
        struct storm *storm = arg;
        unsigned seed = (unsigned)(uintptr_t)pthread_self();
        char name[16];
        struct err err;

        for (;;) {
                int64_t id = atomic_fetch_add(&storm->next, 1);
                if (id >= storm->total)
                        return NULL;
                if (id % STRIKE_EVERY == 0)
                        sem_post(&storm->strikes);
                int tenant = rand_r(&seed) % TENANTS;
                struct visit visit = {storm, id, rand_r(&seed) % 16 == 0};
                tenant_name(tenant, name);
                const struct cell_ref cell = {str_from(name), STR("eu")};
                storm->owners[id] = (unsigned short)tenant;
                if (rand_r(&seed) % 3 == 0) {
                        storm->reads++;
                        storm->failed_reads +=
                                !store_read(storm->store, &cell, NULL, read_work, &visit, &err);
                        storm->fates[id] = REFUSED;
                } else if (store_write(storm->store, &cell, NULL, write_work, &visit, &err)) {
                        storm->fates[id] = DONE;
                } else {
                        storm->fates[id] = err.code == ERR_WRITE_UNCERTAIN ? UNCERTAIN : REFUSED;
                }
        }
}

static void wait_for_strike(struct storm *storm)
{
        while (sem_wait(&storm->strikes) != 0)
                assert_int_equal(errno, EINTR);
}

/* Ends or cancels whatever a random connection of the store does just now. */
static void *strike(void *arg)
{
        struct storm *storm = arg;
        char url[256];

        snprintf(url, sizeof(url), "%s user=postgres dbname=postgres", getenv("COUNTERSIGN_TEST_POSTGRES"));
        PGconn *pq = PQconnectdb(url);
        while (!atomic_load(&storm->over)) {
                bool ends = storm->blows % 4 == 0;
                PGresult *result = PQexec(
                        pq, ends ? "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = "
                                   "'countersign_server' ORDER BY random() LIMIT 1"
                                 : "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = "
                                   "'countersign_server' AND state <> 'idle' ORDER BY random() LIMIT 1");
                storm->blows += PQntuples(result);
                PQclear(result);
                wait_for_strike(storm);
        }
        PQfinish(pq);
        return NULL;
}

struct census {
        struct storm *storm;
        int tenant;
        bool *there; /* by id */
};

static bool census_work(struct tx *tx, void *arg, struct err *err)
{
        struct census *census = arg;
        SQL_SCOPED(note_list) cursor = {0};
        struct sql_note_get_row row;
        bool has = false;

        if (!sql_note_list_open(tx, -1, census->storm->total, &cursor, err))
                return false;
        while (sql_note_list_next(&cursor, &row, &has, err)) {
                if (!has)
                        return true;
                assert_int_equal(census->storm->owners[row.id], census->tenant);
                assert_true(str_eq(row.title, tx_tenant(tx)));
                assert_false(census->there[row.id]);
                census->there[row.id] = true;
        }
        return false;
}

static void count_what_is_there(struct storm *storm)
{
        bool *there = calloc((size_t)storm->total, 1);
        int64_t done = 0, refused = 0, uncertain = 0;
        char name[16];
        struct err err;

        for (int i = 0; i < TENANTS; i++) {
                struct census census = {storm, i, there};
                tenant_name(i, name);
                const struct cell_ref cell = {str_from(name), STR("eu")};
                ARENA_SCOPED rows;
                arena_init(&rows, 64 << 20);
                if (!store_read(storm->store, &cell, &rows, census_work, &census, &err))
                        fail_msg("%s: %s", err_name(err.code), err.message);
        }
        for (int64_t id = 0; id < storm->total; id++) {
                if (storm->fates[id] == DONE)
                        assert_true(there[id]); /* acknowledged means durable */
                if (storm->fates[id] == REFUSED)
                        assert_false(there[id]); /* refused means not there */
                done += storm->fates[id] == DONE;
                refused += storm->fates[id] == REFUSED;
                uncertain += storm->fates[id] == UNCERTAIN;
        }
        print_message(
                "%lld transactions, %lld reads, %lld writes done, %lld failed reads, %lld refused or read, "
                "%lld uncertain, %lld blows, %lld leaks\n",
                (long long)storm->total, (long long)storm->reads, (long long)done,
                (long long)storm->failed_reads, (long long)refused, (long long)uncertain,
                (long long)storm->blows, (long long)storm->leaks);
        free(there);
}

static void tenants_never_meet_while_connections_die(void **state)
{
        struct fixture *fixture = fixture_new(NULL);
        struct storm storm = {.store = fixture->store, .total = storm_total()};
        pthread_t submitters[SUBMITTERS], striker;
        char name[16];

        (void)state;
        storm.fates = calloc((size_t)storm.total, 1);
        storm.owners = calloc((size_t)storm.total, sizeof(*storm.owners));
        for (int i = 0; i < TENANTS; i++) {
                tenant_name(i, name);
                const struct cell_ref cell = {str_from(name), STR("eu")};
                fixture_cell(fixture, &cell);
        }
        sem_init(&storm.strikes, 0, 0);
        pthread_create(&striker, NULL, strike, &storm);
        for (int i = 0; i < SUBMITTERS; i++)
                pthread_create(&submitters[i], NULL, submit_many, &storm);
        for (int i = 0; i < SUBMITTERS; i++)
                pthread_join(submitters[i], NULL);
        atomic_store(&storm.over, true);
        sem_post(&storm.strikes);
        pthread_join(striker, NULL);
        count_what_is_there(&storm);
        assert_int_equal(storm.leaks, 0);
        assert_true(storm.blows > 20);
        sem_destroy(&storm.strikes);
        free(storm.fates);
        free(storm.owners);
        fixture_free(fixture);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(tenants_never_meet_while_connections_die),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
