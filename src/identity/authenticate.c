/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/authenticate.h"

#include "api/services.h"
#include "base/clock.h"
#include "base/heap.h"
#include "identity/cache.h"
#include "identity/identity.h"
#include "identity/identity_sql.h"
#include "identity/known.h"

#include <pthread.h>
#include <stdio.h>

enum {
        KNOWN_SETS = 1024,
        KNOWN_WAYS = 8,
        REGION_SIZE = 33,
        SCRATCH_BYTES = 64 * 1024,
};

/* A JWT is looked at again after this time, whatever its own expiry says. */
#define JWT_ASK_AGAIN_MS ((int64_t)5 * 60000)

struct identity {
        const struct services *services;
        uint8_t salt[SHA256_SIZE];      /* constant */
        const struct identity_jwt *jwt; /* constant while requests run */
        pthread_mutex_t lock;           /* of all below */
        uint64_t generation;            /* grows whenever something is forgotten */
        unsigned next_way;
        struct known *known[KNOWN_SETS][KNOWN_WAYS];
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
        for (unsigned i = 0; i < KNOWN_SETS; i++)
                for (unsigned j = 0; j < KNOWN_WAYS; j++)
                        heap_free(identity->known[i][j]);
        (void)pthread_mutex_destroy(&identity->lock);
        heap_free(identity);
}

