-- SPDX-License-Identifier: Apache-2.0
-- The store's own statements.

-- name: store_migration_list :many
-- out: number int, title text, sha256 text
-- any
SELECT number, title, sha256 FROM store_migration ORDER BY number;
