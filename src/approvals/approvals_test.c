/* SPDX-License-Identifier: Apache-2.0 */
/* The life of actions over a real store, up to the claim: every rule. */
#include "approvals/test_world.h"

#include "log/log.h"

/* ---- deciding ------------------------------------------------------------------------------------ */

static void what_only_reads_is_approved_at_once(void **state)
{
        struct world *world = *state;
        struct action action = submit(world, "container.list", "prd");

        assert_int_equal(action.state, ACTION_APPROVED);
        assert_false(action.row.has_decisions);
        must(claim(world, &action, NULL));
        assert_int_equal(action.state, ACTION_CLAIMED);
}

static void what_does_more_never_runs_without_a_requirement(void **state)
{
        static const char *const operations[] = {"container.remove", "container.stop", "image.remove"};
        struct world *world = *state;

        for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
                struct wish wish = {
                        .operation = operations[i], .environment = "test", .without_requirement = true};
                struct action action;

                assert_false(try_submit(world, &wish, &action));
                assert_int_equal(err.code, ERR_INTERNAL);
        }
}

static void a_denied_action_is_recorded_and_over(void **state)
{
        struct world *world = *state;
        struct wish wish = {.operation = "container.remove", .environment = "test", .denied = true};
        struct action action;

        must(try_submit(world, &wish, &action));
        assert_int_equal(action.state, ACTION_DENIED);
        assert_true(action.row.has_closed_ms);
        assert_false(approve(world, &action, 0));
        assert_int_equal(err.code, ERR_ACTION_NOT_PENDING);
        assert_false(claim(world, &action, NULL));
        assert_int_equal(err.code, ERR_ACTION_NOT_APPROVED);
}

static void two_are_needed_where_the_rule_says_two(void **state)
{
        struct world *world = *state;
        struct action action = submit(world, "container.remove", "prd");
        struct dsse_envelope envelope;

        must(approve(world, &action, 0));
        assert_int_equal(action.state, ACTION_PENDING);
        assert_int_equal(action.row.revision, 2);
        assert_false(claim(world, &action, NULL));
        assert_int_equal(err.code, ERR_ACTION_NOT_APPROVED);
        must(approve(world, &action, 1));
        assert_int_equal(action.state, ACTION_APPROVED);
        assert_true(action.row.has_decided_ms);
        assert_false(approve(world, &action, 2));
        assert_int_equal(err.code, ERR_ACTION_NOT_PENDING);
        must(claim(world, &action, &envelope));
        assert_int_equal(envelope.count, 2);
}

/* What the server gives out is what every executor accepts. */
static void the_claims_envelope_satisfies_an_executor(void **state)
{
        struct world *world = *state;
        struct action action = submit(world, "container.remove", "prd");
        struct dsse_envelope envelope;
        struct statement statement;

        must(approve(world, &action, 0));
        must(approve(world, &action, 2));
        must(claim(world, &action, &envelope));
        must(statement_parse(&world->arena, envelope.payload, &statement, &err));
        must(quorum_check(&world->roster, &statement, &envelope, 2, &err));
        assert_true(str_eq(statement_digest(&world->arena, envelope.payload), action.row.digest));
}

static void one_person_decides_once_with_any_key(void **state)
{
        struct world *world = *state;
        struct action action = submit(world, "container.remove", "prd");

        must(approve(world, &action, 0));
        assert_false(decide_with(world, &action, 0, 0, VERDICT_APPROVE));
        assert_int_equal(err.code, ERR_ALREADY_DECIDED);
        assert_false(decide_with(world, &action, 0, 1, VERDICT_APPROVE));
        assert_int_equal(err.code, ERR_ALREADY_DECIDED);
        assert_false(decide_with(world, &action, 0, 1, VERDICT_REJECT));
        assert_int_equal(err.code, ERR_ALREADY_DECIDED);
        assert_int_equal(reload(world, &action).state, ACTION_PENDING);
}

static void who_asks_never_counts(void **state)
{
        struct world *world = *state;
        struct wish wish = {.operation = "container.remove", .environment = "test"};
        struct action action;

        wish.requester = id_str(&world->people[1].id);
        must(try_submit(world, &wish, &action));
        assert_false(approve(world, &action, 1));
        assert_int_equal(err.code, ERR_SELF_APPROVAL);
        assert_int_equal(reload(world, &action).state, ACTION_PENDING);
        must(approve(world, &action, 0));
        assert_int_equal(action.state, ACTION_APPROVED);
}

static void who_is_not_on_the_roster_does_not_count(void **state)
{
        struct world *world = *state;
        struct action action = submit(world, "container.remove", "test");
        struct action_decide borrowed;

        assert_false(approve(world, &action, 3));
        assert_int_equal(err.code, ERR_NOT_ON_ROSTER);
        /* A stranger's credential with an approver's signature. */
        borrowed = sign(world, &action, 0, 0, VERDICT_APPROVE);
        borrowed.principal = id_str(&world->people[3].id);
        assert_false(approvals_check_decision(&world->arena, &action, &borrowed, &err));
        assert_int_equal(err.code, ERR_NOT_ON_ROSTER);
}

