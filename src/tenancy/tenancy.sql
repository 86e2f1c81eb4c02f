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
-- out: id text, name text, tier text, region text, state text, platform bool, labels text, version int, archived_ms int?, closing_action text?, created_ms int
SELECT id, name, tier, region, state, platform, labels, version, archived_ms, closing_action, created_ms FROM tenant
 WHERE id > $1 AND state <> 'making' ORDER BY id LIMIT $2;

-- name: tenant_directory_get :one
-- directory
-- in: id text
-- out: as tenant_directory_list
SELECT id, name, tier, region, state, platform, labels, version, archived_ms, closing_action, created_ms FROM tenant
 WHERE id = $1 AND state <> 'making';

-- name: tenant_directory_by_name :one
-- directory
-- in: name text
-- out: as tenant_directory_list
SELECT id, name, tier, region, state, platform, labels, version, archived_ms, closing_action, created_ms FROM tenant
 WHERE name = $1 AND state <> 'making';

-- The version is the lock. STORE_CONFLICT when the name is taken.
-- name: tenant_directory_update :changes
-- directory
-- in: id text, version int, name text, tier text, labels text
UPDATE tenant SET name = $3, tier = $4, labels = $5, version = version + 1
 WHERE id = $1 AND version = $2 AND state <> 'making';

-- name: tenant_directory_state :changes
-- directory
-- in: id text, state text, archived_ms int?
UPDATE tenant SET state = $2, archived_ms = $3, version = version + 1
 WHERE id = $1 AND state <> 'making' AND closing_action IS NULL;

-- name: workspace_place_insert :exec
-- directory
-- in: workspace_id text, tenant_id text, region text
INSERT INTO workspace_place (workspace_id, tenant_id, region) VALUES ($1, $2, $3);

-- name: tenant_self_insert :exec
-- in: name text, tier text, region text, platform bool, now int
INSERT INTO tenant_self (tenant_id, name, tier, region, platform, created_ms) VALUES ($1, $2, $3, $4, $5, $6);

-- name: tenant_self_update :exec
-- in: name text, tier text
UPDATE tenant_self SET name = $2, tier = $3 WHERE tenant_id = $1;

-- name: tenant_self_get :one
-- out: name text, tier text, region text, platform bool, created_ms int
SELECT name, tier, region, platform, created_ms FROM tenant_self WHERE tenant_id = $1;

-- name: organization_insert :changes
-- in: id text, name text, labels text, owner text?, now int
INSERT INTO organization (tenant_id, id, name, labels, owner_id, created_ms) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING;

-- name: organization_get :one
-- in: id text
-- out: id text, name text, labels text, owner_id text?, version int, created_ms int
SELECT id, name, labels, owner_id, version, created_ms FROM organization WHERE tenant_id = $1 AND id = $2;

-- name: organization_list :many
-- in: after text, most int
-- out: as organization_get
SELECT id, name, labels, owner_id, version, created_ms FROM organization
 WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- Empty when the name is free, or this one's own.
-- name: organization_name_taken :one
-- in: name text, id text
-- out: id text
SELECT id FROM organization WHERE tenant_id = $1 AND name = $2 AND id <> $3;

-- The version is the lock.
-- name: organization_update :changes
-- in: id text, version int, name text, labels text, owner text?
UPDATE organization SET name = $4, labels = $5, owner_id = $6, version = version + 1
 WHERE tenant_id = $1 AND id = $2 AND version = $3;

