-- SPDX-License-Identifier: Apache-2.0

-- Where a log-in goes. By the tenant's id or its name; an id never looks like a name's owner, so at most one.
-- name: account_place :one
-- directory
-- in: tenant text
-- out: tenant_id text, name text, region text, state text
SELECT id AS tenant_id, name, region, state FROM tenant
 WHERE (id = $1 OR (name = $1 AND NOT EXISTS (SELECT 1 FROM tenant WHERE id = $1))) AND state <> 'making';

-- ---- accounts ----

-- name: account_insert :changes
-- in: principal_id text, login text?, login_folded text?, now int
INSERT INTO account (tenant_id, principal_id, login, login_folded, created_ms) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING;

-- name: account_get :one
-- in: principal_id text
-- out: principal_id text, login text?, password_sealed blob?, password_ms int?, created_ms int, disabled_ms int?, name text, principal_disabled_ms int?
SELECT a.principal_id, a.login, a.password_sealed, a.password_ms, a.created_ms, a.disabled_ms, p.name,
       p.disabled_ms AS principal_disabled_ms
  FROM account a JOIN principal p ON p.tenant_id = $1 AND p.id = a.principal_id
 WHERE a.tenant_id = $1 AND a.principal_id = $2;

-- name: account_by_login :one
-- in: login_folded text
-- out: as account_get
SELECT a.principal_id, a.login, a.password_sealed, a.password_ms, a.created_ms, a.disabled_ms, p.name,
       p.disabled_ms AS principal_disabled_ms
  FROM account a JOIN principal p ON p.tenant_id = $1 AND p.id = a.principal_id
 WHERE a.tenant_id = $1 AND a.login_folded = $2;

-- name: account_list :many
-- in: after text, most int
-- out: as account_get
SELECT a.principal_id, a.login, a.password_sealed, a.password_ms, a.created_ms, a.disabled_ms, p.name,
       p.disabled_ms AS principal_disabled_ms
  FROM account a JOIN principal p ON p.tenant_id = $1 AND p.id = a.principal_id
 WHERE a.tenant_id = $1 AND a.principal_id > $2 ORDER BY a.principal_id LIMIT $3;

-- name: account_set_login :changes
-- in: principal_id text, login text, login_folded text
UPDATE account SET login = $3, login_folded = $4
 WHERE tenant_id = $1 AND principal_id = $2 AND login IS NULL
   AND NOT EXISTS (SELECT 1 FROM account WHERE tenant_id = $1 AND login_folded = $4);

-- name: account_set_password :changes
-- in: principal_id text, password_sealed blob, now int
UPDATE account SET password_sealed = $3, password_ms = $4 WHERE tenant_id = $1 AND principal_id = $2;

-- Only if nobody has set another one meanwhile.
-- name: account_renew_password :changes
-- in: principal_id text, password_sealed blob, password_ms int
UPDATE account SET password_sealed = $3 WHERE tenant_id = $1 AND principal_id = $2 AND password_ms = $4;

-- name: account_set_disabled :changes
-- in: principal_id text, disabled_ms int?
UPDATE account SET disabled_ms = $3 WHERE tenant_id = $1 AND principal_id = $2;

-- ---- links ----

