/* SPDX-License-Identifier: Apache-2.0 */
/* The life of actions over a real store: every rule, and what happens when two do the same at once. */
#include "store/test/fixture.h"

#include "api/services.h"
#include "approvals/approvals.h"
#include "approvals/entry.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "crypto/envelope.h"
#include "identity/authenticate.h"
#include "keys/tenant_keys.h"
#include "log/log.h"
#include "policy/policy.h"
#include "tenancy/tenancy.h"

#include <pthread.h>
#include <stdlib.h>

enum { PEOPLE = 4, THREADS = 8 };

static struct err err;

struct person {
        struct ed25519_key *key, *second_key;
        struct id id;
        char keyid[ED25519_KEY_ID_SIZE], second_keyid[ED25519_KEY_ID_SIZE];
};

/* A tenant with four people; the first three are approvers on the roster, the first an administrator. */
struct world {
        struct fixture *fixture;
        struct envelope *envelope;
        struct tenant_keys *keys;
        struct services services;
        struct arena arena;
        struct tenancy_plan plan;
        struct cell_ref cell;
        struct str workspace;
        struct person people[PEOPLE];
        struct id agent;
        struct roster roster;
        struct id executor;
        struct ed25519_key *executor_key;
};

static void must(bool ok)
{
        if (!ok)
                fail_msg("%s: %s (%s)", err_name(err.code), err.message, err.place);
}

static bool write_to(struct world *world, store_work work, void *arg)
{
        return store_write(world->services.store, &world->cell, &world->arena, work, arg, &err);
}

static bool read_from(struct world *world, store_work work, void *arg)
{
        return store_read(world->services.store, &world->cell, &world->arena, work, arg, &err);
}

/* ---- the world ----------------------------------------------------------------------------------- */

static struct ed25519_key *new_key(char ret_keyid[ED25519_KEY_ID_SIZE])
{
        uint8_t seed[ED25519_SEED_SIZE];
        struct ed25519_key *key;

        ed25519_seed_new(seed);
        must(ed25519_key_from_seed(seed, &key, &err));
        ed25519_key_id(ed25519_key_public(key), ret_keyid);
        return key;
}

static bool staff_work(struct tx *tx, void *arg, struct err *error)
{
        struct world *world = arg;
        struct identity_principal agent = {
                .kind = PRINCIPAL_AGENT, .name = STR("bot"), .roles = ROLE_BIT(ROLE_AGENT)};

        for (int i = 0; i < PEOPLE; i++) {
                struct identity_principal person = {
                        .kind = PRINCIPAL_USER, .name = STR("somebody"), .roles = ROLE_BIT(ROLE_APPROVER)};

                if (!identity_principal_create(tx, &person, clock_now_ms(), error))
                        return false;
                world->people[i].id = id_from(person.id);
        }
        if (!identity_principal_create(tx, &agent, clock_now_ms(), error))
                return false;
        world->agent = id_from(agent.id);
        return true;
}

struct put {
        struct dsse_envelope envelope;
        struct roster *ret;
};

static bool put_work(struct tx *tx, void *arg, struct err *error)
{
        struct put *put = arg;

        return approvals_roster_put(tx, &put->envelope, clock_now_ms(), put->ret, error);
}

/* The next version with the first `count` people; the first administers and signs it. */
static bool put_roster(struct world *world, unsigned count, struct roster *ret)
{
        struct roster_member members[PEOPLE + 1] = {0};
        struct roster_key keys[PEOPLE][2];
        struct dsse_signature signature;
        struct put put = {.ret = ret};
        struct roster roster = {.tenant = world->cell.tenant,
                                .version = world->roster.version + 1,
                                .previous = world->roster.version ? world->roster.digest : STR(""),
                                .threshold = 1,
                                .member_count = count,
                                .members = members,
                                .created_ms = clock_now_ms()};
        struct str bytes;

        for (unsigned i = 0; i < count; i++) {
                keys[i][0].public_key = *ed25519_key_public(world->people[i].key);
                keys[i][1].public_key = *ed25519_key_public(world->people[i].second_key);
                members[i] = (struct roster_member){.principal = id_str(&world->people[i].id),
                                                    .name = STR("somebody"),
                                                    .administrator = i == 0,
                                                    .approver = true,
                                                    .key_count = 2,
                                                    .keys = keys[i]};
        }
        must(roster_build(&world->arena, &roster, &bytes, &err));
        must(dsse_sign(&world->arena, world->people[0].key, STR(ROSTER_PAYLOAD_TYPE), bytes, &signature,
                       &err));
        put.envelope = (struct dsse_envelope){.payload_type = STR(ROSTER_PAYLOAD_TYPE),
                                              .payload = bytes,
                                              .signatures = &signature,
                                              .count = 1};
        return write_to(world, put_work, &put);
}

