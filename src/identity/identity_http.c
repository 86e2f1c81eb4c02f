/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity_http.h"

#include "access/bindings.h"
#include "agents/agents.h"
#include "api/api_handlers.h"
#include "api/listing.h"
#include "api/services.h"
#include "base/json_write.h"
#include "crypto/ed25519.h"
#include "crypto/secret.h"
#include "identity/identity_sql.h"
#include "identity/principals.h"
#include "identity/sessions.h"
#include "identity/words.h"

#include <stdio.h>

enum { SIGNING_KEYS_MAX = 20 };
#define OVERLAP_MAX_MS ((int64_t)168 * 3600000)

/* ---- conversions ------------------------------------------------------------------------------- */

enum api_principal_kind identity_api_kind(enum principal_kind kind)
{
        return api_principal_kind_from(str_from(principal_kind_name(kind)));
}

bool identity_api_principal(struct arena *arena, const struct identity_principal *principal,
                            struct api_principal *ret, struct err *err)
{
        *ret = (struct api_principal){
                .id = principal->id,
                .kind = identity_api_kind(principal->kind),
                .name = principal->name,
                .disabled = principal->disabled,
                .created_at_ms = principal->created_ms,
                .roles = principal->role_names,
                .roles_count = principal->role_count,
        };
        return arena_check(arena, err);
}

static bool api_key_from_row(struct arena *arena, const struct sql_api_key_list_row *row,
                             struct api_api_key *ret, struct err *err)
{
        *ret = (struct api_api_key){
                .id = row->id,
                .prefix = row->prefix,
                .name = row->name,
                .created_at_ms = row->created_ms,
                .has_expires_at = row->has_expires_ms,
                .expires_at_ms = row->expires_ms,
                .has_revoked_at = row->has_revoked_ms,
                .revoked_at_ms = row->revoked_ms,
                .has_used_at = row->has_used_ms,
                .used_at_ms = row->used_ms,
                .replaces = row->replaces_id,
        };
        return !row->scopes.ptr || words_split(arena, row->scopes, &ret->scopes, &ret->scopes_count) ||
               arena_check(arena, err);
}

static bool api_key_created(struct arena *arena, const struct identity_key *key,
                            const struct credential *credential, struct api_api_key_created *out,
                            struct err *err)
{
        out->secret = arena_str(arena, str_from(credential->text));
        out->key = (struct api_api_key){.id = key->id,
                                        .prefix = key->prefix,
                                        .name = key->name,
                                        .created_at_ms = key->created_ms,
                                        .has_expires_at = key->has_expires,
                                        .expires_at_ms = key->expires_ms,
                                        .replaces = key->replaces};
        return !key->scopes.ptr ||
               words_split(arena, key->scopes, &out->key.scopes, &out->key.scopes_count) ||
               arena_check(arena, err);
}

/* {"id":"…"}: events tell what changed, not what it holds. */
static struct str event_data(struct request *req, const char *key, struct str id)
{
        BUF_SCOPED buf;
        struct json_writer w;

        buf_init(&buf, 1024);
        json_writer_init(&w, &buf);
        json_object_begin(&w);
        json_field_str(&w, key, id);
        json_object_end(&w);
        return arena_str(req->arena, buf_str(&buf));
}

/* The log entry is about it from then on; an id that is not there is never written into the log. */
static bool principal_find(struct request *req, struct str id, struct identity_principal *ret,
                           struct err *err)
{
        if (!identity_principal_get(req->tx, id, ret, err))
                return false;
        request_log_resource(req, "principal", id);
        return true;
}

/* ---- principals -------------------------------------------------------------------------------- */

bool principal_list(struct request *req, const struct api_principal_list_in *in,
                    struct api_principal_page *out, struct err *err)
{
        struct api_principal *items;
        struct listing listing;
        SQL_SCOPED(principal_list) c = {0};
        struct sql_principal_get_row row;
        bool has;

        if (!LISTING_BEGIN(&listing, req, in, &items, err) ||
            !sql_principal_list_open(req->tx, listing.after, listing.rows, &c, err))
                return false;
        for (;;) {
                struct identity_principal principal;

                if (!sql_principal_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(&listing, row.id))
                        break;
                if (!principal_from_row(&row, &principal, err) ||
                    !access_role_names_of(req->tx, row.id, &principal.role_names, &principal.role_count,
                                          err) ||
                    !identity_api_principal(req->arena, &principal, &items[listing.count++], err))
                        return false;
        }
        *out = (struct api_principal_page){items, listing.count, listing.next};
        return arena_check(req->arena, err);
}

