-- SPDX-License-Identifier: Apache-2.0

-- Nobody else has this prefix: 0 changes, and another secret is made.
-- name: session_insert :changes
-- in struct: id text, principal_id text, kind text, prefix text, hash blob, hash_version int, now int, authenticated_ms int, second_factor_ms int?, idle_ms int?, expires_ms int, realm text, methods text, provider_session text?, scopes text?, workspace_id text?, agent_scope text?, risk_tier text?
INSERT INTO session (tenant_id, id, principal_id, kind, prefix, hash, hash_version, created_ms, authenticated_ms,
                     second_factor_ms, seen_ms, idle_ms, expires_ms, realm, methods, provider_session, scopes,
                     workspace_id, agent_scope, risk_tier)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $8, $11, $12, $13, $14, $15, $16, $17, $18, $19)
ON CONFLICT (tenant_id, prefix) DO NOTHING;

-- All that authentication needs, in one look.
-- name: session_authenticate :one
-- in: prefix text
-- out: session_id text, hash blob, hash_version int, authenticated_ms int, second_factor_ms int?, seen_ms int, idle_ms int?, expires_ms int, revoked_ms int?, realm text, methods text, scopes text?, session_workspace_id text?, agent_scope text?, risk_tier text?, principal_id text, kind text, name text, workspace_id text?, disabled_ms int?, platform bool, session_kind text
SELECT s.id AS session_id, s.hash, s.hash_version, s.authenticated_ms, s.second_factor_ms, s.seen_ms, s.idle_ms,
       s.expires_ms, s.revoked_ms, s.realm, s.methods, s.scopes, s.workspace_id AS session_workspace_id,
       s.agent_scope, s.risk_tier, p.id AS principal_id, p.kind, p.name, p.workspace_id, p.disabled_ms,
       t.platform, s.kind AS session_kind
  FROM session s
  JOIN principal p ON p.tenant_id = $1 AND p.id = s.principal_id
  JOIN tenant_self t ON t.tenant_id = $1
 WHERE s.tenant_id = $1 AND s.prefix = $2;

-- name: session_get :one
-- in: id text
-- out: id text, principal_id text, kind text, created_ms int, authenticated_ms int, second_factor_ms int?, seen_ms int, idle_ms int?, expires_ms int, revoked_ms int?, realm text, methods text, workspace_id text?
SELECT id, principal_id, kind, created_ms, authenticated_ms, second_factor_ms, seen_ms, idle_ms, expires_ms,
       revoked_ms, realm, methods, workspace_id FROM session WHERE tenant_id = $1 AND id = $2;

-- Those that still hold.
-- name: session_list :many
-- in: principal_id text, after text, now int, most int
-- out: as session_get
SELECT id, principal_id, kind, created_ms, authenticated_ms, second_factor_ms, seen_ms, idle_ms, expires_ms,
       revoked_ms, realm, methods, workspace_id FROM session
 WHERE tenant_id = $1 AND principal_id = $2 AND id > $3 AND revoked_ms IS NULL AND expires_ms > $4
   AND (idle_ms IS NULL OR seen_ms + idle_ms > $4)
 ORDER BY id LIMIT $5;

-- name: session_seen :changes
-- in: id text, now int, before int
UPDATE session SET seen_ms = $3 WHERE tenant_id = $1 AND id = $2 AND seen_ms < $4;

-- name: session_set_second_factor :changes
-- in: id text, now int, methods text
UPDATE session SET second_factor_ms = $3, methods = $4
 WHERE tenant_id = $1 AND id = $2 AND revoked_ms IS NULL AND expires_ms > $3;

-- name: session_set_secret :changes
-- in: id text, prefix text, hash blob, hash_version int
UPDATE session SET prefix = $3, hash = $4, hash_version = $5 WHERE tenant_id = $1 AND id = $2;

-- name: session_prefix_taken :one
-- in: prefix text
-- out: id text
SELECT id FROM session WHERE tenant_id = $1 AND prefix = $2;

-- name: session_set_revoked :changes
-- in: id text, now int
UPDATE session SET revoked_ms = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_ms IS NULL;

-- name: session_set_revoked_principal :changes
-- in: principal_id text, except text, now int
UPDATE session SET revoked_ms = $4
 WHERE tenant_id = $1 AND principal_id = $2 AND id <> $3 AND revoked_ms IS NULL AND expires_ms > $4;

-- name: session_list_provider :many
-- in: realm text, provider_session text, now int
-- out: id text, principal_id text
SELECT id, principal_id FROM session
 WHERE tenant_id = $1 AND realm = $2 AND provider_session = $3 AND revoked_ms IS NULL AND expires_ms > $4
 ORDER BY id;

-- name: session_list_realm :many
-- in: realm text, principal_id text, now int
-- out: as session_list_provider
SELECT id, principal_id FROM session
 WHERE tenant_id = $1 AND realm = $2 AND principal_id = $3 AND revoked_ms IS NULL AND expires_ms > $4
 ORDER BY id;

-- What has ended long ago.
-- name: session_sweep :changes
-- in: before int
DELETE FROM session WHERE tenant_id = $1 AND expires_ms < $2;
