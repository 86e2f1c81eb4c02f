/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/accounts.h"

#include "api/cell.h"
#include "api/services.h"
#include "base/base64.h"
#include "base/heap.h"
#include "crypto/envelope.h"
#include "crypto/secret.h"
#include "identity/accounts_sql.h"
#include "identity/sessions.h"
#include "keys/tenant_keys.h"

#include <stdio.h>

bool accounts_start(const struct accounts_config *config, struct accounts **ret, struct err *err)
{
        struct accounts *accounts = heap_alloc_zeroed(1, sizeof(*accounts));

        *ret = NULL;
        if (!accounts)
                return err_set(err, ERR_NO_MEMORY, "no memory to start");
        accounts->attestation = config->attestation;
        accounts->link_ms = config->link_ms;
        if (!passwords_start(&config->passwords, &accounts->passwords, err)) {
                accounts_stop(accounts);
                return false;
        }
        *ret = accounts;
        return true;
}

void accounts_stop(struct accounts *accounts)
{
        if (!accounts)
                return;
        passwords_stop(accounts->passwords);
        heap_free(accounts);
}

/* ---- accounts --------------------------------------------------------------------------------------- */

static struct account account_from_row(const struct sql_account_get_row *row)
{
        return (struct account){
                .principal = row->principal_id,
                .name = row->name,
                .login = row->login,
                .has_password = row->password_sealed.ptr != NULL,
                .created_ms = row->created_ms,
                .password_ms = row->password_ms,
                .disabled = row->has_disabled_ms || row->has_principal_disabled_ms,
        };
}