static int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));
        char ignored[ED25519_KEY_ID_SIZE];
        bool made;

        assert_non_null(world);
        world->fixture = fixture_new(NULL);
        must(envelope_open_ephemeral(&world->envelope, &err));
        must(tenant_keys_new(world->envelope, &world->keys, &err));
        store_set_keys(world->fixture->store, world->keys);
        arena_init(&world->arena, 64 << 20);
        world->services = (struct services){
                .store = world->fixture->store, .envelope = world->envelope, .region = STR("eu")};
        world->services.identity = identity_new(&world->services);
        must(tenancy_bootstrap(&world->services, STR("eu"), &world->plan, &made, &err));
        world->cell = (struct cell_ref){id_str(&world->plan.tenant), STR("eu")};
        world->workspace = id_str(&world->plan.workspace);
        must(write_to(world, staff_work, world));
        for (int i = 0; i < PEOPLE; i++) {
                world->people[i].key = new_key(world->people[i].keyid);
                world->people[i].second_key = new_key(world->people[i].second_keyid);
        }
        must(put_roster(world, 3, &world->roster));
        world->executor = id_new("exe");
        world->executor_key = new_key(ignored);
        *state = world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;

        for (int i = 0; i < PEOPLE; i++) {
                ed25519_key_free(world->people[i].key);
                ed25519_key_free(world->people[i].second_key);
        }
        ed25519_key_free(world->executor_key);
        identity_free(world->services.identity);
        arena_done(&world->arena);
        fixture_free(world->fixture);
        tenant_keys_free(world->keys);
        envelope_free(world->envelope);
        free(world);
        return 0;
}

/* ---- steps --------------------------------------------------------------------------------------- */

struct submission {
        struct action_new action;
        struct action *ret;
};

static bool submit_work(struct tx *tx, void *arg, struct err *error)
{
        struct submission *submission = arg;

        return approvals_submit(tx, &submission->action, submission->ret, error);
}

struct wish {
        const char *operation, *environment;
        struct str requester;
        int64_t created_ms, lasts_ms;
        bool denied;
        bool without_requirement;
};

