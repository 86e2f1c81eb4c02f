/* SPDX-License-Identifier: Apache-2.0 */
#include "access/access.h"

#include "access/access_sql.h"
#include "api/services.h"
#include "base/heap.h"

#include <pthread.h>
#include <stdio.h>

enum {
        RULE_SETS = 1024,
        RULE_WAYS = 4,
        PLACE_SETS = 512,
        PLACE_WAYS = 4,
        CACHE_BYTES_MAX = 64 << 20,
        SCRATCH_BYTES = 4 << 20,
};

struct known_place {
        struct id workspace;
        struct id tenant;
        size_t lens[5]; /* of the strings behind, in the order of struct access_place */
        char text[];
};

struct access {
        const struct services *services;
        struct condition_env *env; /* constant */
        pthread_mutex_t lock;      /* of all below */
        uint64_t generation;       /* grows whenever something is forgotten */
        size_t bytes;
        unsigned hand;
        struct access_rules *rules[RULE_SETS][RULE_WAYS];
        struct known_place *places[PLACE_SETS][PLACE_WAYS];
};

struct access *access_new(const struct services *services, struct err *err)
{
        struct access *access = heap_alloc_zeroed(1, sizeof(*access));

        if (!access) {
                (void)err_set(err, ERR_NO_MEMORY, "no memory for authorization");
                return NULL;
        }
        access->services = services;
        access->env = condition_env_new(err);
        if (access->env && pthread_mutex_init(&access->lock, NULL) == 0)
                return access;
        if (access->env)
                (void)err_set(err, ERR_SYSTEM, "no lock for authorization");
        condition_env_free(access->env);
        heap_free(access);
        return NULL;
}

void access_free(struct access *access)
{
        if (!access)
                return;
        for (unsigned i = 0; i < RULE_SETS; i++)
                for (unsigned j = 0; j < RULE_WAYS; j++)
                        access_rules_release(access->rules[i][j]);
        for (unsigned i = 0; i < PLACE_SETS; i++)
                for (unsigned j = 0; j < PLACE_WAYS; j++)
                        heap_free(access->places[i][j]);
        (void)pthread_mutex_destroy(&access->lock);
        condition_env_free(access->env);
        heap_free(access);
}

const struct condition_env *access_env(const struct access *access)
{
        return access->env;
}

/* FNV-1a; ids are random already. */
static uint32_t hash_of(struct str text)
{
        uint32_t hash = 2166136261u;

        for (size_t i = 0; i < text.len; i++)
                hash = (hash ^ (unsigned char)text.ptr[i]) * 16777619u;
        return hash ^ hash >> 15;
}

static uint64_t generation_now(struct access *access)
{
        uint64_t generation;

        (void)pthread_mutex_lock(&access->lock);
        generation = access->generation;
        (void)pthread_mutex_unlock(&access->lock);
        return generation;
}

/* ---- rules ------------------------------------------------------------------------------------- */

struct access_rules *access_rules_quick(struct access *access, struct str principal)
{
        struct access_rules **set = access->rules[hash_of(principal) % RULE_SETS];
        struct access_rules *found = NULL;

        /* A node that does not hear of changes asks the store each time. */
        if (!store_hears(access->services->store))
                return NULL;
        (void)pthread_mutex_lock(&access->lock);
        for (unsigned i = 0; i < RULE_WAYS && !found; i++)
                if (set[i] && str_eq(access_rules_principal(set[i]), principal))
                        found = access_rules_hold(set[i]);
        (void)pthread_mutex_unlock(&access->lock);
        return found;
}

/* Under the lock. */
static void drop_rules(struct access *access, struct access_rules **place)
{
        if (!*place)
                return;
        access->bytes -= access_rules_bytes(*place);
        access_rules_release(*place);
        *place = NULL;
}

