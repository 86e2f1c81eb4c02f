/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What authorization costs with warm caches: a decision over 1,000 bindings of which 200 have conditions,
 * and the whole of a Bearer check with its decision.
 *
 *   access_bench [--seconds N]
 *
 * One JSON object for each line: nanoseconds of CPU for each, of this thread alone, how many conditions bear
 * on what is asked, and the most that it should be.
 */
#include "store/test/fixture.h"

#include "access/access.h"
#include "access/access_sql.h"
#include "api/services.h"
#include "base/clock.h"
#include "crypto/envelope.h"
#include "identity/authenticate.h"
#include "tenancy/tenancy.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BINDINGS = 1000, CONDITIONS = 200, WORKSPACES = 80, STEP = 1000 };

static int64_t run_us = 3000000;

static void check(bool ok, const struct err *err)
{
        if (ok)
                return;
        fprintf(stderr, "%s: %s\n", err_name(err->code), err->message);
        exit(1);
}

#define MIXTURE                                                                                             \
        "environment == 'prd' && resource.labels.team == 'team-%d'",                                        \
                "resource.region == 'eu' && cidr('10.%d.0.0/16').containsIP(network.address)",              \
                "authentication.second_factor_age < duration('10m') && resource.owner == 'usr_%d'",         \
                "time < timestamp('2026-11-01T00:00:00Z') && 'team-%d' in principal.groups",                \
                "has(resource.labels.tier) && resource.labels.tier == 'tier-%d'"