/* Built-in roles as bits; the tenant's own are left for bind_own_roles. */
static bool read_roles(struct request *req, const struct api_principal_create *body, uint32_t *ret_roles,
                       struct err *err)
{
        for (size_t i = 0; i < body->roles_count; i++) {
                struct access_named_role named;

                if (!access_role_find(req->tx, body->roles[i], req->principal.platform, &named, err))
                        return err_set_at(err, ERR_BAD_FIELD, "/roles", "there is no role \"%.*s\"",
                                          STR_ARG(body->roles[i]));
                if (named.built_in)
                        *ret_roles |= ROLE_BIT(named.role);
        }
        return true;
}

static bool bind_own_roles(struct request *req, const struct api_principal_create *body,
                           struct str principal, struct err *err)
{
        enum role built_in;

        for (size_t i = 0; i < body->roles_count; i++) {
                struct access_binding binding = {.principal = principal, .role = body->roles[i]};

                if (!role_from(body->roles[i], &built_in) && !access_binding_make(req, &binding, err))
                        return false;
        }
        return true;
}

/* What the agent is to be; the usual where nothing is said. */
static bool agent_from_api(struct request *req, const struct api_agent_create *body,
                           struct agent_limits *ret, struct err *err)
{
        static const struct str all = {"*", 1};
        static const struct api_agent_tool everything = {
                .connector = {"*", 1}, .operations = &all, .operations_count = 1};
        const struct api_agent_tool *tools = body->tools ? body->tools : &everything;
        size_t count = body->tools ? body->tools_count : 1;
        struct agent_tool_list list = {0};

        *ret = (struct agent_limits){AGENT_READ_WRITE, AGENT_MEDIUM, NULL, 0};
        if ((body->scope && !agent_scope_from(str_from(api_agent_scope_name(body->scope)), &ret->scope)) ||
            (body->risk && !agent_risk_from(str_from(api_agent_risk_name(body->risk)), &ret->risk)))
                return err_set_at(err, ERR_BAD_FIELD, "/agent", "an unknown word");
        for (size_t i = 0; i < count; i++)
                for (size_t j = 0; j < tools[i].operations_count; j++)
                        if (!agent_tool_list_add(req->arena, &list, tools[i].connector,
                                                 tools[i].operations[j], tools[i].environments,
                                                 tools[i].environments_count, err)) {
                                (void)snprintf(err->place, sizeof(err->place), "/agent/tools/%zu", i);
                                return false;
                        }
        ret->tools = list.items;
        ret->tool_count = list.count;
        return true;
}

bool principal_create(struct request *req, const struct api_principal_create_in *in,
                      struct api_principal *out, struct err *err)
{
        struct identity_principal principal = {.name = in->body.name};
        struct agent_limits limits;

        if (!principal_kind_from(str_from(api_principal_create_kind_name(in->body.kind)), &principal.kind))
                return err_set_at(err, ERR_BAD_FIELD, "/kind", "this kind cannot be created here");
        if (!read_roles(req, &in->body, &principal.roles, err) ||
            !identity_roles_check(principal.kind, principal.roles, err) ||
            !access_check_grant_roles(req, principal.roles, err))
                return false;
        if (in->body.agent) {
                if (principal.kind != PRINCIPAL_AGENT)
                        return err_set_at(err, ERR_BAD_FIELD, "/agent",
                                          "only agents have a scope and tools");
                if (!agent_from_api(req, in->body.agent, &limits, err))
                        return false;
                principal.agent = &limits;
        }
        principal.created_by = id_str(&req->principal.id);
        if (!identity_principal_create(req->tx, &principal, req->now_ms, err) ||
            !bind_own_roles(req, &in->body, principal.id, err) ||
            !access_role_names_of(req->tx, principal.id, &principal.role_names, &principal.role_count, err))
                return false;
        request_log_resource(req, "principal", principal.id);
        request_log_detail(req, "kind", str_from(principal_kind_name(principal.kind)));
        request_event(req, "principal.created", principal.id, event_data(req, "principal", principal.id));
        return identity_api_principal(req->arena, &principal, out, err);
}

bool principal_get(struct request *req, const struct api_principal_get_in *in, struct api_principal *out,
                   struct err *err)
{
        struct identity_principal principal;

        return principal_find(req, in->principal, &principal, err) &&
               identity_api_principal(req->arena, &principal, out, err);
}

bool principal_disable(struct request *req, const struct api_principal_disable_in *in,
                       struct api_principal *out, struct err *err)
{
        struct identity_principal principal;

        if (!principal_find(req, in->principal, &principal, err))
                return false;
        /* A tenant whose last administrator locks themselves out could not be helped. */
        if (str_eq(in->principal, id_str(&req->principal.id)))
                return err_set(err, ERR_CONFLICT, "nobody can disable themselves");
        if (!identity_principal_disable(req->services, req->tx, in->principal, req->now_ms, err) ||
            !principal_find(req, in->principal, &principal, err))
                return false;
        request_event(req, "principal.disabled", in->principal, event_data(req, "principal", in->principal));
        return identity_api_principal(req->arena, &principal, out, err);
}

