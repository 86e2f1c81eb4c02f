/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions over a real store: made, used, renewed, ended. */
#include "store/test/fixture.h"

#include "access/roles.h"
#include "api/services.h"
#include "base/clock.h"
#include "crypto/envelope.h"
#include "identity/authenticate.h"
#include "identity/identity.h"
#include "identity/sessions.h"
#include "identity/sessions_sql.h"
#include "tenancy/tenancy.h"

#include <stdio.h>
#include <stdlib.h>

static struct err err;

enum { MINUTE = 60000 };

struct world {
        struct fixture *fixture;
        struct envelope *envelope;
        struct services services;
        struct arena arena;
        struct tenancy_plan first;
        struct cell_ref cell;
        int64_t now_ms;
};

static void must(bool ok)
{
        if (!ok)
                fail_msg("%s: %s", err_name(err.code), err.message);
}

static int setup(void **state)
{
        struct world *world = calloc(1, sizeof(*world));
        bool made;

        assert_non_null(world);
        world->fixture = fixture_new(NULL);
        must(envelope_open_ephemeral(&world->envelope, &err));
        arena_init(&world->arena, 16 << 20);
        world->services = (struct services){
                .store = world->fixture->store, .envelope = world->envelope, .region = STR("eu")};
        world->services.identity = identity_new(&world->services);
        assert_non_null(world->services.identity);
        must(tenancy_start(&world->services, &err));
        must(tenancy_bootstrap(&world->services, STR("eu"), &world->first, &made, &err));
        world->cell = (struct cell_ref){id_str(&world->first.tenant), STR("eu")};
        world->now_ms = clock_now_ms();
        *state = world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;

        identity_free(world->services.identity);
        arena_done(&world->arena);
        envelope_free(world->envelope);
        fixture_free(world->fixture);
        free(world);
        return 0;
}

static bool authenticate(struct world *world, const char *token, struct principal *ret)
{
        enum lookup quick = identity_authenticate_quick(world->services.identity, &world->arena,
                                                        str_from(token), world->now_ms, ret, &err);

        if (quick != LOOKUP_UNKNOWN)
                return quick == LOOKUP_FOUND;
        return identity_authenticate(world->services.identity, &world->arena, str_from(token), world->now_ms,
                                     ret, &err);
}

static void assert_refused(struct world *world, const char *token)
{
        struct principal principal;

        assert_false(authenticate(world, token, &principal));
        assert_int_equal(err.code, ERR_UNAUTHENTICATED);
}

/* ---- work for transactions --------------------------------------------------------------------------- */

struct deed {
        struct world *world;
        struct session_new new;
        struct session_secret secret;
        struct str session;
        struct str except;
        bool keep_secret;
        int64_t count;
};

static bool create_work(struct tx *tx, void *arg, struct err *error)
{
        struct deed *deed = arg;

        return session_create(&deed->world->services, tx, &deed->new, deed->world->now_ms, &deed->secret,
                              error);
}

static bool second_factor_work(struct tx *tx, void *arg, struct err *error)
{
        struct deed *deed = arg;

        return session_second_factor(&deed->world->services, tx, deed->session, STR("otp"),
                                     deed->world->now_ms, deed->keep_secret ? NULL : &deed->secret, error);
}

static bool revoke_work(struct tx *tx, void *arg, struct err *error)
{
        struct deed *deed = arg;

        return session_revoke(&deed->world->services, tx, deed->session, deed->world->now_ms, error);
}

static bool revoke_principal_work(struct tx *tx, void *arg, struct err *error)
{
        struct deed *deed = arg;

        return session_revoke_principal(&deed->world->services, tx, id_str(&deed->world->first.principal),
                                        deed->except, deed->world->now_ms, &deed->count, error);
}

static bool revoke_provider_work(struct tx *tx, void *arg, struct err *error)
{
        struct deed *deed = arg;

        return session_revoke_provider(&deed->world->services, tx, STR("rlm_1"), deed->new.provider_session,
                                       id_str(&deed->world->first.principal), deed->world->now_ms,
                                       &deed->count, error);
}

static bool disable_work(struct tx *tx, void *arg, struct err *error)
{
        struct deed *deed = arg;

        return identity_principal_disable(&deed->world->services, tx, id_str(&deed->world->first.principal),
                                          deed->world->now_ms, error);
}

