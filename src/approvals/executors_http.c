/* SPDX-License-Identifier: Apache-2.0 */
/* Executors: announced, enrolled with a one-time token, revoked. */
#include "api/api_handlers.h"
#include "api/cell.h"
#include "api/listing.h"
#include "api/notify.h"
#include "api/services.h"
#include "approvals/approvals.h"
#include "approvals/control.h"
#include "approvals/executors_sql.h"
#include "approvals/roster_api.h"
#include "approvals/work.h"
#include "base/clock.h"
#include "crypto/ed25519.h"
#include "crypto/secret.h"
#include "identity/identity.h"
#include "tenancy/regions.h"

#define TOKEN_LASTS_MS (INT64_C(15) * 60 * 1000)

/* To this node, or by its lease to another. */
static bool is_connected(const struct request *req, const struct sql_executor_list_row *row)
{
        struct work_place place = {row->workspace_id, row->environment};

        return !row->has_revoked_ms && (work_is_connected(req->services->work, row->id, &place) ||
                                        (row->has_present_until_ms && row->present_until_ms > req->now_ms));
}

static struct api_executor executor_to_api(const struct request *req,
                                           const struct sql_executor_list_row *row)
{
        return (struct api_executor){
                .id = row->id,
                .name = row->name,
                .environment = row->environment,
                .enrolled = row->has_enrolled_ms,
                .revoked = row->has_revoked_ms,
                .connected = is_connected(req, row),
                .keyid = row->keyid,
                .created_at_ms = row->created_ms,
        };
}

static struct str event_data(struct request *req, struct str executor)
{
        return arena_printf(req->arena, "{\"executor\":\"%.*s\",\"workspace\":\"%.*s\"}", STR_ARG(executor),
                            STR_ARG(req->workspace));
}

bool executor_list(struct request *req, const struct api_executor_list_in *in, struct api_executor_page *out,
                   struct err *err)
{
        struct api_executor *items;
        struct listing listing;
        SQL_SCOPED(executor_list) c = {0};
        struct sql_executor_list_row row;
        bool has;

        if (!LISTING_BEGIN(&listing, req, in, &items, err) ||
            !sql_executor_list_open(req->tx, req->workspace, listing.after, listing.rows, &c, err))
                return false;
        for (;;) {
                if (!sql_executor_list_next(&c, &row, &has, err))
                        return false;
                if (!has || !listing_takes(&listing, row.id))
                        break;
                items[listing.count++] = executor_to_api(req, &row);
        }
        *out = (struct api_executor_page){items, listing.count, listing.next};
        return arena_check(req->arena, err);
}

/* ---- announcing -------------------------------------------------------------------------------- */

struct announce {
        const struct api_executor_create *body;
        const struct credential *token;
        struct id id;
        int64_t expires_ms;
};

static bool announce_work(struct request *req, void *arg, struct err *err)
{
        struct announce *announce = arg;
        int64_t changes;

        if (!sql_executor_insert(req->tx,
                                 &(struct sql_executor_insert_in){
                                         .id = id_str(&announce->id),
                                         .workspace_id = req->workspace,
                                         .name = announce->body->name,
                                         .environment = announce->body->environment,
                                         .token_prefix = str_from(announce->token->prefix),
                                         .token_hash = sha256_str(&announce->token->hash),
                                         .token_hash_version = announce->token->hash_version,
                                         .token_expires_ms = announce->expires_ms,
                                         .now = req->now_ms,
                                 },
                                 &changes, err))
                return false;
        if (changes != 1)
                return err_set_at(err, ERR_ALREADY_EXISTS, "/name",
                                  "the workspace has an executor \"%.*s\" already; revoke it first",
                                  STR_ARG(announce->body->name));
        request_log_resource(req, "executor", id_str(&announce->id));
        request_log_detail(req, "environment", announce->body->environment);
        request_event(req, "executor.created", id_str(&announce->id),
                      event_data(req, id_str(&announce->id)));
        return true;
}

FIBER_FN bool executor_create(struct request *req, const struct api_executor_create_in *in,
                              struct api_executor_created *out, struct err *err)
{
        struct cell_ref cell = {.tenant = req->tenant, .region = req->region};
        struct credential token;
        struct announce announce = {.body = &in->body, .token = &token, .id = id_new("exe")};
        bool ok;

        if (!control_check_place(STR(""), in->body.environment, err))
                return false;
        announce.expires_ms = clock_now_ms() + TOKEN_LASTS_MS;
        ok = credential_create(req->services, "cse", &cell, &token, err) &&
             request_write(req, announce_work, &announce, err);
        if (ok)
                *out = (struct api_executor_created){
                        .executor = {.id = arena_str(req->arena, id_str(&announce.id)),
                                     .name = in->body.name,
                                     .environment = in->body.environment,
                                     .created_at_ms = req->now_ms},
                        .token = arena_str(req->arena, str_from(token.text)),
                        .expires_at_ms = announce.expires_ms,
                };
        secret_wipe(&token, sizeof(token));
        return ok && arena_check(req->arena, err);
}

/* ---- enrolling --------------------------------------------------------------------------------- */

struct enrol {
        struct str token, prefix;
        struct ed25519_public public_key;
        const struct credential *credential;
        struct api_enrolled *out;
};

static bool bad_token(struct err *err)
{
        return err_set(err, ERR_UNAUTHENTICATED, "the token is not valid: unknown, used, or too old");
}

