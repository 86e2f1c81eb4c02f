/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions against the rules as they are written (Cedar's, src/access/rules.h):
 * random bindings and conditions, random questions, every binding looked at by
 * itself.
 */
#include "store/test/fixture.h"

#include "access/access.h"
#include "access/access_sql.h"
#include "api/services.h"
#include "crypto/envelope.h"
#include "identity/authenticate.h"
#include "tenancy/tenancy.h"

#include <stdlib.h>

enum { ROUNDS = 25, QUESTIONS = 400, BINDINGS_MOST = 120, WORKSPACES = 3, ROLES = 6 };

static struct err err;
static uint64_t random_state = 20261121;

static uint32_t dice(uint32_t sides)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (uint32_t)(random_state >> 32) % sides;
}

static void must(bool ok)
{
        if (!ok)
                fail_msg("%s: %s", err_name(err.code), err.message);
}

struct world {
        struct fixture *fixture;
        struct envelope *envelope;
        struct services services;
        struct tenancy_plan first;
        struct cell_ref cell;
        struct id organization;
        struct id workspaces[WORKSPACES];
        struct id roles[ROLES];
        struct id group;
        struct access_rules *rules;
        uint32_t tally[5];
};

/* ---- bindings ------------------------------------------------------------------------------------- */

/* Of the tenant's own, so that permissions for owners and for other programs are among them. */
static const char *const role_permissions[ROLES][2] = {
        {"log.read action.read x:todo.read", ""},
        {"action.read action.submit", "action.cancel x:todo.write"},
        {"action.submit x:todo.write", "x:todo.read"},
        {"action.submit x:todo.write", "key.manage"},
        {"", "action.read action.cancel"},
        {"log.read key.manage", "key.manage"},
};

static const char *const conditions[] = {
        "environment == 'prd'",
        "environment in ['stg', 'tst'] && time.getHours('Europe/Prague') >= 9",
        "cidr('10.%d.0.0/16').containsIP(network.address)",
        "network.address.startsWith('10.%d.') || principal.name == 'p%d'",
        "resource.labels.team == 'team-%d'",
        "resource.labels.none == 'x' || resource.region == 'r%d'",
        "!(resource.region in ['r%d', 'r2'])",
        "resource.owner == principal.id && resource.type == 'action'",
        "authentication.second_factor_age < duration('%dm')",
        "'g%d' in principal.groups || resource.id == 'act_%d'",
        "resource.properties.n == %d",
        "action.name.startsWith('action.')",
        "principal.groups.exists(g, g.startsWith('g%d'))",
        "time < timestamp('2026-01-0%dT00:00:00Z')",
        "size(context) == %d",
};

static struct str some_condition(struct arena *arena)
{
        const char *text = conditions[dice(sizeof(conditions) / sizeof(conditions[0]))];
        BUF_SCOPED buf;

        buf_init(&buf, 1024);
        for (; *text; text++)
                if (text[0] == '%' && text[1] == 'd') {
                        buf_printf(&buf, "%u", 1 + dice(3));
                        text++;
                } else {
                        buf_append_str(&buf, str_make(text, 1));
                }
        return arena_str(arena, buf_str(&buf));
}

static bool roles_work(struct tx *tx, void *arg, struct err *e)
{
        struct world *world = arg;
        int64_t changes;

        for (unsigned i = 0; i < ROLES; i++) {
                world->roles[i] = id_new("rol");
                if (!sql_access_role_insert(tx, id_str(&world->roles[i]),
                                            arena_printf(tx_arena(tx), "role-%u", i), STR(""),
                                            str_from(role_permissions[i][0]),
                                            str_from(role_permissions[i][1]), 1, &changes, e))
                        return false;
        }
        world->group = id_new("grp");
        return sql_access_group_insert(tx, id_str(&world->group), STR("g1"), STR(""), 1, &changes, e) &&
               sql_access_member_insert(tx, id_str(&world->group), id_str(&world->first.principal), 1,
                                        &changes, e);
}

static const struct id *some_place(struct world *world, const char **ret_level)
{
        uint32_t place = dice(2 + WORKSPACES);

        *ret_level = place == 0 ? "tenant" : place == 1 ? "organization" : "workspace";
        return place == 0   ? &world->first.tenant
               : place == 1 ? &world->organization
                            : &world->workspaces[place - 2];
}