-- name: workspace_insert :changes
-- in struct: id text, organization_id text, name text, region text, data_mode text, labels text, owner text?, now int
INSERT INTO workspace (tenant_id, id, organization_id, name, region, data_mode, labels, owner_id, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING;

-- name: workspace_get :one
-- in: id text
-- out: id text, organization_id text, name text, region text, state text, data_mode text, labels text, owner_id text?, version int, created_ms int
SELECT id, organization_id, name, region, state, data_mode, labels, owner_id, version, created_ms FROM workspace
 WHERE tenant_id = $1 AND id = $2 AND state <> 'deleted';

-- name: workspace_list :many
-- in: after text, most int
-- out: as workspace_get
SELECT id, organization_id, name, region, state, data_mode, labels, owner_id, version, created_ms FROM workspace
 WHERE tenant_id = $1 AND id > $2 AND state <> 'deleted' ORDER BY id LIMIT $3;

-- name: workspace_name_taken :one
-- in: organization_id text, name text, id text
-- out: id text
SELECT id FROM workspace
 WHERE tenant_id = $1 AND organization_id = $2 AND name = $3 AND id <> $4 AND state <> 'deleted';

-- name: workspace_update :changes
-- in struct: id text, version int, name text, data_mode text, labels text, owner text?
UPDATE workspace SET name = $4, data_mode = $5, labels = $6, owner_id = $7, version = version + 1
 WHERE tenant_id = $1 AND id = $2 AND version = $3 AND state <> 'deleted';

-- name: workspace_state :changes
-- in: id text, state text
UPDATE workspace SET state = $3, version = version + 1 WHERE tenant_id = $1 AND id = $2 AND state <> 'deleted';

-- name: workspace_place_state :exec
-- directory
-- in: workspace_id text, state text
UPDATE workspace_place SET state = $2 WHERE workspace_id = $1 AND state <> 'deleted';

-- name: workspace_place_get :one
-- directory
-- in: workspace text
-- out: tenant_id text, region text, state text
SELECT w.tenant_id, w.region, w.state FROM workspace_place w JOIN tenant t ON t.id = w.tenant_id
 WHERE w.workspace_id = $1 AND t.state <> 'making';

-- name: workspace_place_delete :exec
-- directory
-- in: workspace_id text
DELETE FROM workspace_place WHERE workspace_id = $1;

-- ---- what a cell outside of the tenant's home copies from there (regions.h) ----

-- name: workspace_of_region_list :many
-- in: region text, most int
-- out: as workspace_get
SELECT id, organization_id, name, region, state, data_mode, labels, owner_id, version, created_ms FROM workspace
 WHERE tenant_id = $1 AND region = $2 AND state <> 'deleted' ORDER BY id LIMIT $3;

-- name: home_roster_last :one
-- out: version int?
SELECT MAX(version) AS version FROM roster_version WHERE tenant_id = $1;

-- name: home_roster_list :many
-- in: after int, most int
-- out: version int, digest text, envelope text, created_ms int
SELECT version, digest, envelope, created_ms FROM roster_version WHERE tenant_id = $1 AND version > $2
 ORDER BY version LIMIT $3;

-- name: home_roster_copy :exec
-- in: version int, digest text, envelope text, created_ms int
INSERT INTO roster_version (tenant_id, version, digest, envelope, created_ms) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING;

-- name: home_principal_get :one
-- in: id text
-- out: id text, kind text, name text, created_ms int
SELECT id, kind, name, created_ms FROM principal WHERE tenant_id = $1 AND id = $2;

-- name: home_principal_copy :exec
-- in: id text, kind text, name text, created_ms int
INSERT INTO principal (tenant_id, id, kind, name, created_ms) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, id) DO UPDATE SET name = EXCLUDED.name;

-- name: tenant_self_copy :exec
-- in: name text, tier text, region text, platform bool, created_ms int
INSERT INTO tenant_self (tenant_id, name, tier, region, platform, created_ms) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id) DO UPDATE SET name = EXCLUDED.name, tier = EXCLUDED.tier;

-- name: organization_copy :exec
-- in: id text, name text, labels text, version int, created_ms int
INSERT INTO organization (tenant_id, id, name, labels, version, created_ms) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, id) DO UPDATE SET name = EXCLUDED.name, labels = EXCLUDED.labels, version = EXCLUDED.version;

-- name: workspace_copy :exec
-- in struct: id text, organization_id text, name text, region text, state text, data_mode text, labels text, owner text?, version int, created_ms int
INSERT INTO workspace (tenant_id, id, organization_id, name, region, state, data_mode, labels, owner_id, version, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (tenant_id, id) DO UPDATE SET name = EXCLUDED.name, state = EXCLUDED.state, data_mode = EXCLUDED.data_mode,
   labels = EXCLUDED.labels, owner_id = EXCLUDED.owner_id, version = EXCLUDED.version;

-- ---- creations that were answered (in the platform's cell) ----

-- name: tenant_made_insert :exec
-- in: made_id text
INSERT INTO tenant_made (tenant_id, made_id) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: tenant_made_list :many
-- in: most int
-- out: made_id text
SELECT made_id FROM tenant_made WHERE tenant_id = $1 ORDER BY made_id LIMIT $2;

-- name: tenant_made_delete :exec
-- in: made_id text
DELETE FROM tenant_made WHERE tenant_id = $1 AND made_id = $2;

-- name: tenant_platform_get :one
-- directory
-- out: id text, region text
SELECT id, region FROM tenant WHERE platform = 1 AND state <> 'making' ORDER BY id LIMIT 1;