static bool make_principal(struct request *req, struct enrol *enrol,
                           const struct sql_executor_by_token_row *row, struct err *err)
{
        struct identity_principal principal = {.id = row->id,
                                               .kind = PRINCIPAL_EXECUTOR,
                                               .name = row->name,
                                               .roles = ROLE_BIT(ROLE_EXECUTOR),
                                               .workspace = row->workspace_id};
        struct identity_key key = {.principal = row->id, .name = STR("enrolment")};

        return identity_principal_create(req->tx, &principal, req->now_ms, err) &&
               identity_key_create(req->tx, enrol->credential, &key, req->now_ms, err);
}

static bool enrol_work(struct request *req, void *arg, struct err *err)
{
        struct enrol *enrol = arg;
        struct sql_executor_by_token_row row;
        char keyid[ED25519_KEY_ID_SIZE];
        int64_t now_ms = clock_now_ms();
        int64_t changes;
        bool found;

        ed25519_key_id(&enrol->public_key, keyid);
        if (!sql_executor_by_token(req->tx, enrol->prefix, &row, &found, err))
                return false;
        if (!found ||
            !credential_matches(req->services, enrol->token, row.token_hash, row.token_hash_version))
                return bad_token(err);
        if (!sql_executor_enrol(req->tx, row.id, enrol->prefix, str_from(keyid),
                                ed25519_public_str(&enrol->public_key), now_ms, &changes, err))
                return false;
        if (changes != 1)
                return bad_token(err);
        if (!make_principal(req, enrol, &row, err))
                return false;
        request_log_resource(req, "executor", row.id);
        request_log_detail(req, "keyid", str_from(keyid));
        request_event(req, "executor.enrolled", row.id,
                      arena_printf(req->arena, "{\"executor\":\"%.*s\",\"workspace\":\"%.*s\"}",
                                   STR_ARG(row.id), STR_ARG(row.workspace_id)));
        *enrol->out = (struct api_enrolled){
                .executor = row.id,
                .tenant = req->tenant,
                .workspace = row.workspace_id,
                .environment = row.environment,
                .api_key = arena_str(req->arena, str_from(enrol->credential->text)),
        };
        return roster_versions(req->tx, 0, &enrol->out->roster, &enrol->out->roster_count, err);
}

/* It is here: what is asked before its first request for work can wait for that. */
static FIBER_FN bool greet(struct request *req, const struct api_enrolled *enrolled, struct err *err)
{
        struct work_place place = {enrolled->workspace, enrolled->environment};

        if (!work_enter(req, enrolled->executor, &place, 0, err))
                return false;
        work_leave(req, enrolled->executor, &place);
        return true;
}

FIBER_FN bool executor_enrol(struct request *req, const struct api_executor_enrol_in *in,
                             struct api_enrolled *out, struct err *err)
{
        struct credential credential;
        struct enrol enrol = {.token = in->body.token, .credential = &credential, .out = out};
        struct cell_ref cell;
        bool found, ok;

        if (!ed25519_public_from(in->body.public_key, &enrol.public_key))
                return err_set_at(err, ERR_BAD_FIELD, "/public_key", "not a raw Ed25519 key of 32 bytes");
        if (!credential_prefix(enrol.token, "cse", &enrol.prefix))
                return bad_token(err);
        if (!credential_find_cell(req->services, req->arena, enrol.prefix, "cse", &cell, &found, err))
                return false;
        if (!found)
                return bad_token(err);
        if (!regions_serves(req->services, cell.region))
                return err_set(err, ERR_WRONG_REGION, "this executor belongs to the region %.*s",
                               STR_ARG(cell.region));
        request_enter(req, cell.tenant, cell.region);
        ok = credential_create(req->services, "cs", &cell, &credential, err) &&
             request_write(req, enrol_work, &enrol, err) && greet(req, out, err);
        secret_wipe(&credential, sizeof(credential));
        return ok;
}

/* ---- revoking ---------------------------------------------------------------------------------- */

struct revoked {
        struct work *work;
        struct str executor;
        struct work_place place;
};

static void forget_revoked(void *arg)
{
        const struct revoked *revoked = arg;

        work_forget(revoked->work, revoked->executor, &revoked->place);
}

bool executor_revoke(struct request *req, const struct api_executor_revoke_in *in, struct err *err)
{
        struct revoked *revoked = ARENA_NEW(tx_arena(req->tx), struct revoked);
        struct sql_executor_get_row row;
        int64_t changes;
        bool found;

        if (!revoked)
                return arena_check(tx_arena(req->tx), err);
        if (!sql_executor_get(req->tx, in->executor, &row, &found, err))
                return false;
        if (!found || !str_eq(row.workspace_id, req->workspace))
                return err_set(err, ERR_NOT_FOUND, "there is nothing here");
        request_log_resource(req, "executor", in->executor);
        if (!sql_executor_revoke(req->tx, req->workspace, in->executor, req->now_ms, &changes, err))
                return false;
        /* Its keys stop at once; until it was enrolled there was neither key nor principal. */
        if (row.has_enrolled_ms &&
            !identity_principal_disable(req->services, req->tx, in->executor, req->now_ms, err))
                return false;
        *revoked = (struct revoked){req->services->work, row.id, {row.workspace_id, row.environment}};
        tx_on_commit(req->tx, forget_revoked, revoked);
        notify_on_commit(req->tx, approvals_work_subject(req->arena, req->workspace, row.environment));
        if (changes == 1)
                request_event(req, "executor.revoked", in->executor, event_data(req, in->executor));
        return arena_check(req->arena, err);
}