static void a_signature_is_for_one_action_and_one_verdict(void **state)
{
        struct world *world = *state;
        struct action one = submit(world, "container.remove", "test");
        struct action two = submit(world, "container.remove", "test");
        struct action_decide decide = sign(world, &one, 0, 0, VERDICT_APPROVE);

        decide.action = two.row.id;
        assert_false(approvals_check_decision(&world->arena, &two, &decide, &err));
        assert_int_equal(err.code, ERR_BAD_SIGNATURE);
        decide = sign(world, &one, 0, 0, VERDICT_REJECT);
        decide.verdict = VERDICT_APPROVE;
        assert_false(approvals_check_decision(&world->arena, &one, &decide, &err));
        assert_int_equal(err.code, ERR_BAD_SIGNATURE);
}

static void one_signed_no_ends_it(void **state)
{
        struct world *world = *state;
        struct action action = submit(world, "container.remove", "prd");

        must(approve(world, &action, 0));
        must(decide_with(world, &action, 1, 0, VERDICT_REJECT));
        assert_int_equal(action.state, ACTION_REJECTED);
        assert_true(action.row.has_closed_ms);
        assert_false(approve(world, &action, 2));
        assert_int_equal(err.code, ERR_ACTION_NOT_PENDING);
        assert_false(claim(world, &action, NULL));
}

static void whoever_left_the_roster_stops_counting(void **state)
{
        struct world *world = *state;
        struct action action = submit(world, "container.remove", "prd");
        struct action early = submit(world, "container.remove", "prd");
        struct roster smaller;

        must(approve(world, &action, 1));
        must(approve(world, &action, 2));
        assert_int_equal(action.state, ACTION_APPROVED);
        must(approve(world, &early, 2));
        must(put_roster(world, 2, &smaller)); /* without the third */

        /* A decision that was checked against the old roster is not counted. */
        {
                struct decision stale = {.decide = sign(world, &early, 1, 0, VERDICT_APPROVE),
                                         .now_ms = clock_now_ms()};

                assert_false(write_to(world, decide_work, &stale));
                assert_int_equal(err.code, ERR_ROSTER_CONFLICT);
        }
        world->roster = smaller;
        must(approve(world, &early, 1));
        assert_int_equal(early.state, ACTION_PENDING);
        must(approve(world, &early, 0));
        assert_int_equal(early.state, ACTION_APPROVED);

        /* Approved under the old roster, but no executor would accept it now. */
        assert_false(claim(world, &action, NULL));
        assert_int_equal(err.code, ERR_NOT_ON_ROSTER);
        assert_int_equal(reload(world, &action).state, ACTION_APPROVED);
}

/* ---- the roster ---------------------------------------------------------------------------------- */

static void of_two_rosters_at_once_one_stands(void **state)
{
        struct world *world = *state;
        struct roster next, fork;

        must(put_roster(world, 2, &next));
        assert_false(put_roster(world, 4, &fork)); /* follows the same version */
        assert_int_equal(err.code, ERR_ROSTER_CONFLICT);
        world->roster = next;
        must(put_roster(world, 3, &fork));
        assert_int_equal(fork.version, 3);
}

static void only_people_of_the_tenant_stand_on_its_roster(void **state)
{
        struct world *world = *state;
        struct id real = world->people[2].id;
        struct roster next;

        world->people[2].id = id_new("usr");
        assert_false(put_roster(world, 3, &next));
        assert_int_equal(err.code, ERR_BAD_FIELD);
        world->people[2].id = world->agent;
        assert_false(put_roster(world, 3, &next));
        assert_int_equal(err.code, ERR_BAD_FIELD);
        world->people[2].id = real;
        must(put_roster(world, 3, &next));
}

/* ---- time ---------------------------------------------------------------------------------------- */

struct sweeping {
        int64_t now_ms, moved;
};

static bool sweep_work(struct tx *tx, void *arg, struct err *error)
{
        struct sweeping *sweeping = arg;

        return approvals_sweep(tx, sweeping->now_ms, 64, &sweeping->moved, error);
}

static bool head_work(struct tx *tx, void *arg, struct err *error)
{
        return log_head(tx, 0, arg, error);
}

