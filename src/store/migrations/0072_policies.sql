-- SPDX-License-Identifier: Apache-2.0
-- Policies in force. The tenant's own, in its home cell; a workspace's, in the cell of its region; those of the
-- platform and of tiers, in the platform's own tenant (and, for every node to see, in the directory).

CREATE TABLE policy_active (
        tenant_id TEXT NOT NULL,
        layer TEXT NOT NULL CHECK (layer IN ('platform', 'tier', 'tenant', 'workspace')),
        -- tier: its name; workspace: its id; else ''.
        scope TEXT NOT NULL,
        name TEXT NOT NULL,
        version TEXT NOT NULL,
        definition_id TEXT NOT NULL,
        digest TEXT NOT NULL,
        -- The published bytes: a definition may be in another cell than what it decides.
        content TEXT NOT NULL,
        -- The action that was approved for it; NULL where none is needed.
        action_id TEXT,
        activated_by TEXT NOT NULL,
        activated_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, layer, scope, name)
) STRICT;

-- In the home cell; no row: policies change at once.
CREATE TABLE policy_protection (
        tenant_id TEXT NOT NULL PRIMARY KEY,
        protected INTEGER NOT NULL CHECK (protected IN (0, 1)),
        changed_by TEXT NOT NULL,
        changed_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