static bool seen_work(struct tx *tx, void *arg, struct err *error)
{
        struct deed *deed = arg;
        struct sql_session_get_row row;
        bool found;

        if (!sql_session_get(tx, deed->session, &row, &found, error))
                return false;
        deed->count = row.seen_ms;
        return found;
}

static void run(struct world *world, store_work work, struct deed *deed)
{
        deed->world = world;
        must(store_write(world->services.store, &world->cell, &world->arena, work, deed, &err));
}

static struct deed make_session(struct world *world, enum session_kind kind)
{
        struct deed deed = {.new = {.principal = id_str(&world->first.principal),
                                    .kind = kind,
                                    .realm = STR("local"),
                                    .methods = STR("pwd")}};

        run(world, create_work, &deed);
        return deed;
}

static int64_t seen_of(struct world *world, struct str session)
{
        struct deed deed = {.session = session};

        run(world, seen_work, &deed);
        return deed.count;
}

/* ---- tests -------------------------------------------------------------------------------------------- */

static void a_session_is_its_principal(void **state)
{
        struct world *world = *state;
        struct deed deed = make_session(world, SESSION_CLI);
        struct principal found;

        assert_int_equal(strlen(deed.secret.text), SESSION_TEXT_SIZE - 1);
        for (int i = 0; i < 2; i++) { /* asked of the store, then remembered */
                must(authenticate(world, deed.secret.text, &found));
                assert_string_equal(found.id.text, world->first.principal.text);
                assert_string_equal(found.tenant.text, world->first.tenant.text);
                assert_string_equal(found.session.text, deed.secret.id.text);
                assert_string_equal(found.credential.text, deed.secret.id.text);
                assert_true(str_is(found.realm, "local"));
                assert_true(str_is(found.methods, "pwd"));
                assert_true(str_is(found.region, "eu"));
                assert_int_equal(found.authenticated_ms, world->now_ms);
                assert_int_equal(found.second_factor_ms, 0);
                assert_int_equal(found.expires_ms, deed.secret.expires_ms);
                assert_false(found.scoped);
        }
}

static void a_token_with_any_character_changed_is_refused(void **state)
{
        struct world *world = *state;
        struct deed deed = make_session(world, SESSION_CLI);
        struct principal found;
        char text[SESSION_TEXT_SIZE];

        must(authenticate(world, deed.secret.text, &found));
        for (size_t i = 0; i < SESSION_TEXT_SIZE - 1; i++) {
                memcpy(text, deed.secret.text, sizeof(text));
                text[i] = text[i] == '0' ? '1' : '0';
                assert_refused(world, text);
        }
        text[SESSION_TEXT_SIZE - 2] = '\0';
        assert_refused(world, text);
        must(authenticate(world, deed.secret.text, &found));
}

static void a_session_expires(void **state)
{
        struct world *world = *state;
        struct deed deed = make_session(world, SESSION_CLI);
        struct principal found;

        must(authenticate(world, deed.secret.text, &found));
        world->now_ms = deed.secret.expires_ms - 1;
        must(authenticate(world, deed.secret.text, &found));
        world->now_ms++;
        assert_refused(world, deed.secret.text);
}

static void a_browser_that_rests_too_long_is_out(void **state)
{
        struct world *world = *state;
        int64_t idle_ms = SESSION_TIMES_DEFAULT.browser_idle_ms;
        struct deed deed = make_session(world, SESSION_BROWSER);
        struct principal found;

        world->now_ms += idle_ms - 1;
        must(authenticate(world, deed.secret.text, &found));
        assert_int_equal(seen_of(world, id_str(&deed.secret.id)), world->now_ms); /* that use counted */
        world->now_ms += idle_ms - 1;
        must(authenticate(world, deed.secret.text, &found));
        assert_int_equal(seen_of(world, id_str(&deed.secret.id)), world->now_ms);
        world->now_ms += idle_ms;
        assert_refused(world, deed.secret.text);
}

static void uses_are_written_rarely(void **state)
{
        struct world *world = *state;
        struct deed deed = make_session(world, SESSION_BROWSER);
        int64_t start_ms = world->now_ms;
        struct principal found;

        for (int i = 0; i < 100; i++)
                must(authenticate(world, deed.secret.text, &found));
        world->now_ms += SESSION_SEEN_EVERY_MS - 1;
        must(authenticate(world, deed.secret.text, &found));
        assert_int_equal(seen_of(world, id_str(&deed.secret.id)), start_ms);
        world->now_ms++;
        must(authenticate(world, deed.secret.text, &found));
        /* A cell's writes run one after another, so this write sees that one. */
        assert_int_equal(seen_of(world, id_str(&deed.secret.id)), world->now_ms);
}

