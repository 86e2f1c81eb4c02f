/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/provider_keys.h"

#include "keys/tenant_keys.h"

#include <stdio.h>

#define USE_STEP_MS INT64_C(60000)

static const char *const names[] = {
        [PROVIDER_OPENAI] = "openai",
        [PROVIDER_AZURE_OPENAI] = "azure_openai",
        [PROVIDER_ANTHROPIC] = "anthropic",
        [PROVIDER_COMPATIBLE] = "openai_compatible",
};

const char *provider_name(enum provider provider)
{
        return names[provider];
}

bool provider_from(struct str name, enum provider *ret)
{
        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (str_is(name, names[i])) {
                        *ret = (enum provider)i;
                        return true;
                }
        return false;
}

enum { SECRET_ROW = 3, VERSION_TEXT = 24 };
static void secret_row(struct str key, int64_t version, char text[VERSION_TEXT], struct str row[SECRET_ROW])
{
        (void)snprintf(text, VERSION_TEXT, "%lld", (long long)version);
        row[0] = STR("provider_key_secret");
        row[1] = key;
        row[2] = str_from(text);
}

static bool put_secret(struct tx *tx, struct str key, int64_t version,
                       const struct provider_secret_new *secret, int64_t now_ms, struct err *err)
{
        struct str row[SECRET_ROW], sealed;
        size_t shown = secret->secret.len < 4 ? 0 : 4;
        char text[VERSION_TEXT];

        secret_row(key, version, text, row);
        return tenant_key_seal(tx, row, SECRET_ROW, secret->secret, &sealed, err) &&
               sql_provider_secret_insert(
                       tx,
                       &(struct sql_provider_secret_insert_in){
                               .key_id = key,
                               .version = version,
                               .sealed = sealed,
                               .last_four = str_slice(secret->secret, secret->secret.len - shown,
                                                      secret->secret.len),
                               .fingerprint = secret->fingerprint,
                               .state = secret->valid ? STR("valid") : STR("unverified"),
                               .checked_ms = secret->valid ? &now_ms : NULL,
                               .now = now_ms,
                       },
                       err);
}

bool provider_key_create(struct tx *tx, const struct provider_key_new *key, int64_t now_ms, struct err *err)
{
        int64_t changes;

        if (!sql_provider_key_insert(tx,
                                     &(struct sql_provider_key_insert_in){
                                             .id = key->id,
                                             .workspace_id = key->workspace,
                                             .region = tx_region(tx),
                                             .provider = str_from(provider_name(key->provider)),
                                             .name = key->name,
                                             .base_url = key->base_url,
                                             .created_by = key->created_by,
                                             .now = now_ms,
                                     },
                                     &changes, err))
                return false;
        if (changes != 1)
                return err_set_at(err, ERR_ALREADY_EXISTS, "/name",
                                  "the workspace has a provider key \"%.*s\"; rotate it, or revoke it first",
                                  STR_ARG(key->name));
        return put_secret(tx, key->id, 1, &key->secret, now_ms, err);
}

bool provider_key_find(struct tx *tx, struct str workspace, struct str id,
                       struct sql_provider_key_get_row *ret, struct err *err)
{
        bool found;

        if (!sql_provider_key_get(tx, workspace, id, ret, &found, err))
                return false;
        return found || err_set(err, ERR_NOT_FOUND, "there is nothing here");
}

static bool newest_version(struct tx *tx, struct str key, int64_t now_ms, int64_t *ret, struct err *err)
{
        SQL_SCOPED(provider_secret_list) c = {0};
        struct sql_provider_secret_list_row row;
        bool has;

        if (!sql_provider_secret_list_open(tx, key, now_ms, &c, err) ||
            !sql_provider_secret_list_next(&c, &row, &has, err))
                return false;
        *ret = has ? row.version : 0;
        return true;
}

