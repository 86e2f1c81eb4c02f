/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants, and who may act for them, over a real store. */
#include "store/test/fixture.h"

#include "access/access.h"
#include "api/route.h"
#include "api/services.h"
#include "api/api_permissions.h"
#include "base/clock.h"
#include "crypto/envelope.h"
#include "identity/authenticate.h"
#include "tenancy/places.h"
#include "tenancy/tenancy.h"
#include "tenancy/tenancy_sql.h"

#include <stdlib.h>

static struct err err;

struct world {
        struct fixture *fixture;
        struct envelope *envelope;
        struct services services;
        struct arena arena;
        struct tenancy_plan first;
        struct cell_ref cell;
};

static void must(bool ok)
{
        if (!ok)
                fail_msg("%s: %s", err_name(err.code), err.message);
}

/* As the server does: what other nodes say drops what is remembered. */
static void hear(struct str message, void *arg)
{
        struct world *world = arg;

        places_hear(world->services.places, message);
        identity_hear(world->services.identity, message);
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
        world->services.places = places_new(&world->services);
        assert_non_null(world->services.places);
        assert_non_null(world->services.identity);
        world->services.access = access_new(&world->services, &err);
        assert_non_null(world->services.access);
        must(store_listen(world->fixture->store, hear, world, &err));
        must(tenancy_start(&world->services, &err));
        must(tenancy_bootstrap(&world->services, STR("eu"), &world->first, &made, &err));
        assert_true(made);
        world->cell = (struct cell_ref){id_str(&world->first.tenant), STR("eu")};
        *state = world;
        return 0;
}

static int teardown(void **state)
{
        struct world *world = *state;

        store_listen_stop(world->fixture->store);
        identity_free(world->services.identity);
        places_free(world->services.places);
        access_free(world->services.access);
        arena_done(&world->arena);
        envelope_free(world->envelope);
        fixture_free(world->fixture);
        free(world);
        return 0;
}

static bool authenticate_at(struct world *world, const char *token, int64_t now_ms, struct principal *ret)
{
        enum lookup quick = identity_authenticate_quick(world->services.identity, &world->arena,
                                                        str_from(token), now_ms, ret, &err);

        if (quick != LOOKUP_UNKNOWN)
                return quick == LOOKUP_FOUND;
        return identity_authenticate(world->services.identity, &world->arena, str_from(token), now_ms, ret,
                                     &err);
}

static bool authenticate(struct world *world, const char *token, struct principal *ret)
{
        return authenticate_at(world, token, clock_now_ms(), ret);
}

/* ---- work for transactions ------------------------------------------------------------------- */

struct person {
        struct world *world;
        enum principal_kind kind;
        uint32_t roles;
        struct credential credential;
        int64_t expires_ms; /* 0: never */
        struct id id, key;
        bool ok;
};

static bool person_work(struct tx *tx, void *arg, struct err *error)
{
        struct person *person = arg;
        struct identity_principal principal = {
                .kind = person->kind, .name = STR("somebody"), .roles = person->roles};
        struct identity_key key = {.name = STR("key"),
                                   .has_expires = person->expires_ms != 0,
                                   .expires_ms = person->expires_ms};

        if (!identity_principal_create(tx, &principal, clock_now_ms(), error))
                return false;
        key.principal = principal.id;
        if (!identity_key_create(tx, &person->credential, &key, clock_now_ms(), error))
                return false;
        person->id = id_from(principal.id);
        person->key = id_from(key.id);
        return true;
}

struct announcement {
        struct world *world;
        const char *kind;
        struct credential *credential;
};

static bool announce_work(struct tx *tx, void *arg, struct err *error)
{
        const struct announcement *a = arg;

        return credential_announce(tx, a->credential, a->kind, a->world->cell.tenant, a->world->cell.region,
                                   clock_now_ms(), error);
}

static void make_credential(struct world *world, const char *kind, struct credential *ret)
{
        struct announcement announcement = {world, kind, ret};

        must(credential_new(&world->services, kind, ret, &err));
        must(store_write(world->services.store, &CELL_DIRECTORY, NULL, announce_work, &announcement, &err));
}

static struct person make_person(struct world *world, enum principal_kind kind, uint32_t roles,
                                 int64_t expires_ms)
{
        struct person person = {.world = world, .kind = kind, .roles = roles, .expires_ms = expires_ms};

        make_credential(world, "cs", &person.credential);
        must(store_write(world->services.store, &world->cell, NULL, person_work, &person, &err));
        return person;
}