static bool bind_work(struct tx *tx, void *arg, struct err *e)
{
        struct world *world = arg;
        uint32_t count = dice(BINDINGS_MOST);
        uint32_t bans = dice(8); /* one in so many; 0: none */

        if (!sql_access_scope_bindings_delete(tx, id_str(&world->first.tenant), e) ||
            !sql_access_scope_bindings_delete(tx, id_str(&world->organization), e))
                return false;
        for (unsigned i = 0; i < WORKSPACES; i++)
                if (!sql_access_scope_bindings_delete(tx, id_str(&world->workspaces[i]), e))
                        return false;
        for (uint32_t i = 0; i < count; i++) {
                bool by_group = dice(3) == 0;
                bool built_in = dice(6) == 0;
                const char *level;
                const struct id *place = some_place(world, &level);
                struct id id = id_new("bnd");
                struct sql_access_binding_insert_in in = {
                        .id = id_str(&id),
                        .level = str_from(level),
                        .scope_id = id_str(place),
                        .effect = bans > 0 && dice(bans) == 0 ? STR("forbid") : STR("allow"),
                        .now = 1,
                };

                if (by_group)
                        in.group_id = id_str(&world->group);
                else
                        in.principal_id = id_str(&world->first.principal);
                if (built_in)
                        in.role = STR("contributor");
                else
                        in.role_id = id_str(&world->roles[dice(ROLES)]);
                if (dice(12) > 0)
                        in.condition = some_condition(tx_arena(tx));
                if (!sql_access_binding_insert(tx, &in, e))
                        return false;
        }
        return true;
}

static bool load_work(struct tx *tx, void *arg, struct err *e)
{
        struct world *world = arg;

        return access_rules_load(access_env(world->services.access), tx, id_str(&world->first.principal),
                                 &world->rules, e);
}

/* ---- what should come out --------------------------------------------------------------------------- */

/* True also where there is no condition. */
static enum condition_outcome outcome(const struct world *world, const struct access_rule *rule,
                                      const struct access_facts *facts)
{
        ARENA_SCOPED scratch;

        arena_init(&scratch, 256 * 1024);
        return rule->condition ? condition_evaluate(access_env(world->services.access), rule->condition,
                                                    rule->late, facts, &scratch, NULL, NULL)
                               : CONDITION_TRUE;
}

struct expected {
        bool forbidden, forbidden_always, maybe_forbidden, allowed, maybe_allowed;
};

static void expect_rule(const struct world *world, const struct access_rule *rule, struct access_asked asked,
                        const struct access_facts *facts, struct expected *x)
{
        bool mine = facts->resource_owner.len > 0 &&
                    str_eq(facts->resource_owner, id_str(&world->first.principal));
        bool names = access_set_has(&rule->allows, asked);
        bool names_own = access_set_has(&rule->owner, asked);
        enum condition_outcome how = outcome(world, rule, facts);

        if (rule->forbid) {
                x->forbidden = x->forbidden || (names && (how == CONDITION_TRUE || how == CONDITION_FAILED));
                x->forbidden_always = x->forbidden_always || (names && !rule->condition);
                x->maybe_forbidden = x->maybe_forbidden || (names && how == CONDITION_UNKNOWN);
                return;
        }
        if (how == CONDITION_FALSE || how == CONDITION_FAILED)
                return;
        if (how == CONDITION_TRUE && (names || (names_own && !facts->partial && mine)))
                x->allowed = true;
        else if (names || (names_own && (facts->partial || mine)))
                x->maybe_allowed = true;
}

/* Whether anything anywhere could allow it. */
static bool somewhere(const struct world *world, struct access_asked asked)
{
        const struct access_scope *scopes[3];
        bool found = false;

        for (unsigned w = 0; w < WORKSPACES; w++) {
                size_t count = access_rules_scopes(world->rules, id_str(&world->organization),
                                                   id_str(&world->workspaces[w]), scopes);

                for (size_t i = 0; i < count; i++)
                        for (size_t j = 0; j < scopes[i]->rule_count; j++) {
                                const struct access_rule *rule = &scopes[i]->rules[j];

                                found = found ||
                                        (!rule->forbid &&
                                         (access_set_has(&rule->allows, asked) ||
                                          (rule->condition && access_set_has(&rule->owner, asked))));
                        }
        }
        return found;
}

static enum access_verdict expect(const struct world *world, struct access_asked asked,
                                  const struct access_facts *facts, struct expected *x)
{
        const struct access_scope *scopes[3];
        size_t count = access_rules_scopes(world->rules, facts->organization, facts->workspace, scopes);

        *x = (struct expected){0};
        for (size_t i = 0; i < count; i++)
                for (size_t j = 0; j < scopes[i]->rule_count; j++)
                        expect_rule(world, &scopes[i]->rules[j], asked, facts, x);
        if (x->forbidden)
                return ACCESS_DENY;
        if (!x->allowed && facts->partial && facts->workspace.len == 0 && facts->organization.len == 0)
                x->maybe_allowed = x->maybe_allowed || somewhere(world, asked);
        if (x->allowed && !x->maybe_forbidden)
                return ACCESS_ALLOW;
        return x->allowed || x->maybe_allowed ? ACCESS_UNDECIDED : ACCESS_DENY;
}

/* ---- questions --------------------------------------------------------------------------------------- */

static const struct json *parsed(struct arena *arena, struct str text)
{
        struct json *json = ARENA_NEW(arena, struct json);

        assert_non_null(json);
        must(json_parse(arena, text, json, &err));
        return json;
}

static void some_facts(const struct world *world, struct arena *arena, const struct principal *principal,
                       struct access_facts *ret)
{
        static const char *const environments[] = {"prd", "stg", "tst", ""};
        uint32_t place = dice(3);

