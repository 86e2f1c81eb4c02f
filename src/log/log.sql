-- SPDX-License-Identifier: Apache-2.0

-- Where the next entry goes: writes of a cell run one after another. No row when there is no epoch yet.
-- name: log_entry_next :one
-- out: epoch int, seq int
SELECT epoch, coalesce((SELECT max(last.seq) + 1 FROM log_entry AS last
                         WHERE last.tenant_id = $1 AND last.epoch = log_epoch.epoch), 0) AS seq
  FROM log_epoch WHERE tenant_id = $1
 ORDER BY epoch DESC LIMIT 1;

-- The key is the lock.
-- name: log_entry_insert :exec
-- in: epoch int, seq int, hash blob, leaf blob
INSERT INTO log_entry (tenant_id, epoch, seq, hash, leaf) VALUES ($1, $2, $3, $4, $5);

-- name: log_epoch_open :exec
-- in: epoch int, now int
INSERT INTO log_epoch (tenant_id, epoch, opened_ms) VALUES ($1, $2, $3);

-- The given epoch, or the current one for 0.
-- name: log_epoch_get :one
-- in: epoch int
-- out: epoch int, origin text?, public_key blob?, wrapped_seed blob?, signed_size int, signed_root blob?, signed_note text?
SELECT epoch, origin, public_key, wrapped_seed, signed_size, signed_root, signed_note
  FROM log_epoch
 WHERE tenant_id = $1 AND ($2 = 0 OR epoch = $2)
 ORDER BY epoch DESC LIMIT 1;

-- name: log_epoch_after :one
-- in: epoch int
-- out: epoch int, signed_size int, signed_root blob?
SELECT epoch, signed_size, signed_root FROM log_epoch WHERE tenant_id = $1 AND epoch > $2 ORDER BY epoch LIMIT 1;

-- A key is given once; zero rows when another was first.
-- name: log_epoch_key :changes
-- in: epoch int, origin text, public_key blob, wrapped_seed blob
UPDATE log_epoch SET origin = $3, public_key = $4, wrapped_seed = $5
 WHERE tenant_id = $1 AND epoch = $2 AND origin IS NULL;

-- The same key under a newer root key.
-- name: log_epoch_rewrap :exec
-- in: epoch int, wrapped_seed blob
UPDATE log_epoch SET wrapped_seed = $3 WHERE tenant_id = $1 AND epoch = $2;

-- name: log_epoch_seed_list :many
-- in: after int, most int
-- out: epoch int, wrapped_seed blob?
SELECT epoch, wrapped_seed FROM log_epoch WHERE tenant_id = $1 AND epoch > $2 ORDER BY epoch LIMIT $3;

-- Only forwards.
-- name: log_checkpoint_store :changes
-- in: epoch int, size int, root blob, note text
UPDATE log_epoch SET signed_size = $3, signed_root = $4, signed_note = $5
 WHERE tenant_id = $1 AND epoch = $2 AND (signed_note IS NULL OR signed_size < $3);

-- name: log_size :one
-- in: epoch int
-- out: size int
SELECT coalesce(max(seq) + 1, 0) AS size FROM log_entry WHERE tenant_id = $1 AND epoch = $2;

-- name: log_entry_get :one
-- in: epoch int, seq int
-- out: leaf blob
SELECT leaf FROM log_entry WHERE tenant_id = $1 AND epoch = $2 AND seq = $3;

-- name: log_leaves :many
-- in: epoch int, first int, count int
-- out: seq int, hash blob, leaf blob
SELECT seq, hash, leaf FROM log_entry
 WHERE tenant_id = $1 AND epoch = $2 AND seq >= $3 ORDER BY seq LIMIT $4;

-- name: log_hashes :many
-- in: epoch int, first int, count int
-- out: hash blob
SELECT hash FROM log_entry
 WHERE tenant_id = $1 AND epoch = $2 AND seq >= $3 ORDER BY seq LIMIT $4;

-- name: log_tile_put :exec
-- in: epoch int, level int, tile_index int, root blob, hashes blob
INSERT INTO log_tile (tenant_id, epoch, level, tile_index, root, hashes) VALUES ($1, $2, $3, $4, $5, $6);

-- name: log_tile_get :one
-- in: epoch int, level int, tile_index int
-- out: hashes blob
SELECT hashes FROM log_tile WHERE tenant_id = $1 AND epoch = $2 AND level = $3 AND tile_index = $4;

-- name: log_tile_roots :many
-- in: epoch int, level int, first int, count int
-- out: hash blob
SELECT root AS hash FROM log_tile
 WHERE tenant_id = $1 AND epoch = $2 AND level = $3 AND tile_index >= $4 ORDER BY tile_index LIMIT $5;

-- name: log_high_water_get :one
-- directory
-- in: tenant text, region text
-- out: epoch int, size int, root blob
SELECT epoch, size, root FROM log_high_water WHERE tenant = $1 AND region = $2;

-- Only forwards; zero rows when a larger one, or another of the same size, stands there.
-- name: log_high_water_put :changes
-- directory
-- in: tenant text, region text, epoch int, size int, root blob
INSERT INTO log_high_water AS had (tenant, region, epoch, size, root) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (tenant, region) DO UPDATE
   SET epoch = excluded.epoch, size = excluded.size, root = excluded.root
 WHERE had.epoch < excluded.epoch
    OR (had.epoch = excluded.epoch AND had.size < excluded.size)
    OR (had.epoch = excluded.epoch AND had.size = excluded.size AND had.root = excluded.root);