-- name: account_link_insert :exec
-- in struct: prefix text, principal_id text, hash blob, hash_version int, now int, expires_ms int
INSERT INTO account_link (tenant_id, prefix, principal_id, hash, hash_version, created_ms, expires_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: account_link_get :one
-- in: prefix text
-- out: principal_id text, hash blob, hash_version int, expires_ms int, used_ms int?
SELECT principal_id, hash, hash_version, expires_ms, used_ms FROM account_link
 WHERE tenant_id = $1 AND prefix = $2;

-- One wins.
-- name: account_link_use :changes
-- in: prefix text, now int
UPDATE account_link SET used_ms = $3
 WHERE tenant_id = $1 AND prefix = $2 AND used_ms IS NULL AND expires_ms > $3;

-- A new link, or a password that was set, makes the others worth nothing.
-- name: account_link_void :changes
-- in: principal_id text, now int
UPDATE account_link SET used_ms = $3 WHERE tenant_id = $1 AND principal_id = $2 AND used_ms IS NULL;

-- ---- one-time passwords ----

-- name: account_totp_get :one
-- in: principal_id text
-- out: seed_sealed blob, created_ms int, confirmed_ms int?, last_step int
SELECT seed_sealed, created_ms, confirmed_ms, last_step FROM account_totp
 WHERE tenant_id = $1 AND principal_id = $2;

-- A seed that was not confirmed may be replaced; one that was must be taken away first.
-- name: account_totp_put :changes
-- in: principal_id text, seed_sealed blob, now int
INSERT INTO account_totp (tenant_id, principal_id, seed_sealed, created_ms, last_step) VALUES ($1, $2, $3, $4, 0)
ON CONFLICT (tenant_id, principal_id) DO UPDATE SET seed_sealed = $3, created_ms = $4, last_step = 0
 WHERE account_totp.confirmed_ms IS NULL;

-- The WHERE clause is the lock: of two who show the same code one wins.
-- name: account_totp_use :changes
-- in: principal_id text, step int, now int
UPDATE account_totp SET last_step = $3, confirmed_ms = COALESCE(confirmed_ms, $4)
 WHERE tenant_id = $1 AND principal_id = $2 AND last_step < $3;

-- name: account_totp_delete :changes
-- in: principal_id text
DELETE FROM account_totp WHERE tenant_id = $1 AND principal_id = $2;

-- ---- recovery codes ----

-- name: account_recovery_insert :exec
-- in: principal_id text, hash blob, hash_version int, now int
INSERT INTO account_recovery_code (tenant_id, principal_id, hash, hash_version, created_ms)
VALUES ($1, $2, $3, $4, $5);

-- name: account_recovery_versions :many
-- in: principal_id text
-- out: hash_version int
SELECT DISTINCT hash_version FROM account_recovery_code
 WHERE tenant_id = $1 AND principal_id = $2 AND used_ms IS NULL ORDER BY hash_version;

-- name: account_recovery_use :changes
-- in: principal_id text, hash blob, now int
UPDATE account_recovery_code SET used_ms = $4
 WHERE tenant_id = $1 AND principal_id = $2 AND hash = $3 AND used_ms IS NULL;

-- name: account_recovery_left :one
-- in: principal_id text
-- out: codes int
SELECT COUNT(*) AS codes FROM account_recovery_code
 WHERE tenant_id = $1 AND principal_id = $2 AND used_ms IS NULL;

-- name: account_recovery_delete :changes
-- in: principal_id text
DELETE FROM account_recovery_code WHERE tenant_id = $1 AND principal_id = $2;

-- ---- passkeys ----

-- name: account_passkey_insert :changes
-- in struct: id text, principal_id text, name text, credential_id blob, public_key blob, keyid text, rp_id text, origin text, sign_count int, now int
INSERT INTO account_passkey (tenant_id, id, principal_id, name, credential_id, public_key, keyid, rp_id, origin,
                             sign_count, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING;

-- name: account_passkey_list :many
-- in: principal_id text
-- out: id text, principal_id text, name text, credential_id blob, public_key blob, keyid text, rp_id text, origin text, sign_count int, created_ms int, used_ms int?
SELECT id, principal_id, name, credential_id, public_key, keyid, rp_id, origin, sign_count, created_ms, used_ms
  FROM account_passkey WHERE tenant_id = $1 AND principal_id = $2 ORDER BY id;

-- name: account_passkey_by_credential :one
-- in: credential_id blob
-- out: as account_passkey_list
SELECT id, principal_id, name, credential_id, public_key, keyid, rp_id, origin, sign_count, created_ms, used_ms
  FROM account_passkey WHERE tenant_id = $1 AND credential_id = $2;

-- name: account_passkey_by_keyid :one
-- in: principal_id text, keyid text
-- out: as account_passkey_list
SELECT id, principal_id, name, credential_id, public_key, keyid, rp_id, origin, sign_count, created_ms, used_ms
  FROM account_passkey WHERE tenant_id = $1 AND principal_id = $2 AND keyid = $3;

-- WebAuthn section 7.2, step 21; the WHERE clause is the check.
-- name: account_passkey_use :changes
-- in: id text, sign_count int, now int
UPDATE account_passkey SET sign_count = $3, used_ms = $4
 WHERE tenant_id = $1 AND id = $2 AND (($3 = 0 AND sign_count = 0) OR $3 > sign_count);

-- name: account_passkey_delete :changes
-- in: principal_id text, id text
DELETE FROM account_passkey WHERE tenant_id = $1 AND principal_id = $2 AND id = $3;

-- name: account_passkey_delete_all :changes
-- in: principal_id text
DELETE FROM account_passkey WHERE tenant_id = $1 AND principal_id = $2;

-- ---- challenges ----

-- Once.
-- name: account_challenge_use :changes
-- in: hash blob, expires_ms int
INSERT INTO account_challenge (tenant_id, hash, expires_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: account_challenge_expire :changes
-- in: now int
DELETE FROM account_challenge WHERE tenant_id = $1 AND expires_ms < $2;
