-- SPDX-License-Identifier: Apache-2.0
-- The store's own books in every region's schema; not a tenant's data, hence no policy.

-- Which migrations this schema has had; maintained by the store.
CREATE TABLE store_migration (
        number BIGINT NOT NULL PRIMARY KEY,
        title TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        applied_ms BIGINT NOT NULL
);

-- What SQLite needs after a failed commit; here so that the statements are the same.
CREATE TABLE store_state (
        one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
        commits_taken_back BIGINT NOT NULL
);

INSERT INTO store_state (one, commits_taken_back) VALUES (1, 0);

-- The cells of this region. A write transaction holds its cell's row, so that a tenant's writes run
-- one after another on all nodes. A cell that is being moved away is not active.
CREATE TABLE store_cell (
        tenant_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('active', 'moving', 'moved')),
        created_ms BIGINT NOT NULL
);
