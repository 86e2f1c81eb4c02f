-- SPDX-License-Identifier: Apache-2.0

-- ---- what authorization reads ----

-- name: access_principal_get :one
-- in: id text
-- out: kind text, name text, workspace_id text?, disabled_ms int?, platform bool
SELECT p.kind, p.name, p.workspace_id, p.disabled_ms, t.platform
  FROM principal p JOIN tenant_self t ON t.tenant_id = $1
 WHERE p.tenant_id = $1 AND p.id = $2;

-- Its own bindings and those of its groups.
-- name: access_rules_of :many
-- in: principal_id text, most int
-- out: id text, group_id text?, role text?, role_id text?, role_name text?, permissions text?, owner_permissions text?, level text, scope_id text, effect text, condition text?
SELECT b.id AS id, b.group_id, b.role, b.role_id, r.name AS role_name, r.permissions, r.owner_permissions, b.level,
       b.scope_id, b.effect, b.condition
  FROM access_binding b LEFT JOIN access_role r ON r.tenant_id = $1 AND r.id = b.role_id
 WHERE b.tenant_id = $1 AND b.principal_id = $2
UNION ALL
SELECT b.id AS id, b.group_id, b.role, b.role_id, r.name AS role_name, r.permissions, r.owner_permissions, b.level,
       b.scope_id, b.effect, b.condition
  FROM access_member m
  JOIN access_binding b ON b.tenant_id = $1 AND b.group_id = m.group_id
  LEFT JOIN access_role r ON r.tenant_id = $1 AND r.id = b.role_id
 WHERE m.tenant_id = $1 AND m.principal_id = $2
 ORDER BY id LIMIT $3;

-- name: access_groups_of :many
-- in: principal_id text, most int
-- out: id text, name text
SELECT g.id, g.name FROM access_member m JOIN access_group g ON g.tenant_id = $1 AND g.id = m.group_id
 WHERE m.tenant_id = $1 AND m.principal_id = $2 ORDER BY g.id LIMIT $3;

-- name: access_workspace_get :one
-- in: id text
-- out: organization_id text, region text, data_mode text, owner_id text?, labels text
SELECT organization_id, region, data_mode, owner_id, labels FROM workspace WHERE tenant_id = $1 AND id = $2;

-- name: access_organization_get :one
-- in: id text
-- out: id text
SELECT id FROM organization WHERE tenant_id = $1 AND id = $2;

-- name: access_action_get :one
-- in: id text
-- out: workspace_id text, requester_id text, environment text
SELECT workspace_id, requester_id, environment FROM action WHERE tenant_id = $1 AND id = $2;

-- Who may hold the power to manage everything: those among whom the last administrator is looked for.
-- name: access_administrators :many
-- in: effect text, level text, most int
-- out: id text
SELECT p.id FROM principal p
 WHERE p.tenant_id = $1
   AND (EXISTS (SELECT 1 FROM access_binding b
                 WHERE b.tenant_id = $1 AND b.principal_id = p.id AND b.effect = $2 AND b.level = $3)
        OR EXISTS (SELECT 1 FROM access_member m JOIN access_binding g ON g.tenant_id = $1 AND g.group_id = m.group_id
                    WHERE m.tenant_id = $1 AND m.principal_id = p.id AND g.effect = $2 AND g.level = $3))
 ORDER BY p.id LIMIT $4;

-- ---- roles ----

-- name: access_role_insert :changes
-- in: id text, name text, description text, permissions text, owner_permissions text, now int
INSERT INTO access_role (tenant_id, id, name, description, permissions, owner_permissions, revision, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, 1, $7) ON CONFLICT (tenant_id, name) DO NOTHING;

-- name: access_role_get :one
-- in: id text
-- out: id text, name text, description text, permissions text, owner_permissions text, revision int, created_ms int
SELECT id, name, description, permissions, owner_permissions, revision, created_ms FROM access_role
 WHERE tenant_id = $1 AND id = $2;

