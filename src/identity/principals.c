/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity.h"

#include "access/bindings.h"
#include "agents/agents.h"
#include "api/services.h"
#include "identity/cache.h"
#include "identity/identity_sql.h"
#include "identity/principals.h"
#include "identity/sessions.h"

static const char *const kind_names[] = {
        [PRINCIPAL_NOBODY] = "nobody", [PRINCIPAL_USER] = "user",         [PRINCIPAL_SERVICE] = "service",
        [PRINCIPAL_AGENT] = "agent",   [PRINCIPAL_EXECUTOR] = "executor",
};
static const char *const kind_prefixes[] = {
        [PRINCIPAL_USER] = "usr",
        [PRINCIPAL_SERVICE] = "svc",
        [PRINCIPAL_AGENT] = "agt",
        [PRINCIPAL_EXECUTOR] = "exe",
};

bool principal_kind_from(struct str name, enum principal_kind *ret)
{
        for (unsigned i = PRINCIPAL_USER; i <= PRINCIPAL_EXECUTOR; i++)
                if (str_is(name, kind_names[i])) {
                        *ret = (enum principal_kind)i;
                        return true;
                }
        return false;
}

bool identity_principal_create(struct tx *tx, struct identity_principal *principal, int64_t now_ms,
                               struct err *err)
{
        if (!identity_roles_check(principal->kind, principal->roles, err))
                return false;
        if (!principal->id.ptr) {
                struct id id = id_new(kind_prefixes[principal->kind]);

                principal->id = arena_str(tx_arena(tx), id_str(&id));
                if (!arena_check(tx_arena(tx), err))
                        return false;
        }
        principal->created_ms = now_ms;
        principal->disabled = false;
        return sql_principal_insert(tx, principal->id, str_from(kind_names[principal->kind]),
                                    principal->name, principal->workspace, now_ms, err) &&
               (principal->kind != PRINCIPAL_AGENT ||
                agent_profile_create(tx, principal->id, principal->agent, principal->created_by, now_ms,
                                     err)) &&
               access_bind_roles(tx, principal->id, principal->roles, principal->created_by, now_ms, err) &&
               access_role_names_of(tx, principal->id, &principal->role_names, &principal->role_count, err);
}

bool principal_from_row(const struct sql_principal_get_row *row, struct identity_principal *ret,
                        struct err *err)
{
        *ret = (struct identity_principal){.id = row->id,
                                           .name = row->name,
                                           .workspace = row->workspace_id,
                                           .disabled = row->has_disabled_ms,
                                           .created_ms = row->created_ms};
        return principal_kind_from(row->kind, &ret->kind) ||
               err_set(err, ERR_INTERNAL, "principal %.*s has the kind \"%.*s\"", STR_ARG(row->id),
                       STR_ARG(row->kind));
}

