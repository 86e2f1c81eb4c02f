/* SPDX-License-Identifier: Apache-2.0 */
/* What the store says of API keys and sessions, and that they were used. */
#include "identity/known.h"

#include "access/roles.h"
#include "api/services.h"
#include "base/heap.h"
#include "base/log_line.h"
#include "identity/identity_sql.h"
#include "identity/principals.h"
#include "identity/sessions.h"
#include "identity/sessions_sql.h"
#include "identity/words.h"

#include <stdio.h>

#define KEY_USED_EVERY_MS ((int64_t)3600000)

bool refuse_credential(struct err *err)
{
        return err_set(err, ERR_UNAUTHENTICATED,
                       "the credential is not valid: unknown, expired, revoked, or its principal disabled");
}

/* ---- the last use --------------------------------------------------------------------------------------
 */

/* Written behind the request's back, with whatever else the cell's next commit holds. */
struct use {
        struct store_job job;
        struct id id;
        int64_t now_ms;
        bool session;
};

static bool use_work(struct tx *tx, void *arg, struct err *err)
{
        const struct use *use = arg;
        int64_t changes;

        if (use->session)
                return sql_session_seen(tx, id_str(&use->id), use->now_ms,
                                        use->now_ms - SESSION_SEEN_EVERY_MS / 2, &changes, err);
        return sql_api_key_used(tx, id_str(&use->id), use->now_ms, use->now_ms - KEY_USED_EVERY_MS / 2,
                                &changes, err);
}

static void use_done(struct store_job *job)
{
        if (!job->ok)
                log_line(LOG_WARN, "the last use of a credential could not be written",
                         LOG_STR("credential", id_str(&((struct use *)job->data)->id)),
                         LOG_C("error", job->err.message));
        heap_free(job->data);
}

static void note_use(const struct services *services, const struct cell_ref *cell, struct str id,
                     int64_t now_ms, bool session)
{
        struct use *use = heap_alloc_zeroed(1, sizeof(*use));

        if (!use)
                return; /* noted the next time */
        use->job = (struct store_job){.work = use_work, .arg = use, .done = use_done, .data = use};
        use->id = id_from(id);
        use->now_ms = now_ms;
        use->session = session;
        store_submit_write(services->store, cell, &use->job);
}

/* ---- rights ----------------------------------------------------------------------------------------------
 */

/* What the credential itself is limited to; what the principal may is for src/access to say. */
static void give_limits(struct principal *principal, bool platform, struct str scopes)
{
        principal->platform = platform;
        principal->scoped = scopes.ptr != NULL;
        if (principal->scoped)
                principal->scopes = words_permissions(scopes);
}

/* ---- API keys
 * --------------------------------------------------------------------------------------------- */

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

BLOCKING_FN bool find_api_key(const struct services *services, struct arena *arena, struct str token,
                              int64_t now_ms, struct found *ret, struct err *err)
{
        const struct sql_api_key_authenticate_row *row;
        struct place_look place = {0};
        struct key_look look = {0};
        struct cell_ref cell;

        if (!credential_prefix(token, "cs", &look.prefix))
                return refuse_credential(err);
        place.prefix = look.prefix;
        if (!store_read(services->store, &CELL_DIRECTORY, arena, place_work, &place, err))
                return false;
        if (!place.found)
                return refuse_credential(err);
        cell = (struct cell_ref){.tenant = place.row.tenant_id, .region = place.row.region};
        if (!store_read(services->store, &cell, arena, key_work, &look, err))
                return false;
        row = &look.row;
        *ret = (struct found){.idle_until_ms = INT64_MAX, .ask_again_ms = now_ms + KEY_USED_EVERY_MS};
        if (!look.found || row->has_revoked_ms || row->has_disabled_ms ||
            !credential_matches(services, token, row->hash, row->hash_version) ||
            (row->has_expires_ms && now_ms >= row->expires_ms) ||
            !principal_kind_from(row->kind, &ret->principal.kind))
                return refuse_credential(err);
        if (!str_is(place.row.state, "active"))
                return err_set(err, ERR_TENANT_SUSPENDED, "the tenant is suspended");
        ret->principal.id = id_from(row->principal_id);
        ret->principal.tenant = id_from(cell.tenant);
        ret->principal.region = cell.region;
        ret->principal.workspace = id_from(row->workspace_id);
        ret->principal.credential = id_from(row->key_id);
        ret->principal.name = row->name;
        ret->principal.authenticated_ms = row->created_ms;
        ret->principal.expires_ms = row->has_expires_ms ? row->expires_ms : 0;
        give_limits(&ret->principal, row->platform, row->scopes);
        if (!row->has_used_ms || row->used_ms <= now_ms - KEY_USED_EVERY_MS)
                note_use(services, &cell, row->key_id, now_ms, false);
        return true;
}

