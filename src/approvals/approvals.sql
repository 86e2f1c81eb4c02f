-- SPDX-License-Identifier: Apache-2.0

-- ---- the roster ----

-- name: roster_version_last :one
-- out: version int, digest text, envelope text
SELECT version, digest, envelope FROM roster_version WHERE tenant_id = $1 ORDER BY version DESC LIMIT 1;

-- name: roster_version_standing :one
-- out: version int
SELECT version FROM roster_version WHERE tenant_id = $1 ORDER BY version DESC LIMIT 1;

-- name: roster_version_list :many
-- in: after int, most int
-- out: as roster_version_last
SELECT version, digest, envelope FROM roster_version WHERE tenant_id = $1 AND version > $2
 ORDER BY version LIMIT $3;

-- The key is the lock: of two that put the same version one wins.
-- name: roster_version_insert :changes
-- in: version int, digest text, envelope text, now int
INSERT INTO roster_version (tenant_id, version, digest, envelope, created_ms) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, version) DO NOTHING;

-- ---- actions ----

-- name: action_insert :exec
-- in struct: id text, workspace_id text, state text, environment text, connector text, operation text, target text?, effect text, requester_id text, rule text, decisions int?, roles text, digest text, statement blob, sealed_task_name blob?, sealed_instruction blob?, created_ms int, expires_ms int, closed_ms int?, keeps_content int, content_key blob?
INSERT INTO action (tenant_id, id, workspace_id, state, revision, environment, connector, operation, target, effect,
       requester_id, rule, decisions, roles, digest, statement, sealed_task_name, sealed_instruction, created_ms,
       expires_ms, closed_ms, keeps_content, content_key, output_sent, output_kept)
VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, 0, 0);

-- name: action_get :one
-- in: workspace_id text, id text
-- out: id text, workspace_id text, state text, revision int, environment text, connector text, operation text, target text?, effect text, requester_id text, rule text, decisions int?, roles text, digest text, statement blob, task_name blob?, instruction blob?, created_ms int, expires_ms int, decided_ms int?, closed_ms int?, claim_id text?, executor_id text?, report_sha256 text?, outcome text?, message text?, sealed_message blob?, keeps_content bool, content_key blob?, started_ms int?, ended_ms int?, output_bytes int?, output_sha256 text?, output_truncated int?, output_sent int, output_kept int, settled_by text?
SELECT id, workspace_id, state, revision, environment, connector, operation, target, effect, requester_id, rule,
       decisions, roles, digest, statement, sealed_task_name AS task_name, sealed_instruction AS instruction,
       created_ms, expires_ms, decided_ms, closed_ms, claim_id, executor_id, report_sha256, outcome, message,
       sealed_message, keeps_content, content_key, started_ms, ended_ms, output_bytes, output_sha256,
       output_truncated, output_sent, output_kept, settled_by
  FROM action WHERE tenant_id = $1 AND workspace_id = $2 AND id = $3;

-- Newest first. An empty `before` begins with the newest.
-- name: action_list :many
-- in: workspace_id text, before text, most int
-- out: as action_get
SELECT id, workspace_id, state, revision, environment, connector, operation, target, effect, requester_id, rule,
       decisions, roles, digest, statement, sealed_task_name AS task_name, sealed_instruction AS instruction,
       created_ms, expires_ms, decided_ms, closed_ms, claim_id, executor_id, report_sha256, outcome, message,
       sealed_message, keeps_content, content_key, started_ms, ended_ms, output_bytes, output_sha256,
       output_truncated, output_sent, output_kept, settled_by
  FROM action WHERE tenant_id = $1 AND workspace_id = $2 AND ($3 = '' OR id < $3)
 ORDER BY id DESC LIMIT $4;

-- name: action_list_state :many
-- in: workspace_id text, state text, before text, most int
-- out: as action_get
SELECT id, workspace_id, state, revision, environment, connector, operation, target, effect, requester_id, rule,
       decisions, roles, digest, statement, sealed_task_name AS task_name, sealed_instruction AS instruction,
       created_ms, expires_ms, decided_ms, closed_ms, claim_id, executor_id, report_sha256, outcome, message,
       sealed_message, keeps_content, content_key, started_ms, ended_ms, output_bytes, output_sha256,
       output_truncated, output_sent, output_kept, settled_by
  FROM action WHERE tenant_id = $1 AND workspace_id = $2 AND state = $3 AND ($4 = '' OR id < $4)
 ORDER BY id DESC LIMIT $5;

