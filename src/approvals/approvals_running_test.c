/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of an action that was claimed: its output and its report. */
#include "approvals/test_world.h"

#include "tenancy/tenancy_sql.h"

#include "base/json_write.h"
#include "log/log.h"

static void another_environments_executor_finds_nothing(void **state)
{
        struct world *world = *state;
        struct action action = submit(world, "container.remove", "test");
        struct claiming claiming;

        must(approve(world, &action, 0));
        claiming = claiming_of(world, &action);
        claiming.claim.environment = STR("prd");
        assert_false(write_to(world, claim_work, &claiming));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_int_equal(reload(world, &action).state, ACTION_APPROVED);
}

struct printing {
        struct world *world;
        struct str id, executor;
        int64_t offset;
        struct str data;
};

static bool print_work(struct tx *tx, void *arg, struct err *error)
{
        struct printing *printing = arg;

        return approvals_output_append(tx, printing->world->workspace, printing->id, printing->executor,
                                       printing->offset, printing->data, error);
}

static bool print_at(struct world *world, const struct action *action, int64_t offset, struct str data)
{
        struct printing printing = {.world = world,
                                    .id = action->row.id,
                                    .executor = id_str(&world->executor),
                                    .offset = offset,
                                    .data = data};

        return write_to(world, print_work, &printing);
}

struct reading {
        const struct action *action;
        int64_t offset;
        size_t most;
        struct str data;
};

static bool read_work(struct tx *tx, void *arg, struct err *error)
{
        struct reading *reading = arg;

        return approvals_output_read(tx, reading->action, reading->offset, reading->most, &reading->data,
                                     error);
}

static void output_has_no_gaps_and_no_repeats(void **state)
{
        struct world *world = *state;
        struct action action = run(world);
        struct reading reading = {.action = &action, .most = 100};

        must(print_at(world, &action, 0, STR("hello")));
        must(print_at(world, &action, 0, STR("hello")));    /* sent again */
        must(print_at(world, &action, 3, STR("lo world"))); /* overlapping */
        assert_false(print_at(world, &action, 12, STR("!")));
        assert_int_equal(err.code, ERR_BAD_FIELD);
        assert_string_equal(err.place, "/offset");
        action = reload(world, &action);
        assert_int_equal(action.row.output_sent, 11);
        must(read_from(world, read_work, &reading));
        assert_string_equal(reading.data.ptr, "hello world");
        for (reading.offset = 0; reading.offset <= 11; reading.offset++)
                for (reading.most = 0; reading.most <= 12; reading.most++) {
                        struct str whole = STR("hello world");

                        must(read_from(world, read_work, &reading));
                        assert_true(str_eq(reading.data,
                                           str_slice(whole, (size_t)reading.offset, reading.most)));
                }
}

static void output_beyond_the_cap_is_counted_not_kept(void **state)
{
        enum { PIECE = 100000 };
        static char piece[PIECE];
        struct world *world = *state;
        struct action action = run(world);

        memset(piece, 'x', sizeof(piece));
        for (int i = 0; i < 12; i++)
                must(print_at(world, &action, (int64_t)i * PIECE, str_make(piece, PIECE)));
        action = reload(world, &action);
        assert_int_equal(action.row.output_sent, 12 * PIECE);
        assert_int_equal(action.row.output_kept, OUTPUT_KEEP_BYTES);
}

static void only_the_claims_executor_prints(void **state)
{
        struct world *world = *state;
        struct action action = run(world);
        struct id thief = id_new("exe");
        struct printing printing = {
                .world = world, .id = action.row.id, .executor = id_str(&thief), .data = STR("x")};
        struct action waiting = submit(world, "container.remove", "test");

        assert_false(write_to(world, print_work, &printing));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_false(print_at(world, &waiting, 0, STR("x")));
        assert_int_equal(err.code, ERR_NOT_FOUND);
}

/* ---- reports ------------------------------------------------------------------------------------- */