-- name: access_role_named :one
-- in: name text
-- out: as access_role_get
SELECT id, name, description, permissions, owner_permissions, revision, created_ms FROM access_role
 WHERE tenant_id = $1 AND name = $2;

-- name: access_role_list :many
-- in: after text, most int
-- out: as access_role_get
SELECT id, name, description, permissions, owner_permissions, revision, created_ms FROM access_role
 WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- name: access_role_count :one
-- out: roles int
SELECT COUNT(*) AS roles FROM access_role WHERE tenant_id = $1;

-- name: access_role_update :changes
-- in: id text, description text, permissions text, owner_permissions text
UPDATE access_role SET description = $3, permissions = $4, owner_permissions = $5, revision = revision + 1
 WHERE tenant_id = $1 AND id = $2;

-- name: access_role_delete :changes
-- in: id text
DELETE FROM access_role WHERE tenant_id = $1 AND id = $2;

-- name: access_role_uses :one
-- in: role_id text
-- out: bindings int
SELECT COUNT(*) AS bindings FROM access_binding WHERE tenant_id = $1 AND role_id = $2;

-- ---- groups ----

-- name: access_group_insert :changes
-- in: id text, name text, description text, now int
INSERT INTO access_group (tenant_id, id, name, description, created_ms) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, name) DO NOTHING;

-- name: access_group_get :one
-- in: id text
-- out: id text, name text, description text, created_ms int
SELECT id, name, description, created_ms FROM access_group WHERE tenant_id = $1 AND id = $2;

-- name: access_group_list :many
-- in: after text, most int
-- out: as access_group_get
SELECT id, name, description, created_ms FROM access_group WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3;

-- name: access_group_delete :changes
-- in: id text
DELETE FROM access_group WHERE tenant_id = $1 AND id = $2;

-- name: access_group_members_delete :exec
-- in: group_id text
DELETE FROM access_member WHERE tenant_id = $1 AND group_id = $2;

-- name: access_group_bindings_delete :exec
-- in: group_id text
DELETE FROM access_binding WHERE tenant_id = $1 AND group_id = $2;

-- name: access_member_insert :changes
-- in: group_id text, principal_id text, now int
INSERT INTO access_member (tenant_id, group_id, principal_id, added_ms) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, group_id, principal_id) DO NOTHING;

-- name: access_member_delete :changes
-- in: group_id text, principal_id text
DELETE FROM access_member WHERE tenant_id = $1 AND group_id = $2 AND principal_id = $3;

-- name: access_member_count :one
-- in: group_id text
-- out: members int
SELECT COUNT(*) AS members FROM access_member WHERE tenant_id = $1 AND group_id = $2;

-- name: access_membership_count :one
-- in: principal_id text
-- out: groups int
SELECT COUNT(*) AS groups FROM access_member WHERE tenant_id = $1 AND principal_id = $2;

-- name: access_member_list :many
-- in: group_id text, after text, most int
-- out: principal_id text, kind text, name text, added_ms int
SELECT m.principal_id, p.kind, p.name, m.added_ms
  FROM access_member m JOIN principal p ON p.tenant_id = $1 AND p.id = m.principal_id
 WHERE m.tenant_id = $1 AND m.group_id = $2 AND m.principal_id > $3 ORDER BY m.principal_id LIMIT $4;

-- ---- bindings ----