        *ret = (struct access_facts){
                .now_ms = 1767225600000 + (int64_t)dice(6 * 24) * 3600000 / 2,
                .peer = dice(8) ? arena_printf(arena, "10.%u.0.1", 1 + dice(5)) : STR("nowhere"),
                .environment = str_from(environments[dice(4)]),
                .resource_type = STR("action"),
                .resource_id = arena_printf(arena, "act_%u", dice(4)),
                .resource_owner = dice(2) ? id_str(&principal->id) : STR("usr_other"),
                .tenant = id_str(&principal->tenant),
                .organization = place > 0 ? id_str(&world->organization) : STR_NULL,
                .workspace = place > 1 ? id_str(&world->workspaces[dice(WORKSPACES)]) : STR_NULL,
                .region = arena_printf(arena, "r%u", dice(4)),
                .labels = dice(3) ? parsed(arena, arena_printf(arena, "{\"team\": \"team-%u\"}", dice(4)))
                                  : NULL,
                .properties = dice(2) ? parsed(arena, arena_printf(arena, "{\"n\": %u}", dice(4))) : NULL,
                .permission = STR("action.read"),
                .principal = principal,
                .partial = dice(2),
        };
        ret->groups = access_rules_groups(world->rules, &ret->group_count);
}

static void ask(struct world *world)
{
        static const char *const permissions[] = {
                "log.read",    "action.read",  "action.submit", "action.cancel", "key.manage",
                "x:todo.read", "x:todo.write", "x:none",        "role.manage",   "action.read"};
        struct principal principal = {.kind = PRINCIPAL_USER,
                                      .id = world->first.principal,
                                      .tenant = world->first.tenant,
                                      .name = dice(2) ? STR("p1") : STR("p9"),
                                      .methods = STR("pwd"),
                                      .second_factor_ms = dice(2) ? 1767225600000 - 90000 : 0};
        struct access_asked asked =
                access_ask(world->rules, str_from(permissions[dice(sizeof(permissions) / sizeof(char *))]));
        struct access_facts facts;
        struct access_answer answer;
        struct expected x;
        enum access_verdict verdict;
        enum condition_outcome how;
        ARENA_SCOPED arena = {0};
        ARENA_SCOPED scratch = {0};

        arena_init(&arena, 1 << 20);
        arena_init(&scratch, 256 * 1024);
        some_facts(world, &arena, &principal, &facts);
        verdict = expect(world, asked, &facts, &x);
        answer = access_decide(world->rules, asked, &facts, &scratch);
        assert_int_equal(answer.verdict, verdict);
        assert_int_equal(answer.forbidden, x.forbidden);
        world->tally[x.forbidden ? 3 : verdict]++;
        if (!answer.rule) {
                assert_true(!x.forbidden || x.forbidden_always);
                return;
        }
        world->tally[4]++;
        how = outcome(world, answer.rule, &facts);
        assert_non_null(answer.rule->condition);
        assert_int_equal(answer.rule->forbid, x.forbidden);
        assert_true(how == CONDITION_TRUE || (x.forbidden && how == CONDITION_FAILED));
        assert_true(access_set_has(&answer.rule->allows, asked) ||
                    access_set_has(&answer.rule->owner, asked));
}

static void decisions_follow_the_rules(void **state)
{
        struct world *world = *state;

        for (unsigned round = 0; round < ROUNDS; round++) {
                must(store_write(world->services.store, &world->cell, NULL, bind_work, world, &err));
                must(store_read(world->services.store, &world->cell, NULL, load_work, world, &err));
                for (unsigned i = 0; i < QUESTIONS; i++)
                        ask(world);
                access_rules_release(world->rules);
        }
        /* Denied, allowed, open, forbidden, decided by a condition: all of them were met. */
        for (unsigned i = 0; i < 5; i++)
                assert_true(world->tally[i] > ROUNDS * QUESTIONS / 40);
}

/* ---- */

static int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));
        bool made;

        assert_non_null(world);
        world->fixture = fixture_new(NULL);
        must(envelope_open_ephemeral(&world->envelope, &err));
        world->services = (struct services){
                .store = world->fixture->store, .envelope = world->envelope, .region = STR("eu")};
        world->services.identity = identity_new(&world->services);
        world->services.access = access_new(&world->services, &err);
        assert_non_null(world->services.identity);
        assert_non_null(world->services.access);
        must(tenancy_start(&world->services, &err));
        must(tenancy_bootstrap(&world->services, STR("eu"), &world->first, &made, &err));
        world->cell = (struct cell_ref){id_str(&world->first.tenant), STR("eu")};
        world->organization = id_new("org");
        for (unsigned i = 0; i < WORKSPACES; i++)
                world->workspaces[i] = id_new("wsp");
        must(store_write(world->services.store, &world->cell, NULL, roles_work, world, &err));
        *state = world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;

        access_free(world->services.access);
        identity_free(world->services.identity);
        envelope_free(world->envelope);
        fixture_free(world->fixture);
        free(world);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(decisions_follow_the_rules),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
