-- SPDX-License-Identifier: Apache-2.0

-- name: executor_insert :changes
-- in struct: id text, workspace_id text, name text, environment text, token_prefix text, token_hash blob, token_hash_version int, token_expires_ms int, now int
INSERT INTO executor (tenant_id, id, workspace_id, name, environment, token_prefix, token_hash, token_hash_version,
       token_expires_ms, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING;

-- name: executor_get :one
-- in: id text
-- out: id text, workspace_id text, name text, environment text, keyid text?, public_key blob?, created_ms int, enrolled_ms int?, revoked_ms int?
SELECT id, workspace_id, name, environment, keyid, public_key, created_ms, enrolled_ms, revoked_ms FROM executor
 WHERE tenant_id = $1 AND id = $2;

-- name: executor_list :many
-- in: workspace_id text, after text, most int
-- out: id text, workspace_id text, name text, environment text, keyid text?, created_ms int, enrolled_ms int?, revoked_ms int?, present_until_ms int?
SELECT id, workspace_id, name, environment, keyid, created_ms, enrolled_ms, revoked_ms,
       (SELECT p.until_ms FROM executor_presence p WHERE p.tenant_id = $1 AND p.executor_id = executor.id)
           AS present_until_ms
  FROM executor
 WHERE tenant_id = $1 AND workspace_id = $2 AND id > $3 ORDER BY id LIMIT $4;

-- name: executor_by_token :one
-- in: token_prefix text
-- out: id text, workspace_id text, name text, environment text, token_hash blob?, token_hash_version int?, token_expires_ms int?, revoked_ms int?
SELECT id, workspace_id, name, environment, token_hash, token_hash_version, token_expires_ms, revoked_ms FROM executor
 WHERE tenant_id = $1 AND token_prefix = $2;

-- The token is used up here: of two who show it, one wins.
-- name: executor_enrol :changes
-- in: id text, token_prefix text, keyid text, public_key blob, now int
UPDATE executor
   SET keyid = $4, public_key = $5, enrolled_ms = $6, token_prefix = NULL, token_hash = NULL,
       token_hash_version = NULL, token_expires_ms = NULL
 WHERE tenant_id = $1 AND id = $2 AND token_prefix = $3 AND enrolled_ms IS NULL AND revoked_ms IS NULL
   AND token_expires_ms > $6;

-- name: executor_revoke :changes
-- in: workspace_id text, id text, now int
UPDATE executor
   SET revoked_ms = $4, token_prefix = NULL, token_hash = NULL, token_hash_version = NULL, token_expires_ms = NULL
 WHERE tenant_id = $1 AND workspace_id = $2 AND id = $3 AND revoked_ms IS NULL;
