-- SPDX-License-Identifier: Apache-2.0
-- Which nodes share this directory, and whose work another takes over when one dies.

CREATE TABLE node (
        id TEXT NOT NULL PRIMARY KEY,
        started_ms INTEGER NOT NULL,
        -- Counts up while the node lives. Others watch it, so nobody's clock matters.
        beats INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The cells whose deadlines a node watches.
CREATE TABLE node_cell (
        node_id TEXT NOT NULL REFERENCES node (id),
        tenant_id TEXT NOT NULL,
        region TEXT NOT NULL,
        PRIMARY KEY (node_id, tenant_id, region)
) STRICT, WITHOUT ROWID;
