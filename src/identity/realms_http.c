/* SPDX-License-Identifier: Apache-2.0 */
/* Realms: the operations of administrators, and what issuers tell us. */
#include "access/bindings.h"
#include "api/api_handlers.h"
#include "api/cell.h"
#include "api/services.h"
#include "base/json_write.h"
#include "identity/cache.h"
#include "identity/oidc.h"
#include "identity/realms.h"
#include "identity/realms_sql.h"

/* ---- conversions ------------------------------------------------------------------------------------ */

static bool to_api(struct request *req, const struct realm *realm, struct api_realm *ret, struct err *err)
{
        enum api_realm_algorithm *algs = ARENA_ARRAY(req->arena, enum api_realm_algorithm, JOSE_ALG_COUNT);
        size_t count = 0;

        if (!algs)
                return arena_check(req->arena, err);
        for (unsigned i = JOSE_RS256; i <= JOSE_EDDSA; i++)
                if (realm->algs & JOSE_BIT(i))
                        algs[count++] = api_realm_algorithm_from(str_from(jose_alg_name((enum jose_alg)i)));
        *ret = (struct api_realm){
                .id = realm->id,
                .name = realm->name,
                .issuer = realm->issuer,
                .client_id = realm->client_id,
                .client_authentication = api_client_authentication_from(
                        str_from(client_authentication_name(realm->client_authentication))),
                .algorithms = algs,
                .algorithms_count = count,
                .audience = realm->audience,
                .scopes = realm->scopes,
                .roles_expression = realm->roles_expression,
                .name_claim = realm->name_claim,
                .email_claim = realm->email_claim,
                .clock_skew_s = realm->clock_skew_ms / 1000,
                .second_factor_acr = realm->second_factor_acr,
                .redirect_uri = realm_uri(req, req->tenant, realm->id, "/callback"),
                .backchannel_logout_uri = realm_uri(req, req->tenant, realm->id, "/backchannel-logout"),
                .version = realm->version,
                .created_at_ms = realm->created_ms,
        };
        return arena_check(req->arena, err);
}

static bool algs_from(const enum api_realm_algorithm *list, size_t count, uint32_t *ret)
{
        enum jose_alg alg;

        *ret = 0;
        for (size_t i = 0; i < count; i++) {
                if (!jose_alg_from(str_from(api_realm_algorithm_name(list[i])), &alg))
                        return false;
                *ret |= JOSE_BIT(alg);
        }
        return true;
}

static enum client_authentication authentication_from(enum api_client_authentication one)
{
        const char *name = api_client_authentication_name(one);

        return strcmp(name, "basic") == 0  ? CLIENT_BASIC
               : strcmp(name, "post") == 0 ? CLIENT_POST
                                           : CLIENT_NONE;
}

static struct str or (struct str given, struct str otherwise)
{
        return given.ptr ? given : otherwise;
}

/* {"realm":"…"} */
static void tell(struct request *req, const char *type, struct str id)
{
        BUF_SCOPED buf;
        struct json_writer w;

        buf_init(&buf, 1024);
        json_writer_init(&w, &buf);
        json_object_begin(&w);
        json_field_str(&w, "realm", id);
        json_object_end(&w);
        request_log_resource(req, "realm", id);
        request_event(req, type, id, buf_str(&buf));
}

/* ---- reading ---------------------------------------------------------------------------------------- */

bool realm_list(struct request *req, const struct api_realm_list_in *in, struct api_realm_list *out,
                struct err *err)
{
        struct api_realm *items = ARENA_ARRAY(req->arena, struct api_realm, REALMS_MAX);
        struct realm realms[REALMS_MAX];
        size_t count;

        (void)in;
        if (!items)
                return arena_check(req->arena, err);
        if (!realm_all(req->tx, realms, &count, err))
                return false;
        for (size_t i = 0; i < count; i++)
                if (!to_api(req, &realms[i], &items[i], err))
                        return false;
        out->items = items;
        out->items_count = count;
        return true;
}

bool realm_get(struct request *req, const struct api_realm_get_in *in, struct api_realm *out,
               struct err *err)
{
        struct realm realm;

