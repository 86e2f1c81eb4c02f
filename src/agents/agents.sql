-- SPDX-License-Identifier: Apache-2.0

-- ---- profiles ----

-- name: agent_profile_insert :exec
-- in: principal_id text, scope text, risk text, now int
INSERT INTO agent_profile (tenant_id, principal_id, scope, risk, revision, changed_ms) VALUES ($1, $2, $3, $4, 1, $5);

-- name: agent_profile_get :one
-- in: principal_id text
-- out: id text, name text, disabled_ms int?, scope text, risk text, definition_id text?, revision int, changed_ms int
SELECT p.id, p.name, p.disabled_ms, a.scope, a.risk, a.definition_id, a.revision, a.changed_ms
  FROM agent_profile a JOIN principal p ON p.tenant_id = $1 AND p.id = a.principal_id
 WHERE a.tenant_id = $1 AND a.principal_id = $2;

-- name: agent_profile_list :many
-- in: after text, most int
-- out: as agent_profile_get
SELECT p.id, p.name, p.disabled_ms, a.scope, a.risk, a.definition_id, a.revision, a.changed_ms
  FROM agent_profile a JOIN principal p ON p.tenant_id = $1 AND p.id = a.principal_id
 WHERE a.tenant_id = $1 AND a.principal_id > $2 ORDER BY a.principal_id LIMIT $3;

-- name: agent_profile_update :changes
-- in: principal_id text, revision int, scope text, risk text, definition_id text?, now int
UPDATE agent_profile SET scope = $4, risk = $5, definition_id = $6, changed_ms = $7, revision = revision + 1
 WHERE tenant_id = $1 AND principal_id = $2 AND revision = $3;

-- ---- grants ----

-- name: agent_grant_insert :exec
-- in struct: id text, principal_id text, connector text, operation text, environment text, granted_by text?, now int
INSERT INTO agent_grant (tenant_id, id, principal_id, connector, operation, environment, granted_by, granted_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- What holds, for enforcement.
-- name: agent_grant_standing :many
-- in: principal_id text, most int
-- out: id text, connector text, operation text, environment text
SELECT id, connector, operation, environment FROM agent_grant
 WHERE tenant_id = $1 AND principal_id = $2 AND revoked_ms IS NULL ORDER BY id LIMIT $3;

-- name: agent_grant_count :one
-- in: principal_id text
-- out: standing int
SELECT COUNT(*) AS standing FROM agent_grant WHERE tenant_id = $1 AND principal_id = $2 AND revoked_ms IS NULL;

-- name: agent_grant_get :one
-- in: principal_id text, id text
-- out: id text, connector text, operation text, environment text, granted_by text?, granted_ms int, revoked_by text?, revoked_ms int?
SELECT id, connector, operation, environment, granted_by, granted_ms, revoked_by, revoked_ms FROM agent_grant
 WHERE tenant_id = $1 AND principal_id = $2 AND id = $3;

-- name: agent_grant_list :many
-- in: principal_id text, after text, most int
-- out: as agent_grant_get
SELECT id, connector, operation, environment, granted_by, granted_ms, revoked_by, revoked_ms FROM agent_grant
 WHERE tenant_id = $1 AND principal_id = $2 AND id > $3 ORDER BY id LIMIT $4;

-- name: agent_grant_revoke :changes
-- in: principal_id text, id text, revoked_by text, now int
UPDATE agent_grant SET revoked_by = $4, revoked_ms = $5
 WHERE tenant_id = $1 AND principal_id = $2 AND id = $3 AND revoked_ms IS NULL;

-- name: agent_grant_revoke_all :exec
-- in: principal_id text, revoked_by text, now int
UPDATE agent_grant SET revoked_by = $3, revoked_ms = $4
 WHERE tenant_id = $1 AND principal_id = $2 AND revoked_ms IS NULL;