static void a_second_factor_renews_the_secret(void **state)
{
        struct world *world = *state;
        struct deed deed = make_session(world, SESSION_BROWSER);
        char old[SESSION_TEXT_SIZE];
        struct principal found;

        memcpy(old, deed.secret.text, sizeof(old));
        must(authenticate(world, old, &found));
        deed.session = id_str(&deed.secret.id);
        world->now_ms += MINUTE / 2;
        run(world, second_factor_work, &deed);
        assert_string_not_equal(old, deed.secret.text);
        assert_refused(world, old);
        must(authenticate(world, deed.secret.text, &found));
        assert_int_equal(found.second_factor_ms, world->now_ms);
        assert_true(str_is(found.methods, "pwd otp"));

        deed.keep_secret = true;
        memcpy(old, deed.secret.text, sizeof(old));
        world->now_ms++;
        run(world, second_factor_work, &deed);
        must(authenticate(world, old, &found));
        assert_int_equal(found.second_factor_ms, world->now_ms);
        assert_true(str_is(found.methods, "pwd otp"));
}

static void a_revoked_session_ends_at_once(void **state)
{
        struct world *world = *state;
        struct deed deed = make_session(world, SESSION_CLI);
        struct principal found;

        must(authenticate(world, deed.secret.text, &found));
        deed.session = id_str(&deed.secret.id);
        run(world, revoke_work, &deed);
        assert_refused(world, deed.secret.text);
        run(world, revoke_work, &deed);
}

static void all_sessions_but_one_end(void **state)
{
        struct world *world = *state;
        struct deed kept = make_session(world, SESSION_CLI);
        struct deed gone = make_session(world, SESSION_CLI);
        struct deed all = {.except = id_str(&kept.secret.id)};
        struct principal found;

        must(authenticate(world, kept.secret.text, &found));
        must(authenticate(world, gone.secret.text, &found));
        run(world, revoke_principal_work, &all);
        assert_int_equal(all.count, 1);
        assert_refused(world, gone.secret.text);
        must(authenticate(world, kept.secret.text, &found));
}

static void the_provider_ends_its_own_sessions(void **state)
{
        struct world *world = *state;
        struct deed mine = {.new = {.principal = id_str(&world->first.principal),
                                    .kind = SESSION_BROWSER,
                                    .realm = STR("rlm_1"),
                                    .methods = STR(""),
                                    .provider_session = STR("sid-1")}};
        struct deed other = mine;
        struct deed all = {0};
        struct deed local = make_session(world, SESSION_BROWSER);
        struct principal found;

        other.new.provider_session = STR("sid-2");
        run(world, create_work, &mine);
        run(world, create_work, &other);
        must(authenticate(world, mine.secret.text, &found));
        run(world, revoke_provider_work, &mine);
        assert_int_equal(mine.count, 1);
        assert_refused(world, mine.secret.text);
        must(authenticate(world, other.secret.text, &found));
        run(world, revoke_provider_work, &all);
        assert_int_equal(all.count, 1);
        assert_refused(world, other.secret.text);
        must(authenticate(world, local.secret.text, &found));
}

static bool may_follow(struct world *world, struct str allowed_in, struct str principal)
{
        struct deed deed = {.world = world,
                            .new = {.principal = principal,
                                    .kind = SESSION_CLI,
                                    .realm = STR("local"),
                                    .methods = STR("pwd"),
                                    .allowed_in = allowed_in}};
        bool ok = store_write(world->services.store, &world->cell, NULL, create_work, &deed, &err);

        if (!ok)
                assert_int_equal(err.code, ERR_CONFLICT);
        return ok;
}

static void what_was_allowed_in_a_session_ends_with_it(void **state)
{
        struct world *world = *state;
        struct str person = id_str(&world->first.principal);
        struct deed here = make_session(world, SESSION_BROWSER);
        struct deed there = make_session(world, SESSION_BROWSER);
        struct deed all = {.except = id_str(&there.secret.id)};

        assert_true(may_follow(world, id_str(&here.secret.id), person));
        assert_true(may_follow(world, id_str(&there.secret.id), person));
        run(world, revoke_principal_work, &all);
        assert_false(may_follow(world, id_str(&here.secret.id), person));
        assert_true(may_follow(world, id_str(&there.secret.id), person));
        assert_false(may_follow(world, STR(""), person));
        assert_false(may_follow(world, STR("ses_00000000000000000000000000"), person));
        /* At rest too long, and at its end. */
        world->now_ms += SESSION_TIMES_DEFAULT.browser_idle_ms;
        assert_false(may_follow(world, id_str(&there.secret.id), person));
        here = make_session(world, SESSION_CLI);
        world->now_ms = here.secret.expires_ms - 1;
        assert_true(may_follow(world, id_str(&here.secret.id), person));
        world->now_ms++;
        assert_false(may_follow(world, id_str(&here.secret.id), person));
}