bool account_get(struct tx *tx, struct str principal, struct account *ret, struct err *err)
{
        struct sql_account_get_row row;
        bool found;

        if (!sql_account_get(tx, principal, &row, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "%.*s has no local account", STR_ARG(principal));
        *ret = account_from_row(&row);
        return true;
}

bool account_create(struct tx *tx, struct str principal, struct str login, int64_t now_ms,
                    struct account *ret, struct err *err)
{
        struct identity_principal who;
        struct str folded = STR_NULL;
        struct sql_account_get_row row;
        int64_t changes;
        bool found;

        if (!identity_principal_get(tx, principal, &who, err))
                return false;
        if (who.kind != PRINCIPAL_USER || who.disabled)
                return err_set(err, ERR_CONFLICT, "only people who are not disabled have accounts");
        if (login.ptr && !login_name_prepare(tx_arena(tx), login, &folded, err))
                return false;
        if (folded.ptr) {
                if (!sql_account_by_login(tx, folded, &row, &found, err))
                        return false;
                if (found)
                        return err_set_at(err, ERR_ALREADY_EXISTS, "/login", "the login name is taken");
        }
        if (!sql_account_insert(tx, principal, login, folded, now_ms, &changes, err))
                return false;
        if (changes == 0)
                return err_set(err, ERR_ALREADY_EXISTS, "%.*s has an account already, or the name is taken",
                               STR_ARG(principal));
        return account_get(tx, principal, ret, err);
}

bool account_set_disabled(const struct services *services, struct tx *tx, struct str principal,
                          bool disabled, int64_t now_ms, struct err *err)
{
        struct account account;
        int64_t changes;

        if (!account_get(tx, principal, &account, err) ||
            !sql_account_set_disabled(tx, principal, disabled ? &now_ms : NULL, &changes, err))
                return false;
        return !disabled || (sql_account_link_void(tx, principal, now_ms, &changes, err) &&
                             session_revoke_principal(services, tx, principal, STR_NULL, now_ms, NULL, err));
}

/* ---- passwords, sealed ---------------------------------------------------------------------------------
 */

static bool seal(struct tx *tx, struct str principal, struct str encoded, struct str *ret, struct err *err)
{
        const struct str row[] = {STR("account"), principal, STR("password_sealed")};

        return tenant_key_seal(tx, row, 3, encoded, ret, err);
}

static bool unseal(struct tx *tx, struct arena *secrets, struct str principal, struct str sealed,
                   struct str *ret, struct err *err)
{
        const struct str row[] = {STR("account"), principal, STR("password_sealed")};

        *ret = STR("");
        return !sealed.ptr || tenant_key_open(tx, secrets, row, 3, sealed, ret, err);
}

bool account_find_password(struct tx *tx, struct arena *secrets, struct str login_folded,
                           struct account *ret, struct str *ret_encoded, bool *ret_found, struct err *err)
{
        struct sql_account_get_row row;

        if (!sql_account_by_login(tx, login_folded, &row, ret_found, err))
                return false;
        *ret_encoded = STR("");
        if (!*ret_found)
                return true;
        *ret = account_from_row(&row);
        return unseal(tx, secrets, row.principal_id, row.password_sealed, ret_encoded, err);
}

bool account_password(struct tx *tx, struct arena *secrets, struct str principal, struct str *ret_encoded,
                      struct err *err)
{
        struct sql_account_get_row row;
        bool found;

        if (!sql_account_get(tx, principal, &row, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "%.*s has no local account", STR_ARG(principal));
        return unseal(tx, secrets, principal, row.password_sealed, ret_encoded, err);
}

bool account_put_password(const struct services *services, struct tx *tx, struct str principal,
                          struct str session, struct str encoded, int64_t now_ms, struct err *err)
{
        struct str sealed;
        int64_t changes;

        if (!seal(tx, principal, encoded, &sealed, err) ||
            !sql_account_set_password(tx, principal, sealed, now_ms, &changes, err))
                return false;
        if (changes != 1)
                return err_set(err, ERR_NOT_FOUND, "%.*s has no local account", STR_ARG(principal));
        return sql_account_link_void(tx, principal, now_ms, &changes, err) &&
               session_revoke_principal(services, tx, principal, session, now_ms, NULL, err);
}

bool account_renew_password(struct tx *tx, struct str principal, struct str encoded, int64_t password_ms,
                            struct err *err)
{
        struct str sealed;
        int64_t changes;

        return seal(tx, principal, encoded, &sealed, err) &&
               sql_account_renew_password(tx, principal, sealed, password_ms, &changes, err);
}

/* ---- links
 * ------------------------------------------------------------------------------------------------ */

bool account_link_keep(struct tx *tx, const struct credential *link, struct str principal, int64_t now_ms,
                       int64_t expires_ms, struct err *err)
{
        struct account account;
        int64_t changes;

        if (!account_get(tx, principal, &account, err))
                return false;
        if (account.disabled)
                return err_set(err, ERR_CONFLICT, "the account of %.*s is disabled", STR_ARG(principal));
        return sql_account_link_void(tx, principal, now_ms, &changes, err) &&
               sql_account_link_insert(tx,
                                       &(struct sql_account_link_insert_in){
                                               .prefix = str_from(link->prefix),
                                               .principal_id = principal,
                                               .hash = sha256_str(&link->hash),
                                               .hash_version = link->hash_version,
                                               .now = now_ms,
                                               .expires_ms = expires_ms,
                                       },
                                       err);
}

static bool refuse_link(struct err *err)
{
        return err_set(err, ERR_UNAUTHENTICATED,
                       "the link is not valid: unknown, used, too old, or replaced by a newer one");
}

bool account_link_find(const struct services *services, struct tx *tx, struct str link, int64_t now_ms,
                       struct account *ret, struct err *err)
{
        struct sql_account_link_get_row row;
        struct str prefix;
        bool found;

        if (!credential_prefix(link, LINK_KIND, &prefix))
                return refuse_link(err);
        if (!sql_account_link_get(tx, prefix, &row, &found, err))
                return false;
        if (!found || !credential_matches(services, link, row.hash, row.hash_version) || row.has_used_ms ||
            row.expires_ms <= now_ms)
                return refuse_link(err);
        return account_get(tx, row.principal_id, ret, err) && (!ret->disabled || refuse_link(err));
}

bool account_link_use(const struct services *services, struct tx *tx, struct str link, struct str login,
                      struct str encoded, int64_t now_ms, struct account *ret, struct err *err)
{
        struct str prefix, folded;
        int64_t changes;

        if (!account_link_find(services, tx, link, now_ms, ret, err))
                return false;
        if (!credential_prefix(link, LINK_KIND, &prefix) ||
            !sql_account_link_use(tx, prefix, now_ms, &changes, err))
                return false;
        if (changes != 1)
                return refuse_link(err);
        if (!ret->login.ptr) {
                if (!login_name_prepare(tx_arena(tx), login, &folded, err) ||
                    !sql_account_set_login(tx, ret->principal, login, folded, &changes, err))
                        return false;
                if (changes != 1)
                        return err_set_at(err, ERR_ALREADY_EXISTS, "/login", "the login name is taken");
        }
        return account_put_password(services, tx, ret->principal, STR_NULL, encoded, now_ms, err);
}

/* ---- the first start
 * ----------------------------------------------------------------------------------------- */

struct first {
        const struct services *services;
        const struct credential *link;
        struct str principal;
        int64_t now_ms;
};

static bool first_work(struct tx *tx, void *arg, struct err *err)
{
        const struct first *first = arg;
        struct account account;

        return account_create(tx, first->principal, STR_NULL, first->now_ms, &account, err) &&
               account_link_keep(tx, first->link, first->principal, first->now_ms,
                                 first->now_ms + first->services->accounts->link_ms, err);
}

BLOCKING_FN bool account_first(const struct services *services, const struct cell_ref *cell,
                               struct str principal, int64_t now_ms, struct credential *ret_link,
                               struct err *err)
{
        struct first first = {
                .services = services, .link = ret_link, .principal = principal, .now_ms = now_ms};
        ARENA_SCOPED arena;

        arena_init(&arena, 256 * 1024);
        return credential_new(services, LINK_KIND, ret_link, err) &&
               cell_write(services->store, cell, &arena, first_work, &first, err);
}

/* ---- text that comes back
 * --------------------------------------------------------------------------------------- */

static bool text_hash(const struct services *services, uint32_t version, const char *purpose,
                      struct str text, struct sha256 *ret, struct err *err)
{
        uint8_t key[32];

        if (!envelope_derive(services->envelope, version, str_from(purpose), key, err))
                return false;
        hmac_sha256(str_make(key, sizeof(key)), text, ret);
        secret_wipe(key, sizeof(key));
        return true;
}

bool signed_text_make(const struct services *services, struct arena *arena, const char *purpose,
                      struct str text, struct str *ret, struct err *err)
{
        uint32_t version = envelope_derive_version(services->envelope);
        struct sha256 hash;

        if (!text_hash(services, version, purpose, text, &hash, err))
                return false;
        *ret = arena_printf(arena, "%u.%.*s.%.*s", version, STR_ARG(text),
                            STR_ARG(base64url_encode(arena, sha256_str(&hash))));
        return arena_check(arena, err);
}

bool signed_text_read(const struct services *services, struct arena *arena, const char *purpose,
                      struct str signed_text, struct str *ret_text)
{
        struct str rest = signed_text, version_text, hash_text, bytes;
        struct sha256 hash;
        uint64_t version;
        size_t dot;
        struct err err;

        if (!str_cut(&rest, '.', &version_text) || !str_to_u64(version_text, &version) ||
            version > UINT32_MAX)
                return false;
        for (dot = rest.len; dot > 0 && rest.ptr[dot - 1] != '.'; dot--)
                ;
        if (dot == 0)
                return false;
        *ret_text = str_slice(rest, 0, dot - 1);
        hash_text = str_slice(rest, dot, rest.len);
        return text_hash(services, (uint32_t)version, purpose, *ret_text, &hash, &err) &&
               base64url_decode(arena, hash_text, &bytes) && str_eq_secret(bytes, sha256_str(&hash));
}