bool provider_key_rotate(struct tx *tx, const struct sql_provider_key_get_row *seen,
                         const struct provider_secret_new *secret, int64_t overlap_ms, int64_t now_ms,
                         struct err *err)
{
        int64_t version, changes;

        if (!sql_provider_key_revise(tx, seen->id, seen->revision, &changes, err))
                return false;
        if (changes != 1)
                return err_set(err, ERR_CONFLICT,
                               "the provider key was revoked, or rotated by somebody else meanwhile");
        return newest_version(tx, seen->id, now_ms, &version, err) &&
               sql_provider_secret_retire(tx, seen->id, now_ms + overlap_ms, err) &&
               sql_provider_secret_delete_retired(tx, seen->id, now_ms, err) &&
               put_secret(tx, seen->id, version + 1, secret, now_ms, err);
}

bool provider_key_revoke(struct tx *tx, struct str id, int64_t now_ms, struct err *err)
{
        int64_t changes;

        if (!sql_provider_key_revoke(tx, id, now_ms, &changes, err))
                return false;
        if (changes != 1)
                return err_set(err, ERR_CONFLICT, "the provider key was revoked before");
        return sql_provider_secret_delete_all(tx, id, err);
}

static bool open_secret(struct tx *tx, struct arena *secrets, struct str key, int64_t version,
                        struct str sealed, struct str *ret, struct err *err)
{
        struct str row[SECRET_ROW];
        char text[VERSION_TEXT];

        secret_row(key, version, text, row);
        if (tenant_key_open(tx, secrets, row, SECRET_ROW, sealed, ret, err))
                return true;
        err->code = ERR_STORE_FAILED;
        return err_prefix(err, "the provider key %.*s", STR_ARG(key));
}

bool provider_key_use(struct tx *tx, struct arena *secrets, struct str workspace, enum provider provider,
                      int64_t now_ms, struct provider_key_used *ret, struct err *err)
{
        SQL_SCOPED(provider_secret_list) c = {0};
        struct sql_provider_secret_list_row row;
        struct sql_provider_key_get_row key;
        bool found, has;

        *ret = (struct provider_key_used){0};
        if (!sql_provider_key_pick(tx, workspace, tx_region(tx), str_from(provider_name(provider)), &key,
                                   &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "the workspace has no key for the provider \"%s\"",
                               provider_name(provider));
        if (!sql_provider_secret_list_open(tx, key.id, now_ms, &c, err) ||
            !sql_provider_secret_list_next(&c, &row, &has, err))
                return false;
        if (!has)
                return err_set(err, ERR_NOT_FOUND, "the provider key has no secret that stands");
        ret->id = arena_str(secrets, key.id);
        ret->base_url = arena_str(secrets, key.base_url);
        ret->version = row.version;
        ret->worth_noting = !key.has_used_ms || now_ms - key.used_ms >= USE_STEP_MS;
        if (!open_secret(tx, secrets, key.id, row.version, row.sealed, &ret->secret, err) ||
            !sql_provider_secret_list_next(&c, &row, &has, err))
                return false;
        if (has && !open_secret(tx, secrets, key.id, row.version, row.sealed, &ret->previous, err))
                return false;
        return arena_check(secrets, err);
}

bool provider_key_note_use(struct tx *tx, struct str id, int64_t now_ms, struct err *err)
{
        return sql_provider_key_touch(tx, id, now_ms - now_ms % USE_STEP_MS, err) &&
               sql_provider_secret_delete_retired(tx, id, now_ms, err);
}

bool provider_keys_erase_retired(struct tx *tx, int64_t now_ms, int64_t *ret_next_ms, struct err *err)
{
        struct sql_provider_secret_next_retires_row row;
        bool found;

        if (!sql_provider_secret_erase_retired(tx, now_ms, err) ||
            !sql_provider_secret_next_retires(tx, &row, &found, err))
                return false;
        *ret_next_ms = found && row.has_retires_ms ? row.retires_ms : INT64_MAX;
        return true;
}
