-- SPDX-License-Identifier: Apache-2.0

-- Writes of a cell run one after another, so the next number is one more than the last.
-- name: outbox_append :one
-- in: id text, type text, subject text, time_ms int, data text
-- out: seq int
INSERT INTO event (tenant_id, seq, id, type, subject, time_ms, data)
SELECT $1, COALESCE(MAX(seq), 0) + 1, $2, $3, $4, $5, $6 FROM event WHERE tenant_id = $1
RETURNING seq;

-- name: outbox_prune :exec
-- in: up_to int
DELETE FROM event WHERE tenant_id = $1 AND seq <= $2;

-- name: outbox_last :one
-- out: seq int
SELECT COALESCE(MAX(seq), 0) AS seq FROM event WHERE tenant_id = $1;

-- name: outbox_after :many
-- in: after int, most int
-- out: seq int, id text, type text, subject text, time_ms int, data text
SELECT seq, id, type, subject, time_ms, data FROM event WHERE tenant_id = $1 AND seq > $2
 ORDER BY seq LIMIT $3;