-- A step along transitions.def: the state it is in is the lock.
-- name: action_move :changes
-- in: id text, from_state text, to_state text, decided_ms int?, closed_ms int?
UPDATE action
   SET state = $4, revision = revision + 1, decided_ms = COALESCE($5, decided_ms), closed_ms = COALESCE($6, closed_ms)
 WHERE tenant_id = $1 AND id = $2 AND state = $3;

-- The one right to run: taken by exactly one executor, once, before the time is up.
-- name: action_claim :changes
-- in: id text, environment text, claim_id text, executor_id text, now int
UPDATE action
   SET state = 'claimed', revision = revision + 1, claim_id = $4, executor_id = $5, claimed_ms = $6
 WHERE tenant_id = $1 AND id = $2 AND environment = $3 AND state = 'approved' AND claim_id IS NULL
   AND expires_ms > $6;

-- Erases what is not kept, as action_content_delete does.
-- name: action_report :changes
-- in struct: id text, from_state text, to_state text, claim_id text, executor_id text, sealed_report blob?, report_sha256 text, outcome text, message text?, sealed_message blob?, started_ms int, ended_ms int, output_bytes int, output_sha256 text, output_truncated int, now int, nothing blob
UPDATE action
   SET state = $4, revision = revision + 1, sealed_report = $7, report_sha256 = $8, outcome = $9, message = $10,
       sealed_message = $11, started_ms = $12, ended_ms = $13, output_bytes = $14, output_sha256 = $15,
       output_truncated = $16, closed_ms = $17,
       content_key = CASE WHEN keeps_content = 0 THEN NULL ELSE content_key END,
       statement = CASE WHEN keeps_content = 0 THEN $18 ELSE statement END,
       sealed_task_name = CASE WHEN keeps_content = 0 THEN NULL ELSE sealed_task_name END,
       sealed_instruction = CASE WHEN keeps_content = 0 THEN NULL ELSE sealed_instruction END
 WHERE tenant_id = $1 AND id = $2 AND state = $3 AND claim_id = $5 AND executor_id = $6;

-- The state it is in is the lock: of a person and a late report one wins.
-- name: action_settle :changes
-- in struct: id text, from_state text, to_state text, sealed_message blob?, settled_by text, now int
UPDATE action
   SET state = $4, revision = revision + 1, outcome = $4, message = NULL, sealed_message = $5, settled_by = $6,
       closed_ms = $7
 WHERE tenant_id = $1 AND id = $2 AND state = $3;

-- ---- actions of the connector `countersign`, which the server runs itself (control.h) ----

-- name: action_control_list :many
-- in: now int, most int
-- out: id text, workspace_id text
SELECT id, workspace_id FROM action
 WHERE tenant_id = $1 AND state = 'approved' AND connector = 'countersign' AND expires_ms > $2
 ORDER BY id LIMIT $3;

-- name: action_control_claim :changes
-- in: id text, claim_id text, now int
UPDATE action SET state = 'claimed', revision = revision + 1, claim_id = $3, claimed_ms = $4
 WHERE tenant_id = $1 AND id = $2 AND state = 'approved' AND connector = 'countersign' AND claim_id IS NULL
   AND expires_ms > $4;

-- name: action_control_report :changes
-- in: id text, claim_id text, to_state text, message text, started_ms int, ended_ms int
UPDATE action
   SET state = $4, revision = revision + 1, outcome = $4, message = $5, started_ms = $6, ended_ms = $7, closed_ms = $7
 WHERE tenant_id = $1 AND id = $2 AND state = 'claimed' AND claim_id = $3 AND connector = 'countersign';

-- name: action_wait_list :many
-- in: workspace_id text, environment text, now int, most int
-- out: id text
SELECT id FROM action
 WHERE tenant_id = $1 AND workspace_id = $2 AND state = 'approved' AND environment = $3 AND expires_ms > $4
 ORDER BY id LIMIT $5;

