/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/tenant_keys.h"

#include "base/clock.h"
#include "base/heap.h"
#include "crypto/envelope.h"
#include "crypto/sealed.h"
#include "crypto/secret.h"
#include "keys/keys_sql.h"

#include <pthread.h>
#include <stdio.h>

enum {
        SLOT_SETS = TENANT_KEYS_CACHED / 8,
        SLOT_WAYS = 8,
        TENANT_NAME_MAX = 64,
        REGION_NAME_MAX = 32,
        ROW_PARTS_MAX = 16,
};

/*
 * What unwrapping a row gave; version 0: empty. It counts for a row with the same
 * wrapped bytes only, of which nonce and tag are kept: a row that was taken back,
 * erased or replaced finds nothing here.
 */
struct slot {
        uint64_t used;
        uint32_t version;
        uint8_t nonce[AEAD_NONCE_SIZE];
        uint8_t tag[AEAD_TAG_SIZE];
        char tenant[TENANT_NAME_MAX + 1];
        char region[REGION_NAME_MAX + 1];
        uint8_t key[AEAD_KEY_SIZE];
};

/* In secret memory, whole. */
struct tenant_keys {
        struct envelope *envelope;
        pthread_mutex_t lock; /* guards what follows */
        uint64_t tick;
        size_t count;
        struct slot slots[SLOT_SETS][SLOT_WAYS];
};

/* A key on its way through a function; wiped at its end. */
struct held {
        uint32_t version;
        uint8_t key[AEAD_KEY_SIZE];
};

static void held_wipe(struct held *held)
{
        secret_wipe(held, sizeof(*held));
}

bool tenant_keys_new(struct envelope *envelope, struct tenant_keys **ret, struct err *err)
{
        struct tenant_keys *keys = secret_alloc(sizeof(*keys));

        *ret = keys;
        if (!keys)
                return err_set(err, ERR_NO_MEMORY, "no memory for the tenants' keys");
        keys->envelope = envelope;
        pthread_mutex_init(&keys->lock, NULL);
        return true;
}

void tenant_keys_free(struct tenant_keys *keys)
{
        if (!keys)
                return;
        pthread_mutex_destroy(&keys->lock);
        secret_free(keys, sizeof(*keys));
}

/* ---- what is remembered ------------------------------------------------------------------------ */

static struct slot *set_of(struct tenant_keys *keys, struct str tenant, struct str region, uint32_t version)
{
        uint64_t hash = UINT64_C(14695981039346656037) ^ version; /* FNV-1a */

        for (size_t i = 0; i < tenant.len; i++)
                hash = (hash ^ (uint8_t)tenant.ptr[i]) * UINT64_C(1099511628211);
        for (size_t i = 0; i < region.len; i++)
                hash = (hash ^ (uint8_t)region.ptr[i]) * UINT64_C(1099511628211);
        return keys->slots[(hash >> 32 ^ hash) % SLOT_SETS];
}

static bool slot_is(const struct slot *slot, struct str tenant, struct str region, uint32_t version)
{
        return slot->version == version && str_is(tenant, slot->tenant) && str_is(region, slot->region);
}

/* nonce and tag of a wrapped key */
static const char *nonce_of(struct str wrapped)
{
        return wrapped.ptr + SEALED_HEAD_SIZE - AEAD_NONCE_SIZE;
}

static const char *tag_of(struct str wrapped)
{
        return wrapped.ptr + wrapped.len - AEAD_TAG_SIZE;
}

static bool recall(struct tenant_keys *keys, struct str tenant, struct str region, uint32_t version,
                   struct str wrapped, struct held *ret)
{
        struct slot *set = set_of(keys, tenant, region, version);
        bool found = false;

        if (wrapped.len < SEALED_OVERHEAD)
                return false;
        pthread_mutex_lock(&keys->lock);
        for (int i = 0; i < SLOT_WAYS && !found; i++) {
                if (!slot_is(&set[i], tenant, region, version) ||
                    memcmp(set[i].nonce, nonce_of(wrapped), sizeof(set[i].nonce)) != 0 ||
                    memcmp(set[i].tag, tag_of(wrapped), sizeof(set[i].tag)) != 0)
                        continue;
                set[i].used = ++keys->tick;
                ret->version = version;
                memcpy(ret->key, set[i].key, sizeof(ret->key));
                found = true;
        }
        pthread_mutex_unlock(&keys->lock);
        return found;
}

static void slot_clear(struct tenant_keys *keys, struct slot *slot)
{
        if (slot->version != 0)
                keys->count--;
        secret_wipe(slot, sizeof(*slot));
}

