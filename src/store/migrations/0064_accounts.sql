-- SPDX-License-Identifier: Apache-2.0
-- The shared realm: local accounts and their factors. In the tenant's home cell.

CREATE TABLE account (
        tenant_id TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        -- As it was given, and as it is looked up (NFKC, case folded). NULL until the person has chosen one.
        login TEXT,
        login_folded TEXT,
        -- The Argon2id string, sealed under the tenant's key. NULL: none was set.
        password_sealed BLOB,
        password_ms INTEGER,
        created_ms INTEGER NOT NULL,
        disabled_ms INTEGER,
        PRIMARY KEY (tenant_id, principal_id),
        UNIQUE (tenant_id, login_folded),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id)
) STRICT, WITHOUT ROWID;

-- One-time links by which a person sets a password.
CREATE TABLE account_link (
        tenant_id TEXT NOT NULL,
        prefix TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        -- HMAC-SHA-256 of the link's secret, under a key derived from this version of the root key.
        hash BLOB NOT NULL,
        hash_version INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        used_ms INTEGER,
        PRIMARY KEY (tenant_id, prefix),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES account (tenant_id, principal_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX account_link_by_principal ON account_link (tenant_id, principal_id);

CREATE TABLE account_totp (
        tenant_id TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        seed_sealed BLOB NOT NULL,
        created_ms INTEGER NOT NULL,
        -- NULL until the person has shown a first code.
        confirmed_ms INTEGER,
        -- RFC 6238 section 5.2: a code is accepted once.
        last_step INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, principal_id),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE account_recovery_code (
        tenant_id TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        hash BLOB NOT NULL,
        hash_version INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        used_ms INTEGER,
        PRIMARY KEY (tenant_id, principal_id, hash),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE account_passkey (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        name TEXT NOT NULL,
        credential_id BLOB NOT NULL,
        -- The COSE_Key, and SHA-256 of it: its id on rosters.
        public_key BLOB NOT NULL,
        keyid TEXT NOT NULL,
        rp_id TEXT NOT NULL,
        origin TEXT NOT NULL,
        sign_count INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        used_ms INTEGER,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, credential_id),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX account_passkey_by_principal ON account_passkey (tenant_id, principal_id, id);

-- Challenges of WebAuthn that were answered; kept until they have expired.
CREATE TABLE account_challenge (
        tenant_id TEXT NOT NULL,
        hash BLOB NOT NULL,
        expires_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX account_challenge_by_expiry ON account_challenge (tenant_id, expires_ms);
