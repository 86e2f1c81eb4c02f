-- SPDX-License-Identifier: Apache-2.0
-- The tenant's own copy of what it is, and who can act for it.

CREATE TABLE tenant_self (
        tenant_id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        tier TEXT NOT NULL,
        region TEXT NOT NULL,
        platform INTEGER NOT NULL CHECK (platform IN (0, 1)),
        created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE organization (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE workspace (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        organization_id TEXT NOT NULL,
        name TEXT NOT NULL,
        region TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, organization_id) REFERENCES organization (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE principal (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('user', 'service', 'agent', 'executor')),
        name TEXT NOT NULL,
        -- Bits of enum role.
        roles INTEGER NOT NULL,
        -- The only workspace that it may act in, if any.
        workspace_id TEXT,
        created_ms INTEGER NOT NULL,
        disabled_ms INTEGER,
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, workspace_id) REFERENCES workspace (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE api_key (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        prefix TEXT NOT NULL,
        name TEXT NOT NULL,
        -- HMAC-SHA-256 of the whole key, under a key derived from this version of the root key.
        hash BLOB NOT NULL,
        hash_version INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER,
        revoked_ms INTEGER,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, prefix),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX api_key_by_principal ON api_key (tenant_id, principal_id, id);

-- Public keys that people have offered for the roster. They count only once the roster names them.
CREATE TABLE signing_key (
        tenant_id TEXT NOT NULL,
        keyid TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        public_key BLOB NOT NULL,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, keyid),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX signing_key_by_principal ON signing_key (tenant_id, principal_id);
