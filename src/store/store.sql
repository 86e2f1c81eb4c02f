-- SPDX-License-Identifier: Apache-2.0
-- The store's own statements.

-- name: store_migration_list :many
-- any
-- out: number int, title text, sha256 text
SELECT number, title, sha256 FROM store_migration ORDER BY number;

-- name: store_migration_add :exec
-- any
-- in: number int, title text, sha256 text, applied_ms int
INSERT INTO store_migration (number, title, sha256, applied_ms) VALUES ($1, $2, $3, $4);

-- A small commit that takes the place of a failed one in the write-ahead log.
-- name: store_commit_taken_back :exec
-- any
UPDATE store_state SET commits_taken_back = commits_taken_back + 1 WHERE one = 1;
