/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/sessions.h"

#include "api/services.h"
#include "crypto/envelope.h"
#include "crypto/secret.h"
#include "identity/cache.h"
#include "identity/identity.h"
#include "identity/identity_sql.h"
#include "identity/principals.h"
#include "identity/sessions_sql.h"
#include "identity/words.h"

#include <stdio.h>

/* A prefix has 40 random bits: the second try is for completeness. */
enum { SECRET_TRIES = 8, PROVIDER_SESSIONS = 100 };
/* Ended sessions are kept for a day, so that a list shows what was. */
#define KEPT_MS ((int64_t)24 * 3600000)

static const char *const kind_names[] = {
        [SESSION_BROWSER] = "browser",
        [SESSION_CLI] = "cli",
        [SESSION_SERVICE] = "service",
        [SESSION_AGENT] = "agent",
};

static const struct session_times *times_of(const struct services *services)
{
        static const struct session_times defaults = SESSION_TIMES_DEFAULT;

        return services->session_times ? services->session_times : &defaults;
}

static int64_t lifetime_of(const struct services *services, const struct session_new *new)
{
        const struct session_times *times = times_of(services);
        int64_t most = new->kind == SESSION_BROWSER ? times->browser_ms
                       : new->kind == SESSION_CLI   ? times->cli_ms
                                                    : times->token_ms;

        return new->lifetime_ms > 0 && new->lifetime_ms < most ? new->lifetime_ms : most;
}

static bool kind_fits(enum session_kind kind, enum principal_kind principal)
{
        switch (kind) {
        case SESSION_BROWSER:
        case SESSION_CLI:
                return principal == PRINCIPAL_USER;
        case SESSION_SERVICE:
                return principal == PRINCIPAL_SERVICE;
        case SESSION_AGENT:
                return principal == PRINCIPAL_AGENT;
        }
        return false;
}

/* A new token; its text names the tenant. */
struct made {
        char prefix[CREDENTIAL_PREFIX_SIZE];
        struct sha256 hash;
        uint32_t hash_version;
};

static bool make_secret(const struct services *services, struct str tenant, struct made *ret,
                        char ret_text[SESSION_TEXT_SIZE], struct err *err)
{
        struct credential random;
        int len;
        bool ok;

        /* "css_<prefix>_<secret>" as credentials are made, and the tenant put between. */
        if (!credential_new(services, "css", &random, err))
                return false;
        len = snprintf(ret_text, SESSION_TEXT_SIZE, "css_%.*s_%s", (int)tenant.len - 4, tenant.ptr + 4,
                       random.text + sizeof("css_") - 1);
        memcpy(ret->prefix, random.prefix, sizeof(ret->prefix));
        ret->hash_version = random.hash_version;
        secret_wipe(&random, sizeof(random));
        ok = len == SESSION_TEXT_SIZE - 1 || err_set(err, ERR_INTERNAL, "the tenant's id is no id");
        return ok && credential_hash(services, str_from(ret_text), ret->hash_version, &ret->hash, err);
}

static const int64_t *optional(const int64_t *value)
{
        return *value != 0 ? value : NULL;
}

static bool row_stands(const struct sql_session_get_row *row, int64_t now_ms)
{
        return !row->has_revoked_ms && now_ms < row->expires_ms &&
               (!row->has_idle_ms || now_ms < row->seen_ms + row->idle_ms);
}

