-- SPDX-License-Identifier: Apache-2.0
-- What must be known before a tenant is: names, where things are, whose a credential is.

CREATE TABLE tenant (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        tier TEXT NOT NULL,
        region TEXT NOT NULL,
        -- 'making' until its cell is filled; then 'active', or 'suspended'.
        state TEXT NOT NULL CHECK (state IN ('making', 'active', 'suspended')),
        platform INTEGER NOT NULL CHECK (platform IN (0, 1)),
        created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE workspace_place (
        workspace_id TEXT NOT NULL PRIMARY KEY,
        tenant_id TEXT NOT NULL REFERENCES tenant (id),
        region TEXT NOT NULL
) STRICT;

CREATE INDEX workspace_place_by_tenant ON workspace_place (tenant_id);

-- Whose cell holds the keyed hash of a credential: 'cs' an API key, 'cse' an enrolment token.
CREATE TABLE credential_place (
        kind TEXT NOT NULL CHECK (kind IN ('cs', 'cse')),
        prefix TEXT NOT NULL,
        tenant_id TEXT NOT NULL REFERENCES tenant (id),
        region TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (kind, prefix)
) STRICT, WITHOUT ROWID;

CREATE INDEX credential_place_by_tenant ON credential_place (tenant_id);

-- Cells with actions that wait for time to pass, so that a start knows where to look.
CREATE TABLE cell_with_deadlines (
        tenant_id TEXT NOT NULL,
        region TEXT NOT NULL,
        PRIMARY KEY (tenant_id, region)
) STRICT, WITHOUT ROWID;
