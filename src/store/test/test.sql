-- SPDX-License-Identifier: Apache-2.0
-- Statements of the store's own tests; also an example of every kind.

-- name: shelf_add :exec
-- in: id text
INSERT INTO shelf (tenant_id, id) VALUES ($1, $2);

-- name: note_add :exec
-- in struct: id int, title text, body blob?, amount int?, done bool, shelf_id text?
INSERT INTO note (tenant_id, id, title, body, amount, done, shelf_id)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: note_get :one
-- in: id int
-- out: id int, title text, body blob?, amount int?, done bool, shelf_id text?
SELECT id, title, body, amount, done, shelf_id FROM note WHERE tenant_id = $1 AND id = $2;

-- name: note_list :many
-- in: after int, most int
-- out: as note_get
SELECT id, title, body, amount, done, shelf_id FROM note
 WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- One of two that ask gets it.
-- name: note_finish :changes
-- in: id int
UPDATE note SET done = 1 WHERE tenant_id = $1 AND id = $2 AND done = 0;

-- name: note_count :one
-- out: count int, least int?
SELECT count(*) AS count, min(id) AS least FROM note WHERE tenant_id = $1;

-- name: note_next :one
-- in: title text
-- out: id int
INSERT INTO note (tenant_id, id, title, done)
SELECT $1, coalesce(max(n.id), 0) + 1, $2, 0 FROM note n WHERE n.tenant_id = $1
RETURNING id;

-- name: note_any :one
-- out: id int
SELECT id FROM note WHERE tenant_id = $1;

-- Runs long on purpose: all pairs of pairs.
-- name: note_slow :one
-- in: most int
-- out: count int
SELECT count(*) AS count FROM note a
  JOIN note b ON b.tenant_id = a.tenant_id
  JOIN note c ON c.tenant_id = a.tenant_id
 WHERE a.tenant_id = $1 AND a.id + b.id + c.id > $2;

-- name: book_add :exec
-- directory
-- in: id text, region text
INSERT INTO book (id, region) VALUES ($1, $2);

-- name: book_get :one
-- directory
-- in: id text
-- out: region text
SELECT region FROM book WHERE id = $1;

-- name: note_body :one
-- in: id int
-- out: title text, body blob?
SELECT title, body FROM note WHERE tenant_id = $1 AND id = $2;
