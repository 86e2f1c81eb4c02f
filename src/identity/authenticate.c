/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/authenticate.h"

#include "api/services.h"
#include "base/clock.h"
#include "base/heap.h"
#include "identity/cache.h"
#include "identity/identity.h"
#include "identity/identity_sql.h"
#include "identity/principals.h"

#include <pthread.h>
#include <stdio.h>

enum {
        KEY_SETS = 512,
        KEY_WAYS = 8,
        PLACE_SETS = 256,
        PLACE_WAYS = 4,
        REGION_SIZE = 33,
        SCRATCH_BYTES = 64 * 1024,
};

/*
 * A key that was verified. Its hash is kept, not the key, and under a salt of
 * this process: one SHA-256 for each request, where the stored keyed hash costs
 * the derivation of its key besides.
 */
struct known_key {
        char prefix[CREDENTIAL_PREFIX_SIZE];
        struct sha256 salted;
        int64_t expires_ms;         /* INT64_MAX: never */
        struct principal principal; /* name and region point behind the struct */
        char region[REGION_SIZE];
        size_t name_len;
        char name[];
};

struct known_place {
        struct id workspace;
        struct id tenant;
        char region[REGION_SIZE];
};

struct identity {
        const struct services *services;
        uint8_t salt[SHA256_SIZE]; /* constant */
        pthread_mutex_t lock;      /* of all below */
        uint64_t generation;       /* grows whenever something is forgotten */
        unsigned next_way;
        struct known_key *keys[KEY_SETS][KEY_WAYS];
        struct known_place places[PLACE_SETS][PLACE_WAYS];
};

struct identity *identity_new(const struct services *services)
{
        struct identity *identity = heap_alloc_zeroed(1, sizeof(*identity));

        if (!identity)
                return NULL;
        identity->services = services;
        random_bytes(identity->salt, sizeof(identity->salt));
        if (pthread_mutex_init(&identity->lock, NULL) != 0) {
                heap_free(identity);
                return NULL;
        }
        return identity;
}

void identity_free(struct identity *identity)
{
        if (!identity)
                return;
        for (unsigned i = 0; i < KEY_SETS; i++)
                for (unsigned j = 0; j < KEY_WAYS; j++)
                        heap_free(identity->keys[i][j]);
        (void)pthread_mutex_destroy(&identity->lock);
        heap_free(identity);
}

/* FNV-1a. Prefixes and ids are random already. */
static uint32_t hash_of(struct str text)
{
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < text.len; i++)
                hash = (hash ^ (unsigned char)text.ptr[i]) * 16777619u;
        return hash ^ hash >> 15;
}

static void salted_hash(const struct identity *identity, struct str token, struct sha256 *ret)
{
        const struct str parts[] = {str_make(identity->salt, sizeof(identity->salt)), token};

        sha256_of_parts(parts, 2, ret);
}

static bool refuse(struct err *err)
{
        return err_set(err, ERR_UNAUTHENTICATED,
                       "the credential is not valid: unknown, expired, revoked, or its principal disabled");
}

/* ---- keys -------------------------------------------------------------------------------------- */

/* Copies what the cache knows; the caller checks the secret and the expiry without the lock. */
static struct known_key *copy_known(struct identity *identity, struct arena *arena, struct str prefix)
{
        struct known_key *copy = NULL;
        struct known_key **set = identity->keys[hash_of(prefix) % KEY_SETS];

        (void)pthread_mutex_lock(&identity->lock);
        for (unsigned i = 0; i < KEY_WAYS && !copy; i++)
                if (set[i] && str_is(prefix, set[i]->prefix)) {
                        size_t size = sizeof(*copy) + set[i]->name_len;

                        copy = arena_alloc(arena, size);
                        if (!copy)
                                break;
                        memcpy(copy, set[i], size);
                        copy->principal.name = str_make(copy->name, copy->name_len);
                        copy->principal.region = str_from(copy->region);
                }
        (void)pthread_mutex_unlock(&identity->lock);
        return copy;
}

enum lookup identity_authenticate_quick(struct identity *identity, struct arena *arena, struct str token,
                                        int64_t now_ms, struct principal *ret, struct err *err)
{
        struct known_key *known;
        struct sha256 salted;
        struct str prefix;

        if (!credential_prefix(token, "cs", &prefix)) {
                (void)refuse(err);
                return LOOKUP_REFUSED;
        }
        /* A node that does not hear of revocations asks the store each time. */
        known = store_hears(identity->services->store) ? copy_known(identity, arena, prefix) : NULL;
        if (!known)
                return LOOKUP_UNKNOWN;
        salted_hash(identity, token, &salted);
        if (!str_eq_secret(sha256_str(&salted), sha256_str(&known->salted)) || now_ms >= known->expires_ms) {
                (void)refuse(err);
                return LOOKUP_REFUSED;
        }
        *ret = known->principal;
        return LOOKUP_FOUND;
}

