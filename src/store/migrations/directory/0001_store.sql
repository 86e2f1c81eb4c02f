-- SPDX-License-Identifier: Apache-2.0
-- The store's own books in the directory.

-- Which migrations this file has had; maintained by the store.
CREATE TABLE store_migration (
        number INTEGER NOT NULL PRIMARY KEY,
        title TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        applied_ms INTEGER NOT NULL
) STRICT;

-- Counts commits that failed and were taken back: see "A failed commit" in src/store/README.md.
CREATE TABLE store_state (
        one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
        commits_taken_back INTEGER NOT NULL
) STRICT;

INSERT INTO store_state (one, commits_taken_back) VALUES (1, 0);
