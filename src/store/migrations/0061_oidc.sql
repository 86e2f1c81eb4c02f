-- SPDX-License-Identifier: Apache-2.0
-- Dedicated realms: the tenant's own OpenID Connect issuers, and who came through them.

CREATE TABLE realm (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        issuer TEXT NOT NULL,
        client_id TEXT NOT NULL,
        -- Sealed under the tenant's key; NULL for a public client.
        client_secret BLOB,
        client_authentication TEXT NOT NULL CHECK (client_authentication IN ('basic', 'post', 'none')),
        -- Bits of enum jose_alg.
        algorithms INTEGER NOT NULL,
        -- Of the issuer's tokens that the API takes; NULL: it takes none.
        audience TEXT,
        scopes TEXT NOT NULL,
        -- CEL over `claims`; yields the names of roles.
        roles_expression TEXT NOT NULL,
        name_claim TEXT NOT NULL,
        email_claim TEXT NOT NULL,
        clock_skew_ms INTEGER NOT NULL,
        version INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, name)
) STRICT, WITHOUT ROWID;

-- A person is known by issuer and subject, for ever; names and addresses are nobody's proof.
CREATE TABLE realm_subject (
        tenant_id TEXT NOT NULL,
        issuer TEXT NOT NULL,
        subject TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        realm_id TEXT NOT NULL,
        email TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, issuer, subject),
        FOREIGN KEY (tenant_id, principal_id) REFERENCES principal (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX realm_subject_by_realm ON realm_subject (tenant_id, realm_id, principal_id);

-- A log-in that was begun is finished once; kept until it would have expired anyway.
CREATE TABLE login_finished (
        tenant_id TEXT NOT NULL,
        state_hash BLOB NOT NULL,
        expires_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, state_hash)
) STRICT, WITHOUT ROWID;