static void what_is_late_is_late_everywhere(void **state)
{
        struct world *world = *state;
        struct action waiting = submit(world, "container.remove", "test");
        struct action approved = submit(world, "container.remove", "test");
        struct action claimed = run(world);
        struct log_head before, after;
        struct sweeping sweeping;
        struct claiming late;
        struct decision decision;
        struct by_id by_id;

        must(approve(world, &approved, 0));
        sweeping.now_ms = waiting.row.expires_ms + 1000;
        decision = (struct decision){.decide = sign(world, &waiting, 0, 0, VERDICT_APPROVE),
                                     .now_ms = waiting.row.expires_ms};
        assert_false(write_to(world, decide_work, &decision));
        assert_int_equal(err.code, ERR_ACTION_EXPIRED);
        late = claiming_of(world, &approved);
        late.now_ms = approved.row.expires_ms;
        assert_false(write_to(world, claim_work, &late));
        assert_int_equal(err.code, ERR_ACTION_EXPIRED);
        by_id = (struct by_id){.world = world, .id = waiting.row.id, .now_ms = waiting.row.expires_ms};
        assert_false(write_to(world, cancel_work, &by_id));
        assert_int_equal(err.code, ERR_ACTION_EXPIRED);
        assert_int_equal(action_state_now(&waiting, waiting.row.expires_ms), ACTION_EXPIRED);
        assert_int_equal(action_state_now(&approved, approved.row.expires_ms), ACTION_LAPSED);
        assert_int_equal(action_state_now(&claimed, claimed.row.expires_ms), ACTION_CLAIMED);

        must(read_from(world, head_work, &before));
        must(write_to(world, sweep_work, &sweeping));
        assert_int_equal(sweeping.moved, 2);
        must(read_from(world, head_work, &after));
        assert_int_equal(after.size, before.size + 2);
        assert_int_equal(reload(world, &waiting).state, ACTION_EXPIRED);
        assert_int_equal(reload(world, &approved).state, ACTION_LAPSED);
        /* What runs, runs: a claim is never taken back. */
        assert_int_equal(reload(world, &claimed).state, ACTION_CLAIMED);
        must(write_to(world, sweep_work, &sweeping));
        assert_int_equal(sweeping.moved, 0);
        /* The clock goes back: what has ended stays ended. */
        decision.now_ms = waiting.row.created_ms;
        assert_false(write_to(world, decide_work, &decision));
        assert_int_equal(err.code, ERR_ACTION_NOT_PENDING);
}

/* ---- at once ------------------------------------------------------------------------------------- */

/* ---- running ------------------------------------------------------------------------------------- */

/* ---- apart --------------------------------------------------------------------------------------- */

static bool foreign_get_work(struct tx *tx, void *arg, struct err *error)
{
        struct by_id *by_id = arg;

        return approvals_get(tx, by_id->world->workspace, by_id->id, &by_id->ret, error);
}

static bool foreign_note_work(struct tx *tx, void *arg, struct err *error)
{
        struct by_id *by_id = arg;
        struct log_position position = {.epoch = 1, .seq = 1};

        /* An id that is not there leaves no trace, and is no error. */
        return approvals_note_entry(tx, by_id->id, &position, error);
}

static void another_tenants_cell_knows_nothing_of_it(void **state)
{
        struct world *world = *state;
        struct action action = submit(world, "container.remove", "test");
        struct tenancy_plan plan = {.name = STR("other"),
                                    .tier = STR("basic"),
                                    .region = STR("eu"),
                                    .administrator = STR("eve")};
        struct by_id by_id = {.world = world, .id = action.row.id, .now_ms = clock_now_ms()};
        struct id never = id_new("act");
        struct cell_ref other;
        struct err first;

        must(tenancy_make(&world->services, &plan, STR(""), &err));
        other = (struct cell_ref){id_str(&plan.tenant), STR("eu")};
        assert_false(store_read(world->services.store, &other, NULL, foreign_get_work, &by_id, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        first = err;
        by_id.id = id_str(&never);
        assert_false(store_read(world->services.store, &other, NULL, foreign_get_work, &by_id, &err));
        assert_string_equal(err.message, first.message);
        assert_string_equal(err.place, first.place);
        by_id.id = action.row.id;
        assert_false(store_write(world->services.store, &other, NULL, cancel_work, &by_id, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        must(store_write(world->services.store, &other, NULL, foreign_note_work, &by_id, &err));
        assert_int_equal(reload(world, &action).state, ACTION_PENDING);
}

static void another_workspace_knows_nothing_of_it(void **state)
{
        struct world *world = *state;
        struct action action = submit(world, "container.remove", "test");
        struct by_id by_id = {.world = world, .id = action.row.id};
        struct str own = world->workspace;

        world->workspace = STR("wsp_01jd3q4r5s6t7v8w9x0y1z2a3b");
        assert_false(read_from(world, get_work, &by_id));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        world->workspace = own;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_only_reads_is_approved_at_once),
                TEST(what_does_more_never_runs_without_a_requirement),
                TEST(a_denied_action_is_recorded_and_over),
                TEST(two_are_needed_where_the_rule_says_two),
                TEST(the_claims_envelope_satisfies_an_executor),
                TEST(one_person_decides_once_with_any_key),
                TEST(who_asks_never_counts),
                TEST(who_is_not_on_the_roster_does_not_count),
                TEST(a_signature_is_for_one_action_and_one_verdict),
                TEST(one_signed_no_ends_it),
                TEST(whoever_left_the_roster_stops_counting),
                TEST(of_two_rosters_at_once_one_stands),
                TEST(only_people_of_the_tenant_stand_on_its_roster),
                TEST(what_is_late_is_late_everywhere),
                TEST(another_tenants_cell_knows_nothing_of_it),
                TEST(another_workspace_knows_nothing_of_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
