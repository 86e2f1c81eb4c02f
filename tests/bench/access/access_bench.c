/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What authorization costs with warm caches: a decision over 1,000 bindings of which 200 have conditions,
 * and the whole of a Bearer check with its decision.
 *
 *   access_bench [--seconds N]
 *
 * One JSON object for each line: nanoseconds of CPU for each, of this thread alone.
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

struct world {
        struct services services;
        struct arena arena;
        struct tenancy_plan first;
        struct id workspaces[WORKSPACES];
        bool all_in_one; /* all conditions are about one permission at the tenant, and none holds */
};

/* Every fifth binding has a condition. A tenth is at the tenant, the rest at one of the workspaces each. */
static bool bind_work(struct tx *tx, void *arg, struct err *err)
{
        static const char *const roles[] = {"guest", "viewer", "contributor", "operator"};
        struct world *world = arg;

        for (int i = 0; i < BINDINGS; i++) {
                bool conditional = i % (BINDINGS / CONDITIONS) == 0;
                bool tenant = world->all_in_one ? conditional : i % 10 == 1 || i % 50 == 0;
                struct id id = id_new("bnd");
                char text[128];
                struct sql_access_binding_insert_in in = {
                        .id = id_str(&id),
                        .principal_id = id_str(&world->first.principal),
                        .role = str_from(conditional ? "auditor" : roles[i % 4]),
                        .level = tenant ? STR("tenant") : STR("workspace"),
                        .scope_id = tenant ? id_str(&world->first.tenant)
                                           : id_str(&world->workspaces[i / 5 % WORKSPACES]),
                        .effect = STR("allow"),
                        .now = clock_now_ms(),
                };

                (void)snprintf(text, sizeof(text),
                               "network.address.startsWith('10.%d.') || principal.name == 'p%d'", i % 200,
                               i);
                if (conditional)
                        in.condition = str_from(text);
                if (!sql_access_binding_insert(tx, &in, err))
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
                                     .tenant = id_str(&principal->tenant),
                                     .workspace = id_str(&world->workspaces[at % WORKSPACES]),
                                     .permission = str_from(permission_name(permission)),
                                     .principal = principal};
        struct access_answer answer;
        ARENA_SCOPED scratch;

        arena_init(&scratch, 256 * 1024);
        answer = access_decide(access_env(world->services.access), rules, access_ask_ours(permission),
                               &facts, &scratch);
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
                                      .name = STR("admin")};
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

static void run(struct world *world)
{
        struct cell_ref cell = {id_str(&world->first.tenant), STR("eu")};
        struct err err;

        check(store_write(world->services.store, &cell, NULL, unbind_work, world, &err), &err);
        world->all_in_one = false;
        check(store_write(world->services.store, &cell, NULL, bind_work, world, &err), &err);
        printf("{\"bench\": \"bearer check and decision\", \"ns\": %.0f}\n", whole_ns(world));
        printf("{\"bench\": \"decision, 1000 bindings, 200 conditions: allowed\", \"ns\": %.0f}\n",
               decision_ns(world, PERMISSION_ACTION_READ, ACCESS_ALLOW));
        printf("{\"bench\": \"decision, 1000 bindings, 200 conditions: nothing allows\", \"ns\": %.0f}\n",
               decision_ns(world, PERMISSION_PRINCIPAL_MANAGE, ACCESS_DENY));
        printf("{\"bench\": \"decision, 1000 bindings, 200 conditions: every condition there is "
               "evaluated\", \"ns\": %.0f}\n",
               decision_ns(world, PERMISSION_LOG_READ, ACCESS_DENY));
        check(store_write(world->services.store, &cell, NULL, unbind_work, world, &err), &err);
        world->all_in_one = true;
        check(store_write(world->services.store, &cell, NULL, bind_work, world, &err), &err);
        access_hear(world->services.access, STR_NULL);
        printf("{\"bench\": \"decision, all 200 conditions at one level about one permission, none holds\", "
               "\"ns\": %.0f}\n",
               decision_ns(world, PERMISSION_LOG_READ, ACCESS_DENY));
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
                        run_us = (int64_t)(atof(optarg) * 1e6);
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
        run(&world);
        access_free(world.services.access);
        identity_free(world.services.identity);
        arena_done(&world.arena);
        envelope_free(envelope);
        fixture_free(fixture);
        return 0;
}