static bool disable_work(struct tx *tx, void *arg, struct err *error)
{
        struct person *person = arg;

        return identity_principal_disable(&person->world->services, tx, id_str(&person->id), clock_now_ms(),
                                          error);
}

static bool revoke_work(struct tx *tx, void *arg, struct err *error)
{
        struct person *person = arg;

        return identity_key_revoke(&person->world->services, tx, id_str(&person->id), id_str(&person->key),
                                   clock_now_ms(), error);
}

static bool revoke_and_fail_work(struct tx *tx, void *arg, struct err *error)
{
        return revoke_work(tx, arg, error) && err_set(error, ERR_CONFLICT, "as the test asked");
}

/* Whether its bindings give it the permission at the tenant. */
static bool may(struct world *world, const struct principal *principal, enum permission permission)
{
        struct cell_ref cell = {.tenant = id_str(&principal->tenant), .region = principal->region};
        struct access_rules *rules;
        bool has;

        must(access_rules_get(world->services.access, &cell, id_str(&principal->id), &rules, &err));
        has = access_rules_has_certainly(rules, STR(""), STR(""), access_ask_ours(permission));
        access_rules_release(rules);
        return has;
}

/* ---- tenants ----------------------------------------------------------------------------------- */

static void the_first_tenant_is_made_once(void **state)
{
        struct world *world = *state;
        struct tenancy_plan again;
        struct principal admin;
        bool made;

        must(tenancy_bootstrap(&world->services, STR("eu"), &again, &made, &err));
        assert_false(made);
        must(authenticate(world, world->first.credential.text, &admin));
        assert_string_equal(admin.tenant.text, world->first.tenant.text);
        assert_string_equal(admin.id.text, world->first.principal.text);
        assert_int_equal(admin.kind, PRINCIPAL_USER);
        assert_true(admin.platform);
        assert_true(str_is(admin.region, "eu"));
        assert_true(may(world, &admin, PERMISSION_TENANT_CREATE));
        assert_true(may(world, &admin, PERMISSION_PRINCIPAL_MANAGE));
        assert_false(may(world, &admin, PERMISSION_WORK_TAKE));
}

static void another_tenants_administrator_has_no_platform_rights(void **state)
{
        struct world *world = *state;
        struct tenancy_plan plan = {
                .name = STR("acme"), .tier = STR("basic"), .region = STR("eu"), .administrator = STR("ann")};
        struct principal admin;

        must(tenancy_make(&world->services, &plan, id_str(&world->first.principal), &err));
        must(authenticate(world, plan.credential.text, &admin));
        assert_false(admin.platform);
        assert_false(may(world, &admin, PERMISSION_TENANT_CREATE));
        assert_false(may(world, &admin, PERMISSION_TENANT_LIST));
        assert_true(may(world, &admin, PERMISSION_KEY_MANAGE));
        assert_string_not_equal(admin.tenant.text, world->first.tenant.text);
}

static void a_name_is_one_tenants(void **state)
{
        struct world *world = *state;
        struct tenancy_plan plan = {.name = STR("default"),
                                    .tier = STR("basic"),
                                    .region = STR("eu"),
                                    .administrator = STR("ann")};

        assert_false(tenancy_make(&world->services, &plan, STR(""), &err));
        assert_int_equal(err.code, ERR_ALREADY_EXISTS);
}

enum { PATIENCE_US = 20 * 1000 * 1000 };

/*
 * What is remembered serves only while the other nodes are heard: looks it up
 * in the store, again and again, until that is so.
 */
static bool tenant_is_remembered(struct places *places, struct str tenant, struct tenant_place *ret_place)
{
        int64_t deadline_us = clock_mono_us() + PATIENCE_US;

        do {
                must(places_tenant(places, tenant, ret_place, &err));
                if (places_tenant_quick(places, tenant, ret_place))
                        return true;
        } while (clock_mono_us() < deadline_us);
        return false;
}

static bool workspace_is_remembered(struct places *places, struct str workspace,
                                    struct workspace_place *ret_place)
{
        int64_t deadline_us = clock_mono_us() + PATIENCE_US;

        do {
                must(places_workspace(places, workspace, ret_place, &err));
                memset(ret_place, 0, sizeof(*ret_place));
                if (places_workspace_quick(places, workspace, ret_place))
                        return true;
        } while (clock_mono_us() < deadline_us);
        return false;
}

