/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of model providers: stored, rotated, revoked, and never shown. */
#include "api/api_handlers.h"
#include "api/listing.h"
#include "api/services.h"
#include "approvals/work.h"
#include "base/clock.h"
#include "crypto/envelope.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "keys/provider_check.h"

#include <stdio.h>

enum { FINGERPRINT_BYTES = 16 };

/* ---- showing ----------------------------------------------------------------------------------- */

static bool versions_to_api(struct request *req, struct str key, struct api_provider_key *out,
                            struct err *err)
{
        struct api_provider_key_version *versions =
                ARENA_ARRAY(req->arena, struct api_provider_key_version, PROVIDER_VERSIONS_MAX);
        SQL_SCOPED(provider_secret_list) c = {0};
        struct sql_provider_secret_list_row row;
        bool has;

        if (!versions)
                return arena_check(req->arena, err);
        out->versions = versions;
        if (!sql_provider_secret_list_open(req->tx, key, req->now_ms, &c, err))
                return false;
        while (out->versions_count < PROVIDER_VERSIONS_MAX) {
                if (!sql_provider_secret_list_next(&c, &row, &has, err))
                        return false;
                if (!has)
                        break;
                versions[out->versions_count++] = (struct api_provider_key_version){
                        .version = row.version,
                        .last_four = row.last_four,
                        .fingerprint = row.fingerprint,
                        .state = api_provider_key_state_from(row.state),
                        .created_at_ms = row.created_ms,
                        .has_retires_at = row.has_retires_ms,
                        .retires_at_ms = row.retires_ms,
                };
        }
        return true;
}

static bool key_to_api(struct request *req, const struct sql_provider_key_get_row *row,
                       struct api_provider_key *out, struct err *err)
{
        *out = (struct api_provider_key){
                .id = row->id,
                .provider = api_provider_from(row->provider),
                .name = row->name,
                .base_url = row->base_url,
                .region = row->region,
                .revision = row->revision,
                .created_by = row->created_by,
                .created_at_ms = row->created_ms,
                .has_revoked_at = row->has_revoked_ms,
                .revoked_at_ms = row->revoked_ms,
                .has_used_at = row->has_used_ms,
                .used_at_ms = row->used_ms,
        };
        return versions_to_api(req, row->id, out, err);
}

static bool show(struct request *req, struct str id, struct api_provider_key *out, struct err *err)
{
        struct sql_provider_key_get_row row;

        request_log_resource(req, "provider-key", id);
        return provider_key_find(req->tx, req->workspace, id, &row, err) && key_to_api(req, &row, out, err);
}

bool provider_key_get(struct request *req, const struct api_provider_key_get_in *in,
                      struct api_provider_key *out, struct err *err)
{
        return show(req, in->provider_key, out, err);
}

bool provider_key_list(struct request *req, const struct api_provider_key_list_in *in,
                       struct api_provider_key_page *out, struct err *err)
{
        struct sql_provider_key_get_row *rows;
        struct api_provider_key *items;
        struct listing listing;
        bool has;

        if (!LISTING_BEGIN(&listing, req, in, &items, err))
                return false;
        rows = ARENA_ARRAY(req->arena, struct sql_provider_key_get_row, listing.limit + 1);
        if (!rows)
                return arena_check(req->arena, err);
        {
                SQL_SCOPED(provider_key_list) c = {0};

                if (!sql_provider_key_list_open(req->tx, req->workspace, listing.after, listing.rows, &c,
                                                err))
                        return false;
                for (;; listing.count++) {
                        struct sql_provider_key_get_row *row = &rows[listing.count];

                        if (!sql_provider_key_list_next(&c, row, &has, err))
                                return false;
                        if (!has || !listing_takes(&listing, row->id))
                                break;
                }
        }
        for (size_t i = 0; i < listing.count; i++)
                if (!key_to_api(req, &rows[i], &items[i], err))
                        return false;
        *out = (struct api_provider_key_page){items, listing.count, listing.next};
        return arena_check(req->arena, err);
}

/* ---- checking ---------------------------------------------------------------------------------- */

/*
 * The same secret of the same tenant gives the same fingerprint, so that a person can tell whether two
 * keys are one; without the server's key it says nothing.
 */
static bool fingerprint(struct request *req, struct str secret, struct str *ret, struct err *err)
{
        const struct envelope *envelope = req->services->envelope;
        char hex[SHA256_HEX_SIZE];
        struct sha256 key, hash;

        if (!envelope_derive(envelope, envelope_derive_version(envelope), STR("provider-key-fingerprint"),
                             key.bytes, err))
                return false;
        hmac_sha256(sha256_str(&key), req->tenant, &hash);
        hmac_sha256(sha256_str(&hash), secret, &key);
        sha256_format(&key, hex);
        secret_wipe(&key, sizeof(key));
        secret_wipe(&hash, sizeof(hash));
        *ret = arena_str(req->arena, str_make(hex, 2 * (size_t)FINGERPRINT_BYTES));
        return arena_check(req->arena, err);
}

static FIBER_FN bool check(struct request *req, enum provider provider, struct str base_url,
                           struct str secret, struct provider_secret_new *ret, struct err *err)
{
        ret->secret = secret;
        return provider_check_shape(provider, secret, "/secret", err) &&
               fingerprint(req, secret, &ret->fingerprint, err) &&
               provider_check_live(req, req->services->providers, provider, base_url, secret, &ret->valid,
                                   err);
}

/* What the decoder made of the body; the body itself is wiped with the request's memory. */
static void wipe(struct str secret)
{
        if (secret.len > 0)
                secret_wipe((char *)(uintptr_t)secret.ptr, secret.len);
}

