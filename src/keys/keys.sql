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