static void remember_key(struct identity *identity, struct known_key *key, uint64_t generation)
{
        struct known_key **set = identity->keys[hash_of(str_from(key->prefix)) % KEY_SETS];
        struct known_key **place = NULL;
        struct known_key *old = key;

        (void)pthread_mutex_lock(&identity->lock);
        if (generation == identity->generation) {
                for (unsigned i = 0; i < KEY_WAYS; i++)
                        if (set[i] && strcmp(set[i]->prefix, key->prefix) == 0)
                                place = &set[i];
                for (unsigned i = 0; i < KEY_WAYS && !place; i++)
                        if (!set[i])
                                place = &set[i];
                if (!place)
                        place = &set[identity->next_way++ % KEY_WAYS];
                old = *place;
                *place = key;
        }
        (void)pthread_mutex_unlock(&identity->lock);
        heap_free(old);
}

struct forget {
        struct identity *identity;
        struct id id;
};

/* Every key with this id, or of the principal with this id; all for "". */
static void forget_id(struct identity *identity, const char *id)
{
        (void)pthread_mutex_lock(&identity->lock);
        identity->generation++;
        for (unsigned i = 0; i < KEY_SETS; i++)
                for (unsigned j = 0; j < KEY_WAYS; j++) {
                        struct known_key *key = identity->keys[i][j];

                        if (key && (!*id || strcmp(key->principal.id.text, id) == 0 ||
                                    strcmp(key->principal.credential.text, id) == 0)) {
                                identity->keys[i][j] = NULL;
                                heap_free(key);
                        }
                }
        (void)pthread_mutex_unlock(&identity->lock);
}

static void forget_now(void *arg)
{
        const struct forget *forget = arg;

        forget_id(forget->identity, forget->id.text);
}

void identity_hear(struct identity *identity, struct str message)
{
        if (!message.ptr)
                forget_id(identity, "");
        else if (str_starts(message, STR("f ")))
                forget_id(identity, id_from(str_slice(message, 2, message.len)).text);
}

bool identity_forget_on_commit(const struct services *services, struct tx *tx, struct str id,
                               struct err *err)
{
        struct forget *forget = ARENA_NEW(tx_arena(tx), struct forget);
        char message[sizeof(struct id) + 4];

        if (!forget)
                return arena_check(tx_arena(tx), err);
        *forget = (struct forget){services->identity, id_from(id)};
        tx_on_commit(tx, forget_now, forget);
        (void)snprintf(message, sizeof(message), "f %s", forget->id.text);
        tx_tell(tx, str_from(message));
        return true;
}

struct key_look {
        struct str prefix;
        struct sql_api_key_authenticate_row row;
        bool found;
};

static bool key_work(struct tx *tx, void *arg, struct err *err)
{
        struct key_look *look = arg;

        return sql_api_key_authenticate(tx, look->prefix, &look->row, &look->found, err);
}

struct place_look {
        struct str prefix;
        struct sql_credential_place_get_row row;
        bool found;
};

static bool place_work(struct tx *tx, void *arg, struct err *err)
{
        struct place_look *look = arg;

        return sql_credential_place_get(tx, STR("cs"), look->prefix, &look->row, &look->found, err);
}

/* A new cache entry from the row; NULL without memory. */
static struct known_key *known_from_row(const struct key_look *look, const struct cell_ref *cell)
{
        const struct sql_api_key_authenticate_row *row = &look->row;
        struct known_key *key = heap_alloc_zeroed(1, sizeof(*key) + row->name.len);
        enum principal_kind kind;

        if (!key || look->prefix.len >= sizeof(key->prefix) || cell->region.len >= sizeof(key->region) ||
            !principal_kind_from(row->kind, &kind)) {
                heap_free(key);
                return NULL;
        }
        memcpy(key->prefix, look->prefix.ptr, look->prefix.len);
        memcpy(key->region, cell->region.ptr, cell->region.len);
        memcpy(key->name, row->name.ptr, row->name.len);
        key->name_len = row->name.len;
        key->expires_ms = row->has_expires_ms ? row->expires_ms : INT64_MAX;
        key->principal = (struct principal){
                .kind = kind,
                .id = id_from(row->principal_id),
                .tenant = id_from(cell->tenant),
                .workspace = id_from(row->workspace_id),
                .credential = id_from(row->key_id),
                .permissions = roles_permissions((uint32_t)row->roles, row->platform),
                .owner = roles_owner_permissions((uint32_t)row->roles),
                .roles = (uint32_t)row->roles,
                .platform = row->platform,
        };
        return key;
}

