-- SPDX-License-Identifier: Apache-2.0

-- Labels as in cells. An archived tenant can be read, restored and deleted, and nothing else.
ALTER TABLE tenant ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
ALTER TABLE tenant ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE tenant ADD COLUMN archived_ms INTEGER;
-- The action by whose approval it is being erased, from before the effect until nothing is left.
ALTER TABLE tenant ADD COLUMN closing_action TEXT;
CREATE INDEX tenant_closing ON tenant (id) WHERE closing_action IS NOT NULL;

ALTER TABLE workspace_place ADD COLUMN state TEXT NOT NULL DEFAULT 'active'
        CHECK (state IN ('active', 'suspended', 'archived', 'deleted'));

-- What is left of a tenant that was deleted: the proof that its own people wanted it.
CREATE TABLE tenant_grave (
        tenant_id TEXT NOT NULL,
        region TEXT NOT NULL,
        deleted_ms INTEGER NOT NULL,
        action_id TEXT NOT NULL,
        -- The statement with the approvals (DSSE), and the rosters that they count by, one a line.
        envelope TEXT NOT NULL,
        rosters TEXT NOT NULL,
        -- The log's last checkpoint in this region, the key to check it with, and the proof of the entry
        -- of the deletion (C2SP tlog-proof).
        checkpoint TEXT NOT NULL,
        vkey TEXT NOT NULL,
        proof TEXT NOT NULL,
        PRIMARY KEY (tenant_id, region)
) STRICT, WITHOUT ROWID;
