/* SPDX-License-Identifier: Apache-2.0 */
/* A tenant with people, a roster, an agent and an executor, and the steps of an action. Included by tests
 * only. */
#pragma once

#include "store/test/fixture.h"

#include "api/services.h"
#include "approvals/approvals.h"
#include "approvals/entry.h"
#include "base/base64.h"
#include "base/clock.h"
#include "crypto/envelope.h"
#include "identity/authenticate.h"
#include "keys/tenant_keys.h"
#include "policy/policy.h"
#include "tenancy/tenancy.h"

#include <stdlib.h>

enum { PEOPLE = 4 };

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

static inline void must(bool ok)
{
        if (!ok)
                fail_msg("%s: %s (%s)", err_name(err.code), err.message, err.place);
}

static inline bool write_to(struct world *world, store_work work, void *arg)
{
        return store_write(world->services.store, &world->cell, &world->arena, work, arg, &err);
}

static inline bool read_from(struct world *world, store_work work, void *arg)
{
        return store_read(world->services.store, &world->cell, &world->arena, work, arg, &err);
}

/* ---- the world ----------------------------------------------------------------------------------- */

static inline struct ed25519_key *new_key(char ret_keyid[ED25519_KEY_ID_SIZE])
{
        uint8_t seed[ED25519_SEED_SIZE];
        struct ed25519_key *key;

        ed25519_seed_new(seed);
        must(ed25519_key_from_seed(seed, &key, &err));
        ed25519_key_id(ed25519_key_public(key), ret_keyid);
        return key;
}

static inline bool staff_work(struct tx *tx, void *arg, struct err *error)
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

static inline bool put_work(struct tx *tx, void *arg, struct err *error)
{
        struct put *put = arg;

        return approvals_roster_put(tx, &put->envelope, clock_now_ms(), put->ret, error);
}

/* The next version with the first `count` people; the first administers and signs it. */
static inline bool put_roster(struct world *world, unsigned count, struct roster *ret)
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

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

/* ---- what a step says, and what stands ------------------------------------------------------------- */

struct by_id {
        struct world *world;
        struct str id;
        int64_t now_ms;
        struct action ret;
        bool moved;
};

static inline bool get_work(struct tx *tx, void *arg, struct err *error)
{
        struct by_id *by_id = arg;

        return approvals_get(tx, by_id->world->workspace, by_id->id, &by_id->ret, error) &&
               approvals_decisions(tx, &by_id->ret, error);
}

static inline struct action reload(struct world *world, const struct action *action)
{
        struct by_id by_id = {.world = world, .id = action->row.id};

        must(read_from(world, get_work, &by_id));
        return by_id.ret;
}

static inline void assert_same_text(const char *column, struct str a, struct str b)
{
        if ((a.ptr == NULL) != (b.ptr == NULL) || !str_eq(a, b))
                fail_msg("%s: \"%.*s\" is not \"%.*s\"", column, STR_ARG(a), STR_ARG(b));
}

static inline void assert_same_row(const struct sql_action_get_row *a, const struct sql_action_get_row *b)
{
#define SAME_TEXT(column) assert_same_text(#column, a->column, b->column)
#define SAME(column) assert_int_equal(a->column, b->column)
        SAME_TEXT(id), SAME_TEXT(workspace_id), SAME_TEXT(state), SAME(revision), SAME_TEXT(environment);
        SAME_TEXT(connector), SAME_TEXT(operation), SAME_TEXT(target), SAME_TEXT(effect);
        SAME_TEXT(requester_id), SAME_TEXT(rule), SAME(has_decisions), SAME(decisions), SAME_TEXT(roles);
        SAME_TEXT(digest), SAME_TEXT(statement), SAME_TEXT(task_name), SAME_TEXT(instruction);
        SAME(created_ms), SAME(expires_ms), SAME(has_decided_ms), SAME(decided_ms), SAME(has_closed_ms);
        SAME(closed_ms), SAME_TEXT(claim_id), SAME_TEXT(executor_id), SAME_TEXT(report_sha256);
        SAME_TEXT(outcome), SAME_TEXT(message), SAME_TEXT(sealed_message), SAME(keeps_content);
        SAME_TEXT(content_key), SAME(has_started_ms), SAME(started_ms), SAME(has_ended_ms), SAME(ended_ms);
        SAME(has_output_bytes), SAME(output_bytes), SAME_TEXT(output_sha256), SAME(has_output_truncated);
        SAME(output_truncated), SAME(output_sent), SAME(output_kept), SAME_TEXT(settled_by);
#undef SAME
#undef SAME_TEXT
}

