-- SPDX-License-Identifier: Apache-2.0

-- ---- a workspace ----

-- name: deletion_workspace_get :one
-- in: id text
-- out: id text, name text, region text, state text
SELECT id, name, region, state FROM workspace WHERE tenant_id = $1 AND id = $2;

-- name: deletion_workspace_bury :exec
-- in: id text
UPDATE workspace SET state = 'deleted', labels = '{}', owner_id = NULL, version = version + 1
 WHERE tenant_id = $1 AND id = $2;

-- name: deletion_place_bury :exec
-- directory
-- in: id text
UPDATE workspace_place SET state = 'deleted' WHERE workspace_id = $1;

-- name: deletion_action_entries :exec
-- in: workspace text
DELETE FROM action_entry
 WHERE tenant_id = $1 AND action_id IN (SELECT a.id FROM action a WHERE a.tenant_id = $1 AND a.workspace_id = $2);

-- name: deletion_action_output :exec
-- in: workspace text
DELETE FROM action_output
 WHERE tenant_id = $1 AND action_id IN (SELECT a.id FROM action a WHERE a.tenant_id = $1 AND a.workspace_id = $2);

-- name: deletion_decisions :exec
-- in: workspace text
DELETE FROM decision
 WHERE tenant_id = $1 AND action_id IN (SELECT a.id FROM action a WHERE a.tenant_id = $1 AND a.workspace_id = $2);

-- name: deletion_actions :exec
-- in: workspace text
DELETE FROM action WHERE tenant_id = $1 AND workspace_id = $2;

-- name: deletion_resolutions :exec
-- in: workspace text
DELETE FROM resolution WHERE tenant_id = $1 AND workspace_id = $2;

-- name: deletion_presences :exec
-- in: workspace text
DELETE FROM executor_presence WHERE tenant_id = $1 AND workspace_id = $2;

-- name: deletion_executors :exec
-- in: workspace text
DELETE FROM executor WHERE tenant_id = $1 AND workspace_id = $2;

-- name: deletion_provider_secrets :exec
-- in: workspace text
DELETE FROM provider_key_secret
 WHERE tenant_id = $1 AND key_id IN (SELECT p.id FROM provider_key p WHERE p.tenant_id = $1 AND p.workspace_id = $2);

-- name: deletion_provider_keys :exec
-- in: workspace text
DELETE FROM provider_key WHERE tenant_id = $1 AND workspace_id = $2;

-- name: deletion_promotions :exec
-- in: workspace text
DELETE FROM definition_promotion WHERE tenant_id = $1 AND workspace_id = $2;

-- name: deletion_policies :exec
-- in: workspace text
DELETE FROM policy_active WHERE tenant_id = $1 AND layer = 'workspace' AND scope = $2;

-- name: deletion_definition_tags :exec
-- in: workspace text
DELETE FROM definition_tag
 WHERE tenant_id = $1
   AND definition_id IN (SELECT d.id FROM definition d WHERE d.tenant_id = $1 AND d.workspace_id = $2);

-- name: deletion_definitions :exec
-- in: workspace text
DELETE FROM definition WHERE tenant_id = $1 AND workspace_id = $2;

-- At home, where bindings are.
-- name: deletion_bindings :exec
-- in: workspace text
DELETE FROM access_binding WHERE tenant_id = $1 AND level = 'workspace' AND scope_id = $2;

-- name: deletion_keys_revoke :exec
-- in: workspace text, now int
UPDATE api_key SET revoked_ms = $3
 WHERE tenant_id = $1 AND revoked_ms IS NULL
   AND principal_id IN (SELECT p.id FROM principal p WHERE p.tenant_id = $1 AND p.workspace_id = $2);

-- name: deletion_principals_disable :exec
-- in: workspace text, now int
UPDATE principal SET disabled_ms = $3 WHERE tenant_id = $1 AND workspace_id = $2 AND disabled_ms IS NULL;

-- ---- a tenant ----

-- name: deletion_close :changes
-- directory
-- in: id text, action text
UPDATE tenant SET closing_action = $2
 WHERE id = $1 AND archived_ms IS NOT NULL AND platform = 0 AND (closing_action IS NULL OR closing_action = $2);

-- name: deletion_reopen :exec
-- directory
-- in: id text
UPDATE tenant SET closing_action = NULL WHERE id = $1;

-- name: deletion_tenant :exec
-- directory
-- in: id text
DELETE FROM tenant WHERE id = $1;

-- name: deletion_closing :many
-- directory
-- in: most int
-- out: id text, region text, closing_action text?
SELECT id, region, closing_action FROM tenant WHERE closing_action IS NOT NULL ORDER BY id LIMIT $1;

-- name: deletion_regions :many
-- directory
-- in: tenant text
-- out: region text
SELECT DISTINCT region FROM workspace_place WHERE tenant_id = $1 ORDER BY region;

-- name: deletion_grave_insert :exec
-- directory
-- in struct: tenant text, region text, now int, action text, envelope text, rosters text, checkpoint text, vkey text, proof text
INSERT INTO tenant_grave (tenant_id, region, deleted_ms, action_id, envelope, rosters, checkpoint, vkey, proof)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING;

-- name: deletion_tenant_self :one
-- out: name text, region text, platform bool, closing_action text?, closing_envelope text?
SELECT name, region, platform, closing_action, closing_envelope FROM tenant_self WHERE tenant_id = $1;

-- name: deletion_self_close :exec
-- in: action text, envelope text
UPDATE tenant_self SET closing_action = $2, closing_envelope = $3 WHERE tenant_id = $1;

-- name: deletion_rosters :many
-- out: envelope text
SELECT envelope FROM roster_version WHERE tenant_id = $1 ORDER BY version;

-- name: deletion_entries :many
-- in: action text
-- out: epoch int, seq int
SELECT epoch, seq FROM action_entry WHERE tenant_id = $1 AND action_id = $2 ORDER BY epoch DESC, seq DESC LIMIT 1;
