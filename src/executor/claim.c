/* SPDX-License-Identifier: Apache-2.0 */
/* One claim: taken, verified, journaled, run, reported. The order is the promise. */
#include "executor/executor_private.h"

#include "base/clock.h"
#include "base/log_line.h"
#include "base/test_hooks.h"

#include <stdio.h>

enum {
        OUTPUT_DRAIN_MS = 10 * 1000,
        REST_MS = 5 * 1000,
        SEND_ARENA_BYTES = 1024 * 1024,
        REPORT_JSON_MAX_BYTES = 4 * REPORT_MAX_BYTES
};

/* ---- the end ------------------------------------------------------------------------------------------ */

static bool make_report(struct executor *executor, struct arena *arena, const struct claim_end *end,
                        struct str *ret, struct err *err)
{
        char output_sha256[SHA256_HEX_SIZE];
        struct report report = {
                .action = end->action,
                .claim = end->claim,
                .executor = executor->state.credential.executor,
                .digest = end->digest,
                .outcome = end->outcome,
                .message = str_from(end->message),
                .started_ms = end->started_ms,
                .ended_ms = clock_now_ms(),
                .output_bytes = end->output.total_bytes,
                .output_sha256 = str_make(output_sha256, SHA256_HEX_SIZE - 1),
                .output_truncated = end->output.truncated,
        };
        struct dsse_signature signature;
        struct dsse_envelope envelope = {
                .payload_type = STR(REPORT_PAYLOAD_TYPE), .signatures = &signature, .count = 1};
        BUF_SCOPED text;

        /* A clock that went back must not make the report contradict itself. */
        if (report.ended_ms < report.started_ms)
                report.ended_ms = report.started_ms;
        sha256_format(&end->output.digest, output_sha256);
        buf_init(&text, REPORT_JSON_MAX_BYTES);
        if (!report_build(arena, &report, &envelope.payload, err) ||
            !dsse_sign(arena, executor->state.key, envelope.payload_type, envelope.payload, &signature, err))
                return false;
        dsse_append(&text, &envelope);
        if (!buf_check(&text, "a report", err))
                return false;
        *ret = arena_str(arena, buf_str(&text));
        return arena_check(arena, err);
}

bool claim_send_report(struct executor *executor, struct arena *arena, struct str action, struct str report)
{
        int64_t pause_ms = PAUSE_FIRST_MS;
        enum server_verdict verdict;
        struct err err;

        for (;;) {
                struct arena_mark mark = arena_mark(arena);
                bool sent = server_send_report(&executor->server, arena, action, report, &verdict, &err);

                arena_rewind(arena, mark);
                if (sent)
                        break;
                /* Who may not report now (a tenant that is suspended) may do so later. */
                if (verdict == SERVER_NO && err_status(err.code) == 403)
                        verdict = SERVER_AGAIN;
                if (verdict == SERVER_NO) {
                        /* It has an outcome that stands. Asking again would not change that. */
                        log_line(LOG_WARN, "the server does not take a report", LOG_STR("action", action),
                                 LOG_C("why", err.message));
                        break;
                }
                if (!executor_try_again(executor, verdict, &err) || !executor_pause(executor, &pause_ms))
                        return false;
        }
        test_step("reported");
        if (!journal_note_reported(executor->journal, action, &err)) {
                executor_fail(executor, &err);
                return false;
        }
        test_step("report noted");
        /* The report stands at the server. It stays erasable when this fails: with the next, or at the
         * start. */
        if (!journal_erase_closed(executor->journal, &err))
                log_line(LOG_WARN, "what finished actions carried is still in the journal",
                         LOG_C("why", err.message));
        return true;
}

bool claim_finish(struct executor *executor, struct arena *arena, const struct claim_end *end)
{
        struct journal_result result = {.action = end->action,
                                        .claim = end->claim,
                                        .digest = end->digest,
                                        .outcome = str_from(outcome_name(end->outcome)),
                                        .open = end->open};
        struct err err;

        log_line(end->outcome == OUTCOME_SUCCEEDED ? LOG_INFO : LOG_WARN, "action ended",
                 LOG_STR("action", end->action), LOG_C("outcome", outcome_name(end->outcome)),
                 LOG_C("message", end->message));
        if (!make_report(executor, arena, end, &result.report, &err) ||
            !journal_note_done(executor->journal, &result, &err)) {
                executor_fail(executor, &err);
                return false;
        }
        test_step("done noted");
        if (end->open)
                settle_kick(executor);
        return claim_send_report(executor, arena, end->action, result.report);
}

/* ---- the way there ---------------------------------------------------------------------------------------
 */

struct claim {
        struct executor *executor;
        struct arena *arena;
        struct str action;
        struct server_claim taken;
        struct verified verified;
        struct str digest;
        struct connector *connector;
        int64_t started_ms;
};

static bool is_over(const struct claim *claim)
{
        return atomic_load(&claim->executor->stopping);
}

/* Asks for the claim. False: not ours, or not now; *ret_rest_ms says when to look again. */
static bool take(struct claim *claim, int64_t *ret_rest_ms)
{
        struct executor *executor = claim->executor;
        enum server_verdict verdict;
        struct err err;

        *ret_rest_ms = REST_MS;
        if (!journal_note_claiming(executor->journal, claim->action, &err)) {
                if (err.code != ERR_JOURNAL_REFUSED)
                        executor_fail(executor, &err);
                else
                        log_line(LOG_WARN, "the server offers an action again; it is not claimed",
                                 LOG_STR("action", claim->action));
                return false;
        }
        test_step("claiming noted");
        if (server_take_claim(&executor->server, claim->arena, claim->action, &claim->taken, &verdict,
                              &err)) {
                test_step("claimed");
                return true;
        }
        log_line(LOG_INFO, "no claim", LOG_STR("action", claim->action), LOG_C("why", err.message));
        if (verdict == SERVER_NO) {
                if (!journal_note_no_claim(executor->journal, claim->action, &err))
                        executor_fail(executor, &err);
        } else if (executor_try_again(executor, verdict, &err)) {
                /* Perhaps it was given and the answer was lost: the journal remembers to ask again. */
                settle_kick(executor);
        }
        return false;
}