/* A step answers with what it wrote, without reading it again: it must be what a reader finds. */
static inline void assert_stands(struct world *world, const struct action *action)
{
        struct action found = reload(world, action);

        assert_int_equal(action->state, found.state);
        assert_same_row(&action->row, &found.row);
        if (action->has_decisions)
                assert_int_equal(action->decision_count, found.decision_count);
}

/* ---- steps --------------------------------------------------------------------------------------- */

struct submission {
        struct action_new action;
        struct action *ret;
};

static inline bool submit_work(struct tx *tx, void *arg, struct err *error)
{
        struct submission *submission = arg;

        return approvals_submit(tx, &submission->action, submission->ret, error);
}

struct wish {
        const char *operation, *environment;
        const char *connector; /* NULL: docker */
        struct str target;     /* its id, known as "acme"; NULL: the container "web" */
        struct str requester;
        int64_t created_ms, lasts_ms;
        bool denied;
        bool without_requirement;
};

static inline bool try_submit(struct world *world, const struct wish *wish, struct action *ret)
{
        static const char container[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        struct str connector = wish->connector ? str_from(wish->connector) : STR("docker");
        const struct catalogue_operation *operation = catalogue_find(connector, str_from(wish->operation));
        struct id id = id_new("act");
        struct statement statement = {
                .action = arena_str(&world->arena, id_str(&id)),
                .tenant = world->cell.tenant,
                .workspace = world->workspace,
                .environment = str_from(wish->environment),
                .connector = connector,
                .operation = str_from(wish->operation),
                .effect = operation->effect,
                .has_target = operation->target != TARGET_NONE,
                .target_name = wish->target.ptr ? wish->target : STR("web"),
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
                statement.fact_count = wish->target.ptr ? 2 : 1;
                statement.facts[0] = (struct statement_fact){
                        STR("id"), wish->target.ptr ? wish->target : str_from(container)};
                statement.facts[1] = (struct statement_fact){STR("known_as"), STR("acme")};
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
        submission.action.task_name = STR("clean up");
        if (!write_to(world, submit_work, &submission))
                return false;
        assert_stands(world, ret);
        return true;
}

static inline struct action submit(struct world *world, const char *operation, const char *environment)
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

static inline bool decide_work(struct tx *tx, void *arg, struct err *error)
{
        struct decision *decision = arg;

        return approvals_decide(tx, &decision->decide, decision->now_ms, &decision->ret, error);
}

/* Signs with the person's first or second key. The result lives in the world's arena. */
static inline struct action_decide sign(struct world *world, const struct action *action, int person,
                                        int key, enum verdict verdict)
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
                                      .roster = &world->roster,
                                      .seen = action};
}

static inline bool decide_with(struct world *world, struct action *action, int person, int key,
                               enum verdict verdict)
{
        struct decision decision = {.decide = sign(world, action, person, key, verdict),
                                    .now_ms = clock_now_ms()};

        if (!approvals_check_decision(&world->arena, action, &decision.decide, &err) ||
            !write_to(world, decide_work, &decision))
                return false;
        *action = decision.ret;
        assert_stands(world, action);
        return true;
}

static inline bool approve(struct world *world, struct action *action, int person)
{
        return decide_with(world, action, person, 0, VERDICT_APPROVE);
}

static inline bool cancel_work(struct tx *tx, void *arg, struct err *error)
{
        struct by_id *by_id = arg;

        return approvals_cancel(tx, by_id->world->workspace, by_id->id, by_id->now_ms, &by_id->ret, error);
}

struct claiming {
        struct str workspace, action;
        struct action_claim claim;
        int64_t now_ms;
        struct action ret;
        struct dsse_envelope envelope;
};

static inline bool claim_work(struct tx *tx, void *arg, struct err *error)
{
        struct claiming *claiming = arg;

        return approvals_get(tx, claiming->workspace, claiming->action, &claiming->ret, error) &&
               approvals_claim(tx, &claiming->claim, claiming->now_ms, &claiming->ret, &claiming->envelope,
                               error);
}

static inline struct claiming claiming_of(struct world *world, const struct action *action)
{
        return (struct claiming){.workspace = world->workspace,
                                 .action = action->row.id,
                                 .claim = {.executor = id_str(&world->executor),
                                           .environment = action->row.environment,
                                           .roster = &world->roster},
                                 .now_ms = clock_now_ms()};
}

static inline bool claim(struct world *world, struct action *action, struct dsse_envelope *ret_envelope)
{
        struct claiming claiming = claiming_of(world, action);

        if (!write_to(world, claim_work, &claiming))
                return false;
        *action = claiming.ret;
        assert_stands(world, action);
        if (ret_envelope)
                *ret_envelope = claiming.envelope;
        return true;
}

/* A claimed action. */
static inline struct action run(struct world *world)
{
        struct action action = submit(world, "container.remove", "test");

        must(approve(world, &action, 0));
        must(claim(world, &action, NULL));
        return action;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