static bool insert(struct tx *tx, const struct session_new *new, const struct made *made, struct str id,
                   int64_t now_ms, int64_t idle_ms, int64_t expires_ms, int64_t *ret_changes,
                   struct err *err)
{
        return sql_session_insert(
                tx,
                &(struct sql_session_insert_in){
                        .id = id,
                        .principal_id = new->principal,
                        .kind = str_from(kind_names[new->kind]),
                        .prefix = str_from(made->prefix),
                        .hash = sha256_str(&made->hash),
                        .hash_version = made->hash_version,
                        .now = now_ms,
                        .authenticated_ms = new->authenticated_ms != 0 ? new->authenticated_ms : now_ms,
                        .second_factor_ms = optional(&new->second_factor_ms),
                        .idle_ms = optional(&idle_ms),
                        .expires_ms = expires_ms,
                        .realm = new->realm,
                        .methods = new->methods,
                        .provider_session = new->provider_session,
                        .scopes = new->scopes,
                        .workspace_id = new->workspace,
                        .agent_scope = new->agent_scope,
                        .risk_tier = new->risk_tier,
                },
                ret_changes, err);
}

/* Who ended their sessions meant this one too, though it was not there yet. */
static bool check_allowed(struct tx *tx, const struct session_new *new, int64_t now_ms, struct err *err)
{
        struct sql_session_get_row row;
        bool found;

        if (!new->allowed_in.ptr)
                return true;
        if (!sql_session_get(tx, new->allowed_in, &row, &found, err))
                return false;
        return (found && row_stands(&row, now_ms) && str_eq(row.principal_id, new->principal)) ||
               err_set(err, ERR_CONFLICT, "the session in which this was allowed has ended; log in again");
}

bool session_create(const struct services *services, struct tx *tx, const struct session_new *new,
                    int64_t now_ms, struct session_secret *ret, struct err *err)
{
        int64_t idle_ms = new->kind == SESSION_BROWSER ? times_of(services)->browser_idle_ms : 0;
        struct identity_principal principal;
        int64_t changes = 0;

        if (!identity_principal_get(tx, new->principal, &principal, err))
                return false;
        if (principal.disabled)
                return err_set(err, ERR_CONFLICT, "the principal is disabled");
        if (!kind_fits(new->kind, principal.kind))
                return err_set(err, ERR_CONFLICT, "a %s has no session of the kind %s",
                               principal_kind_name(principal.kind), kind_names[new->kind]);
        if (!check_allowed(tx, new, now_ms, err))
                return false;
        ret->id = id_new("ses");
        ret->expires_ms = now_ms + lifetime_of(services, new);
        if (!sql_session_sweep(tx, now_ms - KEPT_MS, &changes, err))
                return false;
        changes = 0;
        for (int i = 0; i < SECRET_TRIES && changes == 0; i++) {
                struct made made;

                if (!make_secret(services, tx_tenant(tx), &made, ret->text, err) ||
                    !insert(tx, new, &made, id_str(&ret->id), now_ms, idle_ms, ret->expires_ms, &changes,
                            err))
                        return false;
        }
        return changes == 1 || err_set(err, ERR_STORE_CONFLICT, "no free prefix for a session");
}

/* ---- changes ------------------------------------------------------------------------------------------ */

static bool replace_secret(const struct services *services, struct tx *tx, struct str session,
                           struct session_secret *ret, struct err *err)
{
        for (int i = 0; i < SECRET_TRIES; i++) {
                struct sql_session_prefix_taken_row row;
                struct made made;
                int64_t changes;
                bool taken;

                if (!make_secret(services, tx_tenant(tx), &made, ret->text, err) ||
                    !sql_session_prefix_taken(tx, str_from(made.prefix), &row, &taken, err))
                        return false;
                if (taken)
                        continue;
                return sql_session_set_secret(tx, session, str_from(made.prefix), sha256_str(&made.hash),
                                              made.hash_version, &changes, err);
        }
        return err_set(err, ERR_STORE_CONFLICT, "no free prefix for a session");
}

bool session_second_factor(const struct services *services, struct tx *tx, struct str session,
                           struct str method, int64_t now_ms, struct session_secret *ret, struct err *err)
{
        struct sql_session_get_row row;
        struct str methods;
        int64_t changes = 0;
        bool found;