/* The roster that the server speaks of, as soon as it can be had. */
static bool follow_roster(struct claim *claim, struct err *err)
{
        int64_t pause_ms = PAUSE_FIRST_MS;
        enum server_verdict verdict;

        while (!executor_follow_roster(claim->executor, claim->taken.roster_version, &verdict, err)) {
                if (verdict == SERVER_NO)
                        return err_prefix(err, "check 3, signatures");
                if (!executor_try_again(claim->executor, verdict, err) ||
                    !executor_pause(claim->executor, &pause_ms))
                        return false;
        }
        return true;
}

static bool verify(struct claim *claim, struct err *err)
{
        struct executor *executor = claim->executor;
        const struct credential *credential = &executor->state.credential;
        struct verify_with with = {
                .place = {credential->tenant, credential->workspace, credential->environment},
                .roster = &executor->roster,
                .floor = &executor->floor,
                .journal = executor->journal,
                .now_ms = clock_now_ms(),
        };
        bool ok;

        pthread_mutex_lock(&executor->roster_lock);
        ok = verify_claim(claim->arena, &with, claim->action, &claim->taken.envelope, &claim->verified,
                          &claim->digest, err);
        pthread_mutex_unlock(&executor->roster_lock);
        if (!ok)
                return false;
        claim->connector = executor_connector(executor, claim->verified.statement.connector);
        if (!claim->connector)
                return err_set(err, ERR_BAD_ENVELOPE, "this executor has no connector \"%.*s\"",
                               STR_ARG(claim->verified.statement.connector));
        test_step("verified");
        if (!claim->connector->ops->check(claim->connector, claim->arena, &claim->verified.statement, err))
                return err_prefix(err, "check 6, target");
        test_step("target checked");
        return true;
}

static bool begin(struct claim *claim, struct err *err)
{
        struct journal_entry entry = {
                .action = claim->action,
                .claim = claim->taken.claim,
                .digest = claim->digest,
                .statement = claim->verified.bytes,
                .begun_ms = claim->started_ms,
        };

        return journal_note_begun(claim->executor->journal, &entry, err);
}

static bool send_piece(void *arg, int64_t offset, struct str piece, struct err *err)
{
        const struct claim *claim = arg;
        enum server_verdict verdict;
        ARENA_SCOPED arena;
        bool ok;

        arena_init(&arena, SEND_ARENA_BYTES);
        ok = server_send_output(&claim->executor->server, &arena, claim->action, offset, piece, &verdict,
                                err);
        /* What the server does not want is not worth another try. */
        return ok || verdict == SERVER_NO;
}

static bool refuse(struct claim *claim, const struct err *why)
{
        struct claim_end end = {
                .action = claim->action,
                .claim = claim->taken.claim,
                .digest = claim->digest,
                .outcome = OUTCOME_REFUSED,
                .message = why->message,
                .started_ms = claim->started_ms,
        };

        sha256_of(STR(""), &end.output.digest);
        return claim_finish(claim->executor, claim->arena, &end);
}

static void run(struct claim *claim)
{
        struct connector_result result = {0};
        struct claim_end end = {
                .action = claim->action,
                .claim = claim->taken.claim,
                .digest = claim->digest,
                .message = result.message,
                .started_ms = claim->started_ms,
        };
        struct output *output;
        struct err err;

        /* Before the journal says begun: whatever can fail shall fail here. */
        if (!output_new(send_piece, claim, &output, &err)) {
                refuse(claim, &err);
                return;
        }
        output_set_stopping(output, &claim->executor->stopping);
        if (!begin(claim, &err)) {
                output_free(output);
                if (err.code == ERR_JOURNAL_REFUSED)
                        refuse(claim, &err);
                else
                        executor_fail(claim->executor, &err);
                return;
        }
        test_step("begun");
        claim->connector->ops->run(claim->connector, claim->arena, &claim->verified.statement, output,
                                   &result);
        test_step("ran");
        output_finish(output, OUTPUT_DRAIN_MS, &end.output);
        test_step("output sent");
        end.outcome = result.outcome;
        end.open = result.outcome == OUTCOME_INDETERMINATE && result.open;
        claim_finish(claim->executor, claim->arena, &end);
        output_free(output);
}

int64_t claim_run(struct executor *executor, struct str action)
{
        ARENA_SCOPED arena;
        struct claim claim = {.executor = executor, .arena = &arena, .action = action};
        int64_t rest_ms;
        struct err err;

        arena_init(&arena, WORK_ARENA_BYTES);
        if (!take(&claim, &rest_ms))
                return rest_ms;
        claim.started_ms = clock_now_ms();
        claim.digest = statement_digest(&arena, claim.taken.envelope.payload);
        if (!follow_roster(&claim, &err) || !verify(&claim, &err)) {
                /* An executor that stops has not refused: it will ask for the claim again. */
                if (!is_over(&claim))
                        refuse(&claim, &err);
                return 0;
        }
        run(&claim);
        return 0;
}
