-- SPDX-License-Identifier: Apache-2.0

-- name: definition_insert :changes
-- in struct: id text, workspace_id text, kind text, name text, version text, digest text, content text, title text, created_by text, now int
INSERT INTO definition (tenant_id, id, workspace_id, kind, name, version, state, digest, content, title, created_by,
       created_ms, changed_ms)
VALUES ($1, $2, $3, $4, $5, $6, 'draft', $7, $8, $9, $10, $11, $11) ON CONFLICT DO NOTHING;

-- Only a draft can change; and only into another version of itself.
-- name: definition_replace :changes
-- in struct: id text, digest text, content text, title text, now int
UPDATE definition SET digest = $3, content = $4, title = $5, changed_ms = $6
 WHERE tenant_id = $1 AND id = $2 AND state = 'draft';

-- What is published is what was read: the digest is part of the question.
-- name: definition_publish :changes
-- in: id text, digest text, published_by text, now int
UPDATE definition SET state = 'published', published_by = $4, published_ms = $5
 WHERE tenant_id = $1 AND id = $2 AND digest = $3 AND state = 'draft';

-- name: definition_draft_delete :changes
-- in: workspace_id text, id text
DELETE FROM definition WHERE tenant_id = $1 AND workspace_id = $2 AND id = $3 AND state = 'draft';

-- name: definition_get :one
-- in: workspace_id text, id text
-- out: id text, workspace_id text, kind text, name text, version text, state text, digest text, title text, created_by text, created_ms int, changed_ms int, published_by text?, published_ms int?, content text
SELECT id, workspace_id, kind, name, version, state, digest, title, created_by, created_ms, changed_ms, published_by,
       published_ms, content
  FROM definition WHERE tenant_id = $1 AND workspace_id = $2 AND id = $3;

-- Wherever it is: for what is the whole tenant's; who may know of it is for the caller to ask.
-- name: definition_by_id :one
-- in: id text
-- out: as definition_get
SELECT id, workspace_id, kind, name, version, state, digest, title, created_by, created_ms, changed_ms, published_by,
       published_ms, content
  FROM definition WHERE tenant_id = $1 AND id = $2;

-- name: definition_by_name :one
-- in: workspace_id text, kind text, name text, version text
-- out: as definition_get
SELECT id, workspace_id, kind, name, version, state, digest, title, created_by, created_ms, changed_ms, published_by,
       published_ms, content
  FROM definition WHERE tenant_id = $1 AND workspace_id = $2 AND kind = $3 AND name = $4 AND version = $5;

-- An empty text asks for all.
-- name: definition_list :many
-- in struct: workspace_id text, after text, kind text, name text, state text, tag text, tag_value text, environment text, most int
-- out: id text, kind text, name text, version text, state text, digest text, title text, created_by text, created_ms int, changed_ms int, published_by text?, published_ms int?
SELECT d.id, d.kind, d.name, d.version, d.state, d.digest, d.title, d.created_by, d.created_ms, d.changed_ms,
       d.published_by, d.published_ms
  FROM definition d
 WHERE d.tenant_id = $1 AND d.workspace_id = $2 AND d.id > $3
   AND ($4 = '' OR d.kind = $4) AND ($5 = '' OR d.name = $5) AND ($6 = '' OR d.state = $6)
   AND ($7 = '' OR EXISTS (SELECT 1 FROM definition_tag t
         WHERE t.tenant_id = $1 AND t.definition_id = d.id AND t.name = $7 AND t.value = $8))
   AND ($9 = '' OR EXISTS (SELECT 1 FROM definition_promotion p
         WHERE p.tenant_id = $1 AND p.definition_id = d.id AND p.environment = $9))
 ORDER BY d.id LIMIT $10;

-- name: definition_tag_put :exec
-- in: definition_id text, name text, value text
INSERT INTO definition_tag (tenant_id, definition_id, name, value) VALUES ($1, $2, $3, $4);

-- name: definition_tags_delete :exec
-- in: definition_id text
DELETE FROM definition_tag WHERE tenant_id = $1 AND definition_id = $2;

-- name: definition_tags :many
-- in: definition_id text
-- out: name text, value text
SELECT name, value FROM definition_tag WHERE tenant_id = $1 AND definition_id = $2 ORDER BY name;

-- name: definition_environments :many
-- in: definition_id text
-- out: environment text
SELECT environment FROM definition_promotion WHERE tenant_id = $1 AND definition_id = $2 ORDER BY environment;

-- name: promotion_put :exec
-- in struct: workspace_id text, environment text, kind text, name text, definition_id text, action_id text?, promoted_by text, now int
INSERT INTO definition_promotion (tenant_id, workspace_id, environment, kind, name, definition_id, action_id,
       promoted_by, promoted_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (tenant_id, workspace_id, environment, kind, name)
    DO UPDATE SET definition_id = excluded.definition_id, action_id = excluded.action_id,
       promoted_by = excluded.promoted_by, promoted_ms = excluded.promoted_ms;

-- name: promotion_list :many
-- in: workspace_id text, environment text, kind text, after text, most int
-- out: kind text, name text, definition_id text, action_id text?, promoted_by text, promoted_ms int, version text, digest text, content text
SELECT p.kind, p.name, p.definition_id, p.action_id, p.promoted_by, p.promoted_ms, d.version, d.digest, d.content
  FROM definition_promotion p JOIN definition d ON d.id = p.definition_id
 WHERE p.tenant_id = $1 AND d.tenant_id = $1 AND p.workspace_id = $2 AND p.environment = $3 AND ($4 = '' OR p.kind = $4)
   AND p.definition_id > $5
 ORDER BY p.definition_id LIMIT $6;

-- name: promotion_reader_environment :one
-- in: executor_id text, workspace_id text
-- out: environment text
SELECT environment FROM executor WHERE tenant_id = $1 AND id = $2 AND workspace_id = $3 AND revoked_ms IS NULL;