/* What 200 conditions at one place, all about one permission, may look like; %d: 0 to 199. */
static const struct shape {
        const char *name;
        const char *conditions[5]; /* in turn */
        bool bans;
        bool no_labels;
} shapes[] = {
        {.name = "a prefix of the address or a name, none holds",
         .conditions = {"network.address.startsWith('10.%d.') || principal.name == 'p%d'"}},
        {.name = "environment, team and second factor, the first does not match",
         .conditions = {"environment == 'prd' && resource.labels.team == 'team-%d' && "
                        "authentication.second_factor_age < duration('10m')"}},
        {.name = "environment, hour and network, the first match, the last does not",
         .conditions = {"environment in ['stg', 'tst'] && time.getHours('Europe/Prague') >= 6 && "
                        "cidr('10.%d.0.0/16').containsIP(network.address)"}},
        {.name = "200 networks, none holds",
         .conditions = {"cidr('10.%d.0.0/16').containsIP(network.address)"}},
        {.name = "200 hours and days, none holds",
         .conditions = {"time.getHours('Europe/Prague') > 20 + %d && "
                        "time.getDayOfWeek('Europe/Prague') in [1, 2, 3, 4, 5]"}},
        {.name = "200 groups, the principal is in 20 others",
         .conditions = {"'team-%d' in principal.groups"}},
        {.name = "a label that the resource does not have: every condition fails",
         .conditions = {"resource.labels.team == 'team-%d'"},
         .no_labels = true},
        {.name = "200 names in lower case, none is the caller's",
         .conditions = {"principal.name.lowerAscii() == 'person-%d@example.com'"}},
        {.name = "a mixture of five, none holds", .conditions = {MIXTURE}},
        {.name = "a mixture of five as bans, none holds", .conditions = {MIXTURE}, .bans = true},
        {.name = "200 different regular expressions, each evaluated",
         .conditions = {"network.address.matches('^10[.]%d[.]')"}},
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

struct world {
        struct services services;
        struct arena arena;
        struct tenancy_plan first;
        struct id workspaces[WORKSPACES];
        const struct shape *shape; /* of all conditions, at the tenant; NULL: they are spread */
        struct json labels;
};

/* The template with each %d replaced. */
static struct str condition_text(struct arena *arena, const char *text, int number)
{
        BUF_SCOPED buf;

        buf_init(&buf, 1024);
        for (; *text; text++)
                if (text[0] == '%' && text[1] == 'd') {
                        buf_printf(&buf, "%d", number);
                        text++;
                } else {
                        buf_append_str(&buf, str_make(text, 1));
                }
        return arena_str(arena, buf_str(&buf));
}

static struct str condition_of(struct arena *arena, const struct shape *shape, int number)
{
        int count = 1;

        while (count < 5 && shape->conditions[count])
                count++;
        return condition_text(arena, shape->conditions[number % count], number);
}

/* Every fifth binding has a condition. A tenth is at the tenant, the rest at one of the workspaces each. */
static bool bind_work(struct tx *tx, void *arg, struct err *err)
{
        static const char *const roles[] = {"guest", "viewer", "contributor", "operator"};
        struct world *world = arg;
        const struct shape *shape = world->shape ? world->shape : &shapes[0];

        for (int i = 0; i < BINDINGS; i++) {
                bool conditional = i % (BINDINGS / CONDITIONS) == 0;
                bool tenant = world->shape ? conditional : i % 10 == 1 || i % 50 == 0;
                struct id id = id_new("bnd");
                struct sql_access_binding_insert_in in = {
                        .id = id_str(&id),
                        .principal_id = id_str(&world->first.principal),
                        .role = str_from(conditional ? "auditor" : roles[i % 4]),
                        .level = tenant ? STR("tenant") : STR("workspace"),
                        .scope_id = tenant ? id_str(&world->first.tenant)
                                           : id_str(&world->workspaces[i / 5 % WORKSPACES]),
                        .effect = conditional && shape->bans ? STR("forbid") : STR("allow"),
                        .now = clock_now_ms(),
                };

                if (conditional)
                        in.condition = condition_of(tx_arena(tx), shape, i / (BINDINGS / CONDITIONS));
                /* What the bans are against. */
                if (shape->bans && i == 1) {
                        in.role = STR("auditor");
                        in.level = STR("tenant");
                        in.scope_id = id_str(&world->first.tenant);
                }
                if (!sql_access_binding_insert(tx, &in, err))
                        return false;
        }
        return true;
}

/* Groups that hold nothing, for conditions that ask for them. */
static bool groups_work(struct tx *tx, void *arg, struct err *err)
{
        struct world *world = arg;
        int64_t changes;

        for (int i = 0; i < 20; i++) {
                struct id id = id_new("grp");

                if (!sql_access_group_insert(tx, id_str(&id), arena_printf(tx_arena(tx), "people-%d", i),
                                             STR(""), 1, &changes, err) ||
                    !sql_access_member_insert(tx, id_str(&id), id_str(&world->first.principal), 1, &changes,
                                              err))
                        return false;
        }
        return true;
}

static bool unbind_work(struct tx *tx, void *arg, struct err *err)
{
        struct world *world = arg;

        for (int i = 0; i < WORKSPACES; i++)
                if (!sql_access_scope_bindings_delete(tx, id_str(&world->workspaces[i]), err))
                        return false;
        return sql_access_scope_bindings_delete(tx, id_str(&world->first.tenant), err);
}

static int64_t cpu_us(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct access_answer decide(struct world *world, struct access_rules *rules,
                                   const struct principal *principal, enum permission permission, int64_t at)
{
        struct access_facts facts = {.now_ms = 1800000000000,
                                     .peer = STR("192.0.2.1"),
                                     .environment = STR("tst"),
                                     .resource_type = STR("action"),
                                     .resource_id = STR("act_1"),
                                     .resource_owner = STR("usr_1"),
                                     .tenant = id_str(&principal->tenant),
                                     .workspace = id_str(&world->workspaces[at % WORKSPACES]),
                                     .region = STR("eu"),
                                     .labels =
                                             world->shape && world->shape->no_labels ? NULL : &world->labels,
                                     .permission = str_from(permission_name(permission)),
                                     .principal = principal};
        struct access_answer answer;
        ARENA_SCOPED scratch;

        facts.groups = access_rules_groups(rules, &facts.group_count);
        arena_init(&scratch, 256 * 1024);
        answer = access_decide(rules, access_ask_ours(permission), &facts, &scratch);
        return answer;
}

static struct access_rules *rules_of(struct world *world)
{
        struct cell_ref cell = {id_str(&world->first.tenant), STR("eu")};
        struct access_rules *rules;
        struct err err;

        check(access_rules_get(world->services.access, &cell, id_str(&world->first.principal), &rules, &err),
              &err);
        return rules;
}

static double decision_ns(struct world *world, enum permission permission, enum access_verdict wanted)
{
        struct principal principal = {.kind = PRINCIPAL_USER,
                                      .id = world->first.principal,
                                      .tenant = world->first.tenant,
                                      .name = STR("admin"),
                                      .methods = STR("pwd otp"),
                                      .authenticated_ms = 1800000000000 - 3600000,
                                      .second_factor_ms = 1800000000000 - 3600000};
        struct access_rules *rules = rules_of(world);
        int64_t start = cpu_us();
        int64_t count = 0;

        while (cpu_us() - start < run_us)
                for (int i = 0; i < STEP; i++, count++)
                        if (decide(world, rules, &principal, permission, count).verdict != wanted) {
                                fprintf(stderr, "the decision on %s is wrong\n",
                                        permission_name(permission));
                                exit(1);
                        }
        access_rules_release(rules);
        return (double)(cpu_us() - start) * 1000 / (double)count;
}

/* As the pipeline does it: who holds the token, its rules from the cache, the decision. */
static double whole_ns(struct world *world)
{
        struct str token = str_from(world->first.credential.text);
        struct principal principal;
        struct err err;
        int64_t start;
        int64_t count = 0;

        check(identity_authenticate(world->services.identity, &world->arena, token, clock_now_ms(),
                                    &principal, &err),
              &err);
        access_rules_release(rules_of(world));
        start = cpu_us();
        while (cpu_us() - start < run_us)
                for (int i = 0; i < STEP; i++, count++) {
                        struct arena_mark mark = arena_mark(&world->arena);
                        struct access_rules *rules;

                        if (identity_authenticate_quick(world->services.identity, &world->arena, token,
                                                        clock_now_ms(), &principal, &err) != LOOKUP_FOUND)
                                check(false, &err);
                        rules = access_rules_quick(world->services.access, id_str(&principal.id));
                        if (!rules ||
                            decide(world, rules, &principal, PERMISSION_ACTION_READ, count).verdict !=
                                    ACCESS_ALLOW) {
                                fprintf(stderr, "not remembered, or not allowed\n");
                                exit(1);
                        }
                        access_rules_release(rules);
                        arena_rewind(&world->arena, mark);
                }
        return (double)(cpu_us() - start) * 1000 / (double)count;
}

static void bind(struct world *world, const struct shape *shape)
{
        struct cell_ref cell = {id_str(&world->first.tenant), STR("eu")};
        struct err err;

        check(store_write(world->services.store, &cell, NULL, unbind_work, world, &err), &err);
        world->shape = shape;
        check(store_write(world->services.store, &cell, NULL, bind_work, world, &err), &err);
        access_hear(world->services.access, STR_NULL);
}

static void say(const char *what, int conditions, double ns, int most_ns)
{
        printf("{\"bench\": \"%s\", \"conditions\": %d, \"ns\": %.0f, \"most_ns\": %d}\n", what, conditions,
               ns, most_ns);
        (void)fflush(stdout);
}

static void run(struct world *world)
{
        struct cell_ref cell = {id_str(&world->first.tenant), STR("eu")};
        struct err err;

        check(store_write(world->services.store, &cell, NULL, groups_work, world, &err), &err);
        bind(world, NULL);
        say("bearer check and decision", 0, whole_ns(world), 10000);
        say("decision: allowed without a condition", 0,
            decision_ns(world, PERMISSION_ACTION_READ, ACCESS_ALLOW), 2000);
        say("decision: nothing speaks of it", 0,
            decision_ns(world, PERMISSION_PRINCIPAL_MANAGE, ACCESS_DENY), 2000);
        say("decision: spread over a tenant and 80 workspaces, none holds", 22,
            decision_ns(world, PERMISSION_LOG_READ, ACCESS_DENY), 2000);
        for (unsigned i = 0; i < SHAPES; i++) {
                bind(world, &shapes[i]);
                say(arena_printf(&world->arena, "decision: %s", shapes[i].name).ptr, CONDITIONS,
                    decision_ns(world, PERMISSION_LOG_READ, shapes[i].bans ? ACCESS_ALLOW : ACCESS_DENY),
                    2000);
        }
}

int main(int argc, char **argv)
{
        static const struct option options[] = {{"seconds", required_argument, NULL, 's'}, {0}};
        static struct world world;
        struct fixture *fixture = fixture_new(NULL);
        struct envelope *envelope;
        struct err err;
        bool made;

        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) >= 0;)
                if (c == 's')
                        run_us = (int64_t)(strtod(optarg, NULL) * 1e6);
        check(envelope_open_ephemeral(&envelope, &err), &err);
        arena_init(&world.arena, 64 << 20);
        world.services =
                (struct services){.store = fixture->store, .envelope = envelope, .region = STR("eu")};
        world.services.identity = identity_new(&world.services);
        world.services.access = access_new(&world.services, &err);
        for (int i = 0; i < WORKSPACES; i++)
                world.workspaces[i] = id_new("wsp");
        check(world.services.access && tenancy_start(&world.services, &err) &&
                      tenancy_bootstrap(&world.services, STR("eu"), &world.first, &made, &err),
              &err);
        check(json_parse(&world.arena, STR("{\"team\": \"payments\", \"stage\": \"test\"}"), &world.labels,
                         &err),
              &err);
        run(&world);
        access_free(world.services.access);
        identity_free(world.services.identity);
        arena_done(&world.arena);
        envelope_free(envelope);
        fixture_free(fixture);
        return 0;
}