/* Under the lock. Makes room for so many bytes, from wherever the hand is. */
static void make_room(struct access *access, size_t bytes)
{
        for (unsigned i = 0; i < RULE_SETS && access->bytes + bytes > CACHE_BYTES_MAX; i++) {
                struct access_rules **set = access->rules[access->hand++ % RULE_SETS];

                for (unsigned j = 0; j < RULE_WAYS; j++)
                        drop_rules(access, &set[j]);
        }
}

static void remember_rules(struct access *access, struct access_rules *rules, uint64_t generation)
{
        struct access_rules **set = access->rules[hash_of(access_rules_principal(rules)) % RULE_SETS];
        struct access_rules **place = NULL;

        (void)pthread_mutex_lock(&access->lock);
        if (generation == access->generation) {
                make_room(access, access_rules_bytes(rules));
                for (unsigned i = 0; i < RULE_WAYS; i++)
                        if (set[i] && str_eq(access_rules_principal(set[i]), access_rules_principal(rules)))
                                place = &set[i];
                for (unsigned i = 0; i < RULE_WAYS && !place; i++)
                        if (!set[i])
                                place = &set[i];
                if (!place)
                        place = &set[access->hand++ % RULE_WAYS];
                drop_rules(access, place);
                *place = access_rules_hold(rules);
                access->bytes += access_rules_bytes(rules);
        }
        (void)pthread_mutex_unlock(&access->lock);
}

struct rules_look {
        const struct condition_env *env;
        struct str principal;
        struct access_rules *rules;
};

static bool rules_work(struct tx *tx, void *arg, struct err *err)
{
        struct rules_look *look = arg;

        return access_rules_load(look->env, tx, look->principal, &look->rules, err);
}

BLOCKING_FN bool access_rules_get(struct access *access, const struct cell_ref *home, struct str principal,
                                  struct access_rules **ret, struct err *err)
{
        struct rules_look look = {.env = access->env, .principal = principal};
        uint64_t generation = generation_now(access);
        ARENA_SCOPED scratch;

        arena_init(&scratch, SCRATCH_BYTES);
        *ret = NULL;
        if (!store_read(access->services->store, home, &scratch, rules_work, &look, err)) {
                access_rules_release(look.rules);
                return false;
        }
        remember_rules(access, look.rules, generation);
        *ret = look.rules;
        return true;
}

/* ---- places ------------------------------------------------------------------------------------ */

static void place_fields(struct access_place *place, struct str *ret_fields[5])
{
        ret_fields[0] = &place->organization;
        ret_fields[1] = &place->region;
        ret_fields[2] = &place->data_mode;
        ret_fields[3] = &place->owner;
        ret_fields[4] = &place->labels;
}

bool access_place_quick(struct access *access, struct arena *arena, struct str workspace,
                        struct access_place *ret)
{
        struct known_place **set = access->places[hash_of(workspace) % PLACE_SETS];
        struct str *fields[5];
        bool found = false;

        if (!store_hears(access->services->store))
                return false;
        place_fields(ret, fields);
        (void)pthread_mutex_lock(&access->lock);
        for (unsigned i = 0; i < PLACE_WAYS && !found; i++) {
                const char *at;

                if (!set[i] || !str_is(workspace, set[i]->workspace.text))
                        continue;
                at = set[i]->text;
                for (unsigned j = 0; j < 5; j++) {
                        *fields[j] = arena_str(arena, str_make(at, set[i]->lens[j]));
                        at += set[i]->lens[j];
                }
                found = true;
        }
        (void)pthread_mutex_unlock(&access->lock);
        return found && !arena_failed(arena);
}

static void remember_place(struct access *access, struct str tenant, struct str workspace,
                           struct access_place *place, uint64_t generation)
{
        struct known_place **set = access->places[hash_of(workspace) % PLACE_SETS];
        struct known_place *known;
        struct str *fields[5];
        size_t size = 0;
        char *at;