static bool second_person_work(struct tx *tx, void *arg, struct err *error)
{
        struct deed *deed = arg;
        struct identity_principal ben = {.kind = PRINCIPAL_USER, .name = STR("ben")};

        if (!identity_principal_create(tx, &ben, deed->world->now_ms, error))
                return false;
        deed->new.principal = arena_str(&deed->world->arena, ben.id);
        return true;
}

static void what_somebody_else_allowed_is_nothing(void **state)
{
        struct world *world = *state;
        struct deed mine = make_session(world, SESSION_BROWSER);
        struct deed ben = {0};

        run(world, second_person_work, &ben);
        assert_true(may_follow(world, id_str(&mine.secret.id), id_str(&world->first.principal)));
        assert_false(may_follow(world, id_str(&mine.secret.id), ben.new.principal));
}

static void a_disabled_principal_is_out_and_gets_no_session(void **state)
{
        struct world *world = *state;
        struct deed deed = make_session(world, SESSION_CLI);
        struct principal found;

        must(authenticate(world, deed.secret.text, &found));
        run(world, disable_work, &deed);
        assert_refused(world, deed.secret.text);
        assert_false(store_write(world->services.store, &world->cell, NULL, create_work, &deed, &err));
        assert_int_equal(err.code, ERR_CONFLICT);
}

static void a_person_has_no_token_of_an_agent(void **state)
{
        struct world *world = *state;
        struct deed deed = {.world = world,
                            .new = {.principal = id_str(&world->first.principal),
                                    .kind = SESSION_AGENT,
                                    .realm = STR("local"),
                                    .methods = STR("")}};

        assert_false(store_write(world->services.store, &world->cell, NULL, create_work, &deed, &err));
        assert_int_equal(err.code, ERR_CONFLICT);
}

static void scopes_only_take_away(void **state)
{
        struct world *world = *state;
        struct deed deed = {.new = {.principal = id_str(&world->first.principal),
                                    .kind = SESSION_CLI,
                                    .realm = STR("local"),
                                    .methods = STR("pwd"),
                                    .scopes = STR("log.read work.take no.such")}};
        struct principal found;

        run(world, create_work, &deed);
        must(authenticate(world, deed.secret.text, &found));
        assert_true(found.scoped);
        assert_true(permission_set_has(&found.scopes, PERMISSION_LOG_READ));
        assert_false(permission_set_has(&found.scopes, PERMISSION_KEY_MANAGE));
}

static void a_session_of_another_tenant_is_not_found(void **state)
{
        struct world *world = *state;
        struct tenancy_plan plan = {.name = STR("other"),
                                    .tier = STR("basic"),
                                    .region = STR("eu"),
                                    .administrator = STR("ann")};
        struct deed deed = make_session(world, SESSION_CLI);
        char text[SESSION_TEXT_SIZE];
        struct principal found;

        must(tenancy_make(&world->services, &plan, id_str(&world->first.principal), &err));
        must(authenticate(world, deed.secret.text, &found));
        memcpy(text, deed.secret.text, sizeof(text));
        memcpy(text + 4, plan.tenant.text + 4, 26);
        assert_refused(world, text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_session_is_its_principal),
                TEST(a_token_with_any_character_changed_is_refused),
                TEST(a_session_expires),
                TEST(a_browser_that_rests_too_long_is_out),
                TEST(uses_are_written_rarely),
                TEST(a_second_factor_renews_the_secret),
                TEST(a_revoked_session_ends_at_once),
                TEST(all_sessions_but_one_end),
                TEST(the_provider_ends_its_own_sessions),
                TEST(what_was_allowed_in_a_session_ends_with_it),
                TEST(what_somebody_else_allowed_is_nothing),
                TEST(a_disabled_principal_is_out_and_gets_no_session),
                TEST(a_person_has_no_token_of_an_agent),
                TEST(scopes_only_take_away),
                TEST(a_session_of_another_tenant_is_not_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
