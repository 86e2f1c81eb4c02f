-- SPDX-License-Identifier: Apache-2.0
-- How far agents may go, and what they are granted. In the tenant's home cell.

CREATE TABLE agent_profile (
        tenant_id TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        scope TEXT NOT NULL CHECK (scope IN ('read_only', 'read_write', 'code_gen')),
        risk TEXT NOT NULL CHECK (risk IN ('low', 'medium', 'high', 'critical')),
        -- The definition that it was made from; NULL: none, or it was changed since.
        definition_id TEXT,
        revision INTEGER NOT NULL,
        changed_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, principal_id),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_grant (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        -- Names of the catalogue; '*': all.
        connector TEXT NOT NULL,
        operation TEXT NOT NULL,
        -- '': any.
        environment TEXT NOT NULL,
        -- NULL: the program, for agents that were there before there were grants, and by default.
        granted_by TEXT,
        granted_ms INTEGER NOT NULL,
        revoked_by TEXT,
        revoked_ms INTEGER,
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES agent_profile (tenant_id, principal_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX agent_grant_by_principal ON agent_grant (tenant_id, principal_id, id);