-- name: access_binding_insert :exec
-- in struct: id text, principal_id text?, group_id text?, role text?, role_id text?, level text, scope_id text, effect text, condition text?, created_by text?, now int
INSERT INTO access_binding (tenant_id, id, principal_id, group_id, role, role_id, level, scope_id, effect, condition,
                            created_by, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: access_binding_get :one
-- in: id text
-- out: id text, principal_id text?, group_id text?, role text?, role_id text?, role_name text?, permissions text?, owner_permissions text?, level text, scope_id text, effect text, condition text?, created_by text?, created_ms int
SELECT b.id, b.principal_id, b.group_id, b.role, b.role_id, r.name AS role_name, r.permissions, r.owner_permissions,
       b.level, b.scope_id, b.effect, b.condition, b.created_by, b.created_ms
  FROM access_binding b LEFT JOIN access_role r ON r.tenant_id = $1 AND r.id = b.role_id
 WHERE b.tenant_id = $1 AND b.id = $2;

-- name: access_binding_list :many
-- in: after text, most int
-- out: as access_binding_get
SELECT b.id, b.principal_id, b.group_id, b.role, b.role_id, r.name AS role_name, r.permissions, r.owner_permissions,
       b.level, b.scope_id, b.effect, b.condition, b.created_by, b.created_ms
  FROM access_binding b LEFT JOIN access_role r ON r.tenant_id = $1 AND r.id = b.role_id
 WHERE b.tenant_id = $1 AND b.id > $2 ORDER BY b.id LIMIT $3;

-- name: access_binding_list_of_principal :many
-- in: principal_id text, after text, most int
-- out: as access_binding_get
SELECT b.id, b.principal_id, b.group_id, b.role, b.role_id, r.name AS role_name, r.permissions, r.owner_permissions,
       b.level, b.scope_id, b.effect, b.condition, b.created_by, b.created_ms
  FROM access_binding b LEFT JOIN access_role r ON r.tenant_id = $1 AND r.id = b.role_id
 WHERE b.tenant_id = $1 AND b.principal_id = $2 AND b.id > $3 ORDER BY b.id LIMIT $4;

-- name: access_binding_list_of_group :many
-- in: group_id text, after text, most int
-- out: as access_binding_get
SELECT b.id, b.principal_id, b.group_id, b.role, b.role_id, r.name AS role_name, r.permissions, r.owner_permissions,
       b.level, b.scope_id, b.effect, b.condition, b.created_by, b.created_ms
  FROM access_binding b LEFT JOIN access_role r ON r.tenant_id = $1 AND r.id = b.role_id
 WHERE b.tenant_id = $1 AND b.group_id = $2 AND b.id > $3 ORDER BY b.id LIMIT $4;

-- name: access_binding_count_of_principal :one
-- in: principal_id text
-- out: bindings int
SELECT COUNT(*) AS bindings FROM access_binding WHERE tenant_id = $1 AND principal_id = $2;

-- name: access_binding_count_of_group :one
-- in: group_id text
-- out: bindings int
SELECT COUNT(*) AS bindings FROM access_binding WHERE tenant_id = $1 AND group_id = $2;

-- name: access_binding_delete :changes
-- in: id text
DELETE FROM access_binding WHERE tenant_id = $1 AND id = $2;

-- name: access_scope_bindings_delete :exec
-- in: scope_id text
DELETE FROM access_binding WHERE tenant_id = $1 AND scope_id = $2;

-- The names of the roles that principals hold by bindings of their own, for lists of principals.
-- name: access_role_names :many
-- in: from_id text, to_id text, effect text
-- out: principal_id text?, role text?, role_name text?
SELECT b.principal_id, b.role, r.name AS role_name
  FROM access_binding b LEFT JOIN access_role r ON r.tenant_id = $1 AND r.id = b.role_id
 WHERE b.tenant_id = $1 AND b.principal_id >= $2 AND b.principal_id <= $3 AND b.effect = $4
 ORDER BY b.principal_id, b.id;

-- ---- names elsewhere ----

-- name: access_subject_insert :changes
-- in: type text, id text, principal_id text, now int
INSERT INTO access_subject (tenant_id, type, id, principal_id, created_ms) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, type, id) DO NOTHING;

-- name: access_subject_get :one
-- in: type text, id text
-- out: principal_id text
SELECT principal_id FROM access_subject WHERE tenant_id = $1 AND type = $2 AND id = $3;

-- name: access_subject_list :many
-- in: principal_id text
-- out: type text, id text, created_ms int
SELECT type, id, created_ms FROM access_subject WHERE tenant_id = $1 AND principal_id = $2 ORDER BY type, id LIMIT 100;

-- name: access_subject_delete :changes
-- in: type text, id text, principal_id text
DELETE FROM access_subject WHERE tenant_id = $1 AND type = $2 AND id = $3 AND principal_id = $4;
