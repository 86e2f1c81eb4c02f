-- SPDX-License-Identifier: Apache-2.0
-- Organizations and workspaces that can be named, labelled, owned, suspended and archived.

-- Labels are a JSON object of strings in RFC 8785 form. `version` is the ETag.
ALTER TABLE organization ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
ALTER TABLE organization ADD COLUMN owner_id TEXT;
ALTER TABLE organization ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

ALTER TABLE workspace ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
ALTER TABLE workspace ADD COLUMN owner_id TEXT;
ALTER TABLE workspace ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
-- A deleted workspace keeps its id, for what the log says of it, and nothing else.
ALTER TABLE workspace ADD COLUMN state TEXT NOT NULL DEFAULT 'active'
        CHECK (state IN ('active', 'suspended', 'archived', 'deleted'));
-- What is kept of an action once it is closed.
ALTER TABLE workspace ADD COLUMN data_mode TEXT NOT NULL DEFAULT 'metadata_only'
        CHECK (data_mode IN ('metadata_only', 'full'));

CREATE UNIQUE INDEX organization_by_name ON organization (tenant_id, name);
CREATE UNIQUE INDEX workspace_by_name ON workspace (tenant_id, organization_id, name) WHERE state <> 'deleted';

-- The action by whose approval the tenant is being erased. Nothing else happens here any more.
ALTER TABLE tenant_self ADD COLUMN closing_action TEXT;
