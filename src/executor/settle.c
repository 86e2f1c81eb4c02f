/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the journal has unfinished, after a crash or while the server or the
 * engine is away: claims to ask for again, outcomes to find out, reports to
 * send. Nothing is ever run here that had begun.
 */
#include "executor/executor_private.h"

#include "base/clock.h"
#include "base/log_line.h"
#include "base/test_hooks.h"

enum { LOOK_FIRST_MS = 1000, LOOK_MAX_MS = 30 * 1000 };

/* True when the item needs another look later. */
static bool reconcile(struct executor *executor, struct arena *arena, const struct journal_item *item)
{
        struct connector_result result = {0};
        struct statement statement;
        struct connector *connector;
        struct claim_end end = {
                .action = item->entry.action,
                .claim = item->entry.claim,
                .digest = item->entry.digest,
                .message = result.message,
                .started_ms = item->entry.begun_ms,
        };
        struct err err;

        if (!statement_parse(arena, item->entry.statement, &statement, &err)) {
                connector_result_set(&result, OUTCOME_INDETERMINATE,
                                     "this version cannot read what an earlier one began: %s", err.message);
        } else if (!(connector = executor_connector(executor, statement.connector))) {
                connector_result_set(&result, OUTCOME_INDETERMINATE,
                                     "this executor has no connector \"%.*s\" any more",
                                     STR_ARG(statement.connector));
        } else {
                connector->ops->reconcile(connector, arena, &statement, item->entry.begun_ms, &result);
                /* What it printed is lost, if it was of the kind that prints. */
                end.output.truncated =
                        statement.effect == EFFECT_READS || str_is(statement.operation, "container.run");
        }
        test_step("reconciled");
        if (item->report.len > 0 && result.open) {
                if (!item->report_sent)
                        claim_send_report(executor, arena, item->entry.action, item->report);
                return true;
        }
        sha256_of(STR(""), &end.output.digest);
        end.outcome = result.outcome;
        end.open = result.open;
        claim_finish(executor, arena, &end);
        return end.open;
}

static bool settle_one(struct executor *executor, struct arena *arena, const struct journal_item *item)
{
        struct work *work;
        int64_t rest_ms = 0;
        bool again = false;

        /* Somebody is at it. */
        if (!work_take(executor, item->entry.action, &work))
                return true;
        switch (item->need) {
        case JOURNAL_NEEDS_CLAIM:
                rest_ms = claim_run(executor, item->entry.action);
                again = rest_ms > 0;
                break;
        case JOURNAL_NEEDS_RECONCILE:
                again = reconcile(executor, arena, item);
                break;
        case JOURNAL_NEEDS_REPORT:
                again = !claim_send_report(executor, arena, item->entry.action, item->report);
                break;
        }
        work_release(work, rest_ms);
        return again;
}

/* Goes through the journal once; true when something must be looked at again. */
static bool settle_all(struct executor *executor)
{
        ARENA_SCOPED arena;
        struct journal_item item;
        bool again = false;
        size_t n = 0;

        arena_init(&arena, WORK_ARENA_BYTES);
        while (!atomic_load(&executor->stopping)) {
                struct id before;
                struct journal_item same;

                arena_reset(&arena);
                if (!journal_unfinished(executor->journal, &arena, n, &item))
                        break;
                before = id_from(item.entry.action);
                again = settle_one(executor, &arena, &item) || again;
                /* What was finished is gone from the list, and the next one has its place. */
                arena_reset(&arena);
                if (journal_unfinished(executor->journal, &arena, n, &same) &&
                    str_eq(same.entry.action, id_str(&before)))
                        n++;
        }
        return again;
}

void settle_kick(struct executor *executor)
{
        pthread_mutex_lock(&executor->lock);
        executor->kick = true;
        pthread_cond_broadcast(&executor->changed);
        pthread_mutex_unlock(&executor->lock);
}

/* Waits for a kick, or for the pause when there is something to look at again. */
static void wait_for_kick(struct executor *executor, bool again, int64_t *pause_ms)
{
        if (again) {
                if (*pause_ms > LOOK_MAX_MS)
                        *pause_ms = LOOK_MAX_MS;
                (void)executor_pause(executor, pause_ms);
                return;
        }
        pthread_mutex_lock(&executor->lock);
        while (!executor->kick && !atomic_load(&executor->stopping))
                pthread_cond_wait(&executor->changed, &executor->lock);
        executor->kick = false;
        pthread_mutex_unlock(&executor->lock);
        *pause_ms = LOOK_FIRST_MS;
}

void *settle_main(void *arg)
{
        struct executor *executor = arg;
        int64_t pause_ms = LOOK_FIRST_MS;

        while (!atomic_load(&executor->stopping))
                wait_for_kick(executor, settle_all(executor), &pause_ms);
        return NULL;
}