/* In the place of the one of its set that was not used for the longest time. */
static void remember(struct tenant_keys *keys, struct str tenant, struct str region, struct str wrapped,
                     const struct held *held)
{
        struct slot *set = set_of(keys, tenant, region, held->version);
        struct slot *victim = &set[0];

        if (tenant.len > TENANT_NAME_MAX || region.len > REGION_NAME_MAX)
                return;
        pthread_mutex_lock(&keys->lock);
        for (int i = 0; i < SLOT_WAYS; i++) {
                if (slot_is(&set[i], tenant, region, held->version)) {
                        victim = &set[i];
                        break;
                }
                if (set[i].used < victim->used)
                        victim = &set[i];
        }
        slot_clear(keys, victim);
        victim->used = ++keys->tick;
        victim->version = held->version;
        memcpy(victim->tenant, tenant.ptr, tenant.len);
        memcpy(victim->region, region.ptr, region.len);
        memcpy(victim->nonce, nonce_of(wrapped), sizeof(victim->nonce));
        memcpy(victim->tag, tag_of(wrapped), sizeof(victim->tag));
        memcpy(victim->key, held->key, sizeof(victim->key));
        keys->count++;
        pthread_mutex_unlock(&keys->lock);
}

void tenant_keys_forget(struct tenant_keys *keys, struct str tenant)
{
        pthread_mutex_lock(&keys->lock);
        for (int i = 0; i < SLOT_SETS; i++)
                for (int j = 0; j < SLOT_WAYS; j++)
                        if (str_is(tenant, keys->slots[i][j].tenant))
                                slot_clear(keys, &keys->slots[i][j]);
        pthread_mutex_unlock(&keys->lock);
}

size_t tenant_keys_count(struct tenant_keys *keys)
{
        pthread_mutex_lock(&keys->lock);
        size_t count = keys->count;
        pthread_mutex_unlock(&keys->lock);
        return count;
}

/* ---- the wrapped keys in the cell -------------------------------------------------------------- */

enum { WRAPPED_ROW = 4 };
static void wrapped_row(struct tx *tx, const char *version_text, struct str row[WRAPPED_ROW])
{
        row[0] = STR("tenant_key");
        row[1] = tx_tenant(tx);
        row[2] = tx_region(tx);
        row[3] = str_from(version_text);
}

static void version_format(uint32_t version, char text[16])
{
        (void)snprintf(text, 16, "%u", version);
}

static bool unwrap(struct tx *tx, uint32_t version, struct str wrapped, struct held *ret, struct err *err)
{
        if (recall(tx_keys(tx), tx_tenant(tx), tx_region(tx), version, wrapped, ret))
                return true;

        ARENA_SCOPED secrets;
        struct str row[WRAPPED_ROW], key;
        char text[16];

        arena_init_zeroing(&secrets, 16384);
        version_format(version, text);
        wrapped_row(tx, text, row);
        if (!envelope_unwrap(tx_keys(tx)->envelope, &secrets, row, WRAPPED_ROW, wrapped, &key, err))
                return err_prefix(err, "the tenant's key version %u", version);
        if (key.len != sizeof(ret->key))
                return err_set(err, ERR_STORE_FAILED, "a tenant's key has %zu bytes", key.len);
        ret->version = version;
        memcpy(ret->key, key.ptr, key.len);
        remember(tx_keys(tx), tx_tenant(tx), tx_region(tx), wrapped, ret);
        return true;
}

/* The first key. */
static bool make_first(struct tx *tx, struct held *ret, bool *ret_made, struct err *err)
{
        struct envelope *envelope = tx_keys(tx)->envelope;
        struct str row[WRAPPED_ROW], wrapped;
        int64_t changes;

        if (!tx_is_write(tx))
                return err_set(err, ERR_INTERNAL, "a tenant's first key cannot be made while reading");
        ret->version = 1;
        random_bytes(ret->key, sizeof(ret->key));
        wrapped_row(tx, "1", row);
        if (!envelope_wrap(envelope, tx_arena(tx), row, WRAPPED_ROW, str_make(ret->key, sizeof(ret->key)),
                           &wrapped, err) ||
            !sql_tenant_key_insert(tx, 1, envelope_version_of(wrapped), wrapped, clock_now_ms(), &changes,
                                   err))
                return false;
        *ret_made = changes == 1;
        return true;
}

static bool newest(struct tx *tx, struct held *ret, struct err *err)
{
        struct sql_tenant_key_last_row row;
        bool found, made;

        for (int i = 0; i < 2; i++) {
                if (!sql_tenant_key_last(tx, &row, &found, err))
                        return false;
                if (found)
                        return unwrap(tx, (uint32_t)row.version, row.wrapped, ret, err);
                if (!make_first(tx, ret, &made, err))
                        return false;
                if (made)
                        return true;
        }
        return err_set(err, ERR_STORE_CONFLICT, "the tenant's first key is being made by another node");
}

