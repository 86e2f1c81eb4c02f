/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to know who holds a credential that was verified already, and what of that the one SHA-256
 * is that must be made in any case.
 *
 *   identity_bench [--seconds N]
 *
 * One JSON object for each line: nanoseconds of CPU for each, single-threaded; 1000 credentials in turn, so
 * that the processor's caches do not hold one alone.
 */
#include "store/test/fixture.h"

#include "api/services.h"
#include "base/clock.h"
#include "crypto/envelope.h"
#include "identity/authenticate.h"
#include "identity/sessions.h"
#include "tenancy/tenancy.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SESSIONS = 1000, STEP = 1000 };

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
        struct session_secret secrets[SESSIONS];
        char key[CREDENTIAL_TEXT_SIZE];
        int64_t now_ms;
};

static bool create_work(struct tx *tx, void *arg, struct err *err)
{
        struct world *world = arg;
        struct session_new new = {.principal = id_str(&world->first.principal),
                                  .kind = SESSION_CLI,
                                  .realm = STR("local"),
                                  .methods = STR("pwd otp")};

        for (int i = 0; i < SESSIONS; i++)
                if (!session_create(&world->services, tx, &new, world->now_ms, &world->secrets[i], err))
                        return false;
        return true;
}

static struct str token_of(struct world *world, bool sessions, int64_t at)
{
        return sessions ? str_from(world->secrets[at % SESSIONS].text) : str_from(world->key);
}

/* Of this thread alone: the machine may be busy with others. */
static int64_t cpu_us(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static double hit_ns(struct world *world, bool sessions)
{
        struct principal principal;
        struct err err;
        int64_t start;
        int64_t count = 0;

        for (int i = 0; i < (sessions ? SESSIONS : 1); i++)
                check(identity_authenticate(world->services.identity, &world->arena,
                                            token_of(world, sessions, i), world->now_ms, &principal, &err),
                      &err);
        start = cpu_us();
        while (cpu_us() - start < run_us)
                for (int i = 0; i < STEP; i++, count++) {
                        struct arena_mark mark = arena_mark(&world->arena);

                        if (identity_authenticate_quick(world->services.identity, &world->arena,
                                                        token_of(world, sessions, count), world->now_ms,
                                                        &principal, &err) != LOOKUP_FOUND) {
                                err_prefix(&err, "not remembered");
                                check(false, &err);
                        }
                        arena_rewind(&world->arena, mark);
                }
        return (double)(cpu_us() - start) * 1000 / (double)count;
}

static double hash_ns(struct world *world)
{
        uint8_t salt[SHA256_SIZE] = {1};
        struct sha256 hash;
        int64_t start = cpu_us();
        int64_t count = 0;

        while (cpu_us() - start < run_us)
                for (int i = 0; i < STEP; i++, count++) {
                        const struct str parts[] = {str_make(salt, sizeof(salt)),
                                                    token_of(world, true, count)};

                        sha256_of_parts(parts, 2, &hash);
                        salt[0] = hash.bytes[0];
                }
        return (double)(cpu_us() - start) * 1000 / (double)count;
}

int main(int argc, char **argv)
{
        static const struct option options[] = {{"seconds", required_argument, NULL, 's'}, {0}};
        static struct world world;
        struct fixture *fixture = fixture_new(NULL);
        struct envelope *envelope;
        struct cell_ref cell;
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
        world.now_ms = clock_now_ms();
        check(tenancy_start(&world.services, &err) &&
                      tenancy_bootstrap(&world.services, STR("eu"), &world.first, &made, &err),
              &err);
        memcpy(world.key, world.first.credential.text, sizeof(world.key));
        cell = (struct cell_ref){id_str(&world.first.tenant), STR("eu")};
        check(store_write(fixture->store, &cell, NULL, create_work, &world, &err), &err);
        printf("{\"bench\": \"sha256 of a token\", \"ns\": %.0f}\n", hash_ns(&world));
        printf("{\"bench\": \"api key hit\", \"ns\": %.0f}\n", hit_ns(&world, false));
        printf("{\"bench\": \"session hit\", \"ns\": %.0f}\n", hit_ns(&world, true));
        identity_free(world.services.identity);
        arena_done(&world.arena);
        envelope_free(envelope);
        fixture_free(fixture);
        return 0;
}