/* ---- sessions
 * ------------------------------------------------------------------------------------------------ */

/* Each has its place: it is asked for every request. */
bool session_token_parse(struct str token, struct id *ret_tenant, struct str *ret_prefix)
{
        enum { TENANT_AT = 4, TENANT_LEN = 26, PREFIX_AT = TENANT_AT + TENANT_LEN + 1 };
        struct id tenant = {"ten_"};
        char plain[CREDENTIAL_TEXT_SIZE] = "css_";
        size_t rest = token.len - PREFIX_AT;

        if (token.len != SESSION_TEXT_SIZE - 1 || !str_starts(token, STR("css_")) ||
            token.ptr[PREFIX_AT - 1] != '_')
                return false;
        memcpy(tenant.text + TENANT_AT, token.ptr + TENANT_AT, TENANT_LEN);
        memcpy(plain + TENANT_AT, token.ptr + PREFIX_AT, rest);
        if (!id_is(id_str(&tenant), "ten") ||
            !credential_prefix(str_make(plain, TENANT_AT + rest), "css", ret_prefix))
                return false;
        *ret_tenant = tenant;
        *ret_prefix = str_make(token.ptr + PREFIX_AT, ret_prefix->len); /* within the caller's text */
        return true;
}

struct tenant_look {
        struct str tenant;
        struct sql_tenant_place_get_row row;
        bool found;
};

static bool tenant_work(struct tx *tx, void *arg, struct err *err)
{
        struct tenant_look *look = arg;

        return sql_tenant_place_get(tx, look->tenant, &look->row, &look->found, err);
}

struct session_look {
        struct str prefix;
        struct sql_session_authenticate_row row;
        bool found;
};

static bool session_work(struct tx *tx, void *arg, struct err *err)
{
        struct session_look *look = arg;

        return sql_session_authenticate(tx, look->prefix, &look->row, &look->found, err);
}

static void fill_session(const struct sql_session_authenticate_row *row, const struct cell_ref *cell,
                         struct principal *ret)
{
        ret->id = id_from(row->principal_id);
        ret->tenant = id_from(cell->tenant);
        ret->region = cell->region;
        /* The token's workspace; a principal that has one of its own never reaches another. */
        ret->workspace = id_from(row->workspace_id.ptr ? row->workspace_id : row->session_workspace_id);
        ret->credential = ret->session = id_from(row->session_id);
        ret->browser = str_is(row->session_kind, "browser");
        ret->name = row->name;
        ret->realm = row->realm;
        ret->methods = row->methods;
        ret->authenticated_ms = row->authenticated_ms;
        ret->second_factor_ms = row->has_second_factor_ms ? row->second_factor_ms : 0;
        ret->expires_ms = row->expires_ms;
        ret->agent_scope = row->agent_scope;
        ret->risk_tier = row->risk_tier;
        give_limits(ret, row->platform, row->scopes);
}

BLOCKING_FN bool find_session(const struct services *services, struct arena *arena, struct str token,
                              int64_t now_ms, struct found *ret, struct err *err)
{
        const struct sql_session_authenticate_row *row;
        struct tenant_look place = {0};
        struct session_look look = {0};
        struct cell_ref cell;
        struct id tenant;

        if (!session_token_parse(token, &tenant, &look.prefix))
                return refuse_credential(err);
        place.tenant = id_str(&tenant);
        if (!store_read(services->store, &CELL_DIRECTORY, arena, tenant_work, &place, err))
                return false;
        if (!place.found)
                return refuse_credential(err);
        cell = (struct cell_ref){.tenant = id_str(&tenant), .region = place.row.region};
        if (!store_read(services->store, &cell, arena, session_work, &look, err))
                return false;
        row = &look.row;
        *ret = (struct found){.idle_until_ms = INT64_MAX, .ask_again_ms = now_ms + SESSION_SEEN_EVERY_MS};
        if (!look.found || row->has_revoked_ms || row->has_disabled_ms || now_ms >= row->expires_ms ||
            (row->has_idle_ms && now_ms >= row->seen_ms + row->idle_ms) ||
            !credential_matches(services, token, row->hash, row->hash_version) ||
            !principal_kind_from(row->kind, &ret->principal.kind))
                return refuse_credential(err);
        if (!str_is(place.row.state, "active"))
                return err_set(err, ERR_TENANT_SUSPENDED, "the tenant is suspended");
        fill_session(row, &cell, &ret->principal);
        /* This use counts, at once for what is remembered here, soon in the store. */
        if (row->has_idle_ms)
                ret->idle_until_ms = now_ms + row->idle_ms;
        if (row->seen_ms <= now_ms - SESSION_SEEN_EVERY_MS)
                note_use(services, &cell, row->session_id, now_ms, true);
        return true;
}
