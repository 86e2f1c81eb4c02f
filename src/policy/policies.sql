-- SPDX-License-Identifier: Apache-2.0

-- In a cell: what the tenant, and the workspace, have in force. An empty workspace asks for the tenant's alone.
-- name: policy_in_force :many
-- in: workspace_id text
-- out: layer text, name text, content text
SELECT layer, name, content FROM policy_active
 WHERE tenant_id = $1 AND ((layer = 'tenant' AND scope = '') OR (layer = 'workspace' AND scope = $2))
 ORDER BY layer, name;

-- name: policy_active_put :exec
-- in struct: layer text, scope text, name text, version text, definition_id text, digest text, content text, action_id text?, activated_by text, now int
INSERT INTO policy_active (tenant_id, layer, scope, name, version, definition_id, digest, content, action_id,
       activated_by, activated_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (tenant_id, layer, scope, name)
    DO UPDATE SET version = excluded.version, definition_id = excluded.definition_id, digest = excluded.digest,
       content = excluded.content, action_id = excluded.action_id, activated_by = excluded.activated_by,
       activated_ms = excluded.activated_ms;

-- name: policy_active_count :one
-- in: layer text, scope text, name text
-- out: others int
SELECT count(*) AS others FROM policy_active WHERE tenant_id = $1 AND layer = $2 AND scope = $3 AND name <> $4;

-- name: policy_active_delete :changes
-- in: layer text, scope text, definition_id text
DELETE FROM policy_active WHERE tenant_id = $1 AND layer = $2 AND scope = $3 AND definition_id = $4;

-- name: policy_definition :one
-- in: id text
-- out: id text, workspace_id text, kind text, name text, version text, state text, digest text, content text
SELECT id, workspace_id, kind, name, version, state, digest, content FROM definition WHERE tenant_id = $1 AND id = $2;

-- name: policy_protection_get :one
-- out: protected bool
SELECT protected FROM policy_protection WHERE tenant_id = $1;

-- name: policy_protection_put :exec
-- in: protected bool, changed_by text, now int
INSERT INTO policy_protection (tenant_id, protected, changed_by, changed_ms) VALUES ($1, $2, $3, $4)
    ON CONFLICT (tenant_id) DO UPDATE SET protected = excluded.protected, changed_by = excluded.changed_by,
       changed_ms = excluded.changed_ms;

-- name: policy_tenant_self :one
-- out: name text, region text, platform bool
SELECT name, region, platform FROM tenant_self WHERE tenant_id = $1;

-- Of the platform's tenant: what the directory must have.
-- name: policy_platform_list :many
-- out: layer text, scope text, name text, version text, digest text, content text
SELECT layer, scope, name, version, digest, content FROM policy_active
 WHERE tenant_id = $1 AND layer IN ('platform', 'tier') ORDER BY layer, scope, name;

-- name: platform_policy_clear :exec
-- directory
DELETE FROM platform_policy;

-- name: platform_policy_put :exec
-- directory
-- in struct: layer text, scope text, name text, version text, digest text, content text
INSERT INTO platform_policy (layer, scope, name, version, digest, content) VALUES ($1, $2, $3, $4, $5, $6);

-- name: platform_policy_in_force :many
-- directory
-- in: tier text
-- out: layer text, name text, content text
SELECT layer, name, content FROM platform_policy WHERE layer = 'platform' OR (layer = 'tier' AND scope = $1)
 ORDER BY layer, name;
