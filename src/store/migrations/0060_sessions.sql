-- SPDX-License-Identifier: Apache-2.0
-- Who is logged in: browsers, command lines, and the short-lived tokens of services and agents. In the
-- tenant's home cell; the token itself names its tenant, so that the directory needs no row for it.

CREATE TABLE session (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('browser', 'cli', 'service', 'agent')),
        prefix TEXT NOT NULL,
        -- HMAC-SHA-256 of the whole token, under a key derived from this version of the root key.
        hash BLOB NOT NULL,
        hash_version INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        authenticated_ms INTEGER NOT NULL,
        -- The last second factor; NULL: none was shown.
        second_factor_ms INTEGER,
        -- The last use, coarse: written at most once in session_seen_every.
        seen_ms INTEGER NOT NULL,
        -- How long it may rest; NULL: as long as it lives.
        idle_ms INTEGER,
        expires_ms INTEGER NOT NULL,
        revoked_ms INTEGER,
        realm TEXT NOT NULL,
        -- How the person proved who they are: RFC 8176 values with blanks between.
        methods TEXT NOT NULL,
        -- The provider's own session ("sid"), for its back-channel logout.
        provider_session TEXT,
        -- Names of permissions with blanks between; NULL: all that the roles give.
        scopes TEXT,
        -- The only workspace that the token reaches; it may be in another region, hence no reference.
        workspace_id TEXT,
        agent_scope TEXT,
        risk_tier TEXT,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, prefix),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX session_by_principal ON session (tenant_id, principal_id, id);
CREATE INDEX session_by_provider ON session (tenant_id, realm, provider_session);
CREATE INDEX session_by_expiry ON session (tenant_id, expires_ms);