        place_fields(place, fields);
        for (unsigned i = 0; i < 5; i++)
                size += fields[i]->len;
        known = heap_alloc_zeroed(1, sizeof(*known) + size);
        if (!known)
                return;
        known->workspace = id_from(workspace);
        known->tenant = id_from(tenant);
        at = known->text;
        for (unsigned i = 0; i < 5; i++) {
                known->lens[i] = fields[i]->len;
                if (fields[i]->len > 0)
                        memcpy(at, fields[i]->ptr, fields[i]->len);
                at += fields[i]->len;
        }
        (void)pthread_mutex_lock(&access->lock);
        if (generation == access->generation) {
                struct known_place **way = &set[access->hand++ % PLACE_WAYS];
                struct known_place *old = *way;

                *way = known;
                known = old;
        }
        (void)pthread_mutex_unlock(&access->lock);
        heap_free(known);
}

struct place_look {
        struct str workspace;
        struct access_place *place;
        bool found;
};

static bool place_work(struct tx *tx, void *arg, struct err *err)
{
        struct place_look *look = arg;
        struct sql_access_workspace_get_row row;

        if (!sql_access_workspace_get(tx, look->workspace, &row, &look->found, err))
                return false;
        *look->place = (struct access_place){.organization = row.organization_id,
                                             .region = row.region,
                                             .data_mode = row.data_mode,
                                             .owner = row.owner_id,
                                             .labels = row.labels};
        return true;
}

BLOCKING_FN bool access_place_get(struct access *access, struct arena *arena, const struct cell_ref *cell,
                                  struct str workspace, struct access_place *ret, struct err *err)
{
        struct place_look look = {.workspace = workspace, .place = ret};
        uint64_t generation = generation_now(access);

        if (!store_read(access->services->store, cell, arena, place_work, &look, err))
                return false;
        if (!look.found)
                return err_set(err, ERR_NOT_FOUND, "there is nothing here");
        remember_place(access, cell->tenant, workspace, ret, generation);
        return true;
}

/* ---- forgetting -------------------------------------------------------------------------------- */

/* What has this id; all for "". */
static void forget_id(struct access *access, const char *id)
{
        (void)pthread_mutex_lock(&access->lock);
        access->generation++;
        for (unsigned i = 0; i < RULE_SETS; i++)
                for (unsigned j = 0; j < RULE_WAYS; j++) {
                        const struct access_rules *rules = access->rules[i][j];

                        if (rules && (!*id || str_is(access_rules_principal(rules), id) ||
                                      str_is(access_rules_tenant(rules), id)))
                                drop_rules(access, &access->rules[i][j]);
                }
        for (unsigned i = 0; i < PLACE_SETS; i++)
                for (unsigned j = 0; j < PLACE_WAYS; j++) {
                        struct known_place *place = access->places[i][j];

                        if (place && (!*id || strcmp(place->workspace.text, id) == 0 ||
                                      strcmp(place->tenant.text, id) == 0)) {
                                access->places[i][j] = NULL;
                                heap_free(place);
                        }
                }
        (void)pthread_mutex_unlock(&access->lock);
}

struct forget {
        struct access *access;
        struct id id;
};

static void forget_now(void *arg)
{
        const struct forget *forget = arg;

        forget_id(forget->access, forget->id.text);
}

void access_hear(struct access *access, struct str message)
{
        if (!message.ptr)
                forget_id(access, "");
        else if (str_starts(message, STR("a ")))
                forget_id(access, id_from(str_slice(message, 2, message.len)).text);
}

bool access_forget_on_commit(const struct services *services, struct tx *tx, struct str id, struct err *err)
{
        struct forget *forget;
        char message[sizeof(struct id) + 4];

        if (!services->access)
                return true; /* a program without a pipeline remembers nothing */
        forget = ARENA_NEW(tx_arena(tx), struct forget);
        if (!forget)
                return arena_check(tx_arena(tx), err);
        *forget = (struct forget){services->access, id_from(id)};
        tx_on_commit(tx, forget_now, forget);
        (void)snprintf(message, sizeof(message), "a %s", forget->id.text);
        tx_tell(tx, str_from(message));
        return true;
}
