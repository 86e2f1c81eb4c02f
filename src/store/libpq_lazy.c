/* SPDX-License-Identifier: Apache-2.0 */
#include "store/libpq_lazy.h"

#include <dlfcn.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Debian's libpq5; the number stands for the ABI. */
static const char LIBRARY[] = "libpq.so.5";

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void *library;
static char reason[256];

static void load_once(void)
{
        const char *said;

        library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
        if (library)
                return;
        said = dlerror();
        snprintf(reason, sizeof(reason), "%s", said ? said : LIBRARY);
}

bool libpq_load(struct err *err)
{
        pthread_once(&once, load_once);
        if (library)
                return true;
        return err_set(err, ERR_CONFIG, "PostgreSQL's client library cannot be loaded (install libpq5): %s",
                       reason);
}

/* A function of an ABI that we were compiled against; its absence is a broken installation. */
static void *find(const char *name)
{
        void *function;

        pthread_once(&once, load_once);
        function = library ? dlsym(library, name) : NULL;
        if (!function) {
                (void)fprintf(stderr, "%s has no %s: %s\n", LIBRARY, name, reason);
                abort();
        }
        return function;
}

/*
 * Each keeps what it found. Two threads may find it at once, and find the same.
 * POSIX lets dlsym's result be a function (dlsym, RATIONALE); C asks for the detour.
 */
#define FORWARD(type, name, parameters, arguments)                                                          \
        type name parameters                                                                                \
        {                                                                                                   \
                static _Atomic(void *) found;                                                               \
                union {                                                                                     \
                        void *object;                                                                       \
                        type(*function) parameters;                                                         \
                } is = {.object = found};                                                                   \
                                                                                                            \
                if (!is.object)                                                                             \
                        found = is.object = find(#name);                                                    \
                return is.function arguments;                                                               \
        }

#define FORWARD_VOID(name, parameters, arguments)                                                           \
        void name parameters                                                                                \
        {                                                                                                   \
                static _Atomic(void *) found;                                                               \
                union {                                                                                     \
                        void *object;                                                                       \
                        void(*function) parameters;                                                         \
                } is = {.object = found};                                                                   \
                                                                                                            \
                if (!is.object)                                                                             \
                        found = is.object = find(#name);                                                    \
                is.function arguments;                                                                      \
        }

FORWARD(PGconn *, PQconnectdb, (const char *conninfo), (conninfo))
FORWARD(PGconn *, PQconnectdbParams,
        (const char *const *keywords, const char *const *values, int expand_dbname),
        (keywords, values, expand_dbname))
FORWARD_VOID(PQfinish, (PGconn * conn), (conn))
FORWARD(ConnStatusType, PQstatus, (const PGconn *conn), (conn))
FORWARD(char *, PQerrorMessage, (const PGconn *conn), (conn))
FORWARD(PQnoticeReceiver, PQsetNoticeReceiver, (PGconn * conn, PQnoticeReceiver proc, void *arg),
        (conn, proc, arg))
FORWARD(int, PQsocket, (const PGconn *conn), (conn))
FORWARD(int, PQisthreadsafe, (void), ())
FORWARD(int, PQconsumeInput, (PGconn * conn), (conn))
FORWARD(int, PQisBusy, (PGconn * conn), (conn))
FORWARD(char *, PQescapeIdentifier, (PGconn * conn, const char *str, size_t len), (conn, str, len))
FORWARD(int, PQsendQuery, (PGconn * conn, const char *query), (conn, query))
FORWARD(PGnotify *, PQnotifies, (PGconn * conn), (conn))
FORWARD_VOID(PQfreemem, (void *ptr), (ptr))

FORWARD(int, PQenterPipelineMode, (PGconn * conn), (conn))
FORWARD(int, PQexitPipelineMode, (PGconn * conn), (conn))
FORWARD(int, PQpipelineSync, (PGconn * conn), (conn))

FORWARD(PGresult *, PQexec, (PGconn * conn, const char *query), (conn, query))
FORWARD(PGresult *, PQexecParams,
        (PGconn * conn, const char *command, int nParams, const Oid *paramTypes,
         const char *const *paramValues, const int *paramLengths, const int *paramFormats, int resultFormat),
        (conn, command, nParams, paramTypes, paramValues, paramLengths, paramFormats, resultFormat))
FORWARD(int, PQsendPrepare,
        (PGconn * conn, const char *stmtName, const char *query, int nParams, const Oid *paramTypes),
        (conn, stmtName, query, nParams, paramTypes))
FORWARD(int, PQsendQueryParams,
        (PGconn * conn, const char *command, int nParams, const Oid *paramTypes,
         const char *const *paramValues, const int *paramLengths, const int *paramFormats, int resultFormat),
        (conn, command, nParams, paramTypes, paramValues, paramLengths, paramFormats, resultFormat))
FORWARD(int, PQsendQueryPrepared,
        (PGconn * conn, const char *stmtName, int nParams, const char *const *paramValues,
         const int *paramLengths, const int *paramFormats, int resultFormat),
        (conn, stmtName, nParams, paramValues, paramLengths, paramFormats, resultFormat))

FORWARD(PGresult *, PQgetResult, (PGconn * conn), (conn))
FORWARD_VOID(PQclear, (PGresult * res), (res))
FORWARD(ExecStatusType, PQresultStatus, (const PGresult *res), (res))
FORWARD(char *, PQresultErrorField, (const PGresult *res, int fieldcode), (res, fieldcode))
FORWARD(char *, PQcmdStatus, (PGresult * res), (res))
FORWARD(char *, PQcmdTuples, (PGresult * res), (res))
FORWARD(int, PQntuples, (const PGresult *res), (res))
FORWARD(char *, PQgetvalue, (const PGresult *res, int tup_num, int field_num), (res, tup_num, field_num))
FORWARD(int, PQgetlength, (const PGresult *res, int tup_num, int field_num), (res, tup_num, field_num))
FORWARD(int, PQgetisnull, (const PGresult *res, int tup_num, int field_num), (res, tup_num, field_num))
