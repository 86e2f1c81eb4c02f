-- SPDX-License-Identifier: Apache-2.0
-- The root key on several nodes.

-- name: root_rotation_get :one
-- directory
-- out: version int, key_id text, state text
SELECT version, key_id, state FROM root_rotation WHERE one = 1;

-- name: root_rotation_insert :exec
-- directory
-- in: version int, key_id text, state text
INSERT INTO root_rotation (one, version, key_id, state) VALUES (1, $1, $2, $3) ON CONFLICT DO NOTHING;

-- What it stood at is the lock.
-- name: root_rotation_move :changes
-- directory
-- in: version int, key_id text, state text, from_key_id text, from_state text
UPDATE root_rotation SET version = $1, key_id = $2, state = $3 WHERE one = 1 AND key_id = $4 AND state = $5;

-- name: root_node_insert :exec
-- directory
-- in: id text, public_key blob, proof blob, knows text, wraps text, done int
INSERT INTO root_node (id, public_key, proof, knows, wraps, done, steps) VALUES ($1, $2, $3, $4, $5, $6, 1);

-- name: root_node_step :changes
-- directory
-- in: id text, knows text, wraps text, done int
UPDATE root_node SET steps = steps + 1, knows = $2, wraps = $3, done = $4 WHERE id = $1;

-- name: root_node_list :many
-- directory
-- out: id text, public_key blob, proof blob, knows text, wraps text, done int, steps int, offer blob?
SELECT id, public_key, proof, knows, wraps, done, steps, offer FROM root_node ORDER BY id;

-- name: root_node_offer :exec
-- directory
-- in: id text, offer blob
UPDATE root_node SET offer = $2 WHERE id = $1;

-- name: root_node_offers_clear :exec
-- directory
UPDATE root_node SET offer = NULL WHERE offer IS NOT NULL;

-- One that has counted on meanwhile lives.
-- name: root_node_bury :changes
-- directory
-- in: id text, steps int
DELETE FROM root_node WHERE id = $1 AND steps = $2;

-- name: root_node_leave :exec
-- directory
-- in: id text
DELETE FROM root_node WHERE id = $1;

-- name: root_region_put :exec
-- directory
-- in: region text, version int
INSERT INTO root_region (region, version) VALUES ($1, $2) ON CONFLICT (region) DO UPDATE SET version = $2;

-- Regions in which something may still be under an older version.
-- name: root_region_left :one
-- directory
-- in: version int
-- out: regions int
SELECT count(*) AS regions
  FROM (SELECT region FROM tenant UNION SELECT region FROM workspace_place) AS place
 WHERE NOT EXISTS (SELECT 1 FROM root_region AS r WHERE r.region = place.region AND r.version >= $1);
