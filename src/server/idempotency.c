/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idempotency-Key: the same request sent again gets the same reply, and its
 * change happens once. The reply is kept for a day, in the transaction of the
 * change, sealed under a key that only the caller's own credential gives:
 * replies may hold secrets that are shown once, and the store must not.
 */
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "server/call.h"
#include "server/server_sql.h"
#include "base/clock.h"

static const int64_t keep_ms = (int64_t)24 * 3600 * 1000;

enum { REPLY_MOST_BYTES = 1 << 20 };

static void request_digest(struct call *call)
{
        const struct str parts[] = {
                http_exchange_path(call->x),
                STR("\n"),
                http_exchange_query(call->x),
                STR("\n"),
                call->api.body,
        };
        struct sha256 hash;

        sha256_of_parts(parts, sizeof(parts) / sizeof(parts[0]), &hash);
        memcpy(call->request_sha256, hash.bytes, sizeof(call->request_sha256));
}

static void reply_key(struct call *call, struct sha256 *ret)
{
        struct sha256 inner;

        hmac_sha256(call->token, STR("countersign idempotency v1"), &inner);
        hmac_sha256(sha256_str(&inner), call->req.idempotency_key, ret);
        secret_wipe(&inner, sizeof(inner));
}

/* Binds the sealed reply to its row. */
static struct str row_name(struct call *call)
{
        return arena_printf(call->req.arena, "%s\n%s\n%.*s", call->req.principal.id.text,
                            call->route->operation, STR_ARG(call->req.idempotency_key));
}

static bool mismatch(struct err *err)
{
        return err_set_at(err, ERR_IDEMPOTENCY_MISMATCH, "Idempotency-Key",
                          "this key was used for another request within a day; take a new one");
}

static bool open_reply(struct call *call, struct str sealed, struct err *err)
{
        struct sha256 key;
        bool ok;

        if (sealed.len < AEAD_NONCE_SIZE)
                return mismatch(err);
        reply_key(call, &key);
        ok = aead_open(call->req.arena, key.bytes, (const uint8_t *)sealed.ptr, row_name(call),
                       str_slice(sealed, AEAD_NONCE_SIZE, sealed.len), &call->kept, err);
        secret_wipe(&key, sizeof(key));
        if (!ok && err->code == ERR_BAD_SIGNATURE)
                return mismatch(err); /* sealed with another credential of the same principal */
        return ok;
}

bool idempotency_begin(struct call *call, struct tx *tx, struct err *err)
{
        struct request *req = &call->req;
        struct sql_idempotency_find_row row;
        bool found;

        request_digest(call);
        if (!sql_idempotency_find(tx, id_str(&req->principal.id), str_from(call->route->operation),
                                  req->idempotency_key, req->now_ms, &row, &found, err))
                return false;
        if (!found)
                return true;
        if (!str_eq(row.request_sha256, str_make(call->request_sha256, sizeof(call->request_sha256))))
                return mismatch(err);
        if (!open_reply(call, row.sealed_reply, err))
                return false;
        call->replayed = true;
        req->status = (int)row.status;
        return true;
}

static bool seal_reply(struct call *call, struct str reply, struct str *ret_sealed, struct err *err)
{
        uint8_t nonce[AEAD_NONCE_SIZE];
        struct sha256 key;
        struct str sealed;
        char *joined;
        bool ok;

        random_bytes(nonce, sizeof(nonce));
        reply_key(call, &key);
        ok = aead_seal(call->req.arena, key.bytes, nonce, row_name(call), reply, &sealed, err);
        secret_wipe(&key, sizeof(key));
        if (!ok)
                return false;
        joined = arena_alloc_bytes(call->req.arena, sizeof(nonce) + sealed.len);
        if (!joined)
                return arena_check(call->req.arena, err);
        memcpy(joined, nonce, sizeof(nonce));
        memcpy(joined + sizeof(nonce), sealed.ptr, sealed.len);
        *ret_sealed = str_make(joined, sizeof(nonce) + sealed.len);
        return true;
}

bool idempotency_finish(struct call *call, struct tx *tx, struct err *err)
{
        struct request *req = &call->req;
        struct sql_idempotency_put_in row = {
                .principal_id = id_str(&req->principal.id),
                .operation = str_from(call->route->operation),
                .key = req->idempotency_key,
                .request_sha256 = str_make(call->request_sha256, sizeof(call->request_sha256)),
                .status = call_status(call),
                .expires_ms = req->now_ms + keep_ms,
        };
        BUF_SCOPED reply;

        buf_init(&reply, REPLY_MOST_BYTES);
        reply.zeroing = call->route->secrets;
        return call_encode(call, &reply, err) && seal_reply(call, buf_str(&reply), &row.sealed_reply, err) &&
               sql_idempotency_prune(tx, req->now_ms, err) && sql_idempotency_put(tx, &row, err);
}