static void a_workspace_is_found_and_an_unknown_one_is_not(void **state)
{
        struct world *world = *state;
        struct str workspace = id_str(&world->first.workspace);
        struct places *places = world->services.places;
        struct workspace_place place;
        struct id unknown = id_new("wsp");

        assert_false(places_workspace_quick(places, workspace, &place));
        must(places_workspace(places, workspace, &place, &err));
        assert_string_equal(place.tenant.text, world->first.tenant.text);
        assert_string_equal(place.region, "eu");
        assert_true(workspace_is_remembered(places, workspace, &place));
        assert_string_equal(place.tenant.text, world->first.tenant.text);
        assert_false(places_workspace(places, id_str(&unknown), &place, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
}

static bool suspend_work(struct tx *tx, void *arg, struct err *error)
{
        struct world *world = arg;
        int64_t changes;

        return sql_tenant_directory_state(tx, id_str(&world->first.tenant), STR("suspended"), NULL, &changes,
                                          error) &&
               places_forget_on_commit(&world->services, tx, id_str(&world->first.tenant), error);
}

static void a_suspension_is_seen_at_once(void **state)
{
        struct world *world = *state;
        struct places *places = world->services.places;
        struct str tenant = id_str(&world->first.tenant);
        struct tenant_place place;
        uint64_t before;

        assert_true(tenant_is_remembered(places, tenant, &place));
        assert_int_equal(place.state, PLACE_ACTIVE);
        assert_int_equal(place.tier, TIER_STANDARD);
        before = places_generation(places);
        must(store_write(world->services.store, &CELL_DIRECTORY, NULL, suspend_work, world, &err));
        assert_true(places_generation(places) > before);
        assert_false(places_tenant_quick(places, tenant, &place));
        must(places_tenant(places, tenant, &place, &err));
        assert_int_equal(place.state, PLACE_SUSPENDED);
}

/* What a crash leaves between two steps was never visible, and does not block the name. */
static bool half_work(struct tx *tx, void *arg, struct err *error)
{
        const struct tenancy_plan *plan = arg;
        int64_t changes;

        return sql_tenant_reserve(tx, id_str(&plan->tenant), plan->name, plan->tier, plan->region, false, 1,
                                  &changes, error) &&
               sql_workspace_place_insert(tx, id_str(&plan->workspace), id_str(&plan->tenant), plan->region,
                                          error) &&
               credential_announce(tx, &plan->credential, "cs", id_str(&plan->tenant), plan->region, 1,
                                   error);
}

static void a_half_made_tenant_is_invisible_and_cleared_at_the_start(void **state)
{
        struct world *world = *state;
        struct tenancy_plan half = {.name = STR("half"),
                                    .tier = STR("basic"),
                                    .region = STR("eu"),
                                    .administrator = STR("ann"),
                                    .tenant = id_new("ten"),
                                    .workspace = id_new("wsp")};
        struct workspace_place place;
        struct principal principal;

        must(credential_new(&world->services, "cs", &half.credential, &err));
        must(store_write(world->services.store, &CELL_DIRECTORY, NULL, half_work, &half, &err));
        assert_false(authenticate(world, half.credential.text, &principal));
        assert_int_equal(err.code, ERR_UNAUTHENTICATED);
        assert_false(places_workspace(world->services.places, id_str(&half.workspace), &place, &err));
        assert_int_equal(err.code, ERR_NOT_FOUND);
        assert_false(tenancy_make(&world->services, &half, STR(""), &err));
        assert_int_equal(err.code, ERR_ALREADY_EXISTS);

        must(tenancy_start(&world->services, &err));
        must(tenancy_make(&world->services, &half, STR(""), &err));
        must(authenticate(world, half.credential.text, &principal));
}

/* ---- credentials ------------------------------------------------------------------------------- */

static void a_credential_with_any_character_changed_is_refused(void **state)
{
        struct world *world = *state;
        struct person ann = make_person(world, PRINCIPAL_USER, ROLE_BIT(ROLE_APPROVER), 0);
        size_t len = strlen(ann.credential.text);
        struct principal principal;

        for (int round = 0; round < 2; round++) /* from the store, and from the cache */
                for (size_t i = 0; i < len; i++) {
                        char altered[CREDENTIAL_TEXT_SIZE];

                        if (round == 1)
                                must(authenticate(world, ann.credential.text, &principal));
                        memcpy(altered, ann.credential.text, sizeof(altered));
                        altered[i] = altered[i] == 'x' ? 'y' : 'x';
                        assert_false(authenticate(world, altered, &principal));
                        assert_int_equal(err.code, ERR_UNAUTHENTICATED);
                        altered[i] = '\0';
                        assert_false(authenticate(world, altered, &principal));
                        assert_int_equal(err.code, ERR_UNAUTHENTICATED);
                }
        must(authenticate(world, ann.credential.text, &principal));
}

static void an_enrolment_token_is_no_api_key(void **state)
{
        struct world *world = *state;
        struct credential token;
        struct principal principal;
        struct str prefix;

        make_credential(world, "cse", &token);
        assert_false(authenticate(world, token.text, &principal));
        assert_true(credential_prefix(str_from(token.text), "cse", &prefix));
        assert_true(str_is(prefix, token.prefix));
        assert_false(credential_prefix(str_from(token.text), "cs", &prefix));
}

static void every_refusal_sounds_the_same(void **state)
{
        struct world *world = *state;
        struct person ann = make_person(world, PRINCIPAL_USER, ROLE_BIT(ROLE_APPROVER), 0);
        struct person old = make_person(world, PRINCIPAL_USER, ROLE_BIT(ROLE_APPROVER), clock_now_ms() - 1);
        struct credential unknown;
        struct principal principal;
        char words[ERR_MESSAGE_MAX];

        must(credential_new(&world->services, "cs", &unknown, &err));
        assert_false(authenticate(world, "nonsense", &principal));
        memcpy(words, err.message, sizeof(words));
        assert_false(authenticate(world, unknown.text, &principal));
        assert_string_equal(err.message, words);
        assert_false(authenticate(world, old.credential.text, &principal));
        assert_string_equal(err.message, words);
        must(store_write(world->services.store, &world->cell, NULL, disable_work, &ann, &err));
        assert_false(authenticate(world, ann.credential.text, &principal));
        assert_string_equal(err.message, words);
}

static void a_revoked_key_stops_at_once(void **state)
{
        struct world *world = *state;
        struct person ann = make_person(world, PRINCIPAL_USER, ROLE_BIT(ROLE_APPROVER), 0);
        struct principal principal;

        must(authenticate(world, ann.credential.text, &principal));
        must(authenticate(world, ann.credential.text, &principal)); /* from the cache */
        must(store_write(world->services.store, &world->cell, NULL, revoke_work, &ann, &err));
        assert_false(authenticate(world, ann.credential.text, &principal));
        assert_int_equal(err.code, ERR_UNAUTHENTICATED);
}

static void a_revocation_that_rolls_back_changes_nothing(void **state)
{
        struct world *world = *state;
        struct person ann = make_person(world, PRINCIPAL_USER, ROLE_BIT(ROLE_APPROVER), 0);
        struct principal principal;

        must(authenticate(world, ann.credential.text, &principal));
        assert_false(
                store_write(world->services.store, &world->cell, NULL, revoke_and_fail_work, &ann, &err));
        must(authenticate(world, ann.credential.text, &principal));
}

static void a_disabled_principals_keys_stop_at_once(void **state)
{
        struct world *world = *state;
        struct person ann = make_person(world, PRINCIPAL_USER, ROLE_BIT(ROLE_APPROVER), 0);
        struct principal principal;

        must(authenticate(world, ann.credential.text, &principal));
        must(store_write(world->services.store, &world->cell, NULL, disable_work, &ann, &err));
        assert_false(authenticate(world, ann.credential.text, &principal));
}

static void a_key_expires_in_the_cache_too(void **state)
{
        struct world *world = *state;
        int64_t expires_ms = clock_now_ms() + 3600000;
        struct person ann = make_person(world, PRINCIPAL_USER, ROLE_BIT(ROLE_APPROVER), expires_ms);
        struct principal principal;

        must(authenticate_at(world, ann.credential.text, expires_ms - 1, &principal));
        must(authenticate_at(world, ann.credential.text, expires_ms - 1, &principal));
        assert_false(authenticate_at(world, ann.credential.text, expires_ms, &principal));
        assert_int_equal(err.code, ERR_UNAUTHENTICATED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(the_first_tenant_is_made_once),
                TEST(another_tenants_administrator_has_no_platform_rights),
                TEST(a_name_is_one_tenants),
                TEST(a_workspace_is_found_and_an_unknown_one_is_not),
                TEST(a_suspension_is_seen_at_once),
                TEST(a_half_made_tenant_is_invisible_and_cleared_at_the_start),
                TEST(a_credential_with_any_character_changed_is_refused),
                TEST(an_enrolment_token_is_no_api_key),
                TEST(every_refusal_sounds_the_same),
                TEST(a_revoked_key_stops_at_once),
                TEST(a_revocation_that_rolls_back_changes_nothing),
                TEST(a_disabled_principals_keys_stop_at_once),
                TEST(a_key_expires_in_the_cache_too),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