bool identity_principal_get(struct tx *tx, struct str id, struct identity_principal *ret, struct err *err)
{
        struct sql_principal_get_row row;
        bool found;

        if (!sql_principal_get(tx, id, &row, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is no such principal");
        return principal_from_row(&row, ret, err) &&
               access_role_names_of(tx, row.id, &ret->role_names, &ret->role_count, err);
}

bool identity_principal_disable(const struct services *services, struct tx *tx, struct str id,
                                int64_t now_ms, struct err *err)
{
        struct identity_principal principal;
        int64_t changes;

        if (!identity_principal_get(tx, id, &principal, err) ||
            !sql_principal_disable(tx, id, now_ms, &changes, err))
                return false;
        /* A program without authorization (a unit test) has nobody to keep in. */
        if (services->access && !access_check_administrators(services->access, tx, err))
                return false;
        return access_forget_on_commit(services, tx, id, err) &&
               identity_forget_on_commit(services, tx, id, err);
}

bool identity_key_create(struct tx *tx, const struct credential *credential, struct identity_key *key,
                         int64_t now_ms, struct err *err)
{
        struct identity_principal principal;
        struct id id = id_new("key");

        if (!identity_principal_get(tx, key->principal, &principal, err))
                return false;
        if (principal.disabled)
                return err_set(err, ERR_CONFLICT, "the principal is disabled and can have no new key");
        key->id = arena_str(tx_arena(tx), id_str(&id));
        key->prefix = arena_str(tx_arena(tx), str_from(credential->prefix));
        key->created_ms = now_ms;
        if (!arena_check(tx_arena(tx), err))
                return false;
        return sql_api_key_insert(tx,
                                  &(struct sql_api_key_insert_in){
                                          .id = key->id,
                                          .principal_id = key->principal,
                                          .prefix = key->prefix,
                                          .name = key->name,
                                          .hash = sha256_str(&credential->hash),
                                          .hash_version = credential->hash_version,
                                          .now = now_ms,
                                          .expires_ms = key->has_expires ? &key->expires_ms : NULL,
                                          .scopes = key->scopes,
                                          .replaces_id = key->replaces,
                                  },
                                  err);
}

bool identity_key_revoke(const struct services *services, struct tx *tx, struct str principal, struct str id,
                         int64_t now_ms, struct err *err)
{
        struct sql_api_key_list_row row;
        int64_t changes;
        bool found;

        if (!sql_api_key_get(tx, principal, id, &row, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is no such key");
        return sql_api_key_revoke(tx, principal, id, now_ms, &changes, err) &&
               session_revoke_provider(services, tx, STR(SESSION_REALM_KEY), id, STR_NULL, now_ms, NULL,
                                       err) &&
               identity_forget_on_commit(services, tx, id, err);
}

bool identity_key_rotate(const struct services *services, struct tx *tx, const struct credential *credential,
                         struct str principal, struct str id, int64_t overlap_ms, int64_t now_ms,
                         struct identity_key *ret_key, struct err *err)
{
        struct sql_api_key_list_row row;
        int64_t until_ms = now_ms + overlap_ms;
        int64_t changes;
        bool found;

        if (!sql_api_key_get(tx, principal, id, &row, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is no such key");
        if (row.has_revoked_ms || (row.has_expires_ms && now_ms >= row.expires_ms))
                return err_set(err, ERR_CONFLICT, "the key is revoked or has expired; make a new one");
        *ret_key = (struct identity_key){
                .principal = principal,
                .name = row.name,
                .has_expires = row.has_expires_ms,
                .expires_ms = row.has_expires_ms ? now_ms + (row.expires_ms - row.created_ms) : 0,
                .scopes = row.scopes,
                .replaces = row.id,
        };
        if (row.has_expires_ms && row.expires_ms < until_ms)
                until_ms = row.expires_ms;
        return identity_key_create(tx, credential, ret_key, now_ms, err) &&
               sql_api_key_set_expiry(tx, principal, id, until_ms, &changes, err) &&
               identity_forget_on_commit(services, tx, id, err);
}

bool identity_still_stands(struct tx *tx, const struct principal *caller, int64_t now_ms, bool *ret,
                           struct err *err)
{
        struct sql_principal_get_row principal;
        struct sql_api_key_list_row key;
        bool found;

        *ret = false;
        if (!sql_principal_get(tx, id_str(&caller->id), &principal, &found, err))
                return false;
        if (!found || principal.has_disabled_ms)
                return true;
        if (caller->session.text[0])
                return session_stands(tx, id_str(&caller->session), now_ms, ret, err);
        if (!caller->credential.text[0]) { /* a provider's token, which ends by itself */
                *ret = now_ms < caller->expires_ms;
                return true;
        }
        if (!sql_api_key_get(tx, id_str(&caller->id), id_str(&caller->credential), &key, &found, err))
                return false;
        *ret = found && !key.has_revoked_ms && (!key.has_expires_ms || now_ms < key.expires_ms);
        return true;
}