/* ---- API keys ---------------------------------------------------------------------------------- */

bool api_key_list(struct request *req, const struct api_api_key_list_in *in, struct api_api_key_page *out,
                  struct err *err)
{
        struct api_api_key *items;
        struct listing listing;
        SQL_SCOPED(api_key_list) c = {0};
        struct identity_principal principal;
        struct sql_api_key_list_row row;
        bool has;

        if (!principal_find(req, in->principal, &principal, err) ||
            !LISTING_BEGIN(&listing, req, in, &items, err) ||
            !sql_api_key_list_open(req->tx, in->principal, listing.after, listing.rows, &c, err))
                return false;
        for (;;) {
                if (!sql_api_key_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(&listing, row.id))
                        break;
                if (!api_key_from_row(req->arena, &row, &items[listing.count++], err))
                        return false;
        }
        *out = (struct api_api_key_page){items, listing.count, listing.next};
        return arena_check(req->arena, err);
}

struct key_create {
        const struct credential *credential;
        struct identity_key key;
};

static bool key_create_work(struct request *req, void *arg, struct err *err)
{
        struct key_create *create = arg;
        struct identity_principal principal;

        if (!principal_find(req, create->key.principal, &principal, err))
                return false;
        if (principal.kind == PRINCIPAL_EXECUTOR)
                return err_set(err, ERR_CONFLICT, "an executor gets its key by enrolment only");
        if (!access_check_reach_scoped(req, create->key.principal, create->key.scopes, err))
                return false;
        if (!identity_key_create(req->tx, create->credential, &create->key, req->now_ms, err))
                return false;
        request_log_detail(req, "key", create->key.id);
        request_event(req, "key.created", create->key.principal, event_data(req, "key", create->key.id));
        return true;
}

FIBER_FN bool api_key_create(struct request *req, const struct api_api_key_create_in *in,
                             struct api_api_key_created *out, struct err *err)
{
        struct cell_ref cell = {.tenant = req->tenant, .region = req->region};
        struct credential credential;
        struct key_create create = {.credential = &credential,
                                    .key = {.principal = in->principal,
                                            .name = in->body.name,
                                            .has_expires = in->body.has_expires_at,
                                            .expires_ms = in->body.expires_at_ms}};
        bool ok;

        if (in->body.has_expires_at && in->body.expires_at_ms <= req->now_ms)
                return err_set_at(err, ERR_BAD_FIELD, "/expires_at", "the key would have expired already");
        if (!create.key.has_expires && req->services->session_times &&
            req->services->session_times->key_ms > 0) {
                create.key.has_expires = true;
                create.key.expires_ms = req->now_ms + req->services->session_times->key_ms;
        }
        if (in->body.scopes_count > 0 &&
            !words_check_permissions(req->arena, in->body.scopes, in->body.scopes_count, "/scopes",
                                     &create.key.scopes, err))
                return false;
        /*
         * The prefix first: one that nobody uses does no harm, a key that nobody
         * can find would.
         */
        ok = credential_create(req->services, "cs", &cell, &credential, err) &&
             request_write(req, key_create_work, &create, err);
        ok = ok && api_key_created(req->arena, &create.key, &credential, out, err);
        secret_wipe(&credential, sizeof(credential));
        return ok && arena_check(req->arena, err);
}

struct key_rotate {
        const struct credential *credential;
        struct str id;
        int64_t overlap_ms;
        struct identity_key key;
};

static bool key_rotate_work(struct request *req, void *arg, struct err *err)
{
        struct key_rotate *rotate = arg;
        struct identity_principal principal;
        struct str owner = rotate->key.principal;

        if (!principal_find(req, owner, &principal, err))
                return false;
        if (principal.kind == PRINCIPAL_EXECUTOR)
                return err_set(err, ERR_CONFLICT, "an executor gets its key by enrolment only");
        /* What it would be is known when it is made; a refusal takes that back. */
        if (!identity_key_rotate(req->services, req->tx, rotate->credential, owner, rotate->id,
                                 rotate->overlap_ms, req->now_ms, &rotate->key, err) ||
            !access_check_reach_scoped(req, owner, rotate->key.scopes, err))
                return false;
        request_log_detail(req, "key", rotate->id);
        request_log_detail(req, "successor", rotate->key.id);
        request_event(req, "key.rotated", owner, event_data(req, "key", rotate->key.id));
        return true;
}

