-- SPDX-License-Identifier: Apache-2.0
-- API keys: their own limit, their last use, and what a rotation replaced. Tokens for programs: the keys by
-- which a service proves itself, and the assertions that were shown already.

-- Names of permissions with blanks between; NULL: all that the roles give.
ALTER TABLE api_key ADD COLUMN scopes TEXT;
-- The last use, coarse: written at most once an hour.
ALTER TABLE api_key ADD COLUMN used_ms INTEGER;
-- The key whose successor this is.
ALTER TABLE api_key ADD COLUMN replaces_id TEXT;

-- How a service or an agent gets tokens: the public keys (RFC 7517) by which it signs its assertions, and what
-- its tokens are bound to.
CREATE TABLE token_client (
        tenant_id TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        jwks TEXT,
        workspace_id TEXT,
        agent_scope TEXT,
        risk_tier TEXT,
        changed_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, principal_id),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id)
) STRICT, WITHOUT ROWID;

-- Assertions that were used (RFC 7523 section 3, "jti"); kept until they have expired.
CREATE TABLE token_assertion (
        tenant_id TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        jti_sha256 BLOB NOT NULL,
        expires_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, principal_id, jti_sha256),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX token_assertion_by_expiry ON token_assertion (tenant_id, expires_ms);

-- Authorization codes (RFC 6749 section 4.1.2), for command lines that log in through the browser. Used once;
-- a code that comes twice ends the session that it gave.
CREATE TABLE authorization_code (
        tenant_id TEXT NOT NULL,
        hash BLOB NOT NULL,
        principal_id TEXT NOT NULL,
        redirect_uri TEXT NOT NULL,
        -- RFC 7636, S256.
        challenge TEXT NOT NULL,
        realm TEXT NOT NULL,
        methods TEXT NOT NULL,
        authenticated_ms INTEGER NOT NULL,
        second_factor_ms INTEGER,
        provider_session TEXT,
        expires_ms INTEGER NOT NULL,
        session_id TEXT,
        PRIMARY KEY (tenant_id, hash),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX authorization_code_by_expiry ON authorization_code (tenant_id, expires_ms);
