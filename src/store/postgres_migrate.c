/* SPDX-License-Identifier: Apache-2.0 */
#include "store/migrations.h"
#include "store/postgres.h"
#include "store/postgres_migrate.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Plain text, several statements; in the transaction that is open. */
static bool execute(PGconn *pq, const char *sql, struct err *err)
{
        PGresult *result = PQexec(pq, sql);
        ExecStatusType status = PQresultStatus(result);
        bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

        if (!ok) {
                const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
                pg_fail(sqlstate ? sqlstate : "08006", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
                        "migrating", err);
        }
        PQclear(result);
        return ok;
}

/* Executes the statements that a query makes: names cannot be parameters. */
static bool execute_made(PGconn *pq, const char *maker, int count, const char *const *values,
                         struct err *err)
{
        PGresult *result = pg_query(pq, maker, count, values, err);
        bool ok = result != NULL;

        for (int i = 0; ok && i < PQntuples(result); i++)
                ok = execute(pq, PQgetvalue(result, i, 0), err);
        PQclear(result);
        return ok;
}

static bool enter_schema(PGconn *pq, const char *schema, struct err *err)
{
        char *name = PQescapeIdentifier(pq, schema, strlen(schema));
        char text[512];

        if (!name)
                return err_set(err, ERR_NO_MEMORY, "no memory for a name");
        (void)snprintf(text, sizeof(text), "CREATE SCHEMA IF NOT EXISTS %s; SET LOCAL search_path = %s",
                       name, name);
        PQfreemem(name);
        return execute(pq, text, err);
}

static bool count_applied(PGconn *pq, const char *schema, const struct migration_set *set, int *ret_count,
                          struct err *err)
{
        const char *values[] = {schema};
        PGresult *result = pg_query(pq, pg_text_has_books, 1, values, err);
        bool ok = result != NULL, there = result && PQgetvalue(result, 0, 0)[0] == 't';

        PQclear(result);
        *ret_count = 0;
        if (!ok || !there)
                return ok;
        result = pg_query(pq, pg_text_migrations, 0, NULL, err);
        ok = result != NULL;
        *ret_count = PQntuples(result);
        for (int i = 0; ok && i < *ret_count; i++)
                ok = migration_check(set, i, strtoll(PQgetvalue(result, i, 0), NULL, 10),
                                     str_from(PQgetvalue(result, i, 1)), str_from(PQgetvalue(result, i, 2)),
                                     true, err);
        PQclear(result);
        return ok;
}

static bool apply(PGconn *pq, const struct migration *migration, struct err *err)
{
        char number[16], now[24];
        const char *values[] = {number, migration->title, migration->postgres_sha256, now};
        PGresult *result;

        (void)snprintf(number, sizeof(number), "%d", migration->number);
        (void)snprintf(now, sizeof(now), "%" PRId64, clock_now_ms());
        if (!execute(pq, migration->postgres_text, err))
                return err_prefix(err, "migration %04d %s", migration->number, migration->title);
        result = pg_query(pq, pg_text_migration_add, 4, values, err);
        PQclear(result);
        return result != NULL;
}

static bool migrate_schema(PGconn *pq, const char *schema, const struct migration_set *set, bool is_cell,
                           const struct store_migrate_options *options, struct err *err)
{
        const char *values[] = {schema, options->server_role};
        int applied;

        if (!enter_schema(pq, schema, err) || !count_applied(pq, schema, set, &applied, err))
                return false;
        for (int i = applied; i < set->count; i++) {
                if (!apply(pq, &set->list[i], err))
                        return false;
                if (options->progress)
                        options->progress(schema, set->list[i].number, set->list[i].title, options->arg);
        }
        return (!is_cell || execute_made(pq, pg_text_policies, 1, values, err)) &&
               execute_made(pq, pg_text_grants, 2, values, err);
}

static bool migrate_all(PGconn *pq, const struct store_migrate_options *options, struct err *err)
{
        /* Of several that start at once, one migrates; the others find it done. */
        if (!execute(pq, "BEGIN", err) || !execute(pq, "SELECT pg_advisory_xact_lock(7165093)", err))
                return false;
        if (options->directory &&
            !migrate_schema(pq, "countersign", &migrations_directory, false, options, err))
                return false;
        for (size_t i = 0; i < options->region_count; i++) {
                const struct cell_ref probe = {STR("t"), str_from(options->regions[i])};
                char schema[PG_SCHEMA_MAX];
                if (!cell_ref_check(&probe, err))
                        return false;
                (void)snprintf(schema, sizeof(schema), "countersign_%s", options->regions[i]);
                if (!migrate_schema(pq, schema, &migrations_cell, true, options, err))
                        return false;
        }
        return execute(pq, "COMMIT", err);
}

bool store_migrate(const struct store_migrate_options *options, struct err *err)
{
        PGconn *pq = pg_connect(options->url, err);
        bool ok = pq && migrate_all(pq, options, err);

        PQfinish(pq);
        return ok;
}
