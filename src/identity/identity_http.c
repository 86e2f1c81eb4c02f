/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity_http.h"

#include "access/bindings.h"
#include "api/api_handlers.h"
#include "api/cursor.h"
#include "api/services.h"
#include "base/json_write.h"
#include "crypto/ed25519.h"
#include "crypto/secret.h"
#include "identity/identity_sql.h"
#include "identity/principals.h"

enum { SIGNING_KEYS_MAX = 20 };

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

static struct api_api_key api_key_from_row(const struct sql_api_key_list_row *row)
{
        return (struct api_api_key){
                .id = row->id,
                .prefix = row->prefix,
                .name = row->name,
                .created_at_ms = row->created_ms,
                .has_expires_at = row->has_expires_ms,
                .expires_at_ms = row->expires_ms,
                .has_revoked_at = row->has_revoked_ms,
                .revoked_at_ms = row->revoked_ms,
        };
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
        int64_t limit = in->has_limit ? in->limit : PAGE_LIMIT_DEFAULT;
        struct api_principal *items = ARENA_ARRAY(req->arena, struct api_principal, (size_t)limit);
        SQL_SCOPED(principal_list) c = {0};
        struct sql_principal_get_row row;
        struct str after;
        size_t count = 0;
        bool has;

        if (!items)
                return arena_check(req->arena, err);
        if (!cursor_take(req->arena, in->cursor, &after, err) ||
            !sql_principal_list_open(req->tx, after, limit + 1, &c, err))
                return false;
        for (;;) {
                struct identity_principal principal;

                if (!sql_principal_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                if (count == (size_t)limit) {
                        out->next = cursor_make(req->arena, items[count - 1].id);
                        break;
                }
                if (!principal_from_row(&row, &principal, err) ||
                    !access_role_names_of(req->tx, row.id, &principal.role_names, &principal.role_count,
                                          err) ||
                    !identity_api_principal(req->arena, &principal, &items[count++], err))
                        return false;
        }
        out->items = items;
        out->items_count = count;
        return arena_check(req->arena, err);
}

bool principal_create(struct request *req, const struct api_principal_create_in *in,
                      struct api_principal *out, struct err *err)
{
        struct identity_principal principal = {.name = in->body.name};

        if (!principal_kind_from(str_from(api_principal_create_kind_name(in->body.kind)), &principal.kind))
                return err_set_at(err, ERR_BAD_FIELD, "/kind", "this kind cannot be created here");
        for (size_t i = 0; i < in->body.roles_count; i++) {
                enum role role;

                if (!role_from(in->body.roles[i], &role))
                        return err_set_at(err, ERR_BAD_FIELD, "/roles", "an unknown role");
                principal.roles |= ROLE_BIT(role);
        }
        if (!identity_roles_check(principal.kind, principal.roles, err) ||
            !access_check_grant_roles(req, principal.roles, err))
                return false;
        principal.created_by = id_str(&req->principal.id);
        if (!identity_principal_create(req->tx, &principal, req->now_ms, err))
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
        int64_t limit = in->has_limit ? in->limit : PAGE_LIMIT_DEFAULT;
        struct api_api_key *items = ARENA_ARRAY(req->arena, struct api_api_key, (size_t)limit);
        SQL_SCOPED(api_key_list) c = {0};
        struct identity_principal principal;
        struct sql_api_key_list_row row;
        struct str after;
        size_t count = 0;
        bool has;

        if (!items)
                return arena_check(req->arena, err);
        if (!principal_find(req, in->principal, &principal, err) ||
            !cursor_take(req->arena, in->cursor, &after, err) ||
            !sql_api_key_list_open(req->tx, in->principal, after, limit + 1, &c, err))
                return false;
        for (;;) {
                if (!sql_api_key_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                if (count == (size_t)limit) {
                        out->next = cursor_make(req->arena, items[count - 1].id);
                        break;
                }
                items[count++] = api_key_from_row(&row);
        }
        out->items = items;
        out->items_count = count;
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
        if (!access_check_reach(req, create->key.principal, err))
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
        /*
         * The prefix first: one that nobody uses does no harm, a key that nobody
         * can find would.
         */
        ok = credential_create(req->services, "cs", &cell, &credential, err) &&
             request_write(req, key_create_work, &create, err);
        if (ok) {
                out->secret = arena_str(req->arena, str_from(credential.text));
                out->key = (struct api_api_key){.id = create.key.id,
                                                .prefix = create.key.prefix,
                                                .name = create.key.name,
                                                .created_at_ms = create.key.created_ms,
                                                .has_expires_at = create.key.has_expires,
                                                .expires_at_ms = create.key.expires_ms};
        }
        secret_wipe(&credential, sizeof(credential));
        return ok && arena_check(req->arena, err);
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
