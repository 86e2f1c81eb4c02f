-- SPDX-License-Identifier: Apache-2.0

-- name: tenant_reserve :changes
-- directory
-- in: id text, name text, tier text, region text, platform bool, now int
INSERT INTO tenant (id, name, tier, region, state, platform, created_ms)
VALUES ($1, $2, $3, $4, 'making', $5, $6) ON CONFLICT (name) DO NOTHING;

-- name: tenant_activate :changes
-- directory
-- in: id text
UPDATE tenant SET state = 'active' WHERE id = $1 AND state = 'making';

-- name: tenant_unfinished_keys_delete :exec
-- directory
-- in: made_before int
DELETE FROM credential_place WHERE tenant_id IN (SELECT id FROM tenant WHERE state = 'making' AND created_ms < $1);

-- name: tenant_unfinished_workspaces_delete :exec
-- directory
-- in: made_before int
DELETE FROM workspace_place WHERE tenant_id IN (SELECT id FROM tenant WHERE state = 'making' AND created_ms < $1);

-- name: tenant_unfinished_delete :changes
-- directory
-- in: made_before int
DELETE FROM tenant WHERE state = 'making' AND created_ms < $1;

-- name: tenant_directory_list :many
-- directory
-- in: after text, most int
-- out: id text, name text, tier text, region text, created_ms int
SELECT id, name, tier, region, created_ms FROM tenant WHERE id > $1 AND state <> 'making' ORDER BY id LIMIT $2;

-- name: workspace_place_insert :exec
-- directory
-- in: workspace_id text, tenant_id text, region text
INSERT INTO workspace_place (workspace_id, tenant_id, region) VALUES ($1, $2, $3);

-- name: tenant_self_insert :exec
-- in: name text, tier text, region text, platform bool, now int
INSERT INTO tenant_self (tenant_id, name, tier, region, platform, created_ms) VALUES ($1, $2, $3, $4, $5, $6);

-- name: tenant_self_get :one
-- out: name text, tier text, region text, platform bool, created_ms int
SELECT name, tier, region, platform, created_ms FROM tenant_self WHERE tenant_id = $1;

-- name: organization_insert :exec
-- in: id text, name text, now int
INSERT INTO organization (tenant_id, id, name, created_ms) VALUES ($1, $2, $3, $4);

-- name: organization_list :many
-- in: after text, most int
-- out: id text, name text, created_ms int
SELECT id, name, created_ms FROM organization WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- name: workspace_insert :exec
-- in: id text, organization_id text, name text, region text, now int
INSERT INTO workspace (tenant_id, id, organization_id, name, region, created_ms) VALUES ($1, $2, $3, $4, $5, $6);

-- name: workspace_get :one
-- in: id text
-- out: id text, organization_id text, name text, region text, created_ms int
SELECT id, organization_id, name, region, created_ms FROM workspace WHERE tenant_id = $1 AND id = $2;

-- name: workspace_list :many
-- in: after text, most int
-- out: as workspace_get
SELECT id, organization_id, name, region, created_ms FROM workspace
 WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3;