/* "10m", as the contract's pattern lets it through. */
static bool overlap_from(struct str text, int64_t *ret_ms, struct err *err)
{
        int64_t number = 10;
        int64_t unit_ms = 60000;

        if (text.ptr) {
                char unit = text.ptr[text.len - 1];

                unit_ms = unit == 's' ? 1000 : unit == 'm' ? 60000 : 3600000;
                if (!str_to_i64(str_slice(text, 0, text.len - 1), &number))
                        number = INT32_MAX;
        }
        *ret_ms = number * unit_ms;
        return *ret_ms <= OVERLAP_MAX_MS ||
               err_set_at(err, ERR_BAD_FIELD, "/overlap", "at most 168h: a key that leaked must end");
}

FIBER_FN bool api_key_rotate(struct request *req, const struct api_api_key_rotate_in *in,
                             struct api_api_key_created *out, struct err *err)
{
        struct cell_ref cell = {.tenant = req->tenant, .region = req->region};
        struct credential credential;
        struct key_rotate rotate = {
                .credential = &credential, .id = in->key, .key = {.principal = in->principal}};
        bool ok;

        if (!overlap_from(in->body.overlap, &rotate.overlap_ms, err))
                return false;
        ok = credential_create(req->services, "cs", &cell, &credential, err) &&
             request_write(req, key_rotate_work, &rotate, err) &&
             api_key_created(req->arena, &rotate.key, &credential, out, err);
        secret_wipe(&credential, sizeof(credential));
        return ok;
}

bool api_key_revoke(struct request *req, const struct api_api_key_revoke_in *in, struct err *err)
{
        struct identity_principal principal;

        if (!principal_find(req, in->principal, &principal, err) ||
            !identity_key_revoke(req->services, req->tx, in->principal, in->key, req->now_ms, err))
                return false;
        request_log_detail(req, "key", in->key);
        request_event(req, "key.revoked", in->principal, event_data(req, "key", in->key));
        return true;
}

/* ---- signing keys ------------------------------------------------------------------------------ */

static struct api_signing_key signing_key_from_row(const struct sql_signing_key_get_row *row)
{
        return (struct api_signing_key){
                .keyid = row->keyid, .public_key = row->public_key, .created_at_ms = row->created_ms};
}

bool signing_key_list(struct request *req, const struct api_signing_key_list_in *in,
                      struct api_signing_key_list *out, struct err *err)
{
        struct api_signing_key *items = ARENA_ARRAY(req->arena, struct api_signing_key, SIGNING_KEYS_MAX);
        SQL_SCOPED(signing_key_list) c = {0};
        struct identity_principal principal;
        struct sql_signing_key_get_row row;
        size_t count = 0;
        bool has = true;

        if (!items)
                return arena_check(req->arena, err);
        if (!principal_find(req, in->principal, &principal, err) ||
            !sql_signing_key_list_open(req->tx, in->principal, &c, err))
                return false;
        while (has && count < SIGNING_KEYS_MAX) {
                if (!sql_signing_key_list_next(&c, &row, &has, err))
                        return false;
                if (has)
                        items[count++] = signing_key_from_row(&row);
        }
        out->items = items;
        out->items_count = count;
        return true;
}

bool signing_key_create(struct request *req, const struct api_signing_key_create_in *in,
                        struct api_signing_key *out, struct err *err)
{
        struct sql_signing_key_get_row row;
        struct sql_signing_key_count_row keys;
        struct ed25519_public public_key;
        char keyid[ED25519_KEY_ID_SIZE];
        int64_t changes;
        bool found;

        if (!str_eq(in->principal, id_str(&req->principal.id)))
                return err_set(err, ERR_FORBIDDEN, "a public key can be offered for oneself only");
        request_log_resource(req, "principal", in->principal);
        if (req->principal.kind != PRINCIPAL_USER)
                return err_set(err, ERR_FORBIDDEN, "only people sign");
        if (!ed25519_public_from(in->body.public_key, &public_key))
                return err_set_at(err, ERR_BAD_FIELD, "/public_key", "not a raw Ed25519 key of 32 bytes");
        ed25519_key_id(&public_key, keyid);
        request_log_detail(req, "keyid", str_from(keyid));
        if (!sql_signing_key_count(req->tx, in->principal, &keys, &found, err))
                return false;
        if (keys.keys >= SIGNING_KEYS_MAX)
                return err_set(err, ERR_LIMIT_REACHED, "a principal offers at most %d keys",
                               SIGNING_KEYS_MAX);
        if (!sql_signing_key_insert(req->tx, str_from(keyid), in->principal, ed25519_public_str(&public_key),
                                    req->now_ms, &changes, err) ||
            !sql_signing_key_get(req->tx, str_from(keyid), &row, &found, err))
                return false;
        if (!found || !str_eq(row.principal_id, in->principal))
                return err_set(err, ERR_ALREADY_EXISTS, "this key is somebody else's");
        *out = signing_key_from_row(&row);
        return true;
}