struct reporting {
        struct world *world;
        struct report report;
        struct str envelope_json;
        struct action ret;
        bool again;
};

static bool report_work(struct tx *tx, void *arg, struct err *error)
{
        struct reporting *reporting = arg;

        return approvals_report(tx, reporting->world->workspace, &reporting->report,
                                reporting->envelope_json, clock_now_ms(), &reporting->ret, &reporting->again,
                                error);
}

static struct report report_of(struct world *world, const struct action *action, enum outcome outcome)
{
        return (struct report){.action = action->row.id,
                               .claim = action->row.claim_id,
                               .executor = id_str(&world->executor),
                               .digest = action->row.digest,
                               .outcome = outcome,
                               .message = STR("done"),
                               .started_ms = 1,
                               .ended_ms = 2,
                               .output_sha256 = action->row.digest};
}

/* Signs, checks and records. */
static bool report_with(struct world *world, struct action *action, const struct report *report,
                        struct ed25519_key *key, bool *ret_again)
{
        struct reporting reporting = {.world = world};
        struct dsse_signature signature;
        struct dsse_envelope envelope = {
                .payload_type = STR(REPORT_PAYLOAD_TYPE), .signatures = &signature, .count = 1};
        BUF_SCOPED text;

        buf_init(&text, 1 << 16);
        must(report_build(&world->arena, report, &envelope.payload, &err));
        must(dsse_sign(&world->arena, key, envelope.payload_type, envelope.payload, &signature, &err));
        dsse_append(&text, &envelope);
        reporting.envelope_json = buf_str(&text);
        if (!approvals_check_report(&world->arena, action, &envelope, id_str(&world->executor),
                                    ed25519_key_public(world->executor_key), &reporting.report, &err) ||
            !write_to(world, report_work, &reporting))
                return false;
        *action = reporting.ret;
        *ret_again = reporting.again;
        assert_stands(world, action);
        return true;
}

static bool report(struct world *world, struct action *action, enum outcome outcome, bool *ret_again)
{
        struct report made = report_of(world, action, outcome);

        return report_with(world, action, &made, world->executor_key, ret_again);
}

static void every_outcome_leads_where_the_table_says(void **state)
{
        static const enum action_state ends[] = {[OUTCOME_SUCCEEDED] = ACTION_SUCCEEDED,
                                                 [OUTCOME_FAILED] = ACTION_FAILED,
                                                 [OUTCOME_INDETERMINATE] = ACTION_INDETERMINATE,
                                                 [OUTCOME_REFUSED] = ACTION_FAILED};
        struct world *world = *state;

        for (int outcome = OUTCOME_SUCCEEDED; outcome <= OUTCOME_REFUSED; outcome++) {
                struct action action = run(world);
                bool again;

                must(report(world, &action, (enum outcome)outcome, &again));
                assert_int_equal(action.state, ends[outcome]);
                assert_false(again);
                must(report(world, &action, (enum outcome)outcome, &again));
                assert_true(again);
                assert_int_equal(action.state, ends[outcome]);
        }
}

static bool keep_work(struct tx *tx, void *arg, struct err *error)
{
        struct world *world = arg;
        const struct sql_workspace_update_in in = {.id = world->workspace,
                                                   .version = 1,
                                                   .name = STR("main"),
                                                   .data_mode = STR("full"),
                                                   .labels = STR("{}")};
        int64_t changes;

        return sql_workspace_update(tx, &in, &changes, error) &&
               (changes == 1 || err_set(error, ERR_INTERNAL, "the workspace is as it was"));
}

static void what_is_kept_is_there_after_every_outcome(void **state)
{
        struct world *world = *state;

        must(write_to(world, keep_work, world));
        for (int outcome = OUTCOME_SUCCEEDED; outcome <= OUTCOME_REFUSED; outcome++) {
                struct action action = run(world);
                bool again;

                must(report(world, &action, (enum outcome)outcome, &again));
                assert_true(str_is(action.row.message, "done"));
                assert_true(str_is(action.row.task_name, "clean up"));
                assert_non_null(action.row.statement.ptr);
        }
}

