-- SPDX-License-Identifier: Apache-2.0
-- Definitions: named, versioned documents of a workspace, and which of them an environment has.

CREATE TABLE definition (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        -- A draft may change; what is published never does.
        state TEXT NOT NULL CHECK (state IN ('draft', 'published')),
        -- SHA-256 of the document's bytes, in hex.
        digest TEXT NOT NULL,
        content TEXT NOT NULL,
        title TEXT NOT NULL,
        created_by TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        changed_ms INTEGER NOT NULL,
        published_by TEXT,
        published_ms INTEGER,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, workspace_id, kind, name, version),
        FOREIGN KEY (tenant_id, workspace_id) REFERENCES workspace (tenant_id, id),
        CHECK ((state = 'published') = (published_ms IS NOT NULL))
) STRICT; -- with rowid: documents are wide

CREATE INDEX definition_by_workspace ON definition (tenant_id, workspace_id, id);

-- The tags in the document's head, for lists.
CREATE TABLE definition_tag (
        tenant_id TEXT NOT NULL,
        definition_id TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (tenant_id, definition_id, name),
        FOREIGN KEY (tenant_id, definition_id) REFERENCES definition (tenant_id, id)
) STRICT, WITHOUT ROWID;

-- Of each name one version is what an environment has.
CREATE TABLE definition_promotion (
        tenant_id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        environment TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        definition_id TEXT NOT NULL,
        -- The action that was approved for it; NULL where none is needed.
        action_id TEXT,
        promoted_by TEXT NOT NULL,
        promoted_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, workspace_id, environment, kind, name),
        FOREIGN KEY (tenant_id, definition_id) REFERENCES definition (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX definition_promotion_by_definition ON definition_promotion (tenant_id, definition_id, environment);
