-- SPDX-License-Identifier: Apache-2.0
-- The table of actions anew, with the same columns. Of a list that is longer than two SQLite makes a table at
-- every statement that writes the state, which took a tenth of the time of an action's transactions; so the
-- check says each state by itself, the most frequent first.

CREATE TABLE action_new (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        -- src/approvals/transitions.def says how it changes.
        state TEXT NOT NULL CHECK (state = 'pending' OR state = 'approved' OR state = 'claimed' OR state = 'succeeded'
                OR state = 'failed' OR state = 'denied' OR state = 'rejected' OR state = 'expired'
                OR state = 'cancelled' OR state = 'lapsed' OR state = 'indeterminate'),
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
        -- Sealed with content_key, as are the columns sealed_….
        statement BLOB NOT NULL,
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        decided_ms INTEGER,
        closed_ms INTEGER,
        -- The claim: taken once, never given back.
        claim_id TEXT,
        executor_id TEXT,
        claimed_ms INTEGER,
        -- The report that stands. `message` is the server's own, for what it runs itself.
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
        -- Whether the workspace was in the data mode `full` when the action was asked for.
        keeps_content INTEGER NOT NULL DEFAULT 0 CHECK (keeps_content IN (0, 1)),
        -- The action's key, under the tenant's. NULL: what was sealed with it is gone for ever.
        content_key BLOB,
        -- The asker's words; nothing trusts them.
        sealed_task_name BLOB,
        sealed_instruction BLOB,
        sealed_message BLOB,
        sealed_report BLOB,
        -- Of the report's envelope: so that the same one is known again.
        report_sha256 TEXT,
        -- Who said how an action ended whose executor does not say it; NULL: the executor did.
        settled_by TEXT,
        PRIMARY KEY (tenant_id, id),
        UNIQUE (tenant_id, digest),
        FOREIGN KEY (tenant_id, workspace_id) REFERENCES workspace (tenant_id, id),
        FOREIGN KEY (tenant_id, requester_id) REFERENCES principal (tenant_id, id)
) STRICT; -- with rowid: a row with its statement is wide, and would overflow the pages of an index

INSERT INTO action_new (tenant_id, id, workspace_id, state, revision, environment, connector, operation, target, effect,
       requester_id, rule, decisions, roles, digest, statement, created_ms, expires_ms, decided_ms, closed_ms, claim_id,
       executor_id, claimed_ms, outcome, message, started_ms, ended_ms, output_bytes, output_sha256, output_truncated,
       output_sent, output_kept, keeps_content, content_key, sealed_task_name, sealed_instruction, sealed_message,
       sealed_report, report_sha256, settled_by)
SELECT tenant_id, id, workspace_id, state, revision, environment, connector, operation, target, effect, requester_id,
       rule, decisions, roles, digest, statement, created_ms, expires_ms, decided_ms, closed_ms, claim_id, executor_id,
       claimed_ms, outcome, message, started_ms, ended_ms, output_bytes, output_sha256, output_truncated, output_sent,
       output_kept, keeps_content, content_key, sealed_task_name, sealed_instruction, sealed_message, sealed_report,
       report_sha256, settled_by
  FROM action ORDER BY tenant_id, id;

DROP TABLE action;
ALTER TABLE action_new RENAME TO action;

CREATE INDEX action_by_workspace ON action (tenant_id, workspace_id, id);
CREATE INDEX action_by_state ON action (tenant_id, workspace_id, state, id);
CREATE INDEX action_open ON action (tenant_id, expires_ms) WHERE state IN ('pending', 'approved');
