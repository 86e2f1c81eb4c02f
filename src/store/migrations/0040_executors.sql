-- SPDX-License-Identifier: Apache-2.0
-- Executors: announced with a one-time token, enrolled with a key of their own.

CREATE TABLE executor (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        name TEXT NOT NULL,
        environment TEXT NOT NULL,
        -- The one-time token: NULL once it was used.
        token_prefix TEXT,
        token_hash BLOB,
        token_hash_version INTEGER,
        token_expires_ms INTEGER,
        keyid TEXT,
        public_key BLOB,
        created_ms INTEGER NOT NULL,
        enrolled_ms INTEGER,
        revoked_ms INTEGER,
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, workspace_id) REFERENCES workspace (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX executor_by_workspace ON executor (tenant_id, workspace_id, id);
CREATE UNIQUE INDEX executor_by_token ON executor (tenant_id, token_prefix) WHERE token_prefix IS NOT NULL;
-- A name is free again once its executor is revoked.
CREATE UNIQUE INDEX executor_by_name ON executor (tenant_id, workspace_id, name) WHERE revoked_ms IS NULL;
