-- SPDX-License-Identifier: Apache-2.0

-- name: token_client_get :one
-- in: principal_id text
-- out: jwks text?, workspace_id text?, agent_scope text?, risk_tier text?, changed_ms int
SELECT jwks, workspace_id, agent_scope, risk_tier, changed_ms FROM token_client
 WHERE tenant_id = $1 AND principal_id = $2;

-- name: token_client_put :exec
-- in struct: principal_id text, jwks text?, workspace_id text?, agent_scope text?, risk_tier text?, now int
INSERT INTO token_client (tenant_id, principal_id, jwks, workspace_id, agent_scope, risk_tier, changed_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, principal_id) DO UPDATE SET jwks = excluded.jwks, workspace_id = excluded.workspace_id,
  agent_scope = excluded.agent_scope, risk_tier = excluded.risk_tier, changed_ms = excluded.changed_ms;

-- 0 changes: it was shown before.
-- name: token_assertion_insert :changes
-- in: principal_id text, jti_sha256 blob, expires_ms int
INSERT INTO token_assertion (tenant_id, principal_id, jti_sha256, expires_ms) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, principal_id, jti_sha256) DO NOTHING;

-- name: token_assertion_sweep :changes
-- in: before int
DELETE FROM token_assertion WHERE tenant_id = $1 AND expires_ms < $2;

-- Two at most: one is the only one, two are a question.
-- name: token_workspaces :many
-- out: id text
SELECT id FROM workspace WHERE tenant_id = $1 AND state <> 'deleted' ORDER BY id LIMIT 2;

-- name: authorization_code_insert :exec
-- in struct: hash blob, principal_id text, redirect_uri text, challenge text, realm text, methods text, authenticated_ms int, second_factor_ms int?, provider_session text?, expires_ms int, allowed_in text
INSERT INTO authorization_code (tenant_id, hash, principal_id, redirect_uri, challenge, realm, methods,
                                authenticated_ms, second_factor_ms, provider_session, expires_ms, allowed_in)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: authorization_code_get :one
-- in: hash blob
-- out: principal_id text, redirect_uri text, challenge text, realm text, methods text, authenticated_ms int, second_factor_ms int?, provider_session text?, expires_ms int, session_id text?, allowed_in text
SELECT principal_id, redirect_uri, challenge, realm, methods, authenticated_ms, second_factor_ms, provider_session,
       expires_ms, session_id, allowed_in FROM authorization_code WHERE tenant_id = $1 AND hash = $2;

-- One wins.
-- name: authorization_code_use :changes
-- in: hash blob, session_id text
UPDATE authorization_code SET session_id = $3 WHERE tenant_id = $1 AND hash = $2 AND session_id IS NULL;

-- name: authorization_code_sweep :changes
-- in: before int
DELETE FROM authorization_code WHERE tenant_id = $1 AND expires_ms < $2;

-- The provider's session behind one of ours, so that its logout ends those that came of it too.
-- name: session_provider :one
-- in: id text
-- out: provider_session text?
SELECT provider_session FROM session WHERE tenant_id = $1 AND id = $2;

-- name: device_insert :changes
-- directory
-- in: device_hash blob, user_hash blob, now int, expires_ms int, interval_ms int
INSERT INTO device_login (device_hash, user_hash, created_ms, expires_ms, polled_ms, interval_ms, state)
VALUES ($1, $2, $3, $4, 0, $5, 'waiting')
ON CONFLICT (user_hash) DO NOTHING;

-- name: device_get :one
-- directory
-- in: device_hash blob
-- out: expires_ms int, polled_ms int, interval_ms int, state text, tenant_id text?, principal_id text?, realm text?, methods text?, authenticated_ms int?, second_factor_ms int?, provider_session text?, allowed_in text
SELECT expires_ms, polled_ms, interval_ms, state, tenant_id, principal_id, realm, methods, authenticated_ms,
       second_factor_ms, provider_session, allowed_in FROM device_login WHERE device_hash = $1;

-- name: device_waits :one
-- directory
-- in: user_hash blob, now int
-- out: created_ms int
SELECT created_ms FROM device_login WHERE user_hash = $1 AND state = 'waiting' AND expires_ms > $2;

-- name: device_polled :changes
-- directory
-- in: device_hash blob, now int, interval_ms int
UPDATE device_login SET polled_ms = $2, interval_ms = $3 WHERE device_hash = $1;

-- One wins.
-- name: device_decide :changes
-- directory
-- in struct: user_hash blob, now int, state text, tenant_id text, principal_id text, realm text, methods text, authenticated_ms int, second_factor_ms int?, provider_session text?, allowed_in text
UPDATE device_login SET state = $3, tenant_id = $4, principal_id = $5, realm = $6, methods = $7,
       authenticated_ms = $8, second_factor_ms = $9, provider_session = $10, allowed_in = $11
 WHERE user_hash = $1 AND state = 'waiting' AND expires_ms > $2;

-- name: device_use :changes
-- directory
-- in: device_hash blob
UPDATE device_login SET state = 'used' WHERE device_hash = $1 AND state = 'allowed';

-- name: device_sweep :changes
-- directory
-- in: before int
DELETE FROM device_login WHERE expires_ms < $1;

-- name: token_workspace_tenant :one
-- directory
-- in: workspace text
-- out: tenant_id text
SELECT tenant_id FROM workspace_place WHERE workspace_id = $1 AND state <> 'deleted';