static void changed(struct request *req, struct str id, const char *event, const char *state)
{
        request_log_resource(req, "provider-key", id);
        if (state)
                request_log_detail(req, "state", str_from(state));
        request_event(req, event, id,
                      arena_printf(req->arena, "{\"provider_key\":\"%.*s\",\"workspace\":\"%.*s\"}",
                                   STR_ARG(id), STR_ARG(req->workspace)));
}

/* ---- creating ---------------------------------------------------------------------------------- */

struct create {
        struct provider_key_new key;
        struct api_provider_key *out;
};

static bool create_work(struct request *req, void *arg, struct err *err)
{
        struct create *create = arg;

        if (!provider_key_create(req->tx, &create->key, clock_now_ms(), err))
                return false;
        changed(req, create->key.id, "provider-key.created",
                create->key.secret.valid ? "valid" : "unverified");
        return show(req, create->key.id, create->out, err);
}

static FIBER_FN bool create_checked(struct request *req, const struct api_provider_key_create *body,
                                    struct api_provider_key *out, struct err *err)
{
        struct id id = id_new("pvk");
        struct create create = {.key = {.id = id_str(&id),
                                        .workspace = req->workspace,
                                        .name = body->name,
                                        .created_by = id_str(&req->principal.id)},
                                .out = out};

        if (!provider_from(str_from(api_provider_name(body->provider)), &create.key.provider))
                return err_set_at(err, ERR_BAD_FIELD, "/provider", "no such provider");
        request_log_resource(req, "provider-key", id_str(&id));
        return provider_check_url(req->arena, req->services->providers, create.key.provider, body->base_url,
                                  &create.key.base_url, err) &&
               check(req, create.key.provider, create.key.base_url, body->secret, &create.key.secret, err) &&
               request_write(req, create_work, &create, err);
}

FIBER_FN bool provider_key_store(struct request *req, const struct api_provider_key_store_in *in,
                                 struct api_provider_key *out, struct err *err)
{
        bool ok = create_checked(req, &in->body, out, err);

        wipe(in->body.secret);
        return ok;
}

/* ---- rotating and revoking ----------------------------------------------------------------------- */

struct renew {
        struct str id;
        struct sql_provider_key_get_row seen;
        struct provider_secret_new secret;
        int64_t overlap_ms;
        struct api_provider_key *out;
};

static bool seen_work(struct request *req, void *arg, struct err *err)
{
        struct renew *renew = arg;

        request_log_resource(req, "provider-key", renew->id);
        if (!provider_key_find(req->tx, req->workspace, renew->id, &renew->seen, err))
                return false;
        return !renew->seen.has_revoked_ms || err_set(err, ERR_CONFLICT, "the provider key was revoked");
}

static bool renew_work(struct request *req, void *arg, struct err *err)
{
        struct renew *renew = arg;

        if (!provider_key_rotate(req->tx, &renew->seen, &renew->secret, renew->overlap_ms, clock_now_ms(),
                                 err))
                return false;
        changed(req, renew->id, "provider-key.rotated", renew->secret.valid ? "valid" : "unverified");
        return show(req, renew->id, renew->out, err);
}

static bool take_overlap(struct str text, int64_t *ret, struct err *err)
{
        *ret = PROVIDER_OVERLAP_DEFAULT_MS;
        return !text.ptr || (duration_parse(text, ret) && *ret >= 0 && *ret <= PROVIDER_OVERLAP_MAX_MS) ||
               err_set_at(err, ERR_BAD_FIELD, "/overlap", "it must be 0s to 30d");
}

/* The older secret is erased when its overlap is over, after a restart too. */
static FIBER_FN bool renew_write(struct request *req, struct renew *renew, struct err *err)
{
        struct cell_ref cell = {.tenant = req->tenant, .region = req->region};
        int64_t retires_ms = clock_now_ms() + renew->overlap_ms;

        if (!work_expect(req->services->work, &cell, retires_ms, err) ||
            !request_write(req, renew_work, renew, err))
                return false;
        /* A look at the cell between the two has not seen it; by then it has retired as well. */
        work_expect_again(req->services->work, &cell, clock_now_ms() + renew->overlap_ms);
        return true;
}

static FIBER_FN bool renew_checked(struct request *req, struct renew *renew, struct str secret,
                                   struct err *err)
{
        enum provider provider;

        if (!request_read(req, seen_work, renew, err))
                return false;
        if (!provider_from(renew->seen.provider, &provider))
                return err_set(err, ERR_INTERNAL, "the provider of %.*s is not known", STR_ARG(renew->id));
        return check(req, provider, renew->seen.base_url, secret, &renew->secret, err) &&
               renew_write(req, renew, err);
}

FIBER_FN bool provider_key_renew(struct request *req, const struct api_provider_key_renew_in *in,
                                 struct api_provider_key *out, struct err *err)
{
        struct renew renew = {.id = in->provider_key, .out = out};
        bool ok = take_overlap(in->body.overlap, &renew.overlap_ms, err) &&
                  renew_checked(req, &renew, in->body.secret, err);

        wipe(in->body.secret);
        return ok;
}

bool provider_key_delete(struct request *req, const struct api_provider_key_delete_in *in, struct err *err)
{
        struct sql_provider_key_get_row row;

        request_log_resource(req, "provider-key", in->provider_key);
        if (!provider_key_find(req->tx, req->workspace, in->provider_key, &row, err) ||
            !provider_key_revoke(req->tx, row.id, clock_now_ms(), err))
                return false;
        changed(req, row.id, "provider-key.revoked", NULL);
        return true;
}