static void only_what_is_unknown_is_settled_and_once(void **state)
{
        struct world *world = *state;

        for (int first = OUTCOME_SUCCEEDED; first <= OUTCOME_REFUSED; first++)
                for (int second = OUTCOME_SUCCEEDED; second <= OUTCOME_REFUSED; second++) {
                        struct action action = run(world);
                        bool settles = first == OUTCOME_INDETERMINATE &&
                                       (second == OUTCOME_SUCCEEDED || second == OUTCOME_FAILED);
                        enum action_state before;
                        bool again;

                        if (first == second)
                                continue;
                        must(report(world, &action, (enum outcome)first, &again));
                        before = action.state;
                        if (report(world, &action, (enum outcome)second, &again) != settles)
                                fail_msg("%s after %s", outcome_name((enum outcome)second),
                                         outcome_name((enum outcome)first));
                        action = reload(world, &action);
                        if (!settles) {
                                assert_int_equal(err.code, ERR_CONFLICT);
                                assert_int_equal(action.state, before);
                                continue;
                        }
                        assert_false(report(world, &action,
                                            second == OUTCOME_FAILED ? OUTCOME_SUCCEEDED : OUTCOME_FAILED,
                                            &again));
                        assert_int_equal(err.code, ERR_CONFLICT);
                }
}

static void a_report_is_by_the_claims_executor_about_the_claim(void **state)
{
        struct world *world = *state;
        struct action action = run(world), other = run(world);
        struct id strange = id_new("clm");
        struct report made;
        bool again;

        made = report_of(world, &action, OUTCOME_SUCCEEDED);
        assert_false(report_with(world, &action, &made, world->people[0].key, &again));
        assert_int_equal(err.code, ERR_BAD_SIGNATURE);
        made.claim = id_str(&strange);
        assert_false(report_with(world, &action, &made, world->executor_key, &again));
        assert_int_equal(err.code, ERR_BAD_ENVELOPE);
        made = report_of(world, &other, OUTCOME_SUCCEEDED);
        assert_false(report_with(world, &action, &made, world->executor_key, &again));
        assert_int_equal(err.code, ERR_BAD_ENVELOPE);
        made = report_of(world, &action, OUTCOME_SUCCEEDED);
        made.digest = other.row.digest;
        assert_false(report_with(world, &action, &made, world->executor_key, &again));
        assert_int_equal(err.code, ERR_BAD_ENVELOPE);
        assert_int_equal(reload(world, &action).state, ACTION_CLAIMED);
}

static void nothing_is_reported_that_was_not_claimed(void **state)
{
        struct world *world = *state;
        struct action action = submit(world, "container.remove", "test");
        struct reporting reporting = {.world = world, .envelope_json = STR("{}")};

        must(approve(world, &action, 0));
        reporting.report = report_of(world, &action, OUTCOME_SUCCEEDED);
        reporting.report.claim = STR("clm_01jd3q4r5s6t7v8w9x0y1z2a3b");
        assert_false(write_to(world, report_work, &reporting));
        assert_int_equal(err.code, ERR_CONFLICT);
        assert_int_equal(reload(world, &action).state, ACTION_APPROVED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(another_environments_executor_finds_nothing),
                TEST(output_has_no_gaps_and_no_repeats),
                TEST(output_beyond_the_cap_is_counted_not_kept),
                TEST(only_the_claims_executor_prints),
                TEST(every_outcome_leads_where_the_table_says),
                TEST(what_is_kept_is_there_after_every_outcome),
                TEST(only_what_is_unknown_is_settled_and_once),
                TEST(a_report_is_by_the_claims_executor_about_the_claim),
                TEST(nothing_is_reported_that_was_not_claimed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
