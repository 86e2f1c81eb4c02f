/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity.h"

#include "api/cell.h"
#include "api/services.h"
#include "base/clock.h"
#include "crypto/envelope.h"
#include "crypto/secret.h"
#include "identity/identity_sql.h"

#include <stdio.h>

enum { PREFIX_LEN = CREDENTIAL_PREFIX_SIZE - 1, SECRET_BYTES = 32, SECRET_LEN = 52 };

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* Crockford's base32 */

/* 5 bits a character, the last one padded with zeros. */
static void write_base32(const uint8_t *bytes, size_t len, char *ret_text)
{
        uint32_t bits = 0;
        unsigned count = 0;

        for (size_t i = 0; i < len; i++) {
                bits = bits << 8 | bytes[i];
                for (count += 8; count >= 5; count -= 5)
                        *ret_text++ = alphabet[bits >> (count - 5) & 31];
        }
        if (count > 0)
                *ret_text++ = alphabet[bits << (5 - count) & 31];
        *ret_text = '\0';
}

static bool is_base32(struct str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (!text.ptr[i] || !strchr(alphabet, text.ptr[i]))
                        return false;
        return true;
}

bool credential_prefix(struct str text, const char *kind, struct str *ret_prefix)
{
        struct str head;

        if (!str_cut(&text, '_', &head) || !str_is(head, kind) || !str_cut(&text, '_', ret_prefix))
                return false;
        return ret_prefix->len == PREFIX_LEN && text.len == SECRET_LEN && is_base32(*ret_prefix) &&
               is_base32(text);
}

bool credential_hash(const struct services *services, struct str text, uint32_t version, struct sha256 *ret,
                     struct err *err)
{
        uint8_t key[32];

        if (!envelope_derive(services->envelope, version, STR("credential-hash"), key, err))
                return false;
        hmac_sha256(str_make(key, sizeof(key)), text, ret);
        secret_wipe(key, sizeof(key));
        return true;
}

bool credential_new(const struct services *services, const char *kind, struct credential *ret,
                    struct err *err)
{
        uint8_t bytes[5 + SECRET_BYTES];
        char secret[SECRET_LEN + 1];

        random_bytes(bytes, sizeof(bytes));
        write_base32(bytes, 5, ret->prefix);
        write_base32(bytes + 5, SECRET_BYTES, secret);
        (void)snprintf(ret->text, sizeof(ret->text), "%s_%s_%s", kind, ret->prefix, secret);
        secret_wipe(bytes, sizeof(bytes));
        secret_wipe(secret, sizeof(secret));
        ret->hash_version = envelope_derive_version(services->envelope);
        return credential_hash(services, str_from(ret->text), ret->hash_version, &ret->hash, err);
}

bool credential_matches(const struct services *services, struct str text, struct str hash,
                        int64_t hash_version)
{
        struct sha256 found;
        struct err ignored;

        return hash_version > 0 && hash_version <= UINT32_MAX &&
               credential_hash(services, text, (uint32_t)hash_version, &found, &ignored) &&
               str_eq_secret(sha256_str(&found), hash);
}

bool credential_announce(struct tx *tx, const struct credential *credential, const char *kind,
                         struct str tenant, struct str region, int64_t now_ms, struct err *err)
{
        int64_t changes;

        if (!sql_credential_place_insert(tx, str_from(kind), str_from(credential->prefix), tenant, region,
                                         now_ms, &changes, err))
                return false;
        return changes == 1 || err_set(err, ERR_STORE_CONFLICT, "the prefix is taken");
}

struct announce {
        const struct credential *credential;
        const char *kind;
        const struct cell_ref *cell;
};

static bool announce_work(struct tx *tx, void *arg, struct err *err)
{
        const struct announce *announce = arg;

        return credential_announce(tx, announce->credential, announce->kind, announce->cell->tenant,
                                   announce->cell->region, clock_now_ms(), err);
}

FIBER_FN bool credential_create(const struct services *services, const char *kind,
                                const struct cell_ref *cell, struct credential *ret, struct err *err)
{
        struct announce announce = {ret, kind, cell};

        /* 40 random bits: the second try is for completeness. */
        for (int i = 0; i < 8; i++) {
                if (!credential_new(services, kind, ret, err))
                        return false;
                if (cell_write(services->store, &CELL_DIRECTORY, NULL, announce_work, &announce, err))
                        return true;
                if (err->code != ERR_STORE_CONFLICT)
                        return false;
        }
        return false;
}

struct find {
        struct str prefix;
        const char *kind;
        struct sql_credential_place_get_row row;
        bool found;
};

static bool find_work(struct tx *tx, void *arg, struct err *err)
{
        struct find *find = arg;

        return sql_credential_place_get(tx, str_from(find->kind), find->prefix, &find->row, &find->found,
                                        err);
}

FIBER_FN bool credential_find_cell(const struct services *services, struct arena *arena, struct str prefix,
                                   const char *kind, struct cell_ref *ret, bool *ret_found, struct err *err)
{
        struct find find = {.prefix = prefix, .kind = kind};

        if (!cell_read(services->store, &CELL_DIRECTORY, arena, find_work, &find, err))
                return false;
        *ret_found = find.found && str_is(find.row.state, "active");
        *ret = (struct cell_ref){.tenant = find.row.tenant_id, .region = find.row.region};
        return true;
}
