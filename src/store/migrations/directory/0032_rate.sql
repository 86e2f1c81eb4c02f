-- SPDX-License-Identifier: Apache-2.0
-- Budgets that several nodes share (src/server/rate_shared.h). Losing a row costs nobody anything:
-- it comes back full.
CREATE TABLE rate_bucket (
        name TEXT NOT NULL PRIMARY KEY,
        -- Millionths of a request.
        tokens INTEGER NOT NULL,
        at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX rate_bucket_by_time ON rate_bucket (at_ms);