-- What the time is up for.
-- name: action_due_list :many
-- in: now int, most int
-- out: id text, workspace_id text, state text
SELECT id, workspace_id, state FROM action
 WHERE tenant_id = $1 AND state IN ('pending', 'approved') AND expires_ms <= $2 ORDER BY expires_ms LIMIT $3;

-- name: action_next_due :one
-- out: expires_ms int?
SELECT MIN(expires_ms) AS expires_ms FROM action WHERE tenant_id = $1 AND state IN ('pending', 'approved');

-- ---- content ----

-- name: workspace_data_mode :one
-- in: workspace_id text
-- out: data_mode text
SELECT data_mode FROM workspace WHERE tenant_id = $1 AND id = $2;

-- Without its key, what was sealed cannot be opened, wherever a copy of it is.
-- name: action_content_delete :exec
-- in: id text, nothing blob
UPDATE action
   SET content_key = NULL, statement = $3, sealed_task_name = NULL, sealed_instruction = NULL, sealed_message = NULL,
       sealed_report = NULL
 WHERE tenant_id = $1 AND id = $2 AND keeps_content = 0;

-- name: output_delete :exec
-- in: action_id text
DELETE FROM action_output WHERE tenant_id = $1 AND action_id = $2;

-- ---- decisions ----

-- name: decision_insert :changes
-- in struct: action_id text, principal_id text, verdict text, keyid text, signature blob, authenticator_data blob?, client_data blob?, roster_version int, now int
INSERT INTO decision (tenant_id, action_id, principal_id, verdict, keyid, signature, authenticator_data, client_data,
       roster_version, decided_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING;

-- name: decision_list :many
-- in: action_id text
-- out: principal_id text, verdict text, keyid text, signature blob, authenticator_data blob?, client_data blob?, decided_ms int
SELECT principal_id, verdict, keyid, signature, authenticator_data, client_data, decided_ms FROM decision
 WHERE tenant_id = $1 AND action_id = $2
 ORDER BY decided_ms, principal_id;

-- ---- output ----

-- name: output_insert :exec
-- in: action_id text, starts_at int, data blob
INSERT INTO action_output (tenant_id, action_id, starts_at, data) VALUES ($1, $2, $3, $4);

-- name: output_count :changes
-- in: id text, executor_id text, sent int, kept int
UPDATE action SET output_sent = $4, output_kept = $5
 WHERE tenant_id = $1 AND id = $2 AND state = 'claimed' AND executor_id = $3;

-- The piece that holds the offset, and those after it.
-- name: output_list :many
-- in: action_id text, offset_in int
-- out: starts_at int, data blob
SELECT starts_at, data FROM action_output
 WHERE tenant_id = $1 AND action_id = $2
   AND starts_at >= COALESCE((SELECT MAX(o.starts_at) FROM action_output o
                               WHERE o.tenant_id = $1 AND o.action_id = $2 AND o.starts_at <= $3), 0)
 ORDER BY starts_at;

-- ---- where the log speaks of an action ----

-- name: action_entry_insert :exec
-- in: action_id text, epoch int, seq int
INSERT INTO action_entry (tenant_id, action_id, epoch, seq)
SELECT $1, id, $3, $4 FROM action WHERE tenant_id = $1 AND id = $2;

-- name: action_entry_list :many
-- in: action_id text
-- out: epoch int, seq int
SELECT epoch, seq FROM action_entry WHERE tenant_id = $1 AND action_id = $2 ORDER BY epoch, seq;

-- ---- cells whose actions wait for time to pass ----

-- name: deadline_cell_insert :exec
-- directory
-- in: tenant_id text, region text
INSERT INTO cell_with_deadlines (tenant_id, region) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: deadline_cell_delete :exec
-- directory
-- in: tenant_id text, region text
DELETE FROM cell_with_deadlines WHERE tenant_id = $1 AND region = $2;

-- name: deadline_cell_list :many
-- directory
-- in: after text, most int
-- out: tenant_id text, region text
SELECT tenant_id, region FROM cell_with_deadlines WHERE tenant_id > $1 ORDER BY tenant_id, region LIMIT $2;