static bool try_submit(struct world *world, const struct wish *wish, struct action *ret)
{
        static const char container[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        const struct catalogue_operation *operation =
                catalogue_find(STR("docker"), str_from(wish->operation));
        struct id id = id_new("act");
        struct statement statement = {
                .action = arena_str(&world->arena, id_str(&id)),
                .tenant = world->cell.tenant,
                .workspace = world->workspace,
                .environment = str_from(wish->environment),
                .connector = STR("docker"),
                .operation = str_from(wish->operation),
                .effect = operation->effect,
                .has_target = operation->target != TARGET_NONE,
                .target_name = STR("web"),
                .requester_id = wish->requester.ptr ? wish->requester : id_str(&world->agent),
                .requester_kind = STR("agent"),
                .requester_name = STR("bot"),
                .created_ms = wish->created_ms ? wish->created_ms : clock_now_ms(),
        };
        struct policy_input input = {.environment = statement.environment, .operation = operation};
        struct submission submission = {.ret = ret};
        struct policy_decision decision;
        uint8_t nonce[STATEMENT_NONCE_BYTES];

        random_bytes(nonce, sizeof(nonce));
        policy_decide(policy_set_builtin(), &input, &world->arena, NULL, &decision);
        if (statement.has_target) {
                statement.fact_count = 1;
                statement.facts[0] = (struct statement_fact){STR("id"), str_from(container)};
        }
        must(catalogue_parameters_fill(&world->arena, operation, NULL, &statement.parameters, &err));
        statement.rule = decision.rule;
        statement.policy = decision.digest;
        statement.decisions = wish->without_requirement ? 0 : decision.decisions;
        statement.role_count = statement.decisions ? decision.role_count : 0;
        statement.roles[0] = decision.roles[0];
        statement.nonce = base64url_encode(&world->arena, str_make(nonce, sizeof(nonce)));
        statement.expires_ms = statement.created_ms + (wish->lasts_ms ? wish->lasts_ms : 3600000);
        must(statement_build(&world->arena, &statement, &submission.action.bytes, &err));
        submission.action.statement = &statement;
        submission.action.digest = statement_digest(&world->arena, submission.action.bytes);
        submission.action.denied = wish->denied;
        return write_to(world, submit_work, &submission);
}

static struct action submit(struct world *world, const char *operation, const char *environment)
{
        struct wish wish = {.operation = operation, .environment = environment};
        struct action action;

        must(try_submit(world, &wish, &action));
        return action;
}

struct decision {
        struct action_decide decide;
        int64_t now_ms;
        struct action ret;
};

static bool decide_work(struct tx *tx, void *arg, struct err *error)
{
        struct decision *decision = arg;

        return approvals_decide(tx, &decision->decide, decision->now_ms, &decision->ret, error);
}

/* Signs with the person's first or second key. The result lives in the world's arena. */
static struct action_decide sign(struct world *world, const struct action *action, int person, int key,
                                 enum verdict verdict)
{
        const struct person *who = &world->people[person];
        struct dsse_signature signature;

        must(dsse_sign(&world->arena, key ? who->second_key : who->key,
                       verdict == VERDICT_APPROVE ? STR(STATEMENT_PAYLOAD_TYPE)
                                                  : STR(REJECTION_PAYLOAD_TYPE),
                       action->row.statement, &signature, &err));
        return (struct action_decide){.workspace = world->workspace,
                                      .action = action->row.id,
                                      .principal = id_str(&who->id),
                                      .verdict = verdict,
                                      .signature = signature,
                                      .roster = &world->roster};
}

static bool decide_with(struct world *world, struct action *action, int person, int key,
                        enum verdict verdict)
{
        struct decision decision = {.decide = sign(world, action, person, key, verdict),
                                    .now_ms = clock_now_ms()};

        if (!approvals_check_decision(&world->arena, action, &decision.decide, &err) ||
            !write_to(world, decide_work, &decision))
                return false;
        *action = decision.ret;
        return true;
}

static bool approve(struct world *world, struct action *action, int person)
{
        return decide_with(world, action, person, 0, VERDICT_APPROVE);
}

struct by_id {
        struct world *world;
        struct str id;
        int64_t now_ms;
        struct action ret;
        bool moved;
};

static bool get_work(struct tx *tx, void *arg, struct err *error)
{
        struct by_id *by_id = arg;

        return approvals_get(tx, by_id->world->workspace, by_id->id, &by_id->ret, error);
}

static bool cancel_work(struct tx *tx, void *arg, struct err *error)
{
        struct by_id *by_id = arg;

        return approvals_cancel(tx, by_id->world->workspace, by_id->id, by_id->now_ms, &by_id->ret, error);
}

static struct action reload(struct world *world, const struct action *action)
{
        struct by_id by_id = {.world = world, .id = action->row.id};

        must(read_from(world, get_work, &by_id));
        return by_id.ret;
}

struct claiming {
        struct action_claim claim;
        int64_t now_ms;
        struct action ret;
        struct dsse_envelope envelope;
};

static bool claim_work(struct tx *tx, void *arg, struct err *error)
{
        struct claiming *claiming = arg;

        return approvals_claim(tx, &claiming->claim, claiming->now_ms, &claiming->ret, &claiming->envelope,
                               error);
}

static struct claiming claiming_of(struct world *world, const struct action *action)
{
        return (struct claiming){.claim = {.workspace = world->workspace,
                                           .action = action->row.id,
                                           .executor = id_str(&world->executor),
                                           .environment = action->row.environment,
                                           .roster = &world->roster},
                                 .now_ms = clock_now_ms()};
}

static bool claim(struct world *world, struct action *action, struct dsse_envelope *ret_envelope)
{
        struct claiming claiming = claiming_of(world, action);

        if (!write_to(world, claim_work, &claiming))
                return false;
        *action = claiming.ret;
        if (ret_envelope)
                *ret_envelope = claiming.envelope;
        return true;
}

/* A claimed action. */
static struct action run(struct world *world)
{
        struct action action = submit(world, "container.remove", "test");

        must(approve(world, &action, 0));
        must(claim(world, &action, NULL));
        return action;
}

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

struct racer {
        struct world *world;
        pthread_barrier_t *start;
        store_work work;
        void *arg;
        bool won;
        struct err err;
};

static void *race(void *arg)
{
        struct racer *racer = arg;

        (void)pthread_barrier_wait(racer->start);
        racer->won = store_write(racer->world->services.store, &racer->world->cell, NULL, racer->work,
                                 racer->arg, &racer->err);
        return NULL;
}

/* Runs the racers together; how many won. */
static unsigned run_race(struct racer *racers, unsigned count)
{
        pthread_t threads[THREADS];
        pthread_barrier_t start;
        unsigned won = 0;

        assert_int_equal(pthread_barrier_init(&start, NULL, count), 0);
        for (unsigned i = 0; i < count; i++) {
                racers[i].start = &start;
                assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (unsigned i = 0; i < count; i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                won += racers[i].won ? 1 : 0;
        }
        (void)pthread_barrier_destroy(&start);
        return won;
}

static void a_claim_is_won_once(void **state)
{
        struct world *world = *state;

        for (int round = 0; round < 20; round++) {
                struct action action = submit(world, "container.remove", "test");
                struct claiming claiming[THREADS];
                struct racer racers[THREADS];
                struct id executors[THREADS];
                struct action after;

                must(approve(world, &action, 0));
                for (int i = 0; i < THREADS; i++) {
                        executors[i] = id_new("exe");
                        claiming[i] = claiming_of(world, &action);
                        claiming[i].claim.executor = id_str(&executors[i]);
                        racers[i] = (struct racer){.world = world, .work = claim_work, .arg = &claiming[i]};
                }
                assert_int_equal(run_race(racers, THREADS), 1);
                after = reload(world, &action);
                assert_int_equal(after.state, ACTION_CLAIMED);
                for (int i = 0; i < THREADS; i++) {
                        if (racers[i].won)
                                assert_true(str_is(after.row.executor_id, executors[i].text));
                        else
                                assert_int_equal(racers[i].err.code, ERR_ACTION_NOT_APPROVED);
                }
                /* The winner cannot claim again either. */
                assert_false(claim(world, &action, NULL));
                assert_int_equal(err.code, ERR_ACTION_NOT_APPROVED);
        }
}

static void two_deciders_at_once_make_one_approval(void **state)
{
        struct world *world = *state;

        for (int round = 0; round < 20; round++) {
                struct action action = submit(world, "container.remove", "test");
                struct decision decisions[3];
                struct racer racers[3];

                for (int i = 0; i < 3; i++) {
                        decisions[i] =
                                (struct decision){.decide = sign(world, &action, i, 0,
                                                                 i == 2 ? VERDICT_REJECT : VERDICT_APPROVE),
                                                  .now_ms = clock_now_ms()};
                        racers[i] =
                                (struct racer){.world = world, .work = decide_work, .arg = &decisions[i]};
                }
                assert_int_equal(run_race(racers, 3), 1);
                for (int i = 0; i < 3; i++)
                        if (!racers[i].won)
                                assert_int_equal(racers[i].err.code, ERR_ACTION_NOT_PENDING);
                assert_int_equal(reload(world, &action).state,
                                 racers[2].won ? ACTION_REJECTED : ACTION_APPROVED);
        }
}

static void one_person_twice_at_once_counts_once(void **state)
{
        struct world *world = *state;

        for (int round = 0; round < 20; round++) {
                struct action action = submit(world, "container.remove", "prd");
                struct decision decisions[THREADS];
                struct racer racers[THREADS];

                for (int i = 0; i < THREADS; i++) {
                        decisions[i] =
                                (struct decision){.decide = sign(world, &action, 0, i % 2, VERDICT_APPROVE),
                                                  .now_ms = clock_now_ms()};
                        racers[i] =
                                (struct racer){.world = world, .work = decide_work, .arg = &decisions[i]};
                }
                assert_int_equal(run_race(racers, THREADS), 1);
                assert_int_equal(reload(world, &action).state, ACTION_PENDING);
        }
}

static void cancels_and_claims_at_once_have_one_winner(void **state)
{
        struct world *world = *state;

        for (int round = 0; round < 20; round++) {
                struct action action = submit(world, "container.remove", "test");
                struct by_id cancels[4];
                struct claiming claims[4];
                struct racer racers[THREADS];
                enum action_state after;

                must(approve(world, &action, 0));
                for (int i = 0; i < 4; i++) {
                        cancels[i] = (struct by_id){
                                .world = world, .id = action.row.id, .now_ms = clock_now_ms()};
                        claims[i] = claiming_of(world, &action);
                        racers[2 * i] =
                                (struct racer){.world = world, .work = cancel_work, .arg = &cancels[i]};
                        racers[2 * i + 1] =
                                (struct racer){.world = world, .work = claim_work, .arg = &claims[i]};
                }
                assert_int_equal(run_race(racers, THREADS), 1);
                after = reload(world, &action).state;
                for (int i = 0; i < 4; i++) {
                        if (racers[2 * i].won)
                                assert_int_equal(after, ACTION_CANCELLED);
                        if (racers[2 * i + 1].won)
                                assert_int_equal(after, ACTION_CLAIMED);
                }
        }
}

/* ---- running ------------------------------------------------------------------------------------- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
                TEST(a_claim_is_won_once),
                TEST(two_deciders_at_once_make_one_approval),
                TEST(one_person_twice_at_once_counts_once),
                TEST(cancels_and_claims_at_once_have_one_winner),
                TEST(another_environments_executor_finds_nothing),
                TEST(output_has_no_gaps_and_no_repeats),
                TEST(output_beyond_the_cap_is_counted_not_kept),
                TEST(only_the_claims_executor_prints),
                TEST(every_outcome_leads_where_the_table_says),
                TEST(only_what_is_unknown_is_settled_and_once),
                TEST(a_report_is_by_the_claims_executor_about_the_claim),
                TEST(nothing_is_reported_that_was_not_claimed),
                TEST(another_tenants_cell_knows_nothing_of_it),
                TEST(another_workspace_knows_nothing_of_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
