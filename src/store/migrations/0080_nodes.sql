-- SPDX-License-Identifier: Apache-2.0
-- What the nodes of one database tell each other about executors. One process alone keeps these in memory.

-- Which executors are connected to some node; a lease, renewed with their requests for work.
CREATE TABLE executor_presence (
        tenant_id TEXT NOT NULL,
        executor_id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        environment TEXT NOT NULL,
        until_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, executor_id),
        FOREIGN KEY (tenant_id, executor_id) REFERENCES executor (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX executor_presence_by_place ON executor_presence (tenant_id, workspace_id, environment);

-- What executors are asked about targets, and what they answered. A row lives as long as the request
-- that asks; what a dead node left is deleted by the next question of its tenant.
CREATE TABLE resolution (
        tenant_id TEXT NOT NULL,
        id TEXT NOT NULL,
        workspace_id TEXT NOT NULL,
        environment TEXT NOT NULL,
        connector TEXT NOT NULL,
        operation TEXT NOT NULL,
        target TEXT NOT NULL,
        -- JSON
        parameters TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        -- When it was last shown to an executor.
        given_ms INTEGER,
        -- The answer: facts as JSON, or why there are none.
        answered_ms INTEGER,
        facts TEXT,
        failure TEXT CHECK (failure IN ('target_not_found', 'connector_failed')),
        message TEXT,
        PRIMARY KEY (tenant_id, id),
        FOREIGN KEY (tenant_id, workspace_id) REFERENCES workspace (tenant_id, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX resolution_by_place ON resolution (tenant_id, workspace_id, environment, created_ms);
