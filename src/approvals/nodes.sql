-- SPDX-License-Identifier: Apache-2.0
-- Which nodes live, and the cells that each watches.

-- name: node_insert :changes
-- directory
-- in: id text, now int
INSERT INTO node (id, started_ms, beats) VALUES ($1, $2, 1) ON CONFLICT DO NOTHING;

-- name: node_beat :changes
-- directory
-- in: id text
UPDATE node SET beats = beats + 1 WHERE id = $1;

-- name: node_list :many
-- directory
-- in: not_id text
-- out: id text, beats int
SELECT id, beats FROM node WHERE id <> $1 ORDER BY id;

-- Of several that find a node dead, one buries it; none when it has come to life again.
-- name: node_lock :changes
-- directory
-- in: id text, beats int
UPDATE node SET beats = beats + 1 WHERE id = $1 AND beats = $2;

-- name: node_delete :exec
-- directory
-- in: id text
DELETE FROM node WHERE id = $1;

-- name: node_cell_insert :exec
-- directory
-- in: node_id text, tenant_id text, region text
INSERT INTO node_cell (node_id, tenant_id, region) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: node_cell_list :many
-- directory
-- in: node_id text
-- out: tenant_id text, region text
SELECT tenant_id, region FROM node_cell WHERE node_id = $1 ORDER BY tenant_id, region;

-- name: node_cell_take :exec
-- directory
-- in: to_node_id text, from_node_id text
INSERT INTO node_cell (node_id, tenant_id, region)
SELECT $1, tenant_id, region FROM node_cell WHERE node_id = $2 ON CONFLICT DO NOTHING;

-- name: node_cell_delete_all :exec
-- directory
-- in: node_id text
DELETE FROM node_cell WHERE node_id = $1;
