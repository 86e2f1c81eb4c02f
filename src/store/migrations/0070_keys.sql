-- SPDX-License-Identifier: Apache-2.0
-- Keys under the root key, and keys of model providers under the tenant's.

-- The tenant's keys: the newest seals, all open. Wrapped by the root key.
CREATE TABLE tenant_key (
        tenant_id TEXT NOT NULL,
        version INTEGER NOT NULL CHECK (version > 0),
        -- The version of the root key that wraps it, so that a rotation finds what it has to do.
        root_version INTEGER NOT NULL,
        wrapped BLOB NOT NULL,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX tenant_key_by_root ON tenant_key (tenant_id, root_version, version);

CREATE TABLE provider_key (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        -- The only region in which it may be used: its workspace's.
        region TEXT NOT NULL,
        provider TEXT NOT NULL CHECK (provider IN ('openai', 'azure_openai', 'anthropic', 'openai_compatible')),
        name TEXT NOT NULL,
        base_url TEXT NOT NULL,
        revision INTEGER NOT NULL,
        created_by TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        revoked_ms INTEGER,
        -- To the minute: a use does not cost a write.
        used_ms INTEGER,
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, workspace_id) REFERENCES workspace (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX provider_key_by_workspace ON provider_key (tenant_id, workspace_id, id);
-- A name is free again once its key is revoked.
CREATE UNIQUE INDEX provider_key_by_name ON provider_key (tenant_id, workspace_id, name) WHERE revoked_ms IS NULL;

-- The secret itself, version by version. What is retired or revoked is deleted, not marked.
CREATE TABLE provider_key_secret (
        tenant_id TEXT NOT NULL,
        key_id TEXT NOT NULL,
        version INTEGER NOT NULL CHECK (version > 0),
        sealed BLOB NOT NULL,
        last_four TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('valid', 'unverified')),
        checked_ms INTEGER,
        created_ms INTEGER NOT NULL,
        -- When a newer one has taken over: until then it may still be used.
        retires_ms INTEGER,
        PRIMARY KEY (tenant_id, key_id, version),
        FOREIGN KEY (tenant_id, key_id) REFERENCES provider_key (tenant_id, id)
) STRICT, WITHOUT ROWID;
