-- SPDX-License-Identifier: Apache-2.0

-- Where a tenant may have cells.
-- name: move_regions :many
-- directory
-- in: tenant text
-- out: region text
SELECT region FROM tenant WHERE id = $1
UNION SELECT region FROM workspace_place WHERE tenant_id = $1
UNION SELECT region FROM log_high_water WHERE tenant = $1;

-- Whether the directory knows the tenant.
-- name: move_tenant :one
-- directory
-- in: tenant text
-- out: name text, state text, closing_action text?
SELECT name, state, closing_action FROM tenant WHERE id = $1;

-- Another tenant of the same name.
-- name: move_namesake :one
-- directory
-- in: name text, tenant text
-- out: id text
SELECT id FROM tenant WHERE name = $1 AND id <> $2;

-- A node that never beats: the others bury it, and look after its cells from then on.
-- name: move_node_insert :exec
-- directory
-- in: id text, now int
INSERT INTO node (id, started_ms, beats) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING;

-- name: move_node_cell_insert :exec
-- directory
-- in: node_id text, tenant_id text, region text
INSERT INTO node_cell (node_id, tenant_id, region) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- The schema's version, that of the cell or the directory that the transaction is on.
-- name: move_version :one
-- any
-- out: count int, last int
SELECT count(*) AS count, coalesce(max(number), 0) AS last FROM store_migration;