BLOCKING_FN bool identity_authenticate(struct identity *identity, struct arena *arena, struct str token,
                                       int64_t now_ms, struct principal *ret, struct err *err)
{
        const struct services *services = identity->services;
        ARENA_SCOPED scratch;
        struct place_look place = {0};
        struct key_look look = {0};
        struct cell_ref cell;
        struct known_key *key;
        uint64_t generation;
        enum lookup quick;

        arena_init(&scratch, SCRATCH_BYTES);
        if (!credential_prefix(token, "cs", &look.prefix))
                return refuse(err);
        place.prefix = look.prefix;
        (void)pthread_mutex_lock(&identity->lock);
        generation = identity->generation;
        (void)pthread_mutex_unlock(&identity->lock);
        if (!store_read(services->store, &CELL_DIRECTORY, &scratch, place_work, &place, err))
                return false;
        if (!place.found)
                return refuse(err);
        cell = (struct cell_ref){.tenant = place.row.tenant_id, .region = place.row.region};
        if (!store_read(services->store, &cell, &scratch, key_work, &look, err))
                return false;
        if (!look.found || look.row.has_revoked_ms || look.row.has_disabled_ms ||
            !credential_matches(services, token, look.row.hash, look.row.hash_version) ||
            (look.row.has_expires_ms && now_ms >= look.row.expires_ms))
                return refuse(err);
        if (!str_is(place.row.state, "active"))
                return err_set(err, ERR_TENANT_SUSPENDED, "the tenant is suspended");
        key = known_from_row(&look, &cell);
        if (!key)
                return err_set(err, ERR_NO_MEMORY, "no memory for the caller's identity");
        salted_hash(identity, token, &key->salted);
        *ret = key->principal;
        ret->name = arena_str(arena, look.row.name);
        ret->region = arena_str(arena, cell.region);
        quick = arena_check(arena, err) ? LOOKUP_FOUND : LOOKUP_REFUSED;
        remember_key(identity, key, generation);
        return quick == LOOKUP_FOUND;
}

/* ---- workspaces -------------------------------------------------------------------------------- */

static bool give_place(struct arena *arena, const struct known_place *place, struct str *ret_tenant,
                       struct str *ret_region, struct err *err)
{
        *ret_tenant = arena_str(arena, id_str(&place->tenant));
        *ret_region = arena_str(arena, str_from(place->region));
        return arena_check(arena, err);
}

enum lookup identity_workspace_quick(struct identity *identity, struct arena *arena, struct str workspace,
                                     struct str *ret_tenant, struct str *ret_region, struct err *err)
{
        struct known_place *set = identity->places[hash_of(workspace) % PLACE_SETS];
        struct known_place found = {0};

        (void)pthread_mutex_lock(&identity->lock);
        for (unsigned i = 0; i < PLACE_WAYS; i++)
                if (str_is(workspace, set[i].workspace.text))
                        found = set[i];
        (void)pthread_mutex_unlock(&identity->lock);
        if (!found.workspace.text[0])
                return LOOKUP_UNKNOWN;
        return give_place(arena, &found, ret_tenant, ret_region, err) ? LOOKUP_FOUND : LOOKUP_REFUSED;
}

struct workspace_look {
        struct str workspace;
        struct sql_workspace_place_get_row row;
        bool found;
};

static bool workspace_work(struct tx *tx, void *arg, struct err *err)
{
        struct workspace_look *look = arg;

        return sql_workspace_place_get(tx, look->workspace, &look->row, &look->found, err);
}

BLOCKING_FN bool identity_workspace(struct identity *identity, struct arena *arena, struct str workspace,
                                    struct str *ret_tenant, struct str *ret_region, struct err *err)
{
        struct workspace_look look = {.workspace = workspace};
        struct known_place place = {.workspace = id_from(workspace)};
        ARENA_SCOPED scratch;
        struct known_place *set;

        arena_init(&scratch, SCRATCH_BYTES);
        if (!store_read(identity->services->store, &CELL_DIRECTORY, &scratch, workspace_work, &look, err))
                return false;
        if (!look.found || !place.workspace.text[0] || look.row.region.len >= sizeof(place.region))
                return err_set(err, ERR_NOT_FOUND, "there is nothing here");
        place.tenant = id_from(look.row.tenant_id);
        memcpy(place.region, look.row.region.ptr, look.row.region.len);
        /* A workspace never moves, so what is remembered stays true. */
        set = identity->places[hash_of(workspace) % PLACE_SETS];
        (void)pthread_mutex_lock(&identity->lock);
        set[identity->next_way++ % PLACE_WAYS] = place;
        (void)pthread_mutex_unlock(&identity->lock);
        return give_place(arena, &place, ret_tenant, ret_region, err);
}
