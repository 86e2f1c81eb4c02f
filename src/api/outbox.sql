-- SPDX-License-Identifier: Apache-2.0

-- name: outbox_insert :exec
-- in: seq int, id text, type text, subject text, time_ms int, data text
INSERT INTO event (tenant_id, seq, id, type, subject, time_ms, data) VALUES ($1, $2, $3, $4, $5, $6, $7);

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