        if (!sql_session_get(tx, session, &row, &found, err))
                return false;
        methods = row.methods;
        if (found && !words_have(methods, method))
                methods = arena_printf(tx_arena(tx), "%.*s%s%.*s", STR_ARG(methods),
                                       methods.len > 0 ? " " : "", STR_ARG(method));
        if (!arena_check(tx_arena(tx), err) ||
            (found && !sql_session_set_second_factor(tx, session, now_ms, methods, &changes, err)))
                return false;
        if (changes != 1)
                return err_set(err, ERR_NOT_FOUND, "there is no such session");
        if (ret) {
                ret->id = id_from(session);
                ret->expires_ms = row.expires_ms;
                if (!replace_secret(services, tx, session, ret, err))
                        return false;
        }
        return identity_forget_on_commit(services, tx, session, err);
}

bool session_stands(struct tx *tx, struct str session, int64_t now_ms, bool *ret, struct err *err)
{
        struct sql_session_get_row row;
        bool found;

        if (!sql_session_get(tx, session, &row, &found, err))
                return false;
        *ret = found && row_stands(&row, now_ms);
        return true;
}

bool session_revoke(const struct services *services, struct tx *tx, struct str session, int64_t now_ms,
                    struct err *err)
{
        struct sql_session_get_row row;
        int64_t changes;
        bool found;

        if (!sql_session_get(tx, session, &row, &found, err))
                return false;
        if (!found)
                return err_set(err, ERR_NOT_FOUND, "there is no such session");
        return sql_session_set_revoked(tx, session, now_ms, &changes, err) &&
               identity_forget_on_commit(services, tx, session, err);
}

bool session_revoke_principal(const struct services *services, struct tx *tx, struct str principal,
                              struct str except, int64_t now_ms, int64_t *ret_count, struct err *err)
{
        int64_t changes;

        if (!sql_session_set_revoked_principal(tx, principal, except, now_ms, &changes, err))
                return false;
        if (ret_count)
                *ret_count = changes;
        return identity_forget_on_commit(services, tx, principal, err);
}

/* The sessions first, then the change: nothing is written while the cursor reads. */
static bool list_provider(struct tx *tx, struct str realm, struct str provider_session, struct str principal,
                          int64_t now_ms, struct str *ids, size_t *ret_count, struct err *err)
{
        SQL_SCOPED(session_list_provider) by_sid = {0};
        SQL_SCOPED(session_list_realm) by_principal = {0};
        struct sql_session_list_provider_row row;
        bool has = true;

        *ret_count = 0;
        if (provider_session.ptr
                    ? !sql_session_list_provider_open(tx, realm, provider_session, now_ms, &by_sid, err)
                    : !sql_session_list_realm_open(tx, realm, principal, now_ms, &by_principal, err))
                return false;
        while (*ret_count < PROVIDER_SESSIONS) {
                if (provider_session.ptr ? !sql_session_list_provider_next(&by_sid, &row, &has, err)
                                         : !sql_session_list_realm_next(&by_principal, &row, &has, err))
                        return false;
                if (!has)
                        break;
                if (!principal.ptr || str_eq(principal, row.principal_id))
                        ids[(*ret_count)++] = row.id;
        }
        return true;
}

bool session_revoke_provider(const struct services *services, struct tx *tx, struct str realm,
                             struct str provider_session, struct str principal, int64_t now_ms,
                             int64_t *ret_count, struct err *err)
{
        struct str *ids = ARENA_ARRAY(tx_arena(tx), struct str, PROVIDER_SESSIONS);
        int64_t total = 0;
        size_t count;

        if (!ids)
                return arena_check(tx_arena(tx), err);
        do {
                if (!list_provider(tx, realm, provider_session, principal, now_ms, ids, &count, err))
                        return false;
                for (size_t i = 0; i < count; i++)
                        if (!session_revoke(services, tx, ids[i], now_ms, err))
                                return false;
                total += (int64_t)count;
        } while (count == PROVIDER_SESSIONS);
        if (ret_count)
                *ret_count = total;
        return true;
}
