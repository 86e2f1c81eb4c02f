-- SPDX-License-Identifier: Apache-2.0

-- name: credential_place_insert :changes
-- directory
-- in: kind text, prefix text, tenant text, region text, now int
INSERT INTO credential_place (kind, prefix, tenant_id, region, created_ms) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (kind, prefix) DO NOTHING;

-- name: credential_place_get :one
-- directory
-- in: kind text, prefix text
-- out: tenant_id text, region text, state text
SELECT c.tenant_id, c.region, t.state FROM credential_place c JOIN tenant t ON t.id = c.tenant_id
 WHERE c.kind = $1 AND c.prefix = $2 AND t.state <> 'making';

-- name: tenant_place_get :one
-- directory
-- in: tenant text
-- out: region text, state text
SELECT region, state FROM tenant WHERE id = $1 AND state <> 'making';

-- name: principal_insert :exec
-- in: id text, kind text, name text, workspace_id text?, now int
INSERT INTO principal (tenant_id, id, kind, name, workspace_id, created_ms)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: principal_get :one
-- in: id text
-- out: id text, kind text, name text, workspace_id text?, created_ms int, disabled_ms int?
SELECT id, kind, name, workspace_id, created_ms, disabled_ms FROM principal
 WHERE tenant_id = $1 AND id = $2;

-- name: principal_list :many
-- in: after text, most int
-- out: as principal_get
SELECT id, kind, name, workspace_id, created_ms, disabled_ms FROM principal
 WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- name: principal_disable :changes
-- in: id text, now int
UPDATE principal SET disabled_ms = $3 WHERE tenant_id = $1 AND id = $2 AND disabled_ms IS NULL;

-- name: api_key_insert :exec
-- in struct: id text, principal_id text, prefix text, name text, hash blob, hash_version int, now int, expires_ms int?, scopes text?, replaces_id text?
INSERT INTO api_key (tenant_id, id, principal_id, prefix, name, hash, hash_version, created_ms, expires_ms, scopes,
                     replaces_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: api_key_list :many
-- in: principal_id text, after text, most int
-- out: id text, prefix text, name text, created_ms int, expires_ms int?, revoked_ms int?, scopes text?, used_ms int?, replaces_id text?
SELECT id, prefix, name, created_ms, expires_ms, revoked_ms, scopes, used_ms, replaces_id FROM api_key
 WHERE tenant_id = $1 AND principal_id = $2 AND id > $3 ORDER BY id LIMIT $4;

-- name: api_key_get :one
-- in: principal_id text, id text
-- out: as api_key_list
SELECT id, prefix, name, created_ms, expires_ms, revoked_ms, scopes, used_ms, replaces_id FROM api_key
 WHERE tenant_id = $1 AND principal_id = $2 AND id = $3;

-- name: api_key_revoke :changes
-- in: principal_id text, id text, now int
UPDATE api_key SET revoked_ms = $4
 WHERE tenant_id = $1 AND principal_id = $2 AND id = $3 AND revoked_ms IS NULL;

-- name: api_key_set_expiry :changes
-- in: principal_id text, id text, expires_ms int
UPDATE api_key SET expires_ms = $4 WHERE tenant_id = $1 AND principal_id = $2 AND id = $3;

-- All that authentication needs, in one look.
-- name: api_key_authenticate :one
-- in: prefix text
-- out: key_id text, hash blob, hash_version int, created_ms int, expires_ms int?, revoked_ms int?, scopes text?, used_ms int?, principal_id text, kind text, name text, workspace_id text?, disabled_ms int?, platform bool
SELECT k.id AS key_id, k.hash, k.hash_version, k.created_ms, k.expires_ms, k.revoked_ms, k.scopes, k.used_ms,
       p.id AS principal_id, p.kind, p.name, p.workspace_id, p.disabled_ms, t.platform
  FROM api_key k
  JOIN principal p ON p.tenant_id = $1 AND p.id = k.principal_id
  JOIN tenant_self t ON t.tenant_id = $1
 WHERE k.tenant_id = $1 AND k.prefix = $2;

-- name: api_key_used :changes
-- in: id text, now int, before int
UPDATE api_key SET used_ms = $3 WHERE tenant_id = $1 AND id = $2 AND (used_ms IS NULL OR used_ms < $4);

-- name: signing_key_insert :changes
-- in: keyid text, principal_id text, public_key blob, now int
INSERT INTO signing_key (tenant_id, keyid, principal_id, public_key, created_ms) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, keyid) DO NOTHING;

-- name: signing_key_get :one
-- in: keyid text
-- out: keyid text, principal_id text, public_key blob, created_ms int
SELECT keyid, principal_id, public_key, created_ms FROM signing_key WHERE tenant_id = $1 AND keyid = $2;

-- name: signing_key_list :many
-- in: principal_id text
-- out: as signing_key_get
SELECT keyid, principal_id, public_key, created_ms FROM signing_key
 WHERE tenant_id = $1 AND principal_id = $2 ORDER BY created_ms, keyid LIMIT 100;

-- name: signing_key_count :one
-- in: principal_id text
-- out: keys int
SELECT COUNT(*) AS keys FROM signing_key WHERE tenant_id = $1 AND principal_id = $2;
