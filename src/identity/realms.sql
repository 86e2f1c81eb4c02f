-- SPDX-License-Identifier: Apache-2.0

-- name: realm_insert :changes
-- in struct: id text, name text, issuer text, client_id text, client_secret blob?, client_authentication text, algorithms int, audience text?, scopes text, roles_expression text, name_claim text, email_claim text, clock_skew_ms int, second_factor_acr text?, now int
INSERT INTO realm (tenant_id, id, name, issuer, client_id, client_secret, client_authentication, algorithms, audience,
                   scopes, roles_expression, name_claim, email_claim, clock_skew_ms, second_factor_acr, version,
                   created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 1, $16)
ON CONFLICT (tenant_id, name) DO NOTHING;

-- name: realm_update :changes
-- in struct: id text, issuer text, client_id text, client_secret blob?, client_authentication text, algorithms int, audience text?, scopes text, roles_expression text, name_claim text, email_claim text, clock_skew_ms int, second_factor_acr text?, version int
UPDATE realm SET issuer = $3, client_id = $4, client_secret = $5, client_authentication = $6, algorithms = $7,
       audience = $8, scopes = $9, roles_expression = $10, name_claim = $11, email_claim = $12, clock_skew_ms = $13,
       second_factor_acr = $14, version = version + 1
 WHERE tenant_id = $1 AND id = $2 AND version = $15;

-- name: realm_delete :changes
-- in: id text
DELETE FROM realm WHERE tenant_id = $1 AND id = $2;

-- name: realm_get :one
-- in: id text
-- out: id text, name text, issuer text, client_id text, client_secret blob?, client_authentication text, algorithms int, audience text?, scopes text, roles_expression text, name_claim text, email_claim text, clock_skew_ms int, second_factor_acr text?, version int, created_ms int
SELECT id, name, issuer, client_id, client_secret, client_authentication, algorithms, audience, scopes,
       roles_expression, name_claim, email_claim, clock_skew_ms, second_factor_acr, version, created_ms
  FROM realm WHERE tenant_id = $1 AND id = $2;

-- name: realm_list :many
-- in: after text, most int
-- out: as realm_get
SELECT id, name, issuer, client_id, client_secret, client_authentication, algorithms, audience, scopes,
       roles_expression, name_claim, email_claim, clock_skew_ms, second_factor_acr, version, created_ms
  FROM realm WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- name: realm_count :one
-- out: realms int
SELECT COUNT(*) AS realms FROM realm WHERE tenant_id = $1;

-- name: realm_subject_get :one
-- in: issuer text, subject text
-- out: principal_id text, realm_id text
SELECT principal_id, realm_id FROM realm_subject WHERE tenant_id = $1 AND issuer = $2 AND subject = $3;

-- name: realm_subject_put :exec
-- in: issuer text, subject text, principal_id text, realm_id text, email text, now int
INSERT INTO realm_subject (tenant_id, issuer, subject, principal_id, realm_id, email, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id, issuer, subject) DO UPDATE SET realm_id = excluded.realm_id, email = excluded.email;

-- Only what has changed.
-- name: principal_rename :changes
-- in: id text, name text
UPDATE principal SET name = $3 WHERE tenant_id = $1 AND id = $2 AND name <> $3;

-- What the realm has given, and nobody else.
-- name: realm_binding_list :many
-- in: principal_id text, realm_id text, most int
-- out: role text?, role_id text?
SELECT role, role_id FROM access_binding
 WHERE tenant_id = $1 AND principal_id = $2 AND created_by = $3 ORDER BY id LIMIT $4;

-- name: realm_binding_delete :changes
-- in: principal_id text, realm_id text
DELETE FROM access_binding WHERE tenant_id = $1 AND principal_id = $2 AND created_by = $3;

-- name: realm_binding_delete_all :changes
-- in: realm_id text
DELETE FROM access_binding WHERE tenant_id = $1 AND created_by = $2;

-- name: realm_session_revoke :changes
-- in: realm_id text, now int
UPDATE session SET revoked_ms = $3 WHERE tenant_id = $1 AND realm = $2 AND revoked_ms IS NULL AND expires_ms > $3;

-- name: login_finish :changes
-- in: state_hash blob, expires_ms int
INSERT INTO login_finished (tenant_id, state_hash, expires_ms) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, state_hash) DO NOTHING;

-- name: login_finished_sweep :changes
-- in: now int
DELETE FROM login_finished WHERE tenant_id = $1 AND expires_ms < $2;

-- Each tenant has its own rows: nobody takes an issuer or an audience from another.
-- name: issuer_audience_put :changes
-- directory
-- in: tenant text, issuer text, audience text, realm_id text
INSERT INTO issuer_audience (tenant_id, issuer, audience, realm_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, issuer, audience) DO UPDATE SET realm_id = excluded.realm_id;

-- All of the realm's but the one that holds; "" for both: all.
-- name: issuer_audience_delete_others :changes
-- directory
-- in: tenant text, realm_id text, issuer text, audience text
DELETE FROM issuer_audience WHERE tenant_id = $1 AND realm_id = $2 AND NOT (issuer = $3 AND audience = $4);

-- name: issuer_audience_get :one
-- directory
-- in: tenant text, issuer text, audience text
-- out: tenant_id text, region text, realm_id text
SELECT a.tenant_id, t.region, a.realm_id FROM issuer_audience a JOIN tenant t ON t.id = a.tenant_id
 WHERE a.tenant_id = $1 AND a.issuer = $2 AND a.audience = $3 AND t.state = 'active';

-- A tenant by its id or its name, for who has no credential yet.
-- name: login_tenant_get :one
-- directory
-- in: tenant text
-- out: id text, name text, region text, state text
SELECT id, name, region, state FROM tenant WHERE (id = $1 OR name = $1) AND state <> 'making' ORDER BY id LIMIT 1;

-- name: account_tenant :one
-- out: name text
SELECT name FROM tenant_self WHERE tenant_id = $1;

-- name: account_workspaces :many
-- in: most int
-- out: name text
SELECT name FROM workspace WHERE tenant_id = $1 ORDER BY id LIMIT $2;
