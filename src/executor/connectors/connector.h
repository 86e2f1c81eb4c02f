/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connector: the typed adapter to one kind of system. It gets statements that
 * have passed every check, and knows nothing of servers, claims and signatures.
 *
 * Every function may run on several threads at once.
 */
#pragma once

#include "documents/report.h"
#include "documents/statement.h"
#include "executor/output.h"

struct connector;

struct connector_facts {
        unsigned count;
        struct statement_fact facts[STATEMENT_FACTS_MAX]; /* in the catalogue's order, in the arena */
};

struct connector_result {
        enum outcome outcome; /* never REFUSED */
        /* INDETERMINATE only: asking again later may tell (connector_reconcile). */
        bool open;
        char message[ERR_MESSAGE_MAX];
};

struct connector_ops {
        const char *name; /* of the catalogue's `connector` */

        /*
         * What the name stands for. TARGET_NOT_FOUND, or CONNECTOR_FAILED when the
         * system cannot be asked. Reads only.
         */
        bool (*resolve)(struct connector *connector, struct arena *arena,
                        const struct catalogue_operation *operation, struct str target,
                        struct connector_facts *ret, struct err *err);

        /*
         * Check 6: everything that the statement names is still what was resolved, and
         * the connector can do just what the statement says. TARGET_CHANGED and others.
         * Reads only.
         */
        bool (*check)(struct connector *connector, struct arena *arena, const struct statement *statement,
                      struct err *err);

        /* Does it. What it prints goes to `output`. */
        void (*run)(struct connector *connector, struct arena *arena, const struct statement *statement,
                    struct output *output, struct connector_result *ret);

        /*
         * What became of an operation that began at `begun_ms` and whose end nobody
         * saw. Reads only. INDETERMINATE and open while it may still be under way.
         */
        void (*reconcile)(struct connector *connector, struct arena *arena,
                          const struct statement *statement, int64_t begun_ms, struct connector_result *ret);

        void (*free)(struct connector *connector);
};

struct connector {
        const struct connector_ops *ops;
};

static inline void connector_free(struct connector *connector)
{
        if (connector)
                connector->ops->free(connector);
}

/* Fills the result; the message as printf's. */
void connector_result_set(struct connector_result *result, enum outcome outcome, const char *format, ...)
        PRINTF_LIKE(3, 4);