        if (!realm_find(req->tx, in->realm, &realm, err))
                return false;
        request_log_resource(req, "realm", in->realm);
        request_set_etag(req, realm.version);
        return to_api(req, &realm, out, err);
}

/* ---- the directory: whose an issuer's tokens are ---------------------------------------------------- */

struct announce {
        struct str tenant;
        const struct realm *realm;
};

static bool announce_work(struct tx *tx, void *arg, struct err *err)
{
        const struct announce *announce = arg;
        const struct realm *realm = announce->realm;
        int64_t changes;

        return !realm->audience.ptr || sql_issuer_audience_put(tx, announce->tenant, realm->issuer,
                                                               realm->audience, realm->id, &changes, err);
}

static bool withdraw_work(struct tx *tx, void *arg, struct err *err)
{
        const struct announce *announce = arg;
        const struct realm *realm = announce->realm;
        int64_t changes;

        return sql_issuer_audience_delete_others(
                tx, announce->tenant, realm->id, realm->audience.ptr ? realm->issuer : STR(""),
                realm->audience.ptr ? realm->audience : STR(""), &changes, err);
}

static FIBER_FN bool in_directory(struct request *req, const struct realm *realm, store_work work,
                                  struct err *err)
{
        struct announce announce = {req->tenant, realm};

        return cell_write(req->services->store, &CELL_DIRECTORY, req->arena, work, &announce, err);
}

/* ---- changes ---------------------------------------------------------------------------------------- */

struct change {
        struct realm realm;
        struct str secret;
        struct api_realm *out;
};

static bool create_work(struct request *req, void *arg, struct err *err)
{
        struct change *change = arg;

        if (!realm_add(req->tx, &change->realm, change->secret, req->now_ms, err))
                return false;
        tell(req, "realm.created", change->realm.id);
        return to_api(req, &change->realm, change->out, err);
}

/*
 * An issuer says who somebody is and, by the expression, that they are an administrator: whoever can name
 * one could be anybody.
 */
static bool check_trust(struct request *req, struct err *err)
{
        return access_check_grant_roles(req, ROLE_BIT(ROLE_ADMINISTRATOR), err);
}

/* A fiber must not compile expressions: it has a small stack. */
struct check {
        const struct oidc *oidc;
        const struct realm *realm;
        bool has_secret;
        bool ok;
        struct err *err;
};

static void check_blocking(void *arg)
{
        struct check *check = arg;

        check->ok = realm_check(check->oidc, check->realm, check->has_secret, check->err);
}

static FIBER_FN bool check_realm(struct request *req, const struct realm *realm, bool has_secret,
                                 struct err *err)
{
        struct check check = {req->services->oidc, realm, has_secret, false, err};

        fiber_offload(check_blocking, &check);
        return check.ok;
}

FIBER_FN bool realm_create(struct request *req, const struct api_realm_create_in *in, struct api_realm *out,
                           struct err *err)
{
        const struct api_realm_create *body = &in->body;
        struct id id = id_new("rlm");
        struct change change = {
                .realm = {.id = arena_str(req->arena, id_str(&id)),
                          .name = body->name,
                          .issuer = body->issuer,
                          .client_id = body->client_id,
                          .audience = body->audience,
                          .scopes = or (body->scopes, STR("openid profile email")),
                          .roles_expression = or (body->roles_expression, STR(REALM_ROLES_DEFAULT)),
                          .name_claim = or (body->name_claim, STR("name")),
                          .email_claim = or (body->email_claim, STR("email")),
                          .second_factor_acr = body->second_factor_acr,
                          .client_authentication = body->client_authentication
                                                           ? authentication_from(body->client_authentication)
                                                   : body->client_secret.ptr ? CLIENT_BASIC
                                                                             : CLIENT_NONE,
                          .algs = REALM_ALGS_DEFAULT,
                          .clock_skew_ms = body->has_clock_skew_s ? body->clock_skew_s * 1000
                                                                  : REALM_SKEW_DEFAULT_MS},
                .secret = body->client_secret,
                .out = out,
        };

