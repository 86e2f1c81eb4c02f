-- SPDX-License-Identifier: Apache-2.0
-- Actions, what people decided on them, and whose signatures count.

CREATE TABLE roster_version (
        tenant_id TEXT NOT NULL,
        version INTEGER NOT NULL,
        digest TEXT NOT NULL,
        -- The DSSE envelope as JSON.
        envelope TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE action (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        -- src/approvals/transitions.def says how it changes.
        state TEXT NOT NULL CHECK (state IN ('denied', 'pending', 'approved', 'claimed', 'succeeded', 'failed',
                'indeterminate', 'rejected', 'expired', 'cancelled', 'lapsed')),
        revision INTEGER NOT NULL,
        environment TEXT NOT NULL,
        connector TEXT NOT NULL,
        operation TEXT NOT NULL,
        target TEXT,
        effect TEXT NOT NULL,
        requester_id TEXT NOT NULL,
        rule TEXT NOT NULL,
        -- How many decisions are required: never zero. NULL where the rule requires none.
        decisions INTEGER CHECK (decisions BETWEEN 1 AND 16),
        -- Names of roles, separated by spaces.
        roles TEXT NOT NULL,
        digest TEXT NOT NULL,
        statement BLOB NOT NULL,
        -- The asker's words; nothing trusts them.
        task_name TEXT,
        instruction TEXT,
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        decided_ms INTEGER,
        closed_ms INTEGER,
        -- The claim: taken once, never given back.
        claim_id TEXT,
        executor_id TEXT,
        claimed_ms INTEGER,
        -- The report that stands.
        report TEXT,
        outcome TEXT,
        message TEXT,
        started_ms INTEGER,
        ended_ms INTEGER,
        output_bytes INTEGER,
        output_sha256 TEXT,
        output_truncated INTEGER,
        -- How much the executor has sent, and how much of it was kept.
        output_sent INTEGER NOT NULL,
        output_kept INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, digest),
        FOREIGN KEY (tenant_id, workspace_id) REFERENCES workspace (tenant_id, id),
        FOREIGN KEY (tenant_id, requester_id) REFERENCES principal (tenant_id, id)
) STRICT; -- with rowid: a row with its statement is wide, and would overflow the pages of an index

CREATE INDEX action_by_workspace ON action (tenant_id, workspace_id, id);
CREATE INDEX action_by_state ON action (tenant_id, workspace_id, state, id);
CREATE INDEX action_open ON action (tenant_id, expires_ms) WHERE state IN ('pending', 'approved');

CREATE TABLE decision (
        tenant_id TEXT NOT NULL,
        action_id TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'reject')),
        keyid TEXT NOT NULL,
        signature BLOB NOT NULL,
        roster_version INTEGER NOT NULL,
        decided_ms INTEGER NOT NULL,
        -- One person decides once, whatever keys they have; and one key is one person's.
        PRIMARY KEY (tenant_id, action_id, principal_id),
        UNIQUE (tenant_id, action_id, keyid),
        FOREIGN KEY (tenant_id, action_id) REFERENCES action (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE action_output (
        tenant_id TEXT NOT NULL,
        action_id TEXT NOT NULL,
        starts_at INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (tenant_id, action_id, starts_at),
        FOREIGN KEY (tenant_id, action_id) REFERENCES action (tenant_id, id)
) STRICT, WITHOUT ROWID;

-- Where in the tenant's log an action's entries are.
CREATE TABLE action_entry (
        tenant_id TEXT NOT NULL,
        action_id TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, action_id, epoch, seq),
        FOREIGN KEY (tenant_id, action_id) REFERENCES action (tenant_id, id)
) STRICT, WITHOUT ROWID;
