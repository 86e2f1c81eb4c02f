-- SPDX-License-Identifier: Apache-2.0
-- The largest checkpoint that each cell's log may have signed. It is written before the signature
-- is given out, and it is not in the cell: a cell that was rolled back shows here.

CREATE TABLE log_high_water (
        tenant TEXT NOT NULL,
        region TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        size INTEGER NOT NULL,
        root BLOB NOT NULL CHECK (length(root) = 32),
        PRIMARY KEY (tenant, region)
) STRICT, WITHOUT ROWID;