        if (body->algorithms_count > 0 &&
            !algs_from(body->algorithms, body->algorithms_count, &change.realm.algs))
                return err_set_at(err, ERR_BAD_FIELD, "/algorithms", "an unknown algorithm");
        if (!arena_check(req->arena, err) || !check_trust(req, err) ||
            !check_realm(req, &change.realm, change.secret.ptr != NULL, err))
                return false;
        /* The directory first: a row that leads to no realm does no harm, a realm that nobody finds would.
         */
        if (!in_directory(req, &change.realm, announce_work, err))
                return false;
        if (request_write(req, create_work, &change, err))
                return true;
        if (err->code != ERR_WRITE_UNCERTAIN) {
                struct err ignored;

                change.realm.audience = STR_NULL;
                (void)!in_directory(req, &change.realm, withdraw_work, &ignored);
        }
        return false;
}

static bool find_work(struct request *req, void *arg, struct err *err)
{
        struct change *change = arg;
        struct str id = change->realm.id;

        return realm_find(req->tx, id, &change->realm, err);
}

static bool update_work(struct request *req, void *arg, struct err *err)
{
        struct change *change = arg;

        /* What was let in under the old rules is asked again. */
        if (!realm_change(req->tx, &change->realm, change->secret, err) ||
            !identity_forget_on_commit(req->services, req->tx, change->realm.id, err))
                return false;
        tell(req, "realm.updated", change->realm.id);
        request_set_etag(req, change->realm.version);
        return to_api(req, &change->realm, change->out, err);
}

static bool merge(struct realm *realm, const struct api_realm_update *body, struct err *err)
{
        realm->issuer = or (body->issuer, realm->issuer);
        realm->client_id = or (body->client_id, realm->client_id);
        realm->scopes = or (body->scopes, realm->scopes);
        realm->roles_expression = or (body->roles_expression, realm->roles_expression);
        realm->name_claim = or (body->name_claim, realm->name_claim);
        realm->email_claim = or (body->email_claim, realm->email_claim);
        if (body->audience.ptr)
                realm->audience = body->audience.len > 0 ? body->audience : STR_NULL;
        if (body->second_factor_acr.ptr)
                realm->second_factor_acr =
                        body->second_factor_acr.len > 0 ? body->second_factor_acr : STR_NULL;
        if (body->has_clock_skew_s)
                realm->clock_skew_ms = body->clock_skew_s * 1000;
        if (body->client_authentication) {
                realm->client_authentication = authentication_from(body->client_authentication);
                if (realm->client_authentication == CLIENT_NONE)
                        realm->client_secret = STR_NULL;
        }
        return body->algorithms_count == 0 ||
               algs_from(body->algorithms, body->algorithms_count, &realm->algs) ||
               err_set_at(err, ERR_BAD_FIELD, "/algorithms", "an unknown algorithm");
}

FIBER_FN bool realm_update(struct request *req, const struct api_realm_update_in *in, struct api_realm *out,
                           struct err *err)
{
        struct change change = {.realm = {.id = in->realm}, .secret = in->body.client_secret, .out = out};

        if (!request_read(req, find_work, &change, err))
                return false;
        request_log_resource(req, "realm", in->realm);
        if (!request_check_version(req, change.realm.version, false, err) || !check_trust(req, err) ||
            !merge(&change.realm, &in->body, err) ||
            !check_realm(req, &change.realm, change.secret.ptr || change.realm.client_secret.ptr, err))
                return false;
        return in_directory(req, &change.realm, announce_work, err) &&
               request_write(req, update_work, &change, err) &&
               in_directory(req, &change.realm, withdraw_work, err);
}

static bool delete_work(struct request *req, void *arg, struct err *err)
{
        struct change *change = arg;

        if (!realm_remove(req->services, req->tx, change->realm.id, req->now_ms, err))
                return false;
        tell(req, "realm.deleted", change->realm.id);
        return true;
}

FIBER_FN bool realm_delete(struct request *req, const struct api_realm_delete_in *in, struct err *err)
{
        struct change change = {.realm = {.id = in->realm}};

        return request_write(req, delete_work, &change, err) &&
               in_directory(req, &change.realm, withdraw_work, err);
}
