-- SPDX-License-Identifier: Apache-2.0

-- name: idempotency_find :one
-- in: principal_id text, operation text, key text, now_ms int
-- out: request_sha256 blob, status int, sealed_reply blob
SELECT request_sha256, status, sealed_reply FROM idempotency
 WHERE tenant_id = $1 AND principal_id = $2 AND operation = $3 AND key = $4 AND expires_ms > $5;

-- name: idempotency_put :exec
-- in struct: principal_id text, operation text, key text, request_sha256 blob, status int, sealed_reply blob, expires_ms int
INSERT INTO idempotency (tenant_id, principal_id, operation, key, request_sha256, status, sealed_reply, expires_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (tenant_id, principal_id, operation, key) DO UPDATE
   SET request_sha256 = excluded.request_sha256, status = excluded.status,
       sealed_reply = excluded.sealed_reply, expires_ms = excluded.expires_ms;

-- name: idempotency_prune :exec
-- in: now_ms int
DELETE FROM idempotency WHERE tenant_id = $1 AND expires_ms <= $2;

-- ---- budgets that nodes share (rate_shared.h) ----

-- name: rate_bucket_insert :exec
-- directory
-- in: name text, tokens int, at_ms int
INSERT INTO rate_bucket (name, tokens, at_ms) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING;

-- Holds the row until the end of the transaction.
-- name: rate_bucket_lock :exec
-- directory
-- in: name text
UPDATE rate_bucket SET at_ms = at_ms WHERE name = $1;

-- name: rate_bucket_get :one
-- directory
-- in: name text
-- out: tokens int, at_ms int
SELECT tokens, at_ms FROM rate_bucket WHERE name = $1;

-- name: rate_bucket_put :exec
-- directory
-- in: name text, tokens int, at_ms int
UPDATE rate_bucket SET tokens = $2, at_ms = $3 WHERE name = $1;

-- name: rate_bucket_prune :exec
-- directory
-- in: before_ms int
DELETE FROM rate_bucket WHERE at_ms < $1;