static bool find(struct tx *tx, uint32_t version, struct held *ret, struct err *err)
{
        struct sql_tenant_key_get_row row;
        bool found;

        if (!sql_tenant_key_get(tx, version, &row, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_BAD_SIGNATURE, "the tenant's key version %u does not exist",
                               version);
        return unwrap(tx, version, row.wrapped, ret, err);
}

/* ---- sealing ----------------------------------------------------------------------------------- */

/* Tenant and region lead every row's name. */
static bool full_row(struct tx *tx, const struct str *row, size_t row_count, struct str parts[ROW_PARTS_MAX],
                     struct err *err)
{
        if (!tx_keys(tx))
                return err_set(err, ERR_INTERNAL, "this store has no keys to seal with");
        if (row_count > ROW_PARTS_MAX - 2)
                return err_set(err, ERR_INTERNAL, "the name of a row with a secret has %zu parts",
                               row_count);
        parts[0] = tx_tenant(tx);
        parts[1] = tx_region(tx);
        memcpy(parts + 2, row, row_count * sizeof(*row));
        return true;
}

bool tenant_key_seal(struct tx *tx, const struct str *row, size_t row_count, struct str secret,
                     struct str *ret_sealed, struct err *err)
{
        struct str parts[ROW_PARTS_MAX];
        _cleanup_(held_wipe) struct held held = {0};

        if (!full_row(tx, row, row_count, parts, err) || !newest(tx, &held, err))
                return false;
        const struct sealed_key key = {SEALED_BY_TENANT, held.version, held.key};
        return sealed_make(tx_arena(tx), &key, parts, row_count + 2, secret, ret_sealed, err);
}

bool tenant_key_open(struct tx *tx, struct arena *arena, const struct str *row, size_t row_count,
                     struct str sealed, struct str *ret_secret, struct err *err)
{
        uint32_t version = sealed_version(SEALED_BY_TENANT, sealed);
        struct str parts[ROW_PARTS_MAX];
        _cleanup_(held_wipe) struct held held = {0};

        if (version == 0)
                return err_set(err, ERR_BAD_SIGNATURE, "a sealed value of %zu bytes is malformed",
                               sealed.len);
        if (!full_row(tx, row, row_count, parts, err) || !find(tx, version, &held, err))
                return false;
        const struct sealed_key key = {SEALED_BY_TENANT, version, held.key};
        return sealed_open(arena, &key, parts, row_count + 2, sealed, ret_secret, err);
}

/* ---- rotation of the root key -------------------------------------------------------------------- */

enum { REWRAP_MAX = 256 };

static bool rewrap_one(struct tx *tx, const struct envelope *envelope,
                       const struct sql_tenant_key_stale_list_row *stale, struct err *err)
{
        ARENA_SCOPED secrets;
        struct str row[WRAPPED_ROW], key, wrapped;
        int64_t changes;
        char text[16];

        arena_init_zeroing(&secrets, 16384);
        version_format((uint32_t)stale->version, text);
        wrapped_row(tx, text, row);
        return envelope_unwrap(envelope, &secrets, row, WRAPPED_ROW, stale->wrapped, &key, err) &&
               envelope_wrap(envelope, tx_arena(tx), row, WRAPPED_ROW, key, &wrapped, err) &&
               sql_tenant_key_rewrap(tx, stale->version, stale->wrapped, envelope_version_of(wrapped),
                                     wrapped, &changes, err);
}

bool tenant_keys_rewrap(struct tx *tx, const struct envelope *envelope, int64_t most, int64_t *ret_changed,
                        struct err *err)
{
        struct sql_tenant_key_stale_list_row rows[REWRAP_MAX];
        size_t count = 0;
        bool has;

        {
                /* Closed before the rows are changed that it stands on. */
                SQL_SCOPED(tenant_key_stale_list) c = {0};

                if (!sql_tenant_key_stale_list_open(tx, envelope_current_version(envelope),
                                                    most < REWRAP_MAX ? most : REWRAP_MAX, &c, err))
                        return false;
                while (count < REWRAP_MAX) {
                        if (!sql_tenant_key_stale_list_next(&c, &rows[count], &has, err))
                                return false;
                        if (!has)
                                break;
                        count++;
                }
        }
        for (size_t i = 0; i < count; i++)
                if (!rewrap_one(tx, envelope, &rows[i], err))
                        return false;
        *ret_changed = (int64_t)count;
        return true;
}
