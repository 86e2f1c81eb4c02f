-- SPDX-License-Identifier: Apache-2.0

-- ---- tenant keys ----

-- name: tenant_key_last :one
-- out: version int, wrapped blob
SELECT version, wrapped FROM tenant_key WHERE tenant_id = $1 ORDER BY version DESC LIMIT 1;

-- name: tenant_key_get :one
-- in: version int
-- out: wrapped blob
SELECT wrapped FROM tenant_key WHERE tenant_id = $1 AND version = $2;

-- Two may make the first one at once: one wins.
-- name: tenant_key_insert :changes
-- in: version int, root_version int, wrapped blob, now int
INSERT INTO tenant_key (tenant_id, version, root_version, wrapped, created_ms) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, version) DO NOTHING;

-- ---- keys of model providers ----

-- name: provider_key_insert :changes
-- in struct: id text, workspace_id text, region text, provider text, name text, base_url text, created_by text, now int
INSERT INTO provider_key (tenant_id, id, workspace_id, region, provider, name, base_url, revision, created_by, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9) ON CONFLICT DO NOTHING;

-- name: provider_key_get :one
-- in: workspace_id text, id text
-- out: id text, region text, provider text, name text, base_url text, revision int, created_by text, created_ms int, revoked_ms int?, used_ms int?
SELECT id, region, provider, name, base_url, revision, created_by, created_ms, revoked_ms, used_ms
  FROM provider_key WHERE tenant_id = $1 AND workspace_id = $2 AND id = $3;

-- name: provider_key_list :many
-- in: workspace_id text, after text, most int
-- out: as provider_key_get
SELECT id, region, provider, name, base_url, revision, created_by, created_ms, revoked_ms, used_ms
  FROM provider_key WHERE tenant_id = $1 AND workspace_id = $2 AND id > $3 ORDER BY id LIMIT $4;

-- The newest that stands, in this region.
-- name: provider_key_pick :one
-- in: workspace_id text, region text, provider text
-- out: as provider_key_get
SELECT id, region, provider, name, base_url, revision, created_by, created_ms, revoked_ms, used_ms
  FROM provider_key
 WHERE tenant_id = $1 AND workspace_id = $2 AND region = $3 AND provider = $4 AND revoked_ms IS NULL
 ORDER BY id DESC LIMIT 1;

-- name: provider_key_touch :exec
-- in: id text, now int
UPDATE provider_key SET used_ms = $3 WHERE tenant_id = $1 AND id = $2 AND (used_ms IS NULL OR used_ms < $3);

-- name: provider_key_revise :changes
-- in: id text, revision int
UPDATE provider_key SET revision = revision + 1
 WHERE tenant_id = $1 AND id = $2 AND revision = $3 AND revoked_ms IS NULL;

-- name: provider_key_revoke :changes
-- in: id text, now int
UPDATE provider_key SET revoked_ms = $3, revision = revision + 1
 WHERE tenant_id = $1 AND id = $2 AND revoked_ms IS NULL;

-- name: provider_secret_insert :exec
-- in struct: key_id text, version int, sealed blob, last_four text, fingerprint text, state text, checked_ms int?, now int
INSERT INTO provider_key_secret (tenant_id, key_id, version, sealed, last_four, fingerprint, state, checked_ms, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- What may be used now, the newest first.
-- name: provider_secret_list :many
-- in: key_id text, now int
-- out: version int, sealed blob, last_four text, fingerprint text, state text, checked_ms int?, created_ms int, retires_ms int?
SELECT version, sealed, last_four, fingerprint, state, checked_ms, created_ms, retires_ms
  FROM provider_key_secret
 WHERE tenant_id = $1 AND key_id = $2 AND (retires_ms IS NULL OR retires_ms > $3) ORDER BY version DESC;

-- name: provider_secret_retire :exec
-- in: key_id text, retires_ms int
UPDATE provider_key_secret SET retires_ms = $3
 WHERE tenant_id = $1 AND key_id = $2 AND (retires_ms IS NULL OR retires_ms > $3);

-- name: provider_secret_delete_retired :exec
-- in: key_id text, now int
DELETE FROM provider_key_secret WHERE tenant_id = $1 AND key_id = $2 AND retires_ms <= $3;

-- All of the cell's, when their time has come.
-- name: provider_secret_erase_retired :exec
-- in: now int
DELETE FROM provider_key_secret WHERE tenant_id = $1 AND retires_ms <= $2;

-- name: provider_secret_next_retires :one
-- out: retires_ms int?
SELECT MIN(retires_ms) AS retires_ms FROM provider_key_secret WHERE tenant_id = $1;

-- name: provider_secret_delete_all :exec
-- in: key_id text
DELETE FROM provider_key_secret WHERE tenant_id = $1 AND key_id = $2;

-- ---- rotation of the root key ----

-- name: tenant_key_stale_list :many
-- in: root_version int, most int
-- out: version int, wrapped blob
SELECT version, wrapped FROM tenant_key WHERE tenant_id = $1 AND root_version <> $2 ORDER BY version LIMIT $3;

-- name: tenant_key_rewrap :changes
-- in: version int, old blob, root_version int, wrapped blob
UPDATE tenant_key SET root_version = $4, wrapped = $5 WHERE tenant_id = $1 AND version = $2 AND wrapped = $3;

-- Every cell there is, page by page.
-- name: rotation_cell_list :many
-- directory
-- in: after_tenant text, after_region text, most int
-- out: tenant_id text, region text
SELECT tenant_id, region
  FROM (SELECT id AS tenant_id, region FROM tenant UNION SELECT tenant_id, region FROM workspace_place) AS place
 WHERE tenant_id > $1 OR (tenant_id = $1 AND region > $2)
 ORDER BY tenant_id, region LIMIT $3;
