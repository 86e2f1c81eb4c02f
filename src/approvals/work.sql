-- SPDX-License-Identifier: Apache-2.0
-- Executors and what they are asked, where several nodes share a database.

-- name: presence_put :exec
-- in: executor_id text, workspace_id text, environment text, until_ms int
INSERT INTO executor_presence (tenant_id, executor_id, workspace_id, environment, until_ms)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, executor_id) DO UPDATE
   SET workspace_id = excluded.workspace_id, environment = excluded.environment, until_ms = excluded.until_ms;

-- The lease that this node wrote; a newer one, of another node, stays.
-- name: presence_shorten :exec
-- in: executor_id text, was_ms int, until_ms int
UPDATE executor_presence SET until_ms = $4 WHERE tenant_id = $1 AND executor_id = $2 AND until_ms = $3;

-- name: presence_any :one
-- in: workspace_id text, environment text, now int
-- out: executor_id text
SELECT p.executor_id FROM executor_presence p
  JOIN executor e ON e.tenant_id = p.tenant_id AND e.id = p.executor_id
 WHERE p.tenant_id = $1 AND p.workspace_id = $2 AND p.environment = $3 AND p.until_ms > $4 AND e.revoked_ms IS NULL
 LIMIT 1;

-- name: resolution_insert :exec
-- in struct: id text, workspace_id text, environment text, connector text, operation text, target text, parameters text, now int
INSERT INTO resolution (tenant_id, id, workspace_id, environment, connector, operation, target, parameters, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: resolution_delete :exec
-- in: id text
DELETE FROM resolution WHERE tenant_id = $1 AND id = $2;

-- Whoever asked these is gone.
-- name: resolution_delete_old :exec
-- in: created_before int
DELETE FROM resolution WHERE tenant_id = $1 AND created_ms < $2;

-- Shown to nobody, or so long ago that whoever got it may have died with it.
-- name: resolution_open_list :many
-- in: workspace_id text, environment text, now int, given_before int, most int
-- out: id text, connector text, operation text, target text, parameters text
SELECT id, connector, operation, target, parameters FROM resolution
 WHERE tenant_id = $1 AND workspace_id = $2 AND environment = $3 AND answered_ms IS NULL
   AND (given_ms IS NULL OR given_ms < $5 OR given_ms > $4)
 ORDER BY created_ms, id LIMIT $6;

-- Of two that would show it, one wins.
-- name: resolution_give :changes
-- in: id text, now int, given_before int
UPDATE resolution SET given_ms = $3
 WHERE tenant_id = $1 AND id = $2 AND answered_ms IS NULL
   AND (given_ms IS NULL OR given_ms < $4 OR given_ms > $3);

-- name: resolution_is_open :one
-- in: id text, workspace_id text, environment text
-- out: id text
SELECT id FROM resolution
 WHERE tenant_id = $1 AND id = $2 AND workspace_id = $3 AND environment = $4 AND answered_ms IS NULL;

-- The first answer stands.
-- name: resolution_answer_put :changes
-- in struct: id text, workspace_id text, environment text, facts text?, failure text?, message text, now int
UPDATE resolution SET facts = $5, failure = $6, message = $7, answered_ms = $8
 WHERE tenant_id = $1 AND id = $2 AND workspace_id = $3 AND environment = $4 AND answered_ms IS NULL;

-- name: resolution_get :one
-- in: id text
-- out: answered_ms int?, facts text?, failure text?, message text?
SELECT answered_ms, facts, failure, message FROM resolution WHERE tenant_id = $1 AND id = $2;