void identity_set_jwt(struct identity *identity, const struct identity_jwt *jwt)
{
        identity->jwt = jwt;
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

/* ---- what is remembered ------------------------------------------------------------------------ */

enum { PRINCIPAL_STRINGS = 6 };

static void strings_of(struct principal *principal, struct str *ret[PRINCIPAL_STRINGS])
{
        ret[0] = &principal->name;
        ret[1] = &principal->region;
        ret[2] = &principal->realm;
        ret[3] = &principal->methods;
        ret[4] = &principal->agent_scope;
        ret[5] = &principal->risk_tier;
}

struct known *known_new(struct str name, const struct principal *principal)
{
        struct principal copy = *principal;
        struct str *strings[PRINCIPAL_STRINGS];
        struct known *known;
        size_t len = 0;

        if (name.len >= KNOWN_NAME_SIZE)
                return NULL;
        strings_of(&copy, strings);
        for (unsigned i = 0; i < PRINCIPAL_STRINGS; i++)
                len += strings[i]->len;
        known = heap_alloc_zeroed(1, sizeof(*known) + len);
        if (!known)
                return NULL;
        memcpy(known->name, name.ptr, name.len);
        for (unsigned i = 0; i < PRINCIPAL_STRINGS; i++) {
                if (!strings[i]->ptr)
                        continue;
                memcpy(known->text + known->text_len, strings[i]->ptr, strings[i]->len);
                strings[i]->ptr = known->text + known->text_len;
                known->text_len += strings[i]->len;
        }
        known->principal = copy;
        return known;
}

struct known *known_copy(const struct known *known, struct arena *arena)
{
        struct known *copy = arena_alloc(arena, sizeof(*known) + known->text_len);
        struct str *strings[PRINCIPAL_STRINGS];

        if (!copy)
                return NULL;
        memcpy(copy, known, sizeof(*known) + known->text_len);
        strings_of(&copy->principal, strings);
        for (unsigned i = 0; i < PRINCIPAL_STRINGS; i++)
                if (strings[i]->ptr)
                        strings[i]->ptr = copy->text + (strings[i]->ptr - known->text);
        return copy;
}

/* Copies what is remembered; the caller checks the secret and the times without the lock. */
static struct known *copy_known(struct identity *identity, struct arena *arena, struct str name)
{
        struct known *copy = NULL;
        struct known **set = identity->known[hash_of(name) % KNOWN_SETS];

        (void)pthread_mutex_lock(&identity->lock);
        for (unsigned i = 0; i < KNOWN_WAYS && !copy; i++)
                if (set[i] && str_is(name, set[i]->name))
                        copy = known_copy(set[i], arena);
        (void)pthread_mutex_unlock(&identity->lock);
        return copy;
}

static void remember(struct identity *identity, struct known *known, uint64_t generation)
{
        struct known **set = identity->known[hash_of(str_from(known->name)) % KNOWN_SETS];
        struct known **place = NULL;
        struct known *old = known;

        (void)pthread_mutex_lock(&identity->lock);
        if (generation == identity->generation) {
                for (unsigned i = 0; i < KNOWN_WAYS; i++)
                        if (set[i] && strcmp(set[i]->name, known->name) == 0)
                                place = &set[i];
                for (unsigned i = 0; i < KNOWN_WAYS && !place; i++)
                        if (!set[i])
                                place = &set[i];
                if (!place)
                        place = &set[identity->next_way++ % KNOWN_WAYS];
                old = *place;
                *place = known;
        }
        (void)pthread_mutex_unlock(&identity->lock);
        heap_free(old);
}

/* ---- forgetting ---------------------------------------------------------------------------------- */

struct forget {
        struct identity *identity;
        struct id id;
};

static bool is_of(const struct known *known, const char *id)
{
        return strcmp(known->principal.id.text, id) == 0 ||
               strcmp(known->principal.credential.text, id) == 0 || str_is(known->principal.realm, id);
}

/* Every credential with this id, of the principal or of the realm with this id; all for "". */
static void forget_id(struct identity *identity, const char *id)
{
        (void)pthread_mutex_lock(&identity->lock);
        identity->generation++;
        for (unsigned i = 0; i < KNOWN_SETS; i++)
                for (unsigned j = 0; j < KNOWN_WAYS; j++) {
                        struct known *known = identity->known[i][j];

                        if (known && (!*id || is_of(known, id))) {
                                identity->known[i][j] = NULL;
                                heap_free(known);
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

/* ---- the pipeline's question ----------------------------------------------------------------------- */

enum kind { KIND_NONE, KIND_KEY, KIND_SESSION, KIND_JWT };

struct shown {
        enum kind kind;
        struct sha256 salted;
        struct str name; /* without the secret, see known.h */
        char hex[KNOWN_NAME_SIZE];
};

/* What kind of credential it is, by its form alone. */
static bool look_at(const struct identity *identity, struct str token, struct shown *ret)
{
        struct id tenant;
        struct str prefix;

        ret->kind = KIND_NONE;
        if (credential_prefix(token, "cs", &prefix))
                ret->kind = KIND_KEY;
        else if (session_token_parse(token, &tenant, &prefix))
                ret->kind = KIND_SESSION;
        else if (identity->jwt && str_starts(token, STR("ey")))
                ret->kind = KIND_JWT;
        if (ret->kind == KIND_NONE)
                return false;
        salted_hash(identity, token, &ret->salted);
        if (ret->kind == KIND_JWT) {
                for (unsigned i = 0; i < (KNOWN_NAME_SIZE - 1) / 2; i++)
                        (void)snprintf(ret->hex + (size_t)2 * i, 3, "%02x", ret->salted.bytes[i]);
                ret->name = str_from(ret->hex);
        } else {
                ret->name = str_slice(token, 0, (size_t)(prefix.ptr - token.ptr) + prefix.len);
        }
        return true;
}

enum lookup identity_authenticate_quick(struct identity *identity, struct arena *arena, struct str token,
                                        int64_t now_ms, struct principal *ret, struct err *err)
{
        struct known *known;
        struct shown shown;

        if (!look_at(identity, token, &shown)) {
                (void)refuse_credential(err);
                return LOOKUP_REFUSED;
        }
        /* A node that does not hear of revocations asks the store each time. */
        known = store_hears(identity->services->store) ? copy_known(identity, arena, shown.name) : NULL;
        if (!known)
                return LOOKUP_UNKNOWN;
        if (!str_eq_secret(sha256_str(&shown.salted), sha256_str(&known->salted)) ||
            (known->principal.expires_ms != 0 && now_ms >= known->principal.expires_ms)) {
                (void)refuse_credential(err);
                return LOOKUP_REFUSED;
        }
        /* It may have been used on another node meanwhile. */
        if (now_ms >= known->idle_until_ms || now_ms >= known->ask_again_ms)
                return LOOKUP_UNKNOWN;
        *ret = known->principal;
        return LOOKUP_FOUND;
}

static BLOCKING_FN bool find(const struct identity *identity, enum kind kind, struct arena *arena,
                             struct str token, int64_t now_ms, struct found *ret, struct err *err)
{
        switch (kind) {
        case KIND_KEY:
                return find_api_key(identity->services, arena, token, now_ms, ret, err);
        case KIND_SESSION:
                return find_session(identity->services, arena, token, now_ms, ret, err);
        case KIND_JWT:
                *ret = (struct found){.idle_until_ms = INT64_MAX, .ask_again_ms = now_ms + JWT_ASK_AGAIN_MS};
                return identity->jwt->authenticate(identity->jwt->data, arena, token, now_ms,
                                                   &ret->principal, err);
        case KIND_NONE:
                break;
        }
        return refuse_credential(err);
}

BLOCKING_FN bool identity_authenticate(struct identity *identity, struct arena *arena, struct str token,
                                       int64_t now_ms, struct principal *ret, struct err *err)
{
        ARENA_SCOPED scratch;
        struct known *known;
        struct known *copy;
        struct shown shown;
        struct found found;
        uint64_t generation;

        arena_init(&scratch, SCRATCH_BYTES);
        if (!look_at(identity, token, &shown))
                return refuse_credential(err);
        (void)pthread_mutex_lock(&identity->lock);
        generation = identity->generation;
        (void)pthread_mutex_unlock(&identity->lock);
        if (!find(identity, shown.kind, &scratch, token, now_ms, &found, err))
                return false;
        known = known_new(shown.name, &found.principal);
        copy = known ? known_copy(known, arena) : NULL;
        if (!copy) {
                heap_free(known);
                return err_set(err, ERR_NO_MEMORY, "no memory for the caller's identity");
        }
        known->salted = shown.salted;
        known->idle_until_ms = found.idle_until_ms;
        known->ask_again_ms = found.ask_again_ms;
        *ret = copy->principal;
        remember(identity, known, generation);
        return true;
}
